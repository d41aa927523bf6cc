"""The training loss: a weighted sum of six losses, each the mean over its known targets in a batch.

Each of the six functions returns one loss for each known target. A target below zero, or NaN, is unknown.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOSS_WEIGHTS: Final = {
    "policy": 1.0,
    "rules": 0.3,  # with 0.1 a fifth of the unmasked likeliest moves are illegal instead of 2%
    "result": 0.25,  # noisy: one result for a whole game
    "opinion": 0.25,
    "end": 1.0,  # endings are rare
    "reply": 0.3,  # an auxiliary loss: the head is not used in play
}
"""Weight of each loss; docs/log.md lists the values that were tried."""


class Soft(NamedTuple):
    """Rows that have several right moves, each with its share: K moves in total."""

    rows: Tensor
    """The row of each move ``(K,)``."""
    moves: Tensor
    """Its index among the row's scores ``(K,)``."""
    shares: Tensor
    """Its share ``(K,)``; those of a row sum to 1."""

    def among(self, chosen: Tensor, rows: int) -> Soft:
        """Return what is about the ``chosen`` ones ``(S,)`` of so many rows, numbered by their places there."""
        places = torch.full((rows,), -1, device=chosen.device)
        places[chosen] = torch.arange(len(chosen), device=chosen.device)
        kept = places[self.rows] >= 0
        return Soft(places[self.rows[kept]], self.moves[kept], self.shares[kept])


def policy_losses(scores: Tensor, labels: Tensor, soft: Soft | None = None) -> Tensor:
    """Return the losses ``(R,)`` of the moves' scores ``(R, M)``, given the right moves' indices ``(R,)``.

    In the rows of ``soft`` its moves are right, and the label is not used.
    """
    if soft is None or not len(soft.rows):
        return F.cross_entropy(scores, labels, reduction="none")
    logs = scores.log_softmax(-1)
    hard = F.nll_loss(logs, labels, reduction="none")
    shared = torch.zeros_like(hard).index_add(0, soft.rows, -soft.shares * logs[soft.rows, soft.moves])
    is_soft = torch.zeros(len(hard), dtype=torch.bool, device=hard.device).index_fill(0, soft.rows, True)
    return torch.where(is_soft, shared, hard)


def rules_losses(move_logits: Tensor, right: Tensor, checked: Tensor | None, soft: Soft | None = None) -> Tensor:
    """Return the losses ``(S,)`` of the scores of all moves, legal or not ``(R, 2086)``, given the right moves' numbers
    ``(R,)``. They teach which moves are legal. ``checked`` ``(S,)`` are the rows used; all if not given. The moves of
    ``soft`` are numbers of moves."""
    if checked is None:
        checked = torch.arange(len(right), device=right.device)
    told = None if soft is None else soft.among(checked, len(right))
    return policy_losses(move_logits[checked].float(), right[checked], told)


def result_losses(wdl_logits: Tensor, wdl: Tensor, blend: Tensor | None = None) -> Tensor:
    """Return the losses ``(K,)`` of the WDL logits ``(N, 3)``, given the results for the mover ``(N,)``: 0 loss, 1
    draw, 2 win, below 0 unknown.

    ``blend`` ``(N,)`` is the share of the opinion, against the result, in the value of a ply, 0 to 1. With 1/2 (or
    without it) both count once; the result counts ``2 (1 - blend)`` times.
    """
    known = wdl >= 0
    found = F.cross_entropy(wdl_logits[known], wdl[known], reduction="none")
    return found if blend is None else 2 * (1 - blend[known]) * found


def opinion_losses(wdl_logits: Tensor, expected: Tensor, blend: Tensor | None = None) -> Tensor:
    """Return the losses ``(K,)`` of the WDL logits ``(N, 3)``, given an engine's expected score of the mover ``(N,)``:
    0 to 1, NaN unknown.

    It is compared with the probability of a win plus half that of a draw. Results train the same head. It counts ``2
    blend`` times (`result_losses`).
    """
    known = ~expected.isnan()
    p = wdl_logits[known].softmax(-1)
    score = (p[:, 2] + 0.5 * p[:, 1]).clamp(1e-4, 1 - 1e-4)
    target = expected[known]
    # Written out: `F.binary_cross_entropy` raises for a NaN score, for which training has a better error.
    found = -(target * score.log() + (1 - target) * (1 - score).log())
    return found if blend is None else 2 * blend[known] * found


def end_losses(end_logits: Tensor, ends: Tensor) -> Tensor:
    """Return the losses ``(K,)`` of the ending logits ``(N, 5)``, given an ``End`` for each ply ``(N,)``, below 0
    unknown."""
    known = ends >= 0
    return F.cross_entropy(end_logits[known], ends[known], reduction="none")


def reply_losses(reply_logits: Tensor, replies: Tensor) -> Tensor:
    """Return the losses ``(K,)`` of the reply logits ``(K, 2086)`` at plies with a known reply, given the opponent's
    next moves ``(N,)``: numbers from the mover's side, below 0 unknown."""
    return F.cross_entropy(reply_logits.float(), replies[replies >= 0], reduction="none")


def means(losses: dict[str, Tensor], counts: Tensor | None = None) -> dict[str, Tensor]:
    """Return the mean of each loss by its name in `LOSS_WEIGHTS`, 0 for a loss without targets.

    For a part of a batch, ``counts`` ``(6,)`` is the number of targets of each loss in the whole batch, so that the
    means of the parts add up to those of the batch.

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
