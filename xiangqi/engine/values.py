"""Values that client and engine exchange: options, limits, scores, information, results and errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from xiangqi.evaluation import expected
from xiangqi.move import COLOR_NAMES, COLORS, RED, Color, Move, no_side
from xiangqi.tags import MATE_EVAL

OptionValue = str | int | bool | None


class EngineError(RuntimeError):
    """An engine failed. The message is one line with the reason, the command and the engine's last output.

    >>> print(EngineError("the engine died", "./pikafish", "info depth 1", "Out of memory"))
    the engine died (command: ./pikafish; its last line was 'info depth 1'; its stderr ends with 'Out of memory')
    """

    reason: str
    command: str
    last_said: str
    stderr: str
    """The end of what the engine wrote to its standard error."""

    def __init__(self, reason: str, command: str = "", last_said: str = "", stderr: str = "") -> None:
        super().__init__(reason, command, last_said, stderr)
        self.reason, self.command, self.last_said, self.stderr = reason, command, last_said, stderr

    def __str__(self) -> str:
        known = []
        if self.command:
            known.append(f"command: {self.command}")
        if self.last_said:
            known.append(f"its last line was {self.last_said[:200]!r}")
        if self.stderr:
            known.append(f"its stderr ends with {self.stderr!r}")
        return f"{self.reason} ({'; '.join(known)})" if known else self.reason


class EngineStartError(EngineError):
    """The engine cannot be started, does not support the protocol, or does not play xiangqi."""


class EngineTerminatedError(EngineError):
    """The engine's process has ended, or was ended after an earlier error."""


class EngineTimeoutError(EngineError):
    """The engine has not answered in time and was killed."""


class EngineMoveError(EngineError):
    """The engine's move is illegal or unreadable, or there is none although the game is not over.

    ``bestmove (none)`` and ``nobestmove`` mean no move; an engine resigns by ``bestmove h2e2 resign`` or ``bestmove
    resign``.
    """


class EngineOptionError(EngineError, ValueError):
    """The engine has no such option, or the option does not accept the value."""


@dataclass(frozen=True)
class Option:
    """An option that an engine declares."""

    name: str
    type: str
    """``check``, ``spin``, ``combo``, ``string`` or ``button``; ``label`` too in UCCI."""
    default: str | None = None
    min: int | None = None
    max: int | None = None
    choices: tuple[str, ...] = ()

    def text(self, value: OptionValue) -> str:
        """Return ``value`` as the engine expects it. Raises ``ValueError`` if the option does not accept it.

        >>> Option("Ponder", "check").text(True), Option("Style", "combo", choices=("solid", "wild")).text("Wild")
        ('true', 'wild')
        """
        text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
        if any(ord(char) < 32 for char in text):
            raise self._refuse(value, "one line of text")
        if self.type == "check":
            if text.lower() not in ("true", "false"):
                raise self._refuse(value, "true or false")
            return text.lower()
        if self.type == "spin":
            low, high = self.min, self.max
            try:
                number = int(text)
            except ValueError:
                raise self._refuse(value, "a number") from None
            if (low is not None and number < low) or (high is not None and number > high):
                bounds = " to ".join(f"{bound}" for bound in (low, high) if bound is not None)
                raise self._refuse(value, f"a number {'up to' if low is None else 'from'} {bounds}")
            return str(number)
        if self.type == "combo":
            for choice in self.choices:
                if choice.lower() == text.lower():
                    return choice
            raise self._refuse(value, "one of " + ", ".join(self.choices))
        if self.type in ("button", "label") and text:
            raise self._refuse(value, "no value")
        return text

    def _refuse(self, value: OptionValue, wanted: str) -> EngineOptionError:
        return EngineOptionError(f"option {self.name} takes {wanted}, not {value!r}")


