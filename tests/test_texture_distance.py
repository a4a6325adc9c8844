"""What the distance to a creator's texture promises."""

import pytest
import torch

from stylegan_cli.networks.frozen_features import FrozenFeatures, load_features
from stylegan_cli.runtime.randomness import torch_generator
from stylegan_cli.training.config import TextureConfig
from stylegan_cli.training.texture_distance import TextureDistance

SIZE = 64


@pytest.fixture(scope="module")
def features() -> FrozenFeatures:
    return load_features("lite0")


def hatched(count: int, seed: int) -> torch.Tensor:
    """Pictures whose dark half has lines and whose light half has none, (count, 3, SIZE, SIZE)."""
    generator = torch_generator(seed, 0, "test")
    phases = torch.rand(count, 1, 1, generator=generator) * 5
    lines = torch.sign(torch.sin((torch.arange(SIZE) + phases) * 2 * torch.pi / 5))
    pictures = torch.full((count, SIZE, SIZE), 0.8)
    pictures[:, : SIZE // 2] = -0.4 + 0.4 * lines
    return pictures[:, None].repeat(1, 3, 1, 1)


def mean_distance(texture: TextureDistance, images: torch.Tensor) -> float:
    return float(torch.stack([texture.distance([images], draw) for draw in range(4)]).mean())


def test_lines_are_asked_for_where_the_creator_draws_them_and_nowhere_else(
    features: FrozenFeatures,
) -> None:
    texture = TextureDistance([hatched(12, seed=0)], features, TextureConfig(), seed=0)
    same = hatched(4, seed=1)
    smooth, elsewhere, grainy = same.clone(), same.clone(), same.clone()
    smooth[:, :, : SIZE // 2] = -0.4
    elsewhere[:, :, : SIZE // 2] = -0.4
    elsewhere[:, :, SIZE // 2 :] += same[:, :, : SIZE // 2] + 0.4
    noise = 0.4 * torch.randn(grainy.shape, generator=torch_generator(0, 0, "noise"))
    grainy[:, :, : SIZE // 2] = (-0.4 + noise)[:, :, : SIZE // 2]
    others = [mean_distance(texture, images) for images in (smooth, elsewhere, grainy)]
    assert mean_distance(texture, same) < 0.5 * min(others)


def test_its_gradient_draws_lines_that_are_faint_in_full(features: FrozenFeatures) -> None:
    texture = TextureDistance([hatched(12, seed=0)], features, TextureConfig(), seed=0)
    image = hatched(2, seed=1)
    dark = image[:, :, : SIZE // 2]
    dark += 0.7 * (-0.4 - dark)
    faint = dark.std()
    stylized = image.clone().requires_grad_()
    optimizer = torch.optim.Adam([stylized], lr=0.01)
    for step in range(60):
        optimizer.zero_grad()
        texture.distance([stylized], step).backward()
        optimizer.step()
    assert stylized[:, :, : SIZE // 2].std() > 1.2 * faint


def test_its_draws_depend_on_seed_and_step_alone(features: FrozenFeatures) -> None:
    crops, image = hatched(3, seed=0), hatched(1, seed=1)
    first, again = (TextureDistance([crops], features, TextureConfig(), seed=0) for _ in range(2))
    assert first.distance([image], 5) == again.distance([image], 5)
    assert first.distance([image], 5) != first.distance([image], 6)


def test_a_hue_that_the_creator_does_not_have_counts_though_it_is_faint(
    features: FrozenFeatures,
) -> None:
    texture = TextureDistance([hatched(12, seed=0)], features, TextureConfig(), seed=0)
    grey = hatched(4, seed=1)
    purple = grey + 0.04 * torch.tensor([1.0, -1.0, 1.0])[:, None, None]
    assert mean_distance(texture, purple) > 1.5 * mean_distance(texture, grey)


def test_its_slope_is_the_same_each_time_whatever_the_threads_do(features: FrozenFeatures) -> None:
    texture = TextureDistance([hatched(12, seed=0)], features, TextureConfig(), seed=0)
    image = torch.rand(4, 3, 128, 128, generator=torch_generator(0, 0, "image"))

    def slope() -> torch.Tensor:
        picture = image.clone().requires_grad_()
        texture.distance([picture], 0).backward()
        assert picture.grad is not None
        return picture.grad

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, *others = (slope() for _ in range(6))
    finally:
        torch.set_num_threads(threads)
    assert all(other.equal(first) for other in others)
