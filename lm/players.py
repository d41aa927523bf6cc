"""Players: whatever chooses moves. A spec names one on any command line.

A spec is a kind, and after a colon its options, as ``lm:temperature=0.5,model=DIR``:

========== ===============================================================================================
``random`` any legal move; ``seed``
``greedy`` the capture that wins most at once, else any move that is no losing capture; ``seed``
``lm``     the language model; ``model`` (a directory), ``temperature``, ``top_k``, ``top_p``, ``style``, ``source``,
           ``strength``, ``aim``, ``dtype``, ``symmetries`` (see ``lm.policy.LMPlayer``), ``seed``
``uci``    an engine that speaks UCI: ``cmd``, a limit (``depth``, ``nodes``, ``movetime`` in milliseconds), ``timeout``
           (seconds of silence after which it has failed); other names are the engine's options, as ``UCI_Variant``
``ucci``   the same for UCCI
========== ===============================================================================================

>>> from xiangqi import Board
>>> player = load_player("greedy:seed=1")
>>> board = Board.from_moves("h2e2 h9g7 e2e6")
>>> player.choose([board])[0].move  # takes the cannon that took a pawn
Move.from_iccs('g7e6')
"""

from __future__ import annotations

import math
import random
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from lm import UserError
from xiangqi import ADVISOR, BISHOP, CANNON, KING, KNIGHT, PAWN, ROOK, Board, Move
from xiangqi.engine import EngineError, Limit, PlayResult, SimpleEngine

PIECE_VALUES: Final = {KING: 100.0, ROOK: 9.0, CANNON: 4.5, KNIGHT: 4.0, ADVISOR: 2.0, BISHOP: 2.0, PAWN: 1.0}
"""What a piece is worth in an exchange, in uncrossed pawns: the usual teaching values."""


class PlayerError(UserError):
    """A player could not choose a move: its program crashed, hung, or played what is not legal."""


@dataclass(frozen=True)
class Choice:
    """What a player does in a position."""

    move: Move | None
    """The move; ``None`` resigns."""
    value: float | None = None
    """Score that the player expects for the side to move, 0 (loss) to 1 (win)."""
    candidates: tuple[tuple[Move, float], ...] = ()
    """Moves with their probabilities, likeliest first."""
    draw: bool = False
    """Whether the player offers a draw with the move; offers on two successive plies make one."""


class Player(Protocol):
    """Whatever chooses moves."""

    name: str
    """What game records call the player."""

    def choose(self, boards: Sequence[Board]) -> list[Choice]:
        """Return a choice a board. The boards are of games in progress, each with its history and a legal move.

        Many boards at once let a model evaluate them together. Boards are left as they were. Raises ``PlayerError``.
        """

    def close(self) -> None:
        """End whatever the player started. Calling it twice does no harm."""


class RandomPlayer:
    """Plays any legal move with equal chance; the same moves for the same ``seed`` and boards."""

    def __init__(self, seed: int | None = None, name: str = "random") -> None:
        self.name = name
        self._random = random.Random(seed)

    def choose(self, boards: Sequence[Board]) -> list[Choice]:
        """Return a random legal move a board."""
        return [Choice(self._random.choice(board.legal_moves)) for board in boards]

    def close(self) -> None:
        """Do nothing."""


class GreedyPlayer:
    """Makes the capture that wins most when taken back at once, or any move that gives nothing away by capturing."""

    def __init__(self, seed: int | None = None, name: str = "greedy") -> None:
        self.name = name
        self._random = random.Random(seed)

    def choose(self, boards: Sequence[Board]) -> list[Choice]:
        """Return the best simple exchange a board."""
        return [Choice(self._choose(board)) for board in boards]

    def _choose(self, board: Board) -> Move:
        moves = board.legal_moves
        gains = [exchange(board, move) if board.is_capture(move) else 0.0 for move in moves]
        best = max(gains)
        return self._random.choice([move for move, gain in zip(moves, gains, strict=True) if gain == best])

    def close(self) -> None:
        """Do nothing."""


def exchange(board: Board, capture: Move) -> float:
    """Return what a capture wins in pawns if the taker is taken back at once, where it can be, and no more happens.

    >>> exchange(Board.from_moves("h2e2 h9g7"), Move.from_iccs("e2e6"))  # a cannon for a pawn
    -3.5
    """
    mover, taken = board.piece_at(capture.from_square), board.piece_at(capture.to_square)
    assert mover is not None and taken is not None, "not a capture"
    after = board.copy(stack=False)
    after.push(capture)
    lost = any(reply.to_square == capture.to_square for reply in after.legal_moves)
    return PIECE_VALUES[taken.type] - (PIECE_VALUES[mover.type] if lost else 0.0)


