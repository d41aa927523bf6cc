"""The search tree: selection, endings at node creation, backup, proofs, and what is kept from move to move."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.players.search import tree
from lm.players.search.clock import Budget
from lm.players.search.leaves import Leaves, Workspace
from lm.players.search.params import Params
from lm.players.search.tree_search import TreeSearch
from xiangqi import MOVES, Board, Move
from xiangqi.alphabeta import MATE, NO_LIMIT
from xiangqi.nnue import NO_NET
from xiangqi.root_search import favourites
from xiangqi.rulings import Rules, repetition_outcome
from xiangqi.tactics import Price, Searcher, set_board
from xiangqi.workspace import new_workspace

ENDGAME = "3ak4/4a4/9/9/9/2n6/9/4R4/4A4/3AK4 w"
FOREVER = Budget()
BARE = Params(depth=-1, mate_moves=0)
"""Without tactics."""


def search(board: Board, visits: int, params: Params = BARE, **options: Any) -> TreeSearch:
    """Search a position without a model."""
    found = TreeSearch(Leaves(), params, **options)
    found.set_root(board)
    think(found, visits)
    return found


def think(found: TreeSearch, visits: int, threads: int = 1) -> None:
    for _ in found.think(visits, FOREVER, threads):
        pass


def nodes_of(found: TreeSearch, board: Board, at: int = 0) -> Iterator[tuple[np.void, Board]]:
    """Yield all nodes with their positions, with the whole history."""
    node = found._nodes[at]
    yield node, board
    for e in range(node["first"], node["first"] + node["edges"]):
        if found._edges["node"][e] >= 0:
            after = board.copy()
            after.push(MOVES[found._edges["move"][e]])
            yield from nodes_of(found, after, int(found._edges["node"][e]))


def random_game(seed: int, plies: int, fen: str = ENDGAME) -> Board:
    """Return a board after random moves, many of them back and forth, so that positions return."""
    rng, board = random.Random(seed), Board(fen)
    while board.ply < plies and board.outcome() is None:
        moves = board.legal_moves
        back = [m for m in moves if board.ply >= 2 and (m.to_square, m.from_square) == _squares(board)]
        board.push(rng.choice(back or moves) if rng.random() < 0.6 else rng.choice(moves))
    return board


def open_game(seed: int, plies: int, fen: str = ENDGAME) -> Board:
    """Return a random game that is not over."""
    return next(g for n in count() if (g := random_game(seed + 1000 * n, plies, fen)).outcome() is None)


def _squares(board: Board) -> tuple[int, int]:
    move = board.move_stack[-2]
    return move.from_square, move.to_square


class TestEndings:
    @pytest.mark.parametrize("rules", ["computer", "asian", "check_only"])
    @pytest.mark.parametrize("seed", range(12))
    def test_each_node_is_over_where_the_rules_say_so(self, seed: int, rules: Rules) -> None:
        """No legal moves; a repetition within the tree; a third occurrence; 120 plies without a capture."""
        game = open_game(seed, 12)
        start, over = game.ply, 0
        found = TreeSearch(Leaves(), BARE, rules=rules)
        found.set_root(game)
        think(found, 3000)
        for node, board in nodes_of(found, game):
            if board.ply == start:
                continue
            verdict = None
            if not board.has_legal_moves():
                verdict = -1
            else:
                outcome = repetition_outcome(board, rules, count=3)
                keys = keys_since(board, start)
                if outcome is None and keys.count(board.key) > 1:
                    outcome = repetition_outcome(board, rules, count=2)
                outcome = outcome or board.outcome(rules)
                if outcome is not None:
                    verdict = 0 if outcome.winner is None else 1 if outcome.winner == board.turn else -1
            if verdict is None:
                assert node["state"] != tree.OVER, board.fen()
            else:
                assert (node["state"], node["lower"], node["upper"]) == (tree.OVER, verdict, verdict), board.fen()
                over += 1
        assert over

    def test_a_quiet_game_is_drawn_after_120_plies(self) -> None:
        board = Board("3ak4/9/9/9/9/9/9/9/9/R2K5 w - - 118 90")
        found = search(board, 400)
        over = [after for node, after in nodes_of(found, board) if node["state"] == tree.OVER]
        assert over
        assert all(after.halfmove_clock >= 120 or not after.has_legal_moves() for after in over)

    def test_without_rulings_positions_may_return(self) -> None:
        game = random_game(3, 12)
        found = TreeSearch(Leaves(), BARE, rules="none")
        found.set_root(game)
        think(found, 2000)
        reached = list(nodes_of(found, game))
        assert any(keys_since(board, game.ply).count(board.key) > 1 for _, board in reached)
        assert all(not board.has_legal_moves() for node, board in reached if node["state"] == tree.OVER)


def keys_since(board: Board, ply: int) -> list[int]:
    """Return the keys of the positions from a ply on."""
    back, keys = board.copy(), [board.key]
    while back.ply > ply:
        back.pop()
        keys.append(back.key)
    return keys


class TestBackup:
    @pytest.mark.parametrize("threads", [1, 3])
    def test_the_numbers_add_up(self, threads: int) -> None:
        board = Board()
        found = TreeSearch(Leaves(), BARE)
        found.set_root(board)
        think(found, 2500, threads)
        assert found.made == 2500
        for node, after in nodes_of(found, board):
            children = found._edges["node"][node["first"] : node["first"] + node["edges"]]
            children = children[children >= 0]
            assert node["flying"] == 0
            assert node["visits"] == 1 + found._nodes["visits"][children].sum(), after.fen()
            total = node["value"] - found._nodes["total"][children].sum()
            assert node["total"] == pytest.approx(total, abs=1e-2)

    def test_one_thread_gives_the_same_tree_again(self) -> None:
        first, second = (search(random_game(5, 7), 900) for _ in range(2))
        assert first.candidates() == second.candidates()


class TestSelection:
    def test_the_best_edge_is_that_of_the_formula(self) -> None:
        """PUCT with first-play urgency, written out with all edges in turn."""
        params = Params(depth=-1, mate_moves=0, exploration=1.1, growth=0.3, base=100.0, reduction=0.4, spread=0.0)
        found, rng = search(Board(), 60, params), np.random.default_rng(3)
        for _ in range(200):
            node = found._nodes[0]
            edges = found._edges[node["first"] : node["first"] + node["edges"]]
            edges["prior"] = -np.sort(-rng.dirichlet(np.full(len(edges), 0.3)))
            seen = edges["node"] >= 0
            order = np.argsort(~seen, kind="stable")  # moves are visited in the order of their priors
            edges["node"], seen = edges["node"][order], seen[order]
            children = edges["node"][seen]
            found._nodes["visits"][children] = visits = rng.integers(1, 30, len(children))
            found._nodes["total"][children] = -rng.uniform(-0.9, 0.9, len(children)) * visits
            found._nodes["visits"][0] = 1 + visits.sum()
            found._nodes["total"][0] = 0.2 * (1 + visits.sum())
            q = np.full(len(edges), 0.0)
            q[seen] = -found._nodes["total"][children] / visits
            q[~seen] = 0.2 - 0.4 * np.sqrt(edges["prior"][seen].sum())
            tried = np.zeros(len(edges))
            tried[seen] = visits
            c = 1.1 + 0.3 * np.log(1 + (1 + visits.sum()) / 100)
            score = q + c * edges["prior"] * np.sqrt(visits.sum()) / (1 + tried)
            best = tree.best_edge(found._state[0], found._nodes, found._edges, 0)
            assert best - node["first"] == score.argmax()

    def test_the_move_that_holds_longest_is_chosen(self) -> None:
        board = Board("3k5/4a4/9/9/9/9/9/9/R8/3K5 b")
        best, *others = search(board, 2000).candidates()
        assert best.move.iccs == "d9e9"  # anything else is mate on a9
        assert [candidate.proven for candidate in others] == [-1] * len(others)


class TestProofs:
    @pytest.mark.parametrize(
        ("fen", "first", "moves"),
        [
            ("4k4/R8/9/9/9/9/9/9/8R/3K5 w", "i1i9", 1),
            ("3k5/9/3P5/9/9/9/9/9/4R4/4K4 w", None, 1),
            ("4ka3/4a4/9/9/9/9/9/9/4r4/3K1r3 b", None, 1),
        ],
    )
    def test_a_mate_is_proven_and_chosen(self, fen: str, first: str | None, moves: int) -> None:
        board = Board(fen)
        best = search(board, 3000).candidates()[0]
        assert best.proven == 1
        for move in best.pv:
            board.push(move)
        assert not board.has_legal_moves()

    def test_mates_by_checks_are_found_at_leaves(self) -> None:
        """Red mates in two after any of Black's moves but one; each of these leaves is proven without looking on."""
        board = Board("3k5/4a4/9/9/9/9/9/9/R7R/4K4 b")
        found = search(board, 30, Params(depth=-1, mate_moves=2))
        proven = [after for node, after in nodes_of(found, board) if node["state"] == tree.OVER and node["plies"]]
        assert proven
        for after in proven:
            assert minimax(after.copy(), 3) == 1, after.fen()

    def test_a_mate_at_the_root_is_played_at_once(self) -> None:
        board = Board("3k5/9/9/9/9/9/9/R8/1R7/4K4 w")
        found = search(board, 100, Params())
        best = found.candidates()[0]
        assert (best.move.iccs, best.proven, best.plies, found.made) == ("b1d1", 1, 1, 0)

    def test_proven_values_are_those_of_full_search(self) -> None:
        """Whatever is proven is what minimax to the depth of the proof says."""
        proven = 0
        mating = "4ka3/4a4/9/9/9/9/9/R8/4r3r/3AK4 w", "4k4/4a4/9/3P5/9/9/4r4/1R1r5/4A4/2R1K4 w"
        for seed, fen in product(range(8), mating):
            game = open_game(seed, 2, fen)
            for node, board in nodes_of(search(game, 1500), game):
                if node["lower"] == node["upper"] != 0 and not node["ruled"] and 0 < node["plies"] <= 3:
                    assert minimax(board.copy(), int(node["plies"])) == node["lower"], board.fen()
                    proven += 1
        assert proven > 50


