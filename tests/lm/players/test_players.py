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


# Speaks UCI or UCCI, says what it is told to say of the position, begins a game or answers h2e2, and keeps what it was
# asked.
SAYING_ENGINE = """
import sys
log = open({log!r}, "a")
for line in sys.stdin:
    words = line.split()
    print(line.strip(), file=log, flush=True)
    if words[:1] in (["uci"], ["ucci"]):
        print(words[0] + "ok", flush=True)
    if words == ["isready"]:
        print("readyok", flush=True)
    if words[:1] == ["position"]:
        best = "h9g7" if words[-1] == "h2e2" else "h2e2"
    if words[:1] == ["go"]:
        print("info depth 1 {info}", flush=True)
        print("bestmove", best, "{more}", flush=True)
    if words == ["quit"]:
        break
"""


def saying_engine(
    folder: Path, info: str = "", more: str = "", limit: Limit | None = None, protocol: str = "uci"
) -> EnginePlayer:
    """An engine that says something of every position, and more of its move; ``folder/log`` has what it was asked."""
    script = folder / "saying.py"
    script.write_text(SAYING_ENGINE.format(info=info, more=more, log=str(folder / "log")))
    return EnginePlayer(protocol, f"{sys.executable} {script}", limit or Limit(depth=1), name="saying")


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

    @pytest.mark.parametrize(
        ("fen", "takes"),
        [
            ("3k5/9/9/9/n3R3c/9/9/9/9/4K4 w", "e5i5"),  # a cannon is worth more than a knight
            ("3k5/9/9/9/n3R3b/9/9/9/9/4K4 w", "e5a5"),  # a knight more than a bishop
            ("3k5/9/9/9/r3R3c/9/9/9/9/4K4 w", "e5a5"),  # a rook more than a cannon
        ],
    )
    def test_takes_the_dearer_of_two_pieces(self, fen: str, takes: str) -> None:
        board = Board(fen)
        assert GreedyPlayer().choose([board]) == [Choice(Move.from_iccs(takes))]
        assert GreedyPlayer().choose([board.rotate()]) == [Choice(Move.from_iccs(takes).rotate())]

    def test_makes_a_quiet_move_rather_than_lose_a_piece_by_capturing(self) -> None:
        board = Board.from_moves("h2e2 h9g7")  # the only captures give a cannon for a knight or a pawn
        chosen = [choice.move for choice in GreedyPlayer(seed=1).choose([board] * 100)]
        assert not any(board.is_capture(move) for move in chosen if move)
        assert len(set(chosen)) > 20

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

    @pytest.mark.parametrize(
        ("info", "value"),
        [
            ("wdl 700 200 100", 0.8),
            ("wdl 100 200 700", 0.2),
            ("wdl 0 1000 0", 0.5),
            ("score cp -50 wdl 1000 0 0", 1.0),  # its own odds count for more
            ("score cp 400", 1 / 1.1),
            ("score cp -400", 1 - 1 / 1.1),
            ("score mate 2", 1.0),
            ("score mate -2", 0.0),
            ("", None),
        ],
    )
    def test_it_expects_to_win_where_the_engine_says_so(self, tmp_path: Path, info: str, value: float | None) -> None:
        """Whichever colour it has: engines speak of the side to move."""
        player = saying_engine(tmp_path, info)
        try:
            choices = player.choose([Board(), Board.from_moves("h2e2")])
        finally:
            player.close()
        assert [choice.value for choice in choices] == [value if value is None else pytest.approx(value, abs=1e-6)] * 2

    @pytest.mark.parametrize(
        ("limit", "protocol", "asked"),
        [
            (Limit(depth=3), "uci", "go depth 3"),
            (Limit(nodes=500), "uci", "go nodes 500"),
            (Limit(time=0.05), "uci", "go movetime 50"),
            (Limit(time=0.05), "ucci", "go time 50 movestogo 1"),
        ],
    )
    def test_it_thinks_as_long_as_it_was_told(self, tmp_path: Path, limit: Limit, protocol: str, asked: str) -> None:
        player = saying_engine(tmp_path, limit=limit, protocol=protocol)
        try:
            player.choose([Board()])
        finally:
            player.close()
        assert asked in (tmp_path / "log").read_text().splitlines()

    def test_an_offer_of_a_draw_is_passed_on(self, tmp_path: Path) -> None:
        for more, offers in (("", False), ("draw", True)):
            player = saying_engine(tmp_path, more=more, protocol="ucci")
            try:
                assert player.choose([Board()])[0].draw == offers
            finally:
                player.close()

    def test_an_engine_that_resigns_resigns(self, tmp_path: Path) -> None:
        player = saying_engine(tmp_path, more="resign", protocol="ucci")
        try:
            assert player.choose([Board()])[0].move is None
        finally:
            player.close()

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
    @pytest.mark.parametrize("spec", ["random", "greedy", "lm:model={model},temperature=1,dtype=float32,symmetries=1"])
    def test_the_seed_decides_the_moves(self, model_folder: Path, spec: str) -> None:
        def moves(seed: int) -> list[Choice]:
            text = spec.format(model=model_folder)
            return load_player(f"{text}{',' if ':' in text else ':'}seed={seed}").choose([Board()] * 8)

        assert moves(3) == moves(3)
        assert moves(3) != moves(4) != moves(5)

    @pytest.mark.parametrize(
        ("limit", "asked"),
        [("depth=3", "go depth 3"), ("nodes=500", "go nodes 500"), ("movetime=50", "go movetime 50")],
    )
    def test_the_limit_is_what_the_engine_is_told(self, tmp_path: Path, limit: str, asked: str) -> None:
        saying_engine(tmp_path).close()  # it leaves its script
        player = load_player(f"uci:cmd={sys.executable} {tmp_path / 'saying.py'},{limit}")
        try:
            player.choose([Board()])
        finally:
            player.close()
        assert asked in (tmp_path / "log").read_text().splitlines()

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
            ("lm:temprature=1", "options: model, temperature, top_k, top_p, voice, source, strength, aim, dtype"),
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
