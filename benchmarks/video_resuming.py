"""Whether a clip that is killed again and again comes out as one that never was.

    python video_resuming.py clip.mp4 --style creatorA --kills 10

Runs `influ video` once to its end, then again with SIGKILL at random moments and `--resume` each
time, and compares both results: times and MD5 of every decoded frame, MD5 of the other packets.
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
from records import append_record, file_hash

RESULTS = Path(__file__).parent / "results" / "video_resuming.jsonl"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--style", default="creatorA")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="JSONL")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        through = Path(name) / f"through{arguments.clip.suffix}"
        killed = Path(name) / f"killed{arguments.clip.suffix}"
        through_s, _ = run(arguments, through)
        moments = random.Random(arguments.seed)
        runs = []
        while not killed.exists() and len(runs) < arguments.kills:
            limit_s = moments.uniform(0, 2 * through_s / arguments.kills)
            runs.append(run(arguments, killed, limit_s))
        if not killed.exists():
            runs.append(run(arguments, killed))
        frames, packets = contents(through)
        frames_again, packets_again = contents(killed)
        leftovers = sorted(path.name for path in Path(name).iterdir())
    record = {
        "clip": arguments.clip.name,
        "clip_hash": file_hash(arguments.clip),
        "style": arguments.style,
        "frames": len(frames),
        "kills": sum(was_killed for _, was_killed in runs),
        "through_s": round(through_s, 2),
        "runs_s": [round(seconds, 2) for seconds, _ in runs],
        "frames_equal": frames == frames_again,
        "other_packets_equal": packets == packets_again,
        "leftovers": [name for name in leftovers if name not in (through.name, killed.name)],
    }
    append_record(arguments.out, record)
    verdict = "equal" if record["frames_equal"] else "DIFFERENT"
    print(
        f"{record['frames']} frames, killed {record['kills']} times: {verdict}; "
        f"{through_s:.1f} s without a stop, {sum(record['runs_s']):.1f} s in all with them"
    )
    return 0 if record["frames_equal"] and record["other_packets_equal"] else 1


def run(arguments, target, limit_s=None):
    """Stylize until the end or until killed after `limit_s`: seconds, and whether it was killed."""
    command = [sys.executable, "-m", "stylegan_cli", "video", arguments.clip, "--out", target]
    command += ["--style", arguments.style, "--resume", "-q"]
    started = time.perf_counter()
    try:
        # A run that exceeds its time is killed by SIGKILL.
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return time.perf_counter() - started, True
    return time.perf_counter() - started, False


def contents(path):
    """(time, MD5) of every decoded frame; the MD5 of the other packets by stream."""
    with av.open(str(path)) as clip:
        frames = [(frame.time, md5(frame.to_ndarray().tobytes())) for frame in clip.decode(video=0)]
    packets = {}
    with av.open(str(path)) as clip:
        for packet in clip.demux():
            if packet.size and packet.stream.type != "video":
                packets.setdefault(packet.stream.index, []).append((packet.pts, md5(bytes(packet))))
    return frames, packets


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
