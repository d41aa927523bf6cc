"""The engine's conversation: cases that boards of many kinds are known for."""

from __future__ import annotations

import gc
import itertools
import threading

import pytest

from lm.players.levels import LEVELS
from lm.players.player import Choice
from lm.players.specs import Spec
from lm.uci.options import Settings, greeting, level_of_elo
from lm.uci.search import MARGIN, Search
from lm.uci.server import holds
from uci_players import Scripted
from uci_talk import Talk, words_of
from xiangqi import BLACK, RED, Board, Move
from xiangqi.engine import Info, Limit, Score, Wdl
from xiangqi.engine.serving import Go
from xiangqi.notation import uci as uci_text

MATED = "R3k4/R8/9/9/9/9/9/9/9/3K5 b"
MATE_IN_ONE = "4k4/R8/9/9/9/9/9/9/1R7/3K5 w"


@pytest.fixture
def uci() -> Talk:
    return Talk("uci")


@pytest.fixture
def ucci() -> Talk:
    return Talk("ucci")


def moves_after(*moves: str) -> list[Move]:
    return Board.from_moves(moves).move_stack


def limits_of(talk: Talk) -> list[Limit | None]:
    """Return the limits that the player was given, but not those for a move where it was stopped without a line."""
    assert isinstance(talk.player, Scripted)
    return [limit for _, limit in talk.player.asked if limit != Limit(nodes=1)]


class TestCyclone:
    def test_positions_without_the_word(self, uci: Talk) -> None:
        uci.tell("startpos moves h2e2 h9g7", "go")
        uci.until("bestmove")
        fen = Board.from_moves("h2e2").fen()
        uci.tell(f"fen {fen} moves h9g7", "go")
        uci.until("bestmove")
        assert isinstance(uci.player, Scripted)
        first, second = (board for board, _ in uci.player.asked)
        assert first.move_stack == moves_after("h2e2", "h9g7")
        assert second.fen() == Board.from_moves("h2e2 h9g7").fen()

    def test_ranks_are_from_0(self, uci: Talk) -> None:
        """As uci2wb talks, which sets the variant as well."""
        uci.tell("setoption name UCI_Variant value xiangqi", f"fen {Board().fen().replace(' w ', ' r ')} moves")
        assert uci.best("go depth 1") == "bestmove a0a1"


