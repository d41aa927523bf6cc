"""The position editor: pieces are put, moved and taken away, faults are named, and the position is played."""

import pygame
import pytest

from gui import strings
from gui.actions import Action
from gui.editor import HANDICAPS
from gui.sheets.editor import EditorSheet
from xiangqi import RED, STARTING_FEN, Board, Piece, Status, parse_square

KINGS = "4k4/9/9/9/9/9/9/9/9/4K4 w - - 0 1"


@pytest.fixture
def app(open_board):
    app = open_board(size=(1000, 760))
    app.controller.tick(1.0)
    press_key(app, "e")
    assert isinstance(app.overlay, EditorSheet)
    return app


def press_key(app, name, mod=0):
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), mod=mod, unicode=""))


def spot(app, name):
    return tuple(map(round, app.layout.point(parse_square(name), app.overlay.bottom)))


def click(app, at, button=1):
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        app.handle(pygame.Event(kind, pos=tuple(at), button=button))


def drag(app, start, end):
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=tuple(start), button=1))
    app.handle(pygame.Event(pygame.MOUSEMOTION, pos=tuple(end), rel=(9, 9), buttons=(1, 0, 0)))
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=tuple(end), button=1))


def palette(app, symbol):
    return app.overlay._palette(app.layout)[Piece.from_symbol(symbol)].center


def fen(app):
    return app.overlay.editor.board.fen()


def placement(app):
    return app.overlay.editor.board.placement()


class TestPieces:
    def test_a_piece_of_the_palette_is_put_by_clicks_as_often_as_wanted(self, app):
        press_key(app, "c")
        click(app, palette(app, "R"))
        click(app, spot(app, "a0"))
        click(app, spot(app, "i0"))
        assert fen(app) == "4k4/9/9/9/9/9/9/9/9/R3K3R w - - 0 1"
        click(app, spot(app, "i0"))  # once more takes it away
        assert placement(app) == "4k4/9/9/9/9/9/9/9/9/R3K4"

    def test_a_piece_of_the_palette_is_dragged_once(self, app):
        press_key(app, "c")
        drag(app, palette(app, "p"), spot(app, "e3"))
        assert placement(app) == "4k4/9/9/9/9/9/4p4/9/9/4K4"
        assert app.overlay.hand is None

    def test_a_piece_on_the_board_is_dragged_or_moved_by_two_clicks(self, app):
        drag(app, spot(app, "b0"), spot(app, "c2"))
        click(app, spot(app, "h2"))
        click(app, spot(app, "h9"))
        assert placement(app) == "rnbakabCr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1CN6/9/R1BAKABNR"

    def test_the_right_button_removes_and_so_does_a_drag_off_the_board(self, app):
        click(app, spot(app, "a0"), button=3)
        drag(app, spot(app, "b0"), app.layout.panel.center)
        assert placement(app).endswith("/2BAKABNR")

    def test_kings_stay_and_there_is_one_a_side(self, app):
        click(app, spot(app, "e0"), button=3)
        drag(app, spot(app, "e0"), app.layout.panel.center)
        drag(app, spot(app, "a0"), spot(app, "e9"))
        assert fen(app) == STARTING_FEN
        assert "king stays" in app.overlay._message
        click(app, palette(app, "K"))
        click(app, spot(app, "d1"))
        assert placement(app).endswith("/3K5/RNBA1ABNR")

    def test_keys_take_a_piece_and_undo_goes_back(self, app):
        press_key(app, "c")
        press_key(app, "5", pygame.KMOD_LSHIFT)
        click(app, spot(app, "a5"))
        assert placement(app) == "4k4/9/9/9/r8/9/9/9/9/4K4"
        press_key(app, "u")
        press_key(app, "u")
        assert fen(app) == STARTING_FEN

    def test_delete_removes_the_piece_under_the_pointer(self, app):
        app.handle(pygame.Event(pygame.MOUSEMOTION, pos=spot(app, "a0"), rel=(0, 0), buttons=(0, 0, 0)))
        press_key(app, "delete")
        assert placement(app).endswith("/1NBAKABNR")

    def test_escape_lays_the_piece_down_first(self, app):
        click(app, palette(app, "R"))
        press_key(app, "escape")
        assert app.overlay is not None and app.overlay.hand is None
        press_key(app, "escape")
        assert app.overlay is None
        assert app.session.start_fen == STARTING_FEN


