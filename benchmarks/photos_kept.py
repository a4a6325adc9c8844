"""The cases of photos for `files_kept`: run as a user would, looked at by other programs."""

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".gif", ".heic", ".heif", ".avif",
            ".jp2", ".jxl", ".dng", ".tar", ".bmp"}  # fmt: skip
LOSSLESS = {".png", ".tif", ".tiff", ".jp2"}
NEVER_KEPT = re.compile(
    r"^(File|System|ExifTool|Composite|IFD1|Apple|Canon|MakerNotes|ICC-header|QuickTime|Meta|"
    r"MPImage\d|MPF0|Adobe|JFIF|RIFF|CanonCustom|Nintendo|PNG|GIF|PreviewIFD|Jpeg2000):"
    r"|MakerNote|Thumbnail|Orientation$|Strip|RowsPer|BitsPer|SamplesPer|Planar|Photometric|"
    r"Compression$|ExtraSamples|Predictor|xmptk|XMPToolkit|HasExtendedXMP|IPTCDigest|"
    r"ExifImage(Width|Height)|ImageWidth|ImageHeight|RegionA|DirectoryItem|BaseRendition|"
    r"^XMP-(hdrgm|Container|HDRGainMap):|SourceFile"
)
PLACE = re.compile(r"GPS|:City|:State|:Country|:Location|Sub-location|Province|LocationShown")
REFUSED = {
    "good_clip.mp4": "is a clip, not a picture; use: influ video",
    "f32_gray_0_255.tif": "nothing says what is white",
    "broken_stream.png": "damaged",
    "corrupted.heic": "damaged",
    "empty.jpg": "is empty",
    "gif_bomb.gif": "more pixels than the limit",
    "png_text_bomb.png": "as a bomb",
    "text_named.png": "is text, not a picture",
    "truncated.jpg": "cut short",
}
SAID = {
    "apng.png": "for programs that show no animation is left out",
    "grayicc.jpg": "is for GRAY, not for RGB pixels",
    "motion.jpg": "the clip of this motion photo is left out",
    "mpo.jpg": "only the first of the pictures",
}
# ImageMagick brings the numbers of a PNG with a gamma of 1 to sRGB, and has no part in profiles.
AS_STORED = {"png_palette_trns.png"}
LOSSY_DB, EXACT_DB, HDR_DB = 34, 90, 45


def takes(path):
    """Whether this module knows what is right for the file."""
    return path.suffix.lower() in SUFFIXES or path.name in REFUSED


def check(path, folder, style):
    """(expected, seen, wrong) of one file; wrong is empty where all is as expected."""
    if path.suffix == ".tar":
        return check_names(path, folder, style)
    if path.name in REFUSED:
        return check_refusal(path, folder, style)
    if path.suffix == ".dng":
        return check_raw(path, folder, style)
    target = folder / path.name
    code, said = stylize(path, target, style, 0)
    if code:
        return "done", said, f"exit code {code}"
    seen, wrong = [], []
    compare_pixels(path, target, seen, wrong)
    compare_tags(path, target, seen, wrong)
    if has_gain_map(path):
        decibels = hdr_decibels(path, target)
        seen.append(f"HDR {decibels:.1f} dB")
        wrong += [] if decibels >= HDR_DB else ["HDR"]
    if path.name in SAID:
        seen.append(f"said: {SAID[path.name]}")
        wrong += [] if SAID[path.name] in said else ["not said"]
    little = folder / f"little{target.suffix}"
    stylize(path, little, style, 0.01)
    whole = folder / f"whole{target.suffix}"
    code, _ = stylize(path, whole, style, 1)
    wrong += [f"exit code {code} in style"] if code else []
    jump = largest_jump(target, little)
    if jump is not None:
        seen.append(f"strength 0.01 moves {jump:.1f} of 255")
        wrong += ["a jump"] if path.suffix in LOSSLESS and jump > 4 else []
    expected = "the same pixels and tags, but for place, thumbnail and MakerNote"
    return expected, ", ".join(seen), ", ".join(wrong)


