"""Whether a written clip is what it should be."""

from collections.abc import Iterator

import numpy as np

from stylegan_cli.clips import ClipRecord, ClipWriter, Track
from stylegan_cli.errors import ClipError

# Sound is cut to whole packets by some containers and to samples by others.
_PACKET_OF_SOUND_S = 0.1


def check_clip(record: ClipRecord, writer: ClipWriter) -> None:
    """Compare what `writer` wrote with what went in.

    Raises ClipError where number, times, size or orientation of the frames differ, the length of
    the clip, or the packets of a copied track.
    """
    differences = [
        *_differences_of_pictures(record, writer),
        *_differences_of_length(record, writer),
        *_differences_of_tracks(record, writer),
    ]
    if differences:
        raise ClipError(
            f"the written clip has {' and '.join(differences)} and was not kept: "
            "try another --codec or suffix"
        )


def spoilt_sound(record: ClipRecord, writer: ClipWriter) -> frozenset[int]:
    """The numbers, in the source, of copied sound that the container did not keep as it was."""
    return frozenset(
        track.number
        for track in writer.tracks
        if track.kind == "audio" and any(_differences_of_track(track, record, writer))
    )


def _differences_of_pictures(record: ClipRecord, writer: ClipWriter) -> Iterator[str]:
    found, source = record.info, writer.plan.like
    wanted_s = np.asarray(writer.times, np.float64) * float(source.time_base)
    found_s = np.asarray(record.times, np.float64) * float(found.time_base)
    tick_s = float(max(source.time_base, found.time_base))
    if len(found_s) != len(wanted_s):
        yield f"{len(found_s)} frames instead of {len(wanted_s)}"
    elif np.abs(found_s - wanted_s).max() > tick_s:
        yield "frames at other times"
    if (found.width, found.height) != (writer.plan.width, writer.plan.height):
        yield f"a size of {found.width}x{found.height}"
    if found.orientation != source.orientation:
        yield "another orientation"


def _differences_of_length(record: ClipRecord, writer: ClipWriter) -> Iterator[str]:
    """Whether the clip is said to last until the last of its tracks has ended."""
    pictures_s = float(writer.end * writer.plan.like.time_base)
    wanted_s = max(pictures_s, record.chapters_end_s, *record.ends_s.values())
    found_s = record.info.duration_s
    if found_s is not None and record.info.format_name.startswith("mov"):
        found_s += max(0.0, record.info.start_s)  # It is counted from the first packet.
    if found_s is not None and abs(found_s - wanted_s) > _slack_s(record):
        yield f"a length of {found_s:.2f} s instead of {wanted_s:.2f} s"


def _slack_s(record: ClipRecord) -> float:
    """By how much the end of a track may differ, seconds."""
    return max(_PACKET_OF_SOUND_S, record.sound_packet_s)


def _differences_of_tracks(record: ClipRecord, writer: ClipWriter) -> Iterator[str]:
    for track in writer.tracks:
        yield from _differences_of_track(track, record, writer)


def _differences_of_track(track: Track, record: ClipRecord, writer: ClipWriter) -> Iterator[str]:
    end_s = record.ends_s.get(track.index, 0.0)
    # How long the last words are shown, or the last data hold, not every container says.
    is_short = track.kind == "audio" and end_s < track.end_s - _slack_s(record)
    if is_short or end_s > track.end_s + _slack_s(record):
        yield f"{track.kind} until {end_s:.2f} s instead of {track.end_s:.2f} s"
    if not track.is_copied:
        return
    # A broadcast repeats in every packet what a file keeps once, so its packets change.
    is_verbatim = writer.plan.like.format_name.startswith(("mov", "matroska"))
    packets, checksum = record.tracks.get(track.index, (0, ""))
    # Raw sound is cut into packets anew by each container.
    is_raw = track.output.codec_context is not None and (
        track.output.codec_context.name.startswith("pcm_")
    )
    if packets != track.packets and not is_raw:
        yield f"{packets} {track.kind} packets instead of {track.packets}"
    elif is_verbatim and checksum != track.checksum.hexdigest():
        yield f"other {track.kind} packets"
