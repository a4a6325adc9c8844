"""What was done of a large batch: which source became which result, by which style and options.

A manifest is one SQLite file, or a folder that many runs write to. In a folder each run appends
lines of JSON to files of its own; together these files are the manifest.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Protocol

from stylegan_cli.batches.folders import Folder, is_url, open_folder
from stylegan_cli.errors import DataError, messages

logger = logging.getLogger(__name__)

DATABASE_SUFFIXES: Final = (".db", ".sqlite", ".sqlite3")
_FLUSH_ROWS: Final = 1000  # of a folder on an object store, in one new object
_FLUSH_S: Final = 10.0

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS recipes (
    id INTEGER PRIMARY KEY, style TEXT, options TEXT, UNIQUE (style, options)
);
CREATE TABLE IF NOT EXISTS results (
    target TEXT, recipe INTEGER, input BLOB, source TEXT, stamp TEXT, status TEXT,
    result BLOB, seconds REAL, error TEXT, time INTEGER,
    PRIMARY KEY (target, recipe, input)
) WITHOUT ROWID;
"""

# A result that was made is never forgotten for a later failure with the same bytes.
_UPSERT: Final = """
INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET source = excluded.source, stamp = excluded.stamp,
    status = excluded.status, result = excluded.result, seconds = excluded.seconds,
    error = excluded.error, time = excluded.time
WHERE excluded.status = 'done' OR results.status <> 'done'
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides a result besides its source: hashes of the style and of the options."""

    style: str
    options: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one source.

    target, source: their URLs. input, result: SHA-256 in hex, empty where there are no bytes.
    stamp: what changes when the source is replaced. time: in seconds since 1970.
    """

    target: str
    source: str
    stamp: str
    status: str
    input: str = ""
    result: str = ""
    seconds: float = 0.0
    error: str | None = None
    time: int = 0


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a manifest knows of a target.

    stamps: of its source, each time when this recipe was applied. made: the SHA-256 of results by
    that of what they were made from, by this recipe. results: the SHA-256 of every file that was
    made from its source, by any recipe.
    """

    stamps: frozenset[str] = frozenset()
    made: Mapping[str, str] = field(default_factory=dict)
    results: frozenset[str] = frozenset()


class Manifest(Protocol):
    """What a run needs of a manifest."""

    def earlier(self, target: str, source: str) -> Earlier:
        """What is known of a target that shall be made from `source`."""

    def add(self, rows: Iterable[Row]) -> None:
        """Record rows, all of them or none."""

    def close(self) -> None:
        """Write what is left."""


class DatabaseManifest:
    """A manifest in a SQLite file; several processes of one machine may write to it."""

    def __init__(self, path: str, recipe: Recipe) -> None:
        """path: "" for a temporary database. Raises DataError for what is no manifest."""
        try:
            self._database = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            # A crash of the machine may lose the last rows; their results are made again, equal.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_TABLES)
        except sqlite3.Error as error:
            raise DataError(
                messages.cannot_read(path, f"it is no manifest ({error})", "name another file")
            ) from error
        self._recipe = self.recipe_number(recipe)

    def recipe_number(self, recipe: Recipe) -> int:
        """The number of a recipe, which gets one where it is new."""
        words = (recipe.style, recipe.options)
        self._database.execute(
            "INSERT OR IGNORE INTO recipes (style, options) VALUES (?, ?)", words
        )
        find = "SELECT id FROM recipes WHERE style = ? AND options = ?"
        (number,) = self._database.execute(find, words).fetchone()
        return int(number)

    def earlier(self, target: str, source: str) -> Earlier:
        """What is known of a target that shall be made from `source`."""
        find = (
            "SELECT recipe, input, source, stamp, result FROM results "
            "WHERE target = ? AND status = 'done'"
        )
        stamps, made, results = set(), {}, set()
        for recipe, content, known, stamp, result in self._database.execute(find, (target,)):
            if recipe == self._recipe:
                made[content.hex()] = result.hex()
            if known == source:
                results.add(result.hex())
                if recipe == self._recipe:
                    stamps.add(stamp)
        return Earlier(frozenset(stamps), made, frozenset(results))

    def add(self, rows: Iterable[Row]) -> None:
        """Record rows in one transaction."""
        self.add_numbered((self._recipe, row) for row in rows)

    def add_numbered(self, rows: Iterable[tuple[int, Row]]) -> None:
        """As `add`, for rows of any recipe by its number."""
        now = round(time.time())
        values = [
            (
                row.target,
                recipe,
                bytes.fromhex(row.input),
                row.source,
                row.stamp,
                row.status,
                bytes.fromhex(row.result),
                round(row.seconds, 4),
                row.error,
                row.time or now,
            )
            for recipe, row in rows
        ]
        with _transaction(self._database):
            self._database.executemany(_UPSERT, values)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class FolderManifest:
    """A manifest of append-only files in a folder; each run writes files of its own.

    What other runs have written is read once, at the start, into a temporary database on disk.
    """

    def __init__(self, folder: Folder, recipe: Recipe, writer: str) -> None:
        """writer: a name that no other run has. Raises DataError."""
        self._folder, self._recipe, self._writer = folder, recipe, writer
        self._index = DatabaseManifest("", recipe)
        self._numbers: dict[Recipe, int] = {}
        for file in folder.files(suffixes=(".jsonl",)):
            self._index.add_numbered(self._read(file.name))
        self._waiting: list[bytes] = []
        self._parts, self._flushed_s = 0, time.monotonic()

    def earlier(self, target: str, source: str) -> Earlier:
        """As Manifest says; of other runs, what they had done when this one began."""
        return self._index.earlier(target, source)

    def add(self, rows: Iterable[Row]) -> None:
        """Append a line for each row: at once on a file system, else a thousand at a time."""
        rows = [_dated(row) for row in rows]
        self._index.add(rows)
        recipe = asdict(self._recipe)
        for row in rows:
            line = json.dumps({**recipe, **asdict(row)}, ensure_ascii=False) + "\n"
            self._waiting.append(line.encode("utf-8", "backslashreplace"))
        late = time.monotonic() - self._flushed_s > _FLUSH_S
        if self._folder.is_local or late or len(self._waiting) >= _FLUSH_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._index.close()

    def _flush(self) -> None:
        if self._waiting:
            name = f"{self._writer}-{self._parts:05d}.jsonl"
            self._folder.append(name, b"".join(self._waiting))
            if not self._folder.is_local:
                self._parts += 1
            self._waiting.clear()
        self._flushed_s = time.monotonic()

    def _read(self, name: str) -> Iterator[tuple[int, Row]]:
        for line in self._folder.lines(name):
            try:
                values = json.loads(line)
                recipe = Recipe(values.pop("style"), values.pop("options"))
                row = Row(**values)
                bytes.fromhex(row.input + row.result)
            except (ValueError, TypeError, KeyError, AttributeError):
                logger.warning("a line of %s is damaged and left out", self._folder.url_of(name))
                continue
            if recipe not in self._numbers:
                self._numbers[recipe] = self._index.recipe_number(recipe)
            yield self._numbers[recipe], row


def open_manifest(place: str, recipe: Recipe, writer: str) -> Manifest:
    """The manifest at a path or URL, made where there is none: a file for .db, else a folder.

    writer: a name that no other run has. Raises DataError.
    """
    if not is_url(place) and place.endswith(DATABASE_SUFFIXES):
        return DatabaseManifest(place, recipe)
    return FolderManifest(open_folder(place), recipe, writer)


def _dated(row: Row) -> Row:
    return row if row.time else replace(row, time=round(time.time()))


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
