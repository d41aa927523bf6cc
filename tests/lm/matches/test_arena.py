from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from lm import UserError, data_path
from lm.matches.adjudication import Adjudication
from lm.matches.arena import Pairing, load_openings, match_pairings, play_games
from lm.matches.clocks import NO_CLOCKS, Clocks
from lm.matches.match_file import play_to_file
from lm.matches.table import Seat, Table
from lm.players.player import Choice, Player, PlayerError
from lm.players.simple import RandomPlayer
from lm.players.specs import Spec, load_player
from xiangqi import BLACK, RED, Board, Move
from xiangqi.engine import Info, Limit, Score
from xiangqi.formats import load
from xiangqi.game import Game

# Speaks UCI, plays the first legal moves of the start, and keeps in a file of its own what it is told.
FIRST_MOVE = """
import os, sys
log = open(f"{folder}/{{os.getpid()}}.log", "a")
for line in sys.stdin:
    print(line.strip(), file=log, flush=True)
    if line.strip() in ("uci", "isready"):
        print({{"uci": "uciok", "isready": "readyok"}}[line.strip()], flush=True)
    if line.startswith("position"):
        moves = line.partition(" moves ")[2].split()
    if line.startswith("go"):
        print("bestmove", "b0a2" if not moves else "i9i8" if len(moves) % 2 else "a0b0", flush=True)
    if line.strip() == "quit":
        break
"""

# Speaks UCI and fails at its second move, in the way that its argument says.
FAILING = """
import sys, time
for line in sys.stdin:
    if line.strip() in ("uci", "isready"):
        print({"uci": "uciok", "isready": "readyok"}[line.strip()], flush=True)
    if line.startswith("position"):
        moves = line.partition(" moves ")[2].split()
    if line.startswith("go") and not moves:
        print("bestmove a0a1", flush=True)
    elif line.startswith("go"):
        if sys.argv[1] == "die":
            sys.exit(1)
        if sys.argv[1] == "hang":
            time.sleep(600)
        print("bestmove", {"cheat": "a1a9", "none": "(none)"}[sys.argv[1]], flush=True)
    if line.strip() == "quit":
        break
"""


class Scripted(Player):
    """Does what a function says, and remembers on how many boards at a time it was asked."""

    def __init__(self, choose, name: str = "scripted") -> None:
        self.name, self._choose, self.asked = name, choose, []

    def choose(self, boards: Sequence[Board], limits: object = None) -> list[Choice]:
        self.asked.append(len(boards))
        return [self._choose(board) for board in boards]


PLAYERS: dict[Spec, Player] = {}


def spec_of(player: Player) -> Spec:
    """Return the spec under which `open_player` knows a player of a test."""
    spec = Spec("py", f"players:of_tests_{id(player)}", (("name", player.name),))
    PLAYERS[spec] = player  # which is kept, so that no other gets its number
    return spec


def open_player(spec: Spec) -> Player:
    return PLAYERS[spec] if spec in PLAYERS else spec.open()


def random_player(seed: int, name: str) -> Spec:
    return Spec.parse(f"random:seed={seed},name={name}")


def first_move(board: Board) -> Choice:
    return Choice(board.legal_moves[0])


def play(red, black=None, opening="", **options) -> Game:
    line = tuple(Board.from_moves(opening).move_stack)
    pairing = Pairing(spec_of(red), spec_of(black or red), line)
    ((_, game),) = play_games({0: pairing}, open_player=open_player, **options)
    return game


def endings(game: Game) -> tuple[str, str, str]:
    return game.result, game.headers["Termination"], game.headers["PlyCount"]


class TestEndings:
    def test_ply_limit(self) -> None:
        game = play(RandomPlayer(seed=1), max_plies=10)
        assert endings(game) == ("1/2-1/2", "ply limit", "10")

    def test_resignation_of_either_side(self) -> None:
        quitter = Scripted(lambda board: Choice(None))
        assert endings(play(quitter, RandomPlayer())) == ("0-1", "resignation", "0")
        assert endings(play(RandomPlayer(), quitter)) == ("1-0", "resignation", "1")

    def test_mate(self) -> None:
        moves = ["h2e2", "i6i5", "e2e6", "i5i4", "b2b4", "i4i3", "b4e4"]  # two cannons on the file of the king
        scripted = Scripted(lambda board: Choice(Move.from_iccs(moves[board.ply])))
        assert endings(play(scripted)) == ("1-0", "checkmate", "7")

    def test_rules_end_a_random_game(self) -> None:
        game = play(RandomPlayer(seed=5), max_plies=2000)
        outcome = game.end_board().outcome()
        assert endings(game)[:2] == (outcome.result, outcome.reason)

    def test_perpetual_check_is_ruled_and_can_be_left_unruled(self) -> None:
        shuffle = Scripted(lambda board: Choice(Move.from_iccs(("a0a1", "a9a8", "a1a0", "a8a9")[board.ply % 4])))
        assert play(shuffle).headers["Termination"] == "repetition"
        assert play(shuffle, rules="none", max_plies=40).headers["Termination"] == "ply limit"

    def test_draw_by_agreement_takes_both(self) -> None:
        offers = Scripted(lambda board: Choice(board.legal_moves[0], draw=True))
        assert endings(play(offers)) == ("1/2-1/2", "draw agreed", "2")
        one_sided = play(offers, RandomPlayer(seed=1), max_plies=12)
        assert one_sided.headers["Termination"] == "ply limit"

    @pytest.mark.parametrize("opening", ["h2e2", "h2e2 h9g7"])
    def test_who_resigns_loses_whoever_is_to_move_after_the_opening(self, opening: str) -> None:
        quitter, other = Scripted(lambda board: Choice(None)), Scripted(first_move)
        assert play(quitter, other, opening).result == "0-1"
        assert play(other, quitter, opening).result == "1-0"

    def test_an_offer_lapses_with_the_next_move_that_makes_none(self) -> None:
        """Red offers at his first move, Black at his second: neither answers the other."""
        offers = Scripted(lambda board: Choice(board.legal_moves[0], draw=board.ply in (0, 3, 6)))
        assert endings(play(offers, max_plies=9)) == ("1/2-1/2", "ply limit", "9")
        answered = Scripted(lambda board: Choice(board.legal_moves[0], draw=board.ply in (0, 3, 4)))
        assert endings(play(answered, max_plies=9)) == ("1/2-1/2", "draw agreed", "5")

    @pytest.mark.parametrize("plies", [4, 5])
    def test_the_ply_limit_counts_the_opening(self, plies: int) -> None:
        game = play(Scripted(first_move), opening="h2e2 h9g7 h0g2", max_plies=plies)
        assert endings(game) == ("1/2-1/2", "ply limit", str(plies))

    def test_each_player_moves_its_own_pieces(self) -> None:
        """Also after an opening of an odd number of plies."""
        moved: dict[str, set[int]] = {"a": set(), "b": set()}

        def player(name: str) -> Scripted:
            return Scripted(lambda board: moved[name].add(board.turn) or first_move(board), name)

        for opening in ("", "h2e2", "h2e2 h9g7"):
            game = play(player("a"), player("b"), opening, max_plies=6)
            assert (game.headers["Red"], game.headers["Black"]) == ("a", "b")
        assert moved == {"a": {RED}, "b": {BLACK}}

    def test_record_replays(self) -> None:
        game = play(RandomPlayer(seed=2), opening="h2e2 h9g7", max_plies=30)
        assert [move.iccs for move in game.moves()][:2] == ["h2e2", "h9g7"]
        assert Board.from_moves(game.moves()).ply == int(game.headers["PlyCount"]) == 30


