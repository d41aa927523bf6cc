"""What is laid over the board: the menu, the help sheet, dialogs; and that all text stays in its place."""

import importlib
import re
from pathlib import Path

import pygame
import pytest

import gui
from frames import key
from gui import strings, theme
from gui.actions import Action
from gui.layout import MINIMUM_SIZE
from gui.processes.analysis import Lines, People
from gui.processes.mind import Expected, Spoken, Thoughts
from gui.processes.review import Looked
from gui.sheets.dialogs import TextDialog
from gui.sheets.help import HelpSheet
from gui.sheets.menu import Menu
from gui.sheets.overlay import Overlay
from gui.sheets.text_field import TextField, _lines
from lm.players.player import Line
from lm.study.review import Point
from xiangqi import Move
from xiangqi.engine import Info, Score, Wdl

SIZES = [MINIMUM_SIZE, (800, 600), (1280, 800), (900, 1400), (3840, 2160)]


def type(app, text):
    for character in text:
        app.handle(pygame.Event(pygame.TEXTINPUT, text=character))


def click(app, position):
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        app.handle(pygame.Event(kind, pos=tuple(position), button=1))


class TestMenu:
    def test_typing_finds_an_action_and_enter_carries_it_out(self, app):
        key(app, "f10")
        assert isinstance(app.overlay, Menu)
        type(app, "FLIP")
        assert app.overlay.found() == [Action.FLIP]
        bottom = app.session.bottom
        key(app, "return")
        assert app.session.bottom != bottom
        assert app.overlay is None

    @pytest.mark.parametrize("word", ["theme", "Colours", "language", "sound", "volume", "text size"])
    def test_the_settings_are_found_by_what_can_be_set(self, app, word):
        key(app, "f10")
        type(app, word)
        assert Action.SETTINGS in app.overlay.found()

    def test_arrows_choose_among_those_found(self, app):
        key(app, "f10")
        type(app, "arrows")
        found = app.overlay.found()
        assert found == [Action.BEST_ARROWS, Action.PEOPLE_ARROWS]
        key(app, "down")
        key(app, "return")
        assert not app.controller.analysis.people_arrows

    def test_a_press_outside_or_escape_closes_it(self, app):
        for close in (lambda: click(app, (2, 2)), lambda: key(app, "escape"), lambda: key(app, "f10")):
            key(app, "f10")
            assert app.overlay is not None
            close()
            assert app.overlay is None

    def test_what_cannot_be_done_stays(self, app):
        key(app, "f10")
        type(app, "redo")
        key(app, "return")
        assert app.overlay is not None

    def test_the_game_goes_on_behind_it(self, open_board):
        app = open_board(humans="red")
        app.session.play(Move.from_iccs("h2e2"))
        key(app, "f10")
        app.controller.tick(1.0)
        app.session.play(Move.from_iccs("h9g7"))
        app.frame(1.0)
        assert app.session.board.ply == 2 and app.overlay is not None


class TestHelp:
    def test_every_key_is_on_it(self, app, monkeypatch):
        written, draw = [], theme.text
        monkeypatch.setattr(theme, "text", lambda text, *options: written.append(text) or draw(text, *options))
        key(app, "f1")
        assert isinstance(app.overlay, HelpSheet)
        app.frame(1.0)
        for action in Action:
            assert action.shortcut in written
            assert any(text == action.title for text in written), action
        key(app, "a")
        assert app.overlay is None


class TestTextField:
    def test_editing(self):
        field = TextField("马 horse", lambda: "two\nlines")
        for name in ("home", "right", "delete"):
            assert field.key(name)
        assert field.value == "马horse"
        field.key("backspace")
        field.insert("a")
        field.key("end")
        field.key("left")
        field.key("ctrl+v")
        assert field.value == "ahorstwo linese"
        assert not field.key("f1")

    def test_it_has_an_end(self):
        field = TextField()
        field.insert("x" * 10_000)
        assert len(field.value) == 4000 and field.at == 4000

    def test_lines_are_as_wide_as_the_field_and_lose_nothing(self):
        text = "古谱里常见的下法 and what follows is averyveryverylongwordthatdoesnotfit  twice"
        for at in range(len(text) + 1):
            lines, (row, x) = _lines(text, at, 15, 120)
            assert "".join(lines) == text
            assert all(theme.width(line.rstrip(), 15) <= 120 for line in lines)
            assert 0 <= row < len(lines) and 0 <= x <= 120


WRITING = [
    Action.COMMENT,
    Action.NEW,
    Action.ADD_ENGINE,
    Action.MENU,
    Action.OPEN,
    Action.SAVE_AS,
    Action.SEARCH_LIBRARY,
]
"""What opens a sheet that is typed in."""


