"""Batches of characters, for the system of 2020."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from lm.model.char import (
    text_of,
)
from lm.model.vocabulary import CHAR_BOS
from lm.training.batches import GameBatches, Lessons
from xiangqi.kernels import MOVE_MIRRORED

CURRICULUM: Final = ((0.1, 16), (0.2, 32), (0.4, 64))
"""Pairs of a share of the steps and the plies read of each game until then, as in 2020; later the model's maximum."""


IGNORED: Final = -100
"""The label that the losses of `transformers` ignore."""


def plies_to_read(progress: float, longest: int) -> int:
    """Return the number of plies of a game that the curriculum allows at this share of the run, 0 to 1.

    >>> [plies_to_read(share, longest=512) for share in (0, 0.15, 0.3, 0.4)]
    [16, 32, 64, 512]
    """
    return min([plies for until, plies in CURRICULUM if progress < until] + [longest])


class CharBatches(GameBatches):
    """The batches of `lm.training.batches.GameBatches` as texts, truncated by the curriculum in early steps."""

    def encode(self, index: int) -> dict[str, Tensor]:
        """Return the arguments of a causal language model's ``forward`` for an item.

        They are ``input_ids`` and ``labels``, both ``(B, T)``, and the number of target moves in the whole step, by
        which the loss is divided, so that it is a loss per move like the main model's. An engine's moves that differ
        from its opinion (its random openings) are read, not learned.
        """
        step, part = divmod(index, self.parts)
        plies = plies_to_read(self.progress(step), self.longest)
        texts, labels = [], []
        games, mirrored = self.games(step)
        lessons = Lessons.of(self.places(games), min(plies, self.longest - 1), np.zeros((len(games), 3), np.bool_))
        for i, flip in enumerate(mirrored):
            lesson, moves = lessons.some(i, i + 1), lessons.games[i].moves
            learned = (lesson.human[:-1] == moves) | (lesson.engine[:-1] == moves)
            text = text_of(MOVE_MIRRORED[moves] if flip else moves)
            texts.append(torch.from_numpy(text))
            labels.append(torch.from_numpy(np.where(np.append(False, learned.repeat(4)), text, IGNORED)))
        count = sum(int((label != IGNORED).sum()) for label in labels) // 4
        mine = np.array_split(np.arange(len(texts)), self.parts)[part].tolist()
        if not mine:  # more parts than games: read one without targets
            mine, labels[0] = [0], torch.full_like(labels[0], IGNORED)
        pad = nn.utils.rnn.pad_sequence
        return {
            # Padding comes last and attention is causal, so no mask is needed; with CHAR_PAD `transformers` would warn.
            "input_ids": pad([texts[i] for i in mine], True, CHAR_BOS),
            "labels": pad([labels[i] for i in mine], True, IGNORED),
            "num_items_in_batch": torch.tensor(count),
        }
