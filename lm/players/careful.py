"""The language model with a look at what its moves lose.

The policy is a person's idea of a move; tactics (`xiangqi.tactics`) tell what it comes to a few plies later. A move is
drawn by ``(log p - care * loss) / temperature``, where ``loss`` is what the move gives away against the best one, in
pawns. So the errors of a weak level are those of a person: it overlooks small losses more often than large ones, its
own and its opponent's alike, and it plays moves that people play. With temperature 0 the best sum is played.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lm import UserError
from lm.model.prompts import End
from lm.model.sampling import Sampling
from lm.players.evaluation import Evaluation
from lm.players.lm_player import LMPlayer
from lm.players.player import Choice
from xiangqi import Board, Move
from xiangqi.tactics import Searcher

DEPTH: Final = 3
CARE: Final = 1.5
MOST: Final = 1200
"""Centipawns that a mate counts, and most that a move loses."""


class CarefulPlayer(LMPlayer):
    """The language model that weighs its moves by their tactical price.

    ``depth`` is the number of plies that it looks ahead, ``care`` the nats that a lost pawn takes off a move's score.
    The other options are those of `LMPlayer`. Raises ``UserError`` for invalid settings.
    """

    def __init__(self, depth: int = DEPTH, care: float = CARE, **options: Any) -> None:
        if depth < 1:
            raise UserError(f"depth must be at least 1: {depth}")
        if not 0 <= care < np.inf:
            raise UserError(f"care must not be negative: {care:g}")
        super().__init__(**options)
        self.depth, self.care = depth, care
        self._searcher = Searcher(4)
        self._searcher.tactics(Board(), 1)  # compile the kernels now, not at the first move

    def _choose(self, board: Board, evaluation: Evaluation) -> Choice:
        losses = self.losses(board, evaluation.moves)
        return super()._choose(board, replace(evaluation, scores=evaluation.scores - self.care * losses))

    def _word(self, board: Board, evaluation: Evaluation) -> End:
        """Draw from the predicted endings as they are: a wild player does not resign or offer draws more often."""
        if evaluation.ends is None:
            return End.GOES_ON
        chances = Sampling().endings(np.log(np.maximum(evaluation.ends, 1e-9)))
        return End(int(self._random.of(board).choice(len(End), p=chances)))

    def losses(self, board: Board, moves: list[Move]) -> NDArray[np.float32]:
        """Return what each move loses against the best one, in pawns, at most `MOST`."""
        self._searcher.clear()  # what other games left there would change the prices a little
        found = self._searcher.tactics(board, self.depth, margin=MOST, moves=moves)
        scores = {price.move: min(max(price.score, -MOST), MOST) for price in found.prices}
        prices = np.array([scores[move] for move in moves], np.float32)
        return np.minimum(prices.max() - prices, MOST) / 100
