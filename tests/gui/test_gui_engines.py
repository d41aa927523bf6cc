"""Engines that are added at the board: what is typed, what they are asked, and their options."""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pygame
import pytest

from frames import key
from gui.actions import Action
from gui.engines import add_engine, engine_spec, engines
from gui.new_game import Setup, candidates, parse_clocks
from gui.processes import probing
from gui.settings import Settings
from gui.sheets.engine import EngineDialog
from gui.sheets.new_game import NewGameDialog
from lm import UserError
from lm.players.specs import Spec
from xiangqi.engine import Option

FAKE = Path(__file__).parents[1] / "xiangqi" / "engines" / "fake.py"
FAIRY = shutil.which("fairy-stockfish") or shutil.which("fairy-stockfish", path="/usr/games")
POSIX = pytest.mark.skipif(os.name != "posix", reason="there are no signals")
needs_fairy = pytest.mark.skipif(
    FAIRY is None, reason="fairy-stockfish is not installed (apt-get install fairy-stockfish)"
)


def fake(fault="-", protocol="uci", **given):
    """Return the command of an engine that can misbehave."""
    return shlex.join([sys.executable, "-S", str(FAKE), protocol, fault, *(f"{n}={v}" for n, v in given.items())])


def type(app, text):
    app.handle(pygame.Event(pygame.TEXTINPUT, text=text))


def press(app, position):
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=tuple(position), button=1))
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=tuple(position), button=1))


def keys(app, *names):
    for name in names:
        key(app, name)


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def started(note):
    """Wait until an engine has written the number of its process, and return it."""
    wait_for(lambda: note.exists() and note.read_text())
    return int(note.read_text())


@pytest.fixture
def app(open_board):
    app = open_board(humans="red", size=(1000, 760))
    app.controller.tick(1.0)
    return app


def enter(app, command, name="", options=""):
    """Type an engine, and press Enter twice."""
    app.do(Action.ADD_ENGINE)
    for text in (command, name, options):
        type(app, text)
        key(app, "tab")
    keys(app, "return", "return")


def answered(app):
    """Let the window draw until the engine that was started has been heard; return the dialog."""
    dialog, number = app.overlay, 1.0
    while isinstance(dialog, EngineDialog) and dialog._asked:
        assert app.table.reported.acquire(timeout=120)
        app.frame(number)
    return dialog


def add(app, command, name="", options=""):
    enter(app, command, name, options)
    return answered(app)


def kept(app):
    return engines(app.controller.settings)


def names(dialog):
    return [option.name for option in dialog.options.options]


def row_of(app, name):
    """Return a place in the row of an option."""
    dialog, layout = app.overlay, app.sheet_layout
    app.frame(1.0)
    area = dialog.options._area(layout, dialog._body(layout, dialog.room(layout)))
    index, row = names(dialog).index(name), dialog.options.rows.row(layout)
    return area.x + 20, area.y + index * row + row // 2 - dialog.options.rows.scroll.offset