class TestUcci:
    def test_handshake(self) -> None:
        said = list(greeting("ucci", "xqlm 1.0"))
        assert said[0] == "id name xqlm 1.0"
        assert said[-1] == "ucciok"
        assert "option Hash type spin min 16 max 65536 default 256" in said
        assert "option UCI_Elo" in " ".join(said)
        assert any(line.startswith("option usemillisec type check") for line in said)

    def test_set_option_without_name(self, ucci: Talk) -> None:
        assert ucci.heard("setoption Hash 32", "setoption hash 32", "setoption MultiPV 3") == []
        assert ucci.tell("go depth 1").until("bestmove")[-2].startswith("info depth 1 multipv 3 ")

    def test_times_are_in_seconds(self, ucci: Talk) -> None:
        ucci.best("setoption MultiPV 2", "go depth 1 time 60 increment 2 opptime 50 oppincrement 1")
        limit = Limit(depth=1, red_clock=60, red_increment=2, black_clock=50, black_increment=1)
        assert limits_of(ucci) == [None, limit]

    def test_or_in_milliseconds(self, ucci: Talk) -> None:
        ucci.tell("setoption MultiPV 2", "setoption usemillisec true", "position startpos moves h2e2")
        ucci.best("go depth 1 time 60000 movestogo 10 opptime 50000")
        assert limits_of(ucci)[1] == Limit(depth=1, black_clock=60, red_clock=50, moves_to_go=10)

    def test_time_spent_is_in_milliseconds(self, ucci: Talk) -> None:
        assert words_of(ucci.tell("go time 60").until("bestmove"), "time")[0].isdigit()

    def test_banned_moves_until_the_next_position(self, ucci: Talk) -> None:
        moves = [move.iccs for move in Board().legal_moves]
        ucci.tell("position startpos", f"banmoves {' '.join(moves[1:])}")
        assert ucci.best("go depth 1") == ucci.best("go depth 1") == f"bestmove {moves[0]}"
        ucci.tell("position startpos", f"banmoves {moves[0]} nonsense a0a9")
        assert ucci.best("go depth 1") == f"bestmove {moves[1]}"
        assert ucci.best("position startpos", "go depth 1") == f"bestmove {moves[0]}"

    def test_all_moves_banned(self, ucci: Talk) -> None:
        ucci.tell("position startpos", f"banmoves {' '.join(move.iccs for move in Board().legal_moves)}", "go depth 1")
        assert ucci.until("nobestmove") == ["nobestmove"]

    def test_a_ban_holds_for_a_player_that_does_not_listen(self) -> None:
        ucci = Talk("ucci", Scripted(pv="h2e2 h9g7"))
        assert ucci.best("position startpos", "banmoves h2e2", "go depth 1") == "bestmove a0a1"

    def test_undeclared_options_are_ignored_silently(self, ucci: Talk) -> None:
        options = (
            "usebook true",
            "bookfiles C:\\a b\\BOOK.DAT",
            "hashsize 16",
            "randomness small",
            "style normal",
            "x",
        )
        assert ucci.heard(*(f"setoption {option}" for option in options)) == []
        assert ucci.best("go depth 1").startswith("bestmove ")

    def test_new_game(self, ucci: Talk) -> None:
        ucci.tell("isready", "setoption newgame")
        assert isinstance(ucci.player, Scripted)
        assert ucci.player.games == 1

    def test_stop_while_idle(self, ucci: Talk) -> None:
        assert ucci.heard("stop") == ["nobestmove"]

    def test_quit(self, ucci: Talk) -> None:
        assert not ucci.server.handle("quit")

    def test_depth_0_is_a_static_score(self) -> None:
        ucci = Talk("ucci", Scripted(wdl=Wdl(1000, 0, 0)))
        said = ucci.tell("go depth 0").until("nobestmove")
        assert words_of(said, "score") == ["400"]
        assert words_of(said, "depth") == ["0"]
        assert said[-1] == "nobestmove"

    def test_in_a_batch_a_search_is_never_cut_short(self) -> None:
        ucci = Talk("ucci", Scripted())
        ucci.tell("setoption batch true", "go depth 50", "isready", "go depth 50")
        said = ucci.until("bestmove")
        assert said[-2].startswith("info depth 2 ")
        assert ucci.until("readyok") == ["readyok"]
        ucci.until("bestmove")

    def test_draws(self) -> None:
        ucci = Talk("ucci", Scripted("offers", pv="h2e2 h9g7"))
        assert ucci.best("go draw time 100 increment 0 opptime 100 oppincrement 0") == "bestmove h2e2 ponder h9g7 draw"
        ucci.tell("position startpos", "go ponder time 100 opptime 100")
        assert ucci.best("ponderhit draw") == "bestmove h2e2 ponder h9g7 draw"

    def test_resignation_comes_with_a_move(self) -> None:
        ucci = Talk("ucci", Scripted("resigns"))
        assert ucci.best("go depth 3") == "bestmove a0a1 resign"
        assert Talk("ucci", Scripted("resigns", pv="h2e2")).best("go depth 3") == "bestmove h2e2 resign"

    def test_no_move(self, ucci: Talk) -> None:
        ucci.tell(f"position fen {MATED}", "go depth 3")
        assert ucci.until("nobestmove") == ["nobestmove"]

    def test_scores_are_in_hundredths_of_a_horse(self) -> None:
        ucci = Talk("ucci", Scripted(info=Info(depth=3, score=Score(RED, cp=-800), pv=tuple(moves_after("h2e2")))))
        said = ucci.tell("go depth 3").until("bestmove")
        assert said[:2] == ["info nodes 1 time 1", "info depth 3 score -200 pv h2e2"] or words_of(said, "score") == [
            "-200"
        ]
        assert "cp" not in " ".join(said)

    def test_ranks_are_from_0_always(self, ucci: Talk) -> None:
        ucci.tell("setoption UCI_Variant xiangqi")
        assert ucci.heard("position startpos moves h3e3")[0].startswith("info message ")
        assert ucci.best("position startpos", "go depth 1") == "bestmove a0a1"


