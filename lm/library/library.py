"""A library of games: it reads files into a database, and finds games by player, event, result and position."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence, Sized
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lm import data_path, user_folder
from lm.dataset.parquet import is_parquet, open_parquet
from lm.dataset.positions import fold, key_and_side, keys_of
from lm.library.entries import EVERY_GAME, RESULTS, Entry, Explored, Filter, Played, Progress, Score
from lm.library.postings import BLOCK, postings_of, unpack, unpack_dates, with_dates, without
from lm.library.schema import LibraryError, connect, errors_named, transaction
from lm.library.searching import searchable
from lm.model.encoding import GameMoves
from xiangqi.board import STARTING_FEN, Board
from xiangqi.formats import FormatError, load, pgn
from xiangqi.formats.errors import ErrorHandler
from xiangqi.game import Game
from xiangqi.kernels import MOVE_MIRRORED
from xiangqi.move import MOVES, NULL_MOVE, Move

BATCH: Final = 5000
"""Games that are written together: an import that is stopped goes on after the last batch."""
TOLD_EVERY: Final = 100
"""Games between two reports of an import."""
FEW: Final = 1000
"""Up to so many games of a position are looked at one by one where a player is asked for, and not all texts."""
_COLUMNS: Final = "red, black, event, date, result, length(moves) / 2, id"
_DATE: Final = re.compile(r"((?:1[5-9]|2[01])\d\d)(?:\D+(\d{1,2}))?(?:\D+(\d{1,2}))?")


class Library:
    """A library of games in a file, by default in the user's data folder.

    A position and its mirror image count as one. Each thread needs an object of its own; several may be open at once,
    in other processes too. Methods raise `LibraryError`, which names the file, if it is damaged, locked or full.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_folder() / "library.sqlite"
        self._database = connect(self.path)
        with self._errors():
            self._check_keys()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- Adding -------------------------------------------------------------------------------------------------------

    def add(self, game: Game) -> int:
        """Add a game that was played and return its number; that of the copy if the library has one of the same day."""
        row = _row(
            game, f"{game.headers.get('Date', '')} {game.headers.get('Red', '')} {game.headers.get('Black', '')}"
        )
        with self._errors():
            self._write([row])
            return int(self._database.execute("SELECT id FROM games WHERE identity = ?", [row[-1]]).fetchone()[0])

    def remove(self, number: int) -> None:
        """Remove a game by its ``id``. Raises ``LibraryError`` if there is none."""
        fen, moves = self._row(number, "fen, moves")
        keys, block = np.unique(keys_of([_moves(fen, moves)])).view(np.int64), number // BLOCK
        with self._errors(), transaction(self._database):
            for key in keys.tolist():
                (postings,) = self._database.execute(
                    "SELECT postings FROM positions WHERE block = ? AND key = ?", [block, key]
                ).fetchone()
                if left := without(postings, number):
                    self._database.execute(
                        "UPDATE positions SET postings = ? WHERE block = ? AND key = ?", [left, block, key]
                    )
                else:
                    self._database.execute("DELETE FROM positions WHERE block = ? AND key = ?", [block, key])
            self._write_dates(block, [number], [""])
            self._database.execute("DELETE FROM games WHERE id = ?", [number])

    def add_file(self, path: Path, on_error: ErrorHandler, encoding: str | None = None) -> Iterator[Progress]:
        """Add the games of a file of any format; yields its progress every `TOLD_EVERY` games and at the end.

        Copies of games are left out. Games are written in batches; when the import is stopped, by closing the iterator
        or by the end of the process, the next one of the same file goes on after the last batch. ``on_error`` receives
        faults of games, as `xiangqi.load` reports them; the sound part of a game is added.
        Raises `FormatError` or ``OSError`` if the file cannot be read.
        """
        yield from self._import(path, str(path.resolve()), on_error, encoding, trees=True)

    def add_shipped(self) -> Iterator[Progress]:
        """Add the games between people that are shipped, without the engine's opinions; like `add_file`."""
        path = data_path("games") / "practical.pgn.zst"
        yield from self._import(path, "shipped", _ignore, None, trees=False)

    def has_shipped(self) -> bool:
        """Whether the shipped games are in the library."""
        with self._errors():
            found = self._database.execute("SELECT 1 FROM imports WHERE path = 'shipped' AND finished").fetchone()
        return found is not None

    def _import(
        self, path: Path, name: str, on_error: ErrorHandler, encoding: str | None, trees: bool
    ) -> Iterator[Progress]:
        facts = path.stat()
        state = [name, facts.st_size, facts.st_mtime_ns if trees else 0]  # when xqlm was installed does not matter
        with self._errors():
            found = self._database.execute(
                "SELECT read FROM imports WHERE path = ? AND size = ? AND changed = ?", state
            ).fetchone()
        done = read = int(found[0]) if found else 0
        games = load(open_parquet(path) if is_parquet(path) else path, on_error, encoding)
        for number, _ in enumerate(islice(games, done), 1):
            if number % TOLD_EVERY == 0:
                yield Progress(number, 0, 0)
        added = rows_before = 0
        while True:
            rows = []
            for game in islice(games, BATCH):
                read += 1
                if game.variations or not game.errors:  # else nothing of it could be read
                    rows.append(_row(game, "", trees))
                if read % TOLD_EVERY == 0:
                    yield Progress(read, added, rows_before - added)
            finished = read - done < BATCH
            with self._errors():
                added += self._write(rows, (*state, read, finished))
            rows_before += len(rows)
            done = read
            yield Progress(read, added, rows_before - added)
            if finished:
                return

    def _write(self, rows: Sequence[_Row], state: tuple[object, ...] | None = None) -> int:
        """Write games that are new, and the state of their import; return how many they were."""
        database = self._database
        with transaction(database):
            new = []
            for row in rows:
                cursor = database.execute(
                    "INSERT OR IGNORE INTO games (red, black, event, date, result, fen, moves, headers, tree, players,"
                    " occasion, identity) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
                if cursor.rowcount == 1:
                    new.append((int(cursor.lastrowid or 0), row.fen, row.moves, row.result, row.date))
            self._write_positions(new)
            if state is not None:
                database.execute("INSERT OR REPLACE INTO imports VALUES (?, ?, ?, ?, ?)", state)
        return len(new)

    def _write_positions(self, rows: Sequence[tuple[int, str | None, bytes, int, str]]) -> None:
        """Write the positions and dates of games. Of each, id, starting position, moves, result and date are given."""
        for block, part in groupby(rows, lambda row: row[0] // BLOCK):
            ids, fens, moves, results, dates = zip(*part, strict=True)
            postings = postings_of(ids, list(map(_moves, fens, moves)), results)
            self._database.executemany(
                "INSERT INTO positions VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET postings = CAST(postings || excluded.postings AS BLOB)",
                ((block, key, packed) for key, packed in postings),
            )
            self._write_dates(block, ids, dates)

    def _write_dates(self, block: int, ids: Sequence[int], dates: Sequence[str]) -> None:
        found = self._database.execute("SELECT dates FROM dates WHERE block = ?", [block]).fetchone()
        packed = with_dates(found[0] if found else b"", ids, dates)
        self._database.execute("INSERT OR REPLACE INTO dates VALUES (?, ?)", [block, packed])

    def _check_keys(self) -> None:
        """Write the positions anew if keys have changed: they rest on a generator of random numbers."""
        key = np.int64(keys_of([_START]).view(np.int64)[0]).item()
        current = "SELECT 1 FROM keys WHERE of_start = ?", [key]
        if self._database.execute(*current).fetchone():
            return
        with transaction(self._database):
            if self._database.execute(*current).fetchone():  # another process was faster
                return
            self._database.execute("DELETE FROM positions")
            self._database.execute("DELETE FROM dates")
            games = self._database.execute("SELECT id, fen, moves, result, date FROM games ORDER BY id")
            while batch := games.fetchmany(BATCH):
                self._write_positions(batch)
            self._database.execute("DELETE FROM keys")
            self._database.execute("INSERT INTO keys VALUES (?)", [key])

    # --- Finding ------------------------------------------------------------------------------------------------------

    def count(self, where: Filter = EVERY_GAME) -> int:
        """Return how many games there are. Raises ``LibraryError`` for an unknown result."""
        condition, values = _condition(where)
        with self._errors():
            found = self._database.execute(f"SELECT count(*) FROM games WHERE {condition}", values)
            return int(found.fetchone()[0])

    def search(self, where: Filter = EVERY_GAME, limit: int = 50, offset: int = 0) -> list[Entry]:
        """Return games, the latest first. Raises ``LibraryError`` for an unknown result."""
        condition, values = _condition(where)
        date = "+date" if values else "date"  # with a plus, the index of dates is not used: that of texts is
        found = f"SELECT id FROM games WHERE {condition} ORDER BY {date} DESC, id DESC LIMIT ? OFFSET ?"
        with self._errors():
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM games WHERE id IN ({found}) ORDER BY date DESC, id DESC",
                [*values, limit, offset],
            )
            return [_entry(row) for row in rows]

    def explore(self, board: Board, where: Filter = EVERY_GAME) -> Explored:
        """Return what was played in a position, and how the games ended."""
        return self._explored(board, *self._postings(board, where))

    def games_with(
        self, board: Board, where: Filter = EVERY_GAME, move: Move | None = None, limit: int = 20
    ) -> list[Entry]:
        """Return games that reached a position, the latest first; with a ``move``, those that went on with it."""
        games, moves, _ = self._postings(board, where)
        if move is not None:
            games = games[moves == fold(np.array([move.index], np.int16), _place(board)[1])[0]]
        return self._entries(board, games, limit)

    def explore_with_games(self, board: Board, where: Filter, limit: int) -> tuple[Explored, list[Entry]]:
        """Return what `explore` and `games_with` do, in little more than the time of one of them."""
        games, moves, results = self._postings(board, where)
        return self._explored(board, games, moves, results), self._entries(board, games, limit)

    def _explored(
        self, board: Board, games: NDArray[np.uint32], moves: NDArray[np.int16], results: NDArray[np.uint8]
    ) -> Explored:
        counts = np.zeros((len(MOVES) + 1, len(RESULTS)), np.int64)  # the last row is for those that ended here
        np.add.at(counts, (moves, results), 1)
        years = np.zeros(len(counts), np.int32)
        np.maximum.at(years, moves, self._dates(games) // 10_000)
        played = counts[:-1].sum(1)
        order = np.flatnonzero(played)[np.argsort(-played[played > 0], kind="stable")]
        own = fold(order.astype(np.int16), _place(board)[1])
        found = (
            Played(MOVES[move], _score(counts[row]), int(years[row]) or None)
            for move, row in zip(own.tolist(), order.tolist(), strict=True)
        )
        return Explored(_score(counts.sum(0)), tuple(found))

    def _entries(self, board: Board, games: NDArray[np.uint32], limit: int) -> list[Entry]:
        """Return the latest of the games that reached a position, each with the ply."""
        latest = self._latest(games, limit)
        with self._errors():
            rows = self._database.execute(
                f"SELECT {_COLUMNS}, fen, moves FROM games WHERE id IN ({_marks(latest)}) ORDER BY date DESC, id DESC",
                latest,
            ).fetchall()
        lines = [_moves(fen, played) for *_, fen, played in rows]
        starts = np.cumsum([0, *(len(line.moves) + 1 for line in lines)])[:-1]
        reached = np.flatnonzero(keys_of(lines) == _place(board)[0])
        plies = reached[np.searchsorted(reached, starts)] - starts
        return [_entry(row[:-2], ply) for row, ply in zip(rows, plies.tolist(), strict=True)]

    def game(self, number: int) -> Game:
        """Return a game by its ``id``. Raises ``LibraryError`` if there is none."""
        row = self._row(number, "red, black, event, result, fen, moves, headers, tree")
        red, black, event, result, fen, moves, headers, tree = row
        if tree is not None:
            return pgn.loads(zlib.decompress(tree).decode())
        named = {"Event": event, "Red": red, "Black": black, "Result": RESULTS[result]}
        game = Game({name: text for name, text in named.items() if text} | json.loads(headers), fen or STARTING_FEN)
        game.add_main_line(MOVES[move] for move in np.frombuffer(moves, np.int16).tolist())
        return game

    def numbers(self) -> list[int]:
        """Return the ids of all games, ascending."""
        with self._errors():
            return [number for (number,) in self._database.execute("SELECT id FROM games ORDER BY id")]

    def entry(self, number: int, ply: int | None = None) -> Entry:
        """Return a game as it is listed, by its ``id``. Raises ``LibraryError`` if there is none."""
        return _entry(self._row(number, _COLUMNS), ply)

    def start_and_moves(self, number: int) -> tuple[Board, NDArray[np.int16]]:
        """Return the position that a game begins with and the numbers of its moves, ``(n,)``; quicker than `game`.

        Raises ``LibraryError`` if there is none.
        """
        fen, moves = self._row(number, "fen, moves")
        return Board(fen or STARTING_FEN), np.frombuffer(moves, np.int16)

    def _row(self, number: int, columns: str) -> tuple[Any, ...]:
        with self._errors():
            row: tuple[Any, ...] | None = self._database.execute(
                f"SELECT {columns} FROM games WHERE id = ?", [number]
            ).fetchone()
        if row is None:
            raise LibraryError(f"{self.path}: no game {number}")
        return row

    def _postings(self, board: Board, where: Filter) -> tuple[NDArray[np.uint32], NDArray[np.int16], NDArray[np.uint8]]:
        """Return the games of a position, ascending, with their moves, as seen from the key, and their results."""
        condition, values = _condition(replace(where, result=""))  # the result is in the postings
        with self._errors():
            key = np.uint64(_place(board)[0]).view(np.int64).item()
            rows = self._database.execute(
                "SELECT postings FROM dates CROSS JOIN positions USING (block) WHERE key = ? ORDER BY block", [key]
            )
            games, moves, results = unpack([blob for (blob,) in rows])
            kept = np.ones(len(games), np.bool_)
            if where.result:
                kept = results == _result(where.result)
            if values:
                if len(games) <= FEW:
                    condition, values = f"{condition} AND id IN ({_marks(games)})", [*values, *games.tolist()]
                wanted = self._database.execute(f"SELECT id FROM games WHERE {condition}", values)
                kept &= np.isin(games, np.fromiter(chain.from_iterable(wanted), np.uint32))
        return games[kept], moves[kept], results[kept]

    def _dates(self, games: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Return the dates of games ``(n,)``, as `DATE`."""
        with self._errors():
            blocks = self._database.execute("SELECT block, dates FROM dates").fetchall()
        return unpack_dates(blocks)[games]

    def _latest(self, games: NDArray[np.uint32], limit: int) -> list[int]:
        """Return those of the games with the latest dates."""
        order = self._dates(games).astype(np.int64) << 32 | games
        order = np.partition(order, -limit)[-limit:] if 0 < limit < len(order) else order[:limit]
        latest: list[int] = (order & 0xFFFFFFFF).tolist()
        return latest

    def _errors(self) -> AbstractContextManager[None]:
        return errors_named(self.path)


_START: Final = GameMoves.from_start(np.empty(0, np.int16))


class _Row(NamedTuple):
    red: str
    black: str
    event: str
    date: str
    result: int
    fen: str | None
    moves: bytes
    headers: str
    tree: bytes | None
    players: str
    occasion: str
    identity: int


def _row(game: Game, more: str, trees: bool = True) -> _Row:
    """Return a game as a row of the table. ``more`` is what tells it from games with the same moves."""
    headers = dict(game.headers)
    red, black, event = (headers.pop(name, "") for name in ("Red", "Black", "Event"))
    headers.pop("Result", None)
    headers.pop("FEN", None)
    fen = None if game.fen == STARTING_FEN else game.fen
    moves = list[int]()
    plain = not game.comment
    for node in game.main_line():
        if node.move is NULL_MOVE:  # the position after it is not of the game
            plain = False
            break
        moves.append(node.move.index)
        plain = plain and not node.comment and not node.has_nags() and len(node.variations) < 2
    played = np.array(moves, np.int16)
    tree = zlib.compress(str(game).encode()) if trees and not (plain and len(game.variations) < 2) else None
    return _Row(
        red,
        black,
        event,
        _date(headers.get("Date", "")),
        RESULTS.index(game.result),
        fen,
        played.tobytes(),
        json.dumps(headers, ensure_ascii=False),
        tree,
        searchable(f"{red}\n{black}"),
        searchable(event),
        _identity(fen, played, more),
    )


def _condition(where: Filter) -> tuple[str, list[str | int]]:
    """Return a condition in SQL and its values. Raises ``LibraryError`` for an unknown result."""
    parts, values = ["1"], list[str | int]()
    if where.player:
        parts.append("instr(players, ?)")
        values.append(searchable(where.player))
    if where.event:
        parts.append("instr(occasion, ?)")
        values.append(searchable(where.event))
    if where.result:
        parts.append("result = ?")
        values.append(_result(where.result))
    return " AND ".join(parts), values


def _result(text: str) -> int:
    if text not in RESULTS:
        raise LibraryError(f"a result is one of {', '.join(RESULTS)}: {text!r}")
    return RESULTS.index(text)


def _identity(fen: str | None, moves: NDArray[np.int16], more: str) -> int:
    """Return a number that is equal for two copies of one game or of its mirror image."""
    placement, _, rest = (fen or "").partition(" ")
    mirrored = "/".join(rank[::-1] for rank in placement.split("/"))
    forms = ((placement, moves), (mirrored, MOVE_MIRRORED[moves]))
    text = min(f"{place} {rest[:1]}".encode() + played.tobytes() for place, played in forms)
    return int.from_bytes(hashlib.blake2b(text + more.encode(), digest_size=8).digest(), "big", signed=True)


def _date(text: str) -> str:
    """Return a date that sorts.

    >>> _date("２００９年11月7日"), _date("1999.??.??"), _date("today")
    ('2009-11-07', '1999', '')
    """
    found = _DATE.match(unicodedata.normalize("NFKC", text).strip())
    return "-".join(part.zfill(2) for part in found.groups() if part) if found else ""


def _moves(fen: str | None, moves: bytes) -> GameMoves:
    played = np.frombuffer(moves, np.int16)
    if fen is None:
        return GameMoves.from_start(played)
    board = Board(fen)
    return GameMoves(played, board.cells.copy(), board.turn)


def _place(board: Board) -> tuple[int, int]:
    return key_and_side(GameMoves(_START.moves, board.cells.copy(), board.turn))


def _entry(row: Sequence[Any], ply: int | None = None) -> Entry:
    red, black, event, date, result, plies, number = row
    return Entry(red, black, event, date, RESULTS[result], plies, number, ply)


def _score(counts: NDArray[np.int64]) -> Score:
    black, draws, red, unknown = counts.tolist()
    return Score(red, draws, black, unknown)


def _marks(values: Sized) -> str:
    return ", ".join("?" * len(values))


def _ignore(error: FormatError) -> None:
    """Say nothing of a fault in the shipped games: there is none."""