class TestStarting:
    def test_nothing_runs_before_the_command_has_been_shown_and_confirmed(self, app, tmp_path, written):
        note = tmp_path / "pid"
        command = fake(pid=note)
        app.do(Action.ADD_ENGINE)
        key(app, "return")
        assert app.overlay.note == "Enter the program to run."
        type(app, command)
        key(app, "return")
        app.frame(1.0)
        assert command in app.overlay.note and app.table.prober.pid is None and not note.exists()
        key(app, "return")
        dialog = answered(app)
        app.frame(1.0)
        assert {"Threads", "Analysis Style", "Book File", "1 to 8", "Keep this engine"} <= set(written)
        assert note.exists() and kept(app) == [] and dialog.options is not None
        key(app, "return")
        assert app.overlay is None and len(kept(app)) == 1

    def test_a_command_that_changes_is_shown_again(self, app, tmp_path):
        note = tmp_path / "pid"
        app.do(Action.ADD_ENGINE)
        type(app, fake())
        key(app, "return")
        type(app, f" pid={note}")
        key(app, "return")
        assert str(note) in app.overlay.note and app.table.prober.pid is None
        key(app, "return")
        answered(app)
        assert note.exists()

    def test_its_process_does_not_go_on(self, app, tmp_path):
        note = tmp_path / "pid"
        add(app, fake(pid=note))
        assert is_gone(started(note))
        wait_for(lambda: app.table.prober.pid is None)

    @pytest.mark.parametrize("by", ["escape", "another sheet", "typing"])
    def test_it_ends_with_the_dialog_and_when_what_was_typed_changes(self, app, tmp_path, by):
        note = tmp_path / "pid"
        enter(app, fake("mute", pid=note))
        pid = started(note)
        if by == "escape":
            key(app, "escape")
            assert app.overlay is None
        elif by == "another sheet":
            app.do(Action.MENU)
        else:
            type(app, "x")
            assert app.overlay.note.startswith("A program that speaks UCI")
        wait_for(lambda: is_gone(pid))
        wait_for(lambda: app.table.prober.pid is None)
        assert kept(app) == []

    def test_another_one_can_be_started_while_the_first_ends(self, app, tmp_path):
        note = tmp_path / "pid"
        enter(app, fake("mute", pid=note))
        pid = started(note)
        key(app, "escape")
        dialog = add(app, fake())
        assert dialog.options is not None and is_gone(pid)

    @POSIX
    @pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
    def test_it_ends_with_the_window(self, tmp_path, blow):
        note = tmp_path / "pid"
        code = f"""
import sys, time; sys.path[:] = {sys.path!r}
from gui.processes.prober import Prober
Prober(patience=600).ask({shlex.split(fake("mute", pid=note))!r})
try:
    time.sleep(600)
except KeyboardInterrupt:
    pass
"""
        window = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        pid = started(note)
        os.kill(window.pid, blow)
        _, said = window.communicate(timeout=60)  # returns when nobody has its standard error open any more
        assert "Traceback" not in said and is_gone(pid)


class TestFailing:
    def test_one_that_ends_says_why_and_can_be_corrected(self, app):
        dies = "import sys; print('cannot open nn.nnue', file=sys.stderr); sys.exit(3)"
        dialog = add(app, shlex.join([sys.executable, "-S", "-c", dies]))
        told = "Cannot start the engine: the engine ended with exit code 3. It said: cannot open nn.nnue"
        assert (dialog.note, kept(app)) == (told, [])
        dialog.fields[0].value = fake()
        keys(app, "return", "return")
        assert answered(app).options is not None

    def test_one_that_is_silent(self, app, tmp_path):
        app.table.prober.patience = 0.4
        dialog = add(app, fake("mute"), "Mute")
        assert dialog.note == "Mute does not speak UCI or UCCI: no answer in 0.4 seconds."
        assert kept(app) == []
        note = tmp_path / "pid"
        app.table.prober.patience = 240.0
        dialog.fields[0].value = fake(pid=note)
        keys(app, "return", "return")
        answered(app)
        key(app, "return")
        assert [name for name, _ in kept(app)] == ["Mute"] and is_gone(started(note))

    def test_what_is_no_program(self, app, tmp_path):
        path = tmp_path / "engine"
        path.write_bytes(b"\0\1\2")
        path.chmod(0o755)
        assert add(app, str(path)).note == "Cannot start the engine: exec format error"

    def test_one_of_other_games(self, app):
        dialog = add(app, fake(variants="chess,shogi"))
        assert dialog.note == "The engine does not play xiangqi: its variants are chess, shogi"
        assert kept(app) == []

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ("Thread=2", "The engine has no option Thread. Like it: Threads."),
            ("movetim=9", "The engine has no option movetim. Like it: movetime, move_timeout."),
            ("Qqq=2", "The engine has no option Qqq."),
            ("threads=9", "Threads cannot be 9; allowed: 1 to 8."),
            ("'analysis style=wild'", "Analysis Style cannot be wild; allowed: Solid, Very Risky, Normal."),
        ],
    )
    def test_typed_options_that_it_does_not_take(self, app, options, told):
        dialog = add(app, fake(), "", options)
        assert dialog.options is None and (dialog.note, kept(app)) == (told, [])
        dialog.fields[2].value = "depth=2"
        key(app, "return")  # the command has been confirmed
        answered(app)
        key(app, "return")
        assert kept(app)[0][1].endswith("depth=2,name=" + Path(sys.executable).name)

    def test_a_protocol_that_there_is_not(self, app):
        assert add(app, fake(), "", "protocol=usi").note == "protocol cannot be usi; allowed: uci, ucci."


