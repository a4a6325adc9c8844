"""Sentences for what is not in a new clip as it was in the old."""

from collections.abc import Iterator

from stylegan_cli.clips import (
    YCGCO,
    ClipInfo,
    ClipPlan,
    ClipReader,
    ClipRecord,
    ClipWriter,
    clip_tags,
)


def words_on_colours(info: ClipInfo, plan: ClipPlan) -> Iterator[str]:
    """A sentence for what becomes of colours that are coded in a way of their own."""
    if info.dolby_vision is not None:
        yield "Dolby Vision's own data is left out; the picture without it is what is stylized."
    if info.has_scene_light and not plan.tone_maps:
        yield "HDR10+ data on the light of each scene is left out; that of the whole clip is kept."
    if info.colours.matrix == YCGCO:
        yield "The clip's colours are coded as YCgCo and are written as an ordinary clip's."


def words_on_repairs(reader: ClipReader) -> Iterator[str]:
    """A sentence for each kind of damage that was mended on the way."""
    if reader.parts > 1:
        yield (
            f"The recording is joined of {reader.parts} parts, each with a clock of its own; they "
            "follow one another without a gap."
        )
    if count := reader.deinterlaced_frames:
        yield f"The clip is interlaced; {count} frames were deinterlaced (bwdif)."
    if reader.has_captions:
        yield "Closed captions inside the pictures (CEA-608 or 708) are left out."
    if count := reader.held_frames:
        yield f"{count} damaged frames could not be decoded; the frame before stands in for each."
    if count := reader.retimed_frames:
        yield f"{count} frames had no time of their own; they were given one by the frame rate."
    if count := reader.resized_frames:
        yield f"{count} frames had another size; they were brought to that of the first."


def words_on_losses(record: ClipRecord, writer: ClipWriter) -> Iterator[str]:
    """A sentence for what the container could not take."""
    source, result = writer.plan.like, record.info
    kept = {name.casefold() for name in (*result.tags, *result.picture_tags)}
    if lost := [name for name in clip_tags(source.tags) if name.casefold() not in kept]:
        names = ", ".join(sorted(lost))
        yield f"Of the clip's tags, {names} can't be kept; an .mkv would keep more."
    if (source.sample_aspect_ratio or 1) != (result.sample_aspect_ratio or 1):
        yield (
            f"This container lost the shape of the pixels ({source.sample_aspect_ratio}), "
            "so the clip is shown too narrow or too wide; an .mp4 keeps it."
        )
    yield from _words_on_tracks(record, writer)


def _words_on_tracks(record: ClipRecord, writer: ClipWriter) -> Iterator[str]:
    """A sentence for each track of which the container forgot what it is."""
    for track in writer.tracks:
        found = record.descriptions.get(track.index)
        if found is not None and (lost := track.description.lost_in(found)):
            hint = "" if writer.plan.suffix == ".mkv" else "; an .mkv would keep more"
            yield (
                f"The {track.kind} track {track.number} loses {' and '.join(lost)} in "
                f"{writer.plan.suffix}{hint}."
            )
