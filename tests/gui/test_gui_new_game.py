"""A new game: who plays, from where, with which clocks; engines that are added; hints."""

import threading
from pathlib import Path

import pygame
import pytest

from frames import key
from gui.actions import Action
from gui.engines import add_engine
from gui.layout import MINIMUM_SIZE
from gui.names import ELO_OF_2020, OF_2020
from gui.new_game import Setup, parse_clocks
from gui.processes.analysis import Lines
from gui.session import Session
from gui.sheets.new_game import NewGameDialog
from lm.matches.clocks import Clocks, TimeControl
from lm.players.player import Choice, Line
from lm.players.specs import Spec, load_player
from xiangqi import BLACK, RED, STARTING_FEN, Move
from xiangqi.engine import Info

ROOT = Path(__file__).resolve().parents[2]
ENGINE = Spec("uci", None, (("cmd", "sleep 60"), ("name", "Idle")))


class First:
    """Plays the first legal move."""

    name = "first"

    def choose(self, boards, limits=None):
        return [Choice(board.legal_moves[0]) for board in boards]

    def close(self):
        pass


class Slow(First):
    """At one ply it thinks until it may go on, and then it may fail."""

    def __init__(self, error=None, ply=1):
        self.error, self.ply = error, ply
        self.thinks, self.goes_on = threading.Event(), threading.Event()

    def choose(self, boards, limits=None):
        if boards[0].ply == self.ply:
            self.thinks.set()
            assert self.goes_on.wait(60)
            if self.error is not None:
                raise self.error
        return super().choose(boards)


def type(app, text):
    app.handle(pygame.Event(pygame.TEXTINPUT, text=text))


def press(app, position):
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=tuple(position), button=1))
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=tuple(position), button=1))


@pytest.fixture
def app(open_board):
    app = open_board(humans="red", size=(1000, 760))
    app.controller.tick(1.0)
    return app


