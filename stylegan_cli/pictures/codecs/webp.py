"""WebP by libwebp (Pillow)."""

from typing import Any, BinaryIO

from stylegan_cli.pictures.codecs import pillow
from stylegan_cli.pictures.codecs.codec import Contents, Header, PictureFormat, Wanted
from stylegan_cli.pictures.metadata import Metadata


class Webp:
    """WebP, still or moving."""

    format = PictureFormat(
        name="WEBP",
        suffixes=(".webp",),
        alpha=True,
        animation=True,
        profile=True,
        exif=True,
        xmp=True,
        largest_side=16383,
    )

    def recognises(self, head: bytes) -> bool:
        """By the kind of its RIFF container."""
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        return pillow.probe_image(stream, ("WEBP",), moving=True)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture, or the frames of an animation."""
        image = pillow.open_image(stream, ("WEBP",), wanted)
        if getattr(image, "n_frames", 1) > 1 and not wanted.still:
            frames = pillow.animation(image, wanted)
        else:
            frames = [pillow.still(image, wanted)]
        exif, info = image.info.get("exif"), image.info
        metadata = Metadata(
            None if exif is None else exif.removeprefix(b"Exif\0\0"), info.get("xmp")
        )
        return Contents(
            frames=frames,
            icc=info.get("icc_profile"),
            metadata=metadata,
            loop=info.get("loop", 0),
        )

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture, or the animation."""
        frames, metadata = contents.frames, contents.metadata
        options: dict[str, Any] = {"quality": quality}
        blocks = {"icc_profile": contents.icc, "exif": metadata.exif, "xmp": metadata.xmp}
        options |= {name: block or b"" for name, block in blocks.items()}
        images = [pillow.image_of(frame) for frame in frames]
        if len(images) > 1:
            options |= {
                "save_all": True,
                "append_images": images[1:],
                "duration": pillow.whole_milliseconds(frames),
                "loop": 1 if contents.loop is None else contents.loop,
            }
            if frames[0].alpha is not None:
                # Whole frames: libwebp loses the alpha when it crops each to its opaque part.
                options |= {"kmin": 1, "kmax": 1}
        return pillow.saved(images[0], "WEBP", **options)
