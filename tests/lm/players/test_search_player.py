"""The search as a player: choices, limits, analysis, and its place in specs."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lm
from lm import UserError
from lm.players import search_player
from lm.players.search.clock import budget
from lm.players.search.leaves import NetworkLeaves
from lm.players.search.params import Params
from lm.players.search_player import Search
from lm.players.specs import Spec, load_player
from xiangqi import RED, Board, Move
from xiangqi.engine import Limit

OPENING = "h2e2 h9g7 h0g2 i9h9"
MATE_IN_TWO = "3k5/4a4/9/9/9/9/9/9/R7R/4K4 w"


@pytest.fixture(scope="module")
def player() -> Iterator[Search]:
    found = Search(nodes=80)
    yield found
    found.close()


def forced_return() -> Board:
    """Red, who is winning, checks; the only answer leads to a position that was there once before."""
    board = Board("2bk1a2C/4a4/4b1n2/9/p7P/9/P4N3/4B3B/4A4/3A1K3 b")
    for iccs in ("g7h9", "f3e5", "d9d8", "e5c6", "d8d7", "c6e5"):
        board.push_iccs(iccs)
    assert [move.iccs for move in board.legal_moves] == ["d7d8"]
    return board


class TestChoose:
    def test_the_choice_has_a_line_a_score_and_the_policy(self, player: Search) -> None:
        board = Board.from_moves(OPENING)
        (choice,) = player.choose([board])
        assert choice.move in board.legal_moves
        assert choice.info.pv[0] is choice.move
        for move in choice.info.pv:
            board.push(board.parse_iccs(move.iccs))  # the line is legal
        assert choice.info.score is not None
        assert choice.info.score.color == RED
        assert choice.info.wdl is not None
        assert sum(choice.info.wdl) == pytest.approx(1000)
        assert sum(share for _, share in choice.candidates) == pytest.approx(1, abs=1e-4)

    def test_the_same_search_gives_the_same_choice(self) -> None:
        board = Board.from_moves(OPENING)
        first, second = (Search(nodes=150, seed=1).choose([board])[0] for _ in range(2))
        assert (first.candidates, first.info.wdl, first.info.pv) == (second.candidates, second.info.wdl, second.info.pv)

    def test_the_network_for_tactics_can_be_left_out(self) -> None:
        board = Board.from_moves(OPENING)
        values = {}
        for net in (None, "shipped", "none"):
            (choice,) = Search(nodes=100, net=net, seed=1).choose([board])
            values[net] = choice.info.score
        assert values[None] == values["shipped"] != values["none"]
        with pytest.raises(UserError, match="there is none with model=none"):
            Search(model="none", net="shipped")

    def test_several_boards_are_searched_each_with_its_limit(self, player: Search) -> None:
        boards = [Board(), Board.from_moves(OPENING), Board(MATE_IN_TWO)]
        choices = player.choose(boards, [Limit(nodes=10), Limit(nodes=70), Limit(nodes=10)])
        assert all(choice.move in board.legal_moves for choice, board in zip(choices, boards, strict=True))

    def test_only_root_moves_are_chosen(self, player: Search) -> None:
        only = (Move.from_iccs("a0a1"), Move.from_iccs("i0i1"))
        (choice,) = player.choose([Board()], Limit(nodes=70, root_moves=only))
        assert choice.move in only
        (choice,) = player.choose([Board()], Limit(nodes=70))
        assert choice.move not in only

    def test_a_mate_is_announced_from_its_proof(self, player: Search) -> None:
        board = Board(MATE_IN_TWO)
        (choice,) = player.choose([board])
        assert choice.info.score is not None
        assert choice.info.score.mate == 2
        for move in choice.info.pv:
            board.push(move)
        assert board.is_checkmate()

    def test_a_lost_game_is_told_from_the_side_to_move(self, player: Search) -> None:
        (choice,) = player.choose([Board("3k5/4a4/9/9/9/9/9/9/R7R/4K4 b")], Limit(nodes=200))
        assert choice.value is not None
        assert choice.value < 0.3

    def test_a_game_goes_on_where_it_was(self, player: Search) -> None:
        """What was found about the line that is played is kept."""
        board = Board.from_moves(OPENING)
        player.choose([board], Limit(nodes=300))
        for move in player._searches[-1]._candidates()[0].pv[:2]:
            board.push(move)
        search, _ = player._search_of(board, Limit(), threading.Event())
        assert search.root["visits"] > 10
        player._keep(search)

    def test_taking_back_and_other_games_do_not_confuse_it(self, player: Search) -> None:
        long, short = Board.from_moves(OPENING + " b2d2"), Board.from_moves(OPENING)
        fresh = Search(nodes=80).choose([short])[0]
        player.choose([long])
        player.choose([Board(MATE_IN_TWO)])
        assert Search(nodes=80).choose([short])[0].move is fresh.move
        assert player.choose([short])[0].move in short.legal_moves

    def test_a_forced_return_to_a_position_of_the_game_is_not_taken_for_its_end(self, player: Search) -> None:
        board = forced_return()
        (choice,) = player.choose([board], Limit(nodes=100))
        assert choice.value < 0.3
        assert player.analyse(board, Limit(nodes=100)).result().best.value < 0.3

    def test_a_return_that_ended_a_line_of_the_tree_does_not_end_the_game(self, player: Search) -> None:
        """As above, where the tree is kept from before the position was there for the first time."""
        board = Board("2bk1a2C/4a4/4b1n2/9/p7P/9/P4N3/4B3B/4A4/3A1K3 b")
        values = []
        for iccs in ("g7h9", "f3e5", "d9d8", "e5c6", "d8d7", "c6e5", "d7d8"):
            values.append(player.choose([board], Limit(nodes=200))[0].value)
            board.push_iccs(iccs)
        assert max(values[::2]) < 0.3  # Black's
        assert min(values[1::2]) > 0.7

    def test_the_trees_of_finished_games_are_let_go(self) -> None:
        player = Search(nodes=16)
        trees = []
        for board in (Board(), Board(MATE_IN_TWO), Board.from_moves(OPENING)):
            player.choose([board])
            trees += map(weakref.ref, player._searches)
        gc.collect()
        assert [tree() is not None for tree in trees] == [False, False, True]


class TestVariety:
    def test_openings_vary_with_a_temperature_and_not_without(self) -> None:
        varied = Search(nodes=100, temperature=1, seed=3)
        assert len({varied.choose([Board()])[0].move for _ in range(8)}) > 1
        assert len({Search(nodes=100).choose([Board()])[0].move for _ in range(3)}) == 1

    def test_noise_changes_the_priors_and_keeps_their_sum(self, player: Search) -> None:
        board = Board.from_moves(OPENING)
        noisy = Search(nodes=80, noise=0.5, seed=4)
        with_noise, without = (dict(p.choose([board])[0].candidates) for p in (noisy, player))
        assert sum(with_noise.values()) == pytest.approx(1, abs=1e-4)
        assert sum(abs(with_noise[move] - without[move]) for move in without) > 0.2

    @pytest.mark.parametrize(("option", "value"), [("noise", 1.5), ("temperature", -1.0), ("seed", -1)])
    def test_wrong_values_are_named(self, option: str, value: float) -> None:
        with pytest.raises(UserError, match=option):
            Search(**{option: value})

    @pytest.mark.parametrize(
        ("option", "value"),
        [("verify", 1), ("verify", -0.1), ("verified", 0), ("batch", 0), ("policy_temperature", 0), ("mate_moves", 99)],
    )
    def test_wrong_parameters_are_named(self, option: str, value: float) -> None:
        with pytest.raises(UserError, match=rf"{option} must .*: {value:g}"):
            Spec.parse(f"search:{option}={value}").open()


class TestLimits:
    @pytest.mark.parametrize("analysed", [False, True])
    def test_stop_ends_the_verification(self, analysed: bool) -> None:
        """It would take years."""
        player = Search()
        player._params = Params(verify=1 - 1e-9)
        board, moves = Board.from_moves(OPENING), []
        analysis = player.analyse(board, Limit(nodes=100))

        def think() -> None:
            if analysed:
                moves.append(analysis.result().lines[0].info.pv[0])
            else:
                moves.append(player.choose([board], Limit(nodes=100))[0].move)

        thinking = threading.Thread(target=think)
        thinking.start()
        while thinking.is_alive():
            time.sleep(0.5)
            (analysis if analysed else player).stop()
        assert moves[0] in board.legal_moves

    def test_stop_ends_the_tactics_at_the_root(self) -> None:
        """They would take years too."""
        player = Search()
        player._params = Params(root_share=1e9)
        analysis = player.analyse(Board.from_moves(OPENING))
        thinking = threading.Thread(target=analysis.result)
        thinking.start()
        while thinking.is_alive():
            time.sleep(0.2)
            analysis.stop()
        assert analysis.lines[0].move in analysis.board.legal_moves

    def test_stop_ends_the_reading_of_a_long_game(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An analysis that is stopped before it has read the game has no lines; the next one goes on from there."""
        board = Board()
        for _ in range(20):
            for move in ("h2e2", "h9g7", "e2h2", "g7h9"):
                board.push_iccs(move)
        player, other, read = Search(), Search(), []
        whole = NetworkLeaves._evaluate

        def evaluate(self: NetworkLeaves, *arguments: Any) -> None:
            read.append(arguments[-1])
            whole(self, *arguments)
            if len(read) == stop_at:
                analysis.stop()

        monkeypatch.setattr(NetworkLeaves, "_evaluate", evaluate)
        for stop_at in (2, 4, 7):  # the last time in the mirror image
            read.clear()
            analysis = player.analyse(board, Limit(nodes=20))
            assert list(analysis) == []
            assert len(read) == stop_at
        stop_at = 0
        again, afresh = (each.analyse(board, Limit(nodes=20)).result().lines for each in (player, other))
        assert [line.info.pv for line in again] == [line.info.pv for line in afresh]
        assert again[0].value == pytest.approx(afresh[0].value, abs=1e-5)

    def test_a_move_is_chosen_however_early_it_is_stopped(self, player: Search) -> None:
        board = Board.from_moves(OPENING)
        player._stopped.set()
        assert player._choose(board, Limit(time=1000)).move in board.legal_moves

    @pytest.mark.parametrize("seconds", [1e-4, 1e-3, 3e-3])
    def test_the_shortest_times_are_kept(self, player: Search, seconds: float) -> None:
        """However late the verification begins, it ends."""
        board = Board()
        for _ in range(30):
            board.push(player.choose([board], Limit(time=seconds))[0].move or board.legal_moves[0])

    def test_stop_ends_it_with_a_move(self, player: Search) -> None:
        moves = []
        thinking = threading.Thread(target=lambda: moves.append(player.choose([Board()], Limit(time=1000))[0].move))
        thinking.start()
        while thinking.is_alive() and not moves:
            player.stop()
            time.sleep(0.05)
        thinking.join()
        assert moves[0] in Board().legal_moves

    @pytest.mark.parametrize(
        ("limit", "target", "most"),
        [
            (Limit(time=0.5), 0.5, 0.5),
            (Limit(red_clock=10.03, moves_to_go=1), 10.0, 10.0),
            (Limit(red_clock=10.03, moves_to_go=5), 2.0, 5.0),
            (Limit(nodes=4), None, None),
            (Limit(black_clock=10), None, None),
        ],
    )
    def test_the_budget(self, limit: Limit, target: float | None, most: float | None) -> None:
        found = budget(limit, Board())
        assert (found.target, found.most) == (pytest.approx(target), pytest.approx(most))

    @pytest.mark.parametrize("left", [0.01, 0.05, 1, 10, 600])
    @pytest.mark.parametrize("gain", [0, 0.1, 10])
    def test_a_clock_is_never_used_up(self, left: float, gain: float) -> None:
        found = budget(Limit(red_clock=left, red_increment=gain), Board())
        assert found.target is not None and found.most is not None
        assert 0 <= found.target <= found.most <= max(0, left - 0.03)

    @pytest.mark.parametrize("option", ["nodes", "movetime", "threads", "size"])
    def test_a_limit_of_nothing_is_an_error(self, option: str) -> None:
        with pytest.raises(UserError, match=f"{option} must be at least 1"):
            Search(**{option: 0})