class TestInputMethods:
    """While an input method composes a text, keys choose among what it proposes: they are not the board's."""

    @pytest.mark.parametrize("action", WRITING)
    def test_keys_are_the_input_method_s_while_it_composes(self, app, action):
        app.do(action)
        sheet = app.overlay
        type(app, "ma")
        sheet.text(pygame.Event(pygame.TEXTEDITING, text="ping'feng", start=0, length=0))
        app.frame(1.0)
        kept, value = vars(sheet).copy(), sheet.typed_in().value
        assert value.endswith("ma")
        for name in ("return", "escape", "up", "down", "left", "right", "tab", "backspace", "pagedown", "f10"):
            key(app, name)
        for name in ("p", "r", "v"):
            key(app, name, pygame.KMOD_CTRL)
        app.frame(1.0)
        assert app.overlay is sheet
        assert sheet.typed_in().value == value
        assert vars(sheet) == kept
        app.handle(pygame.Event(pygame.TEXTEDITING, text="", start=0, length=0))
        type(app, "屏风")
        assert sheet.typed_in().value == value + "屏风"
        key(app, "escape")
        assert app.overlay is None

    def test_what_is_composed_goes_where_another_field_is_clicked(self, app):
        app.do(Action.SEARCH_LIBRARY)
        sheet, layout = app.overlay, app.sheet_layout
        player, event = sheet._field_places(layout, sheet.room(layout))
        app.handle(pygame.Event(pygame.TEXTEDITING, text="hu", start=0, length=0))
        click(app, event.center)
        type(app, "杯")
        click(app, player.center)
        key(app, "backspace")
        type(app, "胡")
        assert [field.value for field in sheet.fields] == ["胡", "杯"]

    def test_a_window_that_is_left_while_a_text_is_composed_takes_keys_again(self, app):
        app.do(Action.COMMENT)
        app.handle(pygame.Event(pygame.TEXTEDITING, text="hu", start=0, length=0))
        app.handle(pygame.Event(pygame.WINDOWFOCUSLOST))
        key(app, "escape")
        assert app.overlay is None

    @pytest.mark.parametrize("action", [*WRITING, Action.HELP, Action.SETTINGS])
    def test_they_are_on_where_a_text_is_typed_only(self, app, monkeypatch, action):
        on = [False]
        monkeypatch.setattr(pygame.key, "start_text_input", lambda: on.append(True))
        monkeypatch.setattr(pygame.key, "stop_text_input", lambda: on.append(False))
        app.do(action)
        assert on[-1] == (action in WRITING)
        key(app, "escape")
        assert not on[-1]


class TestDialog:
    def test_its_buttons(self, app):
        for button, expected in ((0, ["x"]), (1, [])):
            done = []
            app._open(TextDialog("Comment", "x", done.append, lambda: ""))
            app.frame(1.0)
            click(app, app.overlay.buttons(app.layout, app.overlay.room(app.layout))[button].center)
            assert app.overlay is None
            assert done == expected


class TestStrings:
    def test_every_text_that_is_said_is_in_the_table(self):
        said = set()
        for path in Path(gui.__file__).parent.rglob("*.py"):
            said |= set(re.findall(r'say\("([a-z_.]+)"', path.read_text("utf-8")))
        assert len(said) > 40
        assert [name for name in said if not strings.has(name)] == []
        for action in Action:
            assert action.label and action.title

    def test_an_unknown_language_is_a_key_error(self):
        with pytest.raises(KeyError):
            strings.set_language("xx")
        assert strings.language() == "en"


def lines_of(app):
    board = app.controller.analysis.board
    moves = []
    copy = board.copy()
    for _ in range(9):
        moves.append(copy.legal_moves[len(moves)])
        copy.push(moves[-1])
    info = Info(1, 21, score=Score(0, cp=-1035), wdl=Wdl(420, 330, 250), nodes=1_234_567, nps=123_456, pv=tuple(moves))
    return (Line(info), Line(Info(2, 9, score=Score(0, mate=-12), pv=tuple(moves[:1]))))