def minimax(board: Board, plies: int) -> int:
    """Return 1 or -1 if the side to move wins or loses by mate within so many plies, else 0."""
    if not board.has_legal_moves():
        return -1
    if plies == 0:
        return 0
    best = -1
    for move in board.legal_moves:
        board.push(move)
        best = max(best, -minimax(board, plies - 1))
        board.pop()
    return best


class TestVerification:
    FORK = Board("3ak4/4a4/4b4/p3p3p/2p1n4/6R2/P3P1r1P/2N1B4/4A4/3AKAB2 w")

    def searched(self, **changes: float) -> TreeSearch:
        return search(self.FORK, 200, replace(Params(mate_moves=0, root_share=0), **changes))

    def test_the_best_moves_are_asked_for_with_what_speaks_for_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.searched()
        before = [candidate.move for candidate in found.candidates()]
        asked: dict[Move, int] = {}

        def verify(
            space: Workspace, moves: np.ndarray, favours: np.ndarray, count: int, nodes: int, helpers: list[Workspace]
        ) -> Iterator[tuple[int, list[Price]]]:
            asked.update(zip((MOVES[move] for move in moves), favours.tolist(), strict=True))
            yield 30, [Price(before[2], 50, (before[2],))]

        monkeypatch.setattr(found._leaves, "verify", verify)
        assert len(list(found.verify(1000))) == 1
        after = [candidate.move for candidate in found.candidates()]
        verified = Params().verified
        assert set(before[:verified]) <= set(asked) and len(asked) <= verified + 1
        assert max(asked.values()) == 0 and asked[before[0]] > asked[before[3]]
        assert after == [before[2], *before[:2], *before[3:]]

    def test_the_score_decides_unless_others_are_favoured(self) -> None:
        leaves = Leaves()
        leaves.set_board(self.FORK)
        space = Workspace(1)
        exact = {price.move: price.score for price in self.FORK.tactics(3).prices}
        moves = np.array([move.index for move in exact], np.int16)[::-1]
        for favours in (np.zeros(len(moves), np.int64), 1000 * (np.arange(len(moves)) % 3 == 1)):
            *_, (_, [chosen]) = leaves.verify(space, moves, favours, 1, 300_000)
            favoured = [MOVES[move] for move, favour in zip(moves, favours, strict=True) if favour == favours.max()]
            assert chosen.move is max(favoured, key=lambda move: exact[move])

    @given(st.integers(1, 6), st.integers(1, 3), st.data())
    @settings(max_examples=30, deadline=None)
    def test_the_best_ones_are_those_with_the_greatest_sums(self, count: int, depth: int, data: st.DataObject) -> None:
        space, net, table = new_workspace(), NO_NET, np.zeros((1 << 12, 2), np.int64)
        exact = {price.move.index: price.score for price in Searcher().tactics(self.FORK, depth).prices}
        moves = np.array(data.draw(st.permutations(sorted(exact))), np.int16)
        favours = np.array(
            data.draw(st.lists(st.integers(-60, 60), min_size=len(moves), max_size=len(moves))), np.int64
        )
        sums = [exact[move] + favour for move, favour in zip(moves.tolist(), favours.tolist(), strict=True)]
        prices, lines = np.zeros((2, len(moves)), np.int64), np.zeros((2, len(moves), 4), np.int16)
        set_board(space, self.FORK)
        order, own = moves.copy(), favours.copy()
        assert favourites(space, table, net, 1, depth, count, NO_LIMIT, order, own, prices, lines) == depth
        assert sorted(order) == sorted(moves)
        if depth == 1:  # deeper searches prune
            assert (prices[0] + own)[:count].tolist() == sorted(sums, reverse=True)[:count]
            assert prices[0, :count].tolist() == [exact[move] for move in order[:count].tolist()]
        given_for = dict(zip(moves.tolist(), favours.tolist(), strict=True))
        assert own.tolist() == [given_for[move] for move in order.tolist()]
        assert lines[0, :count, 0].tolist() == order[:count].tolist()
        assert (np.diff((prices[0] + own)[:count]) <= 0).all()

    def test_its_scores_and_lines_are_told(self) -> None:
        found = self.searched()
        before = found.candidates()[0]
        assert before.value == before.seen
        looked, depths = before.depth, []
        for _ in found.verify(200_000, 3):
            best = found.candidates()[:3]
            depths.append(best[0].depth)
            assert len({candidate.depth for candidate in best}) == 1
            assert best[0].value >= best[1].value >= best[2].value
        assert depths[0] >= looked > 4 and depths == sorted(depths) and depths[-1] > looked
        assert all(candidate.pv[0] is candidate.move and candidate.value != candidate.seen for candidate in best)
        assert [candidate.move for candidate in best] == [candidate.move for candidate in found.candidates()[:3]]
        for candidate in best:
            board = self.FORK.copy()
            for move in candidate.pv:
                assert board.is_legal(move)
                board.push(move)
        assert len(best[0].pv) >= depths[-1] - 2

    def test_moves_are_counted_whose_result_is_not_proven(self) -> None:
        for fen in ("3k5/4a4/9/9/9/9/9/9/R7R/4K4 w", "3k5/9/9/9/9/9/9/R8/1R7/4K4 b", "4k4/4P4/9/9/9/9/9/9/4p4/3K5 w"):
            for visits in (2, 40, 400):
                found = search(Board(fen), visits)
                over = found.root["lower"] == found.root["upper"]
                assert found.unclear == (0 if over else sum(c.proven is None for c in found._candidates()))

    def test_what_is_found_less_deep_than_the_look_at_the_root_counts_at_the_end(self) -> None:
        found = self.searched()
        looked = found.candidates()[0].depth
        assert list(found.verify(1)) == []
        assert found.candidates()[0].depth < looked

    def test_nothing_outweighs_a_mate(self) -> None:
        board, leaves = Board("3k5/4a4/9/9/9/9/9/9/R7R/4K4 w"), Leaves()
        leaves.set_board(board)
        moves = board.legal_move_indices()
        for favoured in range(0, len(moves), 5):
            favours = np.where(np.arange(len(moves)) == favoured, 0, -3000)
            *_, (_, prices) = leaves.verify(Workspace(1), moves, favours, 3, 100_000)
            assert prices[0].mate == 2
            assert [price.score for price in prices] == sorted((price.score for price in prices), reverse=True)

    def test_if_the_best_moves_lose_to_a_mate_all_are_searched(self) -> None:
        board = Board("3ak1b2/4a4/6N2/p1R3p1p/9/2P3P2/P3P3P/crNKC4/4A4/2c2AB2 w")
        found = search(board, 40, replace(Params(mate_moves=0, root_share=0, verified=1)))
        found._tactical = None
        found._edges["node"][found.root["first"] :][: found.root["edges"]] = -1
        order = found._edges[found.root["first"] :][: found.root["edges"]]
        order["prior"] = [0.5 if MOVES[move].iccs == "c6f6" else 0.5 / len(order) for move in order["move"]]
        for _ in found.verify(60_000):
            pass
        best = found.candidates()[0]
        assert best.move.iccs != "c6f6" and best.proven is None

    def test_near_a_draw_for_want_of_captures_tactics_are_not_asked(self) -> None:
        for clock, asked in ((116, False), (80, True)):
            found = search(Board(f"3k5/4a4/4b4/9/9/9/9/4B4/R3A4/R3K4 w - - {clock} 70"), 30, Params(mate_moves=0))
            list(found.verify(20_000))
            assert bool(found._verified[1]) == asked
        rules = search(Board("3k5/4a4/4b4/9/9/9/9/4B4/R3A4/R3K4 w - - 116 70"), 30, Params(mate_moves=0), rules="none")
        list(rules.verify(20_000))
        assert rules._verified[1]

    def test_a_mate_that_may_come_too_late_is_not_proven(self) -> None:
        move = Board().legal_moves[0]
        for clock, proven in ((70, 1), (95, None)):
            found = search(Board(Board().fen().replace(" 0 1", f" {clock} 60")), 10)
            found._verified = 25, [Price(move, MATE - 25, (move,))]
            best = found.candidates()[0]
            assert best.move is move and best.proven == proven and best.value > 0.99

    def test_other_threads_help_and_end_with_it(self) -> None:
        found, before = self.searched(), threading.active_count()
        for _ in found.verify(300_000, threads=3):
            assert threading.active_count() <= before + 2
        assert threading.active_count() == before
        helper = found._space(1)
        assert helper.tactics["nodes"] > 0 and not helper.tactics["stop"]
        assert found.candidates()[0].depth > 4

    def test_a_mate_that_it_finds_is_proven(self) -> None:
        board = Board("3k5/4a4/9/9/9/9/9/9/R7R/4K4 w")
        found = search(board, 3, replace(Params(mate_moves=0, root_share=0)))
        for _ in found.verify(20_000):
            pass
        best = found.candidates()[0]
        assert (best.proven, best.value) == (1, 1.0) and best.plies == len(best.pv)
        for move in best.pv:
            board.push(move)
        assert not board.has_legal_moves()

    def test_without_tactics_nothing_is_verified(self) -> None:
        found = self.searched(depth=-1)
        before = found.candidates()
        assert list(found.verify(1000)) == []
        assert found.candidates() == before


class TestKeeping:
    def test_what_is_below_the_moves_played_is_kept(self) -> None:
        board = Board()
        found = search(board, 4000)
        line = found.candidates()[0].pv[:2]
        for move in line:
            board.push(move)
        before = {
            tuple(m.iccs for m in after.move_stack): (int(node["visits"]), float(node["total"]))
            for node, after in nodes_of(found, Board())
            if tuple(after.move_stack[:2]) == line
        }
        found.set_root(board)
        after = {
            tuple(m.iccs for m in b.move_stack): (int(node["visits"]), float(node["total"]))
            for node, b in nodes_of(found, board)
        }
        assert after == before
        assert len(after) > 1

    def test_another_game_begins_anew(self) -> None:
        found = search(Board.from_moves("h2e2"), 500)
        found.set_root(Board.from_moves("b2e2"))
        assert found.root["visits"] == 1

    def test_a_full_tree_ends_the_search(self) -> None:
        found = search(Board(), 100_000, size=600)
        assert 300 < found._state["nodes"][0] <= 600