class TestPositions:
    def test_short_and_old_fens(self, uci: Talk) -> None:
        start = "rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR"
        old = start.replace("n", "h").replace("b", "e").replace("N", "H").replace("B", "E")
        for fen in (start, f"{start} w", f"{start} r", f"{start} W - -", f"{old} w - - 0 1", f"{start} w - - - -"):
            assert uci.best(f"position fen {fen}", "go depth 1") == "bestmove a0a1"
        assert uci.best(f"position fen {start} B", "go depth 1") == "bestmove a6a5"

    def test_history_and_counters(self, uci: Talk) -> None:
        fen = Board.from_moves("h2e2 h9g7 e2e6").fen()
        uci.best(f"position fen {fen.replace(' 0 ', ' 7 ')} moves g7e6 h0g2 i9h9", "go")
        assert isinstance(uci.player, Scripted)
        board, _ = uci.player.asked[-1]
        assert [move.iccs for move in board.move_stack] == ["g7e6", "h0g2", "i9h9"]
        assert board.root().halfmove_clock == 7
        assert board.halfmove_clock == 2

    @pytest.mark.parametrize("since", [0, 1, 3])
    def test_the_game_before_the_last_capture_is_remembered(self, uci: Talk, since: int) -> None:
        """Boards tell the position after it and the moves since, as UCCI demands; the model reads whole games."""
        game = ["h2e2", "h9g7", "h0g2"]
        game += [uci.best(f"position startpos moves {' '.join(game)}", "go").split()[1], "e2e6"]
        known = len(game) - since
        told = f"position fen {Board.from_moves(game[:known]).fen()} moves {' '.join(game[known:])}"
        uci.best(told, "go")
        assert isinstance(uci.player, Scripted)
        assert uci.player.asked[-1][0].move_stack == moves_after(*game)
        undone = [*game[:3], "i9h9"]  # another reply than was played
        uci.best(f"position fen {Board.from_moves(undone).fen()}", "go")
        assert uci.player.asked[-1][0].move_stack == moves_after(*undone)
        uci.tell("ucinewgame")
        uci.best(told, "go")
        assert uci.player.asked[-1][0].move_stack == moves_after(*game)[known:]

    @pytest.mark.parametrize(
        "position",
        [
            "position",
            "position fen",
            "position fen x",
            "position fen 9/9/9/9/9/9/9/9/9/9 w",
            "position fen 4k4/9/9/9/9/9/9/9/9/4K4 w",
            "position startpos moves h2h9x",
            "position startpos moves h2e2 h2e2",
            "position startpos moves 0000",
            "position endpos",
        ],
    )
    @pytest.mark.parametrize("protocol", ["uci", "ucci"])
    def test_illegal_ones_are_survived(self, protocol: str, position: str) -> None:
        talk = Talk(protocol)
        (complaint,) = talk.heard("position startpos", position)
        assert complaint.startswith("info string " if protocol == "uci" else "info message ")
        none = "bestmove (none)" if protocol == "uci" else "nobestmove"
        assert talk.tell("go depth 3").until(none.split()[0])[-1] == none
        assert talk.tell("go infinite").until(none.split()[0])[-1] == none
        assert talk.best("position startpos moves h2e2", "go depth 1") == "bestmove a6a5"

    def test_no_legal_move(self, uci: Talk) -> None:
        said = uci.tell(f"position fen {MATED}", "go depth 3").until("bestmove")
        assert said == ["info depth 0 multipv 1 score mate 0", "bestmove (none)"]

    def test_a_game_that_the_rules_have_ended_goes_on(self, uci: Talk) -> None:
        laps = "h2e2 h9g7 e2h2 g7h9 " * 2
        said = uci.tell(f"position startpos moves {laps}", "go depth 1").until("bestmove")
        assert "repetition" in said[0]
        assert said[-1] == "bestmove a0a1"
        uci.tell("setoption name RuleSet value none")
        assert "repetition" not in uci.tell("go depth 1").until("bestmove")[0]

    def test_the_board_may_choose_the_rules_of_repetition(self, uci: Talk) -> None:
        laps = "e3c3 c5e4 c3e3 e4c5 " * 2
        uci.tell(f"position fen 3k5/9/9/9/2n6/9/4R4/5K3/9/9 w moves {laps}")
        for rules, verdict in (("computer", "1/2-1/2 (repetition)"), ("asian", "0-1 (perpetual chase)")):
            uci.tell(f"setoption name RuleSet value {rules}")
            assert verdict in uci.tell("go depth 1").until("bestmove")[0]


