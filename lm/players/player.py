"""Interfaces: a player chooses moves for boards; a thinker also reports lines while it thinks.

Both evaluate positions as engines do, with the `Info`, `Score` and `Wdl` of `xiangqi.engine`, for the side to move.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final, Literal, Protocol, Self, runtime_checkable

from lm import UserError
from xiangqi import Board, Move, svg
from xiangqi.engine import Info, Limit
from xiangqi.words import counted

Limits = Limit | Sequence[Limit] | None
"""How long a player may think: one limit for all boards, one a board, or the player's default (``None``)."""


NOTHING_SAID: Final = Info()


Failure = Literal["crash", "stall", "illegal move", "no move"]
"""How a player fails: its program dies or does not work, does not answer in time to be stopped, names a move that is
not legal, or names none."""


class PlayerError(UserError):
    """A player could not choose a move. The message is one line."""

    failure: Failure

    def __init__(self, message: str, failure: Failure = "crash") -> None:
        super().__init__(message)
        self.failure = failure


@dataclass(frozen=True)
class Choice:
    """A player's choice in a position: a move, or to resign.

    >>> from xiangqi.engine import Wdl
    >>> Choice(Move.from_iccs("h2e2"), Info(wdl=Wdl(500, 300, 200))).value
    0.65
    """

    move: Move | None
    """The move; ``None`` resigns."""
    info: Info = NOTHING_SAID
    """The player's evaluation of its move and the position."""
    candidates: tuple[tuple[Move, float], ...] = ()
    """Moves with their policy probabilities, likeliest first."""
    draw: bool = False
    """Whether the player offers a draw with the move, or accepts one; offers on two successive plies make one."""

    @property
    def value(self) -> float | None:
        """Expected score of the side to move, 0 (loss) to 1 (win); ``None`` if the player gives no evaluation."""
        return expected_score(self.info)


@runtime_checkable
class Player(Protocol):
    """Anything that chooses moves. A subclass needs only ``choose`` and a ``name``."""

    name: str
    """The player's name in game records."""
    one_game: bool = False
    """Whether it can play only one game at a time, like an engine, which keeps a hash table."""

    @abstractmethod
    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        """Return a choice for each board. The boards are of games in progress, with history and a legal move.

        A model can evaluate many boards in one batch. Boards are not changed. A player that needs no time may ignore
        the limits except for their root moves. A limit that has only those leaves the rest to the player's default
        (`Limit.or_else`). Raises ``PlayerError``.
        """
        ...

    def new_game(self) -> None:
        """Prepare for boards of a new game. Raises ``PlayerError``."""
        return

    def begin_game(self, board: Board, number: int) -> None:
        """Learn that a game begins on this board object, with a number in its match, beside the player's other games.

        A player with memory or chance keeps them for each game apart, so that its moves do not depend on what else it
        plays. Until ``end_game`` the same object comes with each ``choose`` about the game.
        """
        return

    def end_game(self, board: Board) -> None:
        """Learn that the game on this board object has ended."""
        return

    def stop(self) -> None:
        """Make a ``choose`` that runs in another thread return soon, with the best move found so far.

        A call before ``choose`` has begun has no effect, so that it does not spoil a later one. Whoever cannot know
        whether it has begun repeats the call until it returns.
        """
        return

    def close(self) -> None:
        """Release the player's resources and end its processes. Calling it twice does no harm."""
        return


@contextlib.contextmanager
def blamed() -> Iterator[None]:
    """Raise whatever goes wrong in a player as ``PlayerError``: other people's players can raise anything."""
    try:
        yield
    except PlayerError:
        raise
    except (Exception, SystemExit) as error:
        raise PlayerError(described(error)) from error


def described(error: BaseException) -> str:
    """Return what went wrong in other people's code, and where, in one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else text


def choices(player: Player, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
    """Return a player's choice for each board. Raises ``PlayerError``, also if it answers anything else."""
    with blamed():
        found = player.choose(boards, limits)
    if not isinstance(found, list | tuple) or not all(map(_is_choice, found)):
        raise PlayerError(f"it answers {_shortened(found)}, not a list of choices")
    if len(found) != len(boards):
        raise PlayerError(f"it answers {counted(len(found), 'choice')} for {counted(len(boards), 'board')}")
    return list(found)


def _is_choice(found: object) -> bool:
    return isinstance(found, Choice) and isinstance(found.move, Move | None) and isinstance(found.info, Info)


