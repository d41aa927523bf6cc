"""The database of the library: its tables, and their migration from one version to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lm import UserError

MIGRATIONS: Final = [
    """
    CREATE TABLE games (
        id INTEGER PRIMARY KEY,
        red TEXT NOT NULL, black TEXT NOT NULL, event TEXT NOT NULL,
        date TEXT NOT NULL,         -- 2009-11-07, as much of it as is known
        result INTEGER NOT NULL,    -- an index into RESULTS
        fen TEXT,                   -- the starting position, if it is not the usual one
        moves BLOB NOT NULL,        -- numbers of the moves of the main line, 2 bytes each
        headers TEXT NOT NULL,      -- the other headers, as JSON
        tree BLOB,                  -- the game as PGN, packed by zlib, if it has more than its main line
        players TEXT NOT NULL,      -- both names as lm.library.searching.searchable makes them, to search in
        occasion TEXT NOT NULL,     -- the event, likewise
        identity INTEGER NOT NULL UNIQUE
    );
    CREATE INDEX games_by_date ON games (date, id);
    CREATE INDEX games_by_text ON games (players, occasion, result);
    CREATE TABLE imports (
        path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL,
        read INTEGER NOT NULL,      -- games of the file that were read so far
        finished INTEGER NOT NULL
    );
    CREATE TABLE positions (
        key INTEGER NOT NULL,       -- as lm.dataset.positions.keys_of, signed
        batch INTEGER NOT NULL,     -- the first game of those that were written together
        postings BLOB NOT NULL,     -- as lm.library.postings.POSTING
        PRIMARY KEY (key, batch)
    ) WITHOUT ROWID;
    CREATE TABLE keys (of_start INTEGER NOT NULL);
    """,
    """
    DROP TABLE positions;
    CREATE TABLE positions (
        block INTEGER NOT NULL,     -- games whose ids, divided by lm.library.postings.BLOCK, have the same quotient
        key INTEGER NOT NULL,       -- as lm.dataset.positions.keys_of, signed
        postings BLOB NOT NULL,     -- as lm.library.postings.POSTING
        PRIMARY KEY (block, key)
    ) WITHOUT ROWID;
    CREATE TABLE dates (
        block INTEGER PRIMARY KEY,
        dates BLOB NOT NULL         -- of its games in turn, as lm.library.postings.DATE
    );
    DROP INDEX games_by_text;
    CREATE INDEX games_by_text ON games (players, occasion, result, date);
    -- without a key, positions and dates are written anew
    DELETE FROM keys;
    """,
]
"""The n-th script makes a database of version n out of one of version n - 1. A new version adds a script."""


class LibraryError(UserError):
    """A library that cannot be read or written. The message names its file."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a database, make it if there is none, and bring it to the newest version. Raises `LibraryError`."""
    with errors_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            database.execute("PRAGMA journal_mode = WAL")  # a search does not wait for an import
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA cache_size = -65536")
            _migrate(database, path)
        except BaseException:
            database.close()
            raise
    return database


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    newest = len(MIGRATIONS)
    if version_of(database) == newest:
        return
    with transaction(database):
        version = version_of(database)  # again, because another process may have been faster
        if version > newest:
            raise LibraryError(f"{path}: made by a newer xqlm (version {version}; this one knows {newest})")
        for script in MIGRATIONS[version:]:
            for statement in script.split(";\n"):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {newest}")


def version_of(database: sqlite3.Connection) -> int:
    """Return the version of a database; 0 for an empty one."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Write all of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Raise `LibraryError` for an error of the database."""
    try:
        yield
    except sqlite3.Error as error:
        raise LibraryError(f"{path}: {error}") from None
