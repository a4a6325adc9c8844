"""Pictures in memory, random crops of them, and the treatment that reals and fakes share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.errors import DataError
from stylegan_cli.learning.shares import Share
from stylegan_cli.networks.pixel_range import to_levels, to_signed
from stylegan_cli.networks.precision import as_tensor
from stylegan_cli.pictures import read_header, read_rgb_or_warn, resize, resize_short_side
from stylegan_cli.runtime.randomness import numpy_generator, torch_generator

CENTRE_SIDE = 512  # px, at most, of the middle of a picture that validation sees

Progress = Callable[[int, int], None]
Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of width and height


def median_short_side(paths: Sequence[Path]) -> int:
    """Px, from the headers of up to 32 pictures; 256 where none can be read."""
    headers = [read_header(path) for path in paths[:: max(1, len(paths) // 32)]]
    sides = [side for header in headers if (side := min(header.height, header.width)) > 0]
    return int(np.median(sides)) if sides else 256


class PictureSet:
    """Decoded pictures that can be cropped at any scale up to their own."""

    def __init__(
        self,
        paths: Sequence[Path],
        short_side: int,
        on_progress: Progress | None = None,
        boxes_of: Callable[[np.ndarray], list[Box]] | None = None,
    ) -> None:
        """short_side: px that larger pictures are brought to; smaller ones keep their size.

        boxes_of: finds the faces of a picture. Raises DataError where no picture can be read.
        """
        self.pictures: list[np.ndarray] = []
        self.boxes: list[list[Box]] = []
        for done, path in enumerate(paths, 1):
            pixels = read_rgb_or_warn(path)
            if pixels is not None:
                pixels = _at_most(pixels, short_side)
                self.pictures.append(pixels)
                self.boxes.append(boxes_of(pixels) if boxes_of else [])
            if on_progress:
                on_progress(done, len(paths))
        if not self.pictures:
            raise DataError(f"none of {len(paths)} pictures could be read; see the warnings above")

    def __len__(self) -> int:
        return len(self.pictures)

    def crops(
        self, rng: np.random.Generator, share: Share, size: int, short_side: float
    ) -> tuple[Tensor, Tensor]:
        """Random crops, half of them mirrored, of pictures as if brought down to `short_side` px.

        None is enlarged but one that is smaller than a crop.

        Returns (n, 3, size, size) in [-1, 1], and (n, 1, size, size): 1 in faces, else 0; those of
        the share, of all that are drawn.
        """
        images = np.empty((len(share.rows), size, size, 3), np.uint8)
        faces = np.zeros((len(share.rows), size, size), np.float32)
        for row in range(share.count):
            chosen = int(rng.integers(len(self.pictures)))
            pixels = self.pictures[chosen]
            own = min(pixels.shape[:2])
            window = min(own, round(size * max(1.0, own / short_side)))
            top = int(rng.integers(pixels.shape[0] - window + 1))
            left = int(rng.integers(pixels.shape[1] - window + 1))
            mirrored = bool(rng.integers(2))
            if row not in share.rows:
                continue
            index = share.rows.index(row)
            crop = resize(pixels[top : top + window, left : left + window], (size, size))
            for box in self.boxes[chosen]:
                _fill(faces[index], box, pixels.shape, top, left, size / window)
            images[index] = crop[:, ::-1] if mirrored else crop
            faces[index] = faces[index, :, ::-1].copy() if mirrored else faces[index]
        return to_tensor(images), as_tensor(faces)[:, None]

    def centres(self, count: int, short_side: int) -> list[Tensor]:
        """The middles of the first `count` pictures, brought down to `short_side` px.

        Each (1, 3, H, W); H and W are multiples of 8 and at most CENTRE_SIDE.
        """
        results = []
        for pixels in self.pictures[:count]:
            scale = min(1.0, short_side / min(pixels.shape[:2]))
            size = [max(8, round(side * scale) // 8 * 8) for side in pixels.shape[:2]]
            top, left = (max(0, side - CENTRE_SIDE) // 2 for side in size)
            middle = resize(pixels, (size[0], size[1]))[top:, left:][:CENTRE_SIDE, :CENTRE_SIDE]
            results.append(to_tensor(middle[None]))
        return results


def _at_most(pixels: np.ndarray, short_side: int) -> np.ndarray:
    return resize_short_side(pixels, short_side) if min(pixels.shape[:2]) > short_side else pixels


def to_tensor(images: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 → (N, 3, H, W) float in [-1, 1], channels last in memory."""
    # A copy: pictures may be read-only, and torch wants to be able to write.
    tensor = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    return to_signed(tensor).contiguous(memory_format=torch.channels_last)