class TestAnalysis:
    @pytest.mark.parametrize("depth", [2, 8])
    def test_a_depth_ends_it(self, player: Search, depth: int) -> None:
        board = Board.from_moves("h2e2 h9g7 b0c2")
        analysis = player.analyse(board, Limit(depth=depth))
        for _ in analysis:
            pass
        assert analysis.lines[0].info.depth == depth
        assert player.choose([board], Limit(depth=depth))[0].info.depth == depth

    def test_a_depth_ends_it_where_one_move_is_legal(self, player: Search) -> None:
        (choice,) = player.choose([forced_return()], Limit(depth=4))
        assert choice.move == Move.from_iccs("d7d8")

    def test_a_mate_ends_it(self, player: Search) -> None:
        analysis = player.analyse(Board(MATE_IN_TWO), Limit(mate=2))
        for _ in analysis:
            pass
        score = analysis.lines[0].info.score
        assert score is not None
        assert score.mate == 2

    def test_nodes_beyond_the_time_leave_all_of_it(self, player: Search) -> None:
        """The verification is not cut to the visits that the tree had time for."""
        board = Board.from_moves("h2e2 h9g7 b0c2")
        spent = player.choose([board], Limit(nodes=1_000_000, time=0.5))[0].info.time
        assert spent is not None
        assert spent > 0.45

    def test_the_tree_grows_however_slow_the_machine_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tactics at the root, for a share of the time by their usual speed, must not take all of it."""
        monkeypatch.setattr(search_player, "NODES_A_SECOND", 10**9)
        info = Search(seed=1).choose([Board.from_moves("h2e2 h9g7 b0c2")], Limit(time=0.3))[0].info
        assert info.nodes

    def test_without_a_limit_the_tree_and_tactics_take_turns(self, player: Search) -> None:
        """Each reports: the number of nodes is the tree's, the depth that of the tactics."""
        told, deepest = [], 0
        with player.analyse(Board.from_moves(OPENING)) as analysis:
            for line in analysis:
                told.append((line.info.nodes, line.info.depth))
                alone = [depth for nodes, depth in told if nodes == line.info.nodes]
                deepest = max(deepest, len(set(alone)))
                if deepest > 1 and len({nodes for nodes, _ in told}) > 3:
                    break

    def test_what_was_found_at_a_greater_depth_stays(self, player: Search) -> None:
        depths = []
        with player.analyse(Board.from_moves(OPENING)) as analysis:
            for line in analysis:
                if line.info.depth > 6:
                    depths.append(line.info.depth)
                if len(depths) > 6:
                    break
        assert depths == sorted(depths)

    def test_the_depth_of_the_best_line_does_not_fall(self) -> None:
        with Search().analyse(Board.from_moves(OPENING), multipv=3) as analysis:
            depths = [line.info.depth for line, _ in zip(analysis, range(60), strict=False) if line.info.multipv == 1]
        assert depths == sorted(depths) and depths[0] > 4

    def test_it_ends_when_the_tree_is_full(self) -> None:
        lines = Search(size=300).analyse(Board.from_moves(OPENING)).result().lines
        assert lines[0].info.hashfull > 800

    def test_without_tactics_it_goes_on(self) -> None:
        with Search(params=Params(depth=-1)).analyse(Board.from_moves(OPENING)) as analysis:
            assert any(line.info.nodes > 500 for line in analysis)

    @pytest.mark.parametrize("depth", [1, 12])
    def test_leaving_it_ends_its_threads(self, depth: int) -> None:
        player, before = Search(threads=3), threading.active_count()
        with player.analyse(Board.from_moves(OPENING)) as analysis:
            assert any(line.info.depth >= depth for line in analysis)
        while threading.active_count() > before:
            time.sleep(0.01)

    def test_a_mate_that_the_rules_do_not_leave_time_for_is_not_told(self, player: Search) -> None:
        board = Board("3k5/4a4/4b4/9/9/9/9/4B4/R3A4/R3K4 w - - 116 70")
        for line in player.analyse(board, Limit(nodes=200), 3).result().lines:
            assert line.info.score.mate is None or line.info.score.mate <= 2

    def test_the_lines_of_a_limited_one_are_equally_deep(self, player: Search) -> None:
        lines = player.analyse(Board.from_moves(OPENING), Limit(nodes=200), 3).result().lines
        values = [line.value for line in lines]
        assert len({line.info.depth for line in lines}) == 1 and lines[0].info.depth > 4
        assert values == pytest.approx(sorted(values, reverse=True))

    def test_one_legal_move_gets_a_value(self, player: Search) -> None:
        """Not that of the draw which tactics would see in it."""
        with player.analyse(forced_return()) as analysis:
            assert next(line for line in analysis if line.info.nodes > 100).value < 0.3

    def test_lines_come_best_first_and_have_a_result(self, player: Search) -> None:
        board = Board.from_moves(OPENING)
        player.new_game()
        analysis = player.analyse(board, Limit(nodes=200), multipv=3)
        seen = list(analysis)
        player.new_game()
        assert [line.info.multipv for line in analysis.lines] == [1, 2, 3]
        assert len({line.move for line in analysis.lines}) == 3
        assert all(line in seen for line in analysis.lines)
        result = player.analyse(board, Limit(nodes=200), multipv=3).result()
        assert result.best.move is analysis.lines[0].move
        html = result._repr_html_()
        assert html.count("<tr>") == 4
        assert "<svg" in html

    def test_more_lines_than_moves(self, player: Search) -> None:
        board = Board("3k5/4a4/9/9/9/9/9/9/9/5K3 b")
        lines = player.analyse(board, Limit(nodes=20), multipv=50).result().lines
        assert len(lines) == len(board.legal_moves)

    def test_it_can_be_stopped(self, player: Search) -> None:
        with player.analyse(Board(), Limit(time=1000)) as analysis:
            for line in analysis:
                assert line.move in Board().legal_moves
                analysis.stop()


class TestSpecs:
    def test_the_value_is_the_number_of_nodes(self) -> None:
        assert load_player("search:20").name == "search:20"

    def test_without_a_model_it_plays_by_tactics_alone(self) -> None:
        board = Board("3k5/4a4/9/9/4r4/9/9/9/4R4/4K4 w")
        assert load_player("search:100,model=none").choose([board])[0].move == Move.from_iccs("e1e5")

    def test_lm_has_it_at_its_door(self) -> None:
        assert lm.Search is Search

    def test_a_missing_model_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no model in"):
            load_player(f"search:model={tmp_path}")