def check_refusal(path, folder, style):
    """A file that is not done: one sentence, exit code 1, nothing left behind."""
    suffix = path.suffix if path.suffix in SUFFIXES else ".jpg"
    code, said = stylize(path, folder / f"out{suffix}", style, 0)
    left = [found.name for found in folder.iterdir()]
    good = code == 1 and REFUSED[path.name] in " ".join(said.split()) and not left
    return f"refused: {REFUSED[path.name]}", f"exit code {code}", "" if good else said[-200:]


def check_raw(path, folder, style):
    """Camera RAW: the full picture, by the largest that exiftool finds in the file."""
    code, said = stylize(path, folder / "out.jpg", style, 0)
    if code:
        return "done", said, f"exit code {code}"
    full = max(int(value) for name, value in tags(path).items() if name.endswith(":ImageWidth"))
    width = int(tags(folder / "out.jpg")["File:ImageWidth"])
    expected = f"the full picture, {full} pixels wide"
    return expected, f"{width} pixels wide", "" if width == full else "another picture"


def check_names(path, folder, style):
    """Files whose names are hard: as many results as files, and a list of them in UTF-8."""
    source, out = folder / "in", folder / "out"
    with tarfile.open(path) as packed:
        packed.extractall(source, filter="data")
    files = sum(found.is_file() for found in source.rglob("*"))
    command = [sys.executable, "-m", "stylegan_cli", "stylize", source, "-r", "-o", out, "--json"]
    run = subprocess.run([*command, "--style", style], capture_output=True)
    results = sum(found.is_file() for found in out.rglob("*")) if out.is_dir() else 0
    try:
        json.loads(run.stdout.decode("utf-8"))
        text = "UTF-8"
    except ValueError:
        text = "no UTF-8"
    good = run.returncode == 0 and results == files and text == "UTF-8"
    seen = f"{results} results, {text}, exit code {run.returncode}"
    return f"{files} results", seen, "" if good else "not all"


def stylize(path, target, style, strength):
    """The command's exit code and what it said."""
    command = [sys.executable, "-m", "stylegan_cli", "stylize", path, "-o", target]
    command += ["--style", style, "--strength", str(strength)]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return run.returncode, " ".join(run.stderr.split())


def compare_pixels(before, after, seen, wrong):
    """Both files as ImageMagick or libvips reads them."""
    programs = (by_imagemagick, by_libvips)
    if is_animated_png(before):
        programs = (by_ffmpeg,)
    elif before.name in AS_STORED:
        programs = (by_pillow,)
    for program in programs:
        one, other = program(before), program(after)
        if one is None or other is None:
            continue
        decibels = psnr(one, other)
        if decibels is None:
            wrong.append(f"{one.shape} became {other.shape} by {program.__name__}")
            return
        seen.append(f"{min(decibels, 99):.0f} dB by {program.__name__.removeprefix('by_')}")
        least = EXACT_DB if before.suffix.lower() in LOSSLESS else LOSSY_DB
        wrong += [] if decibels >= least or before.suffix == ".gif" else ["pixels"]
        return
    seen.append("pixels unread elsewhere")


def by_imagemagick(path):
    """(H, W, 4) uint16 of the first frame, upright; None where it can't be read."""
    return decoded(["convert-im6.q16", f"{path}[0]", "-auto-orient", "-alpha", "on", "PNG64:-"])


def is_animated_png(path):
    """Whether a PNG moves: ImageMagick sees only the picture that stands for the animation."""
    return path.suffix == ".png" and b"acTL" in path.read_bytes()[:256]


def by_ffmpeg(path):
    """(H, W, 4) of the first frame."""
    return decoded(["ffmpeg", "-v", "error", "-f", "apng", "-i", str(path), "-frames:v", "1",
                    "-pix_fmt", "rgba", "-c:v", "png", "-f", "image2pipe", "-"])  # fmt: skip


def by_pillow(path):
    """(H, W, 4) as the numbers are stored."""
    return np.asarray(Image.open(path).convert("RGBA"))


