"""What a player is: something that is shown boards and chooses moves; a thinker also says what it thinks meanwhile.

Both speak of positions as engines do: in the `Info`, `Score` and `Wdl` of `xiangqi.engine`, seen by the side to move.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self, runtime_checkable

from lm import UserError
from xiangqi import Board, Move
from xiangqi.engine import Info, Limit

Limits = Limit | Sequence[Limit] | None
"""How long a player may think: the same for all boards, one a board, or as long as is its way (``None``)."""


NOTHING_SAID: Final = Info()


class PlayerError(UserError):
    """A player could not choose a move: its program crashed, hung, or played what is not legal."""


@dataclass(frozen=True)
class Choice:
    """What a player does in a position.

    >>> from xiangqi.engine import Wdl
    >>> Choice(Move.from_iccs("h2e2"), Info(wdl=Wdl(500, 300, 200))).value
    0.65
    """

    move: Move | None
    """The move; ``None`` resigns."""
    info: Info = NOTHING_SAID
    """What the player says about its move and the position."""
    candidates: tuple[tuple[Move, float], ...] = ()
    """Moves with the shares that its policy gives them, likeliest first."""
    draw: bool = False
    """Whether the player offers a draw with the move, or accepts one; offers on two successive plies make one."""

    @property
    def value(self) -> float | None:
        """Score that the player expects for the side to move, 0 (loss) to 1 (win)."""
        return expected_score(self.info)


@runtime_checkable
class Player(Protocol):
    """Whatever chooses moves. A class that derives from it need only have ``choose`` and a ``name``."""

    name: str
    """What game records call the player."""
    one_game: bool = False
    """Whether it can play only one game at a time, as an engine, which remembers what it has seen."""

    @abstractmethod
    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        """Return a choice a board. The boards are of games in progress, each with its history and a legal move.

        Many boards at once let a model evaluate them together. Boards are left as they were. A player without a clock
        may ignore the limits. Raises ``PlayerError``.
        """
        ...

    def new_game(self) -> None:
        """Be told that the next boards are of other games than the last ones. Raises ``PlayerError``."""
        return

    def stop(self) -> None:
        """Make a ``choose`` that runs in another thread return soon, with the best that has been found so far."""
        return

    def close(self) -> None:
        """End whatever the player started. Calling it twice does no harm."""
        return


@dataclass(frozen=True)
class Line:
    """A line of play that a thinker considers, and what it says about it."""

    info: Info
    """Its rank (``multipv``), moves (``pv``, at least one), score, chances, depth and nodes."""
    share: float | None = None
    """What the policy gives its first move, 0 to 1, if there is a policy."""

    @property
    def move(self) -> Move:
        """The move that the line begins with."""
        return self.info.pv[0]

    @property
    def value(self) -> float | None:
        """Score that the side to move may expect from the line, 0 (loss) to 1 (win)."""
        return expected_score(self.info)


class Analysis(Protocol):
    """Thought that goes on: iterate over it for each line as it is found or gets better; it ends with the thought.

    As a context manager it is stopped when left. Iterating raises ``PlayerError`` if the thinker fails.
    """

    @property
    def lines(self) -> list[Line]:
        """The newest of each line, best first. May be read from any thread."""
        ...

    def stop(self) -> None:
        """End the thought soon. May be called from any thread, and more than once."""

    def __iter__(self) -> Iterator[Line]: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


@runtime_checkable
class Thinker(Player, Protocol):
    """A player that lets others follow what it thinks."""

    @abstractmethod
    def analyse(self, board: Board, limit: Limit | None = None, multipv: int = 1) -> Analysis:
        """Start to think about a position, in ``multipv`` lines; without a limit until stopped, if it takes that long.

        The board is left as it was and must have a legal move. Raises ``PlayerError``.
        """
        ...


def limit_of_each(limits: Limits, boards: Sequence[Board]) -> list[Limit | None]:
    """Return the limit of each board.

    >>> limit_of_each(Limit(depth=3), [Board(), Board()])
    [Limit(depth=3), Limit(depth=3)]
    """
    if limits is None or isinstance(limits, Limit):
        return [limits] * len(boards)
    if len(limits) != len(boards):
        raise ValueError(f"{len(limits)} limits for {len(boards)} boards")
    return list(limits)


def expected_score(info: Info) -> float | None:
    """Return the score that the side to move may expect: by the chances stated, or else by the curve of pawns.

    The curve is ``1 / (1 + 10^(-pawns / 4))``, the one fitted to computer games in chessprogramming.org, "Pawn
    Advantage, Win Percentage, and Elo".

    >>> from xiangqi import RED
    >>> from xiangqi.engine import Score
    >>> expected_score(Info(score=Score(RED, cp=400)))
    0.9090909090909091
    """
    if info.wdl is not None:
        return info.wdl.expected
    if info.score is None:
        return None
    return 1 / (1 + 10 ** (-info.score.centipawns() / 400))
