"""The model's mind at the board: follows the position shown, and keeps what the language model says of it.

The thinking is done in the player's process (`gui.processes.mind`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gui.processes.mind import NoThoughts, ReadMind, Report, Spoken, Thoughts
from gui.session import Session
from lm.players.analysing import people
from lm.players.specs import Spec

if TYPE_CHECKING:
    from gui.processes.worker import Worker
    from xiangqi import Board, Move, Square

FAINTEST: Final = 0.08
"""A piece that says less than this part of the loudest one does not glow."""


@dataclass(frozen=True)
class Speaker:
    """A piece that speaks for or against the move."""

    square: Square
    value: float
    """In nats; above zero it speaks for the move."""
    strength: float
    """How strongly it glows, 0 to 1."""


class Mind:
    """Starts, stops and follows. Call `follow` after every change of what is shown."""

    def __init__(self, session: Session, worker: Worker) -> None:
        self.session, self._worker = session, worker
        self.on = False
        self.glow = True
        """Whether pieces are asked about the move, and glow."""
        self.board: Board | None = None
        """The position that is thought of."""
        self.thoughts: Thoughts | None = None
        self.spoken: Spoken | None = None
        self.error: str | None = None
        self._chosen: Move | None = None
        self._place: object = None
        self._asked: object = None
        self._number = 0

    def toggle(self) -> None:
        """Start or stop."""
        self.on = not self.on
        if not self.on:
            self._number += 1
            self._worker.read_mind(ReadMind(self._number))
            self._clear()

    @property
    def move(self) -> Move | None:
        """The move that the pieces are asked about: the one chosen, or the likeliest."""
        if self._chosen is not None:
            return self._chosen
        return self.thoughts.moves[0].move if self.thoughts is not None and self.thoughts.moves else None

    @property
    def own(self) -> bool:
        """Whether the move that is told of as the last one is a person's, who plays against a player."""
        return len(self.session.humans) == 1

    @property
    def back(self) -> int:
        """How many plies before the position shown that move was played: the person's last one, or else the last."""
        return 2 if self.own and self.session.shown.turn in self.session.humans else 1

    def choose(self, move: Move) -> None:
        """Ask the pieces about a move of the position."""
        self._chosen = move

    def choose_next(self) -> None:
        """Ask about the next of the moves that people would play."""
        if self.thoughts is not None and self.thoughts.moves:
            moves = [expected.move for expected in self.thoughts.moves]
            at = moves.index(self.move) if self.move in moves else -1
            self._chosen = moves[(at + 1) % len(moves)]

    def follow(self, player: Spec) -> None:
        """Think of the position shown if that is not done already, with the model of a player if it has one."""
        if not self.on:
            return
        session = self.session
        place = session.number, session.node, player, self.back
        if place != self._place:
            self._clear()
            self._place = place
        key = place, self._chosen, self.glow
        if key == self._asked:
            return
        self._asked, self.spoken = key, None
        self.board = session.shown.copy()
        self._number += 1
        board, policy = self.board.copy(), str(people(player))
        self._worker.read_mind(ReadMind(self._number, board, policy, self._chosen, self.glow, self.back))

    def _clear(self) -> None:
        self.board = self.thoughts = self.spoken = self.error = None
        self._chosen = self._place = self._asked = None

    def take(self, report: Report) -> None:
        """Take in a report; those about another position are ignored."""
        if report.number != self._number or not self.on:
            return
        if isinstance(report, Thoughts):
            self.thoughts = report
        elif isinstance(report, Spoken):
            self.spoken = report
        elif isinstance(report, NoThoughts):
            self.error = report.message

    def speakers(self) -> list[Speaker]:
        """Return the pieces that speak for or against the move, the loudest first."""
        if self.spoken is None or not self.glow:
            return []
        values = sorted(self.spoken.values.items(), key=lambda item: -abs(item[1]))
        most = abs(values[0][1]) if values else 0.0
        return [Speaker(sq, value, abs(value) / most) for sq, value in values if most and abs(value) >= FAINTEST * most]
