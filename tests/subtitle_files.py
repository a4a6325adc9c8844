"""A clip with words and a font beside the pictures."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

_SRT = "1\n00:00:00,100 --> 00:00:00,300\nHello\n\n2\n00:00:00,400 --> 00:00:00,600\nWorld\n"


def add_subtitles(clip: Path, target: Path, text: str = _SRT) -> Path:
    """Copy a Matroska clip with subtitles, two of them or those of `text`, and an attachment."""
    words = clip.with_suffix(".srt")
    words.write_text(text)
    with (
        av.open(str(clip)) as pictures,
        av.open(str(words)) as lines,
        av.open(str(target), "w") as out,
    ):
        tracks: dict[int, Any] = {
            0: out.add_stream_from_template(pictures.streams.video[0]),
            1: out.add_stream_from_template(lines.streams.subtitles[0]),
        }
        out.add_attachment("font.ttf", "font/ttf", b"not really a font")
        packets: list[Any] = [(0, packet) for packet in pictures.demux(video=0) if packet.size]
        packets += [(1, packet) for packet in lines.demux(subtitles=0) if packet.size]
        packets.sort(key=lambda entry: Fraction(entry[1].dts or 0) * entry[1].time_base)
        for kind, packet in packets:
            packet.stream = tracks[kind]
            out.mux(packet)
    words.unlink()
    return target
