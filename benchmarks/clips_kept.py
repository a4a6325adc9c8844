"""Clips, for files_kept.py: what `influ video` keeps of them, seen by ffprobe.

Debian's ffprobe (`apt install ffmpeg`) has nothing to do with the library that wrote the clips.
Each goes through the command at --strength 0, so that all that differs is loss. ROWS says what is
right for one small clip of each kind of fault; any other clip has to keep all that is compared.
"""

import json
import subprocess
import sys

import av
import numpy as np

from stylegan_cli.clips import CLIP_SUFFIXES, WRITABLE_SUFFIXES

# Clip, suffix of the result, options, what is right, and how ffprobe sees it: a path into what
# `seen` gives and its value; a text alone has to be in what the command says.
ROWS = [
    ("lecture.mp4", ".mp4", "", "length 3.00 s", {"length": 3.0}),
    ("lecture_nob.mov", ".mov", "", "length 2.84 s", {"length": 2.84}),
    ("cat_back.ts", ".mp4", "", "one clip of 2 s", {"length": 2.05, "says": "joined of 2 parts"}),
    ("cat_fwd.ts", ".mp4", "", "one clip of 2 s", {"length": 2.05, "says": "joined of 2 parts"}),
    ("start3600.mkv", ".mp4", "", "begins at nothing", {"length": 1.02, "start": 0}),
    ("start3600.flv", ".mp4", "", "begins at nothing", {"length": 1.02, "start": 0}),
    ("inter_tff.mp4", ".mp4", "", "whole frames, said",
     {"fields": "progressive", "says": "deinterlaced"}),
    ("inter_avchd.mts", ".mp4", "", "whole frames, said",
     {"fields": "progressive", "says": "deinterlaced"}),
    ("inter_avchd.mts", ".mp4", "--interlaced keep", "fields kept", {"fields": "tt"}),
    ("dv5.mp4", ".mp4", "", "refused", {"exit": 1, "says": "Dolby Vision, profile 5"}),
    ("ycgco.mp4", ".mp4", "", "converted, said", {"matrix": "smpte170m", "says": "YCgCo"}),
    ("crop.mkv", ".mkv", "", "120x60, shown as 16:9", {"size": "120x60", "aspect": "8:9"}),
    ("clap.mp4", ".mp4", "", "120x60", {"size": "120x60", "aspect": "1:1"}),
    ("movtext.mp4", ".mkv", "", "text kept", {"subtitle": "subrip eng", "says": "converted into"}),
    ("srt.mkv", ".mp4", "", "text kept", {"subtitle": "mov_text eng", "says": "converted into"}),
    ("pcm192k.mov", ".mp4", "", "sound encoded, said",
     {"audio": "aac 96000", "says": "encoded again"}),
    ("truehd.mkv", ".mp4", "", "sound encoded, said",
     {"audio": "aac 48000", "says": "encoded again"}),
    ("wma.avi", ".mp4", "", "sound encoded, said",
     {"audio": "aac 48000", "says": "encoded again"}),
    ("pcm2.mkv", ".mp4", "", "French is the default", {"default": "fra"}),
    ("gpmd.mp4", ".mp4", "", "telemetry kept", {"data": "gpmd"}),
    ("gpmd.mp4", ".mkv", "", "telemetry said", {"says": "gpmd"}),
    ("chap.mp4", ".mp4", "--start 0.5", "chapters 0.5 s earlier", {"chapters": "0.0-0.5 0.5-2.5"}),
    ("tc_df.mov", ".mov", "--fps 25", "10:00:00:02", {"timecode": "10:00:00:02"}),
    ("tc_25.mov", ".mov", "--start 1", "10:00:01:02", {"timecode": "10:00:01:02"}),
    ("y422_10.mp4", ".mp4", "", "4:2:2 in 10 bits", {"format": "yuv422p10le"}),
    ("cover.mp4", ".mp4", "", "cover kept", {"cover": "mjpeg"}),
    ("cover.mp4", ".mkv", "", "cover kept", {"cover": "mjpeg"}),
    # Of this one ffprobe 5.1 says 143,165 s.
    ("amx_sample_fragmented.mp4", ".mp4", "", "length 1.07 s", {"length": 1.07}),
    ("ps.vob", ".mp4", "", "done, .mp4 said", {"length": 1.02, "says": "can't be written as .vob"}),
]  # fmt: skip

_COMPARED = ("length", "size", "aspect", "turn", "transfer", "primaries", "bits", "sounds",
             "chapters", "timecode", "cover")  # fmt: skip


def takes(path):
    """Whether a file is a clip by its name."""
    return path.suffix.lower() in CLIP_SUFFIXES


def check(path, folder, style):
    """What is right for a clip, what was seen, and what of it is wrong."""
    rows = [row for row in ROWS if row[0] == path.name]
    if not rows:
        return as_it_was(path, folder, style)
    rights, sights, wrongs = [], [], []
    for number, (_, suffix, options, right, expected) in enumerate(rows):
        target = folder / f"{number}{suffix}"
        after, _ = styled(path, target, options.split(), style)
        rights.append(f"{' '.join([suffix, options]).strip()}: {right}")
        sights.append(sight(after, expected))
        wrongs += [key for key, value in expected.items() if not is_as(after.get(key), value)]
    return "; ".join(rights), "; ".join(sights), ", ".join(wrongs)


