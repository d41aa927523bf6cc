"""What the library keeps of a position: the games that reached it, what was played there, and how they ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.dataset.positions import keys_and_moves
from lm.model.encoding import GameMoves

POSTING: Final = np.dtype([("game", "<u4"), ("code", "<u2")])
"""A game and, in 16 bits, the move it went on with (14 bits, `END` for none) and its result (2 bits)."""
END: Final = (1 << 14) - 1
"""The move of a game that ended in the position."""


def rows_of(ids: Sequence[int], games: Sequence[GameMoves], results: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    """Yield the rows of the table ``positions`` for games of one batch, sorted by key.

    ``ids`` are ascending. A game that comes back to a position counts there once, with what it did first.
    """
    if not games:
        return
    keys, moves = keys_and_moves(games)
    lengths = [len(game.moves) + 1 for game in games]
    signed, numbers = keys.view(np.int64), np.repeat(np.array(ids, np.uint32), lengths)
    order = np.argsort(signed, kind="stable")
    signed, numbers = signed[order], numbers[order]
    new_key = np.concatenate([[True], signed[1:] != signed[:-1]])
    kept = new_key | np.concatenate([[True], numbers[1:] != numbers[:-1]])
    postings = np.empty(int(kept.sum()), POSTING)
    codes = np.where(moves < 0, END, moves).astype(np.uint16) << 2 | np.repeat(np.array(results, np.uint16), lengths)
    postings["game"], postings["code"] = numbers[kept], codes[order][kept]
    packed, size = postings.tobytes(), POSTING.itemsize
    starts = np.flatnonzero(new_key[kept])
    ends = np.append(starts[1:], len(postings))
    found = signed[kept][starts]
    for key, start, end in zip(found.tolist(), (starts * size).tolist(), (ends * size).tolist(), strict=True):
        yield key, ids[0], packed[start:end]


def unpack(blobs: Sequence[bytes]) -> tuple[NDArray[np.uint32], NDArray[np.int16], NDArray[np.uint8]]:
    """Return the games ``(n,)`` of a position, their moves there (-1 for none) and their results."""
    postings = np.frombuffer(b"".join(blobs), POSTING)
    moves = (postings["code"] >> 2).astype(np.int16)
    moves[moves == END] = -1
    return postings["game"].astype(np.uint32), moves, (postings["code"] & 3).astype(np.uint8)


def without(postings: bytes, game: int) -> bytes:
    """Return postings without those of a game."""
    found = np.frombuffer(postings, POSTING)
    return found[found["game"] != game].tobytes()
