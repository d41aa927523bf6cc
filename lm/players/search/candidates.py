"""What a search says of the moves at its root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from xiangqi import Move
from xiangqi.tactics import Price


@dataclass(frozen=True)
class Candidate:
    """A move at the root, as the search sees it. Values are for the side to move."""

    move: Move
    prior: float
    visits: int
    value: float
    """From -1 (loss) to 1 (win), by the verification if it found the move good, else by the tree."""
    seen: float
    """Its value by the tree alone."""
    draw: float
    """Chance of a draw, 0 to 1."""
    proven: int | None
    """-1, 0 or 1 if the result is proven."""
    plies: int
    """Plies to the proven end."""
    ruled: bool
    """Whether the proof rests on a ruling, not on mates alone."""
    pv: tuple[Move, ...]
    depth: int
    """Plies that the verification searched or, before it, the tactical search at the root; without tactics, those of
    the line."""

    @property
    def rank(self) -> tuple[float, ...]:
        """By which candidates are ordered, the best greatest: proven wins, then by visits, proven losses last."""
        if self.proven == 1:
            return 2, -self.plies
        if self.proven == -1:
            return 0, self.plies, self.visits
        return 1, self.visits, self.prior


class Verified(NamedTuple):
    """What the tactical search of the best moves has found."""

    depth: int = 0
    """In plies."""
    prices: tuple[Price, ...] = ()
    """Of the best moves, best first."""