def choose(app, which, index):
    """Click a row of a list of the dialog."""
    dialog, layout = app.overlay, app.layout
    app.frame(1.0)
    areas, _, _ = dialog.places(layout, dialog._body(layout, dialog.room(layout)))
    row = dialog.lists[which].row(layout)
    press(app, (areas[which].x + 20, areas[which].y + row * index + row // 2 - dialog.lists[which].scroll.offset))


class TestDialog:
    def test_enter_starts_with_who_sits_there(self, app):
        key(app, "n")
        assert isinstance(app.overlay, NewGameDialog)
        key(app, "return")
        assert app.overlay is None and app.session.humans == {RED}
        assert app.controller.opponents.level.name == "Steady" and app.session.number == 2

    def test_sides_levels_and_handicaps(self, app):
        key(app, "n")
        choose(app, 0, 10)
        choose(app, 1, 0)
        choose(app, 2, 1)
        key(app, "return")
        session = app.session
        assert session.humans == {BLACK} and session.bottom == BLACK
        assert app.controller.opponents.level.name == "Best" and app.controller.opponents.spec.startswith("search")
        assert session.board.piece_at(Move.from_iccs("b0c2").from_square) is None

    def test_the_position_shown(self, app):
        app.session.play(Move.from_iccs("h2e2"))
        fen = app.session.shown.fen()
        key(app, "n")
        choose(app, 2, 1)
        key(app, "return")
        assert app.session.start_fen == fen

    def test_a_position_from_elsewhere_is_what_is_played_on_from(self, app):
        fen = "3k5/9/9/9/9/9/9/9/9/R3K4 b - - 0 1"
        app.controller.clipboard.text = fen
        app.table.paste()
        key(app, "n")
        key(app, "return")
        assert app.session.start_fen == fen and app.session.humans == {BLACK}
        app.session.play(app.session.board.legal_moves[0])
        key(app, "n")
        assert app.overlay.starts[app.overlay.lists[2].chosen] == ("Start of this game", fen)

    def test_a_position_that_is_still_being_read_is_offered_when_it_comes(self, app):
        app.table.reader.gate.clear()
        app.controller.clipboard.text = fen = "3k5/9/9/9/9/9/9/9/9/R3K4 b - - 0 1"
        app.controller.do(Action.PASTE)
        key(app, "n")
        choose(app, 0, 3)
        app.frame(1.0)
        key(app, "return")
        assert app.overlay.note == "A game is still being read. Press once more to start without it."
        app.table.reader.gate.set()
        app.table.wait(lambda: app.session.start_fen == fen)
        app.frame(2.0)
        assert app.overlay.note == ""
        key(app, "return")
        assert app.overlay is None and app.session.start_fen == fen
        assert app.session.humans == {BLACK} and app.controller.opponents.player_at(RED) == Spec("level", "Learner")

    def test_what_is_still_being_read_does_not_take_the_place_of_a_game_begun_meanwhile(self, app):
        app.table.reader.gate.clear()
        app.controller.clipboard.text = "1. h2e2 h9g7 *"
        app.controller.do(Action.PASTE)
        key(app, "n")
        key(app, "return")
        key(app, "return")
        assert app.overlay is None
        number = app.session.number
        app.table.reader.gate.set()
        app.table.wait(lambda: not app.controller.files.reading)
        assert (app.session.number, app.table.moves) == (number, [])

    def test_what_cannot_be_read_is_waited_for_no_longer(self, app):
        app.table.reader.gate.clear()
        app.controller.clipboard.text = "no game"
        app.controller.do(Action.PASTE)
        key(app, "n")
        key(app, "return")
        app.table.reader.gate.set()
        app.table.wait(lambda: not app.controller.files.reading)
        app.frame(1.0)
        assert app.overlay.note == ""
        key(app, "return")
        assert app.overlay is None and app.session.start_fen == STARTING_FEN

    def test_a_pasted_position_stays_chosen_when_its_first_move_is_played(self, app):
        app.controller.clipboard.text = fen = "3k5/9/9/9/9/9/9/9/9/R3K4 w - - 0 1"
        app.table.paste()
        key(app, "n")
        app.session.play(Move.from_iccs("a0a1"))
        app.frame(1.0)
        key(app, "return")
        assert app.session.start_fen == fen

    def test_the_position_shown_is_that_of_now(self, app):
        app.session.play(Move.from_iccs("h2e2"))
        key(app, "n")
        choose(app, 2, 1)
        app.session.play(Move.from_iccs("h9g7"))
        app.frame(1.0)
        fen = app.session.shown.fen()
        key(app, "return")
        assert app.session.start_fen == fen

    def test_a_game_from_a_file_is_played_on_by_the_side_to_move(self, app, tmp_path):
        path = tmp_path / "game.pgn"
        path.write_text("1. h2e2 h9g7 2. h0g2 *")
        app.controller.files.open(path)
        app.table.wait(lambda: app.controller.files.path == path)
        app.session.view(1)
        fen = app.session.shown.fen()
        key(app, "n")
        key(app, "return")
        assert app.session.start_fen == fen and app.session.humans == {BLACK}

    def test_arrow_keys_choose(self, app):
        key(app, "n")
        key(app, "up")
        key(app, "right")
        key(app, "down")
        key(app, "return")
        assert app.controller.opponents.level.name == "Casual" and app.session.start_fen != Session().start_fen

    def test_a_clock_is_typed_or_clicked(self, app):
        key(app, "n")
        type(app, "abc")
        key(app, "return")
        assert app.overlay.note.startswith("Not a clock: abc.")
        dialog, layout = app.overlay, app.layout
        _, chips, _ = dialog.places(layout, dialog._body(layout, dialog.room(layout)))
        press(app, chips[2].center)
        key(app, "return")
        assert app.controller.clocks.time_left(RED) == 600
        key(app, "n")
        assert app.overlay.field.value == "10+5"

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0:20", 20),
            ("0:20+2", 20),
            ("1:30:00", 5400),
            ("10:30", 630),
            ("0.5", 30),
            ("2:00 B 0:10", 130),
            ("40/90", 5400),
            ("0:30/move", 30),
            ("０：３０", 30),
        ],
    )
    def test_a_clock_may_have_seconds(self, app, text, seconds):
        key(app, "n")
        type(app, text)
        key(app, "return")
        assert app.overlay is None
        assert app.controller.clocks.time_left(RED) == seconds

    @pytest.mark.parametrize("text", ["0:75", "1:2", ":30", "0:00", "0", "9999999", "10+", "1:00:00:00"])
    def test_what_is_no_clock_is_told_with_what_is_one(self, app, text):
        key(app, "n")
        type(app, text)
        key(app, "return")
        assert app.overlay.note == f"Not a clock: {text}. Write minutes, as 10, 10+5 or 10b30, or 0:30 with seconds."

    def test_each_side_may_have_a_clock_of_its_own(self, app):
        key(app, "n")
        type(app, "10+5")
        dialog, layout = app.overlay, app.layout
        _, chips, fields = dialog.places(layout, dialog._body(layout, dialog.room(layout)))
        press(app, fields[1].center)
        type(app, "3")
        key(app, "return")
        assert app.session.table.clocks == Clocks.parse("600+5,180")
        assert [app.controller.clocks.time_left(color) for color in (RED, BLACK)] == [600, 180]
        key(app, "n")
        assert [field.value for field in app.overlay.fields] == ["10+5", "3"]
        for _ in range(3):
            key(app, "tab")
        app.handle(pygame.Event(pygame.MOUSEWHEEL, x=0, y=-3))  # beside the lists, while a field is typed in
        type(app, "-")  # Black's field, where the first Tab went to the starts and the second to Red's
        assert app.overlay.fields[1].value == "3-"
        press(app, chips[0].center)
        assert [field.value for field in app.overlay.fields] == ["", ""]

    @pytest.mark.parametrize(("before", "after"), [("review", "moves"), ("analysis", "analysis"), ("moves", "moves")])
    def test_the_review_of_the_game_before_gives_way_to_the_moves(self, app, before, after):
        app.panel.show(before)
        key(app, "n")
        key(app, "return")
        assert app.panel.view.name == after

    def test_the_system_of_2020_stands_behind_the_levels_and_says_what_it_is(self, app, written):
        key(app, "n")
        choose(app, 1, 11)
        app.frame(1.0)
        assert "System of 2020" in written and f"{ELO_OF_2020:+d}" in written
        assert "Su Jianlin's system of 2020 reads the characters" in " ".join(written)
        key(app, "return")
        opponents = app.controller.opponents
        assert app.overlay is None and opponents.side(BLACK)[0] == "System of 2020" and opponents.spec == "char"
        key(app, "n")
        assert app.overlay.candidates[app.overlay.lists[1].chosen].spec == OF_2020

    def test_the_system_of_2020_answers(self, seat):
        pytest.importorskip("torch")
        player = load_player(str(OF_2020))
        try:
            table = seat(player)
            table.controller.start(Setup((None, OF_2020)))
            table.play("h2e2")
            legal = {move.iccs for move in table.session.board.legal_moves}
            table.wait(lambda: len(table.moves) == 2)
            assert table.specs[-1] == "char"
            assert table.moves[1] in legal
        finally:
            player.close()

    def test_without_torch_it_says_how_to_get_it(self, app, written, monkeypatch):
        monkeypatch.setattr("gui.new_game.find_spec", lambda package: None)
        key(app, "n")
        choose(app, 1, 11)
        app.frame(1.0)
        told = " ".join(written)
        assert "It needs torch, which is not installed:" in told and "[torch]" in told
        key(app, "return")
        assert isinstance(app.overlay, NewGameDialog) and app.session.number == 1
        choose(app, 1, 1)
        key(app, "return")
        assert app.overlay is None and app.controller.opponents.level.name == "Child"

    @pytest.mark.parametrize("size", [MINIMUM_SIZE, (1280, 800), (3840, 2160)])
    @pytest.mark.parametrize("action", [Action.NEW, Action.ADD_ENGINE])
    def test_it_fits(self, app, size, action):
        app.window.size = size
        app.frame(1.0)
        app.do(action)
        app.frame(1.0)
        layout, dialog = app.layout, app.overlay
        room = dialog.room(layout)
        places = dialog.places(layout, dialog._body(layout, room))
        rects = [*places[0], *places[1], *places[2]] if action is Action.NEW else places
        assert all(room.contains(rect) for rect in rects)


