"""Legal moves and checks against pyffish, Fairy-Stockfish's rules, in games at random and in games on record.

A call to pyffish costs 1.6 ms, most of it for setting the variant up, so legal moves are asked for once a position;
which moves gave check is read for a whole game at once, off the ``+`` and ``#`` of its notation.
"""

import itertools
import random
from pathlib import Path

import pyffish
import pytest

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
    STARTING_FEN,
    Board,
    Piece,
    load,
    square,
)
from xiangqi.move import ADVISOR_POINTS, BISHOP_POINTS
from xiangqi.notation import uci

RECORDS = sorted(Path(__file__).parents[2].glob("data/games/*.pgn*"))


def difference(board):
    """What the two say differently about the legal moves of a position; empty if nothing."""
    ours = {uci(move, 1) for move in board.legal_moves}
    return ours.symmetric_difference(pyffish.legal_moves("xiangqi", board.fen(), []))


def compare(moves, fen=STARTING_FEN, limit=None):
    """Compare every position of a game; return their number."""
    board, checks = Board(fen), []
    moves = list(moves)[:limit]
    for ply, move in enumerate(moves):
        assert not difference(board), f"legal moves at ply {ply}: {board.fen()}"
        gives_check = board.gives_check(move)
        board.push(move)
        assert gives_check == board.is_check() == bool(board.checkers())
        checks.append(gives_check)
    assert not difference(board), f"legal moves at the end: {board.fen()}"
    named = pyffish.get_san_moves("xiangqi", fen, [uci(move, 1) for move in moves], False, pyffish.NOTATION_SAN)
    theirs = [name.endswith(("+", "#")) for name in named]
    assert checks == theirs, f"checks in {fen} {' '.join(move.iccs for move in moves)}"
    return len(moves) + 1


def random_game(rng, plies=120):
    """Moves at random; in two games of three captures or checks are sought, so that boards grow thin or kings run."""
    board, taste = Board(), rng.choice(("any", "captures", "checks"))
    while board.ply < plies and (moves := board.legal_moves):
        sought = []
        if taste == "captures" and rng.random() < 0.3:
            sought = [move for move in moves if board.is_capture(move)]
        elif taste == "checks" and rng.random() < 0.7:
            sought = [move for move in moves if board.gives_check(move)]
        board.push(rng.choice(sought or moves))
    return board.move_stack


def compare_random(seed, positions):
    rng, seen = random.Random(seed), 0
    while seen < positions:
        seen += compare(random_game(rng))
    return seen


@pytest.mark.parametrize("seed", range(6))
def test_random_games(seed):
    """6,000 positions in all."""
    assert compare_random(seed, 1_000) >= 1_000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1050))
def test_many_random_games(seed):
    """Half a million positions in all."""
    assert compare_random(seed, 10_000) >= 10_000


@pytest.mark.slow
@pytest.mark.skipif(not RECORDS, reason="data/games holds no records")
@pytest.mark.parametrize("part", range(50))
def test_recorded_games(part):
    """Half a million positions in all: every fiftieth game of the shipped records, from another one on in each part."""
    for path in RECORDS:
        seen = 0
        for game in itertools.islice(load(path), part, None, 50):
            seen += compare(game.moves(), game.fen)
            if seen >= 10_000 / len(RECORDS):
                break
        assert seen >= 10_000 / len(RECORDS)


def invented(rng):
    """A valid position with both kings and any other pieces, on squares that they can stand on."""
    while True:
        board = Board(None)
        for _ in range(rng.randrange(4, 24)):
            piece = Piece(rng.randrange(2), rng.choice((ADVISOR, BISHOP, KNIGHT, ROOK, CANNON, PAWN)))
            home = range(45) if piece.color == RED else range(45, 90)
            squares = {
                ADVISOR: [sq for sq in ADVISOR_POINTS if sq in home],
                BISHOP: [sq for sq in BISHOP_POINTS if sq in home],
                PAWN: [sq for sq in SQUARES if sq not in home],
            }.get(piece.type, SQUARES)
            if len(board.pieces(piece.color, piece.type)) < (5 if piece.type == PAWN else 2):
                board.set_piece_at(rng.choice(sorted(squares)), piece)
        for color, ranks in ((RED, (0, 1, 2)), (BLACK, (7, 8, 9))):
            board.set_piece_at(square(rng.randrange(3, 6), rng.choice(ranks)), Piece(color, KING))
        board.turn = rng.randrange(2)
        if board.is_valid():
            return board


def test_invented_positions():
    rng = random.Random(5)
    for _ in range(500):
        board = invented(rng)
        assert not difference(board), board.fen()
