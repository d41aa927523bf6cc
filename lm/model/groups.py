"""The layout of the model's features: which groups there are, their sizes, and where each lies in the tables.

`lm.model.features` computes the rows. The groups that a model has are a subset (`lm.model.config`).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

NO_MOVE: Final = 2086
"""Number used in place of the last move where there is none."""

INPUT_GROUPS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "move": 2087,  # the last move, or NO_MOVE
        "counters": 3 + 16 + 64,  # earlier occurrences of the position; plies without capture; ply / 4
        "board": 14 * 90,  # piece, square
        "status": 14 * 90 * 10,  # piece, square, cheapest attacker (none, PAB, NC, R, K), defended
        "tactics": 2 + 5 + 5 + 2,  # in check; worst hanging piece of the mover, of the enemy; enemy threatens mate
        "own_moves": 2086 + 7 * 90,  # the mover's moves; captured piece, square
        "enemy_moves": 2086 + 7 * 90,  # the enemy's moves if he were to move; captured piece, square
        "score": 33 + 33,  # the evaluation, as it stands and once captures are played out
        "forced": 4 + 4,  # moves to a mate by checks (none, 1 to 3) of the mover; of the enemy if he were to move
        "outlook": 33 + 33,  # the small network's evaluation, as it stands and after the best move, played out
    }
)
CANDIDATE_GROUPS: Final[Mapping[str, int]] = MappingProxyType(
    {  # "moved" is the kind of the piece that moves
        "move": 2086,
        "capture": 8 * 90,  # captured or none, to
        "piece_to": 7 * 90,  # moved, to
        "context": 7 * 8 * 5 * 2 * 2,  # moved, captured, cheapest enemy attacker and defended once there, gives check
        "shelter": 7 * 10 * 10,  # moved, its attacker and defence before, and after
        "exchange": 7 * 7 * 10,  # moved, exchange value of the move, its attacker and defence before
        "hanging": 5 * 5 * 5 * 2 * 2,  # mover's worst loss before, after; enemy's worst loss after, a fork, gives check
        "mate": 3 * 2 * 3 * 2,  # earlier occurrences after it; mates; enemy's mate threat (none, met, left); in check
        "last": 2 * 2 * 2 * 2 * 2 * 8,  # retakes; same piece again; undoes; attacks / flees the last moved; captured
        "reach": 7 * 9 * 9,  # moved, the squares it could go to before (0, 1, 2, 3, 4, 5-6, 7-8, 9-11, more), and after
        "kings": 5 * 5 * 5 * 5,  # free squares beside the mover's king, before and after; beside the enemy's
        "near": 1 + 7 * 9 * 9,  # moved; files and ranks (-4 to 4 or beyond) from the enemy's last move to where it goes
        "reply": 8 * 2 * 7 * 2 * 2,  # enemy's last piece, whether it took; moved, attacked by that piece, attacks it
        "plan": 8 * 7 * 2 * 2,  # the mover's last piece (0: lost since); moved, the same piece, guards that piece
        "threat": 2 * 2 * 5,  # threatens mate in one; lets the enemy newly do so; free squares beside the enemy's king
        "balance": 8 * 8 * 2,  # gain less the mover's worst loss after; its distance to the best move's; gives check
        "touched": 1 + 14 * 10 * 10,  # none, or another piece whose status changes, its status before, and after
        "eyes": 1 + 7 * 14 * 2 * 2,  # moved; none, or a piece it could take or retake next; if that is guarded; if new
        "forced": 4 * 3 * 4 * 2,  # moves to the mate it begins; to the enemy's after it; if he were to move; in check
        "lag": 24,  # by how much it is worse than the best move: the small network's evaluation, played out
    }
)
AHEAD: Final = frozenset({"score", "forced", "outlook", "lag"})
"""The groups that need a look ahead (`lm.model.forcing`)."""
JUDGED: Final = frozenset({"outlook", "lag"})
"""Those of them that need the small network as well."""
SEVERAL: Final = 4
"""Number of rows of ``touched`` and of ``eyes`` for each move: those of the most valuable pieces, without kings."""
CANDIDATE_COLUMNS: Final = tuple(
    column for name in CANDIDATE_GROUPS for column in (SEVERAL if name in ("touched", "eyes") else 1) * [name]
)
"""The block of each column of a candidate's line."""


def _offsets(groups: Mapping[str, int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(list(groups.values()))]).astype(np.int32)


INPUT_OFFSETS: Final = _offsets(INPUT_GROUPS)
CANDIDATE_OFFSETS: Final = np.maximum(0, _offsets(CANDIDATE_GROUPS) - CANDIDATE_GROUPS["move"]).astype(np.int32)
"""Where each block starts: the moves in a table of their own, the other blocks concatenated in a second table."""

# Named tuples, because numba compiles them to constants.
InputGroups = namedtuple("InputGroups", INPUT_GROUPS)  # type: ignore[misc]
CandidateGroups = namedtuple("CandidateGroups", CANDIDATE_GROUPS)  # type: ignore[misc]
INPUT_START: Final[Any] = InputGroups(*INPUT_OFFSETS[:-1].tolist())
"""Where each block of input features starts."""
START: Final[Any] = CandidateGroups(*CANDIDATE_OFFSETS[:-1].tolist())
"""Where each block of a candidate's rows starts."""
COLUMN: Final[Any] = CandidateGroups(*(CANDIDATE_COLUMNS.index(name) for name in CANDIDATE_GROUPS))
"""The first column of each block in a candidate's line."""
CANDIDATE_WIDTH: Final = len(CANDIDATE_COLUMNS)
"""Columns of a candidate's line."""

MAX_INPUTS: Final = 768
"""Upper bound on the input features of a ply: two for each piece, up to 128 moves of either side, and few others."""
MAX_CANDIDATES: Final = 192
"""Most legal moves encoded for one ply; a position reached by play has at most about 120."""
