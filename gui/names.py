"""Names of sides and levels in the language of the board."""

from __future__ import annotations

from gui.strings import say
from lm.players.levels import Level
from xiangqi import RED, Color


def side_name(color: Color) -> str:
    """Return a side's name."""
    return say("side.red" if color == RED else "side.black")


def level_name(level: Level) -> str:
    """Return a level's name."""
    return say(f"level.{level.name.lower()}")
