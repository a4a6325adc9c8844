"""A large batch on many workers, simulated by discrete events from what was measured on few.

    python benchmarks/scale_simulation.py [--photos 1e9] [--workers 1000] [--store-gb-s 10] ...

Each worker takes a shard, reads it from the store, stylizes it, and writes it; then the driver adds
its rows. The store and the driver each serve one request after the other; a worker dies after an
exponential time, loses its shard, and comes back. Writes a line per number of workers to
results/scale.jsonl and the curve to results/scale_simulation.svg.
"""

import argparse
import heapq
import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path

from records import append_record

RESULTS = Path(__file__).with_name("results")
COUNTS = (1, 2, 4, 10, 30, 100, 300, 1000, 3000, 10_000)
SHARDS_EACH = 200  # that a worker does, before its rate is taken for that of the whole batch


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What a batch costs each part; the first five are measured, the others are assumed.

    cpu_s, cpu_deviation_s: of a photo on one core. in_bytes, out_bytes: of a photo. row_s: of the
    driver for a photo's row.
    """

    cpu_s: float
    cpu_deviation_s: float
    in_bytes: float
    out_bytes: float
    row_s: float
    shard: int = 1000  # photos
    store_gb_s: float = 10.0  # of the store, all workers together
    worker_mb_s: float = 100.0  # between one worker and the store
    request_s: float = 0.05
    life_h: float = 24.0  # mean time until a worker is taken away
    restart_s: float = 60.0


@dataclass
class Server:
    """Serves one request after the other."""

    free_s: float = 0.0
    busy_s: float = 0.0

    def serve(self, now_s: float, work_s: float) -> float:
        """When a request that comes now is done."""
        self.free_s = max(self.free_s, now_s) + work_s
        self.busy_s += work_s
        return self.free_s


def simulate(cluster: Cluster, workers: int, shards: int, seed: int = 0) -> dict[str, float]:
    """Run a batch of so many shards; seconds, work lost, and how busy store and driver were."""
    rng = random.Random(seed)
    store, driver = Server(), Server()
    gone = [rng.expovariate(1 / (cluster.life_h * 3600)) for _ in range(workers)]
    events = [(0.0, worker, "take") for worker in range(workers)]
    waiting, done, lost_s, end_s = shards, 0, 0.0, 0.0

    def move(now_s: float, size: float) -> float:
        shared_s = store.serve(now_s, size * cluster.shard / (cluster.store_gb_s * 1e9))
        alone_s = now_s + size * cluster.shard / (cluster.worker_mb_s * 1e6)
        return max(shared_s, alone_s) + cluster.request_s

    while done < shards:
        now_s, worker, event = heapq.heappop(events)
        if event == "take":
            if not waiting:
                continue
            waiting -= 1
            read_s = move(now_s, cluster.in_bytes)
            spread_s = cluster.cpu_deviation_s * cluster.shard**0.5
            after = read_s + max(0.0, rng.gauss(cluster.cpu_s * cluster.shard, spread_s))
            if after > gone[worker]:
                lost_s += gone[worker] - now_s if gone[worker] > now_s else 0.0
                waiting += 1
                back_s = max(now_s, gone[worker]) + cluster.restart_s
                gone[worker] = back_s + rng.expovariate(1 / (cluster.life_h * 3600))
                heapq.heappush(events, (back_s, worker, "take"))
            else:
                heapq.heappush(events, (after, worker, "write"))
        elif event == "write":
            heapq.heappush(events, (move(now_s, cluster.out_bytes), worker, "tell"))
        else:
            done += 1
            end_s = max(end_s, driver.serve(now_s, cluster.row_s * cluster.shard))
            heapq.heappush(events, (now_s, worker, "take"))
    return {
        "photos_per_second": shards * cluster.shard / end_s,
        "lost": lost_s / (end_s * workers),
        "store_busy": store.busy_s / end_s,
        "driver_busy": driver.busy_s / end_s,
    }


def curve(cluster: Cluster, photos: float, counts: tuple[int, ...]) -> list[dict[str, float]]:
    rows = []
    for workers in counts:
        shards = min(SHARDS_EACH * workers, max(workers, round(photos / cluster.shard)))
        found = simulate(cluster, workers, shards)
        days = photos / found["photos_per_second"] / 86_400
        rounded = {name: float(f"{value:.3g}") for name, value in found.items()}
        rows.append({"workers": workers, "days": float(f"{days:.3g}"), **rounded})
    return rows


def drawn(rows: list[dict[str, float]], ideal: float) -> str:
    """The curve as SVG: photos per second by workers, both logarithmic; dashed, without limits."""
    from math import log10

    width, height, left, top = 480, 320, 60, 20
    most = max(log10(ideal * rows[-1]["workers"]), 1)
    least, far = log10(ideal) - 0.2, log10(rows[-1]["workers"])

    def at(workers: float, rate: float) -> str:
        x = left + width * log10(workers) / far
        y = top + height * (1 - (log10(rate) - least) / (most - least))
        return f"{x:.1f},{y:.1f}"

    line = " ".join(at(row["workers"], row["photos_per_second"]) for row in rows)
    marks = "".join(
        f'<text x="{at(row["workers"], 1).partition(",")[0]}" y="{top + height + 16}" '
        f'text-anchor="middle">{row["workers"]:g}</text>'
        for row in rows
    )
    rates = "".join(
        f'<text x="{left - 6}" y="{at(1, 10**power).partition(",")[2]}" text-anchor="end">'
        f"{10**power:g}</text>"
        for power in range(round(least + 0.5), round(most) + 1)
    )
    dashed = f"{at(1, ideal)} {at(rows[-1]['workers'], ideal * rows[-1]['workers'])}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 100} {height + 60}" '
        'font-family="sans-serif" font-size="11">'
        f'<polyline points="{dashed}" fill="none" stroke="#999" stroke-dasharray="4"/>'
        f'<polyline points="{line}" fill="none" stroke="#06c" stroke-width="2"/>{marks}{rates}'
        f'<text x="{left}" y="{height + 54}">workers (photos per second upwards)</text></svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=float, default=1e9)
    parser.add_argument("--cpu-s", type=float, required=True)
    parser.add_argument("--cpu-deviation-s", type=float, required=True)
    parser.add_argument("--in-bytes", type=float, required=True)
    parser.add_argument("--out-bytes", type=float, required=True)
    parser.add_argument("--row-s", type=float, required=True)
    parser.add_argument("--store-gb-s", type=float, default=10.0)
    parser.add_argument("--shard", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS / "scale.jsonl")
    asked = vars(parser.parse_args())
    photos, out = asked.pop("photos"), asked.pop("out")
    cluster = Cluster(**asked)
    rows = curve(cluster, photos, COUNTS)
    for row in rows:
        print(json.dumps(row))
    record = {"part": "simulation", "photos": photos, "cluster": asdict(cluster), "curve": rows}
    append_record(out, record)
    (RESULTS / "scale_simulation.svg").write_text(drawn(rows, 1 / cluster.cpu_s))


if __name__ == "__main__":
    main()
