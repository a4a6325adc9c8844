"""A large batch whose processes are killed at random, held against one that nobody disturbed.

    python benchmarks/scale_kills.py [--photos 100000] [--kills 1000] [--workers 2] [--part PART]

Every run is `influ stylize IN -o OUT --manifest DB` in processes of its own, on tiny photos and a
small random network, or with --style in a shipped style, so that the path is real and the
arithmetic is not what takes the time.

kills: a run without kills by one worker, then one with kills: each at a random share of the work,
one in twenty of the driver (which is started again), the others of a random worker. Both results
are compared byte for byte, and the manifest is searched for photos done twice or never.
throughput: photos per second by 1, 2 and 4 workers, from the first result on. driver: CPU time of
the command itself for a photo. unreliable: through a file system that sleeps
and fails at random. shards: the same photos in WebDataset shards. cost: CPU time and bytes of
photos of 2 MP; run it with OMP_NUM_THREADS=1.
"""

import argparse
import hashlib
import io
import json
import os
import random
import runpy
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem
from PIL import Image

from stylegan_cli.batches.config import PictureBatchConfig
from stylegan_cli.batches.large import open_large_batch
from stylegan_cli.batches.large_config import ManifestConfig
from stylegan_cli.pictures import read_picture, write_picture
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.stylizer import StylizerConfig, open_stylizer

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results") / "scale.jsonl"
DRIVERS = 0.05  # share of kills that hit the driver
PER_FOLDER = 1000
PER_SHARD = 100


class UnreliableFileSystem(LocalFileSystem):
    """Local files behind a store that is slow and fails at random."""

    protocol = "unreliable"

    def _struggle(self) -> None:
        time.sleep(random.expovariate(1 / float(os.environ.get("SLEEP_S", "0.01"))))
        if random.random() < float(os.environ.get("FAILURES", "0.05")):
            raise OSError("the store is busy")

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + str(path).removeprefix("unreliable://").strip("/")

    def cat_file(self, *arguments, **options):
        """As of local files, if the store feels like it."""
        self._struggle()
        return super().cat_file(*arguments, **options)

    def pipe_file(self, path, value, **options):
        """As of local files, if the store feels like it."""
        self._struggle()
        self.makedirs(self._parent(path), exist_ok=True)
        return super().pipe_file(path, value, **options)

    def ls(self, *arguments, **options):
        """As of local files, if the store feels like it."""
        self._struggle()
        return super().ls(*arguments, **options)


fsspec.register_implementation("unreliable", UnreliableFileSystem, clobber=True)


def write_photos(folder: Path, count: int) -> None:
    """Photos of 32 px, each its own."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number // PER_FOLDER:04d}" / f"{number:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((32, 32)).save(path, quality=80)


def write_shards(photos: Path, folder: Path, each: int = PER_SHARD) -> None:
    """The same photos in WebDataset shards, each with a caption."""
    folder.mkdir()
    paths = sorted(photos.rglob("*.jpg"))
    for start in range(0, len(paths), each):
        with tarfile.open(folder / f"{start // each:06d}.tar", "w") as shard:
            for path in paths[start : start + each]:
                shard.add(path, path.name)
                about = tarfile.TarInfo(path.with_suffix(".txt").name)
                about.size = len(path.stem)
                shard.addfile(about, io.BytesIO(path.stem.encode()))


class Batch:
    """One large batch, by as many drivers as it takes."""

    def __init__(
        self, source: str, out: str, manifest: Path, style: StylizerConfig, workers: int
    ) -> None:
        self.manifest = manifest
        call = [sys.executable, __file__, "--as-influ", "stylize", source, "-o", out]
        call += ["--manifest", str(manifest), "--workers", str(workers), "-r"]
        call += ["--model", str(style.model)] if style.model else []
        self._call = [*call, "-s", style.style, "--precision", style.precision, "-q"]
        self.memory: list[tuple[int, float, float]] = []  # photos done, MB of driver and of workers
        self.start()

    def start(self) -> None:
        """Start a driver, which goes on where the last one was killed."""
        self.driver = subprocess.Popen(self._call, stdout=subprocess.DEVNULL)

    def done(self) -> int:
        """Photos that the manifest has."""
        if not self.manifest.exists():
            return 0
        with sqlite3.connect(self.manifest, timeout=60) as database:
            try:
                return database.execute("SELECT count(*) FROM results").fetchone()[0]
            except sqlite3.OperationalError:  # the tables are not there yet
                return 0

    def workers(self) -> list[int]:
        """The processes that stylize: children of the fork server, which is the driver's child."""
        return [worker for server in _children(self.driver.pid) for worker in _children(server)]

    def watch(self) -> None:
        """Note the memory of all processes."""
        workers = [_memory_mb(worker) for worker in self.workers()]
        self.memory.append((self.done(), _memory_mb(self.driver.pid), max(workers, default=0.0)))

    def wait(self, pause_s: float = 2.0) -> None:
        """Until the driver ends."""
        while self.driver.poll() is None:
            self.watch()
            time.sleep(pause_s)
        assert self.driver.returncode == 0, self.driver.returncode

    def memory_record(self) -> dict[str, float]:
        """The most memory in the second and in the last tenth of the work."""
        known = [row for row in self.memory if row[0]]
        total = max(done for done, *_ in known)
        early = [row for row in known if 0.1 * total <= row[0] <= 0.2 * total] or known
        late = [row for row in known if row[0] >= 0.9 * total] or known
        return {
            "driver_mb_at_a_tenth": max(row[1] for row in early),
            "driver_mb_at_the_end": max(row[1] for row in late),
            "worker_mb_at_a_tenth": max(row[2] for row in early),
            "worker_mb_at_the_end": max(row[2] for row in late),
        }