class TestTools:
    def test_it_begins_with_the_position_shown(self, open_board):
        app = open_board("3k5/9/9/9/9/9/9/9/4R4/4K4 b - - 0 1")
        press_key(app, "e")
        assert fen(app) == "3k5/9/9/9/9/9/9/9/4R4/4K4 b - - 0 1"

    def test_side_to_move_mirror_and_colours(self, app):
        press_key(app, "c")
        click(app, palette(app, "R"))
        click(app, spot(app, "a4"))
        press_key(app, "s")
        assert fen(app) == "4k4/9/9/9/9/R8/9/9/9/4K4 b - - 0 1"
        press_key(app, "m")
        assert placement(app) == "4k4/9/9/9/9/8R/9/9/9/4K4"
        press_key(app, "x")
        assert fen(app) == "4k4/9/9/9/r8/9/9/9/9/4K4 w - - 0 1"
        click(app, app.overlay._turns(app.layout)[1].center)
        assert fen(app).split()[1] == "b"

    def test_handicaps_are_a_list(self, app):
        for name, squares in HANDICAPS.items():
            press_key(app, "h")
            click(app, app.overlay._handicaps(app.layout)[name].center)
            board = app.overlay.editor.board
            assert board.is_valid() and board.turn == RED
            assert len(board.piece_map()) == 32 - len(squares.split())
        assert placement(app) == "rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/9/1C5C1/9/RN2K2NR"

    def test_copy_and_paste(self, app):
        press_key(app, "c")
        press_key(app, "c", pygame.KMOD_LCTRL)
        assert app.controller.clipboard.get() == KINGS
        app.controller.clipboard.put("nonsense")
        press_key(app, "v", pygame.KMOD_LCTRL)
        assert fen(app) == KINGS and "nonsense" in app.overlay._message
        app.controller.clipboard.put(STARTING_FEN)
        press_key(app, "v", pygame.KMOD_LCTRL)
        assert fen(app) == STARTING_FEN

    def test_flip_turns_the_editor_only(self, app):
        press_key(app, "f")
        assert (app.overlay.bottom, app.session.bottom) == (1, 0)


class TestPlaying:
    def test_a_faulty_position_is_named_and_not_played(self, app):
        press_key(app, "c")
        assert Status.KINGS_FACING in app.overlay.editor.faults
        press_key(app, "return")
        assert app.overlay is not None

    @pytest.mark.parametrize("mated", ["R2k5/8R/9/9/9/9/9/9/9/4K4 b", "3k5/9/9/9/9/9/9/3r5/3p1p3/4K4 w"])
    def test_a_position_without_a_move_is_told_and_not_played(self, app, written, mated):
        app.overlay.editor.set_fen(mated)
        app.frame(2.0)
        text = " ".join(written)
        assert "has no legal move: the game is over here." in text and "can be played" not in text
        for name in ("return", "space"):
            press_key(app, name)
            assert app.overlay is not None

    def test_every_fault_has_words(self):
        for flag in Status:
            assert strings.say(f"fault.{flag.name.lower()}").endswith(".")

    def test_enter_plays_and_persons_keep_their_sides(self, open_board):
        app = open_board(humans="red")
        press_key(app, "e")
        click(app, spot(app, "b0"), button=3)
        press_key(app, "return")
        assert app.overlay is None
        assert app.session.board.fen() == "rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/R1BAKABNR w - - 0 1"
        assert app.session.humans == {RED}

    def test_space_analyses(self, app):
        click(app, spot(app, "b0"), button=3)
        press_key(app, "space")
        assert app.controller.worker.analyses[-1].board == Board(app.session.start_fen)
        assert len(app.session.humans) == 2 and app.panel.view.name == "analysis"

    def test_a_game_in_play_is_not_given_up_unasked(self, open_board):
        app = open_board()
        app.session.play(app.session.board.legal_moves[0])
        press_key(app, "e")
        press_key(app, "n")
        press_key(app, "return")
        assert app.overlay is not None and app.session.board.ply == 1
        press_key(app, "return")
        assert app.overlay is None and app.session.board.ply == 0

    def test_the_menu_opens_it(self, open_board):
        app = open_board()
        app.do(Action.EDIT)
        assert isinstance(app.overlay, EditorSheet)
