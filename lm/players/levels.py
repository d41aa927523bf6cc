"""Levels: named strengths, each a spec; ``level:Sharp`` is the player of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lm import UserError


@dataclass(frozen=True)
class Level:
    """A named strength."""

    name: str
    spec: str
    """The player of this level (`lm.players.specs`)."""


LEVELS: Final = tuple(
    Level(name, f"lm:temperature={temperature}")
    for name, temperature in (("Wild", "1.5"), ("Casual", "1"), ("Steady", "0.6"), ("Sharp", "0.3"), ("Best", "0"))
)
"""From the weakest to the strongest: a lower sampling temperature plays stronger."""
DEFAULT_LEVEL: Final = LEVELS[2]


def find_level(name: str) -> Level:
    """Return a level by name, in upper or lower case, or by number from 1. Raises ``UserError``.

    >>> find_level("sharp").name, find_level("1").name
    ('Sharp', 'Wild')
    """
    for number, level in enumerate(LEVELS, 1):
        if name.lower() in (level.name.lower(), str(number)):
            return level
    names = ", ".join(level.name for level in LEVELS)
    raise UserError(f"no level {name!r} (levels: {names}, or 1 to {len(LEVELS)})")
