"""The library at the board: the explorer, the search, imports, and the games that are kept."""

import os
import signal
import sys
import threading

import pygame
import pytest

from frames import around, changed, shot
from gui import strings
from gui.actions import Action
from gui.library import SHORTEST, Importer, Librarian
from gui.new_game import Setup
from gui.processes.helpers import Helpers
from gui.processes.importing import (
    AddFile,
    AddShipped,
    BuildIndex,
    Clerk,
    Crashed,
    Done,
    Failed,
    Keep,
    Kept,
    Progress,
    Stop,
)
from gui.processes.library import Explore, Explored, Fetch, Fetched, Listed, NoAnswer, Resembling, Search
from gui.sheets.file_dialog import FileDialog
from gui.sheets.library import LibrarySheet
from lm.library.entries import Filter
from lm.library.library import Library
from lm.players.specs import Spec
from xiangqi import Board, Game, Move, save

OPENINGS = ("h2e2 h9g7 h0g2", "h2e2 h9g7 g3g4", "h2e2 b9c7 h0g2", "g3g4 h9g7 h2e2")
RESULTS = ("1-0", "1/2-1/2", "0-1", "1-0")


def games():
    found = []
    for n, (moves, result) in enumerate(zip(OPENINGS, RESULTS, strict=True)):
        headers = {"Red": ("胡榮華", "Anna")[n % 2], "Black": f"Black {n}", "Event": f"Cup {n // 2}", "Result": result}
        game = Game({**headers, "Date": f"20{10 + n}.05.0{n + 1}"})
        game.add_main_line(Board.from_moves(moves).move_stack)
        found.append(game)
    return found


def fill(path):
    with Library(path) as library:
        for game in games():
            library.add(game)


@pytest.fixture
def app(open_board):
    app = open_board(size=(1000, 760))
    fill(app.table.library_path)
    return app


def key(app, name, mod=0):
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), mod=mod, unicode=""))
    app.controller.tick(app.table.now)


def click(app, position):
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        app.handle(pygame.Event(kind, pos=position, button=1))


def written(app, monkeypatch, pointer=(1, 1)):
    """Return the lines that the window writes."""
    from gui import theme

    lines = []
    draw = theme.text
    monkeypatch.setattr(theme, "text", lambda string, *options: lines.append(string) or draw(string, *options))
    shot(app, pointer)
    monkeypatch.setattr(theme, "text", draw)
    return lines


def explore(app):
    """Show the explorer and wait for what it says of the position shown."""
    if app.panel.view.name != "library":
        key(app, "f3")
    answered(app)
    shot(app)


def answered(app):
    library = app.controller.library
    app.table.wait(lambda: library.explored is not None and library.explored.number == library._explore_number)


def row_of(app, iccs):
    """Return the middle of the row of a move."""
    return next(rect.center for rect, move in app.panel.view._moves if move is Move.from_iccs(iccs))


