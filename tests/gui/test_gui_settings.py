import json
from typing import ClassVar

import pygame
import pytest

from gui import app as app_module
from gui import start, theme
from gui.actions import Action
from gui.preferences import PREFERENCES, Preferences, language_of_system
from gui.settings import Settings
from gui.sheets.settings import SettingsSheet
from gui.strings import language, say
from lm.players.specs import Spec
from xiangqi import Move


def press(app, name):
    held = {"ctrl+": pygame.KMOD_LCTRL, "shift+": pygame.KMOD_LSHIFT}
    mod = 0
    for word, flag in held.items():
        if name.startswith(word):
            name, mod = name.removeprefix(word), mod | flag
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), mod=mod, unicode=""))
    app.controller.tick(app.controller._now + 0.1)


def choose(app, name, value):
    """Click a value on the page of settings."""
    sheet = app.overlay
    row = next(n for n, preference in enumerate(PREFERENCES) if preference.name == name)
    layout = app.sheet_layout
    rect = dict(sheet.places(layout, sheet.room(layout), row))[value]
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=rect.center, button=1))
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=rect.center, button=1))
    app.controller.tick(app.controller._now + 0.1)
    app._follow_preferences()


def look(app, now=1e5):
    app.frame(now)
    return pygame.image.tobytes(app.window.get_surface(), "RGB")


@pytest.fixture
def app(open_board):
    app = open_board(size=(640, 480))
    app.controller.tick(1.0)
    return app


@pytest.fixture
def page(app):
    press(app, "ctrl+,")
    assert isinstance(app.overlay, SettingsSheet)
    return app


class TestFile:
    def test_what_is_set_is_there_the_next_day(self, tmp_path):
        path = tmp_path / "a" / "board.json"
        Settings(path).set("theme", "paper")
        again = Settings(path)
        assert again.get("theme", "rosewood") == "paper"
        assert again.faults == []

    @pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"theme": ', "\xff\xfe", "[" * 100_000])
    def test_a_damaged_file_is_told_in_a_line_and_put_aside(self, tmp_path, text):
        path = tmp_path / "board.json"
        path.write_text(text, "latin-1")
        settings = Settings(path)
        (fault,) = settings.faults
        assert "\n" not in fault
        assert "board.damaged.json" in fault
        assert (tmp_path / "board.damaged.json").read_text("latin-1") == text
        settings.set("theme", "jade")
        assert json.loads(path.read_text()) == {"theme": "jade"}

    def test_a_folder_in_place_of_the_file_is_not_fatal(self, tmp_path):
        (tmp_path / "board.json").mkdir()
        settings = Settings(tmp_path / "board.json")
        assert len(settings.faults) == 1
        settings.set("theme", "jade")
        assert settings.get("theme", "") == "jade"

    def test_a_value_that_is_not_offered_is_told_and_counts_as_the_default(self, tmp_path):
        path = tmp_path / "board.json"
        path.write_text(json.dumps({"theme": "mauve", "volume": 37, "language": "en"}))
        settings = Settings(path)
        preferences = Preferences(settings)
        assert preferences["theme"] == "rosewood"
        assert preferences["volume"] == 60
        assert settings.faults == [
            "Settings: theme cannot be mauve; allowed are rosewood, paper, jade.",
            "Settings: volume cannot be 37; allowed are 20, 40, 60, 80, 100.",
        ]
        assert Settings(path).get("theme", "") == "rosewood"

    def test_a_value_that_is_not_offered_cannot_be_set(self):
        with pytest.raises(ValueError, match="theme: no value 'mauve'"):
            Preferences(Settings()).set("theme", "mauve")


