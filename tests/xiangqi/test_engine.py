"""The engine client, with fairy-stockfish and with fake engines that misbehave."""

import asyncio
import functools
import gc
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from xiangqi import BLACK, NULL_MOVE, RED, Board, Move
from xiangqi.engine import (
    Engine,
    EngineError,
    EngineMoveError,
    EngineOptionError,
    EngineStartError,
    EngineTerminatedError,
    EngineTimeoutError,
    Info,
    Limit,
    Option,
    Score,
    SimpleEngine,
    popen_ucci,
    popen_uci,
    simple,
)
from xiangqi.engine.wire import UCCI, UCI, parse_info, parse_option, position

FAKE = Path(__file__).parent / "engines" / "fake.py"
FAIRY = shutil.which("fairy-stockfish") or shutil.which("fairy-stockfish", path="/usr/games")
DEPTH_1 = Limit(depth=1)

needs_fairy = pytest.mark.skipif(
    FAIRY is None, reason="fairy-stockfish is not installed (apt-get install fairy-stockfish)"
)


def fake(fault="", protocol="uci", **given):
    return [sys.executable, "-S", str(FAKE), protocol, fault, *(f"{name}={value}" for name, value in given.items())]


def popen(fault="", protocol="uci", timeout=60.0, options=None, **given):
    start = SimpleEngine.popen_uci if protocol == "uci" else SimpleEngine.popen_ucci
    return start(fake(fault, protocol, **given), timeout=timeout, options=options)


def impatient(fault):
    """An engine with known ranks that has had time to start, however busy the machine, and from now on has little."""
    engine = SimpleEngine.popen_uci(fake(fault), timeout=60.0, first_rank=0)
    engine._engine.timeout = 0.3
    return engine