class TestExplorer:
    def test_a_key_shows_what_was_played_and_how_it_ended(self, app, monkeypatch):
        explore(app)
        lines = written(app, monkeypatch)
        first = lines.index("炮二平五")
        assert lines[first : first + 6] == ["炮二平五", "3", "33%", "33%", "33%", "2012"]
        other = lines.index("兵三進一")
        assert lines[other : other + 4] == ["兵三進一", "1", "100%", "2013"]
        assert "Anna - Black 3" in lines and "胡榮華 - Black 0" in lines
        key(app, "f3")
        assert app.panel.view.name == "moves"

    def test_nothing_is_asked_while_it_is_not_shown(self, app):
        app.session.play(Move.from_iccs("h2e2"))
        app.table.tick()
        assert app.table.librarian.asked == [] and app.table.importer.sent == []

    def test_it_follows_the_position(self, app, monkeypatch):
        explore(app)
        app.session.play(Move.from_iccs("h2e2"))
        app.table.tick()
        answered(app)
        assert {"馬８進７", "馬２進３"} <= set(written(app, monkeypatch))
        key(app, "left")
        answered(app)
        assert "兵三進一" in written(app, monkeypatch)

    def test_a_click_plays_the_move(self, app):
        explore(app)
        click(app, row_of(app, "g3g4"))
        assert app.table.moves == ["g3g4"]

    def test_a_click_in_the_past_tries_the_move_as_a_variation(self, open_board):
        app = open_board(size=(1000, 760), humans="red")
        fill(app.table.library_path)
        app.session.play(Move.from_iccs("h2e2"))
        key(app, "home")
        explore(app)
        click(app, row_of(app, "g3g4"))
        assert app.table.moves == ["h2e2"]
        assert app.session.node.move is Move.from_iccs("g3g4")

    def test_the_move_under_the_pointer_is_an_arrow(self, app):
        explore(app)
        before = shot(app)
        app.handle(pygame.Event(pygame.MOUSEMOTION, pos=row_of(app, "g3g4"), rel=(1, 1), buttons=(0, 0, 0)))
        after = shot(app)
        assert changed(app, before, after, 0.6) >= {"g4"}
        seen = abs(around(app, after, "g4", 0.3) - around(app, before, "g4", 0.3)).max(axis=2)
        assert (seen > 80).mean() > 0.03  # gold on wood is hardly seen
        app.handle(pygame.Event(pygame.WINDOWLEAVE))
        assert changed(app, before, shot(app), 0.6) == set()

    def test_a_click_on_a_game_opens_it_at_the_position(self, app):
        app.session.play(Move.from_iccs("h2e2"))
        explore(app)
        number = app.session.number
        spot = next(rect for rect, act in app.panel.view._spots[len(app.panel.view._moves) :])
        click(app, spot.center)
        app.table.wait(lambda: app.session.number != number)
        game = app.session.table.game
        assert game.headers["Black"] == "Black 2" and app.session.viewed == 1
        assert not app.controller.files.unsaved and app.controller.files.own_file is None

    def test_keys_go_to_the_next_game_of_the_list(self, app):
        assert not app.controller.enabled(Action.NEXT_GAME)
        explore(app)
        library = app.controller.library
        library.open(library.explored.games, 0)
        black = [entry.black for entry in library.explored.games]
        for name, index in (("page down", 0), ("page down", 1), ("page up", 2), ("page up", 1), ("", 0)):
            app.table.wait(lambda index=index: app.session.table.game.headers.get("Black") == black[index])
            key(app, name or "page up")
        app.session.new()
        assert not app.controller.enabled(Action.NEXT_GAME)

    def test_the_shipped_games_are_taken_in_once(self, app):
        explore(app)
        key(app, "f3")
        explore(app)
        assert app.table.importer.sent == [AddShipped()]

    def test_a_position_without_games_offers_similar_ones(self, app, monkeypatch):
        app.session.play(Move.from_iccs("a0a1"))
        explore(app)
        app.table.wait(lambda: app.controller.library.resembling is not None)
        assert "3,000 games" in " ".join(written(app, monkeypatch))
        (rect, _), *_ = app.panel.view._spots
        monkeypatch.setattr(app.table.importer, "send", app.table.importer.sent.append)
        click(app, rect.center)
        assert app.table.importer.sent[-1] == BuildIndex()
        assert app.controller.library.tasks == [BuildIndex()]

    def test_similar_positions_are_shown(self, app, monkeypatch):
        app.session.play(Move.from_iccs("a0a1"))
        explore(app)
        library = app.controller.library
        app.table.wait(lambda: library.resembling is not None)
        entry = library_entry(app)
        number = library._explore_number
        library._take(Resembling(number, True, ((Move.from_iccs("h9g7"), 0.75),), 0.5, (entry,)))
        lines = written(app, monkeypatch)
        assert "馬８進７" in lines and "75%" in lines and "Red scored 50% there." in lines
        assert "Anna - Black 3" in lines

    def test_a_key_reads_for_them(self, app, monkeypatch):
        app.session.play(Move.from_iccs("a0a1"))
        explore(app)
        app.table.wait(lambda: app.controller.enabled(Action.SIMILAR))
        assert any(line.startswith("Shift+F3 or a click") for line in written(app, monkeypatch))
        monkeypatch.setattr(app.table.importer, "send", app.table.importer.sent.append)
        key(app, "f3", pygame.KMOD_LSHIFT)
        assert app.controller.library.indexing and not app.controller.enabled(Action.SIMILAR)

    def test_they_are_told_below_what_few_games_say(self, app, monkeypatch):
        app.session.play(Move.from_iccs("g3g4"))
        explore(app)
        library = app.controller.library
        app.table.wait(lambda: library.resembling is not None)
        entry, number = library_entry(app), library._explore_number
        library._take(Resembling(number, True, ((Move.from_iccs("h9g7"), 0.75),), 0.5, (entry,)))
        lines = written(app, monkeypatch)
        assert "all" in lines and "No game has this position." not in lines
        assert lines.index("all") < lines.index("In similar positions:") < lines.index("75%")

    def test_a_library_that_cannot_be_read_is_told(self, open_board, monkeypatch):
        app = open_board(size=(1000, 760))
        app.table.library_path.write_bytes(b"no database" * 100)
        key(app, "f3")
        app.table.wait(lambda: app.controller.library.error)
        assert "library.sqlite" in app.controller.library.error
        assert any(line.startswith("The library:") for line in written(app, monkeypatch))
        assert app.controller.status()[1] == "alert"


