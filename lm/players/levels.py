"""Levels: ten named strengths, each a spec; ``level:Sharp`` and ``level:7`` are the player of one.

The first four play the moves that people play, at a high temperature, and overlook losses as people do: small ones more
often than large ones (`lm.players.careful`). *Steady*, the default, is the language model alone. After it come looks
ahead of three and five plies, and then a search with more and more nodes.
"""

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
    elo: int
    """Its strength against fairy-stockfish at depth 1, which is 0: an estimate. ``xqlm levels`` measures it."""


LEVELS: Final = (
    Level("Child", "careful:depth=1,care=0.16,temperature=2.1", -640),
    Level("Beginner", "careful:depth=1,care=0.24,temperature=1.8", -460),
    Level("Learner", "careful:depth=1,care=0.36,temperature=1.4", -200),
    Level("Casual", "careful:depth=1,care=0.58,temperature=1.15", 0),
    Level("Steady", "lm:temperature=0.45", 150),
    Level("Watchful", "careful:depth=3,care=2,temperature=0.3", 370),
    Level("Sharp", "careful:depth=5,care=2,temperature=0.25", 510),
    Level("Strong", "search:nodes=28", 780),
    Level("Deep", "search:nodes=100", 970),
    Level("Best", "search:nodes=600", 1200),
)
"""From the weakest to the strongest."""
DEFAULT_LEVEL: Final = LEVELS[4]


def find_level(name: str) -> Level:
    """Return a level by name, in upper or lower case, or by number from 1. Raises ``UserError``.

    >>> find_level("sharp").name, find_level("1").name
    ('Sharp', 'Child')
    """
    for number, level in enumerate(LEVELS, 1):
        if name.lower() in (level.name.lower(), str(number)):
            return level
    names = ", ".join(level.name for level in LEVELS)
    raise UserError(f"no level {name!r} (levels: {names}, or 1 to {len(LEVELS)})")