def _shortened(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"


@dataclass(frozen=True)
class Line:
    """A line of play in an analysis, with its evaluation."""

    info: Info
    """Its rank (``multipv``), moves (``pv``, at least one), score, WDL, depth and nodes."""
    share: float | None = None
    """Policy probability of its first move, 0 to 1; ``None`` for a thinker without a policy."""

    @property
    def move(self) -> Move:
        """The first move of the line."""
        return self.info.pv[0]

    @property
    def value(self) -> float | None:
        """Expected score of the side to move, 0 (loss) to 1 (win); ``None`` without an evaluation."""
        return expected_score(self.info)


@dataclass(frozen=True)
class AnalysisResult:
    """The result of an analysis. A notebook shows it as the board with an arrow for each line, and a table."""

    board: Board
    lines: list[Line]
    """Best first."""

    @property
    def best(self) -> Line:
        """The best line."""
        return self.lines[0]

    def _repr_html_(self) -> str:
        top = [line.value if line.value is not None else 0.5 for line in self.lines]
        weights = [max(0.25, 1 - 4 * (top[0] - value)) for value in top]
        arrows = [svg.Arrow(line.move, weight=weight) for line, weight in zip(self.lines, weights, strict=True)]
        rows = "".join(f"<tr><td>{'</td><td>'.join(cells)}</td></tr>" for cells in map(self._row, self.lines))
        picture = svg.board(self.board, arrows=arrows, orientation=self.board.turn)
        return f"<div>{picture}<table><tr><th>score</th><th>win, draw, loss</th><th>line</th></tr>{rows}</table></div>"

    def _row(self, line: Line) -> tuple[str, str, str]:
        info, board, moves = line.info, self.board.copy(), []
        for move in info.pv:
            moves.append(board.wxf(move))
            board.push(move)
        score = "" if info.score is None else escape(str(info.score.pov(self.board.turn)).split(" for ")[0])
        chances = "" if info.wdl is None else " ".join(f"{chance / 10:.0f}%" for chance in info.wdl)
        return score, chances, escape(" ".join(moves))


class Analysis(Protocol):
    """An analysis in progress. Iterating yields each new or updated line until the analysis ends.

    As a context manager it is stopped on exit. Iterating raises ``PlayerError`` if the thinker fails.
    """

    board: Board
    """The position that is analysed."""

    @property
    def lines(self) -> list[Line]:
        """The newest version of each line, best first. May be read from any thread."""
        ...

    def stop(self) -> None:
        """End the analysis soon. May be called from any thread, and more than once."""

    def __iter__(self) -> Iterator[Line]: ...

    def result(self) -> AnalysisResult:
        """Wait for the end of the analysis and return its lines."""
        for _ in self:
            pass
        return AnalysisResult(self.board, self.lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


class GeneratedAnalysis(Analysis):
    """An analysis that works in the thread that iterates over it.

    A subclass has `_generate`, which keeps ``_lines`` up to date, yields what changes, and ends soon after ``_stopped``
    is set.
    """

    def __init__(self, board: Board, limit: Limit, multipv: int) -> None:
        if multipv < 1:
            raise ValueError(f"an analysis has at least 1 line, not {multipv}")
        self.board, self._limit, self._count = board.copy(), limit, multipv
        self._stopped = threading.Event()
        self._lines: list[Line] = []
        self._found = self._generate()

    @property
    def lines(self) -> list[Line]:
        return list(self._lines)

    def stop(self) -> None:
        self._stopped.set()

    def __exit__(self, *exc: object) -> None:
        self.stop()
        with contextlib.suppress(ValueError):  # another thread iterates, and will see that it is stopped
            self._found.close()

    def __iter__(self) -> Iterator[Line]:
        return self._found

    @abstractmethod
    def _generate(self) -> Generator[Line]: ...


@runtime_checkable
class Thinker(Player, Protocol):
    """A player that can also analyse positions."""

    limit: Limit = Limit()
    """Its own limit for a move. An analysis has it only if it is given."""

    @abstractmethod
    def analyse(self, board: Board, limit: Limit | None = None, multipv: int = 1) -> Analysis:
        """Start an analysis of a position in ``multipv`` lines. Without a limit it may go on until stopped.

        One that is stopped at once may have no line. The board is not changed and must have a legal move. Raises
        ``PlayerError``, and ``ValueError`` for less than one line.
        """
        ...


def limit_of_each(limits: Limits, boards: Sequence[Board]) -> list[Limit | None]:
    """Return the limit of each board. Raises ``ValueError`` if there are not as many limits as boards.

    >>> limit_of_each(Limit(depth=3), [Board(), Board()])
    [Limit(depth=3), Limit(depth=3)]
    """
    if limits is None or isinstance(limits, Limit):
        return [limits] * len(boards)
    if len(limits) != len(boards):
        raise ValueError(f"{len(limits)} limits for {len(boards)} boards")
    return list(limits)


def expected_score(info: Info) -> float | None:
    """Return the expected score of the side to move: from WDL, else from the score (`Score.expected`), else ``None``.

    >>> from xiangqi import RED
    >>> from xiangqi.engine import Score
    >>> expected_score(Info(score=Score(RED, cp=400)))
    0.9090909090909091
    """
    if info.wdl is not None:
        return info.wdl.expected
    if info.score is None:
        return None
    return info.score.expected()