def library_entry(app):
    with Library(app.table.library_path) as library:
        return library.search()[0]


class TestSearch:
    def open(self, app):
        key(app, "f", pygame.KMOD_LCTRL)
        assert isinstance(app.overlay, LibrarySheet)
        self.found(app)
        return app.overlay

    def found(self, app):
        app.table.wait(lambda: app.controller.library.listed is not None)
        shot(app)
        return [(entry.red, entry.result) for entry in app.controller.library.listed.games]

    def type(self, app, text):
        app.handle(pygame.Event(pygame.TEXTINPUT, text=text))
        return self.found(app)

    def test_all_games_the_latest_first(self, app):
        self.open(app)
        assert self.found(app) == [("Anna", "1-0"), ("胡榮華", "0-1"), ("Anna", "1/2-1/2"), ("胡榮華", "1-0")]

    def test_by_player_in_either_script(self, app):
        self.open(app)
        assert self.type(app, "胡荣华") == [("胡榮華", "0-1"), ("胡榮華", "1-0")]

    def test_by_event(self, app):
        self.open(app)
        key(app, "tab")
        assert len(self.type(app, "cup 1")) == 2

    def test_by_result_with_a_key_and_a_click(self, app):
        sheet = self.open(app)
        key(app, "r", pygame.KMOD_LCTRL)
        assert self.found(app) == [("Anna", "1-0"), ("胡榮華", "1-0")]
        places = sheet._result_places(app.layout, sheet.room(app.layout))
        click(app, places[3].center)
        assert self.found(app) == [("胡榮華", "0-1")]

    def test_only_those_with_the_position_shown(self, app):
        app.session.play(Move.from_iccs("g3g4"))
        self.open(app)
        key(app, "p", pygame.KMOD_LCTRL)
        assert self.found(app) == [("Anna", "1-0")]

    def test_where_no_game_has_it_similar_ones_are_listed(self, app, monkeypatch):
        app.session.play(Move.from_iccs("a0a1"))
        sheet = self.open(app)
        key(app, "p", pygame.KMOD_LCTRL)
        assert self.found(app) == [] and app.controller.library.listed.similar is False
        assert any("Enter or a click" in line for line in written(app, monkeypatch))
        send = app.table.importer.send
        monkeypatch.setattr(app.table.importer, "send", app.table.importer.sent.append)
        key(app, "return")
        assert app.table.importer.sent == [AddShipped(), BuildIndex()] and app.overlay is sheet
        app.table.importer.report(Progress(BuildIndex(), 1234, total=3000))
        app.table.tick()
        assert any("1,234" in line for line in written(app, monkeypatch))
        click(app, sheet._progress(app.layout, sheet.room(app.layout)).center)
        assert app.table.importer.sent[-1] == Stop() and app.overlay is sheet
        asked = len(app.table.librarian.asked)
        app.table.importer.report(Done(BuildIndex(), 0, 0))
        app.table.tick()
        shot(app)
        assert len(app.table.librarian.asked) == asked + 1  # what there is now is looked up again
        monkeypatch.setattr(app.table.importer, "send", send)
        self.found(app)
        library = app.controller.library
        library._take(Listed(library._search_number, 0, (library_entry(app),), similar=True))
        lines = written(app, monkeypatch)
        assert "No game has this position. The most similar ones:" in lines and "Anna - Black 3" in lines

    def test_enter_opens_the_chosen_game_and_a_click_another(self, app):
        self.open(app)
        key(app, "down")
        key(app, "return")
        assert app.overlay is None
        app.table.wait(lambda: app.session.table.game.headers.get("Black") == "Black 2")
        assert app.session.viewed == 0 and app.session.board.ply == 3
        sheet = self.open(app)
        area = sheet._list(app.layout, sheet.room(app.layout))
        click(app, (area.x + 50, area.y + 5))
        app.table.wait(lambda: app.session.table.game.headers.get("Black") == "Black 3")

    def test_the_first_search_takes_the_shipped_games_in_and_lists_them_as_they_come(self, app, monkeypatch):
        importer = app.table.importer
        monkeypatch.setattr(importer, "send", importer.sent.append)
        self.open(app)
        assert importer.sent == [AddShipped()]
        self.type(app, "zhou")
        assert strings.say("library.soon") in written(app, monkeypatch)
        for count, move in enumerate(("h2e2", "h2d2"), 1):
            with Library(app.table.library_path) as library:
                library.add(Game.from_pgn(f'[Red "Zhou"] [Date "200{count}.01.01"] 1. {move} *'))
            importer.report(Progress(AddShipped(), 5000, added=count))
            app.table.tick()
            shot(app)
            app.table.wait(lambda count=count: len(app.controller.library.listed.games) == count)
            shot(app)
            assert app.overlay.rows.chosen == count - 1  # still the first one: the later one is above it
        key(app, "escape")
        self.open(app)
        assert importer.sent == [AddShipped()]

    def test_no_game(self, app, monkeypatch):
        self.open(app)
        self.type(app, "nobody")
        assert strings.say("games.nothing") in written(app, monkeypatch)


