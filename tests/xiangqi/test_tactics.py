"""Looking ahead: the workspace, alpha-beta against plain minimax, prices, repetitions, limits."""

import random
import threading

import numpy as np
import pytest

from xiangqi import ADVISOR, BISHOP, CANNON, KING, KNIGHT, NULL_MOVE, PAWN, ROOK, Board, Move
from xiangqi.alphabeta import ALL, MATE, NO_LIMIT, RULED, quiesce, search_position
from xiangqi.attacks import VALUE, kind_on
from xiangqi.evaluation import WORTH, evaluate
from xiangqi.nnue import NO_NET
from xiangqi.piece_values import TEMPO
from xiangqi.rulings import repetition_outcome
from xiangqi.tactics import Searcher, set_board
from xiangqi.workspace import count_leaves, new_workspace

MIDDLEGAME = "r1bakabr1/9/1cn4cn/p1p1p1p1p/9/2P6/P3P1P1P/1CN1C1N2/9/R1BAKABR1 b"
SHARP = "1C1NR4/1C2c3R/5k3/6n1N/8r/9/9/1r2n4/4pc3/3K5 w"
CHECKED = "4k4/3P1P3/9/9/9/9/9/9/4R4/3K2n2 b"


def random_board(seed, plies):
    """Return the board after random moves, captures preferred, so that pieces are few and hang."""
    rng, board = random.Random(seed), Board()
    while board.ply < plies:
        moves = board.legal_moves
        captures = [move for move in moves if board.is_capture(move)]
        board.push(rng.choice(captures if captures and rng.random() < 0.7 else moves))
        if not board.has_legal_moves():
            return random_board(seed + 1000, plies)
    return board


def space_of(board):
    space = new_workspace()
    set_board(space, board)
    return space


class TestWorkspace:
    @pytest.mark.parametrize("fen", [Board().fen(), MIDDLEGAME, SHARP, CHECKED])
    def test_leaves(self, fen):
        board = Board(fen)
        assert [count_leaves(space_of(board), depth) for depth in (1, 2, 3)] == [board.perft(d) for d in (1, 2, 3)]

    def test_it_is_left_as_it_was(self):
        board = random_board(1, 30)
        space, fresh = space_of(board), space_of(board)
        count_leaves(space, 3)
        assert (space["cells"] == board.cells).all()
        for name in ("slot", "at", "count", "lines", "turn", "key", "score"):
            assert (space[name] == fresh[name]).all() or name in ("slot", "at"), name
        assert np.uint64(space["key"].view(np.uint64)) == board.key

    def test_evaluation_is_symmetric(self):
        for seed in range(20):
            board = random_board(seed, 25)
            score = evaluate(space_of(board))
            assert score == evaluate(space_of(board.rotate())) == evaluate(space_of(board.mirror()))

    def test_pieces_are_worth_what_they_should(self):
        mean = {kind: WORTH[kind, WORTH[kind] != 0].mean() for kind in (ADVISOR, BISHOP, PAWN, KNIGHT, CANNON, ROOK)}
        assert mean[ADVISOR] < mean[PAWN] < mean[KNIGHT] < mean[CANNON] < mean[ROOK] < mean[KNIGHT] + mean[CANNON] + 99
        assert abs(WORTH[KING]).max() < 50


# --- Minimax, as plain as can be --------------------------------------------------------------------------------------


def static(board):
    score = sum(int(WORTH[piece.code, sq]) for sq, piece in board.piece_map().items())
    return TEMPO + (-score if board.turn else score)


def played_out(board, ply):
    """Return the value of a leaf: in check all moves, else standing or the captures that are not losing."""
    checked = board.is_check()
    best = ply - MATE if checked else static(board)
    for move in board.legal_moves:
        if not checked:
            if not board.is_capture(move):
                continue
            cost = VALUE[kind_on(board.cells[move.from_square], move.from_square)]
            gain = VALUE[kind_on(board.cells[move.to_square], move.to_square)]
            if cost > gain and board.attackers(1 - board.turn, move.to_square):
                continue
        board.push(move)
        best = max(best, -played_out(board, ply + 1))
        board.pop()
    return best


def minimax(board, depth, ply=0):
    if ply > 0 and (verdict := repetition_outcome(board, "check_only", count=2)):
        return 0 if verdict.winner is None else (RULED - ply) * (1 if verdict.winner == board.turn else -1)
    depth += board.is_check()
    if depth <= 0:
        return played_out(board, ply)
    best = ply - MATE
    for move in board.legal_moves:
        board.push(move)
        best = max(best, -minimax(board, depth - 1, ply + 1))
        board.pop()
    return best


