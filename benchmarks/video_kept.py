"""What a clip still has after `influ video`: frames, times, rotation, size, colour tags, sound.

    python video_kept.py CLIP... --style creatorA

Runs the command on each clip as a user would, and reads both files with PyAV alone, which applies
edit lists as players do. Prints what differs; a clip of which nothing does is one line of OK.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
from records import append_record, file_hash

RESULTS = Path(__file__).parent / "results" / "video_kept.jsonl"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--style", default="creatorA")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="JSONL")
    arguments = parser.parse_args()
    failed = 0
    for clip in arguments.clips:
        with tempfile.TemporaryDirectory() as folder:
            styled = Path(folder) / clip.name
            command = ["video", clip, "--out", styled, "--style", arguments.style]
            subprocess.run([sys.executable, "-m", "stylegan_cli", *command], check=True)
            before, after = contents(clip), contents(styled)
        lost = differences(before, after)
        failed += bool(lost)
        record = {"clip": clip.name, "clip_hash": file_hash(clip), "style": arguments.style}
        counts = {"frames": len(before["times"]), "sounds": len(before["sounds"])}
        append_record(arguments.out, record | counts | {"differs": lost})
        print(clip.name, counts, "; ".join(lost) or "OK", flush=True)
    sys.exit(f"{failed} clips differ" if failed else 0)


def differences(before, after):
    """What is not as it was, a sentence each."""
    lost = [
        f"{name}: {before[name]} -> {after[name]}"
        for name in ("size", "rotation", "sample aspect ratio", "colours", "alpha", "chapters")
        if before[name] != after[name]
    ]
    if len(before["times"]) != len(after["times"]):
        lost.append(f"frames: {len(before['times'])} -> {len(after['times'])}")
    else:
        pairs = zip(before["times"], after["times"], strict=True)
        tick = max(before["tick"], after["tick"])
        if (off := max(abs(b - a) for b, a in pairs)) > tick:
            lost.append(f"times: up to {float(off):.4f} s off")
    if len(before["sounds"]) != len(after["sounds"]):
        return [*lost, f"sounds: {len(before['sounds'])} -> {len(after['sounds'])}"]
    for number, (old, new) in enumerate(zip(before["sounds"], after["sounds"], strict=True)):
        if old["codec"] == new["codec"] and old["packets"] != new["packets"]:
            lost.append(f"sound {number}: packets differ")
        if old["samples"] != new["samples"]:
            lost.append(f"sound {number}: {old['samples']} -> {new['samples']} samples")
        if abs(old["start"] - new["start"]) > max(old["tick"], new["tick"]):
            lost.append(f"sound {number}: starts at {old['start']} -> {new['start']}")
    return lost


def contents(path):
    """What is compared of a clip."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video if not s.disposition & 0x400)
        decoder = stream.codec_context
        if stream.metadata.get("alpha_mode") or stream.metadata.get("ALPHA_MODE"):
            decoder = av.CodecContext.create("libvpx-vp9", "r")  # the native one drops alpha
        frames = []
        for packet in container.demux(stream):
            frames += decoder.decode(packet)
        first = frames[0]
        tags = ("colorspace", "color_range", "color_primaries", "color_trc")
        chapters = [(c["start"] * c["time_base"], c["metadata"]) for c in container.chapters()]
        found = {
            "size": (first.width, first.height),
            "rotation": first.rotation,
            "sample aspect ratio": stream.sample_aspect_ratio or Fraction(1),
            "colours": [int(getattr(first, tag)) for tag in tags],
            "alpha": any(component.is_alpha for component in first.format.components),
            "times": [(frame.pts or 0) * stream.time_base for frame in frames],
            "tick": stream.time_base,
            "chapters": chapters,
        }
        sounds = range(len(container.streams.audio))
    return found | {"sounds": [sound_of(path, number) for number in sounds]}


def sound_of(path, number):
    """When a track starts to be heard, how many samples it has, and its packets."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        frames = list(container.decode(stream))
        start = frames[0].pts * stream.time_base if frames else Fraction(0)
        samples = sum(frame.samples for frame in frames)
        codec, tick = stream.codec_context.name, stream.time_base
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        packets = [hashlib.md5(bytes(p)).hexdigest() for p in container.demux(stream) if p.size]
    return {"codec": codec, "start": start, "tick": tick, "samples": samples, "packets": packets}


if __name__ == "__main__":
    main()