def as_it_was(path, folder, style):
    """For a clip of which nothing is known but that it has to stay as it was."""
    suffix = path.suffix.lower() if path.suffix.lower() in WRITABLE_SUFFIXES else ".mp4"
    before = seen(path)
    after, decibels = styled(path, folder / f"result{suffix}", [], style)
    lost = [key for key in _COMPARED if not is_as(after.get(key), before.get(key))]
    words = "; ".join(f"{key} {before.get(key)} → {after.get(key)}" for key in lost)
    near = f", {decibels:.1f} dB in {after['bits']} bits" if decibels else ""
    return "as it was", f"{words or 'the same'}{near}", words


def styled(source, target, options, style):
    """What the command makes of a clip as ffprobe sees it, and how near it is, dB."""
    command = ["video", source, "-o", target, "--style", style, "--strength", "0", *options]
    done = subprocess.run(
        [sys.executable, "-m", "stylegan_cli", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    says = " ".join(done.stderr.split())
    if done.returncode:
        return {"exit": done.returncode, "says": says}, None
    return seen(target) | {"exit": 0, "says": says}, nearness(source, target)


def seen(path):
    """What ffprobe says of a clip."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams"]
    command += ["-show_chapters", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    streams = found["streams"]
    covers = [s for s in streams if s["disposition"]["attached_pic"]]
    kinds = {
        kind: [s for s in streams if s["codec_type"] == kind and s not in covers]
        for kind in ("video", "audio", "subtitle", "data")
    }
    picture = kinds["video"][0]
    tags = picture.get("tags", {})
    bits = "10" if "10" in picture["pix_fmt"][-4:] else "8"
    turns = [d["rotation"] for d in picture.get("side_data_list", ()) if "rotation" in d]
    chapters = [f"{float(c['start_time']):.1f}-{float(c['end_time']):.1f}"
                for c in found["chapters"]]  # fmt: skip
    return {
        "length": float(found["format"].get("duration", 0)),
        "start": float(found["format"].get("start_time", 0)),
        "size": f"{picture['width']}x{picture['height']}",
        "aspect": picture.get("sample_aspect_ratio", "1:1"),
        "fields": picture.get("field_order"),
        "format": picture["pix_fmt"],
        "bits": bits,
        "turn": " ".join(map(str, turns)),
        "matrix": picture.get("color_space"),
        "transfer": picture.get("color_transfer"),
        "primaries": picture.get("color_primaries"),
        "timecode": tags.get("timecode") or tags.get("TIMECODE"),
        "audio": " ".join(f"{s['codec_name']} {s['sample_rate']}" for s in kinds["audio"]),
        "sounds": len(kinds["audio"]),
        "default": " ".join(s.get("tags", {}).get("language", "?") for s in kinds["audio"]
                            if s["disposition"]["default"]),
        "subtitle": " ".join(f"{s['codec_name']} {s.get('tags', {}).get('language')}"
                             for s in kinds["subtitle"]),
        "data": " ".join(s["codec_tag_string"] for s in kinds["data"]),
        "cover": " ".join(s["codec_name"] for s in covers),
        "chapters": " ".join(chapters),
    }  # fmt: skip


def is_as(found, wanted):
    """Whether what was seen is right: numbers to a twentieth of a second, texts in texts."""
    if isinstance(wanted, float):
        return isinstance(found, float) and abs(found - wanted) <= 0.05
    if isinstance(wanted, str) and isinstance(found, str):
        return wanted in found if wanted else not found
    return found == wanted or {found, wanted} <= {None, "", "unknown", "1:1", "N/A"}


def sight(after, expected):
    """What was seen of what is expected, in short."""
    return ", ".join(
        f"{key} {after.get(key)}" if key != "says" else f"says “{value}”"
        for key, value in expected.items()
        if key != "says" or value in str(after.get("says"))
    )


def nearness(source, target):
    """PSNR of the numbers as they are stored, dB; None where they can't be compared."""
    pictures = []
    for path in (source, target):
        with av.open(str(path)) as clip:
            stream = next(s for s in clip.streams.video if not s.disposition & 0x400)
            frames = []
            for number, frame in enumerate(clip.decode(stream)):
                frames.append(frame.to_ndarray().astype(np.float64))
                if number == 24:
                    break
            pictures.append((frames, frame.format.components[0].bits))
    (before, bits), (after, other_bits) = pictures
    if bits != other_bits or [f.shape for f in before] != [f.shape for f in after]:
        return None
    error = np.mean([np.mean(np.square(a - b)) for a, b in zip(before, after, strict=True)])
    return 10 * np.log10((2**bits - 1) ** 2 / max(error, 1e-9))
