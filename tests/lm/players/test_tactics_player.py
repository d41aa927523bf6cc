"""The player that looks ahead without the model."""

from __future__ import annotations

import threading
import time

import pytest

from lm import UserError
from lm.players.player import Thinker
from lm.players.specs import Spec, load_player
from lm.players.tactics_player import TacticsPlayer
from xiangqi import RED, Board, Move
from xiangqi.engine import Limit, Score

MATE = Board("3k5/9/9/9/9/9/9/R8/1R7/5K3 w")


class TestChoosing:
    @pytest.mark.parametrize("spec", ["tactics", "tactics:3", "tactics:depth=3", "tactics:nodes=3000"])
    def test_it_takes_what_hangs_and_mates(self, spec: str) -> None:
        player = load_player(spec)
        hanging = Board("3k5/9/9/9/4r4/9/9/4R4/9/4K4 w")
        takes, mates = player.choose([hanging, MATE])
        assert takes.move == Move.from_iccs("e2e5") == takes.info.pv[0]
        assert takes.value is not None and takes.value > 0.9
        assert mates.info.score == Score(RED, mate=2)
        assert player.name == spec

    def test_a_limit_replaces_its_own(self) -> None:
        player = TacticsPlayer(depth=2)
        (choice,) = player.choose([Board()], Limit(depth=3))
        assert choice.info.depth == 3
        (choice,) = player.choose([Board()], Limit(root_moves=(Move.from_iccs("a0a1"),)))
        assert (choice.move, choice.info.depth) == (Move.from_iccs("a0a1"), 2)

    def test_the_same_moves_each_game(self) -> None:
        player = TacticsPlayer(depth=3)
        games = []
        for _ in range(2):
            player.new_game()
            board = Board()
            while board.ply < 6:
                board.push(player.choose([board])[0].move or MATE.legal_moves[0])
            games.append(board.move_stack)
        assert games[0] == games[1]

    def test_time_ends_it(self) -> None:
        player = TacticsPlayer(movetime=50)
        start = time.monotonic()
        (choice,) = player.choose([Board()])
        assert time.monotonic() - start < 5
        assert choice.move in Board().legal_moves
        (choice,) = player.choose([Board()], Limit(red_clock=1, black_clock=1))
        assert choice.move in Board().legal_moves

    def test_it_is_stopped(self) -> None:
        player = TacticsPlayer(depth=60)
        done = threading.Event()

        def stop() -> None:
            while not done.wait(0.05):
                player.stop()

        thread = threading.Thread(target=stop)
        thread.start()
        (choice,) = player.choose([Board()])
        done.set()
        thread.join()
        assert choice.move in Board().legal_moves and choice.info.depth and choice.info.depth < 60

    @pytest.mark.parametrize("spec", ["tactics:0", "tactics:movetime=-1", "tactics:megabytes=0"])
    def test_wrong_settings(self, spec: str) -> None:
        with pytest.raises(UserError, match="must be at least 1"):
            load_player(spec)

    def test_wrong_options_are_seen_before_it_is_opened(self) -> None:
        with pytest.raises(UserError, match="depth is a whole number, not 'deep'"):
            Spec.parse("tactics:deep")


class TestAnalysis:
    def test_lines(self) -> None:
        player = TacticsPlayer()
        assert isinstance(player, Thinker)
        with player.analyse(MATE, Limit(depth=3), multipv=3) as analysis:
            seen = list(analysis)
        assert [line.info.multipv for line in analysis.lines] == [1, 2, 3]
        assert analysis.lines[0].info.score == Score(RED, mate=2)
        assert {line.info.depth for line in seen} == {1, 2, 3}
        assert [line.value for line in analysis.lines] == sorted((each.value for each in analysis.lines), reverse=True)

    def test_it_goes_on_until_it_is_stopped(self) -> None:
        analysis = TacticsPlayer().analyse(Board())
        threading.Timer(0.2, analysis.stop).start()
        depths = [line.info.depth for line in analysis]
        assert depths[0] == 1 and len(depths) > 2
        assert analysis.result().best.move in Board().legal_moves
