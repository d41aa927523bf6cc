"""Ends of games: mate, stalemate, repetition and other draws, with the evidence for each verdict.

Rule sets:

``computer``
    Perpetual check loses, perpetual chase loses, other repetitions draw, and so do 120 plies without a capture.
``asian``
    The same by the book of the Asian and World Xiangqi Federations, which differs in what counts as a chase, and where
    checks do not excuse one.
``check_only``
    The same without chases: of repetitions, only perpetual check loses.
``none``
    Only mate and stalemate end the game.

``docs/rulings.md`` has the full rules, and comparisons with the book and other programs.

>>> from xiangqi import Board
>>> board = Board.from_moves("h2e2 h9g7 e2h2 g7h9 " * 2)
>>> board.outcome().reason, board.outcome().result
('repetition', '1/2-1/2')
>>> board.outcome().span
(0, 8)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from xiangqi import chase
from xiangqi.move import (
    BLACK,
    CANNON,
    COLOR_NAMES,
    KNIGHT,
    NULL_MOVE,
    PAWN,
    PIECE_NAMES,
    RED,
    ROOK,
    square_name,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xiangqi.board import Board
    from xiangqi.move import Color, Square

Rules = Literal["computer", "asian", "check_only", "none"]
Reason = Literal[
    "checkmate",
    "stalemate",
    "perpetual check",
    "perpetual chase",
    "mutual perpetual check",
    "mutual perpetual chase",
    "repetition",
    "no capture in 120 plies",
    "insufficient material",
]

QUIET_PLIES: Final = 120
"""Plies without a capture after which the game is drawn."""

CODES: Final[Mapping[Rules, int]] = MappingProxyType(
    {
        "computer": chase.COMPUTER,
        "asian": chase.ASIAN,
        "check_only": chase.CHECK_ONLY,
        "none": chase.NO_RULES,
    }
)
"""The rule sets as `xiangqi.chase` numbers them."""

_WHY: Final = {
    chase.UNEQUAL: "which is worth more than its hunter",
    chase.UNPROTECTED: "which has no legal recapture",
}
_FORCE: Final = tuple(color * 8 + kind for kind in (ROOK, KNIGHT, CANNON, PAWN) for color in (RED, BLACK))


@dataclass(frozen=True)
class Outcome:
    """How a game ended.

    ``str(outcome)`` is a one-line summary.

    >>> from xiangqi import Board
    >>> print(Board("R3k4/R8/9/9/9/9/9/9/9/3K5 b").outcome())
    1-0 (checkmate)
    """

    winner: Color | None
    """``RED``, ``BLACK``, or ``None`` for a draw. ``RED`` is 0, so compare: ``if outcome.winner:`` is true for Black
    alone."""
    reason: Reason
    span: tuple[int, int] | None = None
    """The plies that justify the verdict: ``board.move_stack[span[0]:span[1]]`` are the moves."""
    evidence: tuple[str, ...] = ()
    """The reasons, one sentence for each fact; plies are counted from 1."""

    @property
    def result(self) -> str:
        """The result in PGN: ``1-0``, ``0-1`` or ``1/2-1/2``."""
        return "1/2-1/2" if self.winner is None else ("1-0", "0-1")[self.winner]

    def __str__(self) -> str:
        return f"{self.result} ({self.reason})"


def outcome(board: Board, rules: Rules = "computer", *, insufficient_material: bool = False) -> Outcome | None:
    """Return how the game on ``board`` has ended under ``rules``, or ``None`` if it goes on.

    With ``insufficient_material``, a position in which neither side has a rook, knight, cannon or pawn is drawn too.
    Raises ``ValueError`` for an unknown rule set.

    >>> from xiangqi import Board
    >>> board = Board.from_moves("e1d1 d9e9 d1e1 e9d9 " * 2, "3k5/9/9/9/9/9/9/9/4R4/5K3 w")
    >>> verdict = outcome(board)
    >>> verdict.winner == BLACK, verdict.reason
    (True, 'perpetual check')
    >>> verdict.evidence[1]
    'ply 1: red e1d1 checks from d1'
    """
    _check_rules(rules)
    if not board.has_legal_moves():
        return _no_moves(board)
    if insufficient_material and is_insufficient_material(board):
        return Outcome(None, "insufficient material", None, ("no side has a rook, knight, cannon or pawn",))
    if rules == "none":
        return None
    return repetition_outcome(board, rules) or _long_quiet(board)


def _check_rules(rules: str) -> None:
    if rules not in CODES:
        raise ValueError(f"unknown rules {rules!r}: expected one of {', '.join(CODES)}")


def _no_moves(board: Board) -> Outcome:
    loser = COLOR_NAMES[board.turn]
    if not board.is_check():
        return Outcome(1 - board.turn, "stalemate", None, (f"{loser} has no legal move",))
    checkers = " and ".join(map(square_name, board.checkers()))
    return Outcome(1 - board.turn, "checkmate", None, (f"{loser} is in check from {checkers} and has no legal move",))


def is_insufficient_material(board: Board) -> bool:
    """Whether neither side has a rook, knight, cannon or pawn."""
    cells = board._cells
    return not any(code in cells for code in _FORCE)


# --- Repetition -------------------------------------------------------------------------------------------------------


def _recurrences(board: Board) -> list[int]:
    """Return how many plies ago the position occurred before, latest first, since the last capture or null move."""
    stack, key = board._stack, board._key
    window = min(board.halfmove_clock, len(stack))
    if window < 4:
        return []
    keys = [entry[3] for entry in stack[-4 : -window - 1 : -2]]
    if key not in keys:
        return []
    for ago in range(1, window + 1):
        if stack[-ago][0] is NULL_MOVE:
            window = ago - 1
            break
    return [ago for ago, earlier in zip(range(4, window + 1, 2), keys, strict=False) if earlier == key]


def repetitions(board: Board) -> int:
    """Return how often the position has occurred since the last capture or null move, including now."""
    return 1 + len(_recurrences(board))


def repetition_outcome(board: Board, rules: Rules = "computer", count: int = 3) -> Outcome | None:
    """Return the verdict on the ``count``-th occurrence of the position, or ``None`` if it occurred less often.

    Games are judged at the third occurrence. With ``count=2`` a search can find out at the second how the cycle will be
    judged if both sides repeat it. Raises ``ValueError`` for an unknown rule set or a count below 2.

    >>> from xiangqi import Board
    >>> board = Board.from_moves("h2e2 h9g7 e2h2 g7h9")
    >>> repetition_outcome(board), repetition_outcome(board, count=2).reason
    (None, 'repetition')
    """
    _check_rules(rules)
    if count < 2:
        raise ValueError(f"a repetition takes at least 2 occurrences: {count}")
    recurrences = _recurrences(board)
    if len(recurrences) < count - 1 or rules == "none":
        return None
    return _Span(board, recurrences[count - 2]).verdict(rules)


class _Span:
    """The moves between two occurrences of a position, none a capture, with the checks and chases they make."""

    def __init__(self, board: Board, plies: int) -> None:
        self.board = board
        self.start, self.end = board.ply - plies, board.ply
        self.moves = np.array([entry[0].index for entry in board._stack[-plies:]], np.int16)
        self.turn = board.turn ^ (plies & 1)
        self.cells = board.cells.copy()
        chase.rewind(self.cells, self.moves)
        self.checks = np.zeros(plies, np.bool_)
        chase.checks(self.cells.copy(), self.turn, self.moves, self.checks)

    def of(self, color: Color) -> slice:
        """Return the slice of one side's moves."""
        return slice(color ^ self.turn, None, 2)

    def verdict(self, rules: Rules) -> Outcome:
        perpetual = [color for color in (RED, BLACK) if self.checks[self.of(color)].all()]
        if perpetual:
            return self._against(perpetual, "perpetual check", self._tell_checks(perpetual))
        if rules == "check_only":
            return self._draw(self._tell_no_perpetual_check())
        threats = self._threats(rules)
        gravity = {color: threats[self.of(color)].min(axis=0) for color in (RED, BLACK)}
        gravest = max(int(each.max()) for each in gravity.values())
        if gravest <= chase.LAWFUL:
            return self._draw(*self._tell_no_chase())
        prey = {color: np.flatnonzero(gravity[color] == gravest).tolist() for color in (RED, BLACK)}
        guilty = [color for color in (RED, BLACK) if prey[color]]
        if rules == "computer" and self.checks.any():
            facts = (self._tell_prey(color, prey[color], "newly chases") for color in guilty)
            return self._draw(self._tell_no_perpetual_check(), *(f"{fact}, which the checks excuse" for fact in facts))
        evidence = [*self._tell_chases(prey, rules)]
        for color in (RED, BLACK):
            if color not in guilty and gravity[color].max() == chase.EXPOSED:
                lesser = np.flatnonzero(gravity[color] == chase.EXPOSED).tolist()
                fact = self._tell_prey(color, lesser, "newly exposes")
                evidence.append(f"{fact}, which {COLOR_NAMES[1 - color]}'s new attacks excuse")
        return self._against(guilty, "perpetual chase", evidence)

    def _threats(self, rules: Rules) -> NDArray[np.uint8]:
        """Return what each move does to each piece, by their square at the start: ``(plies, 90)``; see `chase`."""
        cells, home = self.cells.copy(), np.arange(90, dtype=np.uint8)
        if rules == "computer":
            chased = np.zeros((len(self.moves), 90), np.bool_)
            chase.new_chases(cells, self.turn, self.moves, home, chased)
            return chased.astype(np.uint8) * chase.ATTACKED
        threats = np.zeros((len(self.moves), 90), np.uint8)
        chase.new_threats(cells, self.turn, self.moves, home, threats)
        return threats

    def _against(
        self, guilty: list[Color], reason: Literal["perpetual check", "perpetual chase"], evidence: Iterable[str]
    ) -> Outcome:
        facts = (self._tell_span(), *evidence)
        if len(guilty) == 2:
            mutual: Reason = "mutual perpetual check" if reason == "perpetual check" else "mutual perpetual chase"
            return Outcome(None, mutual, (self.start, self.end), facts)
        return Outcome(1 - guilty[0], reason, (self.start, self.end), facts)

    def _draw(self, *facts: str) -> Outcome:
        return Outcome(None, "repetition", (self.start, self.end), (self._tell_span(), *facts))

    # --- Evidence -----------------------------------------------------------------------------------------------------

    def _tell_span(self) -> str:
        return f"the position after ply {self.end} is the one after ply {self.start}, with no capture in between"

    def _replay(self) -> Iterator[tuple[int, Board, str]]:
        """Yield after each move its index in the span, the board, and a description of the move."""
        board = self.board.copy()
        moves = [board.pop() for _ in self.moves][::-1]
        for i, move in enumerate(moves):
            mover = COLOR_NAMES[board.turn]
            board.push(move)
            yield i, board, f"ply {self.start + i + 1}: {mover} {move}"

    def _tell_no_perpetual_check(self) -> str:
        if not self.checks.any():
            return "no side checks with every move"
        plies = [str(self.start + i + 1) for i in np.flatnonzero(self.checks)]
        listed = f"plies {', '.join(plies[:-1])} and {plies[-1]} give" if len(plies) > 1 else f"ply {plies[0]} gives"
        return f"{listed} check, but no side checks with every move"

    def _tell_prey(self, color: Color, homes: list[Square], does: str) -> str:
        """Say what one side does with every move to pieces, which are named by their squares at the start."""
        pieces = " and ".join(f"the {PIECE_NAMES[self.cells[home] & 7]} from {square_name(home)}" for home in homes)
        return f"{COLOR_NAMES[color]} {does} {pieces} with every move"

    def _tell_checks(self, colors: list[Color]) -> Iterator[str]:
        for _, board, name in self._replay():
            if 1 - board.turn in colors:
                yield f"{name} checks from {' and '.join(map(square_name, board.checkers()))}"

    def _tell_chases(self, prey: dict[Color, list[Square]], rules: Rules) -> Iterator[str]:
        place = {home: home for homes in prey.values() for home in homes}
        for i, board, name in self._replay():
            move = board.peek()
            place = {home: move.to_square if sq == move.from_square else sq for home, sq in place.items()}
            cells = board.cells.copy()
            for home in prey[1 - board.turn]:
                b = place[home]
                for a in range(90):
                    if (why := chase.chase(cells, a, b)) == chase.NO_CHASE:
                        continue
                    threat = chase.threat(cells, self.moves[i], a, b) if rules == "asian" else chase.ATTACKED
                    hunter = f"the {PIECE_NAMES[cells[a] & 7]} on {square_name(a)}"
                    target = f"the {PIECE_NAMES[cells[b] & 7]} on {square_name(b)}"
                    if threat == chase.ATTACKED:
                        yield f"{name} newly chases {target} with {hunter}, {_WHY[why]}"
                    elif threat == chase.EXPOSED:
                        yield f"{name} newly exposes {target} to {hunter}, {_WHY[why]}"

    def _tell_no_chase(self) -> Iterator[str]:
        if self.checks.any():
            yield self._tell_no_perpetual_check()
        yield "no side newly chases the same piece with every move"
        threats = self._threats("asian")  # which finds what is lawful too
        for color in (RED, BLACK):
            gravity = threats[self.of(color)].min(axis=0)
            for home in np.flatnonzero(gravity == chase.LAWFUL).tolist():
                uncrossed = self.cells[home] & 7 == PAWN and (home < 45) == (color == BLACK)
                why = "it has not crossed the river" if uncrossed else "kings and pawns may"
                yield f"{self._tell_prey(color, [home], 'newly attacks')}, which is lawful: {why}"


