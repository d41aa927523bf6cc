"""What training minimises."""

from __future__ import annotations

from typing import Final

LOSS_WEIGHTS: Final = {
    "policy": 1.0,
    "rules": 0.3,  # the played move among all, legal or not: 0.1 leaves a fifth of unmasked favourites illegal, not 2%
    "result": 0.25,  # noisy: one result for a whole game
    "opinion": 0.25,  # what an engine expects, on the same head
    "end": 1.0,  # rare and short
    "reply": 0.3,  # teaches the trunk alone
}
"""What each part of the loss counts; docs/log.md has what was tried."""