class TestPage:
    def test_every_preference_can_be_clicked(self, page):
        for preference in PREFERENCES:
            for value in preference.values:
                choose(page, preference.name, value)
                assert page.controller.preferences[preference.name] == value
        assert isinstance(page.overlay, SettingsSheet)

    def test_the_arrow_keys_reach_every_value(self, page):
        for preference in PREFERENCES:
            seen = set()
            for _ in preference.values:
                press(page, "right")
                seen.add(page.controller.preferences[preference.name])
            assert seen == set(preference.values)
            press(page, "down")
        press(page, "left")
        assert page.controller.preferences["language"] == "zh-Hant"

    def test_language_changes_at_once_and_everywhere(self, page):
        choose(page, "language", "zh-Hans")
        assert language() == "zh-Hans"
        assert page.overlay.title == "设置"
        assert page.controller.label(Action.UNDO) == "悔棋"
        choose(page, "language", "zh-Hant")
        assert page.controller.status()[0] == "輪到紅方走。"

    def test_characters_are_those_of_the_language_there_and_back(self, page):
        page.session.play(Move.from_iccs("h0g2"))
        for name, move in (("zh-Hans", "马二进三"), ("en", "傌二進三"), ("zh-Hant", "傌二進三"), ("en", "傌二進三")):
            choose(page, "language", name)
            assert page.session.texts == [move]

    def test_characters_that_were_chosen_stay_in_every_language(self, page):
        choose(page, "script", "simplified")
        for name in ("zh-Hant", "zh-Hans", "en"):
            choose(page, "language", name)
            assert not page.session.traditional
        choose(page, "script", "language")
        assert page.session.traditional

    @pytest.mark.parametrize("kind", ["letters", "both"])
    def test_letters_stay_in_every_language(self, page, kind):
        choose(page, "pieces", kind)
        for name in ("zh-Hant", "zh-Hans", "en"):
            choose(page, "language", name)
            assert theme.pieces == kind
            assert page.controller.ticked(Action.LETTERS)

    def test_the_key_switches_the_script_in_every_language(self, app):
        for name in ("en", "zh-Hans", "zh-Hant"):
            app.controller.preferences.set("language", name)
            app.controller.tick(2.0)
            usual = app.session.traditional
            for expected in (not usual, usual):
                press(app, "t")
                assert app.session.traditional == expected

    @pytest.mark.parametrize(
        ("name", "value"),
        [("theme", "paper"), ("pieces", "letters"), ("script", "simplified"), ("coordinates", "off"), ("scale", 150)],
    )
    def test_looks_change_at_once_and_back(self, app, name, value):
        before = look(app)
        default = app.controller.preferences[name]
        app.controller.preferences.set(name, value)
        app.controller.tick(3.0)
        assert look(app) != before
        app.controller.preferences.set(name, default)
        app.controller.tick(4.0)
        assert look(app) == before

    def test_notation_changes_the_list(self, page):
        page.session.play(Move.from_iccs("h2e2"))
        choose(page, "notation", "wxf")
        assert page.session.texts == ["C2=5"]

    def test_pieces_do_not_glide_if_they_shall_not(self, page):
        page.frame(1e5)
        choose(page, "animation", "none")
        page.session.play(Move.from_iccs("h2e2"))
        page.frame(2e5)
        assert not page.view.moving(2e5)
        choose(page, "animation", "slow")
        page.session.play(Move.from_iccs("h9g7"))
        page.frame(3e5)
        assert page.view.moving(3e5 + 0.4)
        assert not page.view.moving(3e5 + 0.5)

    def test_panel_and_texts_grow_with_the_scale(self, page):
        unit, width = page.layout.unit, page.layout.panel.width
        choose(page, "scale", 125)
        assert page.layout.unit > 1.15 * unit
        assert page.layout.panel.width > 1.1 * width

    def test_the_page_opens_by_click_and_closes_by_its_key(self, app):
        (rect,) = [
            rect
            for action, rect in zip(app_module.NAVIGATION, app.layout.navigation, strict=True)
            if action is Action.SETTINGS
        ]
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=rect.center, button=1))
        assert isinstance(app.overlay, SettingsSheet)
        press(app, "ctrl+,")
        assert app.overlay is None

    def test_the_game_goes_on_behind_it(self, page):
        page.session.play(Move.from_iccs("h2e2"))
        page.frame(2e5)
        assert page.view.cells == tuple(page.session.board.cells.tolist())


class TestLettersSwitch:
    def test_one_click_gives_letters_on_pieces_and_in_moves_and_back(self, app):
        app.session.play(Move.from_iccs("h2e2"))
        before = look(app)
        at = app_module.NAVIGATION.index(Action.LETTERS)
        for texts, pieces in ((["C2=5"], "letters"), (["炮二平五"], "characters")):
            app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=app.layout.navigation[at].center, button=1))
            app.frame(1e5)
            assert app.session.texts == texts
            assert theme.pieces == pieces
            assert app.controller.ticked(Action.LETTERS) == (pieces == "letters")
        app.controller.tick(1e4)
        assert look(app) == before