class TestBatching:
    def test_one_call_for_all_boards_where_a_player_is_to_move(self) -> None:
        a, b = Scripted(first_move, "a"), Scripted(first_move, "b")
        games = dict(play_games(match_pairings(spec_of(a), spec_of(b), 8, [()]), max_plies=4, open_player=open_player))
        assert len(games) == 8
        assert a.asked == b.asked == [4, 4, 4, 4]

    def test_no_more_games_at_once_than_allowed(self) -> None:
        player = Scripted(first_move)
        pairing = Pairing(spec_of(player), spec_of(player))
        games = dict(play_games(dict.fromkeys(range(7), pairing), max_plies=3, parallel=3, open_player=open_player))
        assert len(games) == 7
        assert max(player.asked) == 3


class TestIndependence:
    """A game is the same whatever is played beside it: what resuming, and any number of workers, rest on."""

    @pytest.mark.parametrize(
        "spec",
        [
            "random:seed=3",
            "greedy:seed=3",
            "tactics:2",
            "lm:temperature=1,seed=3,model=MODEL",
            "careful:depth=2,seed=3,model=MODEL",
            pytest.param("search:24,temperature=1,noise=0.25,seed=3,model=MODEL", marks=pytest.mark.slow),
        ],
    )
    def test_of_the_other_games(self, spec: str, model_folder: Path) -> None:
        """Five games with many positions in common, together and one by one in another order."""
        player = Spec.parse(spec.replace("MODEL", str(model_folder)))
        pairings = match_pairings(player, Spec.parse("random:seed=4"), 5, [()])
        options = {"max_plies": 24, "cores": 2}
        together = dict(play_games(pairings, **options))
        for index in (3, 0, 4):
            ((_, alone),) = play_games({index: pairings[index]}, **options)
            assert alone.moves() == together[index].moves()
            assert alone.result == together[index].result

    def test_of_the_other_boards_of_a_call(self, model_folder: Path) -> None:
        """The answer has the same numbers, to the last bit."""
        boards = [Board.from_moves(moves) for moves in ("", "h2e2", "h2e2 h9g7", "h2e2 h9g7 h0g2", "b0c2 b9c7")]

        def told(choice: Choice) -> tuple[object, ...]:
            return choice.move, choice.candidates, replace(choice.info, time=None, nps=None)

        for spec in ("lm:temperature=0", "search:40", "careful:2"):
            player = Spec.parse(spec).with_options({"model": str(model_folder), "seed": "1"})
            together, apart = player.open(), player.open()
            for number, board in enumerate(boards):
                together.begin_game(board, number)
                apart.begin_game(board, number)
            found = together.choose(boards)
            for board, choice in reversed(list(zip(boards, found, strict=True))):
                assert told(apart.choose([board])[0]) == told(choice)


