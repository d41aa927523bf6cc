"""Games that two sets of repetition rules judge differently."""

from __future__ import annotations

from xiangqi.game import Game
from xiangqi.rulings import Outcome, Rules


def dispute(game: Game, rules: Rules, others: Rules) -> str:
    """Return where and how each of two rule sets ends a game, if they differ; "" if they agree.

    >>> dispute(Game.from_pgn("1. h2e2 h9g7 *"), "computer", "none")
    ''
    """
    verdicts = _end(game, rules), _end(game, others)
    if verdicts[0] == verdicts[1]:
        return ""
    return "; ".join(f"{name}: {_told(verdict)}" for name, verdict in zip((rules, others), verdicts, strict=True))


def _end(game: Game, rules: Rules) -> tuple[int, str, str] | None:
    """Return ply, result and reason of the first ending of the main line, ``None`` if it does not end."""
    board = game.board()
    for move in game.moves():
        board.push(move)
        found: Outcome | None = board.outcome(rules)
        if found is not None:
            return board.ply, found.result, found.reason
    return None


def _told(verdict: tuple[int, str, str] | None) -> str:
    if verdict is None:
        return "goes on"
    ply, result, reason = verdict
    return f"{result} by {reason} at ply {ply}"