class TestPlayers:
    def test_a_record_names_levels_as_the_board_does(self, seat):
        table = seat(First())
        table.controller.start(Setup((None, Spec("level", "Steady"))))
        table.wait(lambda: table.controller.opponents.loaded is not None)
        assert table.controller.record().headers["Black"] == "Steady"
        table.controller.start(Setup((Spec("level", "Child"), Spec("level", "Deep"))))
        table.wait(lambda: table.session.board.ply > 2)
        headers = table.controller.record().headers
        assert (headers["Red"], headers["Black"]) == ("Child", "Deep")
        assert [table.controller.opponents.side(color)[0] for color in (RED, BLACK)] == ["Child", "Deep"]
        headers = table.games.kept().headers
        assert (headers["RedSeat"], headers["BlackSeat"]) == ("level:Child", "level:Deep")

    @pytest.mark.parametrize(
        ("players", "clock"), [((Spec("level", "Deep"), None), ""), ((None, None), ""), ((None, Spec("random")), "5+3")]
    )
    def test_a_game_that_has_not_begun_goes_on_with_its_players_and_clock(self, seat, players, clock):
        table = seat(First())
        table.worker.ask = lambda request: None
        table.controller.start(Setup(players, clocks=parse_clocks(clock)))
        table.tick()
        again = Session.going_on(table.games.kept())
        assert again.humans == {color for color in (RED, BLACK) if players[color] is None}
        assert again.seats == tuple(str(spec or "") for spec in players)
        assert again.table.clocks == parse_clocks(clock)

    def test_the_usual_game_that_has_not_begun_is_not_kept(self, seat):
        table = seat(First())
        table.controller.start(Setup((None, None)))
        table.tick()
        table.controller.start(Setup((None, Spec("level", "Child"))))
        table.tick()
        assert table.games.kept() is None

    def test_two_players_take_turns(self, seat):
        table = seat(First())
        table.controller.start(Setup((Spec("level", "Child"), Spec("level", "Deep"))))
        table.wait(lambda: table.session.board.ply >= 4)
        specs = [request.spec for request in table.requests if request.board is not None]
        assert [spec.partition(":")[0] for spec in specs[:4]] == ["careful", "search", "careful", "search"]
        red, black = (table.controller.opponents.side(color)[0] for color in (RED, BLACK))
        assert red != black

    def test_two_players_pause_after_the_move_in_hand(self, seat):
        table = seat(First())
        controller = table.controller
        controller.start(Setup((Spec("level", "Child"), Spec("level", "Deep")), clocks=parse_clocks("10+5")))
        table.wait(lambda: table.session.board.ply >= 1)
        controller.do(Action.PAUSE)
        table.wait(lambda: controller.opponents.waiting)
        plies, left = table.session.board.ply, controller.clocks.time_left(table.session.board.turn)
        table.tick(600)
        assert table.session.board.ply == plies
        assert controller.clocks.time_left(table.session.board.turn) == left
        assert controller.status() == ("Paused. Ctrl+Space goes on.", "quiet")
        assert controller.label(Action.PAUSE) == "Go on"
        controller.do(Action.PAUSE)
        table.wait(lambda: table.session.board.ply >= plies + 2)

    def test_a_pause_gives_no_time_back_to_who_thinks(self, seat):
        player = Slow()
        table = seat(player)
        controller = table.controller
        controller.start(Setup((Spec("level", "Child"), Spec("level", "Child")), clocks=parse_clocks("3")))
        table.wait(player.thinks.is_set)
        table.tick()  # its turn begins
        table.tick(5)
        for _ in range(3):
            controller.do(Action.PAUSE)
            assert controller.clocks.time_left(BLACK) == pytest.approx(175, abs=3)
        before = controller.clocks.time_left(BLACK)
        table.tick(5)
        assert controller.clocks.time_left(BLACK) == before - 5
        player.goes_on.set()

    def test_no_clock_runs_in_a_pause_where_a_player_has_failed(self, seat):
        player = Slow(RuntimeError("it ended"))
        table = seat(player)
        controller = table.controller
        controller.start(Setup((Spec("level", "Child"), Spec("level", "Child")), clocks=parse_clocks("3")))
        table.wait(player.thinks.is_set)
        controller.do(Action.PAUSE)
        player.goes_on.set()
        table.wait(lambda: controller.opponents.error is not None)
        table.tick(600)
        assert table.session.ending is None
        assert controller.clocks.time_left(BLACK) == 180

    def test_another_opponent_takes_the_place_of_red_where_that_one_failed(self, seat):
        player = Slow(RuntimeError("it ended"), ply=2)
        table = seat(player)
        controller = table.controller
        controller.start(Setup((Spec("level", "Best"), Spec("level", "Deep"))))
        player.goes_on.set()
        table.wait(lambda: controller.opponents.error is not None)
        player.error = None
        controller.opponents.choose(Spec("level", "Child"))
        assert [controller.opponents.side(color)[0] for color in (RED, BLACK)] == ["Child", "Deep"]
        table.wait(lambda: table.session.board.ply >= 4)
        kept = table.games.kept()
        assert (kept.headers["RedSeat"], kept.headers["BlackSeat"]) == ("level:Child", "level:Deep")

    def test_and_of_black_where_both_were_the_same(self, seat):
        player = Slow(RuntimeError("it ended"))
        table = seat(player)
        same = Spec("random")
        table.controller.start(Setup((same, same)))
        player.goes_on.set()
        table.wait(lambda: table.controller.opponents.error is not None)
        player.error = None
        table.controller.opponents.choose(Spec("level", "Child"))
        assert table.controller.opponents.side(BLACK)[0] == "Child"
        assert table.controller.opponents.player_at(RED) == same

    def test_a_pause_ends_with_its_game_and_is_for_two_players(self, seat):
        table = seat(First())
        table.controller.start(Setup((Spec("level", "Child"), Spec("level", "Deep"))))
        table.controller.do(Action.PAUSE)
        table.controller.start(Setup((Spec("level", "Deep"), Spec("level", "Child"))))
        table.wait(lambda: table.session.board.ply >= 2)
        table.controller.start(Setup((None, Spec("level", "Child"))))
        table.controller.do(Action.PAUSE)
        assert table.controller.status()[0] == "Only a game of two players can be paused."

    def test_two_persons(self, seat):
        table = seat(First())
        table.controller.start(Setup((None, None)))
        table.play("h2e2", "h9g7")
        table.tick()
        assert table.moves == ["h2e2", "h9g7"]

    def test_a_game_that_no_file_has_is_kept(self, seat):
        table = seat(First())
        table.controller.start(Setup((None, None)))
        table.play("h2e2")
        table.tick()
        table.controller.start(Setup((None, None)))
        assert len([path for path in table.games_dir.glob("*.pgn") if "current" not in path.name]) == 1


