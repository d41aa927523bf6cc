"""Arrows and circles that a person draws with the right button: shown, kept in the file, and erased."""

import pygame
import pytest

from frames import around, changed, close_to, shot, spot
from gui import picture
from gui.actions import Action
from gui.files import KINDS
from gui.palettes import DRAWN
from xiangqi import Move
from xiangqi.formats import load
from xiangqi.game import Game


@pytest.fixture
def app(open_board):
    app = open_board(size=(1000, 760))
    app.session.play(Move.from_iccs("h2e2"))
    app.controller.tick(1.0)
    return app


def drag(app, start, end, mod=0):
    """Press the right button on a square and release it on another."""
    pygame.key.set_mods(mod)
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=spot(app, start), button=3))
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=spot(app, end), button=3))
    pygame.key.set_mods(0)


def drawn(app):
    return list(map(str, app.session.node.drawn))


def has(frame, color):
    return bool(close_to(frame, DRAWN[color], 60).any())


def test_a_drag_draws_an_arrow_and_a_click_a_circle(app):
    before = shot(app)
    drag(app, "h9", "g7")
    drag(app, "e6", "e6")
    after = shot(app)
    assert drawn(app) == ["Ge6", "Gh9g7"]
    assert {"h9", "g7", "e6"} <= changed(app, before, after, 0.55) and "a0" not in changed(app, before, after, 0.55)
    app.session.view(0)
    assert app.session.node.drawn == [] and not has(around(app, shot(app), "e6", 0.55), "G")


@pytest.mark.parametrize(
    ("mod", "color"),
    [(pygame.KMOD_LSHIFT, "R"), (pygame.KMOD_LCTRL, "B"), (pygame.KMOD_LSHIFT | pygame.KMOD_LCTRL, "Y")],
)
def test_keys_that_are_held_choose_the_colour(app, mod, color):
    drag(app, "a4", "a4", mod)
    assert drawn(app) == [f"{color}a4"]
    assert has(around(app, shot(app), "a4", 0.55), color)


def test_the_same_again_removes_it_and_another_colour_replaces_it(app):
    drag(app, "h9", "g7")
    drag(app, "h9", "g7", pygame.KMOD_LSHIFT)
    assert drawn(app) == ["Rh9g7"]
    drag(app, "h9", "g7", pygame.KMOD_LSHIFT)
    assert drawn(app) == [] and app.session.node.comment == ""


def test_what_is_being_drawn_is_seen(app):
    before = shot(app)
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=spot(app, "b9"), button=3))
    assert "c7" in changed(app, before, shot(app, pointer=spot(app, "c7")), 0.4)
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=(2, 2), button=3))  # beside the board: nothing is drawn
    assert drawn(app) == [] and (shot(app) == before).all()


def test_it_is_kept_in_the_file_beside_the_comment(app, tmp_path):
    drag(app, "h9", "g7")
    drag(app, "e6", "e6")
    app.session.set_comment(app.session.node, "Here.")
    assert app.controller.files.unsaved
    path = tmp_path / "game.pgn"
    app.controller.files.save_as(path, KINDS[0])
    node = next(load(path)).variations[0]
    assert node.comment == "Here. [%csl Ge6] [%cal Gh9g7]" and node.remark == "Here."


def test_those_in_a_file_are_drawn_and_not_written_as_words(app, written):
    app.session.study(Game.from_pgn("{[%csl Ye0,Rnonsense] Start} 1. h2e2 {Well. [%cal Bh9g7,Rb9c7][%csl Gh9]} *"))
    assert drawn(app) == ["Ye0"] and has(around(app, shot(app), "e0", 0.55), "Y")
    app.session.view(1)
    assert drawn(app) == ["Bh9g7", "Rb9c7", "Gh9"]
    written.clear()
    shot(app)
    assert "Well." in written and not any("%c" in line for line in written)
    app.do(Action.COMMENT)
    assert app.overlay.field.value == "Well."


def test_a_key_erases_all(app):
    assert not app.controller.enabled(Action.ERASE)
    drag(app, "h9", "g7")
    drag(app, "e6", "e6")
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.K_0, mod=0))
    assert drawn(app) == []


def test_pictures_show_them(app):
    plain = picture.as_png(app.session)
    drag(app, "h9", "g7")
    drag(app, "e6", "e6", pygame.KMOD_LSHIFT)
    assert picture.as_png(app.session) != plain
    document = picture.as_svg(app.session)
    assert document.count('class="arrow"') == 1 and document.count('class="mark"') == 1


def test_nothing_is_drawn_on_a_sheet(app):
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=spot(app, "b9"), button=3))
    app.do(Action.HELP)
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=spot(app, "c7"), button=3))
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, mod=0))
    assert drawn(app) == []
