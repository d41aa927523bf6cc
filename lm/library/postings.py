"""What the library keeps of a position: the games that reached it, what was played there, and how they ended.

Games are in blocks, by their ids. Each block has postings and dates of its own: an import writes to the last ones only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.dataset.positions import keys_and_moves
from lm.model.encoding import GameMoves

BLOCK: Final = 1 << 14
"""Ids of a block. A question looks into each block; what is written touches all of one."""
POSTING: Final = np.dtype([("game", "<u4"), ("code", "<u2")])
"""A game and, in 16 bits, the move it went on with (14 bits, `END` for none) and its result (2 bits)."""
END: Final = (1 << 14) - 1
"""The move of a game that ended in the position."""
DATE: Final = np.dtype("<i4")
"""A date as a number, 20091107 for 2009-11-07, 20090000 for 2009, 0 for none."""


def postings_of(ids: Sequence[int], games: Sequence[GameMoves], results: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the positions of games by their keys, ascending and signed, with their postings.

    ``ids`` are ascending. A game that comes back to a position counts there once, with what it did first.
    """
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
        yield key, packed[start:end]


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


def with_dates(packed: bytes, ids: Sequence[int], dates: Sequence[str]) -> bytes:
    """Return the dates of a block with those of some of its games (2009-11-07, 2009-11, 2009 or nothing)."""
    block = np.zeros(BLOCK, DATE)
    known = np.frombuffer(packed, DATE)
    block[: len(known)] = known
    block[np.array(ids) % BLOCK] = [int(date.replace("-", "").ljust(8, "0")) for date in dates]
    return np.trim_zeros(block, "b").tobytes()


def unpack_dates(blocks: Sequence[tuple[int, bytes]]) -> NDArray[np.int32]:
    """Return the dates of all games, by their ids, from those of the blocks."""
    dates = np.zeros((max((block for block, _ in blocks), default=-1) + 1) * BLOCK, np.int32)
    for block, packed in blocks:
        found = np.frombuffer(packed, DATE)
        dates[block * BLOCK : block * BLOCK + len(found)] = found
    return dates