class TestEngines:
    """Each game in play has a process of its own, which is told of each new game."""

    def play(self, tmp_path: Path, games: int, **options: object) -> list[list[str]]:
        """Let an engine meet a player and return what each of its processes was told."""
        script = tmp_path / "first.py"
        script.write_text(FIRST_MOVE.format(folder=tmp_path))
        spec = Spec("uci", options=(("cmd", f"{sys.executable} -S {script}"), ("depth", "1")))
        pairings = match_pairings(spec, Spec.parse("random:seed=2"), games, [()])
        assert len(dict(play_games(pairings, max_plies=3, **options))) == games
        return [file.read_text().splitlines() for file in sorted(tmp_path.glob("*.log"))]

    def test_games_in_play_do_not_share_one(self, tmp_path: Path) -> None:
        logs = self.play(tmp_path, 4, cores=2)
        assert len(logs) == 4
        for log in logs:
            assert log.count("ucinewgame") == 1
            told = log[log.index("ucinewgame") :]
            asked = [line for line in log if line.startswith("go")]
            assert len(asked) == 1 + sum(line.startswith("go") for line in told)  # the first tells how it counts ranks

    def test_no_more_processes_than_twice_the_cores_and_each_is_told_of_a_new_game(self, tmp_path: Path) -> None:
        logs = self.play(tmp_path, 6, cores=1)
        assert len(logs) == 2
        assert [log.count("ucinewgame") for log in logs] == [3, 3]

    def test_two_engines_in_one_game_are_two_processes(self, tmp_path: Path) -> None:
        script = tmp_path / "first.py"
        script.write_text(FIRST_MOVE.format(folder=tmp_path))
        spec = Spec("uci", options=(("cmd", f"{sys.executable} -S {script}"), ("depth", "1")))
        dict(play_games(match_pairings(spec, spec, 2, [()]), max_plies=2, cores=1))
        logs = [file.read_text() for file in tmp_path.glob("*.log")]
        assert len(logs) == 2
        assert [log.count("quit") for log in logs] == [1, 1]

    def test_as_many_think_at_once_as_there_are_cores(self) -> None:
        """Two wait for each other in their thoughts: with one core they would never meet."""
        meeting = threading.Barrier(2, timeout=60)

        class Engine(Scripted):
            one_game = True

        def choose(board: Board) -> Choice:
            meeting.wait()
            return first_move(board)

        spec = Spec("random", options=(("name", "engine"),))
        pairings = {0: Pairing(spec, Spec("random")), 1: Pairing(spec, Spec("random"))}
        games = play_games(
            pairings,
            max_plies=2,
            cores=2,
            open_player=lambda asked: Engine(choose) if asked == spec else asked.open(),
        )
        assert len(dict(games)) == 2

    def test_one_that_fails_in_every_game_is_soon_given_up(self) -> None:
        asked = []

        class Engine(Scripted):
            one_game = True

        def choose(board: Board) -> Choice:
            asked.append(board)
            raise PlayerError("hangs")

        spec = Spec("random", options=(("name", "sleeper"),))
        pairings = dict.fromkeys(range(30), Pairing(spec, Spec("random")))
        with pytest.raises(PlayerError, match="sleeper failed 3 times in a row, the last time: hangs"):
            dict(
                play_games(
                    pairings,
                    cores=1,
                    open_player=lambda asked: Engine(choose) if asked == spec else asked.open(),
                )
            )
        assert len(asked) <= 4