def is_gone(pid, zombie=False):
    """Whether no process has this number, not even as a zombie unless that is allowed; waits a moment for that."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if zombie and state == "Z":
            return True
        time.sleep(0.02)
    return False


def children():
    """Numbers of the processes that this one has started, zombies included."""
    return Path("/proc/thread-self/children").read_text().split()


class TestLimit:
    def test_uci(self):
        board = Board()
        assert UCI.go(Limit(depth=3, nodes=9), board, None, 0, False) == "go depth 3 nodes 9"
        assert UCI.go(Limit(time=0.25), board, None, 0, False) == "go movetime 250"
        assert UCI.go(Limit(time=2, mate=3), board, None, 0, False) == "go movetime 2000 mate 3"
        assert UCI.go(Limit(depth=3), board, None, 0, False, ponder=True) == "go ponder depth 3"
        assert UCI.go(Limit(), board, [Move.from_iccs("h2e2")], 1, False) == "go infinite searchmoves h3e3"
        clocks = Limit(red_clock=60, black_clock=50.5, red_increment=1, black_increment=2, moves_to_go=9)
        assert UCI.go(clocks, board, None, 0, False) == "go wtime 60000 btime 50500 winc 1000 binc 2000 movestogo 9"

    def test_a_clock_without_increment(self):
        """Sudden death: UCI omits the increments, UCCI sends 0."""
        clocks, board = Limit(red_clock=60, black_clock=50), Board()
        assert UCI.go(clocks, board, None, 0, False) == "go wtime 60000 btime 50000"
        assert UCCI.go(clocks, board, None, 0, False) == "go time 60000 increment 0 opptime 50000 oppincrement 0"
        board.push_iccs("h2e2")
        assert UCI.go(clocks, board, None, 0, False) == "go wtime 60000 btime 50000"
        assert UCCI.go(clocks, board, None, 0, False) == "go time 50000 increment 0 opptime 60000 oppincrement 0"
        assert (clocks.longest(RED), clocks.longest(BLACK)) == (60, 50)

    def test_an_increment_of_one_side_alone(self):
        clocks, board = Limit(red_clock=60, black_clock=50, black_increment=2), Board.from_moves("h2e2")
        assert UCI.go(clocks, board, None, 0, False) == "go wtime 60000 btime 50000 binc 2000"
        assert UCCI.go(clocks, board, None, 0, False) == "go time 50000 increment 2000 opptime 60000 oppincrement 0"
        assert (clocks.longest(RED), clocks.longest(BLACK)) == (60, 52)

    def test_the_clock_of_one_side_alone(self):
        clocks, board = Limit(red_clock=60), Board()
        assert UCI.go(clocks, board, None, 0, False) == "go wtime 60000"
        assert UCCI.go(clocks, board, None, 0, False) == "go time 60000 increment 0"
        assert (clocks.longest(RED), clocks.longest(BLACK)) == (60, None)

    def test_ucci(self):
        board = Board()
        assert UCCI.go(Limit(depth=3), board, None, 0, False) == "go depth 3"
        assert UCCI.go(Limit(nodes=3), board, None, 0, True) == "go draw nodes 3"
        assert UCCI.go(Limit(time=0.25), board, None, 0, False) == "go time 250 movestogo 1"
        assert UCCI.go(Limit(), board, None, 0, False) == "go infinite"
        clocks = Limit(red_clock=60, black_clock=50, red_increment=1, black_increment=2)
        expected = "go time 60000 increment 1000 opptime 50000 oppincrement 2000"
        assert UCCI.go(clocks, board, None, 0, False) == expected
        board.push_iccs("h2e2")
        expected = "go time 50000 increment 2000 opptime 60000 oppincrement 1000"
        assert UCCI.go(clocks, board, None, 0, False) == expected
        control = Limit(red_clock=60, black_clock=50, moves_to_go=7)
        assert UCCI.go(control, board, None, 0, False) == "go time 50000 movestogo 7 opptime 60000 oppmovestogo 7"

    def test_ucci_bans_all_other_moves(self):
        board = Board("4k4/9/9/9/9/9/P8/9/9/3K5 w")
        banned, go = UCCI.go(DEPTH_1, board, [board.legal_moves[0]], 0, False).split("\n")
        assert banned.split() == ["banmoves", *(move.iccs for move in board.legal_moves[1:])]
        assert go == "go depth 1"
        assert UCCI.go(DEPTH_1, board, board.legal_moves, 0, False) == "go depth 1"

    def test_ucci_takes_one_kind_only(self):
        with pytest.raises(ValueError, match="one kind of limit only, not depth 3 and nodes 9"):
            UCCI.go(Limit(depth=3, nodes=9), Board(), None, 0, False)
        with pytest.raises(ValueError, match="UCCI has no search for a mate"):
            UCCI.go(Limit(mate=3), Board(), None, 0, False)

    @pytest.mark.parametrize("name", ["time", "depth", "red_clock", "black_increment"])
    def test_negative(self, name):
        with pytest.raises(ValueError, match=f"{name}=-1"):
            Limit(**{name: -1})

    def test_not_a_number(self) -> None:
        with pytest.raises(ValueError, match="time=nan"):
            Limit(time=float("nan"))

    @pytest.mark.parametrize("color", ["red", 2])
    def test_not_a_side(self, color):
        limit = Limit(red_clock=60, black_clock=50)
        for call in (limit.clock, limit.increment, limit.longest, Score(RED, cp=35).pov):
            with pytest.raises(ValueError, match="not a side"):
                call(color)


class TestPosition:
    def test_moves_since_the_last_capture(self):
        board = Board.from_moves("h2e2 h9g7 e2e6 i9h9 b0c2")
        line = position(board, 0)
        capture = Board.from_moves("h2e2 h9g7 e2e6")
        assert line == f"position fen {capture.fen()} moves i9h9 b0c2"

    def test_moves_since_the_last_null_move(self):
        board = Board()
        board.push(NULL_MOVE)
        fen = board.fen()
        board.push_iccs("h9g7")
        assert position(board, 1) == f"position fen {fen} moves h10g8"

    def test_without_history(self):
        board = Board("4k4/9/9/9/9/9/9/9/9/3K5 w - - 7 30")
        assert position(board, 0) == "position fen 4k4/9/9/9/9/9/9/9/9/3K5 w - - 7 30"


class TestOption:
    def test_uci_names_have_spaces(self):
        option = parse_option("name Analysis Style type combo default Normal var Solid var Very Risky", UCI)
        assert option == Option("Analysis Style", "combo", "Normal", choices=("Solid", "Very Risky"))

    def test_words_in_names(self):
        assert parse_option("name max time default var type spin default 3 min 1 max 9", UCI) == Option(
            "max time default var", "spin", "3", 1, 9
        )

    def test_empty_default(self):
        assert parse_option("name Log type string default", UCI).default == ""
        assert parse_option("name Log type string", UCI).default is None

    def test_ucci(self):
        assert parse_option("hashsize type spin min 0 max 1024 default 16", UCCI) == Option(
            "hashsize", "spin", "16", 0, 1024
        )

    @pytest.mark.parametrize("text", ["", "name", "type spin", "name x", "nonsense"])
    def test_nonsense(self, text):
        with pytest.raises(ValueError, match="not an option"):
            parse_option(text, UCI)

    @pytest.mark.parametrize(
        ("bounds", "low", "high"),
        [
            ("min x max 9", None, 9),
            ("min 1 max", 1, None),
            ("min 1.0 max 1e3", 1, 1000),
            ("min - max inf", None, None),
            (f"min 1 max {'9' * 5000}", 1, None),
        ],
    )
    def test_odd_bounds(self, bounds, low, high):
        """A bound that is no number costs the bound, not the option."""
        option = parse_option(f"name Hash type spin default 16 {bounds}", UCI)
        assert option == Option("Hash", "spin", "16", low, high)
        assert option.text(8) == "8"

    def test_white_space(self):
        assert parse_option("name \tBook  File\ttype string \t default\ta b", UCI) == Option(
            "Book File", "string", "a b"
        )

    def test_values(self):
        spin, check = Option("Threads", "spin", "1", 1, 8), Option("Ponder", "check", "false")
        combo, button = Option("Style", "combo", "Normal", choices=("Normal", "Very Risky")), Option("Clear", "button")
        assert (spin.text(3), spin.text("8"), spin.text(" 3 ")) == ("3", "8", "3")
        assert (check.text(True), check.text("False")) == ("true", "false")
        assert combo.text("very risky") == "Very Risky"
        assert button.text(None) == ""
        assert Option("Book", "string").text("a b.bin") == "a b.bin"

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            (Option("Threads", "spin", "1", 1, 8), 9, "Threads takes a number from 1 to 8, not 9"),
            (Option("Threads", "spin", "1", 1, 8), "many", "Threads takes a number, not 'many'"),
            (Option("Threads", "spin", min=1), 0, "Threads takes a number from 1, not 0"),
            (Option("Threads", "spin", max=8), 9, "Threads takes a number up to 8, not 9"),
            (Option("Ponder", "check"), 1, "Ponder takes true or false, not 1"),
            (Option("Style", "combo", choices=("a", "b")), "c", "Style takes one of a, b, not 'c'"),
            (Option("Clear", "button"), "x", "Clear takes no value, not 'x'"),
            (Option("Book", "string"), "a\nquit", "Book takes one line of text, not 'a\\nquit'"),
        ],
    )
    def test_refused(self, option, value, message):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            option.text(value)
        assert str(error.value) == f"option {message}"


class TestInfo:
    def read(self, text, old=None, board=None, first_rank=0, dialect=UCI):
        return (old or Info()).updated(parse_info(text.split(), board or Board(), first_rank, dialect))

    def test_all_fields(self):
        info = self.read(
            "depth 7 seldepth 9 multipv 2 score cp -154 upperbound wdl 10 300 690 nodes 6745 nps 259423 hashfull 12 "
            "tbhits 0 time 26 pv h2e2 h9g7 h0g2"
        )
        assert (info.depth, info.seldepth, info.multipv, info.nodes, info.nps, info.hashfull) == (
            7,
            9,
            2,
            6745,
            259423,
            12,
        )
        assert (info.score, info.bound, info.wdl, info.time) == (Score(RED, cp=-154), "upper", (10, 300, 690), 0.026)
        assert [move.iccs for move in info.pv] == ["h2e2", "h9g7", "h0g2"]

    def test_what_is_not_said_stays(self):
        info = self.read("nodes 9 time 30", self.read("depth 3 score mate 2 lowerbound"))
        assert (info.depth, info.nodes, info.score, info.bound) == (3, 9, Score(RED, mate=2), "lower")
        assert self.read("score cp 1", info).bound is None

    @pytest.mark.parametrize(
        ("dialect", "text", "cp"),
        [(UCCI, "score -25", -100), (UCCI, "score cp -25", -25), (UCCI, "score 12.5", 50), (UCI, "score -25", -25)],
    )
    def test_score_in_hundredths_of_a_light_piece(self, dialect, text, cp):
        """UCCI counts a knight or cannon as 100, and we as 400; a score with "cp" is not converted."""
        info = self.read(f"depth 5 {text} pv h9g7", board=Board.from_moves("h2e2"), dialect=dialect)
        assert info.score == Score(BLACK, cp=cp)

    @pytest.mark.parametrize(
        ("odd", "expected"),
        [
            ("score cp 12.5", Info(score=Score(RED, cp=12))),
            ("score cp +35", Info(score=Score(RED, cp=35))),
            ("score cp", Info()),
            ("score cp -", Info()),
            ("score mate x", Info()),
            ("score", Info()),
            ("score lowerbound cp 34", Info(score=Score(RED, cp=34), bound="lower")),
            ("nodes 1e6", Info(nodes=1_000_000)),
            ("nodes -", Info()),
            ("nodes nan", Info()),
            ("nodes 1e999", Info()),
            (f"nodes {'9' * 400}", Info()),
            (f"time {'9' * 5000}", Info()),
            ("time -", Info()),
            ("time 12.5", Info(time=0.0125)),
            ("wdl 1 2", Info()),
            ("wdl 1 2 x", Info()),
            ("wdl 500.0 300 200", Info(wdl=(500, 300, 200))),
            ("multipv x", Info()),
            ("tbhits 0", Info()),
            ("nonsense", Info()),
            ("currmove h2e2 currmovenumber 1", Info()),
        ],
    )
    @pytest.mark.parametrize("place", ["first", "last"])
    def test_one_odd_word_costs_itself_only(self, odd, expected, place):
        line = f"{odd} depth 9 pv h2e2" if place == "first" else f"depth 9 pv h2e2 {odd}"
        assert self.read(line) == replace(expected, depth=9, pv=(Move.from_iccs("h2e2"),))

    def test_a_word_without_its_number_does_not_take_the_next_word(self):
        assert self.read("depth seldepth 4 score cp pv h2e2") == Info(seldepth=4, pv=(Move.from_iccs("h2e2"),))

    def test_a_score_that_cannot_be_read_leaves_the_last_one(self):
        known = self.read("depth 8 score cp 30 upperbound")
        assert self.read("depth 9 score cp ?", known) == replace(known, depth=9)

    def test_upper_case_moves(self):
        assert [move.iccs for move in self.read("pv H2E2 H9G7").pv] == ["h2e2", "h9g7"]

    @pytest.mark.parametrize(("moves", "mover"), [("", RED), ("h2e2", BLACK)])
    def test_what_an_engine_says_is_seen_from_the_side_to_move(self, moves, mover):
        board = Board.from_moves(moves)
        assert self.read("score cp 20", board=board).score == Score(mover, cp=20)
        assert self.read("score mate -3", board=board).score == Score(mover, mate=-3)
        assert self.read("wdl 700 200 100", board=board).wdl == (700, 200, 100)  # wins of the mover first

    @pytest.mark.parametrize("mover", [RED, BLACK])
    def test_what_is_good_for_one_side_is_bad_for_the_other(self, mover):
        assert Score(mover, cp=35).pov(1 - mover) == Score(1 - mover, cp=-35)
        assert Score(mover, mate=2).pov(1 - mover) == Score(1 - mover, mate=-2)
        assert Score(mover, cp=35).pov(mover) == Score(mover, cp=35)
        best_first = [Score(mover, mate=1), Score(mover, cp=900), Score(mover, cp=-900), Score(mover, mate=-1)]
        values = [score.centipawns() for score in best_first]
        assert values == sorted(values, reverse=True)
        assert [score.pov(1 - mover).centipawns() for score in best_first] == [-value for value in values]

    def test_line_ends_where_it_is_illegal(self):
        assert [move.iccs for move in self.read("pv h2e2 h2e2 h0g2 depth 4").pv] == ["h2e2"]
        assert self.read("pv h2e2 depth 4").depth == 4
        assert self.read("pv depth 4") == Info(depth=4)

    def test_ranks_from_one(self):
        assert [move.iccs for move in self.read("pv h3e3 h10g8", first_rank=1).pv] == ["h2e2", "h9g7"]

    def test_text(self):
        assert self.read("string depth 3  score").string == "depth 3 score"
        assert self.read("message 你好").string == "你好"

    def test_score(self):
        assert Score(RED, mate=3).pov(BLACK) == Score(BLACK, mate=-3)
        assert Score(RED, cp=3).pov(RED) == Score(RED, cp=3)
        assert [Score(RED, cp=5).centipawns(), Score(RED, mate=1).centipawns(), Score(RED, mate=0).centipawns()] == [
            5,
            9999,
            -10000,
        ]
        assert [str(Score(RED, cp=-125)), str(Score(BLACK, mate=2))] == ["-1.25 for red", "mate 2 for black"]

    def test_a_side_that_is_mated_on_the_spot(self):
        """No number is left to turn: the other side has mated, it is not mated as well."""
        lost = Score(RED, mate=0)
        won = lost.pov(BLACK)
        assert won != Score(BLACK, mate=0)
        assert won.pov(RED) == lost
        assert (lost.centipawns(), won.centipawns()) == (-10000, 10000)
        assert (lost.expected(), won.expected()) == (0.0, 1.0)
        assert (str(lost), str(won)) == ("mate 0 for red", "mate +0 for black")
        assert [eval(repr(score)) for score in (lost, won)] == [lost, won]

    def test_scores_are_ordered(self):
        rising = [Score(RED, mate=0)]
        rising += [Score(RED, mate=n) for n in (-1, -7)]
        rising += [Score(RED, cp=cp) for cp in (-20000, -30, 0, 30, 20000)]
        rising += [Score(RED, mate=n) for n in (7, 1)]
        rising += [Score(BLACK, mate=0).pov(RED)]
        assert sorted([*rising[5:], *rising[:5]]) == rising
        assert max(rising) == rising[-1]
        falling = [score.pov(BLACK) for score in rising]
        assert sorted(falling) == falling[::-1]
        for i, a in enumerate(rising):
            for j, b in enumerate(rising):
                assert (a < b, a <= b, a > b, a >= b) == (i < j, i <= j, i > j, i >= j)

    def test_only_scores_of_one_view_are_ordered(self):
        with pytest.raises(ValueError, match=r"\+0.10 for red and \+0.20 for black are two views: turn one by pov"):
            assert Score(RED, cp=10) < Score(BLACK, cp=20)
        assert Score(RED, cp=10) > Score(BLACK, cp=20).pov(RED)
        with pytest.raises(TypeError):
            assert Score(RED, cp=10) < 20

    @pytest.mark.parametrize("cp", [-900, -80, 0, 35, 400, 3000])
    def test_chances(self, cp):
        score = Score(RED, cp=cp)
        wdl = score.wdl()
        assert sum(wdl) == pytest.approx(1000)
        assert min(wdl) >= 0
        assert wdl.expected == pytest.approx(score.expected())
        assert score.pov(BLACK).wdl() == pytest.approx(wdl.turned())
        assert score.pov(BLACK).expected() == pytest.approx(1 - score.expected())

    def test_chances_of_draws(self):
        assert Score(RED, cp=0).wdl(draws=0.5) == (250, 500, 250)
        assert Score(RED, cp=0).wdl(draws=0) == (500, 0, 500)
        assert Score(RED, mate=-3).wdl() == (0, 0, 1000)
        assert Score(RED, cp=400).expected() == pytest.approx(10 / 11)
        with pytest.raises(ValueError, match=r"the share of draws is 0 to 0\.5, not 0\.6"):
            Score(RED, cp=0).wdl(draws=0.6)


@needs_fairy
class TestFairyStockfish:
    @pytest.fixture(params=["uci", "ucci"])
    def engine(self, request):
        start = SimpleEngine.popen_uci if request.param == "uci" else SimpleEngine.popen_ucci
        with start([FAIRY], options={"Threads": 1}) as engine:
            yield engine

    def test_identity(self, engine):
        assert engine.id["name"].startswith("Fairy-Stockfish")
        assert engine.options["Threads"].type == "spin"
        assert "xiangqi" in engine.options["UCI_Variant"].choices

    def test_a_new_game_forgets_the_last_one(self, engine):
        board, nodes = Board.from_moves("h2e2 h9g7"), []
        for _ in range(2):
            engine.new_game()
            nodes.append(engine.play(board, Limit(depth=6)).info.nodes)
        assert nodes[0] == nodes[1]

    def test_a_game(self, engine):
        """Every move is legal on our board, with ranks and captures as they come."""
        board = Board()
        while board.ply < 60 and board.has_legal_moves():
            result = engine.play(board, DEPTH_1)
            assert result.info.score is not None
            assert not result.resigned
            board.push_iccs(result.move.iccs)
        assert board.ply > 20

    def test_mate(self, engine):
        board = Board("3k5/9/4R4/9/9/9/9/9/5R3/4K4 w")
        result = engine.play(board, Limit(depth=4))
        assert result.info.score == Score(RED, mate=1)
        board.push(result.move)
        assert board.is_checkmate()
        over = engine.play(board, DEPTH_1)
        assert over.move is None
        assert not over.resigned

    def test_multipv(self, engine):
        if "MultiPV" not in engine.options:
            pytest.skip("no MultiPV in this protocol")
        lines = engine.analyse(Board(), Limit(depth=3), multipv=3)
        assert [info.multipv for info in lines] == [1, 2, 3]
        assert len({info.pv[0] for info in lines}) == 3
        scores = [info.score.centipawns() for info in lines]
        assert scores == sorted(scores, reverse=True)
        few = Board("4k4/9/9/9/9/9/P8/9/9/3K5 w")
        assert len(engine.analyse(few, Limit(depth=2), multipv=5)) == len(few.legal_moves) == 2
        assert engine.analyse(Board(), Limit(depth=3)).depth == 3

    def test_a_limit_to_mates(self):
        board = Board("4k4/R8/9/9/9/9/9/9/8R/3K5 w")
        with SimpleEngine.popen_uci(FAIRY) as engine:
            assert engine.analyse(board, Limit(mate=1, time=20)).score == Score(RED, mate=1)

    def test_limits(self, engine):
        board = Board.from_moves("h2e2")
        assert engine.play(board, Limit(time=0.1)).move in board.legal_moves
        assert engine.play(board, Limit(nodes=100)).move in board.legal_moves
        assert engine.play(board, Limit(red_clock=2, black_clock=1, black_increment=0.01)).move in board.legal_moves

    def test_root_moves(self, engine):
        board = Board()
        for iccs in ("a0a1", "i3i4", "e0e1"):
            move = Move.from_iccs(iccs)
            assert engine.play(board, DEPTH_1, root_moves=[move]).move is move
        assert engine.play(board, DEPTH_1).move is not None

    def test_analysis_streams_and_stops(self, engine):
        with engine.analysis(Board()) as analysis:
            depths = []
            for info in analysis:
                depths.append(info.depth)
                if info.depth and info.depth >= 4 and info.pv:
                    break
        assert depths == sorted(depths)
        assert analysis.wait().move in Board().legal_moves
        assert analysis.done
        assert analysis.info.depth >= 4

    def test_next_search_stops_an_analysis(self, engine):
        analysis = engine.analysis(Board())
        board = Board("4k4/9/9/9/9/9/P8/9/9/3K5 w")
        assert engine.play(board, DEPTH_1).move in board.legal_moves
        assert analysis.wait().move in Board().legal_moves

    def test_many_at_once(self):
        engines = [SimpleEngine.popen_uci([FAIRY]) for _ in range(4)]
        boards = [Board() for _ in engines]
        for _ in range(6):
            for engine, board in zip(engines, boards, strict=True):
                board.push(engine.play(board, DEPTH_1).move)
        pids = [engine.pid for engine in engines]
        for engine in engines:
            engine.quit()
        assert all(is_gone(pid) for pid in pids)
        assert [engine.returncode for engine in engines] == [0] * 4

    def test_asyncio(self):
        async def moves():
            async with await popen_uci(FAIRY) as one, await popen_ucci(FAIRY) as two:
                results = await asyncio.gather(*(e.play(Board(), Limit(depth=4)) for e in (one, two, one)))
                analysis = await one.analysis(Board(), Limit(depth=5))
                depth = [info.depth async for info in analysis][-1]
                return [result.move for result in results], depth, analysis.info.pv[0]

        found, depth, best = asyncio.run(moves())
        assert all(move in Board().legal_moves for move in found)
        assert depth == 5
        assert best in Board().legal_moves


class TestRanks:
    @pytest.mark.parametrize(
        ("first", "best", "rank"), [("h2e2", "h9g7", 0), ("h3e3", "h10g8", 1), ("a3a4", "a9a8", 0)]
    )
    def test_detected(self, tmp_path, first, best, rank):
        log = tmp_path / "log"
        with popen(first=first, best=best, log=log) as engine:
            board = Board.from_moves("h2e2")
            move = engine.play(board, DEPTH_1).move
        assert move is Move.from_iccs({"h9g7": "h9g7", "h10g8": "h9g7", "a9a8": "a9a8"}[best])
        told = [line for line in log.read_text().splitlines() if line.startswith("position")]
        assert told == [position(Board(), 0), position(board, rank)]

    def test_given(self, tmp_path):
        log = tmp_path / "log"
        with SimpleEngine.popen_uci(fake(first="h3e3", log=log), first_rank=1) as engine:
            assert engine.play(Board(), DEPTH_1).move is Move.from_iccs("h2e2")
        assert log.read_text().count("go ") == 1

    def test_wrong(self):
        with pytest.raises(ValueError, match="not 2"):
            SimpleEngine.popen_uci(fake(), first_rank=2)

    def test_chess_engine(self):
        with popen(first="e2e4") as engine, pytest.raises(EngineStartError, match=r"does not play xiangqi.*'e2e4'"):
            engine.play(Board(), DEPTH_1)

    def test_no_move(self):
        with popen(first="(none)") as engine, pytest.raises(EngineStartError, match="does not play xiangqi"):
            engine.play(Board(), DEPTH_1)

    def test_variant_is_set(self, tmp_path):
        log = tmp_path / "log"
        popen(variants="chess,xiangqi", log=log).quit()
        assert "setoption name UCI_Variant value xiangqi" in log.read_text()

    def test_variant_is_missing(self):
        with pytest.raises(EngineStartError, match="does not play xiangqi: its variants are chess, shogi"):
            popen(variants="chess,shogi")


class TestOptions:
    def test_set(self, tmp_path):
        log = tmp_path / "log"
        options = {
            "threads": "2",
            "Ponder": True,
            "Analysis Style": "very risky",
            "Clear Hash": None,
            "Book File": "a b",
        }
        popen(log=log, options=options).quit()
        told = log.read_text().splitlines()
        assert told[1:-2] == [
            "setoption name Threads value 2",
            "setoption name Ponder value true",
            "setoption name Analysis Style value Very Risky",
            "setoption name Clear Hash",
            "setoption name Book File value a b",
        ]

    def test_ucci(self, tmp_path):
        log = tmp_path / "log"
        with popen(protocol="ucci", log=log, options={"style": "solid"}) as engine:
            engine.new_game()
        lines = ["ucci", "setoption usemillisec true", "setoption style solid", "isready"]
        assert log.read_text().splitlines() == [*lines, "setoption newgame", "isready", "quit"]

    def test_refused(self, tmp_path):
        log = tmp_path / "log"
        with popen(log=log) as engine:
            with pytest.raises(
                EngineOptionError, match=r"Threads takes a number from 1 to 8, not 9 \(command: .*fake\.py"
            ):
                engine.configure({"Ponder": True, "Threads": 9})
            with pytest.raises(EngineOptionError, match="no option 'Hash'; it has Threads, Ponder"):
                engine.configure({"Hash": 9})
            with pytest.raises(ValueError, match="MultiPV takes a number from 1 to 5"):
                engine.analyse(Board(), DEPTH_1, multipv=6)
            assert engine.play(Board(), DEPTH_1).move is Move.from_iccs("h2e2")
        assert "setoption" not in log.read_text()

    def test_refused_at_start(self):
        before = children()
        with pytest.raises(EngineOptionError, match="no option 'Nonsense'"):
            popen(options={"Nonsense": 1})
        assert children() == before

    def test_no_line_is_refused(self):
        with popen() as engine:
            for call in (engine.analyse, engine.analysis):
                with pytest.raises(ValueError, match="at least 1 line, not 0"):
                    call(Board(), DEPTH_1, multipv=0)

    def test_multipv_is_set_only_when_it_changes(self, tmp_path):
        log = tmp_path / "log"
        with popen(log=log, says="info multipv 2 depth 1 score cp 3 pv h0g2") as engine:
            for multipv in (2, 2, None):
                engine.analyse(Board(), DEPTH_1, multipv=multipv)
        assert [line for line in log.read_text().splitlines() if "MultiPV" in line] == [
            "setoption name MultiPV value 2",
            "setoption name MultiPV value 1",
        ]

    def test_for_one_search(self, tmp_path):
        log = tmp_path / "log"
        with popen(log=log, options={"Threads": 2}) as engine:
            engine.play(Board(), DEPTH_1, options={"threads": 4, "Analysis Style": "Solid", "Clear Hash": None})
            engine.play(Board(), DEPTH_1, options={"Threads": 4})
            engine.analyse(Board(), DEPTH_1, options={"Threads": 2})
            engine.analysis(Board(), DEPTH_1).wait()
        told = [line for line in log.read_text().splitlines() if line.startswith(("setoption", "go"))]
        assert told[2:] == [  # after the setting at the start and the move that shows how ranks are counted
            "setoption name Threads value 4",
            "setoption name Analysis Style value Solid",
            "setoption name Clear Hash",
            "go depth 1",
            "setoption name Analysis Style value Normal",
            "go depth 1",
            "setoption name Threads value 2",
            "go depth 1",
            "go depth 1",
        ]

    def test_refused_for_one_search(self, tmp_path):
        log = tmp_path / "log"
        with popen("no-default", log=log) as engine:
            for options, message in (
                ({"Threads": 9}, "Threads takes a number from 1 to 8, not 9"),
                ({"Hash": 1}, "no option 'Hash'"),
                ({"MultiPV": 2}, "MultiPV is set by multipv=, not by options="),
                ({"Style": "x"}, r"option Style has no default to return to after the search: set it by configure\(\)"),
            ):
                with pytest.raises(EngineOptionError, match=message):
                    engine.play(Board(), DEPTH_1, options=options)
            engine.configure({"Style": "x"})
            engine.play(Board(), DEPTH_1, options={"Style": "y"})
            engine.play(Board(), DEPTH_1)
        told = [line for line in log.read_text().splitlines() if line.startswith("setoption")]
        assert told == [f"setoption name Style value {value}" for value in "xyx"]


class TestPonder:
    """The fake engine plays h2e2, expects h9g7, and then plays h0g2."""

    @staticmethod
    def popen(log, protocol="uci", fault=""):
        command = fake(fault, protocol, log=log, first="h2e2 ponder h9g7", best="h0g2")
        if protocol == "ucci":
            return SimpleEngine.popen_ucci(command, timeout=60.0)
        return SimpleEngine.popen_uci(command, timeout=60.0, first_rank=0)

    @staticmethod
    def told(log):
        return [line for line in log.read_text().splitlines() if not line.startswith(("uci", "ucci"))]

    @pytest.mark.parametrize("protocol", ["uci", "ucci"])
    def test_the_expected_reply(self, protocol, tmp_path):
        log = tmp_path / "log"
        with self.popen(log, protocol) as engine:
            assert engine.play(Board(), DEPTH_1, ponder=True).ponder is Move.from_iccs("h9g7")
            result = engine.play(Board.from_moves("h2e2 h9g7"), DEPTH_1, ponder=True, draw_offered=True)
            assert (result.move, result.ponder) == (Move.from_iccs("h0g2"), None)
        *_, position, go, hit, end = self.told(log)
        assert position.endswith(" moves h2e2 h9g7")
        assert (go, hit, end) == ("go ponder depth 1", "ponderhit draw" if protocol == "ucci" else "ponderhit", "quit")

    def test_its_time_counts_from_the_next_call(self, tmp_path):
        with self.popen(tmp_path / "log", fault="hang-at-ponderhit") as engine:
            engine.play(Board(), Limit(time=0.1), ponder=True)
            engine._engine.timeout = 0.3
            with pytest.raises(EngineTimeoutError, match=r"the engine did not move within 0\.4 s"):
                engine.play(Board.from_moves("h2e2 h9g7"), Limit(time=0.1), ponder=True)

    def test_another_reply(self, tmp_path):
        log = tmp_path / "log"
        with self.popen(log) as engine:
            assert engine.play(Board(), DEPTH_1, ponder=True).ponder is Move.from_iccs("h9g7")
            assert engine.play(Board.from_moves("h2e2 h7e7"), DEPTH_1).move is Move.from_iccs("h0g2")
        told = self.told(log)
        start = told.index("go ponder depth 1")
        assert told[start:] == [
            "go ponder depth 1",
            "stop",
            "isready",
            "setoption name Ponder value false",
            next(line for line in told if line.endswith(" moves h2e2 h7e7")),
            "go depth 1",
            "quit",
        ]

    @pytest.mark.parametrize(
        "change",
        [
            {"limit": Limit(depth=2)},
            {"limit": Limit(depth=1, root_moves=(Move.from_iccs("h0g2"),))},
            {"root_moves": [Move.from_iccs("h0g2")]},
            {"options": {"Threads": 2}},
        ],
    )
    def test_another_search_is_begun_anew(self, change, tmp_path):
        log = tmp_path / "log"
        with self.popen(log) as engine:
            engine.play(Board(), DEPTH_1, ponder=True)
            asked = {"limit": DEPTH_1, "ponder": True} | change
            assert engine.play(Board.from_moves("h2e2 h9g7"), **asked).move is Move.from_iccs("h0g2")
        assert "stop" in self.told(log)
        assert "ponderhit" not in self.told(log)

    def test_analysis_ends_it(self, tmp_path):
        log = tmp_path / "log"
        with self.popen(log) as engine:
            engine.play(Board(), DEPTH_1, ponder=True)
            engine.analyse(Board.from_moves("h2e2 h9g7"), DEPTH_1, options={"Ponder": True})
        assert "stop" in self.told(log)
        assert "ponderhit" not in self.told(log)

    def test_the_clock_of_its_next_move(self):
        limit = Limit(red_clock=60, black_clock=50, red_increment=2, moves_to_go=1)
        assert limit.after_a_move(RED, 7.5) == Limit(red_clock=54.5, black_clock=50, red_increment=2)
        assert limit.after_a_move(BLACK, 99) == Limit(red_clock=60, black_clock=0, red_increment=2)
        assert Limit(time=1, mate=3).after_a_move(RED, 9) == Limit(time=1, mate=3)

    def test_clocks_may_differ(self, tmp_path):
        log = tmp_path / "log"
        with self.popen(log) as engine:
            engine.play(Board(), Limit(red_clock=60, black_clock=50), ponder=True)
            limit = Limit(red_clock=58, black_clock=31)
            assert engine.play(Board.from_moves("h2e2 h9g7"), limit, ponder=True).move is Move.from_iccs("h0g2")
        told = self.told(log)
        assert told[-2:] == ["ponderhit", "quit"]
        red, black = re.fullmatch(r"go ponder wtime (\d+) btime (\d+)", told[-3]).groups()
        assert int(red) <= 60_000
        assert black == "50000"

    @needs_fairy
    def test_fairy_stockfish(self):
        board = Board()
        with SimpleEngine.popen_uci(FAIRY) as engine:
            for _ in range(6):
                result = engine.play(board, Limit(depth=4), ponder=True)
                board.push(result.move)
                board.push(result.ponder or board.legal_moves[0])
            assert engine.play(board, Limit(depth=3)).move in board.legal_moves
            assert engine.analyse(board, Limit(depth=3)).depth == 3


class TestUcci:
    def test_draw_and_ponder(self, tmp_path):
        log = tmp_path / "log"
        with popen(protocol="ucci", first="h2e2 ponder h9g7 draw", log=log) as engine:
            result = engine.play(Board(), DEPTH_1, draw_offered=True)
        assert (result.move, result.ponder) == (Move.from_iccs("h2e2"), Move.from_iccs("h9g7"))
        assert result.draw_offered
        assert not result.resigned
        assert "go draw depth 1" in log.read_text()

    @pytest.mark.parametrize("answer", ["h2e2 resign", "h2e2 ponder h9g7 resign", "resign"])
    def test_resignation(self, answer):
        with popen(protocol="ucci", first=answer) as engine:
            result = engine.play(Board(), DEPTH_1)
        assert result.resigned
        assert result.move is None

    def test_no_move_computed_is_no_resignation(self):
        """Section 15: the position is dead, or only its static value was asked for, as by ``go depth 0``."""
        with popen(protocol="ucci", first="nobestmove", best="nobestmove", says="info depth 0 score 25") as engine:
            assert engine.analyse(Board(), Limit(depth=0)).score == Score(RED, cp=100)
            result = engine.analysis(Board(), Limit(depth=0)).wait()
            assert (result.move, result.resigned) == (None, False)
            with pytest.raises(EngineMoveError, match="the engine named no move in "):
                engine.play(Board(), DEPTH_1)

    def test_late_answer_to_a_stop_is_not_the_next_move(self):
        """An engine that has just moved answers a late stop as well, as section 3 (6) requires."""
        with popen("late-nobestmove", "ucci", best="h0g2") as engine:
            engine.analysis(Board())
            assert engine.play(Board(), DEPTH_1).move is Move.from_iccs("h0g2")

    def test_no_move_when_mated(self):
        with popen(protocol="ucci", first="nobestmove") as engine:
            result = engine.play(Board("3k5/3R5/3R5/9/9/9/9/9/9/4K4 b"), DEPTH_1)
        assert result.move is None
        assert not result.resigned

    def test_chinese_identity(self):
        with popen(protocol="ucci") as engine:
            assert engine.id["copyright"] == "1998 棋"


class TestMisuse:
    @pytest.mark.parametrize("limit", [Limit(), Limit(black_clock=10)])
    def test_no_limit(self, limit):
        with popen() as engine, pytest.raises(ValueError, match="does not limit a search for red"):
            engine.play(Board(), limit)

    @pytest.mark.parametrize("moves", [[], [Move.from_iccs("a0a9")]])
    def test_bad_root_moves(self, moves):
        with popen() as engine:
            with pytest.raises(ValueError, match="root_moves must be legal"):
                engine.play(Board(), DEPTH_1, root_moves=moves)
            assert engine.play(Board(), DEPTH_1).move is not None

    def test_use_after_quit(self):
        engine = popen()
        engine.quit()
        engine.quit()
        with pytest.raises(EngineTerminatedError, match="the engine was closed"):
            engine.play(Board(), DEPTH_1)

    def test_board_is_left_alone(self):
        board = Board.from_moves("h2e2 h9g7")
        before = board.fen(), board.move_stack
        with popen(best="h0g2 ponder h7h5") as engine:
            assert engine.play(board, DEPTH_1).ponder is Move.from_iccs("h7h5")
        assert (board.fen(), board.move_stack) == before


class TestMisbehaviour:
    """Every fault ends in a clear error of one line, soon, and leaves no process."""

    @pytest.fixture(autouse=True)
    def no_process_is_left(self):
        before = children()
        yield
        assert children() == before

    @pytest.mark.parametrize("command", ["no-such-engine --fast", ["no-such-engine"], "/", "", [], "a\0b"])
    def test_not_found(self, command):
        with pytest.raises(EngineStartError, match="cannot start the engine: ") as error:
            SimpleEngine.popen_uci(command)
        assert "\n" not in str(error.value)

    def test_not_executable(self, tmp_path):
        path = tmp_path / "engine"
        path.write_text("text")
        with pytest.raises(EngineStartError, match=f"permission denied.*{path}"):
            SimpleEngine.popen_uci(str(path))
        path.chmod(0o755)
        with pytest.raises(EngineStartError, match="exec format error"):
            SimpleEngine.popen_uci(str(path))

    def test_wrong_folder(self, tmp_path):
        with pytest.raises(EngineStartError, match="no such file"):
            SimpleEngine.popen_uci(fake(), cwd=str(tmp_path / "nowhere"))

    def test_dies_at_once(self):
        with pytest.raises(EngineStartError) as error:
            popen("die-at-once")
        assert error.value.stderr == "cannot open nn.nnue"
        assert "ended with exit code 3" in error.value.reason
        assert "its stderr ends with 'cannot open nn.nnue'" in str(error.value)
        assert "fake.py uci die-at-once" in str(error.value)

    def test_never_answers(self):
        with pytest.raises(EngineStartError, match=r"did not answer 'uci' with 'uciok' within 0\.3 s"):
            popen("mute", timeout=0.3)

    def test_other_protocol(self):
        with pytest.raises(EngineStartError, match="did not answer 'ucci' with 'ucciok'"):
            SimpleEngine.popen_ucci(fake(), timeout=0.3)

    def test_never_ready(self):
        answer = "did not answer 'isready' with 'readyok'"
        with impatient("never-ready") as engine, pytest.raises(EngineTimeoutError, match=answer):
            engine.ping()

    @pytest.mark.parametrize("protocol", ["uci", "ucci"])
    def test_dies_in_search(self, protocol):
        with popen("die-in-search", protocol) as engine:
            with pytest.raises(EngineTerminatedError) as error:
                engine.play(Board(), DEPTH_1)
            assert error.value.reason == "the engine ended with exit code 11 during a search"
            assert error.value.last_said == "info depth 1 score cp 5"
            assert error.value.stderr == "Segmentation fault | backtrace: none"
            assert str(error.value).count("\n") == 0
            assert is_gone(engine.pid)
            with pytest.raises(EngineTerminatedError, match="exit code 11"):
                engine.play(Board(), DEPTH_1)

    def test_killed_in_search(self):
        with popen("killed-in-search") as engine, pytest.raises(EngineTerminatedError, match="killed by signal 9"):
            engine.play(Board(), DEPTH_1)

    def test_dies_after_its_move(self):
        """The move that it had written still counts."""
        with SimpleEngine.popen_uci(fake("die-after-move"), first_rank=0) as engine:
            assert engine.play(Board(), DEPTH_1).move is Move.from_iccs("h2e2")
            time.sleep(0.1)
            with pytest.raises(EngineTerminatedError, match="exit code 0"):
                engine.play(Board(), DEPTH_1)

    @pytest.mark.parametrize(
        ("limit", "message"), [(DEPTH_1, "hangs: "), (Limit(time=0.1), "did not move within 0.4 s")]
    )
    def test_hangs_in_search(self, limit, message):
        with impatient("hang-in-search") as engine:
            with pytest.raises(EngineTimeoutError, match=message):
                engine.play(Board(), limit)
            assert is_gone(engine.pid)

    def test_hangs_in_analysis(self):
        with impatient("hang-in-search") as engine:
            analysis = engine.analysis(Board())
            with pytest.raises(EngineTimeoutError, match="hangs"):
                list(analysis)

    @pytest.mark.parametrize("fault", ["talks", "repeats", "talks-and-answers"])
    def test_talks_but_gets_nowhere(self, fault):
        """It is not alive that prints the same again and again, and does not answer."""
        with impatient(fault) as engine:
            engine._engine.move_timeout = 1.0
            message = "did not move within 1.0 s" if fault == "talks-and-answers" else "hangs: nothing new for"
            with pytest.raises(EngineTimeoutError, match=message):
                engine.play(Board(), DEPTH_1)
            assert is_gone(engine.pid)

    def test_the_longest_time_for_a_move_is_not_that_of_an_infinite_search(self):
        with impatient("talks-and-answers") as engine:
            engine._engine.move_timeout = 0.1
            analysis = engine.analysis(Board())
            time.sleep(0.5)
            assert not analysis.done

    def test_ignores_stop(self):
        with impatient("ignores-stop") as engine:
            with engine.analysis(Board()) as analysis:
                assert next(iter(analysis)).depth == 1
            with pytest.raises(EngineTimeoutError, match="did not move within"):
                analysis.wait()

    def test_thinks_long_but_lives(self, tmp_path):
        """Without a limit of time silence is no fault as long as the engine can be spoken to."""
        log = tmp_path / "log"
        with popen(log=log) as engine:
            engine._engine.timeout = 2.0
            engine._engine.first_rank = 0
            analysis = engine.analysis(Board())
            while log.read_text().count("isready") < 3:  # one when it started, and two in its silence
                assert not analysis.done
                time.sleep(0.1)
            analysis.stop()
            assert analysis.wait().move is Move.from_iccs("h2e2")

    @pytest.mark.parametrize("answer", ["h2h8", "a0a9", "e2e4", "xyzzy", "h2", "h2e2e2", "i10i9"])
    def test_illegal_move(self, answer):
        with popen(best=answer) as engine:
            with pytest.raises(EngineMoveError) as error:
                engine.play(Board(), DEPTH_1)
            assert f"played {answer!r}, which is not legal in {Board().fen()}" in str(error.value)
            assert error.value.last_said == f"bestmove {answer}"

    @pytest.mark.parametrize("protocol", ["uci", "ucci"])
    @pytest.mark.parametrize("answer", ["", "(none)", "0000", "null", "NULL", "none"])
    def test_no_move(self, protocol, answer):
        """An engine that has no move to name where there is one is broken; it does not resign."""
        which = {"uci": "best", "ucci": "first"}[protocol]  # a UCI engine is first asked how it numbers ranks
        with (
            popen(protocol=protocol, **{which: answer}) as engine,
            pytest.raises(EngineMoveError, match="the engine named no move in "),
        ):
            engine.play(Board(), DEPTH_1)

    @pytest.mark.parametrize("answer", ["", "(none)", "0000", "resign"])
    @pytest.mark.parametrize("fen", ["3k5/3R5/3R5/9/9/9/9/9/9/4K4 b", "3k5/4R4/9/9/9/9/9/9/9/4K4 b"])
    def test_no_move_where_there_is_none(self, answer, fen):
        board = Board(fen)
        assert not board.has_legal_moves()
        with popen(best=answer) as engine:
            result = engine.play(board, DEPTH_1)
        assert (result.move, result.resigned) == (None, False)

    @pytest.mark.parametrize("protocol", ["uci", "ucci"])
    def test_upper_case(self, protocol):
        with popen(protocol=protocol, first="H2E2 PONDER H9G7 DRAW", best="H2E2 PONDER H9G7 DRAW") as engine:
            result = engine.play(Board(), DEPTH_1)
        assert (result.move, result.ponder) == (Move.from_iccs("h2e2"), Move.from_iccs("h9g7"))
        assert result.draw_offered

    @pytest.mark.parametrize("fault", ["tabs", "carriage-returns"])
    @pytest.mark.parametrize("protocol", ["uci", "ucci"])
    def test_white_space(self, fault, protocol):
        with popen(fault, protocol, best="h2e2 ponder h9g7", says="info depth 3 nodes 5") as engine:
            result = engine.play(Board.from_moves("h2e2 h9g7 e2h2 g7h9"), DEPTH_1)
            assert engine.id["name"] == f"Fake {fault}"
            assert engine.options["Ponder" if protocol == "uci" else "usemillisec"].type == "check"
        assert result.move is Move.from_iccs("h2e2")
        assert (result.info.depth, result.info.nodes) == (3, 5)

    def test_last_line_without_end(self):
        with SimpleEngine.popen_uci(fake("unfinished"), first_rank=0) as engine:
            assert engine.play(Board(), DEPTH_1).move is Move.from_iccs("h2e2")

    def test_first_move_has_a_bound(self):
        """The move that shows how ranks are numbered is asked for unseen, of an engine that may do without depths."""
        with popen("talks") as engine:
            engine._engine.timeout = 0.3
            with pytest.raises(EngineTimeoutError, match="did not move within"):
                engine.play(Board(), DEPTH_1)
            assert is_gone(engine.pid)

    def test_first_move_takes_no_longer_than_the_limit(self, tmp_path):
        log = tmp_path / "log"
        with popen(log=log) as engine:
            engine.play(Board(), Limit(time=0.2))
        goes = [line for line in log.read_text().splitlines() if line.startswith("go")]
        assert goes == ["go movetime 200 depth 1", "go movetime 200"]

    def test_illegal_expectation_is_ignored(self):
        with popen(best="h2e2 ponder h2e2") as engine:
            assert engine.play(Board(), DEPTH_1).ponder is None

    def test_garbage(self):
        with popen("garbage") as engine:
            result = engine.play(Board(), DEPTH_1)
        assert result.move is Move.from_iccs("h2e2")
        assert (result.info.depth, result.info.score, result.info.pv) == (4, Score(RED, cp=12), (result.move,))

    def test_huge_lines(self):
        with popen("huge-lines") as engine:
            assert engine.play(Board(), DEPTH_1).move is Move.from_iccs("h2e2")

    def test_flood(self):
        """Garbage without end is no sign of life."""
        with impatient("flood") as engine:
            with pytest.raises(EngineTimeoutError, match="hangs"):
                engine.play(Board(), DEPTH_1)
            assert is_gone(engine.pid)

    def test_does_not_quit(self):
        engine = popen("stubborn")
        engine.quit()
        assert is_gone(engine.pid)
        assert engine.returncode == -9

    def test_wrapper_dies_with_its_child(self):
        engine = popen("child")
        listed = Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split()
        assert len(listed) == 1
        engine.quit()
        assert is_gone(listed[0], zombie=True)  # once dead, it is for init to collect

    @pytest.mark.parametrize("end", ["quit", "kill", "crash"])
    def test_children_that_an_engine_leaves_die_with_it(self, end):
        """They keep its pipes open, and the client does not wait for them."""
        engine = popen("leaves-a-child")
        (child,) = Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split()
        if end == "crash":
            os.kill(engine.pid, signal.SIGKILL)
            with pytest.raises(EngineTerminatedError, match="killed by signal 9"):
                engine.play(Board(), Limit(time=60))
        elif end == "kill":
            engine._engine._process.kill()
        engine.quit()
        assert is_gone(child, zombie=True)

    def test_errors_are_one_family(self):
        kinds = [EngineStartError, EngineTerminatedError, EngineTimeoutError, EngineMoveError, EngineOptionError]
        assert all(issubclass(kind, EngineError) for kind in kinds)
        error = EngineMoveError("it played 'x'", "a b", "bestmove x", "trace")
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


class TestLeftBehind:
    def test_forgotten_engine_is_killed(self):
        engine = popen("stubborn")
        pid = engine.pid
        del engine
        gc.collect()
        assert is_gone(pid)

    def test_python_exits(self):
        script = f"""
