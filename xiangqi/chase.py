"""Chases: the kernels behind the repetition rulings.

A hunter chases its prey when it threatens to win something by capturing it. ``chase`` decides this for one pair of
squares; ``new_chases`` and ``new_threats`` decide for a line of moves what each newly chases, following each piece by
identity, as the rule sets ``computer`` and ``asian`` define it. The definitions are in ``docs/rulings.md``, with
comparisons to those of other programs and of the rule book.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xiangqi import kernels
from xiangqi.jit import allocating, compiled
from xiangqi.kernels import MOVE_FROM, MOVE_TO, Cells, MoveBuffer
from xiangqi.move import ADVISOR, BISHOP, CANNON, KING, KNIGHT, PAWN, ROOK

NO_CHASE = 0
UNEQUAL = 1
"""The prey is worth more than its hunter, so that a recapture would not make up for the loss."""
UNPROTECTED = 2
"""The prey's side would have no legal recapture."""

LEFT_ALONE = 0
LAWFUL = 1
"""A new attack by a king or a pawn, or on a pawn that has not crossed the river, which may go on for ever."""
EXPOSED = 2
"""The hunter chases its prey, which it could capture before the move too, but without a gain."""
ATTACKED = 3
"""The hunter chases its prey, which it could not capture before the move."""

COUNTED_CHECKS = 10
"""Checks of each side that count among the plies without a capture; later ones and the replies to them do not."""

NO_RULES = 0
CHECK_ONLY = 1
COMPUTER = 2
ASIAN = 3


@compiled
def _make(cells: Cells, move: int) -> None:
    """Play a move that captures nothing; -1 is the null move."""
    if move >= 0:
        cells[MOVE_TO[move]] = cells[MOVE_FROM[move]]
        cells[MOVE_FROM[move]] = 0


@compiled
def _unmake(cells: Cells, move: int) -> None:
    """Take back a move that captured nothing."""
    if move >= 0:
        cells[MOVE_FROM[move]] = cells[MOVE_TO[move]]
        cells[MOVE_TO[move]] = 0