class TestClocks:
    @pytest.fixture
    def table(self, seat):
        table = seat(First())
        table.controller.start(Setup((None, None), clocks=parse_clocks("1+5")))
        table.tick()
        return table

    def test_it_runs_gains_and_is_given_back(self, table):
        left = table.controller.clocks.time_left
        table.tick(10)
        assert left(RED) == 50 and left(BLACK) == 60
        table.play("h2e2")
        table.tick(0)
        table.tick(3)
        assert left(RED) == 55 and left(BLACK) == 57
        table.controller.do(Action.UNDO)
        table.tick(0)
        assert left(RED) == 60 and left(BLACK) == 60

    def test_who_has_no_time_left_loses(self, table):
        table.tick(60.5)
        assert table.session.ending.winner == BLACK and table.session.ending.reason == "time forfeit"
        assert "ran out of time" in table.controller.status()[0]
        assert table.controller.clocks.time_left(BLACK) == 60 and table.controller.clocks.time_left(RED) == 0

    def test_a_clock_stops_where_the_game_ends(self, table):
        table.tick(20)
        table.controller.do(Action.RESIGN)
        table.controller.do(Action.RESIGN)
        table.tick(5)
        assert table.session.ending.reason == "resignation" and table.controller.clocks.time_left(RED) == 40
        table.controller.do(Action.UNDO)
        assert table.session.ending is None and table.controller.clocks.time_left(RED) == 60

    def test_the_window_wakes_for_the_clock(self, table):
        table.tick(10.25)
        assert table.controller.patience() == pytest.approx(0.75)
        table.tick(45)
        assert table.controller.patience() == pytest.approx(0.1)

    def test_byoyomi(self):
        control = TimeControl.parse("60b30")
        clock = control.start()
        assert clock.left == 90 and str(control) == "60b30"
        clock = control.after(clock, 70)
        assert clock.left == 30 and control.after(clock, 29).left == 30 and control.after(clock, 31) is None

    def test_nobodys_time_runs_while_a_player_is_loaded(self, seat):
        table = seat(First())
        table.worker.ask = lambda request: None
        table.controller.start(Setup((Spec("level", "Deep"), None), clocks=parse_clocks("1")))
        table.tick()
        table.tick(100)
        assert table.session.ending is None and table.controller.clocks.time_left(RED) == 60

    def test_it_goes_on_after_a_restart_with_what_was_left_at_each_move(self, table):
        table.tick(10)
        table.play("h2e2")
        table.tick(0)
        table.tick(3.5)
        table.play("h9g7")
        table.tick(0)
        again = Session.going_on(table.games.kept())
        assert again.table.clocks == Clocks.parse("60+5")
        assert (again.table.time_left(RED), again.table.time_left(BLACK)) == (55, 61.5)
        again.undo()
        assert (again.table.time_left(RED), again.table.time_left(BLACK)) == (55, 60)
        assert "Clocks" not in again.game("lm", "lm").headers

    def test_who_exchanges_sides_keeps_the_time(self, seat):
        table = seat(First())
        table.worker.ask = lambda request: None
        table.controller.start(Setup((None, Spec("random")), clocks=parse_clocks("10", "1")))
        table.controller.opponents.loaded = "random"
        table.tick()
        table.play("h2e2", "h9g7", "h0g2")
        table.controller.do(Action.SWAP)
        table.tick(0)
        session = table.session
        assert session.humans == {BLACK} and str(session.table.clocks) == "60,600"
        assert (session.table.time_left(RED), session.table.time_left(BLACK)) == (60, 600)
        again = Session.going_on(table.games.kept())
        assert (again.table.time_left(RED), again.table.time_left(BLACK)) == (60, 600)
        session.undo()
        assert (session.table.time_left(RED), session.table.time_left(BLACK)) == (60, 600)

    def test_the_record_names_it(self, table):
        table.play("h2e2")
        assert table.controller.record().headers["TimeControl"] == "60+5"
        assert Clocks.parse("60+5") == table.session.table.clocks


