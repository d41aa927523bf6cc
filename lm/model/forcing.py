"""What is forced in a position: mates by checks, and scores once captures are played out. Features of the model.

The features of `lm.model.features` see one ply ahead, mates in one included. These see further where there is little to
look at: a line of checks (`xiangqi.mate_search`), or of captures (`xiangqi.alphabeta.quiesce`). Pieces are counted, and
the small network of a model (`xiangqi.nnue`) judges the position, and the one after each legal move. Nothing here
depends on what was looked at before.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from xiangqi.alphabeta import quiesce, quiesce_after
from xiangqi.evaluation import evaluate
from xiangqi.jit import compiled
from xiangqi.kernels import MAX_MOVES, MOVE_FROM, MOVE_TO, Cells, MoveBuffer
from xiangqi.mate_search import mate_search
from xiangqi.mates import FILE, RANK
from xiangqi.move import KING
from xiangqi.nnue import Net, judge
from xiangqi.workspace import WORKSPACE, make, set_position, unmake

SCORED: Final = 2000
"""Scores in centipawns are cut to this; a mate counts as much."""
MATE_MOVES: Final = 3
"""Longest mate by checks that is looked for in the position, in moves of the side that mates."""
ALLOWED_MOVES: Final = 2
"""The same after each of its moves: three take twice as long and find a tenth more."""
FAR: Final = 400
"""Centipawns: a move that is worse than the best one by more counts as worse by this."""
CHECKS: Final = 1000
"""A search for a mate ends after so many checks."""
_APART: Final = 48
"""The ply of the workspace that remembers the candidate: no mate search comes so deep."""

FORCED: Final = np.dtype(
    [
        ("space", WORKSPACE),
        ("refuted", np.int64, 256),  # see `xiangqi.mate_search`
        ("without", np.uint8, 90),  # the board without a piece
        ("scores", np.int64, 2),  # evaluation in centipawns for the mover, as it stands and played out
        ("outlook", np.int64, 2),  # the network's for the mover, as it stands and after the best move, played out
        ("mates", np.int64, 2),  # moves to the mover's mate by checks, and to the enemy's if he were to move; 0 is none
        ("mating", np.int64),  # the first move of the mover's mate, or -1
        ("allowed", np.int8, MAX_MOVES),  # by candidate: moves to the enemy's mate by checks after it; 0 is none
        ("lags", np.int64, MAX_MOVES),  # by candidate: centipawns that it is worse than the best, `FAR` or more is far
    ],
    align=True,
)
Forced = Any
"""A record of `FORCED`."""


@compiled
def _mate(f: Forced, most: int) -> int:
    """Return the moves to a mate by checks of the side to move in the workspace; 0 if there is none."""
    plies, f.mating = mate_search(f.space, f.refuted, most, CHECKS)
    return (plies + 1) // 2


@compiled
def _set(f: Forced, cells: Cells, turn: int) -> None:
    """Put a position without a past into the workspace."""
    set_position(f.space, cells, turn, f.scores[:0], cells[:0])


@compiled
def _matters(move: int, king: int) -> bool:
    """Return whether a move may harm the mover's king by where it goes, not only by what it leaves: in the palace it
    may be in the king's way, and on its file it may be a cannon's screen."""
    b = int(MOVE_TO[move])
    return (abs(FILE[b] - 4) <= 1 and RANK[b] <= 2) or FILE[b] == FILE[king]


@compiled
def _compare(f: Forced, net: Net, moves: MoveBuffer) -> None:
    """Fill in what the network says of the position in the workspace, and of its legal moves ``(n,)``."""
    space, best = f.space, -SCORED
    played_out = quiesce(space, net, -SCORED, SCORED)
    f.outlook[0] = min(max(judge(space, net, 0), -SCORED), SCORED)
    for i in range(len(moves)):
        # A score below the window is only known to be below it; the best of all may lie higher, but never lower.
        score = quiesce_after(space, net, MOVE_FROM[moves[i]], MOVE_TO[moves[i]], max(best - FAR, -SCORED), SCORED)
        score = min(max(score, -SCORED), SCORED)
        f.lags[i] = score
        best = max(best, score)
    f.outlook[1] = best if len(moves) else max(played_out, -SCORED)
    for i in range(len(moves)):
        f.lags[i] = best - f.lags[i]


@compiled
def look_ahead(f: Forced, net: Net, cells: Cells, king: int, checked: bool, moves: MoveBuffer) -> None:
    """Fill the record for a position in which Red, whose king is on ``king``, is to move.

    Without a ``net`` (`xiangqi.nnue.NO_NET`) the record's ``outlook`` and ``lags`` are left as they are.

    ``moves`` ``(n,)`` are its legal moves, those of a piece together. Mates that a move allows are looked for wherever
    the enemy threatens one already or gives check, after each move of the king, and after each move that `_matters`.
    Other moves allow one only if the board without the moved piece does.
    """
    space = f.space
    f.refuted[:] = 0
    space.stop = 0
    space.killers[:] = -1
    space.history[:] = 0
    f.mates[1] = 0
    if not checked:
        _set(f, cells, 1)
        f.mates[1] = _mate(f, MATE_MOVES)
    _set(f, cells, 0)
    f.scores[0] = min(max(evaluate(space), -SCORED), SCORED)
    f.scores[1] = quiesce(space, space.line[:0], -SCORED, SCORED)  # no network, which is `NO_NET`
    if len(net):
        _compare(f, net, moves)
    f.mates[0] = _mate(f, MATE_MOVES)
    all_of_them = checked or f.mates[1] > 0
    origin, bared = -1, False
    mating = f.mating
    for i in range(len(moves)):
        a, b = int(MOVE_FROM[moves[i]]), int(MOVE_TO[moves[i]])
        if a != origin and not all_of_them:
            origin, bared = a, cells[a] == KING
            if not bared:
                for sq in range(90):
                    f.without[sq] = cells[sq]
                f.without[a] = 0
                _set(f, f.without, 1)
                bared = _mate(f, ALLOWED_MOVES) > 0
                _set(f, cells, 0)
        f.allowed[i] = 0
        if all_of_them or bared or _matters(moves[i], king):
            space.keys[space.past + _APART] = space.key
            make(space, _APART, a, b)
            space.keys[space.past] = space.key
            f.allowed[i] = _mate(f, ALLOWED_MOVES)
            unmake(space, _APART)
            space.keys[space.past] = space.key
    f.mating = mating
