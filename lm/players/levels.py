"""Levels: ten named strengths, each a spec; ``level:Sharp`` and ``level:7`` are the player of one.

The first four play the moves that people play, at a high temperature, and overlook losses as people do: small ones more
often than large ones (`lm.players.careful`). *Steady*, the default, is the language model alone. After it come a look
ahead of four plies, and then a search with more and more nodes.
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
    """Its strength against fairy-stockfish at depth 1, which is 0, as ``xqlm levels`` measured it (docs/levels.md)."""


ENGINE: Final = "fairy-stockfish,UCI_Variant=xiangqi"
"""Command and options of the engine that strength is measured against: at depth 1 its Elo is 0."""

LEVELS: Final = (
    Level("Child", "careful:depth=1,care=0.16,temperature=2.1", -440),
    Level("Beginner", "careful:depth=1,care=0.22,temperature=1.8", -270),
    Level("Learner", "careful:depth=1,care=0.33,temperature=1.4", 50),
    Level("Casual", "careful:depth=1,care=0.58,temperature=1.15", 240),
    Level("Steady", "lm:temperature=0.35", 450),
    Level("Watchful", "careful:depth=4,care=1.6,temperature=0.3", 680),
    Level("Sharp", "search:nodes=5", 890),
    Level("Strong", "search:nodes=13", 1090),
    Level("Deep", "search:nodes=55", 1340),
    Level("Best", "search:nodes=170", 1640),
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
