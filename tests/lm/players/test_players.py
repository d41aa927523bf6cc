from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from lm.players.engine import EnginePlayer
from lm.players.lm_player import LMPlayer
from lm.players.player import Choice, Player, PlayerError, Thinker
from lm.players.simple import GreedyPlayer, RandomPlayer, exchange
from lm.players.specs import load_player
from xiangqi import RED, Board, Move
from xiangqi.engine import Limit, Score, Wdl
from xiangqi.engine.example import COMMAND

FAKE = Path(__file__).parents[2] / "xiangqi" / "engines" / "fake.py"

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


@contextmanager
def fake_engine(tmp_path: Path, protocol: str) -> Iterator[EnginePlayer]:
    """The engine of the client's tests, which writes down what it is told."""
    words = [sys.executable, "-S", str(FAKE), protocol, "none", f"log={tmp_path / 'log'}"]
    player = EnginePlayer(protocol, shlex.join(words), Limit(depth=1))
    yield player
    player.close()


def told(tmp_path: Path) -> list[str]:
    return (tmp_path / "log").read_text().splitlines()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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

    def test_a_limit_can_be_one_for_all_boards_or_one_a_board(self, tmp_path: Path) -> None:
        with fake_engine(tmp_path, "uci") as player:
            player.choose([Board()])
            player.choose([Board(), Board()], Limit(nodes=7))
            player.choose([Board(), Board()], [Limit(depth=2), Limit(depth=3)])
            with pytest.raises(ValueError, match="1 limits for 2 boards"):
                player.choose([Board(), Board()], [Limit(depth=2)])
        searches = [line for line in told(tmp_path) if line.startswith("go")]
        asked = ["go depth 1", "go nodes 7", "go nodes 7", "go depth 2", "go depth 3"]
        assert searches[-5:] == asked

    @pytest.mark.parametrize(
        ("protocol", "order"), [("uci", "go wtime 60000 btime 50000 depth 1"), ("ucci", "go depth 1")]
    )
    def test_its_own_depth_holds_beside_a_clock(self, tmp_path: Path, protocol: str, order: str) -> None:
        with fake_engine(tmp_path, protocol) as player:
            player.choose([Board()])
            player.choose([Board()], Limit(red_clock=60, black_clock=50))
        assert [line for line in told(tmp_path) if line.startswith("go")][-1] == order

    @pytest.mark.parametrize(("protocol", "word"), [("uci", "ucinewgame"), ("ucci", "setoption newgame")])
    def test_it_is_told_of_a_new_game(self, tmp_path: Path, protocol: str, word: str) -> None:
        with fake_engine(tmp_path, protocol) as player:
            player.choose([Board()])
            assert word not in told(tmp_path)
            player.new_game()
        assert word in told(tmp_path)

    def test_stop_makes_it_move_at_once(self, tmp_path: Path) -> None:
        with fake_engine(tmp_path, "uci") as player, ThreadPoolExecutor(1) as thread:
            player.choose([Board()])
            choice = thread.submit(player.choose, [Board(), Board()], Limit(time=600))
            wait_for(lambda: any("movetime 600000" in line for line in told(tmp_path)))
            player.stop()
            assert [found.move for found in choice.result(timeout=60)] == [Move.from_iccs("h2e2")] * 2
            stops = told(tmp_path).count("stop")
            assert stops == 2
            player.choose([Board()] * 3)  # stopped once is not stopped for good
            player.new_game()
            assert told(tmp_path).count("stop") == stops

    def test_its_thought_can_be_followed_and_stopped(self, tmp_path: Path) -> None:
        with fake_engine(tmp_path, "uci") as player:
            assert isinstance(player, Thinker)
            with player.analyse(Board()) as analysis:
                for line in analysis:
                    if line.info.depth == 2:
                        break
                assert analysis.lines == [line]
            assert [move.iccs for move in line.info.pv] == ["h2e2", "h9g7"]
            assert (line.move.iccs, line.share, line.info.score) == ("h2e2", None, Score(RED, cp=11))
            assert line.value == pytest.approx(1 / (1 + 10 ** (-11 / 400)))
            for _ in analysis:  # what was found is still there, and then it ends
                pass

    def test_several_lines_best_first(self) -> None:
        player = EnginePlayer("uci", shlex.join(COMMAND), Limit(depth=1))
        analysis = player.analyse(Board(), Limit(depth=3), multipv=2)
        assert {line.move.iccs for line in analysis} == {"h2e2", "c3c4"}
        assert [line.move.iccs for line in analysis.lines] == ["h2e2", "c3c4"]
        player.close()

    def test_a_crash_in_thought_is_told_and_the_next_choice_starts_it_again(self, tmp_path: Path) -> None:
        player = frail_engine(tmp_path, "i9i8")
        with pytest.raises(PlayerError, match="out of luck"):
            list(player.analyse(Board.from_moves("i0i1 i9i8"), Limit(depth=1)))
        assert player.choose([Board()])[0].move is Move.from_iccs("a0a1")
        player.close()

    def test_a_path_with_spaces_needs_no_quotes(self, tmp_path: Path) -> None:
        program = tmp_path / "my engine"
        program.write_text(f"#!/bin/sh\nexec {shlex.join(COMMAND)}\n")
        program.chmod(0o755)
        player = EnginePlayer("uci", str(program), Limit(depth=1))
        assert player.engine_name == "Example"
        player.close()

    def test_fairy_stockfish(self, fairy_stockfish: str) -> None:
        player = load_player(f"uci:cmd={fairy_stockfish},UCI_Variant=xiangqi,depth=2")
        try:
            board = Board("3k5/7R1/6R2/9/9/9/9/9/9/4K4 w")
            board.push_iccs(player.choose([board])[0].move.iccs)
            assert board.is_checkmate()
        finally:
            player.close()

    @pytest.mark.parametrize(
        ("limit", "asked"),
        [("depth=3", "go depth 3"), ("nodes=500", "go nodes 500"), ("movetime=50", "go movetime 50")],
    )
    def test_the_limit_of_its_spec_is_what_it_is_told(self, tmp_path: Path, limit: str, asked: str) -> None:
        saying_engine(tmp_path).close()  # it leaves its script
        player = load_player(f"uci:cmd={sys.executable} {tmp_path / 'saying.py'},{limit}")
        try:
            player.choose([Board()])
        finally:
            player.close()
        assert asked in (tmp_path / "log").read_text().splitlines()