class TestKeeping:
    def kept(self, app):
        app.table.wait(lambda: app.table.importer._thread._work_queue.empty())
        messages = [message for message in app.table.importer.sent if isinstance(message, Keep)]
        app.table.wait(lambda: app.table.importer._thread.submit(lambda: True).result())
        return messages

    def test_a_game_is_kept_when_it_ends(self, open_board):
        app = open_board(humans="both")
        app.table.play("h2e2", "h9g7")
        app.table.tick()
        assert self.kept(app) == []
        app.controller.do(Action.RESIGN)
        app.controller.do(Action.RESIGN)
        app.table.tick()
        assert len(self.kept(app)) == 1
        with Library(app.table.library_path) as library:
            assert [entry.plies for entry in library.search()] == [2]

    def test_going_on_after_the_end_replaces_it(self, app):
        app.table.play("h2e2", "h9g7")
        for _ in range(2):
            app.controller.do(Action.RESIGN)
        app.table.tick()
        app.controller.do(Action.UNDO)
        app.table.play("h0g2")
        for _ in range(2):
            app.controller.do(Action.RESIGN)
        app.table.tick()
        assert len(self.kept(app)) == 2
        with Library(app.table.library_path) as library:
            ours = library.search(Filter(event="casual"))
        assert [(entry.plies, entry.result) for entry in ours] == [(3, "1-0")]

    def test_a_long_game_against_an_opponent_is_kept_when_another_begins(self, open_board):
        app = open_board(humans="red")
        moves = ["h2e2", "h9g7", "e2h2", "g7h9"]
        app.table.play(*(moves * 2)[:6], "a3a4", "a6a5", "a4a5", "a9a5", "a0a5", "i6i5", "a5a9", "b9a7", "a9a8", "b7b0")
        assert app.session.board.ply < SHORTEST
        app.session.new()
        app.table.tick()
        assert self.kept(app) == []

    def test_a_game_of_twenty_plies_is(self, open_board):
        app = open_board(humans="red")
        while app.session.board.ply < SHORTEST:
            app.session.play(app.session.board.legal_moves[app.session.board.ply % 7])
        app.session.new()
        (message,) = self.kept(app)
        assert message.game.end().ply == SHORTEST

    def test_it_has_the_names_of_those_who_played_it(self, app):
        app.controller.start(Setup((None, Spec("level", "Child"))))
        while app.session.board.ply < SHORTEST:
            app.session.play(app.session.board.legal_moves[app.session.board.ply % 7])
        app.controller.start(Setup((Spec("level", "Deep"), None)))
        headers = self.kept(app)[-1].game.headers
        assert (headers["Red"], headers["Black"]) == ("Human", "Child")

    def test_what_was_opened_from_a_file_is_not(self, app):
        (game, *_) = games()
        app.session.study(game)
        app.session.resign()
        app.table.tick()
        app.session.new()
        app.table.tick()
        assert self.kept(app) == []