class TestFailures:
    def test_who_fails_loses_and_the_other_games_go_on(self) -> None:
        told = []

        def choose(board: Board) -> Choice:
            if board.move_stack[:1] == [Move.from_iccs("h2e2")] and board.ply == 5:
                raise PlayerError("fell over")
            return first_move(board)

        player = Scripted(choose, "frail")
        line = (Move.from_iccs("h2e2"),)
        spec = spec_of(player)
        pairings = {0: Pairing(spec, spec), 1: Pairing(spec, spec, line)}
        games = dict(play_games(pairings, max_plies=12, report=told.append, open_player=open_player))
        assert told == ["game 2: frail loses at ply 5 (crash): fell over"]
        assert endings(games[0]) == ("1/2-1/2", "ply limit", "12")
        assert endings(games[1]) == ("1-0", "crash", "5")

    @pytest.mark.parametrize("clocks", ["-", "0.1/move"])
    @pytest.mark.parametrize(
        ("way", "ending"), [("die", "crash"), ("hang", "stall"), ("cheat", "illegal move"), ("none", "no move")]
    )
    def test_each_way_to_fail_is_an_ending_of_its_own(self, clocks: str, way: str, ending: str, tmp_path: Path) -> None:
        script = tmp_path / "engine.py"
        script.write_text(FAILING)
        spec = Spec.parse(f"uci:cmd={sys.executable} -S {script} {way},depth=1,timeout=60")

        def open_one(asked: Spec) -> Player:
            player = asked.open()
            if asked == spec and way == "hang":
                player.choose([Board()])  # it has answered once: from now on a second is enough
                player._start()._engine.timeout = 1
            return player

        pairings = {0: Pairing(spec, random_player(1, "quiet"), clocks=Clocks.parse(clocks))}
        ((_, game),) = play_games(pairings, margin=60, open_player=open_one)
        assert endings(game)[:2] == ("0-1", ending)

    def test_a_player_that_fails_in_every_game_is_soon_given_up(self) -> None:
        """It may hang each time: nobody waits for that in each of many games."""
        asked = []

        def choose(board: Board) -> Choice:
            asked.append(board)
            raise PlayerError("hangs")

        hanging = Scripted(choose, "sleeper")
        pairing = Pairing(spec_of(hanging), Spec("random"))
        with pytest.raises(PlayerError, match="sleeper failed 3 times in a row, the last time: hangs"):
            dict(play_games(dict.fromkeys(range(30), pairing), open_player=open_player))
        assert len(asked) == 4

    @pytest.mark.parametrize("clocks", [NO_CLOCKS, Clocks.parse("60")])
    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (lambda boards: 1 // 0, "ZeroDivisionError: integer division or modulo by zero (test_arena.py, line "),
            (lambda boards: sys.exit("bye"), "SystemExit: bye (test_arena.py, line "),
            (lambda boards: None, "it answers None, not a list of choices"),
            (lambda boards: ["h2e2" for _ in boards], "it answers ['h2e2'], not a list of choices"),
            (lambda boards: [Choice("h2e2") for _ in boards], "it answers [Choice(move='h2e2', "),
            (lambda boards: [], "it answers 0 choices for 1 board"),
        ],
    )
    def test_whatever_goes_wrong_in_other_peoples_players_loses_the_game(
        self, clocks: Clocks, answer: Callable[[Sequence[Board]], object], told: str
    ) -> None:
        class Wrong(Scripted):
            def choose(self, boards: Sequence[Board], limits: object = None) -> list[Choice]:
                return super().choose(boards) if boards[0].ply < 3 else answer(boards)

        reports = []
        wrong, sound = spec_of(Wrong(first_move, "wrong")), random_player(1, "sound")
        pairings = {0: Pairing(sound, wrong, clocks=clocks), 1: Pairing(sound, wrong, clocks=clocks)}
        games = dict(play_games(pairings, report=reports.append, open_player=open_player))
        assert [endings(game) for game in games.values()] == [("1-0", "crash", "3")] * 2
        assert len(reports) == 2
        assert sorted(reports)[0].startswith(f"game 1: wrong loses at ply 3 (crash): {told}")

    @pytest.mark.parametrize("clocks", [NO_CLOCKS, Clocks.parse("60")])
    def test_the_games_that_end_with_the_last_failure_are_told_too(self, clocks: Clocks, tmp_path: Path) -> None:
        def choose(board: Board) -> Choice:
            if board.ply == 3:
                return Choice(None)
            raise PlayerError("fell over")

        class Engine(Scripted):
            one_game = True

        told = []
        frail, other = spec_of(Engine(choose, "frail")), random_player(1, "other")
        quitting = Pairing(other, frail, tuple(Board.from_moves("h2e2 h9g7").move_stack), clocks=clocks)
        pairings = {0: quitting} | dict.fromkeys(range(1, 6), Pairing(other, frail, clocks=clocks))
        playing = play_to_file(
            pairings, tmp_path / "m.pgn", parallel=8, cores=8, report=told.append, open_player=open_player
        )
        with pytest.raises(PlayerError, match="frail failed 3 times in a row, the last time: fell over"):
            list(playing)
        lost = [text for text in told if "loses" in text]
        written = [game.headers["Termination"] for game in load(tmp_path / "m.pgn")]
        assert len(lost) >= 3
        assert written.count("crash") == len(lost)
        assert clocks or written[0] == "resignation"

    @pytest.mark.parametrize("method", ["new_game", "begin_game", "end_game"])
    def test_between_games_it_is_told_in_a_line(self, method: str) -> None:
        player = Scripted(first_move)
        player.one_game = True
        setattr(player, method, lambda *args: 1 // 0)
        with pytest.raises(PlayerError, match="ZeroDivisionError"):
            dict(play_games({0: Pairing(spec_of(player), random_player(1, "r"))}, max_plies=4, open_player=open_player))


class Thinking(Scripted):
    """Needs the time that a function says, on a clock that only such players move."""

    now = 0.0

    def __init__(self, seconds, name: str = "thinking") -> None:
        super().__init__(first_move, name)
        self._seconds, self.limits = seconds, []

    def choose(self, boards: Sequence[Board], limits: object = None) -> list[Choice]:
        self.limits.append(limits)
        Thinking.now += self._seconds(boards[0])
        return super().choose(boards)


def play_timed(red: Thinking, black: Thinking, clocks: str, **options) -> Game:
    pairing = Pairing(spec_of(red), spec_of(black), clocks=Clocks.parse(clocks))
    games = play_games({0: pairing}, timer=lambda: Thinking.now, open_player=open_player, **options)
    ((_, game),) = games
    return game


class TestClocks:
    def test_each_thinks_on_its_own_time_and_the_record_has_it(self) -> None:
        red, black = Thinking(lambda board: 2, "red"), Thinking(lambda board: 0.5, "black")
        game = play_timed(red, black, "60+1,10", max_plies=4)
        assert [node.clock for node in game.main_line()] == [59, 9.5, 58, 9]
        assert (game.headers["RedTimeControl"], game.headers["BlackTimeControl"]) == ("60+1", "10")
        assert red.limits == [
            Limit(red_clock=60, black_clock=10, red_increment=1),
            Limit(red_clock=59, black_clock=9.5, red_increment=1),
        ]

    @pytest.mark.parametrize(("margin", "ending"), [(0.05, ("0-1", "time forfeit", "4")), (0.2, "draw")])
    def test_whoever_is_late_loses_but_for_the_margin(self, margin: float, ending: object) -> None:
        slow, quick = Thinking(lambda board: 1 if board.ply < 4 else 1.1), Thinking(lambda board: 0.1)
        game = play_timed(slow, quick, "1/move", max_plies=8, margin=margin)
        assert endings(game) == (ending if margin < 0.1 else ("1/2-1/2", "ply limit", "8"))

    def test_a_player_without_a_clock_takes_its_time(self) -> None:
        slow, quick = Thinking(lambda board: 1000), Thinking(lambda board: 0.1)
        assert play_timed(slow, quick, "-,1", max_plies=6).headers["Termination"] == "ply limit"
        assert slow.limits == [None] * 3

    def test_a_time_control_goes_with_the_player_when_colours_change(self) -> None:
        a, b = Spec.parse("random:seed=1,name=a"), Spec.parse("random:seed=2,name=b")
        games = dict(play_games(match_pairings(a, b, 2, [()], clocks=Clocks.parse("60,30")), max_plies=2))
        assert [(game.headers["Red"], game.headers["RedTimeControl"]) for _, game in sorted(games.items())] == [
            ("a", "60"),
            ("b", "30"),
        ]

    def test_games_have_players_of_their_own_and_run_side_by_side(self) -> None:
        """Three games wait for each other in their thoughts: in step, or with one player, they would never meet."""
        meeting = threading.Barrier(3, timeout=60)

        def choose(board: Board) -> Choice:
            if board.ply == 2:
                meeting.wait()
            return first_move(board)

        opened: list[Scripted] = []

        def open_one(spec: Spec) -> Player:
            opened.append(Scripted(choose, spec.name))
            return opened[-1]

        pairing = Pairing(Spec.parse("random:name=a"), Spec.parse("random:name=b"), clocks=Clocks.parse("600"))
        games = dict(play_games(dict.fromkeys(range(6), pairing), max_plies=4, parallel=3, open_player=open_one))
        assert len(games) == 6
        assert len(opened) == 6

    def test_a_match_with_other_clocks_is_not_resumed(self, tmp_path: Path) -> None:
        path = tmp_path / "match.pgn"
        a, b = random_player(1, "a"), random_player(2, "b")

        def pairings(clocks: str) -> dict[int, Pairing]:
            return match_pairings(a, b, 2, [()], clocks=Clocks.parse(clocks))

        played = dict(play_to_file(pairings("60+1"), path, max_plies=6))
        again = dict(play_to_file(pairings("60+1"), path, max_plies=6, open_player=lambda spec: pytest.fail("opened")))
        for index, game in played.items():
            assert [str(node) for node in again[index].main_line()] == [str(node) for node in game.main_line()]
        for other in ("-", "60+2", "60+1,60"):
            with pytest.raises(UserError, match="holds other games than these"):
                dict(play_to_file(pairings(other), path, max_plies=6))

    def test_the_command(self, xqlm, tmp_path: Path) -> None:
        path = tmp_path / "match.pgn"
        words = (
            "match",
            "random:seed=1",
            "greedy:seed=1",
            "-n",
            2,
            "--max-plies",
            6,
            "--openings",
            "start",
            "--margin",
            30,
        )
        code, out, err = xqlm(*words, "--out", path, "--time", "60+0.5,40/120")
        assert code == 0, err
        assert "Ended by ply limit (2)" in out
        first = min(load(path), key=lambda game: int(game.headers["Round"]))
        assert (first.headers["RedTimeControl"], first.headers["BlackTimeControl"]) == ("60+0.5", "40/120")
        assert first.headers["Adjudication"] == "rules computer, draw at ply 6, margin 30 s"
        assert all(node.clock is not None for node in [*first.main_line()][-2:])
        code, _, err = xqlm(*words, "--time", "60", "--movetime", 1)
        assert (code, err.count("\n")) == (2, 1)


def saying(scores: Sequence[int | None], name: str = "sayer") -> Scripted:
    """Plays the first move that takes nothing and says the next of some scores, in centipawns."""
    left = list(scores)

    def choose(board: Board) -> Choice:
        score = left.pop(0) if left else None
        move = next(move for move in board.legal_moves if not board.is_capture(move))
        return Choice(move, Info(score=None if score is None else Score(board.turn, score)))

    return Scripted(choose, name)


class TestAdjudication:
    def play(
        self, red: Sequence[int | None], black: Sequence[int | None], resign: str | None, draw: str | None
    ) -> Game:
        return play(saying(red), saying(black), max_plies=20, adjudication=Adjudication.parse(resign, draw))

    def test_who_says_three_times_that_it_is_lost_loses(self) -> None:
        game = self.play([0, -700, -650, -600, 0], [100] * 9, "movecount=3,score=600", None)
        assert endings(game) == ("0-1", "adjudication", "7")
        broken = self.play([-700, -700, None, -700, -700, 0], [], "movecount=3,score=600", None)
        assert broken.headers["Termination"] != "adjudication"

    def test_two_sided_both_must_agree(self) -> None:
        rule = "movecount=2,score=500,twosided=true"
        assert self.play([-900] * 9, [0, 0, 600, 600], rule, None).headers["PlyCount"] == "8"
        assert self.play([-900] * 9, [0] * 9, rule, None).headers["Termination"] != "adjudication"

    def test_a_draw_that_both_see_from_a_move_on(self) -> None:
        game = self.play([5] * 10, [-10] * 10, None, "movenumber=4,movecount=2,score=10")
        assert endings(game) == ("1/2-1/2", "adjudication", "7")
        assert (
            self.play([5] * 10, [11] * 10, None, "movenumber=1,movecount=2,score=10").headers["Termination"]
            != "adjudication"
        )

    def test_a_capture_begins_the_count_of_a_draw_anew(self) -> None:
        def take(board: Board) -> Choice:
            moves = board.legal_moves
            move = next((move for move in moves if board.is_capture(move)), moves[0])
            return Choice(move, Info(score=Score(board.turn, 0)))

        players = Scripted(take, "red"), Scripted(take, "black")
        rule = Adjudication.parse(None, "movenumber=1,movecount=2,score=10")
        game = play(*players, max_plies=60, adjudication=rule)
        board, captures = game.board(), list[int]()
        for ply, move in enumerate(game.moves(), 1):
            if board.is_capture(move):
                captures.append(ply)
            board.push(move)
        assert captures
        assert endings(game) == ("1/2-1/2", "adjudication", str(captures[-1] + 3))

    @pytest.mark.parametrize("text", ["score=600", "movecount=0,score=6", "movecount=3,score=-6", "moves=3", "3", ""])
    def test_other_rules_are_refused(self, text: str) -> None:
        with pytest.raises(UserError, match="resign "):
            Adjudication.parse(text, None)

    def test_the_file_states_it_and_is_resumed_with_the_same_rule_alone(self, xqlm, tmp_path: Path) -> None:
        path = tmp_path / "match.pgn"
        words = ["match", "tactics:1", "random:seed=2", "-n", 2, "--max-plies", 60, "--out", path]
        assert xqlm(*words, "--resign", "movecount=1,score=100")[0] == 0
        assert {game.headers["Adjudication"] for game in load(path)} == {
            "rules computer, draw at ply 60, resign movecount=1,score=100"
        }
        assert "holds other games than these" in xqlm(*words)[2]


class TestComments:
    def test_each_move_has_what_its_player_said(self, tmp_path: Path) -> None:
        info = Info(depth=7, score=Score(RED, cp=35), nodes=1234, time=0.25)
        mate = replace(info, score=Score(BLACK, mate=2))
        red, black = (
            Scripted(lambda board: Choice(board.legal_moves[0], info)),
            Scripted(lambda board: Choice(board.legal_moves[0], mate)),
        )
        path = tmp_path / "games.pgn"
        pairing = Pairing(spec_of(red), spec_of(black))
        dict(play_to_file({0: pairing}, path, max_plies=2, open_player=open_player))
        (game,) = load(path)
        first, second = game.main_line()
        assert (first.eval, first.depth, first.nodes) == (0.35, 7, 1234)
        assert "[%emt 0.250]" in first.comment
        assert "[%eval #-2,7]" in second.comment

    def test_a_model_tells_its_chances(self, model_folder: Path) -> None:
        game = play(load_player(f"lm:model={model_folder},seed=1"), RandomPlayer(), max_plies=2)
        node = next(iter(game.main_line()))
        assert node.wdl is not None
        assert node.eval is None


class TestLines:
    """A line that a player shows is no move: a fault in it warns once and costs nothing."""

    def test_one_that_goes_on_after_a_repetition(self) -> None:
        told: list[str] = []
        shuffle = ("a0a1", "a9a8", "a1a0", "a8a9")

        def choose(board: Board) -> Choice:
            line = tuple(Move.from_iccs(shuffle[(board.ply + i) % 4]) for i in range(12))
            return Choice(line[0], Info(pv=line))

        game = play(Scripted(choose, "dreamer"), report=told.append)
        assert endings(game) == ("1/2-1/2", "repetition", "8")
        fault = "goes on after the end of the game (repetition)"
        assert told == [f"game 1: warning: the line of dreamer at ply 1 {fault}; it costs nothing"]

    def test_one_with_an_illegal_move(self, tmp_path: Path) -> None:
        script, told = tmp_path / "engine.py", list[str]()
        script.write_text(
            FAILING.replace('print("bestmove a0a1"', 'print("info depth 1 pv a0a1 a9a5 a1a0\\nbestmove a0a1"')
        )
        spec = Spec.parse(f"uci:cmd={sys.executable} -S {script} none,depth=1,name=liar")
        ((_, game),) = play_games({0: Pairing(spec, random_player(1, "b"))}, max_plies=2, report=told.append)
        assert endings(game) == ("1/2-1/2", "ply limit", "2")
        assert told == ["game 1: warning: the line of liar at ply 1 holds the illegal move a9a5; it costs nothing"]


class TestPondering:
    def test_an_engine_thinks_in_its_opponents_time(self, tmp_path: Path) -> None:
        script = tmp_path / "ponders.py"
        script.write_text(
            FIRST_MOVE.format(folder=tmp_path)
            .replace(
                'if line.startswith("go"):',
                'if line.startswith("go ponder"): continue\n    if line.startswith(("go", "ponderhit", "stop")):',
            )
            .replace('"a0b0", flush', '"a0b0", "ponder h9g7", flush')
        )
        spec = Spec.parse(f"uci:cmd={sys.executable} -S {script},ponder=1,depth=1")
        replies = Scripted(lambda board: Choice(Move.from_iccs("h9g7" if board.ply == 1 else "i9i8")), "b")
        pairing = Pairing(spec, spec_of(replies), clocks=Clocks.parse("60"))
        dict(play_games({0: pairing}, max_plies=4, open_player=open_player, margin=60))
        (log,) = [file.read_text() for file in tmp_path.glob("*.log")]
        assert log.count("go ponder") == 1
        assert log.count("ponderhit") == 1


class TestDisputes:
    def test_the_command_lists_games_on_which_rules_differ(self, xqlm, tmp_path: Path) -> None:
        shuffle = " ".join(["a0a1 a9a8 a1a0 a8a9"] * 3).split()
        path = tmp_path / "games.pgn"
        games = [Game({"Red": "a", "Black": "b"}), Game({"Red": "c", "Black": "d"})]
        games[0].add_main_line([Move.from_iccs(move) for move in shuffle])
        games[1].add_main_line([Move.from_iccs(move) for move in shuffle[:4]])
        path.write_text("\n".join(map(str, games)))
        code, out, _ = xqlm("rulings", path, "--against", "none")
        assert code == 0
        assert out == (
            f"{path}, game 1 (a - b): computer: 1/2-1/2 by repetition at ply 8; none: goes on\n1 of 2 games differs\n"
        )


class TestInterruption:
    # Thinks for a minute about each move but the first, unless it is told to stop.
    THINKER = """
import select, sys
for line in sys.stdin:
    if line.strip() in ("uci", "isready"):
        print({"uci": "uciok", "isready": "readyok"}[line.strip()], flush=True)
    if line.startswith("go"):
        if "depth" not in line:
            print("thinking", file=sys.stderr, flush=True)
            select.select([sys.stdin], [], [], 60)
        print("bestmove h2e2", flush=True)
    if line.strip() == "quit":
        break
"""

    @pytest.mark.parametrize("command", ["match", "selfplay"])
    @pytest.mark.parametrize("kept", [True, False])
    def test_it_ends_soon_and_says_how_to_go_on(self, tmp_path: Path, command: str, kept: bool) -> None:
        script, log, out = tmp_path / "thinker.py", tmp_path / "log", tmp_path / "games.pgn"
        script.write_text(self.THINKER)
        spec = f"uci:cmd=sh -c '{sys.executable} -u {script} 2>>{log}',movetime=60000"
        players = [spec, "random"] if command == "match" else ["--player", spec]
        words = [sys.executable, "-m", "lm.cli", command, *players, "-n", "8", "--openings", "start", "--cores", "1"]
        run = subprocess.Popen([*words, *(["--out", str(out)] if kept else [])], stderr=subprocess.PIPE, text=True)
        try:
            while not log.exists() or "thinking" not in log.read_text():
                assert run.poll() is None
                time.sleep(0.05)
            interrupted = time.monotonic()
            run.send_signal(signal.SIGINT)
            _, said = run.communicate(timeout=30)
        finally:
            run.kill()
        assert time.monotonic() - interrupted < 10
        assert run.returncode == 130
        told = "the same command goes on" if kept else "with --out FILE the games are kept, "
        assert said.splitlines()[-1].startswith(f"stopped; {told}")
        assert "Traceback" not in said
        assert log.read_text().count("thinking") == 1


class TestStoppedResults:
    """What has been played is told where Ctrl-C or a player that fails again and again ends it."""

    FAILING = """
from lm.players.player import Choice, Player, PlayerError
class Failing(Player):
    one_game = True
    played = 0
    def new_game(self): Failing.played += 1
    def choose(self, boards, limits=None):
        if Failing.played > 3:
            raise PlayerError("it fails")
        return [Choice(board.legal_moves[0]) for board in boards]
"""

    @pytest.fixture
    def words(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        (tmp_path / "failing.py").write_text(self.FAILING)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "failing", raising=False)
        return ["--parallel", 1, "--cores", 1]

    def test_of_a_match(self, xqlm, words: list[object]) -> None:
        players = ["py:failing:Failing,name=f", "random:seed=1,name=r"]
        code, out, err = xqlm("match", *players, "-n", 20, "--max-plies", 10, *words)
        assert code == 2
        assert err.splitlines()[-1].startswith("xqlm: f failed 3 times in a row")
        assert out.startswith("f against r: ")
        assert "Ended by ply limit (3), crash (" in out
        assert xqlm("match", *players, "-n", 20, "--max-plies", 10, *words, "--json")[1] == ""

    def test_of_a_tournament(self, xqlm, words: list[object], tmp_path: Path) -> None:
        players = ["py:failing:Failing,name=f", "random:seed=1,name=r", "random:seed=2,name=s"]
        (file := tmp_path / "cup.toml").write_text(f"players = {json.dumps(players)}\nmax_plies = 10\n")
        code, out, err = xqlm("tournament", file, *words)
        assert (code, err.splitlines()[-1].startswith("xqlm: f failed 3 times in a row")) == (2, True)
        assert out.splitlines()[0].split() == ["player", "Elo", "points", "games"]


class TestMatchPairings:
    def test_each_opening_twice_with_colours_exchanged(self) -> None:
        a, b = random_player(1, "a"), random_player(2, "b")
        pairings = match_pairings(a, b, 20, load_openings(), seed=3)
        assert len({pairing.opening for pairing in pairings.values()}) == 10
        for index in range(0, 20, 2):
            first, second = pairings[index], pairings[index + 1]
            assert first.opening == second.opening
            assert (first.red, first.black, second.red, second.black) == (a, b, b, a)

    def test_seed_decides_the_order(self) -> None:
        player = Spec("random")
        suite = load_openings()
        first, again, other = (match_pairings(player, player, 20, suite, seed) for seed in (1, 1, 2))
        assert first == again != other


class TestSeeds:
    """On the command line another seed takes other openings of the suite, the same one the same."""

    @pytest.mark.parametrize("command", [("match", "random:seed=1", "random:seed=2"), ("selfplay", "--player=random")])
    def test_the_seed_decides_which_openings_are_played(self, xqlm, tmp_path: Path, command: tuple[str, ...]) -> None:
        def openings(name: str, seed: int) -> list[str]:
            path = tmp_path / f"{name}.pgn"
            code, _, err = xqlm(
                *command, "-n", 6, "--openings", "suite", "--max-plies", 8, "--seed", seed, "--out", path
            )
            assert code == 0, err
            games = sorted(load(path), key=lambda game: int(game.headers["Round"]))
            return [" ".join(move.iccs for move in game.moves()[:4]) for game in games]

        assert openings("one", 1) == openings("again", 1) != openings("other", 2)


class TestOpenings:
    def test_the_shipped_suite_is_large_distinct_and_short(self) -> None:
        suite = load_openings()
        assert len(suite) >= 300
        keys = {min(board.key, board.mirror().key) for board in map(Board.from_moves, suite)}
        assert len(keys) == len(suite)
        assert {len(line) for line in suite} <= {4, 5, 6, 7, 8}

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("h2e2 h9g7\nh2e2 h2e2\n", r"lines\.txt:2: ply 2: .*h2e2"),
            ("# nothing\n", "no opening"),
            ("h2z2\n", r"lines\.txt:1"),
        ],
    )
    def test_a_bad_file_is_named_with_its_line(self, tmp_path: Path, text: str, reason: str) -> None:
        path = tmp_path / "lines.txt"
        path.write_text(text)
        with pytest.raises(UserError, match=reason):
            load_openings(path)


