"""The network of a tactical search: sums kept while moves are made are those of the position."""

import random

import numpy as np
import pytest

from xiangqi import NULL_MOVE, PAWN, Board
from xiangqi.evaluation import evaluate
from xiangqi.move import parse_square
from xiangqi.nnue import BIAS, FRACTION, FULL, NO_NET, QUARTERS, ROWS, begin, judge
from xiangqi.tactics import Searcher, set_board
from xiangqi.workspace import HIDDEN, in_danger, make, make_null, new_workspace, unmake


def random_net(seed=1):
    """Return a network that changes evaluations by a few pawns."""
    rng = np.random.default_rng(seed)
    net = np.zeros((ROWS, HIDDEN))
    net[: BIAS + 1] = rng.normal(size=(BIAS + 1, HIDDEN)) * 25
    net[BIAS + 1 :] = rng.normal(size=(ROWS - BIAS - 1, HIDDEN)) * 300
    return net.astype(np.int16)


def by_definition(net, board):
    """Return the score as the docstring of `xiangqi.nnue` defines it."""
    sums = np.zeros((2, HIDDEN))
    pieces = np.flatnonzero(board.cells)
    for side in range(2):
        rows = [(p ^ 8) * 90 + 89 - sq if side else p * 90 + sq for sq in pieces for p in [int(board.cells[sq])]]
        sums[side] = net[rows].astype(int).sum(0) + net[BIAS]
    quarter = min(max(len(pieces) - 9, 0) // 6, QUARTERS - 1)
    active = np.clip(sums / FULL, 0, 1) ** 2
    own, other = active[board.turn], active[1 - board.turn]
    at = BIAS + 1 + 2 * quarter
    more = (own * net[at] + other * net[at + 1]).sum() + net[-1, quarter]
    return evaluate(space_of(board)) + more / FRACTION


def space_of(board, net=NO_NET):
    space = new_workspace()
    set_board(space, board)
    begin(space, net)
    return space


def random_game(seed, plies=60):
    rng, board = random.Random(seed), Board()
    while board.ply < plies and board.legal_moves:
        board.push(rng.choice(board.legal_moves))
    return board


@pytest.mark.parametrize("seed", range(8))
def test_it_is_what_it_is_defined_as(seed):
    board, net = random_game(seed, 10 * seed), random_net(seed)
    assert judge(space_of(board, net), net, 0) == pytest.approx(by_definition(net, board), abs=0.51)


@pytest.mark.parametrize("seed", range(4))
def test_scores_along_a_line_are_those_of_its_positions(seed):
    """Whether each position is evaluated on the way there, or only the last, and after moves were taken back."""
    net, rng = random_net(), random.Random(seed)
    board = random_game(seed, 20)
    space = space_of(board, net)
    for _ in range(200):
        ply = board.ply - 20
        if ply > 0 and (rng.random() < 0.4 or ply > 30 or not board.legal_moves):
            board.pop()
            unmake(space, ply - 1)
        elif rng.random() < 0.1 and not board.is_check():
            board.push(NULL_MOVE)
            make_null(space, ply)
        else:
            move = rng.choice(board.legal_moves)
            board.push(move)
            make(space, ply, move.from_square, move.to_square)
            space["checked"][space["past"] + ply + 1] = in_danger(space, space["turn"])
        if rng.random() < 0.5:
            assert judge(space, net, board.ply - 20) == judge(space_of(board, net), net, 0)


def test_it_is_the_same_for_both_sides():
    net = random_net()
    for seed in range(10):
        board = random_game(seed, 7 * seed)
        assert judge(space_of(board, net), net, 0) == judge(space_of(board.rotate(), net), net, 0)


def test_without_a_network_pieces_alone_count():
    board = random_game(3, 40)
    assert judge(space_of(board), NO_NET, 0) == evaluate(space_of(board))


def test_a_search_follows_its_network():
    """The network gives five pawns for Red's own pawn on e4, so the search plays it there."""
    net = np.zeros((ROWS, HIDDEN), np.int16)
    net[PAWN * 90 + parse_square("e4"), 0] = FULL
    net[BIAS + 1 : -1 : 2, 0], net[BIAS + 2 : -1 : 2, 0] = 500 * FRACTION, -500 * FRACTION
    board = Board("4k4/9/9/9/9/9/4P4/9/4A4/4K4 w")
    found, plain = (searcher.tactics(board, 3, margin=0) for searcher in (Searcher(net=net), Searcher()))
    assert found.prices[0].move.iccs == "e3e4"
    assert found.score > plain.score + 400