@dataclass(frozen=True)
class Limit:
    """When a search ends, at the first of the given limits, and which moves it considers. Times are in seconds."""

    time: float | None = None
    """For this move."""
    depth: int | None = None
    nodes: int | None = None
    mate: int | None = None
    """Search for a mate in so many own moves (UCI only). Without one, some engines search on: give a time as well."""
    red_clock: float | None = None
    """Time left to Red for the rest of the game, or until the next time control."""
    black_clock: float | None = None
    red_increment: float = 0.0
    """Time that Red gains with each move."""
    black_increment: float = 0.0
    moves_to_go: int | None = None
    """Moves until the next time control."""
    root_moves: tuple[Move, ...] | None = None
    """The only moves to choose from; ``None`` for all legal ones."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, int | float) and not value >= 0:
                raise ValueError(f"a search cannot be limited by {name}={value!r}")

    def __repr__(self) -> str:
        given = (
            f"{n}={getattr(self, n)!r}" for n, f in self.__dataclass_fields__.items() if getattr(self, n) != f.default
        )
        return f"Limit({', '.join(given)})"

    def clock(self, color: Color) -> float | None:
        """Return the time that one side has on the clock. Raises ``ValueError`` if ``color`` is not a side."""
        if color not in COLORS:
            raise no_side(color)
        return self.red_clock if color == RED else self.black_clock

    def increment(self, color: Color) -> float:
        """Return the time that one side gains with each move. Raises ``ValueError`` if ``color`` is not a side."""
        if color not in COLORS:
            raise no_side(color)
        return self.red_increment if color == RED else self.black_increment

    def or_else(self, default: Limit) -> Limit:
        """Return this limit or, if it has root moves and nothing else, the default with these root moves.

        >>> Limit(root_moves=()).or_else(Limit(depth=3)), Limit(nodes=5).or_else(Limit(depth=3))
        (Limit(depth=3, root_moves=()), Limit(nodes=5))
        """
        alone = self.root_moves is not None and self == Limit(root_moves=self.root_moves)
        return replace(default, root_moves=self.root_moves) if alone else self

    def after_a_move(self, color: Color, spent: float) -> Limit:
        """Return the limit for the next move of ``color``, which has spent so many seconds on one.

        >>> Limit(red_clock=60, red_increment=2, moves_to_go=9).after_a_move(RED, 5)
        Limit(red_clock=57, red_increment=2, moves_to_go=8)
        """
        moves = self.moves_to_go - 1 if self.moves_to_go is not None and self.moves_to_go > 1 else None
        after = replace(self, moves_to_go=moves)
        clock = self.clock(color)
        if clock is None:
            return after
        left = max(clock - spent, 0) + self.increment(color)
        return replace(after, red_clock=left) if color == RED else replace(after, black_clock=left)

    def without_clocks(self) -> Limit:
        """Return the limit with clocks that are given set to 0 and without increments.

        >>> Limit(depth=9, red_clock=60, red_increment=2).without_clocks()
        Limit(depth=9, red_clock=0)
        """
        red, black = (None if clock is None else 0 for clock in (self.red_clock, self.black_clock))
        return replace(self, red_clock=red, black_clock=black, red_increment=0, black_increment=0, moves_to_go=None)

    def longest(self, color: Color) -> float | None:
        """Return the longest time that a search within the limit can take, or ``None`` if it is unbounded.

        >>> Limit(red_clock=60, red_increment=2).longest(RED), Limit(depth=10).longest(RED)
        (62, None)
        """
        if self.time is not None:
            return self.time
        clock = self.clock(color)
        return None if clock is None else clock + self.increment(color)

    def ends(self, color: Color) -> bool:
        """Return whether the limit ends a search of one side.

        >>> Limit(depth=10).ends(RED), Limit(black_clock=60).ends(RED)
        (True, False)
        """
        return (self.depth, self.nodes, self.mate, self.longest(color)) != (None, None, None, None)


DRAWS: Final = 0.38
"""Share of draws when neither side is better. With `Score.expected` it is the likeliest in the games between people of
``data/games/practical.pgn.zst`` that have an engine's opinion of each ply."""