class EnginePlayer:
    """An engine in a process of its own. One that crashes or hangs costs a ``PlayerError`` and is started again.

    ``options`` are set on the engine; ``timeout`` is the silence in seconds after which it has failed.
    Raises ``PlayerError`` if the engine cannot be started or does not take its options, ``UserError`` for a command
    that cannot be split into words.
    """

    def __init__(
        self,
        protocol: str,
        command: str,
        limit: Limit,
        options: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        name: str | None = None,
    ) -> None:
        self.name = name or command
        self._protocol, self._limit, self._options, self._timeout = protocol, limit, dict(options or {}), timeout
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise UserError(f"the command {command!r} has {str(error).lower()}") from None
        if self._command and not shutil.which(self._command[0]):
            # Debian keeps its engines in a directory that root's PATH leaves out.
            self._command[0] = shutil.which(self._command[0], path="/usr/games") or self._command[0]
        self._engine: SimpleEngine | None = None
        self._closed = False
        self._start()

    def _start(self) -> SimpleEngine:
        if self._closed:
            raise PlayerError(f"{self.name} is closed")
        if self._engine is None:
            popen = SimpleEngine.popen_uci if self._protocol == "uci" else SimpleEngine.popen_ucci
            try:
                self._engine = popen(self._command, options=self._options, timeout=self._timeout)
            except EngineError as error:
                raise PlayerError(str(error)) from None
        return self._engine

    @property
    def engine_name(self) -> str:
        """What the engine calls itself, version included."""
        return self._start().id.get("name", self.name)

    def choose(self, boards: Sequence[Board]) -> list[Choice]:
        """Return the engine's move a board, one after another."""
        return [self._choose(board) for board in boards]

    def _choose(self, board: Board) -> Choice:
        engine = self._start()
        try:
            result = engine.play(board, self._limit)
        except EngineError as error:
            self._end()
            raise PlayerError(str(error)) from None
        if result.move is None and not result.resigned:
            raise PlayerError(f"{self.name} names no move, nor does it resign, in {board.fen()}")
        return Choice(result.move, _expected_score(result), draw=result.draw_offered)

    def close(self) -> None:
        """End the engine's process, also while another thread waits for its move, which then gets ``PlayerError``."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        if self._engine is not None:
            self._engine.quit()
            self._engine = None


def _expected_score(result: PlayResult) -> float | None:
    """Return the mover's expected score from an engine's opinion: its own odds, or from pawns ``1 / (1 + 10^(-p/4))``.

    The curve is the one fitted to computer games in chessprogramming.org, "Pawn Advantage, Win Percentage, and Elo".
    """
    if result.info.wdl:
        win, draw, loss = result.info.wdl
        return (win + draw / 2) / max(win + draw + loss, 1)
    if result.info.score is None:
        return None
    return 1 / (1 + 10 ** (-result.info.score.centipawns() / 400))


# --- Specs ------------------------------------------------------------------------------------------------------------

_SEED: Final[dict[str, Callable[[str], Any]]] = {"seed": int}
_LIMITS: Final[dict[str, Callable[[str], Any]]] = {"depth": int, "nodes": int, "movetime": int}
_OPTIONS: Final[dict[str, dict[str, Callable[[str], Any]]]] = {
    "random": _SEED,
    "greedy": _SEED,
    "lm": {
        "model": str,
        "temperature": float,
        "top_k": int,
        "top_p": float,
        "style": str,
        "source": str,
        "strength": str,
        "aim": str,
        "dtype": str,
        "symmetries": int,
        "seed": int,
    },
    "uci": {"cmd": str, **_LIMITS, "timeout": float},
    "ucci": {"cmd": str, **_LIMITS, "timeout": float},
}
_EXAMPLES: Final = "lm:temperature=0.5, uci:cmd=PROGRAM,depth=1"


def load_player(spec: str) -> Player:
    """Return the player that a spec names; see the head of this module.

    Raises ``UserError`` (a ``ValueError``) that says what is allowed, or what the player lacks.

    >>> load_player("random:seed=1").name
    'random:seed=1'
    >>> load_player("randy")
    Traceback (most recent call last):
    lm.UserError: no player 'randy' (random, greedy, lm, uci, ucci; as lm:temperature=0.5, uci:cmd=PROGRAM,depth=1)
    """
    kind, _, rest = spec.partition(":")
    if kind not in _OPTIONS:
        raise UserError(f"no player {kind!r} ({', '.join(_OPTIONS)}; as {_EXAMPLES})")
    options = _parse_options(spec, kind, rest)
    if kind == "random":
        return RandomPlayer(**options, name=spec)
    if kind == "greedy":
        return GreedyPlayer(**options, name=spec)
    if kind == "lm":
        from lm.policy import LMPlayer

        player: Player = LMPlayer(**options)
        player.name = spec
        return player
    if "cmd" not in options or not any(name in options for name in _LIMITS):
        raise UserError(
            f"player {spec!r}: {kind} needs cmd and one of {', '.join(_LIMITS)}, as {kind}:cmd=PROGRAM,depth=1"
        )
    time = options.pop("movetime", None)
    limit = Limit(time / 1000 if time is not None else None, options.pop("depth", None), options.pop("nodes", None))
    command, timeout = options.pop("cmd"), options.pop("timeout", 10.0)
    return EnginePlayer(kind, command, limit, options, timeout, name=spec)


def _parse_options(spec: str, kind: str, text: str) -> dict[str, Any]:
    known = _OPTIONS[kind]
    options: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not name or (name not in known and "cmd" not in known):
            raise UserError(
                f"player {spec!r}: {item!r} is no option of {kind} (options: {', '.join(known)}, as name=value)"
            )
        if name in options:
            raise UserError(f"player {spec!r}: {name} is given twice")
        try:
            options[name] = known.get(name, str)(value)
        except ValueError:
            number = "a whole number" if known[name] is int else "a number"
            raise UserError(f"player {spec!r}: {name} is {number}, not {value!r}") from None
        if name in _LIMITS and options[name] < 1:
            raise UserError(f"player {spec!r}: {name} must be at least 1")
        if name == "timeout" and not 0 < options[name] < math.inf:
            raise UserError(f"player {spec!r}: timeout is in seconds, above 0: {value}")
    return options
