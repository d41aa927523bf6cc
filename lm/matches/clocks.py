"""Clocks: time controls, the time that they leave a side, and the limits that players are told.

>>> control = TimeControl.parse("40/120+1")  # two minutes for each 40 moves, and a second more with each move
>>> clock = control.start()
>>> control.after(clock, 3.5)
Clock(left=117.5, moves_to_go=39)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Self

from lm import UserError
from xiangqi import BLACK, RED, Color
from xiangqi.engine import Limit

LONGEST: Final = 360_000
"""Seconds that a time control may give at most."""

_TIME: Final = r"((?:(?:\d{1,3}:[0-5]\d|\d{1,4}):[0-5]\d|\d{1,7})(?:\.\d{1,6})?)"
_GAME: Final = re.compile(rf"(?:(\d{{1,4}})/)?{_TIME}(?:\+{_TIME})?(?:b{_TIME})?")
_MOVE: Final = re.compile(rf"{_TIME}/move")


@dataclass(frozen=True)
class Clock:
    """One side's clock."""

    left: float
    """Seconds left."""
    moves_to_go: int | None = None
    """Moves until more time is given; ``None`` if that is never."""


@dataclass(frozen=True)
class TimeControl:
    """The time that a side has for its moves, in seconds."""

    main: float
    """Time for the whole game, for each ``moves`` moves, or for one move (``per_move``)."""
    increment: float = 0.0
    """Time added with each move."""
    moves: int | None = None
    """Number of moves after which the main time is added again; ``None`` for the whole game."""
    per_move: bool = False
    """Whether each move has the main time, and what is left of it is lost."""
    byoyomi: float = 0.0
    """Time that each move has at least, once the main time is used up."""

    @classmethod
    def parse(cls, text: str, unit: float = 1.0) -> Self:
        """Read a time control as PGN writes it, ``SECONDS/move``, and ``600b30`` with byoyomi. Raises ``UserError``.

        A time may also be written as ``M:SS`` or ``H:MM:SS``. ``unit`` are the seconds of a main time without a colon.

        >>> TimeControl.parse("60+0.5")
        TimeControl(main=60.0, increment=0.5, moves=None, per_move=False, byoyomi=0.0)
        >>> str(TimeControl.parse("40/120")), str(TimeControl.parse("0.1/move"))
        ('40/120', '0.1/move')
        >>> str(TimeControl.parse("1:30:00+0:30")), str(TimeControl.parse("10b30", unit=60))
        ('5400+30', '600b30')
        """
        found, alone = _GAME.fullmatch(text), _MOVE.fullmatch(text)
        if alone is not None:
            control = cls(_seconds(alone[1], unit), per_move=True)
        elif found is not None:
            moves = int(found[1]) if found[1] else None
            gain, byoyomi = (_seconds(time or "0") for time in found.group(3, 4))
            control = cls(_seconds(found[2], unit), gain, moves, byoyomi=byoyomi)
        else:
            raise UserError(
                f"no time control: {text!r} (seconds or M:SS, as 60+0.5 or 1:00 for a game, 40/120 for 40 moves, "
                "0.1/move)"
            )
        if control.main <= 0 or control.moves == 0:
            raise UserError(f"the time control {text!r} leaves no time to move")
        if max(control.main, control.increment, control.byoyomi) > LONGEST:
            raise UserError(f"the time control {text!r} has more than 100 hours")
        return control

    def __str__(self) -> str:
        if self.per_move:
            return f"{self.main:g}/move"
        moves = f"{self.moves}/" if self.moves is not None else ""
        gain = f"+{self.increment:g}" if self.increment else ""
        return f"{moves}{self.main:g}{gain}" + (f"b{self.byoyomi:g}" if self.byoyomi else "")

    def start(self) -> Clock:
        """Return the clock at the start of a game."""
        return Clock(self.main + self.byoyomi, self.moves)

    def after(self, clock: Clock, seconds: float, margin: float = 0.0) -> Clock | None:
        """Return the clock after a move, or ``None`` if the move took more than is left and ``margin``.

        >>> TimeControl(1, moves=2).after(Clock(0.75, 1), 0.5)  # the second move of two
        Clock(left=1.25, moves_to_go=2)
        >>> TimeControl(600, byoyomi=30).after(Clock(45), 20)
        Clock(left=30, moves_to_go=None)
        >>> TimeControl(1).after(Clock(0.1), 0.2, margin=0.05)
        """
        if seconds > clock.left + margin:
            return None
        if self.per_move:
            return self.start()
        left = max(clock.left - seconds + self.increment, self.increment, self.byoyomi)
        if clock.moves_to_go is None:
            return Clock(left)
        if clock.moves_to_go > 1:
            return Clock(left, clock.moves_to_go - 1)
        return Clock(left + self.main, self.moves)