from xiangqi.engine import SimpleEngine
engine = SimpleEngine.popen_uci({fake("stubborn")!r})
print(engine.pid, flush=True)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
        assert done.stderr == ""
        assert is_gone(int(done.stdout))


class TestThreads:
    def test_first_engines_of_two_threads_share_one_loop(self, monkeypatch):
        """Each would otherwise wait for answers in a loop of its own, one of which is lost."""
        monkeypatch.setattr(simple, "_loop", functools.cache(simple._loop.__wrapped__))
        new_event_loop = asyncio.new_event_loop

        def slow():
            time.sleep(0.2)
            return new_event_loop()

        monkeypatch.setattr(asyncio, "new_event_loop", slow)
        with ThreadPoolExecutor(2) as threads:
            one, two = threads.map(lambda _: simple._background(), range(2))
        one.call_soon_threadsafe(one.stop)
        assert one is two

    def test_one_engine_serves_many(self):
        with popen(best="h2e2") as engine, ThreadPoolExecutor(4) as threads:
            moves = list(threads.map(lambda _: engine.play(Board(), DEPTH_1).move, range(12)))
        assert moves == [Move.from_iccs("h2e2")] * 12


class TestAsyncio:
    def test_cancelled_search_is_stopped(self, tmp_path):
        log = tmp_path / "log"

        async def run() -> tuple[Move | None, Engine]:
            async with await popen_uci(fake("slow", sleep=0.3, best="h0g2", log=log), first_rank=0) as engine:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(engine.play(Board(), DEPTH_1), 0.05)
                return (await engine.play(Board(), DEPTH_1)).move, engine

        move, engine = asyncio.run(run())
        assert move is Move.from_iccs("h0g2")
        assert is_gone(engine.pid)
        assert "stop" in log.read_text()

    def test_cancelled_start_leaves_nothing_behind_and_is_quiet(self, tmp_path):
        faults = []

        async def run() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
            before = set(children())
            starting = asyncio.ensure_future(popen_uci(fake("stubborn")))
            while set(children()) == before:
                await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            await asyncio.sleep(0.3)  # longer than the process waits for its last output
            assert set(children()) == before

        asyncio.run(run())
        assert faults == []

    def test_calls_wait_for_each_other(self):
        async def run() -> list[Move | None]:
            async with await popen_uci(fake("slow", sleep=0.05, best="h0g2"), first_rank=0) as engine:
                results = await asyncio.gather(*(engine.play(Board(), DEPTH_1) for _ in range(3)))
                return [result.move for result in results]

        assert [move.iccs for move in asyncio.run(run())] == ["h2e2", "h0g2", "h0g2"]

    def test_error_in_the_middle_of_a_stream(self):
        async def read(engine: Engine, depths: list[int | None]) -> None:
            async for info in await engine.analysis(Board()):
                depths.append(info.depth)  # what came before the error matters

        async def run() -> list[int | None]:
            depths: list[int | None] = []
            async with await popen_uci(fake("die-in-search"), first_rank=0) as engine:
                with pytest.raises(EngineTerminatedError, match="exit code 11"):
                    await read(engine, depths)
            return depths

        assert asyncio.run(run()) == [1]