@pytest.mark.parametrize("size", SIZES, ids=str)
class TestText:
    """Every line of text lies in the window, in the clip that it is drawn in, and over no other line."""

    @pytest.fixture
    def boxes(self, open_board, size, monkeypatch):
        """Open a window of this size; return it and a function that draws it and returns the boxes of its texts."""
        app = open_board(size=size, humans="red")
        for iccs in ("h2e2", "h9g7", "h0g2", "b9c7"):
            app.session.play(Move.from_iccs(iccs))
        app.controller.tick(1.0)
        drawn, surfaces, draw = [], {}, theme.text

        def text(string, *options):
            surface = draw(string, *options).copy()
            surfaces[id(surface)] = string, surface
            return surface

        class Screen(pygame.Surface):
            def blit(self, source, dest, *options):
                if id(source) in surfaces:
                    corner = dest.topleft if isinstance(dest, pygame.Rect) else dest
                    drawn.append((surfaces[id(source)][0], source.get_rect(topleft=corner), self.get_clip()))
                return super().blit(source, dest, *options)

        monkeypatch.setattr(theme, "text", text)

        def boxes(part):
            drawn.clear()
            part(Screen(app.layout.size))
            return list(drawn)

        return app, boxes

    def check(self, app, found):
        window = app.window.get_surface().get_rect()
        assert len(found) > 5
        seen = []
        for text, box, clip in found:
            body = theme.text(text, 12).get_rect() if not text.strip() else box
            assert window.contains(box), text
            if not clip.colliderect(body):
                continue
            if clip.height < window.height and not clip.contains(box):
                assert clip.left <= box.left and box.right <= clip.right, text
            inner = box.inflate(-2, -box.height // 3)  # rows may be as high as their line
            for other, taken in seen:
                assert not inner.colliderect(taken), f"{text!r} over {other!r}"
            seen.append((text, inner))

    def panel(self, app):
        return lambda screen: app.panel.draw(screen, app.layout, (-1, -1), 1.0)

    def test_in_the_panel(self, boxes):
        app, draw = boxes
        session = app.session
        app.frame(1.0)
        session.view(1)
        session.explore([Move.from_iccs(iccs) for iccs in ("h7e7", "h0g2", "h9g7", "i0h0")])
        session.set_comment(session.node, "An old line: Black answers with the same cannon. 顺炮，古谱里常见的下法。")
        session.toggle_mark(5)
        session.show(session.table.node)
        app.frame(1.0)
        self.check(app, draw(self.panel(app)))

    def test_in_the_analysis(self, boxes):
        app, draw = boxes
        app.do(Action.ANALYSE)
        analysis = app.controller.analysis
        number = app.controller.worker.analyses[-1].number
        people = tuple((move, 1 / (2 + n)) for n, move in enumerate(analysis.board.legal_moves[:8]))
        analysis.take(People(number, people))
        analysis.take(Lines(number, lines_of(app)))
        app.frame(1.0)
        self.check(app, draw(self.panel(app)))
        app.panel.wheel(app.layout, 100)
        app.frame(1.0)
        self.check(app, draw(self.panel(app)))

    def test_in_the_review(self, boxes):
        app, draw = boxes
        app.do(Action.REVIEW)
        number = app.controller.worker.reviews[-1].number
        moves = app.session.board.move_stack
        for ply, value in enumerate((0.5, 0.9, 0.3, 0.35, 0.9)):
            line = tuple(app.session.table.game.board().legal_moves[:1]) if ply == 0 else ()
            people = tuple((move, 0.3) for move in moves[ply : ply + 1])
            app.controller.review.take(Looked(number, Point(ply, ply % 2, value, None, line, people, 0.3, 1)))
        for viewed in (1, 3, 4):
            app.session.view(viewed)
            app.frame(1.0)
            self.check(app, draw(self.panel(app)))

    def test_in_the_mind(self, boxes):
        app, draw = boxes
        app.do(Action.MIND)
        app.controller.tick(2.0)
        mind, moves = app.controller.mind, app.session.shown.legal_moves
        expected = tuple(Expected(move, 0.4 / rank, rank, 44) for rank, move in enumerate(moves[:6], 1))
        number = app.controller.worker.minds[-1].number
        mind.take(Thoughts(number, expected, (*(None,) * 5, None), Expected(app.session.last_move, 0.001, 39, 44)))
        values = {square: 3.0 - square / 10 for square in app.session.shown.piece_map()}
        mind.take(Spoken(number, moves[0], values))
        app.frame(1.0)
        self.check(app, draw(self.panel(app)))
        app.panel.wheel(app.layout, 100)
        app.frame(1.0)
        self.check(app, draw(self.panel(app)))

    def test_in_the_position_editor(self, boxes):
        app, draw = boxes
        app.do(Action.EDIT)
        app.overlay.editor.clear()
        app.frame(1.0)
        self.check(app, draw(lambda screen: app.overlay.draw(screen, app.layout, (-1, -1), 1.0)))

    @pytest.mark.parametrize("action", [Action.MENU, Action.HELP, Action.COMMENT])
    def test_on_a_sheet(self, boxes, action):
        app, draw = boxes
        app.session.set_comment(app.session.node, "solid " * 20)
        app.frame(1.0)
        app.do(action)
        app.frame(1.0)
        overlay = app.overlay
        found = draw(lambda screen: overlay.draw_inside(screen, app.layout, overlay.room(app.layout), (-1, -1), 1.0))
        frame = overlay.frame(app.layout)
        for text, box, _ in found:
            assert frame.contains(box), text
            assert not text.endswith("...") or text in {each.title for each in Action}, text
        if action is not Action.COMMENT:
            self.check(app, found)


def test_sheets_on_the_board_have_its_layout():
    """Whatever has a scene of its own stands on the board; all other sheets keep to what they have room for."""
    for name in ("app", "sheets.editor", "sheets.files", "sheets.library", "sheets.puzzles"):
        importlib.import_module(f"gui.{name}")

    kinds, found = [Overlay], []
    while kinds:
        kind = kinds.pop()
        found.append(kind)
        kinds += kind.__subclasses__()
    assert len(found) > 10
    assert [kind for kind in found if kind.on_board] == [kind for kind in found if kind.scene is not Overlay.scene]
