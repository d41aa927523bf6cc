import itertools
import os
import random
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pygame
import pytest

from drawn import Window
from gui import app as app_module
from gui.actions import Action
from gui.app import App, open_window, run
from gui.engines import add_engine
from gui.games_folder import GamesFolder
from gui.layout import MINIMUM_SIZE
from gui.new_game import Setup, parse_clocks
from gui.notation import Style
from gui.panel import BUTTONS, NAVIGATION
from gui.processes.helpers import Helpers
from gui.session import Session
from gui.settings import Settings
from gui.start import main
from lm.matches.table import HUMANS
from lm.players.player import Choice
from lm.players.specs import Spec
from xiangqi import BLACK, RED, Move, parse_square
from xiangqi.formats import load

ENGINE = Spec("uci", None, (("cmd", "sleep 60"), ("name", "Idle")))


class Slow:
    """Thinks until the gate is opened."""

    name = "slow"

    def __init__(self):
        self.gate, self.begun = threading.Event(), threading.Event()

    def choose(self, boards, limits=None):
        self.begun.set()
        assert self.gate.wait(10)
        return [Choice(Move.from_iccs("h9g7")) for _ in boards]

    def close(self):
        pass


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path):
    """Keep the tests away from the settings of who runs them."""
    monkeypatch.setattr(Settings, "of_user", classmethod(lambda cls: cls(tmp_path / "settings" / "board.json")))


@pytest.fixture
def app(seat):
    window = open_window()
    yield App(window, seat(Slow()).controller)
    window.destroy()
    pygame.display.quit()