class TestFiles:
    def pairings(self, games: int = 6) -> dict[int, Pairing]:
        return match_pairings(random_player(1, "a"), random_player(2, "b"), games, load_openings())

    def test_headers_say_who_how_and_under_which_rules(self, tmp_path: Path) -> None:
        path = tmp_path / "match.pgn"
        dict(play_to_file(self.pairings(2), path, max_plies=50))
        first, second = sorted(load(path), key=lambda game: game.headers["Round"])
        assert (first.headers["Red"], first.headers["Black"]) == ("a", "b")
        assert (second.headers["Red"], second.headers["Black"]) == ("b", "a")
        assert first.headers["Adjudication"] == "rules computer, draw at ply 50"
        assert first.result in ("1-0", "0-1", "1/2-1/2")

    @pytest.mark.parametrize("cut", [0, 1, 2, 5, 40, 130, 200, 260])
    def test_an_interrupted_match_resumes(self, tmp_path: Path, cut: int) -> None:
        path = tmp_path / "match.pgn"
        whole = dict(play_to_file(self.pairings(4), path, max_plies=50))
        text = path.read_text()
        path.write_text(text[: len(text) - cut])
        told = []
        again = dict(play_to_file(self.pairings(), path, max_plies=50, report=told.append))
        assert sorted(again) == list(range(6))
        assert [again[index].moves() for index in whole] == [game.moves() for game in whole.values()]
        assert bool(told) == (cut > 2)
        rounds = [int(game.headers["Round"]) for game in load(path)]
        assert sorted(rounds) == [1, 2, 3, 4, 5, 6]
        assert all(game.end().ply == int(game.headers["PlyCount"]) for game in load(path))

    def test_wherever_its_last_record_was_cut(self, tmp_path: Path) -> None:
        """Also within a character, in the first header, and between headers and moves."""
        path = tmp_path / "match.pgn"
        pairings = match_pairings(random_player(1, "甲"), random_player(2, 'b "["'), 3, load_openings())
        dict(play_to_file(pairings, path, max_plies=9))
        data = path.read_bytes()
        start = data.rindex(b"[Game ")
        told: list[str] = []
        for end in range(start, len(data)):
            path.write_bytes(data[:end])
            told.clear()
            assert sorted(dict(play_to_file(pairings, path, max_plies=9, report=told.append))) == [0, 1, 2]
            assert told == [] or "cut short" in told[0]
            assert bool(told) == (start < end < len(data) - 2)
            assert path.read_bytes()[:start] == data[:start]
            assert [game.end().ply for game in load(path)] == [9, 9, 9]

    def test_a_finished_match_is_not_played_again(self, tmp_path: Path) -> None:
        path = tmp_path / "match.pgn"
        dict(play_to_file(self.pairings(), path, max_plies=20))
        again = play_to_file(self.pairings(), path, max_plies=20, open_player=lambda spec: pytest.fail("opened"))
        assert len(dict(again)) == 6

    def test_what_a_record_names_is_never_opened(self, tmp_path: Path) -> None:
        """A file from elsewhere must not run a program or import a module."""
        path, left = tmp_path / "match.pgn", tmp_path / "left"
        evil = Spec.parse(f"uci:cmd=touch {left},depth=1")
        pairings = match_pairings(evil, Spec("py", "this:f"), 2, load_openings())
        table = Table(seats=(Seat(evil.name), Seat(evil.name)), max_plies=0)
        path.write_text(str(table.record({"Round": "1", "Event": "a against b"})))
        opened = []
        with pytest.raises(UserError, match="holds other games"):
            dict(play_to_file(self.pairings(2), path, open_player=opened.append))
        path.unlink()
        for index, pairing in pairings.items():  # also of a match between them that is over
            red, black = (Seat(spec.name) for spec in pairing.seats)
            table = Table(seats=(red, black), opening=pairing.opening, max_plies=0)
            stated = {"Round": str(index + 1), "Adjudication": "rules computer, draw at ply 0", **pairing.headers}
            with path.open("a") as file:
                file.write(f"{table.record(stated)}\n\n")
        assert len(dict(play_to_file(pairings, path, max_plies=0, open_player=opened.append))) == 2
        assert opened == []
        assert not left.exists()

    @pytest.mark.parametrize(
        ("change", "difference"),
        [
            ("players", "record 1: Event is 'a against b' instead of 'a against c'"),
            ("limit", "draw at ply 20' instead of 'rules computer, draw at ply 30'"),
            ("openings", "record 1: game 1 opens with "),
            ("fewer", "record 5: game 5 is none of the 4 asked for"),
        ],
    )
    def test_games_of_another_match_are_refused_and_kept(self, tmp_path: Path, change: str, difference: str) -> None:
        path = tmp_path / "match.pgn"
        dict(play_to_file(self.pairings(), path, max_plies=20, parallel=1))
        text = path.read_text()
        other = self.pairings(4 if change == "fewer" else 6)
        if change == "players":
            other = match_pairings(random_player(1, "a"), random_player(2, "c"), 6, load_openings())
        if change == "openings":
            other = match_pairings(random_player(1, "a"), random_player(2, "b"), 6, load_openings(), seed=1)
        with pytest.raises(UserError, match="holds other games") as caught:
            dict(play_to_file(other, path, max_plies=30 if change == "limit" else 20))
        assert difference in str(caught.value)
        assert path.read_text() == text

    @pytest.mark.parametrize(
        "kind", ["games", "one game", "packed", "text", "bytes", "cut in the middle", "twice", "a game behind", "notes"]
    )
    def test_whatever_else_a_file_holds_is_refused_and_kept(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "match.pgn"
        packed = data_path("games") / "practical.pgn.zst"
        foreign = [str(game) for game in islice(load(packed), 5)]
        dict(play_to_file(self.pairings(2), path, max_plies=20))
        ours = path.read_text()
        middle = ours.index("\n\n[") - 9
        contents: dict[str, str | bytes] = {
            "games": "\n".join(foreign),
            "one game": foreign[0],
            "packed": packed.read_bytes()[:5000],
            "text": "[Things to do]\nwash up\n",
            "bytes": bytes(range(256)),
            "cut in the middle": ours[:middle] + ours[middle + 9 :],
            "twice": ours + ours,
            "a game behind": ours + foreign[0],
            "notes": f"{ours}what a match!\n\n[Go on]",
        }
        content = contents[kind]
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        with pytest.raises(UserError, match="holds other games"):
            dict(play_to_file(self.pairings(6), path, max_plies=20))
        assert path.read_bytes() == data
        assert [file.name for file in tmp_path.iterdir()] == ["match.pgn"]


class TestSequentialMatch:
    WORDS = ("match", "greedy:seed=1", "random:seed=2", "--games", 60, "--parallel", 4, "--sprt")

    def test_it_stops_when_the_verdict_is_there_and_a_resumed_one_plays_no_more(self, xqlm, tmp_path: Path) -> None:
        path = tmp_path / "match.pgn"
        code, out, _ = xqlm(*self.WORDS, "-100,100", "--json", "--out", path)
        result = json.loads(out)
        assert code == 0
        assert result["sprt"]["verdict"] == "H1"
        assert result["sprt"]["llr"] >= result["sprt"]["bounds"][1]
        assert 2 * result["sprt"]["pairs"] <= result["games"] == len(list(load(path))) < 60
        assert json.loads(xqlm(*self.WORDS, "-100,100", "--json", "--out", path)[1]) == result
        assert len(list(load(path))) == result["games"]

    def test_swapped_players_get_the_opposite_verdict(self, xqlm) -> None:
        code, out, _ = xqlm("match", "random", "greedy", *self.WORDS[3:], "-100,100")
        assert code == 0
        assert "Elo -100 (H0) or 100 (H1): H0 after " in out

    def test_too_few_games_leave_it_undecided(self, xqlm) -> None:
        code, out, _ = xqlm("match", "random", "random", "-n", 4, "--max-plies", 10, "--sprt", "0,5")
        assert code == 0
        assert "LLR: -0.0" in out
        assert "undecided after 2 pairs" in out

    def test_a_wrong_test_is_one_line(self, xqlm) -> None:
        code, _, err = xqlm(*self.WORDS, "5,0")
        assert (code, err.count("\n")) == (2, 1)
        assert "the lower first" in err
