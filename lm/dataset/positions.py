"""Keys of the positions of games: a position and its mirror image have the same key."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lm.model.encoding import GameMoves
from xiangqi.jit import compiled
from xiangqi.kernels import MOVE_FROM, MOVE_MIRRORED, MOVE_TO, ZOBRIST, ZOBRIST_TURN, Cells

_OWN, _MIRRORED, _BOTH = 0, 1, 2


def keys_of(games: Sequence[GameMoves]) -> NDArray[np.uint64]:
    """Return the keys of all positions of games, concatenated: n + 1 for a game of n moves.

    A key is the smaller of the Zobrist keys of a position and of its mirror image.

    >>> from xiangqi import Board
    >>> one, other = (GameMoves.of(Board.from_moves(moves)) for moves in ("h2e2 h9g7", "b2e2 b9c7"))
    >>> (keys_of([one]) == keys_of([other])).tolist()  # mirror images of each other
    [True, True, True]
    """
    return _read(games)[0]


def keys_and_moves(games: Sequence[GameMoves]) -> tuple[NDArray[np.uint64], NDArray[np.int16]]:
    """Return the keys, as `keys_of`, and the move played in each position, -1 for the last one of a game.

    A move is seen from the same side as the key: it is mirrored if the key is that of the mirror image. In a position
    that is its own mirror image, it is the one of the two on the side of the i file, as in 炮二平五 and 炮8平5.

    >>> from xiangqi import Board
    >>> one, other = (GameMoves.of(Board.from_moves(moves)) for moves in ("h2e2 h9g7", "b2e2 b9c7"))
    >>> keys_and_moves([one])[1].tolist() == keys_and_moves([other])[1].tolist()
    True
    """
    keys, sides = _read(games)
    moves = np.full(len(keys), -1, np.int16)
    at = 0
    for game in games:
        moves[at : at + len(game.moves)] = game.moves
        at += len(game.moves) + 1
    return keys, fold(moves, sides)


def key_and_side(game: GameMoves) -> tuple[int, int]:
    """Return the key of a game's first position, and the side it is seen from, for `fold`."""
    keys, sides = _read([GameMoves(game.moves[:0], game.cells, game.turn)])
    return int(keys[0]), int(sides[0])


def fold(moves: NDArray[np.int16], sides: NDArray[np.uint8] | int) -> NDArray[np.int16]:
    """Return moves as seen from the side of the key. Where a position is not its own mirror image, folding again
    undoes it."""
    mirrored = np.where(moves < 0, moves, MOVE_MIRRORED[moves])
    both = np.where(sides == _BOTH, np.maximum(moves, mirrored), moves)
    folded: NDArray[np.int16] = np.where(sides == _MIRRORED, mirrored, both)
    return folded


def _read(games: Sequence[GameMoves]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    keys = np.empty(sum(len(game.moves) + 1 for game in games), np.uint64)
    sides = np.empty(len(keys), np.uint8)
    at = 0
    for game in games:
        end = at + len(game.moves) + 1
        _write_keys(game.cells.copy(), game.turn, game.moves, keys[at:end], sides[at:end])
        at = end
    return keys, sides


@compiled
def _write_keys(
    cells: Cells, turn: int, moves: NDArray[np.int16], keys: NDArray[np.uint64], sides: NDArray[np.uint8]
) -> None:
    """Write the keys of a game's positions ``(n + 1,)`` and whose they are. ``cells`` is changed to the last one."""
    own = mirrored = np.uint64(0)
    for square in range(90):
        if cells[square]:
            own ^= ZOBRIST[cells[square], square]
            mirrored ^= ZOBRIST[cells[square], square // 9 * 9 + 8 - square % 9]
    if turn:
        own ^= ZOBRIST_TURN
        mirrored ^= ZOBRIST_TURN
    for ply in range(len(moves) + 1):
        keys[ply] = min(own, mirrored)
        sides[ply] = _OWN if own < mirrored else _MIRRORED if mirrored < own else _BOTH
        if ply == len(moves):
            break
        a, b = MOVE_FROM[moves[ply]], MOVE_TO[moves[ply]]
        c, d = a // 9 * 9 + 8 - a % 9, b // 9 * 9 + 8 - b % 9
        piece, taken = cells[a], cells[b]
        own ^= ZOBRIST_TURN ^ ZOBRIST[piece, a] ^ ZOBRIST[piece, b]
        mirrored ^= ZOBRIST_TURN ^ ZOBRIST[piece, c] ^ ZOBRIST[piece, d]
        if taken:
            own ^= ZOBRIST[taken, b]
            mirrored ^= ZOBRIST[taken, d]
        cells[b], cells[a] = piece, 0
