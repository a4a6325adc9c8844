"""What a user may choose about a large batch."""

import zlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from stylegan_cli.errors import ConfigError
from stylegan_cli.runtime.config import Option, config_class

_PANEL: Final = "Large batches"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal parts of a large batch, from 1 on."""

    index: int = 1
    count: int = 1

    def holds(self, name: str) -> bool:
        """Whether a file belongs to this part, by its name alone."""
        return zlib.crc32(name.encode("utf-8", "surrogateescape")) % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """`3/8` as the third of eight parts. Raises ConfigError."""
    index, slash, count = text.partition("/")
    if slash and index.isdecimal() and count.isdecimal() and 0 < int(index) <= int(count):
        return Shard(int(index), int(count))
    raise ConfigError(f"--shard must be like 3/8, the third of eight parts; got {text}")


@config_class
class ManifestConfig:
    """How a large batch is spread, and where it is written down what is done."""

    manifest: Annotated[
        str | None,
        Option(
            "Do a large batch, each picture once: a .db file, or a folder or URL that several runs "
            "write to, keeps what is done. INPUT and --out may be URLs like s3://bucket/photos.",
            metavar="DB",
            panel=_PANEL,
        ),
    ] = None
    shard: Annotated[
        Shard | None,
        Option("Do only this part.", metavar="I/N", parse=parse_shard, panel=_PANEL),
    ] = None
    workers: Annotated[
        int | None,
        Option(
            "Number of processes; 0: this one alone.",
            at_least=0,
            at_most=4096,
            shown="one per core",
            panel=_PANEL,
        ),
    ] = None
    engine: Annotated[
        Literal["processes", "ray"], Option("What runs the workers.", panel=_PANEL)
    ] = "processes"
    address: Annotated[
        str | None,
        Option(
            "Ray cluster to use: auto, or ray://HOST:10001.",
            metavar="URL",
            shown="one that is started here",
            panel=_PANEL,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Raises ConfigError for an option that needs another."""
        if self.address is not None and self.engine != "ray":
            raise ConfigError("--address is of a Ray cluster: add --engine ray")
        more = (self.shard, self.workers, None if self.engine == "processes" else self.engine)
        if self.manifest is None and any(value is not None for value in more):
            raise ConfigError("--shard, --workers and --engine need --manifest: name a file for it")
