"""The records that a search tree is made of; `lm.players.search.tree` says what they are for."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xiangqi import NULL_MOVE, Board
from xiangqi.kernels import MAX_MOVES, Cells

NEW, READ, OVER = 0, 1, 2
"""States of a node: created, and waiting for its evaluation; evaluated, with edges; the end of the game."""

DEEPEST: Final = 256
"""Most plies between the root and a node. A longer line is valued as a draw."""

NODE: Final = np.dtype(
    [
        ("key", np.uint64),
        ("total", np.float64),  # sum of the values backed up through this node
        ("squares", np.float64),  # sum of their squares
        ("draws", np.float64),  # sum of the chances of a draw
        ("parent", np.int32),
        ("first", np.int32),  # its first edge
        ("visits", np.int32),
        ("flying", np.int32),  # visits whose evaluation is not known yet
        ("entry", np.int32),  # its keys and values, see `lm.model.cache`
        ("value", np.float32),  # its own evaluation
        ("draw", np.float32),
        ("edges", np.int16),
        ("clock", np.int16),  # plies since a capture
        ("plies", np.int16),  # plies to the proven end
        ("lower", np.int8),  # proven bounds of its value
        ("upper", np.int8),
        ("state", np.int8),
        ("ruled", np.int8),  # whether the proof rests on a ruling, not on mates alone
    ],
    align=True,
)
EDGE: Final = np.dtype(
    [
        ("prior", np.float32),
        ("node", np.int32),  # -1 before the first visit
        ("wanted", np.int32),  # visits wanted by the schedule at the root, by sequential halving
        ("move", np.int16),  # number of the move as played
    ],
    align=True,
)
STATE: Final = np.dtype(
    [
        ("nodes", np.int64),
        ("edges", np.int64),
        ("root", np.int64),
        ("scheduled", np.int64),  # whether the root's visits follow the edges' ``wanted``, not PUCT
        ("rules", np.int64),  # of repetitions and quiet plies, see `xiangqi.rulings.CODES`
        ("exploration", np.float64),
        ("growth", np.float64),
        ("base", np.float64),
        ("reduction", np.float64),  # of the value of a move that was not visited
        ("spread", np.float64),  # weight of the values' spread in exploration, 0 to 1
        ("policy_temperature", np.float64),  # of the policy
        ("caution", np.float64),  # how much a move's prior suffers from a loss of a centipawn
        ("trust", np.float64),  # weight of the network's value
        ("counting", np.float64),  # weight of the tactical score, per centipawn
        ("deepest", np.int64),  # most plies below the root, at most `DEEPEST`
        ("cells", np.uint8, 90),
        ("moves", np.int16, MAX_MOVES),
    ],
    align=True,
)
Records: TypeAlias = NDArray[Any]
Moves: TypeAlias = NDArray[np.int16]
Keys: TypeAlias = NDArray[np.uint64]


class Game(NamedTuple):
    """The game up to the root."""

    cells: Cells
    """The position at the root ``(90,)``."""
    turn: int
    moves: Moves
    """The moves since the last capture or null move, ``(n,)``."""
    keys: Keys
    """Keys of the positions before each of these moves, and at the root, ``(n + 1,)``."""
    clock: int
    """Plies since a capture; more than n where the game began with some."""

    @classmethod
    def of(cls, board: Board) -> Self:
        """Return the position on a board and what of its history matters for repetitions."""
        back, moves, keys = board.copy(), [], [board.key]
        for _ in range(min(board.halfmove_clock, board.ply)):
            move = back.pop()
            if move is NULL_MOVE:
                break
            moves.append(move.index)
            keys.append(back.key)
        return cls(
            board.cells.copy(),
            board.turn,
            np.array(moves[::-1], np.int16),
            np.array(keys[::-1], np.uint64),
            board.halfmove_clock,
        )


class Batch(NamedTuple):
    """Leaves that wait for their evaluation."""

    nodes: NDArray[np.int32]
    """Their nodes ``(B,)``."""
    moves: Moves
    """The moves from the root to each, ``(B, DEEPEST)``."""
    lengths: NDArray[np.int64]
    """The number of these moves ``(B,)``."""
    entries: NDArray[np.int64]
    """Cache entries of the nodes from the first after the root to each leaf, ``(B, DEEPEST)``."""
    cells: NDArray[np.uint8]
    """Their positions ``(B, 90)``."""

    def first(self, size: int) -> Batch:
        """Return the first ``size`` places as a batch."""
        return Batch(self.nodes[:size], self.moves[:size], self.lengths[:size], self.entries[:size], self.cells[:size])


def empty_batch(size: int) -> Batch:
    """Return room for ``size`` leaves."""
    return Batch(
        np.empty(size, np.int32),
        np.empty((size, DEEPEST), np.int16),
        np.empty(size, np.int64),
        np.empty((size, DEEPEST), np.int64),
        np.empty((size, 90), np.uint8),
    )