def test_on_a_screen_that_shows_all_twice_as_large_the_pointer_is_where_one_points(seat, monkeypatch):
    pygame.display.init()
    table = seat(Slow(), session=Session(humans=HUMANS["both"]))
    app = App(Window((640, 480), density=2), table.controller)
    app.frame(1.0)
    assert app.layout.size == (1280, 960)
    at = [tuple(round(x / 2) for x in app.layout.point(parse_square(name), RED)) for name in ("h2", "e2")]
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=at[0], button=1))
    app.handle(pygame.Event(pygame.MOUSEMOTION, pos=at[1], rel=(1, 1), buttons=(1, 0, 0)))
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=at[1], button=1))
    assert table.moves == ["h2e2"]
    monkeypatch.setattr(pygame.mouse, "get_pos", lambda: at[1])
    app.handle(pygame.Event(pygame.MOUSEWHEEL, x=0, y=1))
    assert app.session.viewed == 0
    monkeypatch.setattr(pygame.mouse, "get_pos", lambda: tuple(side // 2 for side in app.layout.view.center))
    app.handle(pygame.Event(pygame.MOUSEWHEEL, x=0, y=-1))
    assert app.session.viewed == 0
    places = []
    monkeypatch.setattr(pygame.key, "set_text_input_rect", places.append)
    app.do(Action.COMMENT)
    app.frame(2.0)
    assert pygame.Rect(0, 0, 640, 480).contains(places[-1])
    pygame.display.quit()


def test_what_a_key_says_after_a_long_pause_is_seen(app, monkeypatch):
    clock, said = [0.0], []
    monkeypatch.setattr(app_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def wait(due):
        said.append(app.controller.status()[0])
        app.running = len(said) < 3
        clock[0] += 60.0 if len(said) == 1 else 1.0
        return [pygame.Event(pygame.KEYDOWN, key=pygame.K_r, mod=0, unicode="r")]

    monkeypatch.setattr(app_module, "wait_for_events", wait)
    run(app)
    assert said[1:] == ["Press R again to resign.", "Black wins: Red resigned."]


def run_frames(app, seconds):
    """Draw as fast as the window can and return the longest time of a frame."""
    longest, end = 0.0, time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        app.controller.tick(start)
        app.frame(start)
        longest = max(longest, time.monotonic() - start)
    return longest


def mouse(app, kind, position):
    app.handle(pygame.Event(kind, pos=tuple(map(round, position)), button=1))


def click(app, position):
    mouse(app, pygame.MOUSEBUTTONDOWN, position)
    mouse(app, pygame.MOUSEBUTTONUP, position)


def point(app, name):
    return app.layout.point(parse_square(name), app.session.bottom)


def press_key(app, key, mod=0):
    app.handle(pygame.Event(pygame.KEYDOWN, key=key, mod=mod))


def pixels(app):
    return pygame.surfarray.array3d(app.window.get_surface())


class TestFrames:
    def test_pieces_are_drawn_where_they_stand(self, app):
        app.frame(10.0)
        app.frame(20.0)
        x, y = map(round, point(app, "a0"))
        here = pixels(app)[x - 15 : x + 15, y - 15 : y + 15].reshape(-1, 3).astype(int)
        red_ink = (here[:, 0] > here[:, 1] + 90) & (here[:, 2] < 80)
        assert red_ink.mean() > 0.05
        x, y = map(round, point(app, "a5"))
        empty = pixels(app)[x - 15 : x + 15, y - 15 : y + 15].reshape(-1, 3).astype(int)
        assert not ((empty[:, 0] > empty[:, 1] + 90) & (empty[:, 2] < 80)).any()

    def test_flipping_shows_black_below(self, app):
        app.frame(20.0)
        before = pixels(app)
        press_key(app, pygame.K_f)
        app.frame(20.0)
        x, y = map(round, app.layout.point(parse_square("e9"), 1))
        assert (x, y) == tuple(map(round, app.layout.point(parse_square("e0"), 0)))
        assert (pixels(app)[x - 20 : x + 20, y - 20 : y + 20] != before[x - 20 : x + 20, y - 20 : y + 20]).any()

    def test_a_smaller_window_still_shows_everything(self, app):
        app.window.size = MINIMUM_SIZE
        app.frame(20.0)
        assert app.layout.size == MINIMUM_SIZE
        click(app, point(app, "h2"))
        app.frame(20.1)
        assert app.session.selected == parse_square("h2")

    def test_every_state_can_be_drawn(self, app):
        for iccs in ("h2e2", "h9g7", "e2e6"):
            app.session.play(Move.from_iccs(iccs))
        app.session.view(1)
        app.frame(30.0)
        app.controller.opponents.error = "a long line " * 40
        app.session.scribe.style = Style(traditional=False)
        app.frame(31.0)
        app.controller.opponents.error = None
        app.session.view(3)
        app.session.resign()
        app.frame(32.0)
        app.frame(33.0)
        banner = pixels(app)
        press_key(app, pygame.K_ESCAPE)
        app.frame(33.0)
        assert (pixels(app) != banner).any()


class TestInput:
    def test_clicks_play_a_move(self, app):
        click(app, point(app, "h2"))
        click(app, point(app, "e2"))
        assert [move.iccs for move in app.session.board.move_stack] == ["h2e2"]

    def test_a_drag_plays_a_move(self, app):
        mouse(app, pygame.MOUSEBUTTONDOWN, point(app, "b0"))
        mouse(app, pygame.MOUSEMOTION, point(app, "b1"))
        app.frame(20.0)
        mouse(app, pygame.MOUSEBUTTONUP, point(app, "c2"))
        assert [move.iccs for move in app.session.board.move_stack] == ["b0c2"]

    def test_both_work_with_black_below(self, app):
        press_key(app, pygame.K_f)
        click(app, point(app, "h2"))
        mouse(app, pygame.MOUSEBUTTONDOWN, point(app, "h2"))
        mouse(app, pygame.MOUSEBUTTONUP, point(app, "e2"))
        assert [move.iccs for move in app.session.board.move_stack] == ["h2e2"]

    def test_a_click_on_a_move_shows_its_position(self, app):
        for iccs in ("h2e2", "h9g7", "b0c2"):
            app.session.play(Move.from_iccs(iccs))
        app.frame(20.0)
        node = app.session.table.node.parent
        click(app, app.panel.moves.rect_of(app.layout, app.layout.view, node).center)
        assert app.session.node is node and app.session.viewed == 2

    def test_a_long_list_scrolls_and_follows_the_game(self, app):
        chance = random.Random(3)
        for _ in range(40):
            app.session.play(chance.choice(app.session.board.legal_moves))
        app.window.size = MINIMUM_SIZE
        app.frame(20.0)
        line, area = app.session.table.node.line(), app.layout.view
        where = lambda ply: app.panel.moves.rect_of(app.layout, area, line[ply - 1])  # noqa: E731
        assert area.contains(where(40)) and not area.contains(where(1))
        app.panel.wheel(app.layout, -100)
        app.frame(20.0)
        assert area.contains(where(1))

    def test_every_shortcut_reaches_its_action(self, app, monkeypatch):
        done = []
        monkeypatch.setattr(app, "do", done.append)
        held = {"Ctrl": pygame.KMOD_LCTRL, "Shift": pygame.KMOD_LSHIFT}
        for action in Action:
            *mods, key = action.shortcut.split("+") if len(action.shortcut) > 1 else [action.shortcut]
            code = ord(key.lower()) if len(key) == 1 else pygame.key.key_code(key)
            press_key(app, code, sum(held[mod] for mod in mods))
        assert done == list(Action)

    def test_every_action_is_at_most_two_clicks_away(self, app, monkeypatch):
        done = []
        monkeypatch.setattr(app.controller, "enabled", lambda action: True)
        for rect in (*app.layout.buttons, *app.layout.navigation):
            monkeypatch.setattr(app, "do", done.append)
            click(app, rect.center)
            monkeypatch.undo()
        monkeypatch.setattr(app.controller, "enabled", lambda action: True)
        for action in Action:
            app.do(Action.MENU)
            menu = app.overlay
            monkeypatch.setattr(menu, "_do", done.append)
            click(app, dict(menu._places(app.layout, menu.room(app.layout)))[action].center)
            assert app.overlay is None
        assert done == [*BUTTONS, *NAVIGATION, *Action]

    def test_closing_the_window_ends_the_loop(self, app):
        app.handle(pygame.Event(pygame.QUIT))
        assert not app.running


class TestThinking:
    def test_no_frame_waits_for_the_player(self, app):
        run_frames(app, 0.2)  # draws once what is cached afterwards
        player = app.controller.worker._load("lm")
        click(app, point(app, "h2"))
        click(app, point(app, "e2"))
        longest = run_frames(app, 1.0)
        assert player.begun.is_set()
        assert app.controller.opponents.thinking
        assert longest < 2  # a frame that waited for it would take ten
        player.gate.set()
        end = time.monotonic() + 10
        while app.session.board.ply < 2 and time.monotonic() < end:
            run_frames(app, 0.02)
        assert [move.iccs for move in app.session.board.move_stack] == ["h2e2", "h9g7"]


class TestIdling:
    """Nothing is drawn while nothing changes: drawing is what a window costs."""

    @pytest.fixture
    def drawn(self, app, monkeypatch):
        """Run the loop for the given events or none, one every second, and return how often it has drawn."""

        def loop(*events):
            waiting = [*([pygame.Event(kind)] if kind else [] for kind in events), [pygame.Event(pygame.QUIT)]]
            clock = itertools.count(100.0)
            frames = []
            monkeypatch.setattr(pygame.event, "get", lambda: waiting.pop(0))
            monkeypatch.setattr("gui.app.time.sleep", lambda seconds: None)
            monkeypatch.setattr("gui.app.time.monotonic", lambda: float(next(clock)))
            monkeypatch.setattr(app, "frame", frames.append)
            app.running = True
            run(app)
            return len(frames)

        pygame.event.clear()
        app.controller.tick(0.0)
        app.frame(0.0)  # sets the pieces out
        return loop

    def test_an_idle_loop_draws_once(self, drawn):
        assert drawn(*[None] * 30) == 1

    def test_an_event_is_drawn_at_once(self, drawn):
        assert drawn(None, pygame.WINDOWEXPOSED, None, None) == 2

    def test_a_notice_goes_away_by_itself(self, app, drawn):
        app.controller.tick(100.0)
        app.controller.say("Saved.")
        assert drawn(*[None] * 30) == 2
        assert app.controller.status()[0] != "Saved."

    def test_the_dots_move_while_the_player_thinks(self, app, drawn):
        app.session.play(Move.from_iccs("h2e2"))
        assert drawn(*[None] * 10) >= 10


class TestStarting:
    def test_without_a_display_the_error_is_one_line(self):
        environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
        environment.pop("SDL_VIDEODRIVER", None)
        environment.pop("XDG_RUNTIME_DIR", None)
        ended = subprocess.run(
            [sys.executable, "-m", "gui"], env=environment, capture_output=True, text=True, timeout=240
        )
        assert ended.returncode == 2
        assert ended.stderr.startswith("error: no display")
        assert ended.stderr.count("\n") == 1

    @pytest.mark.parametrize("options", [{"fen": "nonsense"}, {"side": "green"}])
    def test_a_wrong_option_is_a_value_error(self, options):
        with pytest.raises(ValueError, match=r"nonsense|green"):
            main("random", **options)

    def test_the_first_frame_needs_neither_rules_nor_model(self):
        code = "import sys, gui.start; print([m for m in ('numba', 'torch', 'xiangqi', 'lm') if m in sys.modules])"
        environment = {key: value for key, value in os.environ.items() if key != "PYGAME_HIDE_SUPPORT_PROMPT"}
        words = [sys.executable, "-c", code]
        ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=240, check=True)
        assert ended.stdout == "[]\n"  # nor does pygame greet

    def test_a_game_opens_and_closes(self, monkeypatch, tmp_path):
        frames = []

        def frame_then_quit(self, now):
            frames.append(now)
            if self.controller.opponents.loaded:
                pygame.event.post(pygame.Event(pygame.QUIT))

        monkeypatch.setattr(App, "frame", frame_then_quit)
        assert main("random", games_dir=tmp_path) == 0
        assert frames

    def test_a_game_in_play_goes_on_at_the_next_start(self, monkeypatch, tmp_path):
        seen = []

        def move_then_quit(self, now):
            seen.append((self.session.person, [move.iccs for move in self.session.board.move_stack]))
            if self.session.board.ply == 0 and self.session.person == RED:
                self.session.play(Move.from_iccs("h2e2"))
            else:
                self.running = False

        def look(side=None):
            seen.clear()
            main("random", side, games_dir=tmp_path)
            return seen[-1]

        monkeypatch.setattr(App, "frame", move_then_quit)
        monkeypatch.setattr(App, "patience", lambda self, now: 0.0)
        look()
        assert look() == (RED, ["h2e2"])
        assert look("black") == (BLACK, [])
        (saved,) = tmp_path.glob("*.pgn")
        (game,) = load(saved)
        assert [move.iccs for move in game.moves()] == ["h2e2"]
        saved.rename(tmp_path / "current.pgn")
        (tmp_path / "current.pgn").write_bytes(b"\0")
        assert look() == (RED, ["h2e2"])
        assert len(list(tmp_path.glob("*.pgn"))) == 2

    def test_another_board_can_take_the_game_while_the_processes_end(self, monkeypatch, tmp_path):
        taken = []

        def move_then_quit(self, now):
            self.session.play(Move.from_iccs("h2e2"))
            self.controller.tick(now)
            self.running = False

        def take_then_close(self):
            other = GamesFolder(tmp_path)
            taken.append(other.kept())
            other.close()
            close(self)

        close = Helpers.close
        monkeypatch.setattr(App, "frame", move_then_quit)
        monkeypatch.setattr(Helpers, "close", take_then_close)
        main("random", games_dir=tmp_path)
        assert taken[0].moves() == [Move.from_iccs("h2e2")]

    @pytest.mark.parametrize(("red", "added"), [(None, True), (Spec("level", "Child"), True), (None, False)])
    def test_a_game_goes_on_against_who_was_there(self, monkeypatch, tmp_path, red, added):
        """An engine only if the person added it, for it is a program that runs."""
        settings = Settings.of_user()
        add_engine(settings, ENGINE)
        seen = []

        def start_then_quit(self, now):
            opponents, session = self.controller.opponents, self.session
            seen.append(([opponents.seat(color) for color in (RED, BLACK)], session.board.ply, session.table.clocks))
            if session.board.ply == 0:
                self.controller.start(Setup((red, ENGINE), clocks=parse_clocks("10+5")))
                session.play(Move.from_iccs("h2e2"))
                self.controller.tick(now)
            self.running = False

        monkeypatch.setattr(App, "frame", start_then_quit)
        main(games_dir=tmp_path)
        if not added:
            Settings.of_user().set("engines", [])
        main(games_dir=tmp_path)
        seats, ply, clocks = seen[-1]
        assert (ply, clocks) == (1, parse_clocks("10+5"))
        assert (seats == [red, ENGINE]) if added else (ENGINE not in seats)

    def test_the_window_stays_free_of_the_models_libraries(self, tmp_path):
        """SDL draws through Mesa, whose LLVM and that of triton, which torch imports, crash a process that has both."""
        code = """
import pathlib, sys
import pygame
from gui.app import App
from gui.start import main

draw = App.frame

def play_a_move(self, now):
    from xiangqi import Move

    draw(self, now)
    if self.session.board.ply == 0:
        self.session.play(Move.from_iccs("h2e2"))
    if self.session.board.ply == 2 or self.controller.opponents.error:
        pygame.event.post(pygame.Event(pygame.QUIT))
        print(self.controller.opponents.error, len(self.session.texts))

App.frame = play_a_move
main("lm", games_dir=pathlib.Path(sys.argv[1]))
print([name for name in ("torch", "triton", "transformers", "sqlite3") if name in sys.modules])
"""
        command = [sys.executable, "-c", code, tmp_path]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
        assert ended.stdout.splitlines()[-2:] == ["None 2", "[]"]