class TestImport:
    def test_a_file_is_chosen_and_its_games_are_told(self, app, tmp_path):
        path = tmp_path / "more.pgn"
        more = games()
        more[0].headers["Date"] = "1999.01.01"
        new = Game({"Red": "New"})
        new.add_main_line([Move.from_iccs("b2e2"), Move.from_iccs("h9g7")])
        save([*more, new], path)
        key(app, "i", pygame.KMOD_LCTRL)
        assert isinstance(app.overlay, FileDialog)
        app.overlay._done(path)
        app.table.wait(lambda: not app.controller.library.tasks)
        assert app.controller.status() == ("more.pgn: games added: 5, there before: 0.", "good")

    def test_progress_is_shown_and_a_click_stops(self, app, monkeypatch, tmp_path):
        explore(app)
        sent = app.table.importer.sent
        monkeypatch.setattr(app.table.importer, "send", sent.append)
        library, task = app.controller.library, AddFile(tmp_path / "big.pgn")
        library.add_file(task.path)
        app.table.importer.report(Progress(task, 12300))
        app.table.tick()
        assert "Games read from big.pgn: 12,300" in written(app, monkeypatch)
        click(app, app.panel.view._progress(app.layout, app.layout.view).center)
        assert sent[-1] == Stop()
        app.table.importer.report(Done(task, 10000, 0, stopped=True))
        app.table.tick()
        assert library.tasks == [] and "stopped" in app.controller.status()[0]

    def test_the_explorer_sees_what_is_added(self, app):
        explore(app)
        before = app.controller.library.explored.found.score.games
        new = Game()
        new.add_main_line([Move.from_iccs("h2e2")])
        app.table.importer.send(Keep(99, new))
        app.table.wait(lambda: app.controller.library.explored.found.score.games == before + 1)

    def test_a_fault_is_told(self, app, tmp_path):
        app.controller.library.add_file(tmp_path / "nothing.pgn")
        app.table.wait(lambda: not app.controller.library.tasks)
        assert "nothing.pgn" in app.controller.status()[0] and app.controller.status()[1] == "alert"

    def test_faulty_games_are_counted(self, app, tmp_path):
        path = tmp_path / "bad.pgn"
        path.write_text('[Red "A"]\n\n1. h2e2 h9g7 2. e2e9 *\n')
        app.controller.library.add_file(path)
        app.table.wait(lambda: not app.controller.library.tasks)
        assert "Faults: 1" in app.controller.status()[0]

    def test_a_crash_ends_all_tasks(self, app, tmp_path):
        app.controller.library.tasks = [AddShipped(), AddFile(tmp_path)]
        app.table.importer.report(Crashed("the library's process was killed by SIGKILL"))
        app.table.tick()
        assert app.controller.library.tasks == [] and "SIGKILL" in app.controller.status()[0]