class TestProtocols:
    def test_the_second_one_is_tried_where_the_first_fails(self, app):
        add(app, fake("leaves-at-uci", "ucci"), "Eye")
        assert names(app.overlay) == ["style"]  # without the unit of time, which the program sets
        key(app, "return")
        assert kept(app)[0][1].startswith("ucci:cmd=")

    def test_it_is_tried_too_where_the_first_is_not_answered(self, monkeypatch):
        async def silent(*words, **options):
            raise TimeoutError

        monkeypatch.setattr(probing, "popen_uci", silent)

        async def run():
            protocol, engine = await probing.open_engine(probing.Probe(1, tuple(shlex.split(fake("", "ucci"))), 240.0))
            await engine.quit()
            return protocol, "style" in engine.options

        assert asyncio.run(run()) == ("ucci", True)

    def test_the_one_that_is_typed_is_the_only_one_tried(self, app, tmp_path):
        log = tmp_path / "log"
        add(app, fake("", "ucci", log=log), "Eye", "protocol=ucci")
        key(app, "return")
        assert kept(app)[0][1].startswith("ucci:cmd=") and "uci" not in log.read_text().split()

    @needs_fairy
    def test_fairy_stockfish(self, app):
        dialog = add(app, FAIRY, "Fairy", "movetime=300")
        assert {"Hash", "Threads", "Skill Level", "UCI_Elo"} <= set(names(dialog))
        assert not {"UCI_Variant", "MultiPV", "Ponder", "Clear Hash", "Protocol"} & set(names(dialog))
        while dialog.options.chosen is None or dialog.options.chosen.name != "Skill Level":
            key(app, "down")
        type(app, "-5")
        keys(app, "return", "tab", "return")
        (name, text), *others = kept(app)
        assert (name, text, others) == ("Fairy", f"uci:cmd={FAIRY},movetime=300,Skill Level=-5,name=Fairy", [])
        player = Spec.parse(text).open()
        player.close()