# --- Draw after 120 plies without a capture ---------------------------------------------------------------------------


def quiet_plies(board: Board) -> int:
    """Return the plies without a capture that count towards the draw.

    Checks beyond a side's tenth and the replies to them do not count. Plies before the start of the board's history,
    known only from the halfmove clock of the FEN, all count.
    """
    clock = board.halfmove_clock
    known = min(clock, len(board._stack))
    if known <= 2 * chase.COUNTED_CHECKS:
        return clock
    moves = np.array([entry[0].index for entry in board._stack[-known:]], np.int16)
    cells = board.cells.copy()
    chase.rewind(cells, moves)
    return clock - chase.exempt_plies(cells, board.turn ^ (known & 1), moves)


def _long_quiet(board: Board) -> Outcome | None:
    if board.halfmove_clock < QUIET_PLIES or (counted := quiet_plies(board)) < QUIET_PLIES:
        return None
    start = board.ply - min(board.halfmove_clock, board.ply)
    fact = f"{board.halfmove_clock} plies without a capture, of which {counted} count"
    return Outcome(None, "no capture in 120 plies", (start, board.ply), (fact,))


def compile_rulings() -> None:
    """Compile, or load from disk, all kernels that judge a game, so that no move has to wait for them."""
    from xiangqi.board import Board

    check, chases = "3k5/9/9/9/9/9/9/4R4/9/5K3 w", "3k5/9/9/c8/9/9/9/1R7/9/5K3 w"
    for fen, moves in ((check, "e2d2 d9e9 d2e2 e9d9"), (chases, "b2a2 a6b6 a2b2 b6a6")):
        board = Board(fen)
        for iccs in moves.split() * 2:
            board.push_iccs(iccs)
        for rules in ("computer", "asian"):
            board.outcome(rules)
        board.status()
        board.is_legal(board.peek())
        board.attackers(board.turn, board.peek().to_square)
        quiet_plies(board)