def _seconds(text: str, unit: float = 1.0) -> float:
    """Return the seconds of ``M:SS``, of ``H:MM:SS``, or of so many units."""
    if ":" not in text:
        return float(text) * unit
    return sum(60**place * float(part) for place, part in enumerate(reversed(text.split(":"))))


@dataclass(frozen=True)
class Clocks:
    """The time controls of both sides. A side without one has no clock.

    >>> Clocks.parse("60+0.5").headers, Clocks.parse("0.1/move,-").headers
    ({'TimeControl': '60+0.5'}, {'RedTimeControl': '0.1/move', 'BlackTimeControl': '-'})
    """

    red: TimeControl | None = None
    black: TimeControl | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the time control of both sides, or Red's and Black's, separated by a comma; ``-`` is none.

        Raises ``UserError``.
        """
        controls = [None if word == "-" else TimeControl.parse(word) for word in text.split(",")]
        if len(controls) > 2:
            raise UserError(f"one time control for both sides or one for each, not {len(controls)}: {text!r}")
        return cls(controls[0], controls[-1])

    def __bool__(self) -> bool:
        return self.red is not None or self.black is not None

    def __getitem__(self, color: Color) -> TimeControl | None:
        return self.black if color else self.red

    def swapped(self) -> Self:
        """Return the time controls with the sides exchanged."""
        return type(self)(self.black, self.red)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a game record that state the time controls: one if they are the same, none without clocks."""
        red, black = (str(control or "-") for control in (self.red, self.black))
        if not self:
            return {}
        return {"TimeControl": red} if red == black else {"RedTimeControl": red, "BlackTimeControl": black}

    def __str__(self) -> str:
        return ",".join(str(control or "-") for control in (self.red, self.black))

    def start(self) -> tuple[Clock | None, Clock | None]:
        """Return both clocks at the start of a game."""
        red, black = (None if control is None else control.start() for control in (self.red, self.black))
        return red, black

    def limit(self, color: Color, clocks: tuple[Clock | None, Clock | None]) -> Limit | None:
        """Return the limit for the side to move, ``None`` if it has no clock.

        >>> clocks = Clocks.parse("40/120,60+2")
        >>> clocks.limit(RED, clocks.start())
        Limit(red_clock=120.0, black_clock=60.0, black_increment=2.0, moves_to_go=40)
        """
        own, clock = self[color], clocks[color]
        if own is None or clock is None:
            return None
        if own.per_move:
            return Limit(time=own.main)
        left = [None if side is None or self._per_move(c) else side.left for c, side in enumerate(clocks)]
        gains = [0.0 if side is None else side.increment for side in (self.red, self.black)]
        return Limit(
            red_clock=left[RED],
            black_clock=left[BLACK],
            red_increment=gains[RED],
            black_increment=gains[BLACK],
            moves_to_go=clock.moves_to_go,
        )

    def recorded(
        self, color: Color, clocks: tuple[Clock | None, Clock | None], left: float | None
    ) -> tuple[Clock | None, Clock | None]:
        """Return both clocks after a side's move by those before it and the seconds that a record says were left.

        Where the record does not say, the move took no time.

        >>> Clocks.parse("60+1").recorded(RED, (Clock(50), Clock(60)), 48.5)
        (Clock(left=48.5, moves_to_go=None), Clock(left=60, moves_to_go=None))
        """
        control, clock = self[color], clocks[color]
        if control is None or clock is None:
            return clocks
        after = control.after(clock, 0.0) or clock
        if left is not None:
            after = replace(after, left=left)
        return (clocks[RED], after) if color else (after, clocks[BLACK])

    def _per_move(self, color: Color) -> bool:
        control = self[color]
        return control is not None and control.per_move


NO_CLOCKS: Final = Clocks()
HEADERS: Final = ("TimeControl", "RedTimeControl", "BlackTimeControl")
"""Names of the headers that state time controls."""