class TestSystem:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("zh_CN.UTF-8", "zh-Hans"),
            ("zh_SG", "zh-Hans"),
            ("zh_TW.UTF-8", "zh-Hant"),
            ("zh_HK", "zh-Hant"),
            ("zh-Hant-TW", "zh-Hant"),
            ("Chinese (Simplified)_China.936", "zh-Hans"),
            ("Chinese (Traditional)_Taiwan.950", "zh-Hant"),
            ("de_DE.UTF-8", "en"),
            ("C", "en"),
        ],
    )
    def test_the_first_language_is_that_of_the_system(self, monkeypatch, name, expected):
        monkeypatch.setenv("LC_ALL", name)
        assert language_of_system() == expected

    def test_the_board_opens_as_it_was_left(self, monkeypatch, tmp_path):
        """Runs `main` twice, closing the window at once."""
        path = tmp_path / "board.json"
        monkeypatch.setattr(Settings, "of_user", classmethod(lambda cls: cls(path)))
        seen = []

        def run(app):
            app.frame(0.0)
            seen.append((app.window.size, app.controller.opponents.level.name, language(), theme.current))
            app.window.size = (800, 620)
            app.controller.opponents.choose(Spec("level", "Watchful"))
            app.controller.preferences.set("language", "zh-Hans")
            app.controller.preferences.set("theme", "paper")

        monkeypatch.setattr(start, "run", run)
        monkeypatch.setenv("LC_ALL", "C")
        for _ in range(2):
            start.main(side="both", games_dir=tmp_path / "games")
        assert seen[0][1:] == ("Steady", "en", "rosewood")
        assert seen[1] == ((800, 620), "Watchful", "zh-Hans", "paper")
        for name, value in (("language", "en"), ("theme", "rosewood")):
            Preferences(Settings(path)).set(name, value)
        app_module.look(Preferences(Settings(path)))

    def test_whoever_reads_simplified_characters_gets_them_on_the_pieces(self, monkeypatch, tmp_path):
        monkeypatch.setattr(Settings, "of_user", classmethod(lambda cls: cls(tmp_path / "board.json")))
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        seen = []
        monkeypatch.setattr(start, "run", lambda app: seen.append((language(), app.session.traditional)))
        start.main(side="both", games_dir=tmp_path / "games")
        assert seen == [("zh-Hans", False)]
        app_module.look(Preferences(Settings()))

    def test_a_damaged_file_is_told_on_the_board(self, monkeypatch, tmp_path):
        path = tmp_path / "board.json"
        path.write_text("{")
        monkeypatch.setattr(Settings, "of_user", classmethod(lambda cls: cls(path)))
        monkeypatch.setenv("LC_ALL", "C")
        told = []
        monkeypatch.setattr(start, "run", lambda app: told.append(app.controller.status()))
        start.main(side="both", games_dir=tmp_path / "games")
        assert told[0][0].startswith("The settings are damaged and put aside as board.damaged.json: ")

    def test_every_value_has_a_name(self):
        for preference in PREFERENCES:
            assert preference.default in preference.values
            assert preference.title == say(f"preference.{preference.name}")
            labels = [preference.label(value) for value in preference.values]
            assert len(set(labels)) == len(labels)


def noting_windows(filled):
    """Return a class of windows that take note of being made as large as the screen."""

    class Noting(pygame.Window):
        def set_fullscreen(self, desktop=False):
            filled.append(desktop)

    return Noting


class TestNumbers:
    EDGES: ClassVar = {
        "chinese": ["１２３４５６７８９", "九八七六五四三二一"],
        "wxf": ["１２３４５６７８９", "９８７６５４３２１"],
        "iccs": ["abcdefghi", "abcdefghi", "9876543210", "9876543210"],
    }

    @pytest.mark.parametrize("notation", EDGES)
    def test_those_at_the_edge_are_the_ones_of_the_notation(self, app, written, notation):
        app.controller.preferences.set("notation", notation)
        for flipped in (False, True):
            app.session.bottom = int(flipped)
            app.controller.tick(1.0)
            written.clear()
            app.frame(1.0)
            edges = self.EDGES[notation]
            if flipped:
                edges = [text[::-1] for text in (*edges[1::-1], *edges[2:])]
            at = written.index("界") + 1
            assert "".join(written[at:]).startswith("".join(edges))
        app.controller.preferences.set("coordinates", "off")
        written.clear()
        app.frame(1.0)
        assert not "".join(written[written.index("界") + 1 :]).startswith(edges[0])


class TestFirstSize:
    @pytest.mark.parametrize(
        ("screen", "size"),
        [
            ((1920, 1080), (1180, 900)),
            ((1366, 768), (1180, 688)),
            ((3840, 2160), (2124, 1620)),
            ((1600, 2560), (1560, 1920)),
        ],
    )
    def test_it_suits_the_screen(self, monkeypatch, screen, size):
        pygame.display.init()
        monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [screen])
        window = app_module.open_window()
        assert window.size == size
        window.destroy()
        window = app_module.open_window([900, 600])
        assert window.size == (900, 600)
        window.destroy()
        pygame.display.quit()


class TestFullScreen:
    def test_its_key_fills_the_screen_and_gives_it_back(self, app):
        size = app.window.size
        press(app, "f11")
        app.frame(1e5)
        assert app_module.fills_screen(app.window)
        assert app.layout.size == pygame.display.get_desktop_sizes()[0]
        press(app, "f11")
        assert app.window.size == size
        assert not app_module.fills_screen(app.window)

    def test_a_key_ends_the_program_where_there_is_no_frame_to_click(self, app):
        press(app, "f11")
        assert app.running
        press(app, "ctrl+q")
        assert not app.running

    def test_a_screen_without_room_for_a_frame_is_filled(self, monkeypatch):
        pygame.display.init()
        filled = []
        monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(640, 480)])
        monkeypatch.setattr(pygame, "Window", noting_windows(filled))
        window = app_module.open_window()
        assert filled == [True]
        window.destroy()
        pygame.display.quit()
