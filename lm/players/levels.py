"""Levels: strengths by name, each a spec. A board and an engine for boards offer them; ``level:Sharp`` names one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lm import UserError
from lm.players.specs import Spec


@dataclass(frozen=True)
class Level:
    """A strength by name."""

    name: str
    spec: Spec
    """Who plays at this level."""

    def over(self, spec: Spec) -> Spec:
        """Return a player's spec with what makes this level, and all else as it is.

        >>> str(find_level("Sharp").over(Spec.parse("lm:model=runs/a,temperature=1")))
        'lm:model=runs/a,temperature=0.3'
        """
        return spec.with_options(dict(self.spec.options))


LEVELS: Final = tuple(
    Level(name, Spec("lm", options=(("temperature", temperature),)))
    for name, temperature in (("Wild", "1.5"), ("Casual", "1"), ("Steady", "0.6"), ("Sharp", "0.3"), ("Best", "0"))
)
"""From the weakest to the strongest: the model's moves are drawn at a temperature, the lower the stronger."""
DEFAULT_LEVEL: Final = LEVELS[2]


def find_level(name: str) -> Level:
    """Return the level of a name, in any case, or of a number from 1. Raises ``UserError``.

    >>> find_level("sharp").name, find_level("1").name
    ('Sharp', 'Wild')
    """
    for number, level in enumerate(LEVELS, 1):
        if name.lower() in (level.name.lower(), str(number)):
            return level
    names = ", ".join(level.name for level in LEVELS)
    raise UserError(f"no level {name!r} (levels: {names}, or 1 to {len(LEVELS)})")
