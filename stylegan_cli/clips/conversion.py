"""Decoded frames as stylizers take them: upright, in RGB of 8 or 16 bits, or as they are stored."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from stylegan_cli.clips.colour_tags import YCGCO
from stylegan_cli.clips.description import EXACT, ClipInfo, Pixels, StoredFrame
from stylegan_cli.clips.fields import FieldSplitter
from stylegan_cli.clips.planes import turned
from stylegan_cli.clips.stored_codes import copied, samples
from stylegan_cli.clips.tone_mapping import ToneMapper


class FrameConverter:
    """Converts the frames of a clip.

    tone_map: bring PQ and HLG to display values, else their numbers come as they are. is_deep: give
    16 bits, where `info.is_deep`. is_planar: give the pixels as they are stored (see `planes`),
    where `can_be_planar` says so. splits_fields: put the upper field of each frame above the lower.
    keeps_stored: give a copy of what a frame was converted from, too.
    """

    def __init__(self, info: ClipInfo) -> None:
        self.tone_mapper = ToneMapper(info.colours) if info.colours.is_hdr else None
        self.tone_map = self.is_deep = self.is_planar = self.splits_fields = False
        self.keeps_stored = False
        self._info = info
        self._splitter = FieldSplitter()

    def __call__(
        self, frame: VideoFrame
    ) -> tuple[npt.NDArray[Any], Pixels | None, StoredFrame | None]:
        """The pixels of a frame, its alpha if it has any, and what it was converted from."""
        if self.splits_fields:
            frame = self._splitter(frame)
        pixels, alpha = self._to_planes(frame) if self.is_planar else self._to_rgb(frame)
        shape = (frame.width, frame.height, frame.format.name)
        is_usual = shape == (*self._info.coded_size, self._info.pix_fmt)
        if not self.keeps_stored or not is_usual:
            return pixels, alpha, None
        # A decoder may go on to mend a damaged frame that it has given away.
        return pixels, alpha, StoredFrame(copied(frame, frame.format.name), pixels)

    def _to_planes(self, frame: VideoFrame) -> tuple[Pixels, None]:
        info, matrix = self._info, self._info.colours.swscale_matrix(self._info.height)
        code_range = info.colours.swscale_range
        picture = frame.reformat(  # Nothing to do but for the odd frame that is unlike the first.
            width=info.width,
            height=info.height,
            format=info.pix_fmt,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=code_range,
            dst_color_range=code_range,
            interpolation=EXACT,
        )
        array = picture.to_ndarray().astype(np.uint8, copy=False)
        return turned(array, info.orientation.upright), None

    def _to_rgb(self, frame: VideoFrame) -> tuple[npt.NDArray[Any], Pixels | None]:
        info = self._info
        is_mapped = self.tone_map and self.tone_mapper is not None
        is_deep = is_mapped or self.is_deep
        # The same colours as packed RGB at a quarter of the cost: swscale is written for planes.
        layout = "gbrp16le" if is_deep else "rgba" if info.has_alpha else "gbrp"
        if info.colours.matrix == YCGCO:
            return info.orientation.upright(info.cropped(self._of_ycgco(frame, is_deep))), None
        picture = self._converted(frame, layout)
        if layout == "rgba":
            array = info.cropped(picture.to_ndarray())
            pixels = info.orientation.upright(array[..., :3].astype(np.uint8, copy=False))
            alpha = array[..., 3].astype(np.uint8, copy=False)
            return pixels, info.orientation.upright(alpha)
        kind = np.uint16 if is_deep else np.uint8
        green, blue, red = (samples(plane, kind) for plane in picture.planes)
        pixels = info.cropped(np.asarray(cv2.merge([red, green, blue])))
        if is_mapped and self.tone_mapper is not None:
            pixels = self.tone_mapper(pixels.astype(np.uint16, copy=False))
        return info.orientation.upright(pixels), None

    def _converted(self, frame: VideoFrame, layout: str) -> VideoFrame:
        width, height = self._info.coded_size
        is_rgb = not layout.startswith("yuv")
        matrix = self._info.colours.swscale_matrix(height)
        return frame.reformat(
            width=width,
            height=height,
            format=layout,
            src_colorspace=matrix,
            dst_colorspace=None if is_rgb else matrix,
            src_color_range=self._info.colours.swscale_range,
            dst_color_range=None if is_rgb else ColorRange.JPEG,
            interpolation=EXACT,
            threads=1,  # Others have work for the rest of the processor meanwhile.
        )

    def _of_ycgco(self, frame: VideoFrame, is_deep: bool) -> npt.NDArray[Any]:
        """RGB of a frame in luma, green and orange difference (H.273, matrix 8)."""
        kind = np.uint16 if is_deep else np.uint8
        picture = self._converted(frame, "yuv444p16le" if is_deep else "yuv444p")
        planes = [samples(plane, kind) for plane in picture.planes]
        middle = 1 << (8 * np.dtype(kind).itemsize - 1)
        matrix = np.array([[1, -1, 1, 0], [1, 1, 0, -middle], [1, -1, -1, 2 * middle]], np.float32)
        return np.asarray(cv2.transform(cv2.merge(planes), matrix), kind)
