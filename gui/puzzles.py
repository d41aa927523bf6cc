"""Puzzles at the board: the one that is being solved, and the moves that a person tries in it.

It needs no window. Puzzles are set and judged in a process of their own (`gui.processes.puzzles`); what it reports
comes in by `tick`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from gui.processes.child import ChildProcess, Helper, how_it_ended
from gui.processes.puzzles import Begin, GiveHint, Message, Next, NoPuzzle, Play, Report, Retry, Solve, Standing
from xiangqi import Board, Color, Move, Square

PACE: Final = 0.6
"""Seconds before a reply is seen, so that the solver's own move is seen first."""


class Trains(Protocol):
    """Who sets puzzles, as `Puzzler`."""

    def send(self, message: Message) -> None:
        """Send a message."""
        ...

    def poll(self) -> Report | None:
        """Return the next report."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


class Puzzler(Helper[Report]):
    """Sets and judges puzzles in a process of its own. ``record`` is the file of what was solved."""

    module = "gui.processes.puzzles"

    def __init__(self, notify: Callable[[], None] = lambda: None, record: Path | None = None) -> None:
        super().__init__(notify)
        self._record = record

    def send(self, message: Message) -> None:
        """Send a message."""
        with self._lock:
            self._send(message)

    def _begin(self, process: ChildProcess) -> None:
        process.outbox.put(self._record)

    def _ended(self, code: int) -> list[Report]:
        return [NoPuzzle(f"the process of the puzzles {how_it_ended(code)}")]


class Puzzles:
    """The puzzle at hand. Call `tick` at every event and when `due` has come."""

    def __init__(self, puzzler: Trains) -> None:
        self._puzzler = puzzler
        self.standing: Standing | None = None
        """How the puzzle stands; ``None`` before the first one."""
        self.error = ""
        self.due = math.inf
        """When the reply is seen, in seconds."""
        self.selected: Square | None = None
        """The square of the piece in hand."""
        self._sent = 0
        """Messages that are not answered yet."""
        self._board: tuple[object, Board] = (None, Board())
        self._dropped_by_click = False

    def begin(self) -> None:
        """Set the first puzzle, unless there is one already."""
        if not self._sent and (self.standing is None or self.error):
            self._send(Begin(self.standing is not None and self.standing.only_failed))

    def tick(self, now: float) -> None:
        """Take in reports; ``now`` is in seconds."""
        while (report := self._puzzler.poll()) is not None:
            self._sent = max(0, self._sent - 1)
            if isinstance(report, NoPuzzle):
                self.error, self._sent = report.message, 0
                continue
            self.error, self.standing, self.selected = "", report, None
            self.due = now + PACE if report.phase == "right" and not self._is_shown(report) else math.inf
        if now >= self.due:
            self.due = math.inf

    def _is_shown(self, standing: Standing) -> bool:
        return self._board[0] == (standing.fen, standing.moves)

    # --- State --------------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether an answer has not come yet."""
        return self._sent > 0

    @property
    def awaits(self) -> bool:
        """Whether a move of the solver is expected."""
        standing = self.standing
        return (
            standing is not None and standing.phase in ("begun", "right") and not self.waiting and self.due == math.inf
        )

    @property
    def moves(self) -> tuple[Move, ...]:
        """The moves that are seen."""
        if self.standing is None:
            return ()
        return self.standing.moves if self.due == math.inf else self.standing.moves[:-1]

    @property
    def board(self) -> Board:
        """The position that is seen."""
        if self.standing is None or not self.standing.fen:
            return Board()
        key = self.standing.fen, self.moves
        if key != self._board[0]:
            board = Board(self.standing.fen)
            for move in self.moves:
                board.push(move)
            self._board = key, board
        return self._board[1]

    @property
    def solver(self) -> Color:
        """The side that solves, which is at the lower edge."""
        return self.board.turn ^ (len(self.moves) % 2)

    @property
    def last_move(self) -> Move | None:
        """The move that led to the position seen."""
        return self.moves[-1] if self.moves else self.standing.last if self.standing is not None else None

    @property
    def targets(self) -> list[Square]:
        """The target squares of the piece in hand."""
        return [move.to_square for move in self.board.legal_moves if move.from_square == self.selected]

    # --- What a person does -------------------------------------------------------------------------------------------

    def press(self, square: Square | None) -> None:
        """Press on a square: pick up a piece, or put the one in hand there."""
        if square is None or not self.awaits:
            self.selected = None
            return
        if self.selected is not None and square in self.targets:
            self._play(square)
            return
        piece = self.board.piece_at(square)
        self._dropped_by_click = square == self.selected
        self.selected = square if piece is not None and piece.color == self.board.turn else None

    def release(self, square: Square | None) -> bool:
        """Release over a square: end a drag, or keep the piece in hand; return whether this plays a move."""
        if self.selected is None or square is None:
            return False
        if square in self.targets and self.awaits:
            self._play(square)
            return True
        if square == self.selected and self._dropped_by_click:
            self.selected = None
        return False

    def _play(self, square: Square) -> None:
        assert self.selected is not None
        move, self.selected = Move(self.selected, square), None
        self._send(Play(move))

    def next(self) -> None:
        """Set the next puzzle."""
        if self.standing is not None and not self.waiting:
            self._send(Next())

    def hint(self) -> None:
        """Ask for the piece, and again for its target."""
        if self.awaits:
            self._send(GiveHint())

    def retry(self) -> None:
        """Take a wrong move back."""
        if self.standing is not None and self.standing.phase == "wrong" and not self.waiting:
            self._send(Retry())

    def solve(self) -> None:
        """Ask for the moves that are left."""
        if self.awaits:
            self._send(Solve())

    def switch(self) -> None:
        """Set those that were failed, or new ones again."""
        if self.standing is not None and not self.waiting:
            self._send(Begin(not self.standing.only_failed))

    def _send(self, message: Message) -> None:
        self._sent += 1
        self._puzzler.send(message)
