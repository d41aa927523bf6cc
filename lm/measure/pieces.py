"""Which pieces speak for a move: how its score changes when the model does not see a piece, by sampled Shapley values.

Pieces are taken from what the model sees of the position: the rows of its input that tell of a piece
(`lm.model.features`) are left out. The position, its legal moves and the game so far stay as they are. The Shapley
value of a piece is the mean of what it adds to the move's score when the pieces come into sight one after another, over
all orders (L. Shapley, "A Value for n-Person Games", 1953); here over random orders, each with its reverse. It needs no
gradients, so the network for play is enough. `lm.measure.explain` answers the same question by gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.model.cache import KVCache
from lm.model.encoding import Encoder, Features, GameMoves
from lm.model.folder import Network
from lm.model.groups import CANDIDATE_GROUPS, CANDIDATE_WIDTH, INPUT_GROUPS
from lm.model.network import BATCH, add_rows, answer, evaluate_games, make_answers, make_workspace, read
from lm.model.prompts import NO_PROMPT, Voice
from lm.players.evaluation import recent
from xiangqi import Board, Move, Square
from xiangqi.kernels import MOVE_FROM

EXPLAINED: Final = ("board", "status", "own_moves", "enemy_moves")
"""The input groups whose rows tell of pieces."""


@dataclass(frozen=True)
class Speakers:
    """How much each piece speaks for a move."""

    move: Move
    values: dict[Square, float]
    """By square, in nats, the unit of scores: above zero, the piece speaks for it. They add up to `difference`."""
    difference: float
    """The move's score less the mean of the legal moves, less the same without any piece in sight."""
    orders: int
    """The number of orders so far."""


def speakers(network: Network, board: Board, move: Move, orders: int = 64, seed: int = 0) -> Iterator[Speakers]:
    """Yield how much each piece speaks for a legal move, the better known the longer it goes on.

    Raises ``IllegalMoveError`` for an illegal move.
    """
    board.parse_iccs(move.iccs)
    sight = _Sight(network, board, move)
    count, random = len(sight.squares), np.random.default_rng(seed)
    totals = np.zeros(count)
    empty, full = sight.scores(np.array([np.zeros(count, bool), np.ones(count, bool)])).tolist()
    for done in range(2, orders + 2, 2):
        order = random.permutation(count)
        for way in (order, order[::-1]):
            seen = np.zeros((count + 1, count), bool)
            for n, piece in enumerate(way, 1):
                seen[n:, piece] = True
            scores = np.concatenate([[empty], sight.scores(seen[1:-1]), [full]])
            totals[way] += np.diff(scores)
        values = dict(zip(sight.squares, (totals / done).tolist(), strict=True))
        yield Speakers(move, values, full - empty, done)


class _Sight:
    """A position, of which the model sees some pieces."""

    def __init__(self, network: Network, board: Board, move: Move) -> None:
        self.network, config = network, network.config
        game = GameMoves.of(board).with_past()
        if len(game.moves) >= config.n_context:  # longer than the model's context: only its end
            game = GameMoves.of(recent(board, config.n_context // 2))
        self.last = len(game.moves)
        self._cache = KVCache(config, self.last + BATCH)
        self._space = make_workspace(config, network.eight_bits)
        self._answers = make_answers(BATCH)
        past = self._cache.take(self.last)
        self._paths = np.zeros((BATCH, self.last + 1), np.int64)
        self._paths[:, : self.last] = past
        self._paths[:, self.last] = self._cache.take(BATCH)
        if self.last:
            self._read_past(game)
        last = GameMoves(game.moves, game.cells, game.turn, game.clock, self.last)
        found = Encoder(config.input_groups, tuple(CANDIDATE_GROUPS))([last])
        self.lines = found.candidates
        assert self.lines.shape[1] == CANDIDATE_WIDTH
        self.index = found.moves(0).tolist().index(move.index)
        owners, _ = rows_of_pieces(found, config.input_groups, board)
        self.squares = sorted(board.piece_map())
        self._rest = self._sum(found.inputs[owners < 0])
        self._sums = np.array([self._sum(found.inputs[owners == square]) for square in self.squares])

    def scores(self, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the move's score less the mean of all, ``(R,)``, for R selections ``(R, pieces)`` in sight."""
        return np.concatenate([self._batch(seen[at : at + BATCH]) for at in range(0, len(seen), BATCH)])

    def _batch(self, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
        rows, weights, cache, space, out = len(seen), self.network.weights, self._cache, self._space, self._answers
        space.stream[:rows] = self._rest + seen.astype(np.float32) @ self._sums
        space.candidates[:rows, : len(self.lines)] = self.lines
        space.turns[:rows] = 0  # which only says how moves are named
        out.counts[:rows] = len(self.lines)
        lengths = np.full(rows, self.last, np.int64)
        read(weights, cache.keys, cache.values, rows, np.arange(rows), lengths, self._paths, space)
        answer(weights, rows, int(Voice.HUMAN), space, out)
        scores = out.scores[:rows, : len(self.lines)].astype(np.float64)
        relative: NDArray[np.float64] = scores[:, self.index] - scores.mean(1)
        return relative

    def _read_past(self, game: GameMoves) -> None:
        """Read the plies before the last into the cache."""
        n = self.last
        evaluate_games(
            self.network.weights,
            self._cache.keys,
            self._cache.values,
            game.cells[None].copy(),
            np.array([game.turn], np.int64),
            np.array([game.clock], np.int64),
            np.append(game.moves, 0).astype(np.int16)[None].copy(),
            self._paths[:1].copy(),
            np.zeros(n, np.int64),
            np.arange(n),
            int(Voice.HUMAN),
            NO_PROMPT.rows(np.zeros(n, bool)),
            self._space,
            make_answers(n),
        )

    def _sum(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the sum of rows of the input table."""
        total = np.zeros(self._space.stream.shape[1], np.float32)
        add_rows(self.network.weights.table, np.ascontiguousarray(rows), len(rows), total)
        return total


def rows_of_pieces(
    features: Features, input_groups: Sequence[str], board: Board
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each input row of a single ply the square of its piece, and the index of its group in `EXPLAINED`; -1
    for rows that belong to no piece. A row for a captured piece belongs to the capturing piece.

    >>> from lm.model.model import XiangqiConfig
    >>> config, board = XiangqiConfig(), Board()
    >>> features = Encoder(config.input_groups, config.candidate_groups)([GameMoves.of(board)])
    >>> owners, groups = rows_of_pieces(features, config.input_groups, board)
    >>> (owners[groups == 0] == sorted(board.piece_map())).all()
    np.True_
    """
    rows = features.inputs.astype(np.int64)
    owners, groups = np.full(len(rows), -1), np.full(len(rows), -1)
    at = 0
    for name, size in INPUT_GROUPS.items():
        if name not in input_groups:
            continue
        here = (rows >= at) & (rows < at + size)
        row = rows[here] - at
        at += size
        if name not in EXPLAINED:
            continue
        if name == "board":
            squares = row % 90
        elif name == "status":
            squares = row // 10 % 90
        else:  # moves, each followed by the captured piece, if any
            moved = np.where(row < len(MOVE_FROM), np.arange(len(row)), 0)
            squares = MOVE_FROM[row[np.maximum.accumulate(moved)]].astype(np.int64)
        owners[here], groups[here] = squares, EXPLAINED.index(name)
    if board.turn:
        owners = np.where(owners >= 0, 89 - owners, -1)
    return owners, groups
