"""Teaching at the board: a move that loses much is shown with what it leads to, and may be taken back.

The opponent's answer waits until the person has decided. The judging is done in the player's process
(`gui.processes.teaching`); the position is looked at while the person thinks, so that there is little to wait for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gui.processes.teaching import Considered, JudgeMove, NotJudged, Report
from gui.session import Session
from lm.players.analysing import thinker
from lm.players.specs import Spec
from lm.study.review import MISTAKE
from xiangqi.game import ChildNode

if TYPE_CHECKING:
    from gui.processes.worker import Worker
    from lm.study.review import Judged, Point
    from xiangqi import Board, Move
    from xiangqi.game import GameNode

NODES: Final = 400
"""Positions that the search reads before the move, and after it."""
SIZE: Final = 1500
"""Positions that the search may hold."""
SHOWN: Final = 5
"""So many moves of what follows are shown."""
PACE: Final = 0.9
"""Seconds for each of them."""
PAUSE: Final = 2.0
"""Seconds more for the last one, before the board shows the game again."""


class Teacher:
    """Judges the person's moves, and offers to take a mistake back. Call `follow` after every change of the game."""

    def __init__(self, session: Session, worker: Worker) -> None:
        self.session, self._worker = session, worker
        self.on = False
        self.offer: Judged | None = None
        """The mistake that may be taken back."""
        self.error: str | None = None
        """Why moves cannot be judged, in one line."""
        self.count = 0
        """How many moves of what follows are shown on the board."""
        self._before: Point | None = None
        self._considered: tuple[int, GameNode] | None = None
        """The game and the position in which the person is to move, or has moved last."""
        self._node: GameNode | None = None
        """Where the move led that is judged or offered to be taken back."""
        self._judging = False
        self._number = 0
        self._shows_from = math.inf
        """When the first move of what follows was shown; infinite where none is, and minus infinity to begin."""

    # --- Judging ------------------------------------------------------------------------------------------------------

    @property
    def applies(self) -> bool:
        """Whether moves are judged: one person plays, and no clock runs meanwhile."""
        session = self.session
        return self.on and len(session.humans) == 1 and session.ending is None and not session.table.clocks

    @property
    def judging(self) -> bool:
        """Whether the person's last move is being judged."""
        return self._judging and self._is_current

    @property
    def holds(self) -> bool:
        """Whether the opponent's answer waits."""
        return self.judging or self.offered is not None

    @property
    def offered(self) -> Judged | None:
        """The mistake that may be taken back now, or ``None``."""
        return self.offer if self._is_current else None

    @property
    def _is_current(self) -> bool:
        return self.applies and self.session.table.node is self._node

    def follow(self, player: Spec) -> None:
        """Look at the position in which the person is to move, and judge the move that is played there."""
        session, node = self.session, self.session.table.node
        if not self.applies:
            if self._considered is not None:
                self._forget()
                self._worker.judge(JudgeMove(self._number))
        elif session.table.awaits_person:
            if self._considered != (session.number, node):
                self._forget()
                self._considered = session.number, node
                self._ask(player, node)
        elif node is not self._node and isinstance(node, ChildNode):
            if self._considered == (session.number, node.parent) and self.error is None:
                self._node, self._judging, self.offer = node, True, None
                self._ask(player, node.parent, node.move)

    def _ask(self, player: Spec, node: GameNode, move: Move | None = None) -> None:
        self._number += 1
        spec = str(thinker(player, 1, SIZE))
        self._worker.judge(JudgeMove(self._number, node.board(), move, self._before, spec, NODES))

    def _forget(self) -> None:
        self._number += 1
        self._before = self.offer = self.error = self._node = self._considered = None
        self._judging = False

    def take(self, report: Report) -> None:
        """Take in a report; those on an earlier request are ignored."""
        if report.number != self._number:
            return
        if isinstance(report, Considered):
            self._before = report.point
        elif isinstance(report, NotJudged):
            self.error, self._judging = report.message, False
        else:
            self._judging = False
            if report.judged.lost >= MISTAKE:
                self.offer = report.judged
                self.replay()

    def let_stand(self) -> None:
        """Keep the move, even before it is judged: the opponent answers."""
        self.offer = None
        if self._judging:
            self._judging = False
            self._number += 1

    # --- Showing why --------------------------------------------------------------------------------------------------

    @property
    def why(self) -> tuple[Move, ...]:
        """What follows the mistake, as far as it is shown."""
        return self.offered.after.line[:SHOWN] if self.offered is not None else ()

    def replay(self) -> None:
        """Show on the board what follows, move by move."""
        self._shows_from = -math.inf  # the next tick says when that is

    def rest(self) -> None:
        """Show the game on the board."""
        self._shows_from = math.inf

    def tick(self, now: float) -> None:
        """Show the next move of what follows when it is time; ``now`` is in seconds."""
        if self._shows_from == -math.inf:
            self._shows_from = now
        if now >= self._shows_from + self._length:
            self.rest()
        self.count = sum(now >= self._shows_from + n * PACE for n in range(len(self.why)))

    @property
    def due(self) -> float:
        """When the board shows something else, in seconds; infinite if it will not."""
        if not self.count:
            return math.inf
        return self._shows_from + (self._length if self.count == len(self.why) else self.count * PACE)

    @property
    def _length(self) -> float:
        return len(self.why) * PACE + PAUSE

    def preview(self) -> tuple[Board, Move] | None:
        """Return the position shown in place of the game, and its last move; ``None`` if the game is shown."""
        if not self.count or not self.session.live:
            return None
        moves = self.why[: self.count]
        if not moves:
            return None
        board = self.session.board.copy(stack=False)
        for move in moves:
            board.push(move)
        return board, moves[-1]