@pytest.fixture(scope="module")
def player(model_folder: Path) -> LMPlayer:
    return LMPlayer(model_folder, dtype="float32", symmetries=1)


class TestFollowingTheModel:
    def test_lines_are_its_likeliest_moves_and_the_likeliest_answers(self, player: LMPlayer) -> None:
        board = Board.from_moves("h2e2 h9g7")
        lines = player.analyse(board, Limit(depth=3), multipv=3)
        list(lines)
        assert board.ply == 2
        candidates = player.choose([board])[0].candidates
        assert [(line.move, line.share) for line in lines.lines] == [
            (move, pytest.approx(share, abs=1e-6)) for move, share in candidates[:3]
        ]
        for line in lines.lines:
            after = board.copy()
            after.push(line.move)
            answer = player.choose([after])[0]
            assert line.info.pv[1] is answer.candidates[0][0]
            assert line.value == pytest.approx(1 - answer.value, abs=1e-5)
            assert (len(line.info.pv), line.info.depth) == (3, 3)

    def test_it_tells_lines_as_they_grow_and_stops_when_told(self, player: LMPlayer) -> None:
        analysis = player.analyse(Board(), multipv=2)
        seen = []
        with analysis:
            for line in analysis:
                seen.append((line.info.multipv, len(line.info.pv)))
                if len(seen) == 3:
                    analysis.stop()
        assert seen == [(1, 1), (2, 1), (1, 2), (2, 2)]
        assert [len(line.info.pv) for line in analysis.lines] == [2, 2]

    def test_nodes_bound_it_and_it_ends_by_itself(self, player: LMPlayer) -> None:
        assert [len(line.info.pv) for line in player.analyse(Board(), Limit(nodes=3))] == [1, 2, 3]
        assert 3 < max(len(line.info.pv) for line in player.analyse(Board())) < 20

    def test_a_move_that_mates_wins_for_certain(self, player: LMPlayer) -> None:
        board = Board("3k5/7R1/6R2/9/9/9/9/9/9/4K4 w")
        (mate,) = [line for line in player.analyse(board, multipv=99) if line.move.iccs == "g7g9"][-1:]
        assert (mate.info.wdl, mate.info.pv) == (Wdl(1000, 0, 0), (Move.from_iccs("g7g9"),))


class TestDerivedPlayer:
    def test_needs_no_more_than_a_choice(self) -> None:
        class First(Player):
            name = "first"

            def choose(self, boards, limits=None):
                return [Choice(board.legal_moves[0]) for board in boards]

        player = First()
        assert isinstance(player, Player)
        assert not isinstance(player, Thinker)
        player.new_game()
        player.stop()
        player.close()
        assert not player.one_game