class TestAlphaBeta:
    @pytest.mark.parametrize("seed", range(6))
    def test_plain_is_minimax(self, seed):
        board = random_board(seed, 50)
        depth = 3 if len(board.legal_moves) < 20 else 2
        board.pop()
        assert not board.is_game_over()
        before = board.fen()
        wanted = {}
        for move in board.legal_moves:
            board.push(move)
            wanted[move] = -minimax(board, depth - 1, 1)
            board.pop()
        found = Searcher().tactics(board, depth, plain=True)
        assert {price.move: price.score for price in found.prices} == wanted
        assert [p.score for p in found.prices] == sorted(wanted.values(), reverse=True)
        space, table = space_of(board), np.zeros((1 << 12, 2), np.int64)
        score, reached = search_position(space, table, NO_NET, depth, -ALL, ALL, NO_LIMIT, True)
        assert (score, reached) == (max(wanted.values()), depth)
        assert board.fen() == before

    @pytest.mark.parametrize("seed", range(10))
    def test_quiescence_is_minimax(self, seed):
        board = random_board(seed, 40)
        space = space_of(board)
        exact = played_out(board, 0)
        assert search_position(space, np.zeros((2, 2), np.int64), NO_NET, 0, -ALL, ALL, NO_LIMIT, True) == (exact, 0)
        for alpha in (exact - 100, exact, exact + 100):
            value = quiesce(space, NO_NET, alpha, alpha + 1)
            assert value > alpha if exact > alpha else value <= alpha

    def test_pruning_loses_little(self):
        """It finds what minimax finds wherever a piece is at stake."""
        for seed in range(8):
            board = random_board(seed, 24)
            exact, pruned = Searcher().tactics(board, 3, plain=True), Searcher().tactics(board, 3)
            assert abs(exact.score - pruned.score) < 60
            assert pruned.nodes < exact.nodes


class TestPrices:
    def test_hanging_rook(self):
        board = Board("3k5/9/9/9/4r4/9/9/4R4/9/4K4 w")
        tactics = board.tactics(2)
        assert tactics.prices[0].move == Move.from_iccs("e2e5") == tactics.line[0]
        assert tactics.score == tactics.prices[0].score > tactics.prices[1].score + 300
        assert sorted(price.move.index for price in tactics.prices) == sorted(board.legal_move_indices().tolist())
        assert all(price.line[0] == price.move for price in tactics.prices)

    def test_mate(self):
        prices = Board("3k5/9/9/9/9/9/9/R8/1R7/4K4 w").tactics(4).prices
        assert (prices[0].mate, str(prices[0])) == (1, "mate 1 b1d1")
        assert {price.mate for price in Board("3k5/1R7/9/9/9/9/9/R8/9/5K3 b").tactics(4).prices} == {-1}

    def test_being_mated(self):
        board = Board("3k5/4R4/9/9/9/9/9/9/R8/4K4 w")
        board.push_iccs("a1a9")
        assert board.tactics(2).prices == () and board.tactics(2).score == -MATE
        assert not board.tactics(2).line

    def test_margin_gives_bounds(self):
        board = Board(MIDDLEGAME)
        exact = {price.move: price.score for price in Searcher().tactics(board, 3, plain=True).prices}
        best = max(exact.values())
        bounded = Searcher().tactics(board, 3, plain=True, margin=30)
        for price in bounded.prices:
            if exact[price.move] >= best - 30:
                assert price.score == exact[price.move]
            else:
                assert exact[price.move] <= price.score < best - 30
        assert bounded.nodes < Searcher().tactics(board, 3, plain=True).nodes

    def test_some_moves(self):
        board = Board()
        moves = [Move.from_iccs("h2e2"), Move.from_iccs("a0a1")]
        assert {price.move for price in Searcher().tactics(board, 2, moves=moves).prices} == set(moves)
        with pytest.raises(ValueError, match="illegal move a0a9"):
            Searcher().tactics(board, 2, moves=[Move.from_iccs("a0a9")])

    @pytest.mark.parametrize(
        ("fen", "message"),
        [
            ("4k4/9/9/9/9/9/9/9/9/9 w", "one king"),
            ("4k4/9/9/9/9/9/9/9/9/3KK4 w", "one king"),
            ("4k4/9/9/9/9/9/9/9/9/4K4 w", "cannot capture the king"),
        ],
    )
    def test_impossible_positions(self, fen, message):
        with pytest.raises(ValueError, match=message):
            Board(fen).tactics(1)
        with pytest.raises(ValueError, match="depth of 1"):
            Board().tactics(0)

    def test_crowded_board(self):
        """Many rooks have more moves than any position of a game."""
        board = Board("4k4/4p4/RRRRRRRRR/9/9/RRRRRRRRR/9/rrrrrrrrr/9/3K5 w")
        assert len(board.tactics(1).prices) == len(board.legal_moves)