class TestOptions:
    def choose(self, app, name):
        dialog = app.overlay
        while dialog.options.chosen is None or dialog.options.chosen.name != name:
            key(app, "down")

    def test_only_what_differs_or_was_typed_is_kept(self, app):
        add(app, fake(), "Mine", "depth=3 threads=1 'Book File=a b.bin'")
        self.choose(app, "Analysis Style")
        key(app, "right")
        keys(app, "tab", "return")
        spec = Spec.parse(kept(app)[0][1])
        given = [("depth", "3"), ("Threads", "1"), ("Book File", "a b.bin"), ("Analysis Style", "Solid")]
        assert list(spec.options)[1:-1] == given

    def test_what_is_set_to_its_default_again_is_not_kept(self, app):
        add(app, fake(), "Mine", "threads=4")
        self.choose(app, "Threads")
        keys(app, "backspace", "tab", "return")
        assert "Threads" not in kept(app)[0][1]

    def test_a_number_is_typed_and_a_wrong_one_told(self, app, written):
        add(app, fake())
        self.choose(app, "Threads")
        type(app, "12")
        key(app, "return")
        app.frame(2.0)
        assert "Threads cannot be 12; allowed: 1 to 8." in written
        keys(app, "down")
        assert app.overlay.options.chosen.name == "Threads"  # it is not left
        key(app, "backspace")
        keys(app, "backspace")
        type(app, "6")
        keys(app, "down", "tab", "return")
        assert "Threads=6" in kept(app)[0][1]

    def test_escape_leaves_a_value_as_it_was_and_then_the_dialog(self, app):
        add(app, fake())
        self.choose(app, "Threads")
        type(app, "6")
        key(app, "escape")
        assert isinstance(app.overlay, EngineDialog) and app.overlay.options.values == {}
        key(app, "escape")
        assert app.overlay is None and kept(app) == []

    def test_words_of_a_combo_are_typed(self, app):
        add(app, fake())
        self.choose(app, "Analysis Style")
        type(app, "wild")
        key(app, "return")
        assert app.overlay.options.typing
        for _ in "wild":
            key(app, "backspace")
        type(app, "very risky")
        keys(app, "return", "tab", "return")
        assert "Analysis Style=Very Risky" in kept(app)[0][1]

    def test_by_pointer(self, app, written):
        dialog = add(app, fake("checks"))
        press(app, row_of(app, "Own Book"))
        assert dialog.options.values == {"Own Book": "false"}
        press(app, row_of(app, "Analysis Style"))
        press(app, row_of(app, "Analysis Style"))
        press(app, row_of(app, "Threads"))
        type(app, "x")
        layout = app.sheet_layout
        ok, _ = dialog.buttons(layout, dialog.room(layout))
        press(app, ok.center)
        assert app.overlay is dialog and kept(app) == []  # what is typed is wrong
        key(app, "backspace")
        press(app, (2, 2))  # outside
        assert app.overlay is dialog
        press(app, ok.center)
        assert app.overlay is None and "Own Book=false,Analysis Style=Solid" not in kept(app)[0][1]
        assert {"Own Book=false", "Analysis Style=Very Risky"} <= set(kept(app)[0][1].split(","))

    def test_a_long_list_is_scrolled_by_the_wheel(self, app):
        add(app, fake())
        dialog = app.overlay
        options = [Option(f"Option {n}", "spin", "1", 0, 9) for n in range(40)]
        dialog._list(probing.Probed(0, "uci", tuple(options)))
        app.frame(1.0)
        app.handle(pygame.Event(pygame.MOUSEWHEEL, x=0, y=-30))
        app.frame(1.0)
        press(app, row_of(app, "Option 39"))
        type(app, "")
        assert dialog.options.chosen.name == "Option 39"

    def test_one_without_options_is_kept_all_the_same(self, app, written):
        add(app, fake())
        app.overlay._list(probing.Probed(0, "uci", ()))
        app.frame(1.0)
        assert "It has no options to set." in written
        keys(app, "down", "tab", "return")
        assert len(kept(app)) == 1


