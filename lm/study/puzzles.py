"""Puzzles: positions with one solution, from the shipped games, and a session in which a person solves them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

from lm import UserError, data_path, user_folder
from xiangqi import Board, Color, IllegalMoveError, Move
from xiangqi.formats.streams import open_bytes, open_replacing
from xiangqi.move import Square
from xiangqi.tactics import Searcher

GRADES: Final = 10
"""The hardest grade; 1 is the easiest."""
UP, DOWN = 3, 2
"""Puzzles solved, or failed, in a row, after which the grade changes by one."""
VERSION: Final = 1

Answer = Literal["right", "solved", "wrong"]


@dataclass(frozen=True)
class Puzzle:
    """A position in which one move mates or wins, and no other does."""

    fen: str
    last: Move | None
    """The other side's move that led there."""
    moves: tuple[Move, ...]
    """The solver's moves and the replies, alternating; the first and the last are the solver's."""
    mate: int | None
    """The solver's moves to mate, all checks; ``None`` if the solution wins without one."""
    grade: int
    """1 to `GRADES`, by how probable it is, by the model, that a person finds the solution."""
    chance: float
    """That probability."""
    found: bool
    """Whether the player of the game found the first move."""
    red: str = ""
    black: str = ""
    event: str = ""
    date: str = ""
    ply: int = 0
    """Where it stood in the game: moves before it."""

    @property
    def key(self) -> str:
        """The name under which progress is kept: placement and side to move."""
        return " ".join(self.fen.split()[:2])

    @property
    def turn(self) -> Color:
        """The side that solves."""
        return Board(self.fen).turn


