from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lm import UserError
from lm.players.engine import EnginePlayer
from lm.players.player import Choice, PlayerError
from lm.players.simple import GreedyPlayer, RandomPlayer, exchange
from lm.players.specs import load_player
from xiangqi import Board, Move
from xiangqi.engine import Limit

# Speaks UCI, plays the first move of the initial position, and dies on the word that it is told to die on.
FRAIL_ENGINE = """
import sys
for line in sys.stdin:
    if line.startswith("go") and "{word}" in last:
        sys.exit("out of luck")
    if line.strip() == "quit":
        break
    if line.strip() == "uci":
        print("id name frail\\nuciok", flush=True)
    if line.strip() == "isready":
        print("readyok", flush=True)
    if line.startswith("go"):
        print("info depth 1 score cp 400\\nbestmove a0a1", flush=True)
    last = line
"""


def frail_engine(tmp_path: Path, word: str) -> EnginePlayer:
    script = tmp_path / "frail.py"
    script.write_text(FRAIL_ENGINE.format(word=word))
    return EnginePlayer("uci", f"{sys.executable} {script}", Limit(depth=1), name="frail")


class TestRandomPlayer:
    def test_plays_legal_moves_and_leaves_the_boards_alone(self) -> None:
        boards = [Board(), Board.from_moves("h2e2 h9g7")]
        before = [board.copy() for board in boards]
        for choice, board in zip(RandomPlayer(seed=3).choose(boards), boards, strict=True):
            assert choice.move in board.legal_moves
        assert boards == before

    def test_same_seed_same_moves(self) -> None:
        boards = [Board()] * 20
        first, second = (RandomPlayer(seed=7).choose(boards) for _ in range(2))
        assert first == second
        assert first != RandomPlayer(seed=8).choose(boards)

    def test_reaches_every_move(self) -> None:
        seen = {choice.move for choice in RandomPlayer(seed=1).choose([Board()] * 2000)}
        assert seen == set(Board().legal_moves)


class TestGreedyPlayer:
    def test_takes_the_most_valuable_piece_it_can_keep(self) -> None:
        # The rook can take an undefended pawn or an undefended knight.
        board = Board("4k4/9/9/9/4n4/9/p3R4/9/9/3K5 w")
        assert GreedyPlayer(seed=1).choose([board]) == [Choice(Move.from_iccs("e3e5"))]

    def test_leaves_a_defended_piece_of_less_value(self) -> None:
        # The rook on e5 could take the pawn on e6, which the rook on a6 defends.
        board = Board("3k5/9/9/r3p4/4R4/9/9/9/9/5K3 w")
        assert Move.from_iccs("e5e6") in board.legal_moves
        assert all(c.move is not Move.from_iccs("e5e6") for c in GreedyPlayer(seed=2).choose([board] * 200))

    def test_exchange_counts_the_recapture_only_where_it_is_legal(self) -> None:
        # The pawn on d5 is defended by the rook on e5, unless Red's rook on e0 pins that to its king.
        take = Move.from_iccs("d2d5")
        assert exchange(Board("4k4/9/9/9/3pr4/9/9/3R5/9/3K5 w"), take) == 1.0 - 9.0
        assert exchange(Board("4k4/9/9/9/3pr4/9/9/3R5/9/3KR4 w"), take) == 1.0


class TestEnginePlayer:
    def test_plays_and_says_what_it_expects(self, tmp_path: Path) -> None:
        player = frail_engine(tmp_path, "never")
        try:
            (choice,) = player.choose([Board()])
        finally:
            player.close()
        assert choice.move is Move.from_iccs("a0a1")
        assert choice.value == pytest.approx(1 / 1.1)  # four pawns up: ten to one

    def test_a_crash_is_told_and_the_next_choice_starts_it_again(self, tmp_path: Path) -> None:
        player = frail_engine(tmp_path, "i9i8")
        try:
            with pytest.raises(PlayerError, match="out of luck"):
                player.choose([Board.from_moves("i0i1 i9i8")])
            assert player.choose([Board()])[0].move is Move.from_iccs("a0a1")
        finally:
            player.close()
            player.close()

    def test_closed_is_closed(self, tmp_path: Path) -> None:
        player = frail_engine(tmp_path, "never")
        player.close()
        with pytest.raises(PlayerError, match="frail is closed"):
            player.choose([Board()])

    def test_no_such_program(self) -> None:
        with pytest.raises(PlayerError, match="no-such-engine"):
            EnginePlayer("uci", "no-such-engine", Limit(depth=1))

    def test_fairy_stockfish(self, fairy_stockfish: str) -> None:
        player = load_player(f"uci:cmd={fairy_stockfish},UCI_Variant=xiangqi,depth=2")
        try:
            board = Board("3k5/7R1/6R2/9/9/9/9/9/9/4K4 w")
            board.push_iccs(player.choose([board])[0].move.iccs)
            assert board.is_checkmate()
        finally:
            player.close()


class TestSpecs:
    def test_a_name_is_the_spec(self) -> None:
        assert load_player("greedy:seed=4").name == "greedy:seed=4"

    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            ("", "\\(random, greedy, lm, uci, ucci"),
            ("stockfish", "no player 'stockfish'"),
            ("random:sede=1", "options: seed"),
            ("random:seed", "as name=value"),
            ("random:seed=one", "seed is a whole number"),
            ("random:seed=1,seed=2", "given twice"),
            ("lm:temprature=1", "options: model, temperature, top_k, top_p, style, source, strength, aim, dtype"),
            ("lm:temperature=warm", "temperature is a number"),
            ("lm:top_k=1.5", "top_k is a whole number, not '1.5'"),
            ("lm:seed=-1", "seed must not be negative: -1"),
            ("uci:depth=1", "needs cmd"),
            ("uci:cmd=cat", "depth, nodes, movetime"),
            ("uci:cmd=cat,depth=0", "at least 1"),
            ("uci:cmd='cat,depth=1", "has no closing quotation"),
            ("uci:cmd=cat,depth=1,timeout=nan", "timeout is in seconds, above 0: nan"),
            ("uci:cmd=cat,depth=1,timeout=-1", "timeout is in seconds, above 0: -1"),
            ("uci:cmd=cat,depth=1,timeout=inf", "timeout is in seconds"),
            ("ucci:cmd=no-such-engine,depth=1", "no-such-engine"),
        ],
    )
    def test_a_wrong_spec_says_what_is_allowed(self, spec: str, reason: str) -> None:
        with pytest.raises(UserError, match=reason) as caught:
            load_player(spec)
        assert "\n" not in str(caught.value)