class TestList:
    """Engines in the list of the new game."""

    def choose(self, app, which, index):
        dialog, layout = app.overlay, app.layout
        press(app, self.place(app, which, index))
        assert dialog.lists[which].chosen == index, layout

    def place(self, app, which, index, from_right=None):
        """Return a place in a row of a list of the new game."""
        dialog, layout = app.overlay, app.layout
        app.frame(1.0)
        areas, _, _ = dialog.places(layout, dialog._body(layout, dialog.room(layout)))
        area, rows = areas[which], dialog.lists[which]
        row = rows.row(layout)
        x = area.x + 20 if from_right is None else area.right - layout.px(from_right)
        return x, area.y + row * index + row // 2 - rows.scroll.offset

    def seated(self, app):
        dialog = app.overlay
        return [dialog.candidates[rows.chosen].label for rows in dialog.lists[:2]]

    def test_one_is_added_from_there_and_seated(self, app):
        key(app, "n")
        self.choose(app, 0, 3)
        self.choose(app, 2, 2)
        type(app, "5+3")
        app.overlay.lists[1].key("pagedown")
        app.overlay.lists[1].key("pagedown")
        key(app, "return")
        assert isinstance(app.overlay, EngineDialog)
        type(app, fake())
        keys(app, "tab")
        type(app, "Mine")
        keys(app, "tab")
        type(app, "Threads=2 depth=2")
        keys(app, "return", "return")
        answered(app)
        key(app, "return")
        dialog = app.overlay
        assert isinstance(dialog, NewGameDialog) and self.seated(app) == ["Learner", "Mine"]
        assert dialog.lists[2].chosen == 2 and dialog.fields[0].value == "5+3"
        self.choose(app, 0, 0)
        dialog.fields[0].value = ""
        key(app, "return")
        assert app.controller.opponents.spec == f"uci:cmd={fake()},depth=2,Threads=2,name=Mine"

    @pytest.mark.parametrize("by", ["key", "pointer"])
    def test_its_options_are_changed_there(self, app, by):
        settings = app.controller.settings
        for name in ("Mine", "Yours"):
            add_engine(settings, engine_spec(name, fake(), "depth=2 'Book File=a b'"))
        key(app, "n")
        self.choose(app, 0, 12)
        self.choose(app, 1, 12)
        assert self.seated(app) == ["Mine", "Mine"]
        if by == "key":
            key(app, "e", pygame.KMOD_CTRL)
        else:
            press(app, self.place(app, 1, 12, from_right=50))
        assert [field.value for field in app.overlay.fields] == [fake(), "Mine", "depth=2 'Book File=a b'"]
        type(app, " nodes=9")
        key(app, "return")  # once: the command has been confirmed
        dialog = answered(app)
        assert dialog.options.values == {"Book File": "a b"}
        keys(app, "down", "return")
        type(app, "")
        keys(app, "backspace")
        type(app, "3")
        keys(app, "return", "tab", "return")
        assert isinstance(app.overlay, NewGameDialog) and self.seated(app) == ["Mine", "Mine"]
        assert [name for name, _ in engines(settings)] == ["Mine", "Yours"]
        spec = Spec.parse(engines(settings)[0][1])
        assert list(spec.options)[1:] == [
            *(("depth", "2"), ("nodes", "9"), ("Book File", "a b"), ("Threads", "3"), ("name", "Mine"))
        ]

    def test_one_that_plays_goes_on_with_its_new_options(self, app):
        spec = engine_spec("Mine", fake(), "depth=2")
        add_engine(app.controller.settings, spec)
        app.controller.start(Setup((None, spec)))
        key(app, "n")
        key(app, "e", pygame.KMOD_CTRL)
        key(app, "return")
        answered(app)
        app.overlay.options.values["Threads"] = "4"
        keys(app, "return", "escape")
        assert app.overlay is None and "Threads=4" in app.controller.opponents.spec
        assert app.controller.opponents.spec == engines(app.controller.settings)[0][1]

    def test_what_it_is_called_is_changed(self, app):
        add_engine(app.controller.settings, engine_spec("Mine", shlex.join([sys.executable, "-S", "-c", ""]), ""))
        key(app, "n")
        self.choose(app, 1, 12)
        key(app, "e", pygame.KMOD_CTRL)
        key(app, "return")
        dialog = answered(app)
        assert dialog.note.startswith("Cannot start the engine")
        dialog.fields[0].value, dialog.fields[1].value = fake(), "Yours"
        keys(app, "return", "return")
        answered(app)
        key(app, "return")
        assert [name for name, _ in kept(app)] == ["Yours"] and self.seated(app)[1] == "Yours"

    def test_it_does_not_take_the_name_of_another(self, app):
        for name in ("Mine", "Yours"):
            add_engine(app.controller.settings, engine_spec(name, fake(), ""))
        key(app, "n")
        self.choose(app, 1, 12)
        key(app, "e", pygame.KMOD_CTRL)
        app.overlay.fields[1].value = "Yours"
        key(app, "return")
        assert app.overlay.note == "Another engine is named Yours."
        assert [name for name, _ in kept(app)] == ["Mine", "Yours"]

    def test_nor_does_one_that_is_added(self, app):
        add_engine(app.controller.settings, engine_spec("Mine", fake(), "depth=3"))
        enter(app, fake(), "Mine")
        assert app.overlay.note == "Another engine is named Mine."
        assert kept(app) == [("Mine", f"uci:cmd={fake()},depth=3,name=Mine")]

    def test_what_was_written_into_the_settings_by_hand(self, app):
        """A program in place of ``cmd``, and players that are no engines."""
        settings = [["V", "uci:fairy-stockfish,depth=1"], ["W", "lm:temperature=1"], ["X", "level:Sharp"]]
        app.controller.settings.set("engines", settings)
        key(app, "n")
        assert [each.label for each in app.overlay.candidates[12:]] == ["V"]
        self.choose(app, 1, 12)
        key(app, "e", pygame.KMOD_CTRL)
        assert app.overlay.fields[0].value == "fairy-stockfish"

    def test_the_key_adds_one_where_none_is_chosen(self, app):
        key(app, "n")
        key(app, "e", pygame.KMOD_CTRL)
        assert isinstance(app.overlay, EngineDialog) and app.overlay.fields[0].value == ""

    def test_what_can_be_done_with_one_is_said(self, app, written):
        add_engine(app.controller.settings, engine_spec("Mine", sys.executable, ""))
        key(app, "n")
        self.choose(app, 1, 12)
        app.frame(1.0)
        told = "Ctrl+E or a click on … changes the engine's options. Delete or × takes it off the list."
        assert told in " ".join(written)

    @pytest.mark.parametrize("by", ["key", "pointer"])
    def test_one_is_removed_when_that_is_asked_for_twice(self, app, by):
        for name in ("Mine", "Yours"):
            add_engine(app.controller.settings, engine_spec(name, sys.executable, ""))
        key(app, "n")
        self.choose(app, 1, 12)
        self.choose(app, 0, 2)
        self.choose(app, 1, 12)

        def ask():
            if by == "key":
                key(app, "delete")
            else:
                press(app, self.place(app, 1, 12, from_right=14))

        ask()
        assert app.overlay.note == "Press once more to remove Mine from the list."
        key(app, "down")
        key(app, "up")
        ask()
        assert len(kept(app)) == 2
        ask()
        assert [name for name, _ in kept(app)] == ["Yours"]
        assert self.seated(app) == ["Beginner", "Steady"]
        key(app, "return")
        assert app.overlay is None

    def test_one_whose_program_is_gone_is_marked_and_not_seated(self, app, written):
        add_engine(app.controller.settings, Spec("uci", None, (("cmd", "/no/such/engine -x"), ("name", "Gone"))))
        key(app, "n")
        self.choose(app, 1, len(app.overlay.candidates) - 1)
        written.clear()
        app.frame(1.0)
        assert "There is no program /no/such/engine." in written
        key(app, "return")
        assert isinstance(app.overlay, NewGameDialog)
        key(app, "e", pygame.KMOD_CTRL)
        key(app, "return")
        assert app.overlay.note == "There is no program /no/such/engine."

    def test_they_are_kept(self, tmp_path):
        path = tmp_path / "board.json"
        add_engine(Settings(path), engine_spec("Mine", sys.executable, "protocol=ucci"))
        add_engine(Settings(path), engine_spec("Yours", sys.executable, ""))
        add_engine(Settings(path), engine_spec("Mine", sys.executable, ""))
        assert [each.label for each in candidates(Settings(path))][-3:] == ["System of 2020", "Mine", "Yours"]
        assert engines(Settings(path))[0] == ("Mine", f"uci:cmd={sys.executable},name=Mine")
        add_engine(Settings(path), engine_spec("Yours", sys.executable, ""), before="Mine")
        assert [name for name, _ in engines(Settings(path))] == ["Yours"]

    @pytest.mark.parametrize(
        ("command", "options", "reason"),
        [
            ("", "", "Enter the program to run."),
            ("no-such-program", "", "There is no program"),
            (sys.executable, "Hash", "Hash"),
        ],
    )
    def test_mistakes_are_told(self, command, options, reason):
        with pytest.raises(UserError, match=reason):
            engine_spec("", command, options)

    def test_an_engine_is_told_the_clocks_and_a_level_is_not(self, seat):
        class Nobody:
            name = "nobody"

            def close(self):
                pass

        table = seat(Nobody())
        clocks = parse_clocks("1+2")
        table.controller.start(Setup((Spec("uci", None, (("cmd", sys.executable),)), None), clocks=clocks))
        table.tick()
        assert table.requests[-1].limit.red_clock == 60 and table.requests[-1].limit.red_increment == 2
        table.controller.start(Setup((Spec("level", "Deep"), None), clocks=clocks))
        table.tick()
        assert table.requests[-1].limit is None
