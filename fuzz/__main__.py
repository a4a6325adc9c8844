"""Fuzz without an instrumenting engine: seeds, changed at random, read in processes of their own.

    python -m fuzz [--tries N] [--seed N] [--out FILE] [TARGET ...]

Counts what was accepted and refused, and fails for anything else: another exception, a process
that ends, an input that takes longer than ten seconds.
"""

import argparse
import json
import multiprocessing
import random
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from fuzz.targets import Target, targets
from stylegan_cli.errors import InfluError

LIMIT_S = 10  # of processor time
MEMORY = 8 << 30  # bytes of address space
PIECE = 250  # inputs between two reports of a process
WORDS = Path(__file__).with_name("words.dict")


def changed(data: bytes, rng: random.Random, words: list[bytes], others: list[bytes]) -> bytes:
    """One input: a few changes of a seed, such as files suffer and strangers make."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place = rng.randrange(len(result) + 1)
        match rng.randrange(8):
            case 0 if result:
                result[place % len(result)] ^= 1 << rng.randrange(8)
            case 1:
                del result[place:]
            case 2:
                result[place : place + rng.randrange(1, 9)] = rng.randbytes(rng.randrange(9))
            case 3:
                result[place : place + rng.choice((0, 4, 8))] = rng.choice(words)
            case 4:
                other = rng.choice(others)
                begin = rng.randrange(len(other) + 1)
                result[place:] = other[begin:]
            case 5:
                length = rng.choice((1, 2, 4, 8))
                value = rng.choice((0, 1, 127, 128, 255, 256, 2**31, 2**32, 2**63)) - 1
                number = value % (1 << 8 * length)
                order = rng.choice(("little", "big"))
                result[place : place + length] = number.to_bytes(length, order)
            case 6:
                end = min(len(result), place + rng.randrange(1, 64))
                result[end:end] = result[place:end] * rng.choice((1, 2, 50))
            case _:
                end = min(len(result), place + rng.randrange(1, 64))
                del result[place:end]
    return bytes(result)


def read_words() -> list[bytes]:
    """The tokens of the dictionary, which libFuzzer and AFL read too."""
    lines = WORDS.read_text().splitlines()
    quoted = [line.partition("=")[2] for line in lines if "=" in line and not line.startswith("#")]
    return [json.loads(word.replace("\\x", "\\u00")).encode("latin-1") for word in quoted]


def read_one(target: Target, data: bytes) -> str:
    """What became of an input: accepted, refused, or the kind of fault."""
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        target.read(data)
    except InfluError as error:
        return "refused" if "\n" not in str(error) else "more than one sentence"
    except TimeoutError:
        return "too slow"
    except BaseException as error:
        return type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "accepted"


def inputs(name: str, seed: int, first: int, count: int) -> Any:
    """The inputs `first` to `first + count` of a target, always the same ones."""
    seeds = list(targets()[name].seeds().values())
    words = read_words()
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {name} {number}")
        yield number, changed(rng.choice(seeds), rng, words, seeds)


def work(name: str, seed: int, first: int, count: int, pipe: Any) -> None:
    """Read a piece of the inputs of a target; tells each number before it is read."""

    def too_slow(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGPROF, too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    target = targets()[name]
    for number, data in inputs(name, seed, first, count):
        pipe.send((number, None))
        pipe.send((number, read_one(target, data)))


def fuzz(name: str, tries: int, seed: int) -> dict[str, Any]:
    """Read `tries` inputs of a target; a process that ends is counted and the next goes on."""
    targets()[name].seeds()  # what this loads, each process has
    found: Counter[str] = Counter()
    faults: dict[str, list[int]] = {}
    context, number, began_s = multiprocessing.get_context("fork"), 0, time.monotonic()
    while number < tries:
        count = min(PIECE, tries - number)
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(name, seed, number, count, sender))
        process.start()
        sender.close()
        last = number  # the culprit where a process ends before it tells
        try:
            while True:
                if not receiver.poll(30 * LIMIT_S):
                    process.kill()  # a native library that never returns
                last, outcome = receiver.recv()
                if outcome is not None:
                    found[outcome] += 1
                    if outcome not in ("accepted", "refused"):
                        faults.setdefault(outcome, []).append(last)
                    number = last + 1
        except EOFError:
            process.join()
        if process.exitcode:
            outcome = f"process ended with {process.exitcode}"
            found[outcome] += 1
            faults.setdefault(outcome, []).append(last)
            number = last + 1
    return {
        "target": name,
        "tries": tries,
        "accepted": found.pop("accepted", 0),
        "refused": found.pop("refused", 0),
        "faults": {kind: {"count": n, "first": faults[kind][:5]} for kind, n in found.items()},
        "seconds": round(time.monotonic() - began_s, 1),
    }


def main() -> int:
    """Fuzz and report; the exit code is that of a fault."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--tries", type=int, default=1000, help="inputs of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file that gets a line of JSON for each target")
    parser.add_argument("--write", type=int, metavar="NUMBER", help="write one input to stdout")
    parser.add_argument("--list", action="store_true", help="the names of all targets")
    parser.add_argument("--seeds", type=Path, metavar="DIR", help="write the seeds of a target")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    told = parser.parse_args()
    names = told.targets or list(targets())
    if told.list:
        sys.stdout.write("".join(f"{name}\n" for name in names))
        return 0
    if told.seeds:
        told.seeds.mkdir(parents=True, exist_ok=True)
        for kind, data in targets()[names[0]].seeds().items():
            (told.seeds / kind).write_bytes(data)
        return 0
    if told.write is not None:
        ((_, data),) = inputs(names[0], told.seed, told.write, 1)
        sys.stdout.buffer.write(data)
        return 0
    failed = False
    for name in names:
        result = fuzz(name, told.tries, told.seed)
        line = json.dumps(result)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        if told.out:
            with told.out.open("a") as file:
                file.write(f"{line}\n")
        failed = failed or bool(result["faults"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