def by_libvips(path):
    """(H, W, C) of the first frame, upright; None where it can't be read."""
    return decoded(["vips", "autorot", str(path), ".png"])


def decoded(command):
    """What a program writes as PNG."""
    import imagecodecs

    if command[0] == "vips":
        target = Path(command[2] + ".seen.png")
        target = Path("/tmp") / target.name
        run = subprocess.run([*command[:-1], target], capture_output=True)
        data = target.read_bytes() if run.returncode == 0 and target.is_file() else b""
        target.unlink(missing_ok=True)
    else:
        data = subprocess.run(command, capture_output=True).stdout
    if not data.startswith(b"\x89PNG"):
        return None
    pixels = np.asarray(imagecodecs.png_decode(data))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def unit(pixels):
    """Colour on white as (H, W, 3) in [0, 1]."""
    pixels = pixels / np.float32(np.iinfo(pixels.dtype).max)
    cover = pixels[..., -1:] if pixels.shape[2] in (2, 4) else 1
    colour = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1].repeat(3, axis=2)
    return colour * cover + (1 - cover)


def psnr(one, other):
    """Decibels; None for pictures of two sizes."""
    if one.shape[:2] != other.shape[:2]:
        return None
    error = float(np.mean((unit(one) - unit(other)) ** 2))
    return 99.0 if error == 0 else -10 * np.log10(error)


def largest_jump(before, after):
    """By how much of 255 the channel that moved most did, on average of its worst hundredth."""
    one, other = by_imagemagick(before), by_imagemagick(after)
    if one is None or other is None or one.shape != other.shape:
        return None
    moved = np.abs(unit(one) - unit(other)).max(axis=2).ravel()
    return 255 * float(np.quantile(moved, 0.99))


def compare_tags(before, after, seen, wrong):
    """What exiftool no longer finds, or finds changed."""
    one, other = tags(before), tags(after)
    lost = sorted(
        name for name, value in one.items()
        if other.get(name) != value and not NEVER_KEPT.search(name)
    )  # fmt: skip
    lost = [name for name in lost if not PLACE.search(name) or name in other]
    # A profile of grey is used up: the result has colours, and the profile of sRGB.
    if one.get("ICC-header:ColorSpaceData", "").strip() == "GRAY":
        lost = [name for name in lost if not name.startswith("ICC_Profile")]
    if before.suffix.lower() == ".gif" or "motion" in before.name:
        lost = [name for name in lost if not name.startswith(("GIF", "XMP-GCamera"))]
    told = [name for name in other if PLACE.search(name)]
    kept = len([name for name in one if not NEVER_KEPT.search(name)]) - len(lost)
    seen.append(f"{kept} tags")
    wrong += [f"lost {', '.join(lost[:6])}"] if lost else []
    wrong += [f"tells {', '.join(told[:3])}"] if told else []


def tags(path):
    """Every tag by group and name, as text."""
    command = ["exiftool", "-j", "-G1", "-a", "-s", "-n", "-x", "ThumbnailImage", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True).stdout.decode(errors="replace"))
    return {name: str(value) for name, value in found[0].items()}


def has_gain_map(path):
    """Whether exiftool finds one in a JPEG."""
    found = tags(path)
    return path.suffix == ".jpg" and any(name.startswith("MPImage2") for name in found) and any(
        name.startswith("XMP-hdrgm") for name in found
    )  # fmt: skip


def hdr_decibels(before, after):
    """The HDR renditions by libultrahdr, on the scale of PQ."""
    import imagecodecs

    def shown(path):
        light = np.asarray(imagecodecs.ultrahdr_decode(path.read_bytes()))[..., :3]
        share = (np.maximum(light.astype(np.float32), 0) * 203 / 10000) ** (2610 / 16384)
        return ((3424 / 4096 + 2413 / 128 * share) / (1 + 2392 / 128 * share)) ** (2523 / 32)

    return -10 * float(np.log10(np.mean((shown(before) - shown(after)) ** 2)))