class TestRepetition:
    def test_returning_is_a_draw(self):
        board = Board("4k4/9/9/9/9/9/9/9/R8/3K5 b")
        for iccs in ("e9e8", "a1a2", "e8e9"):
            board.push_iccs(iccs)
        prices = {price.move.iccs: price.score for price in board.tactics(1).prices}
        assert prices["a2a1"] == 0 and prices["a2a3"] > 300
        prices = {price.move.iccs: price.score for price in Board(board.fen()).tactics(1).prices}
        assert prices["a2a1"] > 300  # of a board that was set up nothing is known before

    def test_perpetual_check_loses(self):
        board = Board("3k5/9/9/9/9/9/9/9/4R4/5K3 w")
        for iccs in ("e1d1", "d9e9", "d1e1"):
            board.push_iccs(iccs)
        prices = {price.move.iccs: price.score for price in board.tactics(1).prices}
        assert prices["e9d9"] == RULED - 1
        board.push_iccs("e9d9")
        prices = {price.move.iccs: price.score for price in board.tactics(2).prices}
        assert prices["e1d1"] == 1 - RULED and prices["e1e5"] > 300

    def test_passing_ends_the_memory(self):
        board = Board("4k4/9/9/9/9/9/9/9/R8/3K5 w")
        for iccs in ("a1a2", "e9e8", "a2a1", None, "a1a3", "e8e9"):
            board.push(Move.from_iccs(iccs) if iccs else NULL_MOVE)
        prices = {price.move.iccs: price.score for price in board.tactics(1).prices}
        assert prices["a3a2"] > 300  # as after the first move, but that was before


class TestLimits:
    def test_nodes(self):
        searcher = Searcher()
        tactics = searcher.tactics(Board(), 30, nodes=20_000)
        assert 1 <= tactics.depth < 30 and tactics.nodes <= 20_000
        assert len(tactics.prices) == 44

    def test_a_better_move_counts_before_its_depth_is_finished(self):
        board = Board(MIDDLEGAME)
        prices = {
            found.depth: {price.move: price.score for price in found.prices}
            for found in Searcher().deepen(board, nodes=200_000)
        }
        changed = 0
        for nodes in range(2_000, 100_000, 2_000):
            *_, before, last = Searcher().deepen(board, nodes=nodes)
            old, new = before.prices[0].move, last.prices[0].move
            assert len({price.move for price in last.prices}) == len(last.prices) == len(board.legal_moves)
            if last.depth == before.depth and new is not old:
                assert prices[last.depth + 1][new] > prices[last.depth + 1][old]
                changed += 1
        assert changed

    def test_stop_from_another_thread(self):
        searcher = Searcher()
        threading.Timer(0.05, searcher.stop).start()
        tactics = searcher.tactics(Board(), 60)
        assert tactics.depth < 60
        assert searcher.tactics(Board(), 2).depth == 2  # it can be used again

    def test_same_answer_each_time(self):
        board = Board(MIDDLEGAME)
        assert board.tactics(5) == board.tactics(5)

    def test_table_saves_work(self):
        searcher, board = Searcher(4), Board(MIDDLEGAME)
        first, again = searcher.tactics(board, 5), searcher.tactics(board, 5)
        assert again.nodes < first.nodes / 2
        searcher.clear()
        assert searcher.tactics(board, 5) == first

    def test_threads_do_not_disturb_each_other(self):
        boards = [random_board(seed, 20) for seed in range(6)]
        wanted = [board.tactics(4) for board in boards]
        found = [None] * len(boards)

        def work(i):
            found[i] = boards[i].tactics(4)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(boards))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == wanted

    def test_table_sizes(self):
        with pytest.raises(ValueError, match="at least 1 megabyte: 0"):
            Searcher(0)
        assert Searcher(3).tactics(Board(), 2) == Searcher(1).tactics(Board(), 2)