class TestAnotherOpponent:
    def test_any_level_is_two_presses_away(self, app):
        app.session.play(Move.from_iccs("h2e2"))
        key(app, "l")
        sheet = app.overlay
        app.frame(1.0)
        assert sheet.choices[sheet.rows.chosen] == "Steady  +450"
        room, row = sheet.room(app.layout), sheet.rows.row(app.layout)
        press(app, (room.x + 20, room.y + 9 * row + row // 2))
        assert app.overlay is None
        assert app.controller.opponents.level.name == "Best"
        assert app.controller.status()[0] == "Best (+1640), from its next move on."

    def test_an_engine_can_go_on_with_the_game(self, app):
        add_engine(app.controller.settings, ENGINE)
        app.session.play(Move.from_iccs("h2e2"))
        app.do(Action.LEVEL)
        key(app, "up")
        for _ in range(20):
            key(app, "down")
        key(app, "return")
        assert app.controller.opponents.player == ENGINE and app.controller.opponents.level is None
        assert app.controller.opponents.side(BLACK)[0] == "Idle"
        app.do(Action.LEVEL)
        assert app.overlay.choices[app.overlay.rows.chosen].startswith("Idle")

    def test_one_that_lacks_something_is_not_taken(self, app, monkeypatch):
        monkeypatch.setattr("gui.new_game.find_spec", lambda package: None)
        before = app.controller.opponents.player
        app.do(Action.LEVEL)
        for _ in range(20):
            key(app, "down")
        key(app, "return")
        assert app.controller.opponents.player == before
        assert "not installed" in app.controller.status()[0]


class TestHint:
    def lines(self, app, nodes):
        analysis = app.controller.analysis
        move = Move.from_iccs("h2e2")
        analysis.take(Lines(analysis._number, (Line(Info(1, nodes=nodes, pv=(move,))),)))
        app.controller.tell_hint()

    def test_a_move_is_shown_until_another_position_is(self, app):
        key(app, "q")
        analysis = app.controller.analysis
        assert analysis.hinting and app.controller.status()[0] == "Looking for a hint..."
        self.lines(app, 100)
        assert analysis.hint is None
        self.lines(app, 500)
        assert [mark.move.iccs for mark in analysis.arrows()] == ["h2e2"] and not analysis.on
        assert app.controller.status()[0] == "Hint: 炮二平五"
        assert app.controller.worker.analyses[-1].board is None
        app.frame(1.0)
        app.session.play(Move.from_iccs("h2e2"))
        app.controller.tick(2.0)
        assert analysis.arrows() == []

    def test_with_an_analysis_on_it_names_the_best_move(self, app):
        key(app, "space")
        self.lines(app, 500)
        key(app, "q")
        assert app.controller.status()[0] == "Hint: 炮二平五" and app.controller.analysis.on


def test_the_cards_tell_main_time_and_byoyomi_apart(app, written):
    app.controller.start(Setup((None, None), clocks=parse_clocks("1b10")))
    for now, shown in ((0.0, ["1:00", "b10"]), (59.5, ["0:00", "b10"]), (65.0, ["b0:05.0"])):
        app.controller.clocks.now = lambda now=now: now
        app.controller.tick(now)
        written.clear()
        app.frame(now)
        assert [text for text in shown if text not in written] == []
        assert ("1:10" in written, "0:05.0" in written) == (False, False)


def test_the_cards_show_the_clocks(app):
    app.controller.start(Setup((None, Spec("level", "Child")), clocks=parse_clocks("10b30")))
    app.controller.tick(2.0)
    for size in (MINIMUM_SIZE, (1280, 800)):
        app.window.size = size
        app.frame(2.0)
