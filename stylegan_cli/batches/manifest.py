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
from stylegan_cli.errors import DataError, WriteError, messages

logger = logging.getLogger(__name__)

DATABASE_SUFFIXES: Final = (".db", ".sqlite", ".sqlite3")
_FLUSH_ROWS: Final = 1000  # of a folder on an object store, in one new object
_FLUSH_S: Final = 10.0
_MOST: Final = 1e12  # seconds
_CANNOT_WRITE: Final = ("BUSY", "CANTOPEN", "FULL", "IOERR", "LOCKED", "READONLY")

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
    """A manifest in a SQLite file; several processes of one machine may write to it.

    Each call raises DataError where the file turns out to be damaged, WriteError where it can't be
    written.
    """

    def __init__(self, path: str, recipe: Recipe) -> None:
        """path: "" for a temporary database. Raises DataError for what is no manifest."""
        self._path = path
        with _explained(path):
            self._database = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
        try:
            self._check_tables()  # before anything of somebody else's file is changed
            with _explained(path):
                self._database.execute("PRAGMA journal_mode = WAL")
                # A crash of the machine may lose the last rows; they are made again, equal.
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.executescript(_TABLES)
            self._recipe = self.recipe_number(recipe)
        except BaseException:
            self._database.close()
            raise

    def _check_tables(self) -> None:
        """Raise DataError for a database that holds anything but a manifest."""
        names = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        with _explained(self._path):
            found = set(self._database.execute(names))
        made = sqlite3.connect(":memory:")
        made.executescript(_TABLES)
        tables = set(made.execute(names))
        columns = [f"PRAGMA table_info({name})" for _, name in tables]
        with _explained(self._path):
            is_ours = found == tables and all(
                list(self._database.execute(query)) == list(made.execute(query))
                for query in columns
            )
        made.close()
        if found and not is_ours:
            why = "it is a database of something else"
            raise DataError(messages.cannot_read(self._path, why, "name another file"))

    def recipe_number(self, recipe: Recipe) -> int:
        """The number of a recipe, which gets one where it is new."""
        words = (recipe.style, recipe.options)
        find = "SELECT id FROM recipes WHERE style = ? AND options = ?"
        add = "INSERT OR IGNORE INTO recipes (style, options) VALUES (?, ?)"
        with _explained(self._path):
            self._database.execute(add, words)
            (number,) = self._database.execute(find, words).fetchone()
        return int(number)

    def earlier(self, target: str, source: str) -> Earlier:
        """What is known of a target that shall be made from `source`."""
        find = (
            "SELECT recipe, input, source, stamp, result FROM results "
            "WHERE target = ? AND status = 'done' AND typeof(input) || typeof(result) = 'blobblob' "
            "AND typeof(source) || typeof(stamp) = 'texttext'"
        )
        stamps, made, results = set(), {}, set()
        with _explained(self._path):
            rows = self._database.execute(find, (_text(target),)).fetchall()
        for recipe, content, known, stamp, result in rows:
            if recipe == self._recipe:
                made[content.hex()] = result.hex()
            if known == _text(source):
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
                _text(row.target),
                recipe,
                bytes.fromhex(row.input),
                _text(row.source),
                row.stamp,
                row.status,
                bytes.fromhex(row.result),
                round(row.seconds, 4),
                None if row.error is None else _text(row.error),
                row.time or now,
            )
            for recipe, row in rows
        ]
        with _explained(self._path), _transaction(self._database):
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
        self._index = DatabaseManifest("", recipe)  # SQLite keeps it in a file without a name
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
        damaged = 0
        for line in self._folder.lines(name):
            try:
                recipe, row = parse_line(line)
            except ValueError:
                damaged += 1
                continue
            if recipe not in self._numbers:
                self._numbers[recipe] = self._index.recipe_number(recipe)
            yield self._numbers[recipe], row
        if damaged:
            url = self._folder.url_of(name)
            logger.warning("%s has damaged lines, %d of them, which are left out", url, damaged)


def parse_line(line: bytes) -> tuple[Recipe, Row]:
    """What a line of a FolderManifest says. Raises ValueError for what no run has written."""
    try:
        values = json.loads(line)
        recipe = Recipe(values.pop("style"), values.pop("options"))
        row = Row(**values)
        bytes.fromhex(row.input + row.result)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("it is damaged") from error
    texts = (recipe.style, recipe.options, row.target, row.source, row.stamp, row.status)
    is_whole = all(isinstance(text, str) for text in (*texts, row.input, row.result))
    numbers = all(type(number) in (int, float) for number in (row.seconds, row.time))
    if not is_whole or not numbers or not isinstance(row.error, str | None):
        raise ValueError("it has values of other kinds")
    if not (abs(row.seconds) < _MOST and abs(row.time) < _MOST):
        raise ValueError("it has numbers that are no times")
    for text in (row.target, row.source, row.error or ""):
        _text(text)  # raises for what no file's name can have
    for text in (recipe.style, recipe.options, row.stamp, row.status):
        text.encode()
    return recipe, row


def open_manifest(place: str, recipe: Recipe, writer: str) -> Manifest:
    """The manifest at a path or URL, made where there is none: a file for .db, else a folder.

    writer: a name that no other run has. Raises DataError.
    """
    if not is_url(place) and place.endswith(DATABASE_SUFFIXES):
        return DatabaseManifest(place, recipe)
    return FolderManifest(open_folder(place), recipe, writer)


def _text(text: str) -> str:
    """A name as SQLite takes it: what is no UTF-8 in it is spelled out, as in caf\\xe9.jpg."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _dated(row: Row) -> Row:
    return row if row.time else replace(row, time=round(time.time()))


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Say of an error of SQLite what it means for this file. Raises DataError, WriteError."""
    try:
        yield
    # The sentences of SQLite have texts of the file in them, of any bytes.
    except (sqlite3.Error, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        code = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_")
        if code.startswith(_CANNOT_WRITE):
            raise WriteError(messages.cannot_write(path or "the manifest", said)) from error
        why = f"it is no manifest ({said})"
        raise DataError(messages.cannot_read(path, why, "name another file")) from error


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if database.in_transaction:  # SQLite has ended it where the disk is full
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