class TestRanks:
    def test_they_are_from_0(self, uci: Talk) -> None:
        assert uci.best("position startpos", "go depth 1") == "bestmove a0a1"

    def test_from_1_where_the_variant_is_set(self, uci: Talk) -> None:
        uci.tell("setoption name UCI_Variant value xiangqi")
        assert uci.best("position startpos", "go depth 1") == "bestmove a1a2"
        said = uci.tell("position startpos moves h3e3 h10g8", "go depth 1 searchmoves h1g3").until("bestmove")
        assert words_of(said, "pv") == ["h1g3"]
        assert said[-1] == "bestmove h1g3"

    def test_a_board_that_counts_otherwise_is_understood(self, uci: Talk) -> None:
        assert uci.best("position startpos moves h3e3", "go depth 1") == "bestmove a7a6"
        assert uci.best("position startpos moves h2e2", "go depth 1") == "bestmove a6a5"


class TestOptions:
    def test_those_that_nobody_offered(self, uci: Talk) -> None:
        """They are ignored with a word, and a search without end does not end at once."""
        for name in ("SyzygyPath value a b", "UCI_AnalyseMode value true", "Clear Hash"):
            assert uci.heard(f"setoption name {name}") == [f"info string no option {name.split(' value')[0]!r}"]
        uci.tell("go infinite")
        said = uci.heard()
        assert not any(line.startswith("bestmove") for line in said)
        assert uci.best("stop") == "bestmove a0a1"

    def test_bad_values_are_refused(self, uci: Talk) -> None:
        for setting in ("MultiPV value many", "Hash value 0", "RuleSet value God", "Ponder value maybe", "MultiPV"):
            (complaint,) = uci.heard(f"setoption name {setting}")
            assert complaint.startswith("info string option ")
        assert uci.heard("setoption", "setoption name", "setoption name value 3") != []
        assert uci.best("go depth 1") == "bestmove a0a1"

    def test_the_level_is_played(self) -> None:
        talk = Talk(spec=None)
        talk.heard("setoption name level value casual")
        talk.heard("setoption name Temperature value 0.7", "setoption name Voice value engine")
        talk.heard("setoption name Model value My Models/a")
        talk.heard("setoption name Temperature value <empty>")
        assert talk.opened == [
            (casual := "careful:depth=1,care=0.58,temperature=1.15"),
            "careful:depth=1,care=0.58,temperature=0.7,voice=engine",
            "careful:depth=1,care=0.58,temperature=0.7,voice=engine,model=My Models/a",
            f"{casual},voice=engine,model=My Models/a",
        ]

    def test_or_the_level_of_an_elo(self) -> None:
        talk = Talk(spec=None)
        talk.heard(f"setoption name UCI_Elo value {LEVELS[4].elo - 10}")
        talk.heard("setoption name UCI_LimitStrength value true", f"setoption name UCI_Elo value {LEVELS[0].elo}")
        assert talk.opened == [LEVELS[4].spec, LEVELS[0].spec]

    def test_every_level_has_an_elo(self) -> None:
        assert [level_of_elo(level.elo) for level in LEVELS] == list(LEVELS)

    def test_what_a_player_does_not_take_waits_for_another(self, uci: Talk) -> None:
        (complaint,) = uci.heard("setoption name Temperature value 0.5")
        assert "temperature" in complaint
        assert uci.opened == ["greedy:seed=1"]

    def test_wdl_on_demand(self) -> None:
        uci = Talk(player=Scripted(wdl=Wdl(500.4, 300, 199.6)))
        assert "wdl" not in " ".join(uci.tell("go depth 1").until("bestmove"))
        said = uci.tell("setoption name UCI_ShowWDL value true", "go depth 1").until("bestmove")
        assert "wdl 500 300 200" in said[-2]

    def test_what_chooses_a_level_is_not_offered_beside_a_player(self) -> None:
        declared = [line.split()[2] for line in greeting("uci", "", "greedy") if line.startswith("option")]
        assert not {"Level", "UCI_LimitStrength", "UCI_Elo", "Nodes"} & set(declared)
        assert "MultiPV" in declared
        assert Talk().heard("setoption name Level value Best") == ["info string no option 'Level'"]

    def test_defaults_are_legal(self) -> None:
        for protocol in ("uci", "ucci"):
            settings = Settings(protocol)
            for line in greeting(protocol, ""):
                if line.startswith("option ") and "button" not in line:
                    name = line.removeprefix("option ").removeprefix("name ").split()[0]
                    settings.set(name, settings.text(name))


