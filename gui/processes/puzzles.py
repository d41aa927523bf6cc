"""The process in which puzzles are set and judged: a mate that is not the solution's takes a search to be proven.

`gui.puzzles` starts it. Every message is answered by how the puzzle stands.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gui.errors import describe
from gui.processes.child import pipes

if TYPE_CHECKING:
    from lm.study.puzzles import Session
    from xiangqi import Move, Square

Phase = Literal["begun", "right", "wrong", "solved", "over"]
"""What has just happened: a puzzle begun, a move right or wrong, the puzzle solved, or no puzzle left."""


@dataclass(frozen=True)
class Begin:
    """Set puzzles: those that were not tried yet, or those that were failed."""

    only_failed: bool = False


@dataclass(frozen=True)
class Next:
    """Set the next puzzle."""


@dataclass(frozen=True)
class Play:
    """Play a move of the solver."""

    move: Move


@dataclass(frozen=True)
class GiveHint:
    """Tell the piece to move, and when asked again its target."""


@dataclass(frozen=True)
class Retry:
    """Take a wrong move back."""


@dataclass(frozen=True)
class Solve:
    """Tell the moves that are left."""


Message = Begin | Next | Play | GiveHint | Retry | Solve


@dataclass(frozen=True)
class Standing:
    """How the puzzle stands."""

    phase: Phase
    only_failed: bool
    left: int
    """Puzzles that are still to come."""
    all: int
    """Puzzles that there are."""
    grade: int
    """The solver's grade."""
    solved: int
    """Puzzles that were solved, and failed, when they were last tried."""
    failed: int
    fen: str = ""
    """Where the puzzle begins."""
    last: Move | None = None
    """The move that led there."""
    moves: tuple[Move, ...] = ()
    """What was played in it, with the replies; the last one may be wrong."""
    mate: int | None = None
    """The solver's moves to mate; ``None`` if the solution wins without one."""
    of_grade: int = 1
    """The puzzle's grade."""
    chance: float = 0.0
    """The probability that a person finds the solution, by the model."""
    found: bool = False
    """Whether the player of the game found its first move."""
    source: str = ""
    """The game that it is from."""
    is_failed: bool = False
    """Whether it counts as failed already."""
    piece: Square | None = None
    """The piece to move, if that was asked for."""
    target: Square | None = None
    solution: tuple[Move, ...] = ()
    """The moves that are left, if they were asked for."""


@dataclass(frozen=True)
class NoPuzzle:
    """Puzzles cannot be set or noted; ``message`` is one line."""

    message: str


Report = Standing | NoPuzzle


class Trainer:
    """Sets puzzles and judges moves. ``record`` is the file of what was solved, by default the user's."""

    def __init__(self, record: Path | None, report: Callable[[Report], None]) -> None:
        self._path, self._report = record, report
        self._session: Session | None = None
        self._count = 0
        self._phase: Phase = "over"
        self._moves: list[Move] = []
        self._piece: Square | None = None
        self._target: Square | None = None
        self._solution: tuple[Move, ...] = ()

    def serve(self, message: Message) -> None:
        """Do what a message asks, and tell how the puzzle stands."""
        try:
            self._serve(message)
            self._report(self._standing())
        except Exception as error:  # whatever a file does is told on the board
            self._report(NoPuzzle(describe(error)))

    def _serve(self, message: Message) -> None:
        if isinstance(message, Begin):
            self._begin(message.only_failed)
            return
        session = self._session
        if session is None:
            raise RuntimeError("no puzzles have been begun")
        match message:
            case Next():
                self._next()
            case Play():
                if self._awaits and session.board.is_legal(message.move):
                    self._play(message.move)
            case GiveHint():
                if self._awaits:
                    hint = session.hint()
                    self._piece, self._target = hint.piece, hint.target
            case Retry():
                if self._phase == "wrong":
                    session.retry()
                    self._moves.pop()
                    self._phase = "begun"
            case Solve():
                if self._awaits:
                    self._solution = session.solution()

    def warm_up(self) -> None:
        """Load what judges mates, while the person looks at the first puzzle: the first time, it is compiled."""
        from xiangqi import Board
        from xiangqi.tactics import Searcher

        Searcher().find_mate(Board(), 1)

    @property
    def _awaits(self) -> bool:
        """Whether a move of the solver is expected."""
        return self._phase in ("begun", "right")

    def _begin(self, only_failed: bool) -> None:
        from lm.study.puzzles import Record, Session, read_puzzles

        puzzles = read_puzzles()
        self._count = len(puzzles)
        self._session = Session(puzzles, Record.load(self._path), only_failed=only_failed)
        self._next()

    def _next(self) -> None:
        assert self._session is not None
        self._phase = "over" if self._session.next() is None else "begun"
        self._moves = []
        self._forget_help()

    def _play(self, move: Move) -> None:
        assert self._session is not None
        before = self._session.board.ply
        self._phase = self._session.play(move)
        self._moves.extend(self._session.board.move_stack[before:])
        self._forget_help()

    def _forget_help(self) -> None:
        self._piece = self._target = None
        self._solution = ()

    def _standing(self) -> Standing:
        session = self._session
        assert session is not None
        results, puzzle = session.record.results.values(), session.puzzle
        whole = Standing(
            phase=self._phase,
            only_failed=session.only_failed,
            left=session.left,
            all=self._count,
            grade=session.record.grade,
            solved=sum(results),
            failed=len(results) - sum(results),
        )
        if puzzle is None:
            return whole
        players = f"{puzzle.red or '?'} - {puzzle.black or '?'}" if puzzle.red or puzzle.black else ""
        return replace(
            whole,
            fen=puzzle.fen,
            last=puzzle.last,
            moves=tuple(self._moves),
            mate=puzzle.mate,
            of_grade=puzzle.grade,
            chance=puzzle.chance,
            found=puzzle.found,
            source=", ".join(part for part in (players, puzzle.event, puzzle.date) if part),
            is_failed=session.failed,
            piece=self._piece,
            target=self._target,
            solution=self._solution,
        )


def main() -> None:
    """Serve the window: read the record's path from standard input, then messages until it ends."""
    messages, reports = pipes()

    def report(what: Report) -> None:
        pickle.dump(what, reports)
        reports.flush()

    trainer = Trainer(pickle.load(messages), report)
    with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
        trainer.serve(pickle.load(messages))
        trainer.warm_up()
        while True:
            trainer.serve(pickle.load(messages))
    os._exit(0)  # the window is gone
