"""How well a model plays the moves that were played: the figures of the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from lm.encoding import Encoder, Line
from lm.model import XiangqiLM


def batched(lines: Sequence[Line], plies: int) -> Iterator[list[Line]]:
    """Yield the games in batches of about ``plies`` plies, padding included, shortest first."""
    batch: list[Line] = []
    for line in sorted(lines, key=lambda line: len(line.moves)):
        batch.append(line)
        if len(batch) * (len(line.moves) + 1) >= plies:
            yield batch
            batch = []
    if batch:
        yield batch


@torch.inference_mode()
def evaluate_lines(model: XiangqiLM, lines: Sequence[Line], voice: int = 0) -> dict[str, float]:
    encoder = Encoder(model.config)
    was_training = model.training
    model.eval()
    total: dict[str, float] = {}
    plies = 0
    for batch in batched(lines, 4096):
        features = encoder(batch)
        played = np.concatenate([np.append(line.moves, -1) for line in batch]).astype(np.int16)
        labels = torch.from_numpy(features.labels(played))
        rows = (labels >= 0).nonzero().squeeze(1)
        labels = labels[rows]
        tensors = features.tensors()
        with torch.autocast("cpu", torch.bfloat16):
            out = model(**tensors, rows=rows, voices=torch.full_like(rows, voice))
        logp = out.scores.log_softmax(-1)
        right = logp.gather(1, labels.unsqueeze(1))
        rank = (logp > right).sum(1)
        full = out.move_logits.float().softmax(-1)
        base = tensors["candidates"][rows, :, 0]
        legal = torch.arange(base.shape[1]) < tensors["candidate_counts"][rows].unsqueeze(1)
        is_legal = torch.zeros_like(full, dtype=torch.bool).scatter_reduce_(1, base, legal, "amax")
        sums = {
            "top1": (rank == 0).sum(),
            "top3": (rank < 3).sum(),
            "nll": -right.sum(),
            "legal_argmax": is_legal.gather(1, full.argmax(1, keepdim=True)).sum(),
            "legal_mass": (full * is_legal).sum(),
        }
        for key, value in sums.items():
            total[key] = total.get(key, 0.0) + float(value)
        plies += len(rows)
    model.train(was_training)
    return {"plies": plies} | {k: v / max(plies, 1) for k, v in total.items()}