@compiled
def _is_protected(cells: Cells, a: int, b: int) -> bool:
    """Whether there is a legal recapture after the piece on ``a`` captures on ``b``.

    If the prey's side is in check before that, it is taken to have answered: any recapture counts.
    """
    hunter, prey = cells[a], cells[b]
    checked = kernels.in_check(cells, prey // 8)
    cells[b] = hunter
    cells[a] = 0
    found = False
    for s in range(90):
        if cells[s] != 0 and cells[s] // 8 == prey // 8 and _captures(cells, s, b, checked):
            found = True
            break
    cells[a] = hunter
    cells[b] = prey
    return found


@compiled
def _captures(cells: Cells, a: int, b: int, checked: bool) -> bool:
    """Whether the piece on ``a`` may capture on ``b``, where its side is in check, once that is answered."""
    return kernels.reaches(cells, a, b) if checked else kernels.is_legal(cells, cells[a] // 8, a, b)


@compiled
def chase(cells: Cells, a: int, b: int) -> int:
    """Return why the piece on ``a`` chases the piece on ``b``: ``UNEQUAL``, ``UNPROTECTED``, or ``NO_CHASE``.

    Kings and pawns do not chase; kings, and pawns that have not crossed the river, are not chased. The capture must be
    legal, so a pinned hunter chases only the piece that pins it. Two pieces of the same type that could capture each
    other do not chase. ``cells`` ``(90,)`` is changed during the call and restored.

    >>> from xiangqi import Board, parse_square
    >>> cells = Board("3k5/9/9/9/2n6/9/9/9/2R6/4K4 w").cells.copy()
    >>> chase(cells, parse_square("c1"), parse_square("c5")) == UNPROTECTED
    True
    """
    hunter, prey = cells[a], cells[b]
    if hunter == 0 or prey == 0 or hunter // 8 == prey // 8:
        return NO_CHASE
    if prey & 7 == KING or _is_lawful(cells, a, b) or not kernels.is_legal(cells, hunter // 8, a, b):
        return NO_CHASE
    return _gain(cells, a, b)


@compiled
def _is_lawful(cells: Cells, a: int, b: int) -> bool:
    """Whether the piece on ``a`` may attack the one on ``b`` for ever.

    Kings and pawns may attack any, and any piece a pawn that has not crossed the river.
    """
    kind, target = cells[a] & 7, cells[b] & 7
    uncrossed = (b < 45) == (cells[b] < 8)
    return bool(kind == KING or kind == PAWN or (target == PAWN and uncrossed))


@compiled
def _gain(cells: Cells, a: int, b: int) -> int:
    """Return what `chase` returns for a hunter on ``a`` that may capture the prey on ``b``."""
    kind, target = cells[a] & 7, cells[b] & 7
    if target == ROOK and (kind == KNIGHT or kind == CANNON):
        return UNEQUAL
    if (kind == ADVISOR or kind == BISHOP) and (target == ROOK or target == KNIGHT or target == CANNON):
        return UNEQUAL
    if kind == target and kernels.is_legal(cells, cells[b] // 8, b, a):
        return NO_CHASE
    return NO_CHASE if _is_protected(cells, a, b) else UNPROTECTED


@compiled
def is_chased(cells: Cells, b: int) -> bool:
    """Whether any piece chases the one on ``b``."""
    for a in range(90):
        if cells[a] != 0 and chase(cells, a, b) != NO_CHASE:
            return True
    return False


@compiled
def rewind(cells: Cells, moves: MoveBuffer) -> None:
    """Take back ``moves`` ``(n,)``, none of which captured a piece."""
    for i in range(len(moves) - 1, -1, -1):
        _unmake(cells, moves[i])


@compiled
def checks(cells: Cells, turn: int, moves: MoveBuffer, out: NDArray[np.bool_]) -> None:
    """Play ``moves`` ``(n,)``, none a capture, and write to ``out`` ``(n,)`` which of them give check.

    >>> from xiangqi import Board, Move
    >>> moves = np.array([Move.from_iccs(iccs).index for iccs in ("a1a9", "e9e8", "a9a8")], np.int16)
    >>> out = np.zeros(3, np.bool_)
    >>> checks(Board("4k4/9/9/9/9/9/9/9/R8/3K5 w").cells.copy(), 0, moves, out)
    >>> out.tolist()
    [True, False, True]
    """
    for i in range(len(moves)):
        _make(cells, moves[i])
        turn = 1 - turn
        out[i] = kernels.in_check(cells, turn)


@allocating
def exempt_plies(cells: Cells, turn: int, moves: MoveBuffer) -> int:
    """Play ``moves`` ``(n,)``, none a capture, and return how many do not count towards the draw for want of captures.

    Those are a side's checks beyond `COUNTED_CHECKS`, and the replies to them.
    """
    checking, seen, exempt, is_reply = np.zeros(len(moves), np.bool_), np.zeros(2, np.int64), 0, False
    checks(cells, turn, moves, checking)
    for i in range(len(moves)):
        seen[i & 1] += checking[i]
        is_late = checking[i] and seen[i & 1] > COUNTED_CHECKS
        exempt += is_late or is_reply
        is_reply = is_late
    return exempt


@compiled
def new_chases(cells: Cells, turn: int, moves: MoveBuffer, home: NDArray[np.uint8], out: NDArray[np.bool_]) -> None:
    """Play ``moves`` ``(n,)``, none a capture, and write to ``out`` ``(n, 90)`` which pieces each newly chases.

    A piece is identified by its square before the first move. A move newly chases a piece that is chased after it and
    was not chased before. ``home`` ``(90,)`` must hold 0 to 89; afterwards it holds each piece's first square.

    >>> from xiangqi import Board, Move
    >>> moves = np.array([Move.from_iccs(iccs).index for iccs in ("e1c1", "c5e4")], np.int16)
    >>> out = np.zeros((2, 90), np.bool_)
    >>> cells = Board("5k3/9/9/9/2n6/9/9/9/4R4/3K5 w").cells.copy()
    >>> new_chases(cells, 0, moves, np.arange(90, dtype=np.uint8), out)
    >>> [np.flatnonzero(chased).tolist() for chased in out]  # the knight that stood on c5
    [[47], []]
    """
    for i in range(len(moves)):
        row, a, b = out[i], MOVE_FROM[moves[i]], MOVE_TO[moves[i]]
        _make(cells, moves[i])
        home[b] = home[a]
        for s in range(90):
            if cells[s] != 0 and cells[s] // 8 != turn:
                row[home[s]] = is_chased(cells, s)
        _unmake(cells, moves[i])
        for s in range(90):
            if cells[s] != 0 and cells[s] // 8 != turn and row[home[s]] and is_chased(cells, s):
                row[home[s]] = False
        _make(cells, moves[i])
        turn = 1 - turn


@compiled
def threat(cells: Cells, move: int, a: int, b: int) -> int:
    """Return what ``move``, which led to ``cells`` ``(90,)``, lets the piece on ``a`` do to the enemy piece on ``b``.

    The answer is ``ATTACKED``, ``EXPOSED``, ``LAWFUL`` or ``LEFT_ALONE``. A capture that was illegal before the move
    only because of a check counts as possible then. ``cells`` is changed during the call and restored.
    """
    kind, side = cells[a] & 7, cells[a] // 8
    if cells[b] & 7 == KING or not kernels.is_legal(cells, side, a, b):
        return LEFT_ALONE
    if kind != KING and kind != PAWN and _gain(cells, a, b) == NO_CHASE:
        return LEFT_ALONE
    lawful = _is_lawful(cells, a, b)
    _unmake(cells, move)
    origin = MOVE_FROM[move] if a == MOVE_TO[move] else a
    found = LEFT_ALONE
    if not _captures(cells, origin, b, kernels.in_check(cells, side)):
        found = LAWFUL if lawful else ATTACKED
    elif not lawful and _gain(cells, origin, b) == NO_CHASE:
        found = EXPOSED
    _make(cells, move)
    return found


@compiled
def new_threats(cells: Cells, turn: int, moves: MoveBuffer, home: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Play ``moves`` ``(n,)``, none a capture, and write to ``out`` ``(n, 90)`` what each does to each enemy piece.

    That is the greatest `threat` by any hunter. Otherwise like `new_chases`, which does not tell hunters apart.

    >>> from xiangqi import Board, Move
    >>> moves = np.array([Move.from_iccs(iccs).index for iccs in ("e1c1", "c5e4")], np.int16)
    >>> out = np.zeros((2, 90), np.uint8)
    >>> cells = Board("5k3/9/9/9/2n6/9/9/9/4R4/3K5 w").cells.copy()
    >>> new_threats(cells, 0, moves, np.arange(90, dtype=np.uint8), out)
    >>> int(out[0, 47]) == ATTACKED, int(out[1].max()) == LEFT_ALONE  # the knight that stood on c5
    (True, True)
    """
    for i in range(len(moves)):
        _make(cells, moves[i])
        home[MOVE_TO[moves[i]]] = home[MOVE_FROM[moves[i]]]
        for a in range(90):
            if cells[a] != 0 and cells[a] // 8 == turn:
                for b in range(90):
                    if cells[b] != 0 and cells[b] // 8 != turn:
                        out[i, home[b]] = max(out[i, home[b]], threat(cells, moves[i], a, b))
        turn = 1 - turn


@compiled
def gravest(threats: NDArray[np.uint8]) -> int:
    """Return the gravest of what all moves of a side do to the same piece.

    ``threats`` ``(n, 90)`` are the rows of `new_threats` for its moves.
    """
    found = LEFT_ALONE
    for sq in range(90):
        least = ATTACKED
        for i in range(len(threats)):
            least = min(least, threats[i, sq])
        found = max(found, least)
    return found


@allocating
def judge(cells: Cells, turn: int, moves: MoveBuffer, rules: int) -> int:
    """Return which side a cycle of ``moves`` ``(n,)`` is lost for: 0 Red, 1 Black, or -1 for a draw.

    ``turn`` makes the first move; none is a capture, and together they lead back to the position ``cells`` ``(90,)``.
    ``rules`` is ``CHECK_ONLY``, ``COMPUTER`` or ``ASIAN``. `xiangqi.rulings` gives the same verdicts, with evidence.

    >>> from xiangqi import Board, Move
    >>> moves = np.array([Move.from_iccs(iccs).index for iccs in ("e1d1", "d9e9", "d1e1", "e9d9")], np.int16)
    >>> judge(Board("3k5/9/9/9/9/9/9/9/4R4/5K3 w").cells.copy(), 0, moves, COMPUTER)
    0
    """
    n = len(moves)
    checking, guilt = np.zeros(n, np.bool_), np.zeros(2, np.int64)
    checks(cells, turn, moves, checking)
    for first in range(2):
        if checking[first::2].all():
            guilt[turn ^ first] = 1
    if guilt.any() or rules == CHECK_ONLY or (rules == COMPUTER and checking.any()):
        pass  # no chase counts
    elif rules == COMPUTER:
        chased = np.zeros((n, 90), np.bool_)
        new_chases(cells, turn, moves, np.arange(90).astype(np.uint8), chased)
        for first in range(2):
            for sq in range(90):
                if chased[first::2, sq].all():
                    guilt[turn ^ first] = 1
    else:
        threats = np.zeros((n, 90), np.uint8)
        new_threats(cells, turn, moves, np.arange(90).astype(np.uint8), threats)
        for first in range(2):
            worst = gravest(threats[first::2])
            guilt[turn ^ first] = worst if worst > LAWFUL else 0
    if guilt[0] == guilt[1]:
        return -1
    return 0 if guilt[0] > guilt[1] else 1
