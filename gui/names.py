"""Names of sides and levels in the language of the board, and shares as text."""

from __future__ import annotations

from typing import Final

from gui.strings import say
from lm.players.levels import Level
from lm.players.specs import Spec
from xiangqi import RED, Color

OF_2020: Final = Spec("char")
"""The system of 2020, as it is shipped: the oldest opponent of all."""
ELO_OF_2020: Final = -1200
"""On the levels' scale: it scored 0.033 in 60 games against level 1 (docs/log.md)."""


def side_name(color: Color) -> str:
    """Return a side's name."""
    return say("side.red" if color == RED else "side.black")


def level_name(level: Level) -> str:
    """Return a level's name."""
    return say(f"level.{level.name.lower()}")


def share_text(share: float) -> str:
    """Write a share, 0 to 1, of what people play: what is rare is not written as nothing.

    >>> share_text(0.414), share_text(0.004)
    ('41%', '<1%')
    """
    return f"{100 * share:.0f}%" if share >= 0.01 else "<1%"