def to_pixels(images: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [-1, 1] → (N, H, W, 3) uint8, clipped and rounded."""
    pixels: np.ndarray = to_levels(images.detach()).permute(0, 2, 3, 1).cpu().numpy()
    return pixels


class HistoryPool:
    """Earlier fakes, shown to the discriminator again (Shrivastava et al. 2017), in 8 bits.

    size: fakes kept; 0 shows each fake once.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self._seed = seed
        self._kept: list[Tensor] = []

    def swap(self, fakes: Tensor, step: int) -> Tensor:
        """`fakes` (B, 3, H, W), about half of them replaced by earlier ones."""
        rng = numpy_generator(self._seed, step, "pool")
        shown = []
        for fake in fakes.detach():
            if len(self._kept) < self.size:
                self._kept.append(to_levels(fake))
                shown.append(fake)
            elif self.size and rng.random() < 0.5:
                index = int(rng.integers(self.size))
                shown.append(to_signed(self._kept[index].to(fake.device), fake.dtype))
                self._kept[index] = to_levels(fake)
            else:
                shown.append(fake)
        return torch.stack(shown).contiguous(memory_format=torch.channels_last)

    def state_dict(self) -> dict[str, Tensor]:
        """The kept fakes as one tensor of bytes."""
        return {"kept": torch.stack(self._kept)} if self._kept else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue with the fakes of `state`."""
        self._kept = list(state["kept"]) if "kept" in state else []


def same_treatment(images: Sequence[Tensor], seed: int, step: int) -> list[Tensor]:
    """Resize and compress reals and fakes alike, so that the discriminator learns neither.

    Straight-through: the gradient of JPEG is taken as one. images: each (B, 3, H, W).
    """
    rng = numpy_generator(seed, step, "treatment")
    side = max(8, int(images[0].shape[-1] * rng.uniform(0.8, 1.05)) // 8 * 8)
    quality = int(rng.integers(70, 98))
    return [_through_jpeg(_resized(part, side), quality) for part in images]


def augment(images: Tensor, seed: int, step: int, purpose: str, share: Share) -> Tensor:
    """Differentiable augmentation (Zhao et al. 2020): brightness, shift and cut-out per image.

    Colour changes only a little: it is part of the style. images: (B, 3, H, W), of a share.
    """
    generator = torch_generator(seed, step, f"augment {purpose}")
    count, side = len(images), images.shape[-1]
    drawn = torch.rand(share.count, 5, generator=generator)[share.slice]
    draws = drawn.to(images.device) * 2 - 1
    images = images + 0.15 * draws[:, 0, None, None, None]
    shift = torch.eye(2, 3, device=images.device).repeat(count, 1, 1)
    shift[:, :, 2] = draws[:, 1:3] * 0.25
    grid = functional.affine_grid(shift, list(images.shape), align_corners=False)
    images = functional.grid_sample(
        images, grid.to(images.dtype), padding_mode="reflection", align_corners=False
    )
    along = (torch.arange(side, device=images.device) + 0.5) / side * 2 - 1
    inside = ((along[None] - draws[:, 3:5, None].reshape(-1, 1)).abs() < 0.25).view(count, 2, side)
    hole = inside[:, 0, :, None] & inside[:, 1, None, :]
    return images * (~hole)[:, None].to(images.dtype)


def _resized(images: Tensor, side: int) -> Tensor:
    if images.shape[-1] == side:
        return images
    return functional.interpolate(
        images, (side, side), mode="bilinear", align_corners=False, antialias=True
    )


def _through_jpeg(images: Tensor, quality: int) -> Tensor:
    if images.is_meta:
        return images
    packed = np.empty((len(images), *images.shape[2:], 3), np.uint8)
    for index, pixels in enumerate(to_pixels(images)):
        # OpenCV's order is BGR, both ways.
        _, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        packed[index] = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1]
    return images + (to_tensor(packed).to(images.device) - images).detach()


def _fill(
    mask: np.ndarray, box: Box, shape: tuple[int, ...], top: int, left: int, scale: float
) -> None:
    height, width = shape[:2]
    x0, x1 = ((side * width - left) * scale for side in box[0::2])
    y0, y1 = ((side * height - top) * scale for side in box[1::2])
    mask[max(0, int(y0)) : max(0, int(y1)), max(0, int(x0)) : max(0, int(x1))] = 1
