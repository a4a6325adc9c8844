"""What the loss on a creator's texture promises."""

import torch

from stylegan_cli.randomness import torch_generator
from stylegan_cli.training.patches import PatchLoss

SIZE = 64


def hatched(count: int, seed: int) -> torch.Tensor:
    """Pictures whose dark half has lines and whose light half has none, (count, 3, SIZE, SIZE)."""
    generator = torch_generator(seed, 0, "test")
    phases = torch.rand(count, 1, 1, generator=generator) * 5
    lines = torch.sign(torch.sin((torch.arange(SIZE) + phases) * 2 * torch.pi / 5))
    pictures = torch.full((count, SIZE, SIZE), 0.8)
    pictures[:, : SIZE // 2] = -0.4 + 0.4 * lines
    return pictures[:, None].repeat(1, 3, 1, 1)


def mean_loss(loss: PatchLoss, images: torch.Tensor) -> float:
    return float(torch.stack([loss(images, step) for step in range(4)]).mean())


def test_lines_are_asked_for_where_the_creator_draws_them_and_nowhere_else() -> None:
    loss = PatchLoss(hatched(12, seed=0), seed=0)
    same = hatched(4, seed=1)
    smooth, elsewhere, grainy = same.clone(), same.clone(), same.clone()
    smooth[:, :, : SIZE // 2] = -0.4
    elsewhere[:, :, : SIZE // 2] = -0.4
    elsewhere[:, :, SIZE // 2 :] += same[:, :, : SIZE // 2] + 0.4
    noise = 0.4 * torch.randn(grainy.shape, generator=torch_generator(0, 0, "noise"))
    grainy[:, :, : SIZE // 2] = (-0.4 + noise)[:, :, : SIZE // 2]
    others = [mean_loss(loss, images) for images in (smooth, elsewhere, grainy)]
    assert mean_loss(loss, same) < 0.5 * min(others)


def test_its_gradient_draws_lines_that_are_faint_in_full() -> None:
    loss = PatchLoss(hatched(12, seed=0), seed=0)
    image = hatched(2, seed=1)
    dark = image[:, :, : SIZE // 2]
    dark += 0.7 * (-0.4 - dark)
    faint = dark.std()
    painted = image.clone().requires_grad_()
    optimizer = torch.optim.Adam([painted], lr=0.01)
    for step in range(30):
        optimizer.zero_grad()
        loss(painted, step).backward()
        optimizer.step()
    assert painted[:, :, : SIZE // 2].std() > 1.2 * faint


def test_its_draws_depend_on_seed_and_step_alone() -> None:
    crops, image = hatched(3, seed=0), hatched(1, seed=1)
    first, again = PatchLoss(crops, seed=0), PatchLoss(crops, seed=0)
    assert first(image, 5) == again(image, 5)
    assert first(image, 5) != first(image, 6)
