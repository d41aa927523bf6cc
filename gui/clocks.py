"""The players' clocks as they run: the time of the side to move, and the end of a game whose time is up."""

from __future__ import annotations

import math
from collections.abc import Callable

from gui.opponents import Opponents
from gui.session import Session
from xiangqi import Color

TENTHS = 10.0
"""Seconds from which on a clock shows tenths."""


class RunningClocks:
    """Runs the clocks of a session. ``now`` returns the time in seconds."""

    def __init__(self, session: Session, opponents: Opponents, now: Callable[[], float]) -> None:
        self.session, self._opponents = session, opponents
        self.now = now
        self._turn = -1, 0.0
        """The generation in which the side to move began to think, and when."""
        self._running: tuple[object, float | None] = (None, None)
        """Where the game stood when the clock ran last, and the seconds that it showed."""
        session.elapsed = self.elapsed

    def run(self) -> None:
        """Note when a turn begins, and end the game of a side whose time is up."""
        session = self.session
        if self._turn[0] != session.generation:
            self._turn = session.generation, self.now()
        left = self.time_left(session.board.turn)
        if session.ending is None:
            self._running = session.table.node, left
            if left is not None and left <= 0:
                session.forfeit(session.board.turn)

    def restart_turn(self) -> None:
        """Let the turn begin now: its time does not run while its player is being loaded."""
        self._turn = -1, 0.0

    def elapsed(self) -> float:
        """Return the seconds that the side to move has thought; none while its player is loaded or the game paused."""
        session, opponents = self.session, self._opponents
        if self._turn[0] != session.generation or opponents.waiting:
            return 0.0
        if session.awaits_player and not opponents.is_loaded:
            return 0.0
        return max(0.0, self.now() - self._turn[1])

    def time_left(self, color: Color) -> float | None:
        """Return a side's seconds now, or ``None`` if it has no clock. A clock stops where the game ends."""
        session = self.session
        left = session.table.time_left(color)
        if left is None or color != session.board.turn:
            return left
        if session.ending is not None:
            return self._running[1] if self._running[0] is session.table.node else left
        return max(0.0, left - self.elapsed())

    def patience(self) -> float:
        """Return the seconds until a clock shows another time: the last ones are shown in tenths."""
        left = self.time_left(self.session.board.turn)
        if not left or self.session.ending is not None:
            return math.inf
        return left % 1 or 1.0 if left > TENTHS else 0.1