class TestClerk:
    def test_the_shipped_games_are_taken_in_once(self, tmp_path, monkeypatch):
        save(games(), tmp_path / "practical.pgn.zst")
        monkeypatch.setattr("lm.library.library.data_path", lambda name: tmp_path)
        reports = []
        clerk = Clerk(tmp_path / "library.sqlite", reports.append, lambda: None)
        clerk.serve(AddShipped())
        clerk.serve(AddShipped())
        clerk.close()
        assert [(done.added, done.stopped) for done in reports] == [(4, False), (0, False)]

    def test_a_game_is_kept_while_a_file_is_read_and_a_stop_ends_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr("lm.library.library.TOLD_EVERY", 1)
        path = tmp_path / "games.pgn"
        save(games(), path)
        played = Game({"Red": "You"})
        played.add_main_line([Move.from_iccs("a3a4")])
        messages = [Keep(1, played), None, AddFile(tmp_path / "next.pgn"), Stop()]
        reports = []
        clerk = Clerk(tmp_path / "library.sqlite", reports.append, lambda: messages.pop(0) if messages else None)
        clerk.serve(AddFile(path))
        clerk.close()
        assert isinstance(reports[0], Kept) and reports[-1] == Done(AddFile(path), 0, 0, stopped=True)
        with Library(tmp_path / "library.sqlite") as library:
            assert [entry.red for entry in library.search()] == ["You"]

    def test_a_task_that_fails_lets_the_next_one_begin(self, tmp_path):
        save(games(), tmp_path / "games.pgn")
        reports, next_one = [], [AddFile(tmp_path / "games.pgn")]
        clerk = Clerk(tmp_path / "library.sqlite", reports.append, lambda: next_one.pop() if next_one else None)
        clerk.serve(AddFile(tmp_path / "none.pgn"))
        clerk.serve(next_one.pop())
        clerk.close()
        assert isinstance(reports[0], Failed) and reports[1].added == 4


class TestProcesses:
    @pytest.fixture
    def start(self, tmp_path):
        helpers = []

        def begin(kind):
            ready = threading.Semaphore(0)
            helper = kind(ready.release, tmp_path / "library.sqlite")
            helpers.append(helper)

            def report():
                assert ready.acquire(timeout=120)
                return helper.poll()

            return helper, report

        yield begin
        for helper in helpers:
            helper.close()

    def test_questions_are_answered(self, start, tmp_path):
        fill(tmp_path / "library.sqlite")
        librarian, report = start(Librarian)
        librarian.ask(Explore(1, Board()))
        found = report()
        assert isinstance(found, Explored) and found.found.score.games == 4
        librarian.ask(Search(2, Filter(player="anna")))
        listed = report()
        assert isinstance(listed, Listed) and listed.count == 2
        librarian.ask(Fetch(3, listed.games[0].id, 2))
        fetched = report()
        assert isinstance(fetched, Fetched) and fetched.game.headers["Red"] == "Anna" and fetched.ply == 2
        librarian.ask(Fetch(4, 999, 0))
        assert isinstance(report(), NoAnswer)
        if os.name == "posix":
            os.kill(librarian.pid, signal.SIGKILL)
            told = report()
            assert isinstance(told, NoAnswer) and "SIGKILL" in told.message

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folder lies elsewhere")
    def test_by_default_it_is_the_library_of_the_user(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        ready = threading.Semaphore(0)
        helpers = Helpers.of_window(ready.release)
        try:
            helpers.librarian.ask(Search(1, Filter()))
            assert ready.acquire(timeout=120)
            assert helpers.librarian.poll() == Listed(1, 0, ())
        finally:
            helpers.close()
        assert (tmp_path / "xqlm" / "library.sqlite").exists()

    def test_a_game_that_was_sent_before_the_window_closed_is_kept(self, start, tmp_path):
        importer, _ = start(Importer)
        for game in games():
            importer.send(Keep(len(game.headers["Black"]) + int(game.headers["Black"][-1]), game))
        importer.close()
        with Library(tmp_path / "library.sqlite") as library:
            assert library.count() == 4


def test_a_letter_typed_in_the_search_does_not_act(app):
    key(app, "f", pygame.KMOD_LCTRL)
    before = app.session.generation
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.K_n, mod=0, unicode="n"))
    assert isinstance(app.overlay, LibrarySheet) and app.session.generation == before