def read_puzzles(path: Path | None = None) -> list[Puzzle]:
    """Return the puzzles of a file as ``data/make_puzzles.py`` makes it, by default the shipped ones, easiest first.

    Raises ``UserError`` that names the file and the line of a damaged puzzle, and ``OSError``.
    """
    path = path or data_path("puzzles.jsonl.zst")
    found = []
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                found.append(_puzzle(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{path}, line {number}: not a puzzle: {error}") from None
    return sorted(found, key=lambda puzzle: puzzle.grade)


def _puzzle(values: dict[str, Any]) -> Puzzle:
    moves = tuple(Board.from_moves(values["moves"], values["fen"]).move_stack)
    if len(moves) % 2 == 0:
        raise ValueError("a solution ends with a move of the solver")
    last = Move.from_iccs(values["last"]) if values.get("last") else None
    return Puzzle(**values | {"moves": moves, "last": last})


@dataclass
class Record:
    """What became of the puzzles that a person tried, kept in a file."""

    path: Path
    grade: int = 1
    """The grade of the puzzles that come next."""
    streak: int = 0
    """Puzzles solved in a row, negative for failed ones."""
    results: dict[str, bool] = field(default_factory=dict)
    """By `Puzzle.key`, whether it was solved when it was last tried."""

    @classmethod
    def load(cls, path: Path | None = None) -> Record:
        """Read a file, by default that in the user's data folder; without one, nothing was tried. Raises ``UserError``
        for a damaged file, which names it."""
        path = path or user_folder() / "puzzles.json"
        if not path.exists():
            return cls(path)
        try:
            values = json.loads(path.read_text("utf-8"))
            if values["version"] != VERSION:
                raise ValueError(f"version {values['version']}, expected {VERSION}")
            results = {str(key): bool(solved) for key, solved in values["results"].items()}
            return cls(path, min(max(int(values["grade"]), 1), GRADES), int(values["streak"]), results)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: not a record of puzzles: {error}") from None

    def note(self, puzzle: Puzzle, solved: bool) -> None:
        """Note what became of a puzzle, and write the file. Raises ``OSError``."""
        self.results[puzzle.key] = solved
        self.streak = max(self.streak, 0) + 1 if solved else min(self.streak, 0) - 1
        step = 1 if self.streak >= UP else -1 if self.streak <= -DOWN else 0
        if step:
            self.grade, self.streak = min(max(self.grade + step, 1), GRADES), 0
        values = {"version": VERSION, "grade": self.grade, "streak": self.streak, "results": self.results}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open_replacing(self.path) as file:
            file.write(json.dumps(values).encode())


@dataclass(frozen=True)
class Hint:
    """Help with the next move: the piece, and when asked again, the square that it goes to."""

    piece: Square
    target: Square | None = None


class Session:
    """A person solves puzzles, one after another.

    `next` sets up a puzzle, `play` answers a move, and `retry` takes a wrong one back. A puzzle is failed with the
    first wrong move, or when the target square was asked for; what is played afterwards does not change that. A puzzle
    that was tried does not come again, unless ``only_failed``: then the failed ones come again, and no others.
    """

    def __init__(
        self, puzzles: Sequence[Puzzle], record: Record, *, only_failed: bool = False, seed: int | None = None
    ) -> None:
        self.record, self.only_failed = record, only_failed
        self._random = random.Random(seed)
        if only_failed:
            self._waiting = [puzzle for puzzle in puzzles if record.results.get(puzzle.key) is False]
        else:
            self._waiting = [puzzle for puzzle in puzzles if puzzle.key not in record.results]
        self.puzzle: Puzzle | None = None
        """The puzzle that is being solved."""
        self.board = Board()
        """Its position now; after a wrong move, with it."""
        self.failed = self.solved = False
        self._line: tuple[Move, ...] = ()  # what is left of the solution
        self._wrong, self._hinted = False, False

    @property
    def left(self) -> int:
        """How many puzzles are still to come."""
        return len(self._waiting)

    def next(self) -> Puzzle | None:
        """Set up the next puzzle, of the person's grade or the nearest one, and return it; ``None`` if none is left."""
        if not self._waiting:
            self.puzzle = None
            return None
        distance = min(abs(puzzle.grade - self.record.grade) for puzzle in self._waiting)
        nearest = [puzzle for puzzle in self._waiting if abs(puzzle.grade - self.record.grade) == distance]
        self.puzzle = self._random.choice(nearest)
        self._waiting.remove(self.puzzle)
        self.board, self._line = Board(self.puzzle.fen), self.puzzle.moves
        self.failed = self.solved = self._wrong = self._hinted = False
        return self.puzzle

    def play(self, move: Move) -> Answer:
        """Play a move of the solver and, if it is right, the reply.

        A move that mates at once, or in a mate as soon as the solution does, is right too. Raises
        ``IllegalMoveError``, and ``ValueError`` if no puzzle is being solved or a wrong move was not taken back.
        """
        if self.puzzle is None or self.solved or self._wrong:
            raise ValueError("no move is expected")
        if not self.board.is_legal(move):
            raise IllegalMoveError(f"illegal move {move.iccs} in {self.board.fen()}")
        rest = self._line[1:] if move is self._line[0] else self._other_mate(move)
        self.board.push(move)
        if rest is None:
            self._wrong = True
            self._fail()
            return "wrong"
        self._hinted = False
        if not rest:
            self.solved = True
            if not self.failed:
                self.record.note(self.puzzle, True)
            return "solved"
        self.board.push(rest[0])
        self._line = rest[1:]
        return "right"

    def retry(self) -> None:
        """Take the wrong move back."""
        if self._wrong:
            self.board.pop()
            self._wrong = False

    def hint(self) -> Hint:
        """Return the piece to move and, at the second call in a position, its target. Raises ``ValueError`` like
        `play`."""
        if self.puzzle is None or self.solved or self._wrong:
            raise ValueError("no move is expected")
        move = self._line[0]
        if not self._hinted:
            self._hinted = True
            return Hint(move.from_square)
        self._fail()
        return Hint(move.from_square, move.to_square)

    def solution(self) -> tuple[Move, ...]:
        """Return the moves that are left, and count the puzzle as failed if it is not solved."""
        if not self.solved and self.puzzle is not None:
            self._fail()
        return self._line

    def _fail(self) -> None:
        if not self.failed and self.puzzle is not None:
            self.failed = True
            self.record.note(self.puzzle, False)

    def _other_mate(self, move: Move) -> tuple[Move, ...] | None:
        """Return how it goes on after a move that mates as soon as the solution does, with the longest defence; an
        empty line if it mates at once. ``None`` if it does not mate."""
        board = self.board.copy()
        board.push(move)
        if board.is_checkmate():
            return ()
        assert self.puzzle is not None
        moves = (len(self._line) + 1) // 2 - 1
        if self.puzzle.mate is None or moves == 0 or not board.is_check():
            return None
        longest: tuple[Move, ...] = ()
        for reply in board.legal_moves:
            board.push(reply)
            line = self._searcher.find_mate(board, moves)
            board.pop()
            if not line:
                return None
            if len(line) >= len(longest):
                longest = (reply, *line)
        return longest

    @cached_property
    def _searcher(self) -> Searcher:
        return Searcher()
