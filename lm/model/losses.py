"""What training minimises: a sum of six losses, each the mean over what a batch teaches of it.

Each of the six functions returns one loss for each target that is known; targets below zero, and NaN, are not.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

LOSS_WEIGHTS: Final = {
    "policy": 1.0,
    "rules": 0.3,  # 0.1 leaves a fifth of unmasked favourites illegal, not 2%
    "result": 0.25,  # noisy: one result for a whole game
    "opinion": 0.25,
    "end": 1.0,  # rare and short
    "reply": 0.3,  # teaches the trunk alone
}
"""What each loss counts; docs/log.md has what was tried."""


def policy_losses(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the losses of the right moves' places ``(R,)`` among the legal moves, of their scores ``(R, M)``."""
    return F.cross_entropy(scores, labels, reduction="none")


def rules_losses(move_logits: Tensor, right: Tensor, checked: Tensor | None) -> Tensor:
    """Return the losses of the right moves' numbers ``(R,)`` among all moves, legal or not ``(R, 2086)``: with them the
    model learns which moves are legal. They are taken of the ``checked`` rows ``(S,)``; of all if not given."""
    if checked is None:
        checked = torch.arange(len(right), device=right.device)
    return F.cross_entropy(move_logits[checked].float(), right[checked], reduction="none")


def result_losses(wdl_logits: Tensor, wdl: Tensor) -> Tensor:
    """Return the losses of the games' results for the mover ``(N,)``, 0 loss, 1 draw, 2 win, where they are known."""
    known = wdl >= 0
    return F.cross_entropy(wdl_logits[known], wdl[known], reduction="none")


def opinion_losses(wdl_logits: Tensor, expected: Tensor) -> Tensor:
    """Return the losses of what an engine expects the mover to score ``(N,)``, 0 to 1, where that is not NaN.

    It is compared with the chance of a win plus half that of a draw, of the head that learns results too.
    """
    known = ~expected.isnan()
    p = wdl_logits[known].softmax(-1)
    score = (p[:, 2] + 0.5 * p[:, 1]).clamp(1e-4, 1 - 1e-4)
    target = expected[known]
    # Written out: `F.binary_cross_entropy` raises for a score that is NaN, of which training has more to say.
    return -(target * score.log() + (1 - target) * (1 - score).log())


def end_losses(end_logits: Tensor, ends: Tensor) -> Tensor:
    """Return the losses of whether and how the game ends at each ply, an ``End`` ``(N,)``, where that is known."""
    known = ends >= 0
    return F.cross_entropy(end_logits[known], ends[known], reduction="none")


def reply_losses(reply_logits: Tensor, replies: Tensor) -> Tensor:
    """Return the losses of the opponent's next moves ``(N,)``, numbered as the mover sees them, where they are known:
    there the model foresaw replies ``(K, 2086)``."""
    return F.cross_entropy(reply_logits.float(), replies[replies >= 0], reduction="none")


def means(losses: dict[str, Tensor], counts: Tensor | None = None) -> dict[str, Tensor]:
    """Return the mean of each loss by its name in `LOSS_WEIGHTS`, 0 for those of which there is none.

    For a part of a batch, ``counts`` ``(6,)`` says how many terms of each the whole batch has, so that the means of the
    parts add up to those of the batch.

    >>> half = means({"policy": torch.tensor([1.0, 2.0])}, torch.tensor([4, 0, 0, 0, 0, 0]))
    >>> half["policy"], half["rules"]
    (tensor(0.7500), tensor(0.))
    """
    none = losses["policy"][:0]
    ordered = [losses.get(name, none) for name in LOSS_WEIGHTS]
    counts = torch.tensor([len(x) for x in ordered], device=ordered[0].device) if counts is None else counts
    sums = torch.stack([x.sum() for x in ordered])
    return dict(zip(LOSS_WEIGHTS, sums / counts.clamp(min=1), strict=True))


def total(means: dict[str, Tensor]) -> Tensor:
    """Return the weighted sum of the means."""
    return torch.as_tensor(sum(LOSS_WEIGHTS[name] * mean for name, mean in means.items()))