@dataclass(frozen=True, repr=False)
class Score:
    """An engine's evaluation of a position, in centipawns or moves to mate, from the view of ``color``.

    UCCI engines count in hundredths of a knight or cannon. These are converted to centipawns, four for each.

    Scores from the same view are ordered, worst first: being mated, the sooner the worse, then centipawns, then mating,
    the sooner the better. To compare scores from two views, which raises ``ValueError``, turn one by ``pov``. A view
    that is not a side's raises it too.

    >>> Score(1, cp=-35).pov(RED)
    Score(color=0, cp=35, mate=None)
    >>> Score(RED, mate=-2).centipawns()
    -9998
    >>> Score(RED, mate=-1) < Score(RED, mate=-5) < Score(RED, cp=900) < Score(RED, mate=5) < Score(RED, mate=1)
    True
    """

    color: Color
    cp: int | None = None
    mate: int | None = None
    """Moves until the other side is mated; negative, or 0 on the spot, if ``color`` is mated."""
    won: bool = False
    """With ``mate`` 0: the other side is mated on the spot, not ``color``."""

    def __post_init__(self) -> None:
        if self.color not in COLORS:
            raise no_side(self.color)

    def pov(self, color: Color) -> Score:
        """Return the same score from the view of ``color``.

        >>> print(Score(RED, cp=35), "is", Score(RED, cp=35).pov(1))
        +0.35 for red is -0.35 for black
        """
        if color == self.color:
            return self
        won = self.mate == 0 and not self.won
        return Score(color, None if self.cp is None else -self.cp, None if self.mate is None else -self.mate, won)

    def centipawns(self, mate: int = 10000) -> int:
        """Return the score as one number; a mate in ``n`` is ``mate - n``."""
        if self.mate is None:
            return self.cp or 0
        return mate - self.mate if self.is_winning() else -mate - self.mate

    def pawns(self) -> float:
        """Return the score in pawns; a mate in ``n`` is ``MATE_EVAL - n``, as the evaluations of a record have it.

        >>> Score(RED, cp=-35).pawns(), Score(RED, mate=-2).pawns()
        (-0.35, -998.0)
        """
        if self.mate is None:
            return (self.cp or 0) / 100
        return MATE_EVAL - self.mate if self.is_winning() else -MATE_EVAL - self.mate

    def is_winning(self) -> bool:
        """Whether ``color`` mates by force."""
        return self.mate is not None and (self.mate > 0 or self.won)

    def expected(self) -> float:
        """Return the expected score of ``color``, from 0 (loss) to 1 (win): ``1 / (1 + 10 ** (-cp / 400))``.

        >>> Score(RED, cp=0).expected(), round(Score(RED, cp=200).expected(), 2), Score(RED, mate=-3).expected()
        (0.5, 0.76, 0.0)
        """
        return expected(self.cp or 0) if self.mate is None else float(self.is_winning())

    def wdl(self, draws: float = DRAWS) -> Wdl:
        """Return the chances of win, draw and loss of ``color`` that fit `expected`.

        With expected score ``e``, a draw has the chance ``4 * draws * e * (1 - e)``. ``draws`` is its chance when
        neither side is better, at most 0.5; more raises ``ValueError``.

        >>> Score(RED, cp=0).wdl(), Score(RED, mate=3).wdl()
        (Wdl(win=310.0, draw=380.0, loss=310.0), Wdl(win=1000.0, draw=0.0, loss=0.0))
        """
        if not 0 <= draws <= 0.5:
            raise ValueError(f"the share of draws is 0 to 0.5, not {draws!r}")
        e = self.expected()
        draw = 4 * draws * e * (1 - e)
        return Wdl(1000 * (e - draw / 2), 1000 * draw, 1000 * (1 - e - draw / 2))

    def _ranks(self, other: Score) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the places of two scores in the order."""
        if self.color != other.color:
            raise ValueError(f"{self} and {other} are two views: turn one by pov() to compare them")
        ranks = [
            (0, score.cp or 0) if score.mate is None else (1 if score.is_winning() else -1, -score.mate)
            for score in (self, other)
        ]
        return ranks[0], ranks[1]

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Score):
            return NotImplemented
        mine, theirs = self._ranks(other)
        return mine < theirs

    def __le__(self, other: object) -> bool:
        if not isinstance(other, Score):
            return NotImplemented
        mine, theirs = self._ranks(other)
        return mine <= theirs

    def __gt__(self, other: object) -> bool:
        return other < self if isinstance(other, Score) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return other <= self if isinstance(other, Score) else NotImplemented

    def __repr__(self) -> str:
        won = ", won=True" if self.won else ""
        return f"Score(color={self.color}, cp={self.cp}, mate={self.mate}{won})"

    def __str__(self) -> str:
        opinion = f"mate {'+' * self.won}{self.mate}" if self.mate is not None else f"{(self.cp or 0) / 100:+.2f}"
        return f"{opinion} for {COLOR_NAMES[self.color]}"


class Wdl(NamedTuple):
    """Chances of win, draw and loss for the side to move, in thousandths, as engines write them.

    >>> Wdl(700, 200, 100).expected
    0.8
    """

    win: float
    draw: float
    loss: float

    @property
    def expected(self) -> float:
        """The expected score, from 0 (loss) to 1 (win)."""
        return (self.win + self.draw / 2) / (sum(self) or 1)

    def turned(self) -> Wdl:
        """Return the chances of the other side."""
        return Wdl(self.loss, self.draw, self.win)


@dataclass(frozen=True)
class Info:
    """An engine's information about one of its lines. Fields that were not given are ``None`` or empty.

    >>> from xiangqi import Board
    >>> from xiangqi.engine.wire import UCI, parse_info
    >>> info = parse_info("depth 12 score mate 3 nps 250000".split(), Board(), 0, UCI)
    >>> info.depth, info.score.mate, info.nps
    (12, 3, 250000)
    """

    multipv: int = 1
    """Rank of the line among the engine's best, from 1."""
    depth: int | None = None
    seldepth: int | None = None
    score: Score | None = None
    bound: str | None = None
    """``lower`` or ``upper`` if the score is only a bound."""
    wdl: Wdl | None = None
    time: float | None = None
    """Seconds of search."""
    nodes: int | None = None
    nps: int | None = None
    """Nodes per second."""
    hashfull: int | None = None
    """Thousandths of the hash table in use."""
    pv: tuple[Move, ...] = ()
    """The moves of the line, up to the first illegal one."""
    illegal: str | None = None
    """The text of the first illegal move of the line, if it has one."""
    string: str | None = None
    """Free text."""

    def updated(self, later: Info) -> Info:
        """Return the information with the fields of ``later`` that are given; the others are kept.

        >>> info = Info(depth=3, nodes=50).updated(Info(depth=4))
        >>> info.depth, info.nodes
        (4, 50)
        """
        said = {name: value for name in self.__dataclass_fields__ if (value := getattr(later, name)) not in (None, ())}
        if later.score is not None:
            said["bound"] = later.bound
        if later.pv:
            said["illegal"] = later.illegal
        return replace(self, **said)


@dataclass(frozen=True)
class PlayResult:
    """The result of a search."""

    move: Move | None
    """``None`` if the engine resigns or has no move, such as when the game is over."""
    ponder: Move | None
    """The reply that the engine expects."""
    info: Info
    """The information about the move."""
    draw_offered: bool = False
    resigned: bool = False
