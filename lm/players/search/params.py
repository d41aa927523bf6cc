"""The parameters of a search."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from lm import UserError
from lm.model.groups import MAX_CANDIDATES
from xiangqi.mate_search import DEEPEST


@dataclass(frozen=True)
class Params:
    """Parameters of the search; docs/log.md has what each is worth."""

    exploration: float = 1.2
    """PUCT's constant c: the weight of the prior against the value."""
    growth: float = 0.45
    """How much c grows with the logarithm of the visits."""
    base: float = 500.0
    """Visits from which it grows noticeably."""
    reduction: float = 0.25
    """First-play urgency: how far below its parent's value a move without visits counts, times the square root of the
    prior of the moves with visits."""
    spread: float = 0.0
    """Weight of the spread of values in c, 0 to 1."""
    policy_temperature: float = 1.3
    """Temperature of the policy: above 1 it looks more often at unlikely moves."""
    depth: int = 2
    """Plies of the tactical search at each leaf; 0 plays out captures alone, -1 means that there is none."""
    root_share: float = 0.05
    """Share of the time for a tactical search at the root, where all moves get a price."""
    root_margin: int = 80
    """Moves that lose more than so many centipawns there are not looked at more closely."""
    verify: float = 0.8
    """Share of the time for a tactical search of the best moves at the end; 0 for none. With a number of nodes it takes
    as long again as these are expected to."""
    verified: int = 8
    """How many moves are searched then: the most visited ones, and the best one of the search at the start."""
    popularity: float = 0.04
    """Weight of the logarithm of a move's visits, as a share of that of all visits, against the value of its score."""
    hope: float = 0.06
    """Weight of a move's value there."""
    priced: int = 6
    """How many of a leaf's moves, the likeliest ones, get a price."""
    trust: float = 0.5
    """Weight of the network's value, against that of the tactical score."""
    counting: float = 0.7
    """Weight of the tactical score, against that which fits it best to an engine's opinion."""
    caution: float = 0.8
    """By how much a loss of 100 centipawns lowers the logarithm of a move's prior."""
    mate_moves: int = 3
    """A leaf is searched for a mate by checks in at most so many moves; 0 for no search."""
    mate_nodes: int = 100
    """Most checks tried in that search."""
    root_mate_moves: int = 8
    """The same at the root, with at most `MATE_NODES` checks."""
    share: int = 1
    """Whether a position reached by other moves counts with the value found there, and with its proof."""
    batch: int = 8
    """Leaves that are read together."""
    halving: int = 64
    """Up to so many visits the moves at the root are chosen by sequential halving."""
    veto: float = 0.1
    """How much better the value of a move with fewer visits must be for it to be chosen."""

    def __post_init__(self) -> None:
        """Raises ``UserError`` for values that mean nothing."""
        for name, (least, most) in _BOUNDS.items():
            if not least <= (value := getattr(self, name)) <= most:
                raise UserError(f"{name} must lie between {least:g} and {most:g}: {value:g}")
        if not 0 <= self.verify < 1:
            raise UserError(f"verify must be at least 0 and below 1: {self.verify:g}")


_BOUNDS: Final = {
    "root_share": (0, math.inf),
    "spread": (0, 1),
    "policy_temperature": (0.01, math.inf),
    "depth": (-1, 16),
    "verified": (1, math.inf),
    "priced": (0, MAX_CANDIDATES),
    "mate_moves": (0, DEEPEST),
    "mate_nodes": (0, math.inf),
    "root_mate_moves": (0, DEEPEST),
    "halving": (0, math.inf),
    "batch": (1, 1024),
}