class TestLoading:
    def test_no_move_waits_for_pythons_garbage_collector(self) -> None:
        gc.unfreeze()
        before = len(gc.get_objects())
        Talk("uci").tell("isready").until("readyok")
        assert len(gc.get_objects()) < before / 4  # what it looks at

    def test_once(self, uci: Talk) -> None:
        uci.heard("isready", "ucinewgame", "isready")
        assert uci.opened == ["greedy:seed=1"]

    def test_a_failure_is_told_and_the_old_player_kept(self) -> None:
        talk = Talk(spec=None)
        talk.heard()
        talk.server._open = Spec.open
        (complaint,) = talk.heard("setoption name Model value /no/such/folder")
        assert complaint.startswith("info string cannot load lm:")
        assert talk.heard() == []
        assert talk.best("go depth 1") == "bestmove a0a1"

    def test_without_any_player_the_answer_is_none(self) -> None:
        talk = Talk(spec=None)
        talk.server._open = Spec.open
        talk.heard("setoption name Model value /no/such/folder")
        said = talk.tell("go depth 1").until("bestmove")
        assert said[0].startswith("info string no player is loaded")
        assert said[-1] == "bestmove (none)"

    def test_stop_is_heard_while_a_player_is_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lm.uci.server.LATE", 0.1)
        talk, gate = Talk(), threading.Event()
        talk.server._open = lambda spec: (gate.wait(), talk.player)[1]
        talk.tell("isready", "position startpos moves h2e2", "go infinite")
        assert talk.said == []
        told, answer = talk.tell("stop").until("bestmove")
        assert told == "info string stopped before the player was loaded"
        assert answer.split()[1] in {uci_text(move) for move in Board.from_moves("h2e2").legal_moves}
        gate.set()
        assert talk.until("readyok") == ["readyok"]
        assert talk.best("go depth 1") == "bestmove a6a5"

    def test_another_number_of_nodes_needs_no_other_player(self) -> None:
        talk = Talk(spec=None)
        talk.heard("setoption name Nodes value 50")
        talk.heard("setoption name Nodes value 70")
        assert talk.opened == ["search:nodes=50"]
        assert talk.player.limit == Limit(nodes=70)
        talk.heard("setoption name Nodes value 70", "setoption name Threads value 1", "setoption name Hash value 16")
        assert len(talk.opened) == 2