def killed(batch: Batch, photos: int, kills: int, limit_s: float) -> dict[str, int]:
    """Kill processes of a batch until it is through; how many of each kind died."""
    rng = random.Random(0)
    moments = sorted(rng.randrange(photos) for _ in range(kills))
    counts, began_s = {"drivers": 0, "workers": 0, "runs_again": 0}, time.monotonic()
    while (code := batch.driver.poll()) != 0:
        if code is not None:  # 3: photos at which several workers died; another run does them
            assert code == 3, code
            counts["runs_again"] += 1
            batch.start()
        batch.watch()
        while moments and batch.memory[-1][0] >= moments[0]:
            time.sleep(rng.uniform(0, 0.5))
            victims = batch.workers()
            if not victims:  # the driver is just beginning
                break
            moments.pop(0)
            if rng.random() < DRIVERS:
                batch.driver.kill()
                batch.driver.wait()
                batch.start()
                counts["drivers"] += 1
                break
            counts["workers"] += _kill(rng.choice(victims))
        if time.monotonic() - began_s > limit_s:
            batch.driver.send_signal(signal.SIGTERM)
            break
        time.sleep(0.5)
    batch.driver.wait()
    return counts


def _kill(process: int) -> int:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


def _children(process: int) -> list[int]:
    try:
        return [
            int(child)
            for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    except OSError:
        return []


def _memory_mb(process: int) -> float:
    """What a process has to itself, without what it shares with others."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_text().split()
    except (OSError, ValueError):
        return 0.0
    return round((int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def compared(photos: Path, one: Path, other: Path, manifest: Path) -> dict[str, int]:
    """What is missing, what differs, and what was done twice."""
    names = {path.relative_to(photos) for path in photos.rglob("*.jpg")}
    made = {path.relative_to(other) for path in other.rglob("*") if path.is_file()}
    differing = sum(
        (one / name).read_bytes() != (other / name).read_bytes() for name in names & made
    )
    with sqlite3.connect(manifest) as database:
        rows = "SELECT count(*), count(DISTINCT target), count(DISTINCT source) FROM results"
        total, targets, sources = database.execute(f"{rows} WHERE status = 'done'").fetchone()
        hashes = dict(database.execute("SELECT target, result FROM results"))
    wrong = sum(
        hashlib.sha256((other / name).read_bytes()).digest() != hashes.get(str(other / name))
        for name in names & made
    )
    return {
        "photos": len(names),
        "lost": len(names - made),
        "foreign": len(made - names),
        "differing": differing,
        "rows": total,
        "done_twice": total - min(targets, sources),
        "rows_of_other_bytes": wrong,
        "manifest_bytes": manifest.stat().st_size,
    }


def measure_kills(work: Path, style: StylizerConfig, asked: argparse.Namespace) -> Iterator[dict]:
    began_s = time.monotonic()
    single = Batch(work / "in", work / "single", work / "single.db", style, asked.workers)
    single.wait()
    seconds = round(time.monotonic() - began_s, 1)
    yield {"part": "single", "seconds": seconds, **single.memory_record()}
    began_s = time.monotonic()
    batch = Batch(work / "in", work / "killed", work / "killed.db", style, asked.workers)
    counts = killed(batch, asked.photos, asked.kills, asked.limit_s)
    record = {"part": "kills", "workers": asked.workers, "killed": counts}
    record |= {"seconds": round(time.monotonic() - began_s, 1), **batch.memory_record()}
    yield record | compared(work / "in", work / "single", work / "killed", work / "killed.db")


def measure_throughput(
    work: Path, style: StylizerConfig, asked: argparse.Namespace
) -> Iterator[dict]:
    for workers in (1, 2, 4):
        began_s, name = time.monotonic(), f"by-{workers}"
        batch = Batch(work / "in", work / name, work / f"{name}.db", style, workers)
        while not batch.done():  # the command begins, and its first worker opens the style
            time.sleep(0.02)
        first, first_s = batch.done(), time.monotonic()
        batch.wait(0.05)
        now_s = time.monotonic()
        yield {
            "part": "throughput",
            "photos": asked.photos,
            "workers": workers,
            "start_s": round(first_s - began_s, 2),
            "photos_per_second": round((asked.photos - first) / (now_s - first_s), 1),
        }


def measure_driver(work: Path, style: StylizerConfig, asked: argparse.Namespace) -> Iterator[dict]:
    """CPU time of the driver alone, which is this process; workers are others."""
    write_shards(work / "in", work / "shards", 1000)
    for form, source in (("single photos", "in"), ("shards of 1000", "shards")):
        name = work / f"driver-{source}"
        batch = open_large_batch(
            [work / source],
            style,
            PictureBatchConfig(out=str(name), recursive=True),
            ManifestConfig(manifest=f"{name}.db", workers=asked.workers),
        )
        began_s = time.process_time()
        batch.run(on_failure=print, on_progress=lambda done, total: None)
        spent_s = time.process_time() - began_s
        record = {"part": "driver", "form": form, "photos": asked.photos}
        yield record | {"cpu_us_each": round(1e6 * spent_s / asked.photos, 1)}


def measure_unreliable(
    work: Path, style: StylizerConfig, asked: argparse.Namespace
) -> Iterator[dict]:
    Batch(work / "in", work / "single", work / "single.db", style, 1).wait()
    began_s = time.monotonic()
    places = (f"unreliable://{work / 'in'}", f"unreliable://{work / 'slow'}")
    Batch(*places, work / "slow.db", style, asked.workers).wait()
    record = compared(work / "in", work / "single", work / "slow", work / "slow.db")
    record.pop("rows_of_other_bytes")  # its targets are URLs
    yield {"part": "unreliable", "seconds": round(time.monotonic() - began_s, 1), **record}


def measure_shards(work: Path, style: StylizerConfig, asked: argparse.Namespace) -> Iterator[dict]:
    Batch(work / "in", work / "single", work / "single.db", style, 1).wait()
    write_shards(work / "in", work / "shards")
    batch = Batch(work / "shards", work / "made", work / "made.db", style, asked.workers)
    began_s = time.monotonic()
    counts = killed(batch, asked.photos, asked.kills, asked.limit_s)
    lost = differing = 0
    for path in sorted((work / "shards").iterdir()):
        with tarfile.open(work / "made" / path.name) as made, tarfile.open(path) as source:
            lost += made.getnames() != source.getnames()
            for about in made:
                name = Path(about.name)
                if name.suffix == ".jpg":
                    folder = f"{int(name.stem) // PER_FOLDER:04d}"
                    truth = (work / "single" / folder / name).read_bytes()
                    differing += made.extractfile(about).read() != truth
    seconds = round(time.monotonic() - began_s, 1)
    record = {"part": "shards", "photos": asked.photos, "killed": counts, "seconds": seconds}
    yield record | {"shards_with_other_names": lost, "differing": differing}


def measure_cost(work: Path, style: StylizerConfig, asked: argparse.Namespace) -> Iterator[dict]:
    photos = []
    for path in starter_photos()[:12]:
        stream = io.BytesIO()
        photo = Image.open(path).convert("RGB").resize((1632, 1224), Image.Resampling.LANCZOS)
        photo.save(stream, "JPEG", quality=92)
        photos.append(stream.getvalue())
    for name in ("teal_orange", "toon"):
        stylizer = open_stylizer(name, threads=1, precision="f32")
        cpu_s, sizes = [], []
        for data in (photos[0], *photos):  # the first one prepares the style
            began_s, result = time.process_time(), io.BytesIO()
            stylized = stylizer.stylize_picture(read_picture(data))
            write_picture(stylized, result, ai_label=stylizer.ai_label)
            cpu_s.append(round(time.process_time() - began_s, 3))
            sizes.append(len(result.getvalue()))
        yield {
            "part": "cost",
            "style": name,
            "cpu_s": cpu_s[1:],
            "bytes_in": round(np.mean([len(data) for data in photos])),
            "bytes_out": round(np.mean(sizes[1:])),
        }


PARTS = {
    "cost": measure_cost,
    "kills": measure_kills,
    "throughput": measure_throughput,
    "driver": measure_driver,
    "unreliable": measure_unreliable,
    "shards": measure_shards,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--part", choices=PARTS, default="kills")
    parser.add_argument("--style", metavar="NAME", help="A shipped style, not a random network.")
    parser.add_argument("--limit-s", type=float, default=1e9, help="Of the run with kills.")
    parser.add_argument("--work", type=Path, help="A folder for all files, on a quick disk.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.environ["PYTHONPATH"] = str(ROOT)
    from model_files import write_small_model
    from records import append_record

    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        work = Path(folder)
        write_photos(work / "in", asked.photos)
        model = None if asked.style else write_small_model(work / "small.safetensors")
        style = StylizerConfig(style=asked.style or "creatorA", model=model, precision="f32")
        for record in PARTS[asked.part](work, style, asked):
            append_record(asked.out, {"style": asked.style or "a random network"} | record)
            print(json.dumps(record))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as-influ"]:
        sys.argv[1:2] = []
        runpy.run_module("stylegan_cli", run_name="__main__")
    else:
        main()
