"""Keys that a person changes: on the help sheet or in the settings, shown everywhere, and kept."""

import pygame
import pytest

from frames import key, shot
from gui.actions import Action
from gui.keys import Keys
from gui.settings import Settings


def choose(app, action):
    """Click an action on the help sheet."""
    if app.overlay is None:
        app.do(Action.HELP)
    layout = app.sheet_layout
    rect = dict(app.overlay.places(layout, app.overlay.room(layout)))[action]
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=rect.center, button=1))
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=rect.center, button=1))
    shot(app)


def test_the_next_key_becomes_that_of_the_action_clicked(app, written):
    choose(app, Action.FLIP)
    assert "Press the new key for: Flip board." in " ".join(written)
    key(app, "f7", pygame.KMOD_LCTRL)
    assert Action.FLIP.shortcut == "Ctrl+F7" and app.overlay.note == "Flip board: Ctrl+F7"
    key(app, "escape")
    assert app.overlay is None
    bottom = app.session.bottom
    key(app, "f")
    assert app.session.bottom == bottom
    key(app, "f7", pygame.KMOD_LCTRL)
    assert app.session.bottom != bottom
    written.clear()
    shot(app)
    assert "Ctrl+F7" in written  # on the button


def test_a_key_that_is_taken_is_exchanged(app):
    choose(app, Action.FLIP)
    key(app, "space")
    assert (Action.FLIP.shortcut, Action.ANALYSE.shortcut) == ("Space", "F")
    assert app.overlay.note == "Flip board: Space. Analyse: F"
    choose(app, Action.FLIP)
    key(app, "backspace")
    assert (Action.FLIP.shortcut, Action.ANALYSE.shortcut) == ("F", "Space")
    assert app.controller.settings.get("keys", {"none": ""}) == {}


def test_texts_name_the_key_chosen(app):
    app.controller.keys.give(Action.TO_GAME, "F7")
    app.session.explore([app.session.shown.legal_moves[0]])
    app.session.undo()
    app.session.show(app.session.table.game.variations[0])
    assert app.controller.status()[0].startswith("A variation, move 1. F7 returns to the game")


def test_a_sheet_is_closed_by_the_key_that_opened_it(app):
    for action, name in ((Action.SETTINGS, "f7"), (Action.MENU, "f8")):
        app.controller.keys.give(action, name.upper())
        key(app, name)
        assert app.overlay is not None
        key(app, name)
        assert app.overlay is None


def test_escape_and_what_is_only_held_are_no_keys(app):
    choose(app, Action.FLIP)
    key(app, "left shift")
    assert app.overlay.chosen is Action.FLIP
    key(app, "escape")
    assert app.overlay.chosen is None and Action.FLIP.shortcut == "F"
    key(app, "a")
    assert app.overlay is None


def test_they_are_kept(app, tmp_path):
    app.controller.keys.give(Action.FLIP, "F7")
    again = Keys(Settings(tmp_path / "settings" / "board.json"))
    assert Action.FLIP.shortcut == "F7"
    again.give(Action.FLIP, "F")


@pytest.mark.parametrize(
    ("table", "faults"),
    [
        ({"flip": "ctrl+f7", "analyse": "Space"}, 0),
        ({"fly": "F7"}, 1),
        ({"flip": "Escape"}, 1),
        ({"flip": 7}, 1),
        ({"flip": "Space"}, 1),
        ({"flip": "Space", "analyse": "F"}, 0),
        ({"flip": "F7", "undo": "F7"}, 1),
    ],
)
def test_the_settings_may_have_them_and_what_makes_no_sense_is_told(tmp_path, table, faults):
    settings = Settings(tmp_path / "board.json")
    settings.set("keys", table)
    Keys(settings)
    told, shortcuts = list(settings.faults), [action.shortcut for action in Action]
    Keys(Settings())
    assert len(told) == faults and len(set(shortcuts)) == len(shortcuts)
    assert Action.FLIP.shortcut == "F"
