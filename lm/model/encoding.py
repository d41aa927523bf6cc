"""Encodes games as model inputs, in the same way for training and for play.

`Encoder` replays games with the rules kernels and returns the arguments of `XiangqiLM.forward`. A game of n moves has
n + 1 encoded plies: the position before each move, and the last one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lm.model import features
from lm.model.groups import (
    AHEAD,
    CANDIDATE_COLUMNS,
    CANDIDATE_GROUPS,
    CANDIDATE_OFFSETS,
    CANDIDATE_WIDTH,
    INPUT_GROUPS,
    MAX_CANDIDATES,
    MAX_INPUTS,
)
from lm.model.history import invent
from lm.model.small_net import net_in_features
from xiangqi.board import Board
from xiangqi.jit import compiled
from xiangqi.kernels import MOVE_MIRRORED, MOVE_ROTATED
from xiangqi.move import PIECES, SQUARES, mirror_square

if TYPE_CHECKING:
    import torch

_MIRROR = np.array([mirror_square(sq) for sq in SQUARES])
_START = Board()


@dataclass
class GameMoves:
    """A game as input of the encoder."""

    moves: NDArray[np.int16]
    """Numbers of the moves as played, ``(n,)``."""
    cells: NDArray[np.uint8]
    """The position before the moves, ``(90,)``."""
    turn: int = 0
    clock: int = 0
    """Plies without capture before the moves."""
    first: int = 0
    """First ply to encode; earlier ones are already in a cache."""
    invented: int = 0
    """Number of invented moves at the beginning: 1 where a past was invented, else 0."""

    @classmethod
    def of(cls, board: Board, first: int = 0) -> GameMoves:
        """Return the game on a board. A history with null moves starts after the last of them."""
        moves = np.array([move.index for move in board.move_stack], np.int16)
        nulls = np.flatnonzero(moves < 0)
        keep = len(moves) - 1 - int(nulls[-1]) if len(nulls) else len(moves)
        root = board.copy()
        for _ in range(keep):
            root.pop()
        return cls(moves[len(moves) - keep :], root.cells.copy(), root.turn, root.halfmove_clock, first)

    @classmethod
    def from_start(cls, moves: NDArray[np.int16]) -> GameMoves:
        """Return a game from the initial position."""
        return cls(moves, _START.cells.copy())

    def mirror(self) -> GameMoves:
        """Return the game with left and right exchanged."""
        return replace(self, moves=MOVE_MIRRORED[self.moves], cells=self.cells[_MIRROR])

    def with_past(self) -> GameMoves:
        """Return the game with a quiet ply invented before it, if it does not begin with the initial position.

        Positions without a past do not occur in training (`lm.model.history`).
        """
        if self.invented or np.array_equal(self.cells, _START.cells):
            return self
        past = _past(self.cells.tobytes(), self.turn, self.clock)
        if past is None:
            return self
        move, cells, clock = past
        moves = np.concatenate([[move], self.moves]).astype(np.int16)
        return replace(self, moves=moves, cells=cells.copy(), turn=1 - self.turn, clock=clock, invented=1)


@lru_cache(4096)
def _past(cells: bytes, turn: int, clock: int) -> tuple[int, NDArray[np.uint8], int] | None:
    """Return the invented move before a position, and the cells and the clock before that move."""
    position = Board(None)
    position.set_piece_map({sq: piece for sq, code in enumerate(cells) if (piece := PIECES[code])})
    position.turn, position.halfmove_clock = turn, clock
    if (past := invent(position)) is None:
        return None
    move, before = past
    return move.index, before.cells.copy(), before.halfmove_clock


@dataclass
class Features:
    """Encoded plies of a batch of games, concatenated (N plies, C candidates in all).

    ``tensors`` returns the arguments of `XiangqiLM.forward`.
    """

    inputs: NDArray[np.int32]
    """Rows of the input table, flat."""
    input_ends: NDArray[np.int64]
    """Where each ply's rows end, ``(N,)``."""
    candidates: NDArray[np.int32]
    """Rows of the candidate table, ``(C, columns)``."""
    candidate_ends: NDArray[np.int64]
    """Where each ply's candidates end, ``(N,)``."""
    lengths: NDArray[np.int64]
    """Plies of each game, ``(B,)``."""
    turns: NDArray[np.int8]
    """Side to move at each ply, ``(N,)``."""
    positions: NDArray[np.int64]
    """First encoded ply of each game, ``(B,)``."""

    def tensors(self) -> dict[str, torch.Tensor]:
        import torch  # imported only when needed: play does not

        return {
            "inputs": torch.from_numpy(self.inputs),
            "input_starts": torch.from_numpy(np.concatenate([[0], self.input_ends[:-1]]).astype(np.int32)),
            "lengths": torch.from_numpy(self.lengths),
            "candidates": torch.from_numpy(self.candidates),
            "candidate_counts": torch.from_numpy(np.diff(self.candidate_ends, prepend=0)),
        }

    def moves(self, ply: int) -> NDArray[np.int64]:
        """Return the candidates of one ply as move numbers as played (not rotated for Black)."""
        start = self.candidate_ends[ply - 1] if ply else 0
        seen = self.candidates[start : self.candidate_ends[ply], 0].astype(np.int64)
        return MOVE_ROTATED[seen].astype(np.int64) if self.turns[ply] else seen

    def labels(self, played: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the index among its ply's candidates, or -100, of each of ``played`` ``(N,)``: move numbers, -1 for
        none."""
        turned = (self.turns == 1) & (played >= 0)
        seen = np.where(turned, MOVE_ROTATED[np.maximum(played, 0)], played).astype(np.int64)
        labels = np.empty(len(seen), np.int64)
        _find(self.candidates, self.candidate_ends, seen, labels)
        return labels


class Encoder:
    """Encodes games with a model's feature groups, a subset of `INPUT_GROUPS` and `CANDIDATE_GROUPS`.

    Raises ``ValueError`` that names unknown groups.
    """

    def __init__(self, input_groups: Sequence[str], candidate_groups: Sequence[str]) -> None:
        self._input_map = input_map(input_groups)
        self._all_inputs = bool((self._input_map >= 0).all())
        self._columns, self._shift = candidate_columns(candidate_groups)
        self._all_columns = len(self._columns) == CANDIDATE_WIDTH
        self._looks = looks_ahead(input_groups, candidate_groups)
        self._net = net_in_features(input_groups, candidate_groups)

    def __call__(self, games: Sequence[GameMoves]) -> Features:
        """Encode a batch of games, each from its ply ``first``."""
        lengths = np.array([len(game.moves) + 1 - game.first for game in games], np.int64)
        plies = int(lengths.sum())
        inputs = np.empty(plies * MAX_INPUTS, np.int32)
        candidates = np.empty((plies * MAX_CANDIDATES, CANDIDATE_WIDTH), np.int32)
        input_ends, candidate_ends = np.empty(plies, np.int64), np.empty(plies, np.int64)
        turns = np.empty(plies, np.int8)
        n_in = n_cand = at = 0
        for game, length in zip(games, lengths.tolist(), strict=True):
            more_in, more_cand = features.encode_game(
                game.cells.copy(), game.turn, game.clock, game.moves, game.first,
                inputs[n_in:], input_ends[at : at + length], candidates[n_cand:], candidate_ends[at : at + length],
                self._looks, self._net,
            )  # fmt: skip
            input_ends[at : at + length] += n_in
            candidate_ends[at : at + length] += n_cand
            turns[at : at + length] = (np.arange(game.first, game.first + length) + game.turn) % 2
            n_in, n_cand, at = n_in + more_in, n_cand + more_cand, at + length
        inputs, candidates = inputs[:n_in], candidates[:n_cand]
        if not self._all_inputs:
            inputs = self._input_map[inputs]
            kept = np.concatenate([[0], np.cumsum(inputs >= 0)])
            inputs, input_ends = inputs[inputs >= 0], kept[input_ends]
        if not self._all_columns:
            candidates = candidates[:, self._columns] + self._shift
        positions = np.array([game.first for game in games], np.int64)
        return Features(inputs, input_ends, candidates, candidate_ends, lengths, turns, positions)


def looks_ahead(input_groups: Sequence[str], candidate_groups: Sequence[str]) -> bool:
    """Return whether a model with these groups needs what is forced in a position (`lm.model.forcing`)."""
    return not AHEAD.isdisjoint([*input_groups, *candidate_groups])


def input_map(groups: Sequence[str]) -> NDArray[np.int32]:
    """Return the row in a model's input table of each input feature, -1 if its group is not among the model's.

    Raises ``ValueError`` that names unknown groups.
    """
    return _compact(INPUT_GROUPS, groups)


def candidate_columns(groups: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the columns of a candidate's line that a model with these groups has, and what is added to each to give
    the row in the model's table.

    Raises ``ValueError`` that names unknown groups.
    """
    names, (moves, *contexts) = CANDIDATE_COLUMNS, CANDIDATE_GROUPS
    columns = np.array([at for at, name in enumerate(names) if name in groups], np.int64)
    starts = CANDIDATE_OFFSETS[[list(CANDIDATE_GROUPS).index(names[at]) for at in columns]]
    chosen = [name for name in groups if name != moves]
    context_map = _compact({name: CANDIDATE_GROUPS[name] for name in contexts}, chosen)
    return columns, np.where(columns == 0, 0, context_map[starts] - starts).astype(np.int32)


def _compact(groups: Mapping[str, int], chosen: Sequence[str]) -> NDArray[np.int32]:
    """Return for each row of the table with all groups its row in the table with the chosen groups, or -1."""
    unknown = set(chosen) - set(groups)
    if unknown:
        raise ValueError(f"unknown feature groups {sorted(unknown)}: choose from {', '.join(groups)}")
    new, at = [], 0
    for name, rows in groups.items():
        if name in chosen:
            new.append(np.arange(at, at + rows))
            at += rows
        else:
            new.append(np.full(rows, -1))
    return np.concatenate(new).astype(np.int32)


@compiled
def _find(
    candidates: NDArray[np.int32], candidate_ends: NDArray[np.int64], moves: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    """Write the index of each ply's move among its candidates, or -100.

    ``moves`` ``(n,)`` are numbers from the mover's side, -1 for none.

    >>> places = np.empty(2, np.int64)
    >>> _find(np.array([[7], [8], [9]], np.int32), np.array([1, 3]), np.array([8, 9]), places)
    >>> places.tolist()
    [-100, 1]
    """
    start = 0
    for ply in range(len(candidate_ends)):
        out[ply] = -100
        for at in range(start, candidate_ends[ply]):
            if candidates[at, 0] == moves[ply]:
                out[ply] = at - start
        start = candidate_ends[ply]
