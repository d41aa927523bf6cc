"""Compare the repetition rulings with pyffish on generated cycles, and classify the differences.

    python benchmarks/rulings.py --cycles 10000 --rules asian        # a table of docs/rulings.md

This is a second implementation of the rules, in plain Python over ``Board``, with a switch for each clause that pyffish
interprets differently. The class of a difference is the smallest set of switches that brings agreement. Without
switches this implementation must agree with the library on every cycle, which is tested.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyffish

from xiangqi import (
    ADVISOR,
    BISHOP,
    BLACK,
    CANNON,
    KING,
    KNIGHT,
    PAWN,
    RED,
    ROOK,
    SQUARES,
    Board,
    Color,
    Move,
    Piece,
    Square,
    Status,
    chase,
    kernels,
)
from xiangqi.rulings import Rules

VARIANT = "xq60"
pyffish.load_variant_config(f"[{VARIANT}:xiangqi]\nnMoveRule = 60\n")

COMPUTER = {
    "newness": "whether the prey was chased before the move by anybody; pyffish: whether this hunter attacked it",
    "checks": "any check in the span draws; pyffish goes on to look for chases",
    "pinned hunter": "a pinned hunter does not chase what it may not take; pyffish: it does",
    "same kind": "like pieces are exempt if the reverse capture is legal; pyffish: by geometry and the prey's pins",
    "protection": "protected is what has a legal recapture once taken; pyffish: what a piece not yet pinned defends",
    "new pin": "nothing more; pyffish also counts as chased what a newly pinned piece defended",
    "discovered check": "nothing more; pyffish also counts what a piece attacks that can now uncover a check",
}
ASIAN = {
    "line": "a hunter that moves along its line keeps its attack; pyffish: if it moves back, the attack is new",
    "exposure": "what a hunter could take before, but without a gain, is chased too; pyffish: it is not",
    **{name: COMPUTER[name] for name in ("pinned hunter", "same kind", "protection", "new pin", "discovered check")},
}
SWITCHES = {"computer": COMPUTER, "asian": ASIAN}
"""The switches by rule set."""


@dataclass(frozen=True)
class Cycle:
    """A position and moves that return to it twice."""

    fen: str
    moves: tuple[Move, ...]

    def board(self) -> Board:
        """Return the board with the moves played."""
        board = Board(self.fen)
        for move in self.moves:
            board.push(move)
        return board


# --- Cycles -----------------------------------------------------------------------------------------------------------


def played_position(rng: random.Random) -> Board:
    """Return a position from random play."""
    board = Board()
    for _ in range(rng.randrange(20, 160)):
        moves = board.legal_moves
        if not moves:
            break
        board.push(rng.choice(moves))
    return Board(board.fen())


def invented_position(rng: random.Random) -> Board:
    """Return an open position of kings and a few pieces, half of them on the kings' lines, where pins arise."""
    while True:
        board = Board(None)
        pieces = {rng.choice((3, 4, 5)) + 9 * rng.randrange(3): Piece(RED, KING)}
        pieces[rng.choice((3, 4, 5)) + 9 * rng.randrange(7, 10)] = Piece(BLACK, KING)
        lines = [sq for sq in SQUARES if any(sq % 9 == king % 9 or sq // 9 == king // 9 for king in pieces)]
        for _ in range(rng.randrange(3, 12)):
            kind = rng.choice((ADVISOR, BISHOP, KNIGHT, KNIGHT, ROOK, ROOK, CANNON, CANNON, PAWN))
            where = rng.choice((SQUARES, lines))
            pieces.setdefault(rng.choice(where), Piece(rng.choice((RED, BLACK)), kind))
        board.set_piece_map(pieces)
        board.turn = rng.choice((RED, BLACK))
        board = Board(board.fen())
        if board.status() == Status.VALID and not board.is_check():
            return board


def lap(board: Board, rng: random.Random) -> list[Move] | None:
    """Return 4, 6 or 8 legal moves without capture that lead back to the position, or ``None`` if this try fails.

    Each side goes there and back with one piece, round a triangle with one, or there and back with two in turn.
    Aimless laps are all draws, so most tries demand that every move of one side does something to an enemy piece.
    """
    presser, how = rng.choice((RED, BLACK)), rng.choice(("check", "attack", "chase"))
    steps = rng.choice((2, 2, 2, 3, 4))
    scratch = board.copy(stack=False)
    for ply in range(2 * steps):
        own = scratch.move_stack[ply % 2 :: 2]
        move = _closing(own, steps, rng) if len(own) >= steps / 2 else _wander(scratch, rng, own if steps == 3 else [])
        if move is None or scratch.is_capture(move) or not scratch.is_legal(move):
            return None
        scratch.push(move)
        if presser == 1 - scratch.turn and not _presses(scratch, move.to_square, how):
            return None
    return scratch.move_stack if scratch.key == board.key else None


def _closing(own: list[Move], steps: int, rng: random.Random) -> Move | None:
    """Return a move that leads back, for the side that has made ``own``."""
    last, first = own[-1], own[0]
    try:
        if steps == 2 or len(own) == 3:
            home = last if steps == 2 else own[0] if own[2].to_square == own[1].from_square else own[1]
            return Move(home.to_square, home.from_square)
        if steps == 3:
            return Move(last.to_square, first.from_square)
        back = rng.choice(own)
        return Move(back.to_square, back.from_square)
    except ValueError:
        return None


def _wander(board: Board, rng: random.Random, own: list[Move]) -> Move | None:
    """Return a move after ``own`` that captures nothing; if a piece is chased, usually one of its moves."""
    quiet = [move for move in board.legal_moves if not board.is_capture(move)]
    if own:
        quiet = [move for move in quiet if move.from_square == own[-1].to_square]
    cells = board.cells.copy()
    fleeing = [move for move in quiet if chase.is_chased(cells, move.from_square)]
    if fleeing and rng.random() < 0.9:
        return rng.choice(fleeing)
    return rng.choice(quiet) if quiet else None


def _presses(board: Board, moved: Square, how: str) -> bool:
    """Whether the last move, to ``moved``, gives check, attacks a piece, or leaves some piece chased."""
    if how == "check":
        return board.is_check()
    cells = board.cells.copy()
    prey = [sq for sq, piece in board.piece_map().items() if piece.color == board.turn and piece.type != KING]
    if how == "attack":
        return any(kernels.reaches(cells, moved, sq) for sq in prey)
    return any(chase.is_chased(cells, sq) for sq in prey)


def cycles(seed: int, laps_a_position: int = 500) -> Iterator[Cycle]:
    """Yield cycles endlessly: two random laps from one position, the same or different ones."""
    rng = random.Random(seed)
    while True:
        board = rng.choice((played_position, invented_position))(rng)
        if not board.has_legal_moves() or board.is_check():
            continue
        found = [line for _ in range(laps_a_position) if (line := lap(board, rng))]
        for line in found[:10]:
            cycle = Cycle(board.fen(), (*line, *(line if rng.random() < 0.8 else rng.choice(found))))
            if _is_single(cycle):
                yield cycle


def _is_single(cycle: Cycle) -> bool:
    """Whether the last move brings the first third occurrence of any position, so that both judge the same span."""
    board = Board(cycle.fen)
    for move in cycle.moves[:-1]:
        board.push(move)
        if board.is_repetition(3) or not board.has_legal_moves():
            return False
    board.push(cycle.moves[-1])
    return board.repetitions() == 3


# --- Verdicts ---------------------------------------------------------------------------------------------------------


def uci(move: Move) -> str:
    """Return a move with ranks from 1 to 10, as pyffish writes it."""
    a, b = move.from_square, move.to_square
    return f"{'abcdefghi'[a % 9]}{a // 9 + 1}{'abcdefghi'[b % 9]}{b // 9 + 1}"


def pyffish_winner(cycle: Cycle) -> Color | None:
    """Return the winner by pyffish's verdict."""
    ended, value = pyffish.is_optional_game_end(VARIANT, cycle.fen, [uci(move) for move in cycle.moves])
    if not ended:
        raise AssertionError(f"pyffish sees no end: {cycle}")
    turn = cycle.board().turn
    return None if value == 0 else turn if value > 0 else 1 - turn


def switched_winner(cycle: Cycle, rules: str = "computer", thrown: frozenset[str] = frozenset()) -> Color | None:
    """Return the winner by the rules of this file, with the given switches on."""
    board = Board(cycle.fen)
    sides: dict[Color, list[tuple[bool, dict[Square, int]]]] = {RED: [], BLACK: []}
    home = {sq: sq for sq in SQUARES}
    for move in cycle.moves:
        before = board.copy(stack=False)
        board.push(move)
        home[move.to_square] = home[move.from_square]
        newly = _newly_chased if rules == "computer" else _newly_threatened
        prey = {home[sq]: how for sq, how in newly(before, board, move, thrown).items()}
        sides[before.turn].append((board.is_check(), prey))
    guilt = {color: int(all(check for check, _ in sides[color])) for color in sides}
    if not any(guilt.values()):
        checks = any(check for made in sides.values() for check, _ in made)
        if checks and rules == "computer" and "checks" not in thrown:
            return None
        for color, made in sides.items():
            hunted = set.intersection(*(set(prey) for _, prey in made))
            guilt[color] = max((min(prey[sq] for _, prey in made) for sq in hunted), default=0)
    return None if guilt[RED] == guilt[BLACK] else RED if guilt[RED] < guilt[BLACK] else BLACK


def _newly_chased(before: Board, after: Board, move: Move, thrown: frozenset[str]) -> dict[Square, int]:
    """Return what a move newly chases, with 1 for each, by the rules ``computer``."""
    hunters = before.turn
    pairs = _chases(after, hunters, thrown)
    if "newness" in thrown:
        found = {b for a, b in pairs if _attacks_anew(before, after, move, a, b)}
    else:
        found = {b for _, b in pairs} - {b for _, b in _chases(before, hunters, thrown)}
    return dict.fromkeys(found | _others(before, after, thrown), 1)


def _newly_threatened(before: Board, after: Board, move: Move, thrown: frozenset[str]) -> dict[Square, int]:
    """Return what a move newly chases by the rules ``asian``: 2 if by a new attack, 1 if by exposure."""
    found = dict.fromkeys(_others(before, after, thrown), 2)
    for a, b in _chases(after, before.turn, thrown):
        origin = move.from_square if a == move.to_square else a
        attacked = origin in before.attackers(before.turn, b)
        might = attacked and ("pinned hunter" in thrown or before.is_check() or _may_take(before, origin, b))
        if not might or ("line" in thrown and _attacks_anew(before, after, move, a, b)):
            found[b] = 2
        elif "exposure" not in thrown and not _gains(before, origin, b, thrown):
            found.setdefault(b, 1)
    return found


def _others(before: Board, after: Board, thrown: frozenset[str]) -> set[Square]:
    """Return what pyffish counts as newly chased for new pins and for pieces that can uncover a check."""
    hunters, found = before.turn, set[Square]()
    if "new pin" in thrown:
        for sq in set(after.pinned(1 - hunters)) - set(before.pinned(1 - hunters)):
            for b in _targets(after, sq, 1 - hunters):
                if _is_game(after, b) and set(after.attackers(hunters, b)) - set(after.pinned(hunters)):
                    found.add(b)
    if "discovered check" in thrown:
        king = after.king(1 - hunters)
        for a in _discoverers(after, hunters) - _discoverers(before, hunters):
            found |= {b for b in _targets(after, a, 1 - hunters) if b != king and not _king_retakes(after, a, b)}
    return found


def _chases(board: Board, hunters: Color, thrown: frozenset[str]) -> set[tuple[Square, Square]]:
    """Return hunter and prey of every chase by one side."""
    found = set()
    for a, piece in board.piece_map().items():
        if piece.color == hunters and piece.type not in (KING, PAWN):
            for b in _targets(board, a, 1 - hunters):
                if _is_game(board, b) and _chase(board, a, b, thrown):
                    found.add((a, b))
    return found


def _targets(board: Board, a: Square, color: Color) -> list[Square]:
    """Return the squares of the pieces of ``color`` that the piece on ``a`` attacks or defends."""
    mine = board.cells[a] >> 3
    return [b for b, piece in board.piece_map().items() if piece.color == color and a in board.attackers(mine, b)]


def _is_game(board: Board, b: Square) -> bool:
    """Whether the piece on ``b`` may be chased at all."""
    piece = board.piece_at(b)
    assert piece is not None
    crossed = b >= 45 if piece.color == RED else b < 45
    return piece.type != KING and (piece.type != PAWN or crossed)


def _chase(board: Board, a: Square, b: Square, thrown: frozenset[str]) -> bool:
    return ("pinned hunter" in thrown or _may_take(board, a, b)) and _gains(board, a, b, thrown)


def _gains(board: Board, a: Square, b: Square, thrown: frozenset[str]) -> bool:
    """Whether the hunter on ``a``, which attacks the prey on ``b``, would gain by the capture."""
    hunter, prey = board.piece_at(a), board.piece_at(b)
    assert hunter is not None and prey is not None
    if hunter.type in (KNIGHT, CANNON) and prey.type == ROOK:
        return True
    if hunter.type in (ADVISOR, BISHOP) and prey.type in (ROOK, KNIGHT, CANNON):
        return True
    if hunter.type == prey.type:
        if "same kind" not in thrown:
            if _may_take(board, b, a):
                return False
        elif hunter.type == KNIGHT and _crowded(board, a):
            if b in board.attackers(prey.color, a):
                return False
        elif b not in board.pinned(prey.color):
            return False
    if "protection" not in thrown:
        taken = board.copy(stack=False)
        taken.turn = prey.color
        checked = taken.is_check()  # and would be answered before the capture
        taken.set_piece_at(a, None)
        taken.set_piece_at(b, hunter)
        return not any(checked or taken.is_legal(Move(s, b)) for s in taken.attackers(prey.color, b))
    return not _has_root(board, a, b)


def _may_take(board: Board, a: Square, b: Square) -> bool:
    scratch = board.copy(stack=False)
    scratch.turn = int(board.cells[a] >> 3)
    try:
        return scratch.is_legal(Move(a, b))
    except ValueError:
        return False


def _crowded(board: Board, a: Square) -> bool:
    """Whether a piece stands diagonally next to a square."""
    return any(
        board.piece_at(sq) is not None and abs(sq % 9 - a % 9) == 1 and abs(sq // 9 - a // 9) == 1 for sq in SQUARES
    )


def _has_root(board: Board, a: Square, b: Square) -> bool:
    """Whether pyffish finds a defender of ``b``: one that is not pinned now and attacks ``b`` with ``a`` removed."""
    hunters = int(board.cells[a] >> 3)
    pinned = board.pinned(1 - hunters)
    king, general = board.king(1 - hunters), board.king(hunters)
    assert king is not None and general is not None
    if king % 9 == general % 9:
        own = [sq for sq in SQUARES if sq % 9 == king % 9 and board.cells[sq] >> 3 == 1 - hunters and board.cells[sq]]
        if len(own) == 2:
            pinned += own
    opened = Board(None)
    opened.set_piece_map({sq: piece for sq, piece in board.piece_map().items() if sq != a})
    roots = set(opened.attackers(1 - hunters, b)) - (set(pinned) - {king})
    if roots != {king}:
        return bool(roots)
    between = range(min(b, general) + 9, max(b, general), 9)
    return not (b % 9 == general % 9 and not any(opened.cells[sq] for sq in between))


def _attacks_anew(before: Board, after: Board, move: Move, a: Square, b: Square) -> bool:
    """Whether pyffish regards the attack of ``a`` on ``b`` as new."""
    piece = after.piece_at(a)
    assert piece is not None
    old = before.copy(stack=False)
    if a == move.to_square:
        c = move.from_square
        in_line = (a % 9 == b % 9 == c % 9) or (a // 9 == b // 9 == c // 9)
        if piece.type not in (ROOK, CANNON) or not in_line:
            return True
        old.set_piece_at(a, piece)
    return a not in old.attackers(piece.color, b)


def _discoverers(board: Board, hunters: Color) -> set[Square]:
    """Return the pieces of one side that would give a discovered check by moving."""
    found = set()
    for sq, piece in board.piece_map().items():
        if piece.color == hunters and piece.type != KING:
            scratch = board.copy(stack=False)
            scratch.turn = 1 - hunters
            was = set(scratch.checkers())
            scratch.set_piece_at(sq, None)
            if set(scratch.checkers()) - was:
                found.add(sq)
    return found


def _king_retakes(board: Board, a: Square, b: Square) -> bool:
    """Whether the king of the piece on ``b`` could recapture there."""
    king = board.king(int(board.cells[b] >> 3))
    assert king is not None
    taken = board.copy(stack=False)
    taken.turn = int(board.cells[a] >> 3)
    try:
        taken.push(Move(a, b))
        return taken.is_legal(Move(king, b))
    except ValueError:
        return False


# --- The comparison ---------------------------------------------------------------------------------------------------


def explain(cycle: Cycle, rules: str = "computer") -> tuple[str, ...]:
    """Return the smallest set of switches under which the rules of this file agree with pyffish; ``()`` if none."""
    winner = pyffish_winner(cycle)
    for size in range(1, len(SWITCHES[rules]) + 1):
        for names in itertools.combinations(SWITCHES[rules], size):
            if switched_winner(cycle, rules, frozenset(names)) == winner:
                return names
    return ()


@dataclass
class Comparison:
    """The verdicts of the library and pyffish on a sample of cycles."""

    cycles: int = 0
    decisive: int = 0
    """Cycles that at least one of them scores as a win."""
    agreed: int = 0
    """Decisive cycles with the same score in both."""
    reasons: Counter[str] = field(default_factory=Counter)
    """The library's reasons."""
    classes: dict[tuple[str, ...], list[Cycle]] = field(default_factory=dict)
    """The cycles judged differently, by the switches that explain them."""


def compare(sample: Iterable[Cycle], rules: Rules = "computer") -> Comparison:
    """Judge each cycle of ``sample`` with the library and with pyffish."""
    result = Comparison()
    for cycle in sample:
        ours, theirs = cycle.board().outcome(rules), pyffish_winner(cycle)
        assert ours is not None
        result.cycles += 1
        result.decisive += ours.winner is not None or theirs is not None
        result.reasons[ours.reason] += 1
        if ours.winner != theirs:
            result.classes.setdefault(explain(cycle, rules), []).append(cycle)
        elif theirs is not None:
            result.agreed += 1
    return result


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20_000, help="cycles to compare")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rules", choices=SWITCHES, default="computer")
    args = parser.parse_args()
    result = compare(itertools.islice(cycles(args.seed), args.cycles), args.rules)
    print(f"{result.cycles} cycles, {result.decisive} decisive in at least one program")
    print(f"{result.agreed} of those with the same verdict ({result.agreed / max(result.decisive, 1):.1%})")
    for reason, n in result.reasons.most_common():
        print(f"{n:7d} {reason}")
    for names, found in sorted(result.classes.items(), key=lambda item: -len(item[1])):
        cycle = min(found, key=lambda each: (len(each.moves), len(Board(each.fen).piece_map())))
        theirs = ("1/2-1/2", "1-0", "0-1")[{None: 0, RED: 1, BLACK: 2}[pyffish_winner(cycle)]]
        print(f"\n{len(found):7d} {' + '.join(names) or 'unexplained'}")
        print(f"        {cycle.fen} moves {' '.join(map(str, cycle.moves))}")
        print(f"        here {cycle.board().outcome(args.rules)}, pyffish {theirs}")


if __name__ == "__main__":
    main()
