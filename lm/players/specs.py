"""Players: whatever chooses moves. A spec names one on any command line.

A spec is a kind, and after a colon its options, as ``lm:temperature=0.5,model=DIR``:

========== ===============================================================================================
``random`` any legal move; ``seed``
``greedy`` the capture that wins most at once, else any move that is no losing capture; ``seed``
``lm``     the language model; ``model`` (a directory), ``temperature``, ``top_k``, ``top_p``, ``voice``, ``source``,
           ``strength``, ``aim``, ``dtype``, ``symmetries`` (see ``lm.players.lm_player.LMPlayer``), ``seed``
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
from collections.abc import Callable
from typing import Any, Final

from lm import UserError
from lm.players.engine import EnginePlayer
from lm.players.player import Player
from lm.players.simple import GreedyPlayer, RandomPlayer
from xiangqi.engine import Limit

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
        "voice": str,
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
        from lm.players.lm_player import LMPlayer

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
