"""Small real clips, made on the spot."""

import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from stylegan_cli.clips import (
    ClipFrame,
    ClipReader,
    ClipWriter,
    EncoderOptions,
    FrameEncoder,
    append_packet,
    plan_clip,
)

Pixels = npt.NDArray[np.uint8]

QUARTER_TURN = (0, 65536, 0, -65536, 0, 0, 64 * 65536, 0, 1 << 30)  # as phones write it


def ramp_frame(number: int, width: int, height: int) -> Pixels:
    """A smooth frame with a bar that moves, bright at the top left."""
    rows, columns = np.mgrid[0:height, 0:width]
    frame = np.stack([200 - columns * 150 / width, 180 - rows * 120 / height, columns * 0 + 90], -1)
    left = 4 * number % width
    frame[:, left : left + 8, 2] = 220
    return frame.astype(np.uint8)


def make_clip(
    path: Path,
    *,
    times: Sequence[int] = tuple(range(0, 2000, 100)),
    time_base: Fraction = Fraction(1, 3000),
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    format: str | None = None,
    frame_of: Callable[[int, int, int], Pixels] = ramp_frame,
    matrix: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    tags: tuple[int, int, int, int] | None = None,
    sound: str | None = None,
    sound_first: bool = False,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    title: str | None = None,
    chapters: list[Any] | None = None,
    gop: int = 12,
    timecode: str | None = None,
) -> Path:
    """Write a clip. times: pts in `time_base`; tags: range, primaries, transfer, matrix."""
    width, height = size
    with av.open(
        f"file:{path}", "w", format=format, container_options=container_options or {}
    ) as out:
        voice = add_sound(out, sound) if sound is not None and sound_first else None
        stream: Any = out.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        context = stream.codec_context
        context.time_base = stream.time_base = time_base
        context.gop_size = gop
        context.options = options or {}
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if tags is not None:
            context.color_range, context.color_primaries = tags[:2]
            context.color_trc, context.colorspace = tags[2:]
        if pix_fmt.startswith("yuva"):
            stream.metadata["alpha_mode"] = "1"
        stream.set_display_matrix(matrix)
        if timecode is not None:
            stream.metadata["timecode"] = timecode
            stream.codec_context.framerate = 1 / (time_base * (times[1] - times[0]))
        if title is not None:
            out.metadata["title"] = title
        if sound is not None and voice is None:
            voice = add_sound(out, sound)
        if chapters is not None:
            out.set_chapters(chapters)
        for number, time in enumerate(times):
            pixels = frame_of(number, width, height)
            layout = "rgba" if pixels.shape[2] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(pixels, layout)
            frame.pts, frame.time_base = time, time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice is not None:
            seconds = float((times[-1] - times[0]) * time_base) + 0.1
            for packet in sound_packets(voice, seconds):
                out.mux(packet)
    return path


def add_sound(out: Any, codec: str) -> Any:
    """A stereo track of 48 kHz."""
    voice = out.add_stream(codec, rate=48_000)
    voice.layout = "stereo"
    voice.metadata["language"] = "deu"
    return voice


def sound_packets(voice: Any, seconds: float) -> Iterator[Any]:
    """A tone of that length, encoded."""
    for start in range(0, int(seconds * 48_000), 960):
        tone = (np.sin(np.arange(start, start + 960) / 20) * 0.3).astype(np.float32)
        frame: Any = av.AudioFrame.from_ndarray(np.stack([tone, tone]), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        yield from voice.encode(frame)
    yield from voice.encode(None)


def frame_times(path: Path) -> list[float]:
    """When each decoded frame is shown, seconds."""
    with av.open(f"file:{path}") as clip:
        return [float(frame.pts * frame.time_base) for frame in clip.decode(video=0)]  # type: ignore[operator]


def sound_of(path: Path) -> tuple[float, int, list[bytes]]:
    """(first time in seconds, number of samples, packets) of the first sound track."""
    with av.open(f"file:{path}") as clip:
        packets = [bytes(packet) for packet in clip.demux(audio=0) if packet.size]
    with av.open(f"file:{path}") as clip:
        frames = list(clip.decode(audio=0))
        return float(frames[0].pts * frames[0].time_base), sum(f.samples for f in frames), packets


def write_clip(path: Path, reader: ClipReader, options: EncoderOptions) -> ClipWriter:
    """What `reader` reads, encoded anew: frames in one segment, then joined with the rest."""
    plan = plan_clip(path.suffix, reader.info, (reader.info.width, reader.info.height), options)
    encoder = FrameEncoder(plan, path)
    with ClipWriter(path, plan) as writer, path.with_suffix(".packets").open("wb") as file:
        writer.begin(reader)
        others = []
        end = 0
        for item in reader:
            if isinstance(item, ClipFrame):
                end = item.pts + item.duration
                for packet in encoder.encode(item):
                    append_packet(file, packet)
            else:
                others.append(item)
        for packet in encoder.finish():
            append_packet(file, packet)
        file.flush()
        writer.join([Path(file.name)], end, others)
    return writer


def add_crop(clip: Path, *, size: tuple[int, int], centre: tuple[int, int] = (0, 0)) -> None:
    """Put a clean aperture (ISO/IEC 14496-12, `clap`) into an mp4 whose index is at its end.

    size: (width, height) to show. centre: px by which it lies right of and below the middle.
    """
    numbers = [number for value in (*size, *centre) for number in (value, 1)]
    box = struct.pack(">I4s8i", 40, b"clap", *numbers)
    content = bytearray(clip.read_bytes())
    content += box  # It is moved to the end of the sample entry below.
    start, end = 0, len(content) - len(box)
    for name, header in (
        (b"moov", 8), (b"trak", 8), (b"mdia", 8), (b"minf", 8), (b"stbl", 8), (b"stsd", 16),
        (b"avc1", 0),
    ):  # fmt: skip
        start = content.index(name, start, end) - 4
        (length,) = struct.unpack_from(">I", content, start)
        struct.pack_into(">I", content, start, length + len(box))
        end = start + length
        start += header
    del content[-len(box) :]
    content[end:end] = box
    clip.write_bytes(content)