class TestSearches:
    def test_ready_during_a_search(self, uci: Talk) -> None:
        uci.tell("go infinite")
        for _ in range(3):
            assert "bestmove" not in " ".join(uci.heard())
        assert uci.best("stop") == "bestmove a0a1"

    def test_an_option_during_a_search_waits(self) -> None:
        talk = Talk(spec=None)
        talk.tell("isready", "go infinite", "setoption name Level value Best", "isready")
        talk.until("readyok")
        talk.best("stop")
        assert len(talk.opened) == 1
        talk.heard()
        assert len(talk.opened) == 2

    def test_stop_while_idle_and_twice(self, uci: Talk) -> None:
        assert uci.heard("stop", "stop") == []
        uci.best("go infinite", "stop", "stop")
        assert uci.heard() == []

    def test_a_patient_player_is_stopped(self) -> None:
        talk = Talk(player=Scripted("patient"))
        for _ in range(20):
            assert talk.best("go infinite", "stop") == "bestmove a0a1"

    def test_a_second_go_ends_the_first(self, uci: Talk) -> None:
        uci.tell("go infinite searchmoves h2e2", "go depth 1 searchmoves b2e2")
        assert [uci.until("bestmove")[-1] for _ in range(2)] == ["bestmove h2e2", "bestmove b2e2"]

    def test_ponder_and_hit(self, uci: Talk) -> None:
        uci.tell("position startpos moves h2e2 h9g7", "go ponder wtime 1000 btime 1000")
        assert "bestmove" not in " ".join(uci.heard())
        assert uci.best("ponderhit") == "bestmove a0a1"
        uci.tell("go ponder wtime 1000 btime 1000")
        assert uci.best("stop") == "bestmove a0a1"
        assert uci.heard("ponderhit") == []

    def test_ponder_move(self) -> None:
        assert Talk(player=Scripted(pv="h2e2 h9g7")).best("go depth 1") == "bestmove h2e2 ponder h9g7"

    def test_searchmoves(self, uci: Talk) -> None:
        assert uci.best("go depth 1 searchmoves H2E2 b2e2") == "bestmove h2e2"
        assert uci.best("go searchmoves b2e2 depth 1") == "bestmove b2e2"
        assert uci.best("go infinite searchmoves h2e2", "stop") == "bestmove h2e2"

    def test_mate_is_a_depth(self, uci: Talk) -> None:
        uci.tell("setoption name MultiPV value 2")
        assert max(words_of(uci.tell("go mate 2").until("bestmove"), "depth")) == "3"

    def test_depth_0_and_no_nodes(self, uci: Talk) -> None:
        assert uci.best("go depth 0") == uci.best("go nodes 0") == uci.best("go movetime 0") == "bestmove a0a1"
        assert uci.best("go wtime -100 btime -5") == "bestmove a0a1"

    def test_more_lines_than_moves(self, uci: Talk) -> None:
        uci.tell("setoption name MultiPV value 100", f"position fen {Board().fen()}", "go depth 1")
        assert words_of(uci.until("bestmove"), "multipv") == [str(n) for n in range(1, 45)]
        uci.tell("position fen 3k5/9/9/9/9/9/9/9/4R4/5K3 b", "go depth 1")
        assert words_of(uci.until("bestmove"), "multipv") == ["1"]

    def test_new_game_in_a_search(self, uci: Talk) -> None:
        uci.tell("go infinite", "ucinewgame")
        uci.until("bestmove")
        assert isinstance(uci.player, Scripted)
        assert uci.player.games == 1

    @pytest.mark.parametrize("fault", ["fails", "crashes"])
    def test_a_player_that_fails(self, fault: str) -> None:
        talk = Talk(player=Scripted(fault))
        said = talk.tell("go depth 3").until("bestmove")
        assert said[0].startswith("info string ")
        assert said[-1] == "bestmove (none)"
        assert talk.heard() == []

    def test_case_tabs_and_unknown_words(self, uci: Talk) -> None:
        assert uci.heard("", "   ", "\t", "joho", "DEBUG on", "register later") == ["info string unknown command: joho"]
        assert uci.best("Position\tSTARTPOS  Moves\tH2E2\r", "GO\tDEPTH\t1 nonsense\r\n") == "bestmove a6a5"


class TestStrength:
    @pytest.mark.parametrize("go", ["go infinite", "go movetime 10000", "go nodes 1000000", "go depth 30", "go"])
    def test_a_level_holds_whatever_the_board_says(self, uci: Talk, go: str) -> None:
        uci.best(go, *(["stop"] if go == "go infinite" else []))
        assert limits_of(uci)[0] is None  # it chose by its own measure

    def test_only_a_search_without_an_end_of_its_own_is_free(self) -> None:
        assert all(holds(Spec.parse(level.spec)) for level in LEVELS)
        assert holds(Spec.parse("greedy"))
        assert holds(Spec.parse("search:400"))
        assert not holds(Spec.parse("search:threads=2"))

    def test_time_stops_a_level(self) -> None:
        assert Talk(player=Scripted("patient")).best("go movetime 20") == "bestmove a0a1"
        assert Talk(player=Scripted("patient")).best("go wtime 30 btime 10") == "bestmove a0a1"
        talk = Talk(player=Scripted("patient"))
        assert talk.best("go ponder wtime 30 btime 10", "ponderhit") == "bestmove a0a1"

    def test_a_free_thinker_is_given_the_limit(self) -> None:
        player, told, answers = Scripted(), [], []
        go = Go(Limit(depth=3))
        search = Search(
            lambda stopped: player, Board(), go, Board().legal_moves, 2, False, told.append, print, answers.append
        )
        search.start()
        search.join()
        assert player.asked[0][1] == Limit(depth=3)
        assert [info.depth for info in told] == [1, 1, 2, 2, 3, 3]
        assert isinstance(answers[0], Choice)
        assert answers[0].move is Board().legal_moves[0]

    def test_the_full_level_thinks_for_as_long_as_the_board_allows(self) -> None:
        talk = Talk(spec=None)
        talk.tell("setoption name Level value Full")
        assert talk.best("go depth 3") == "bestmove a0a1"
        assert talk.best("go nodes 50 depth 2 searchmoves h2e2") == "bestmove h2e2"
        talk.tell("go movetime 60000", "stop").until("bestmove")
        assert talk.best("go") == "bestmove a0a1"  # for as long as it likes
        allowed = (Move.from_iccs("h2e2"),)
        assert talk.opened == ["search"]
        assert limits_of(talk) == [
            Limit(depth=3),
            Limit(nodes=50, depth=2, root_moves=allowed),
            Limit(time=60 - MARGIN),
            None,
        ]

    def test_infinite_and_ponder_are_endless_for_it(self) -> None:
        talk = Talk(spec="search")
        assert talk.best("go infinite", "stop") == talk.best("go ponder movetime 5", "ponderhit") == "bestmove a0a1"
        assert limits_of(talk) == [Limit(), Limit()]

    @pytest.mark.parametrize("limit", ["depth 40", "nodes 400", ""])
    def test_ponderhit_without_a_clock(self, limit: str) -> None:
        """The search that is under way ends where the limit says."""
        talk = Talk(spec="search")
        talk.tell(f"go ponder {limit}", "isready").until("readyok")
        assert talk.best("ponderhit") == "bestmove a0a1"

    def test_nodes_are_held(self) -> None:
        talk = Talk(spec=None)
        talk.tell("setoption name Threads value 1", "setoption name Hash value 26")
        talk.best("setoption name Nodes value 200", "go movetime 60000")
        assert talk.opened == ["search:nodes=200,threads=1,size=2048"]
        assert limits_of(talk) == [None]


class TestScores:
    def test_mate_from_a_proof(self) -> None:
        uci = Talk(player=Scripted(pv="b1b9", wdl=Wdl(900, 50, 50)))
        assert " score mate 1 " in uci.tell(f"position fen {MATE_IN_ONE}", "go depth 1").until("bestmove")[-2]

    @pytest.mark.parametrize("color", [RED, BLACK])
    @pytest.mark.parametrize("mate", [2, -3])
    def test_sign_of_a_mate(self, color: int, mate: int) -> None:
        score = Score(RED, mate=mate)
        moves = moves_after("h2e2")[:0] if color == RED else moves_after("h2e2")
        uci = Talk(player=Scripted(info=Info(depth=5, score=score)))
        uci.tell(f"position startpos moves {' '.join(move.iccs for move in moves)}".rstrip(" ").removesuffix(" moves"))
        said = uci.tell("go depth 1").until("bestmove")
        assert words_of(said, "mate") == [str(mate if color == RED else -mate)]

    def test_a_win_by_ruling_is_no_mate(self) -> None:
        """Red has checked perpetually: Black, who returns to where it was, has won."""
        fen, lap = "3k5/9/9/9/9/9/9/9/4R4/5K3 w", "e1d1 d9e9 d1e1 e9d9 "
        uci = Talk(player=Scripted(pv="e9d9", wdl=Wdl(1000, 0, 0)))
        said = uci.tell(f"position fen {fen} moves {(lap * 2)[:-6]}", "go depth 1").until("bestmove")
        assert "info string after e9d9 the game is over by the rules: 0-1 (perpetual check)" in said
        assert words_of(said, "cp") == ["1600"]
        assert words_of(said, "mate") == []

    def test_without_an_opinion_it_is_even(self, uci: Talk) -> None:
        assert words_of(uci.tell("go depth 1").until("bestmove"), "cp") == ["0"]

    def test_info_has_what_boards_look_for(self, uci: Talk) -> None:
        for position, go in itertools.product(
            ("position startpos", "position startpos moves h2e2"), ("go movetime 50", "go depth 3", "go nodes 100")
        ):
            line = uci.tell(position, go).until("bestmove")[-2]
            for word in ("depth", "multipv", "cp", "nodes", "nps", "time"):
                (number,) = words_of([line], word)
                assert int(number) >= 0
