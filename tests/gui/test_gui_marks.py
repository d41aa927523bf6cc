"""What is drawn on the board, square by square, with either side below."""

import numpy as np
import pygame
import pytest

from frames import around, changed, close_to, numerals, pieces, shot, spot, squares_where, unmarked
from gui import theme
from gui.board_view import GLIDE
from gui.notation import Style
from xiangqi import BLACK, PIECES, RED, Board, Move, parse_square, square_name

SIDES = pytest.mark.parametrize("bottom", [RED, BLACK], ids=["red below", "black below"])


@pytest.fixture
def board(open_board):
    """Open a board for two persons: ``board(bottom, fen)``."""

    def begin(bottom=RED, *fen):
        app = open_board(*fen)
        if bottom != app.session.bottom:
            app.session.flip()
        return app

    return begin


def send(app, kind, position, button=1):
    app.handle(pygame.Event(kind, pos=tuple(position), button=button))


def click(app, name):
    send(app, pygame.MOUSEBUTTONDOWN, spot(app, name))
    send(app, pygame.MOUSEBUTTONUP, spot(app, name))


def jade(pixels):
    """Return which pixels are green, as dots and rings are."""
    return (pixels[..., 1] > pixels[..., 0] + 20) & (pixels[..., 1] > pixels[..., 2])


def ring_of(app, frame, name, radius):
    """Return the pixels on a circle about a square, ``radius`` cells away from its point."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x, y = spot(app, name)
    r = radius * app.layout.cell
    return frame[np.rint(x + r * np.cos(angles)).astype(int), np.rint(y + r * np.sin(angles)).astype(int)]


def redness(pixels):
    return float((pixels[..., 0] - pixels[..., 1:].mean(-1)).mean())


class TestPosition:
    def test_glyphs_are_those_of_the_rules(self):
        for code, piece in enumerate(PIECES):
            for traditional in (True, False):
                assert theme.GLYPHS[traditional][code] == (piece.chinese(traditional) if piece else " ")

    @SIDES
    @pytest.mark.parametrize("traditional", [True, False])
    def test_each_piece_is_drawn_on_its_square(self, board, bottom, traditional):
        app = board(bottom, "r1bakab1r/9/1cn4c1/p1p1p3p/6p2/2P6/P3P1P1P/1C2B1N2/4A4/RN1AK1B1R w")
        app.session.scribe.style = Style(traditional=traditional)
        expected = {
            square_name(sq): ("red " if piece.color == RED else "black ") + piece.chinese(traditional)
            for sq, piece in app.session.board.piece_map().items()
        }
        assert pieces(app, shot(app)) == expected

    @pytest.mark.parametrize("humans", ["red", "black", "both"])
    def test_a_persons_own_side_is_below(self, open_board, humans):
        app = open_board(humans=humans)
        assert app.session.bottom == (BLACK if humans == "black" else RED)
        y = {name: spot(app, name)[1] for name in ("e0", "e9")}
        own, other = ("e9", "e0") if humans == "black" else ("e0", "e9")
        assert y[own] > y[other]
        assert pieces(app, shot(app))["e9"] == "black 將"

    @SIDES
    def test_each_side_counts_the_files_from_its_own_right_at_its_own_edge(self, board, bottom):
        app = board(bottom)
        expected = [("１２３４５６７８９", "九八七六五四三二一"), ("一二三四五六七八九", "９８７６５４３２１")]
        assert numerals(app, shot(app)) == expected[bottom]
        app.session.flip()
        assert numerals(app, shot(app)) == expected[1 - bottom]

    def test_an_earlier_position_is_shown_when_looked_at(self, board):
        app = board()
        for iccs in ("h2e2", "h9g7"):
            app.session.play(Move.from_iccs(iccs))
        assert {"e2", "g7"} <= pieces(app, shot(app)).keys()
        app.session.view(1)
        shown = pieces(app, shot(app))
        assert shown["h9"] == "black 馬" and "g7" not in shown and shown["e2"] == "red 炮"


class TestTargets:
    @SIDES
    def test_dots_where_the_piece_in_hand_may_go_and_a_ring_about_what_it_may_take(self, board, bottom):
        app = board(bottom)
        before = shot(app)
        click(app, "h2")
        after = shot(app)
        moves = {move.iccs[2:] for move in Board().legal_moves if move.iccs.startswith("h2")}
        assert changed(app, before, after, 0.48) == moves | {"h2"}
        dots = squares_where(app, lambda name: bool(jade(around(app, after, name, 0.06)).all()))
        assert dots == moves - {"h9"}
        rings = squares_where(app, lambda name: jade(ring_of(app, after, name, 0.475)).mean() > 0.95)
        assert rings == {"h2", "h9"}  # the piece in hand and the one that it may take
        assert pieces(app, after).keys() == pieces(app, before).keys()  # no dot lies on a piece

    def test_a_ring_is_stronger_than_the_mark_of_the_piece_in_hand(self, board):
        app = board()
        click(app, "h2")
        frame = shot(app)
        ring, own = (jade(around(app, frame, name, 0.55)).sum() for name in ("h9", "h2"))
        assert ring > 1.3 * own

    def test_the_dot_under_the_pointer_is_larger(self, board):
        app = board()
        click(app, "h2")
        away = shot(app)
        over = shot(app, pointer=spot(app, "e2"))
        assert changed(app, away, over, 0.48) == {"e2"}
        small, large = (jade(around(app, frame, "e2", 0.3)).sum() for frame in (away, over))
        assert large > 1.5 * small > 0

    def test_a_right_click_puts_the_piece_down(self, board):
        app = board()
        before = shot(app)
        click(app, "h2")
        send(app, pygame.MOUSEBUTTONDOWN, spot(app, "a4"), button=3)
        assert (shot(app) == before).all()

    def test_none_without_a_piece_in_hand(self, board):
        app = board()
        assert not jade(shot(app)[app.layout.plate.left : app.layout.plate.right]).any()


class TestPieceInHand:
    @SIDES
    def test_it_is_ringed_and_the_others_are_not(self, board, bottom):
        app = board(bottom, "3k5/9/9/9/9/9/9/4R4/9/R3K4 w")
        assert not jade(shot(app)[: app.layout.plate.right]).any()
        click(app, "e2")
        after = shot(app)
        assert jade(ring_of(app, after, "e2", 0.475)).mean() > 0.95
        for other in ("a0", "e0", "d9"):
            assert not jade(around(app, after, other, 0.5)).any()


class TestDragging:
    @SIDES
    def test_the_piece_follows_the_pointer_and_leaves_a_pale_one_behind(self, board, bottom):
        app = board(bottom)
        resting = shot(app)
        assert "e5" not in pieces(app, resting)
        send(app, pygame.MOUSEBUTTONDOWN, spot(app, "b0"))
        send(app, pygame.MOUSEMOTION, spot(app, "e5"))
        dragging = shot(app, pointer=spot(app, "e5"))
        assert pieces(app, dragging)["e5"] == "red 傌"
        assert "b0" not in pieces(app, dragging)  # too pale for a piece
        left_behind = np.abs(around(app, dragging, "b0", 0.3) - around(app, resting, "b0", 0.3)).mean()
        assert left_behind > 10
        assert not jade(ring_of(app, dragging, "b0", 0.475)).any()
        assert jade(around(app, dragging, "c2", 0.06)).all()
        send(app, pygame.MOUSEMOTION, spot(app, "c2"))
        over = shot(app)
        assert pieces(app, over)["c2"] == "red 傌"
        send(app, pygame.MOUSEBUTTONUP, spot(app, "c2"))
        shown = pieces(app, shot(app))
        assert shown["c2"] == "red 傌" and "b0" not in shown

    def test_the_target_under_a_dragged_piece_is_larger(self, board):
        app = board()
        send(app, pygame.MOUSEBUTTONDOWN, spot(app, "h2"))
        x, y = spot(app, "h6")
        send(app, pygame.MOUSEMOTION, (x, y))
        marks = app._marks((1, 1))
        assert marks.hover == parse_square("h6")

    def test_dropped_elsewhere_it_is_back_and_still_in_hand(self, board):
        app = board()
        click(app, "b0")
        in_hand = shot(app)
        click(app, "b0")
        send(app, pygame.MOUSEBUTTONDOWN, spot(app, "b0"))
        send(app, pygame.MOUSEMOTION, spot(app, "e5"))
        send(app, pygame.MOUSEBUTTONUP, spot(app, "e5"))
        assert (shot(app) == in_hand).all()


class TestLastMove:
    @SIDES
    def test_corners_about_both_squares_of_the_last_move(self, board, bottom):
        app = board(bottom)
        for iccs in ("h2e2", "h9g7", "b0c2"):
            app.session.play(Move.from_iccs(iccs))
        marked = shot(app)
        assert changed(app, unmarked(app), marked, 0.49) == {"b0", "c2"}
        for name in ("b0", "c2"):
            square = around(app, marked, name, 0.49)
            for corner in (square[:8, :8], square[-8:, :8], square[:8, -8:], square[-8:, -8:]):
                assert close_to(corner, theme.CORNER).any()
        assert not close_to(around(app, unmarked(app), "c2", 0.49), theme.CORNER).any()

    def test_that_of_the_position_looked_at(self, board):
        app = board()
        for iccs in ("h2e2", "h9g7", "b0c2"):
            app.session.play(Move.from_iccs(iccs))
        for ply, expected in ((2, {"h9", "g7"}), (1, {"h2", "e2"}), (0, set()), (3, {"b0", "c2"})):
            app.session.view(ply)
            assert changed(app, unmarked(app), shot(app), 0.49) == expected


class TestCheck:
    @SIDES
    @pytest.mark.parametrize(
        ("fen", "checked", "free"),
        [
            ("3k5/9/9/9/4r4/9/9/9/9/4K4 w", "e0", "d9"),
            ("4k4/9/9/9/4R4/9/9/9/9/3K5 b", "e9", "d0"),
            ("3k5/9/9/9/r8/9/9/9/9/4K4 w", None, None),
        ],
    )
    def test_a_red_glow_about_the_king_in_check_alone(self, board, bottom, fen, checked, free):
        app = board(bottom, fen)
        marked, plain = shot(app), unmarked(app)
        if checked is None:
            assert (marked == plain).all()
            return
        glowing = ring_of(app, marked, checked, 0.5)
        assert redness(glowing) > redness(ring_of(app, plain, checked, 0.5)) + 30
        assert (around(app, marked, free, 0.5) == around(app, plain, free, 0.5)).all()
        x, y = spot(app, checked)
        away = np.ones(marked.shape[:2], bool)
        reach = round(app.layout.cell)
        away[x - reach : x + reach, y - reach : y + reach] = False
        assert (marked[away] == plain[away]).all()

    def test_while_looking_back_that_of_the_position_looked_at(self, board):
        app = board(RED, "3k5/9/9/9/9/9/9/9/r3R4/5K3 w")
        app.session.play(Move.from_iccs("e1d1"))
        app.session.play(Move.from_iccs("d9e9"))
        for ply, glows in ((1, True), (2, False), (0, False)):
            app.session.view(ply)
            rise = redness(ring_of(app, shot(app), "d9", 0.5)) - redness(ring_of(app, unmarked(app), "d9", 0.5))
            assert (rise > 30) == glows


class TestGliding:
    def test_a_piece_glides_from_its_old_square_to_the_new_one(self, board):
        app = board()
        app.frame(0.0)
        app.session.play(Move.from_iccs("h2e2"))
        frames = [shot(app, now=10.0 + part * GLIDE, settled=False) for part in (0.0, 0.3, 1.01)]
        start, between, end = (pieces(app, frame) for frame in frames)
        assert start["h2"] == "red 炮" and "e2" not in start
        assert "h2" not in between and "e2" not in between
        assert end["e2"] == "red 炮" and "h2" not in end
        assert app.view.moving(10.1) and not app.view.moving(10.5)  # long enough for the eye, too short to wait for

    def test_a_piece_that_is_taken_fades(self, board):
        app = board()
        app.frame(0.0)
        app.session.play(Move.from_iccs("b2b9"))
        begun = shot(app, now=10.0, settled=False)
        late = shot(app, now=10.0 + 0.5 * GLIDE, settled=False)
        assert pieces(app, begun)["b9"] == "black 馬"
        assert "b9" not in pieces(app, late)
        assert pieces(app, shot(app))["b9"] == "red 炮"

    def test_a_dropped_piece_does_not_go_back_first(self, board):
        app = board()
        app.frame(0.0)
        send(app, pygame.MOUSEBUTTONDOWN, spot(app, "b0"))
        send(app, pygame.MOUSEMOTION, spot(app, "c2"))
        send(app, pygame.MOUSEBUTTONUP, spot(app, "c2"))
        begun = pieces(app, shot(app, now=10.0, settled=False))
        assert begun["c2"] == "red 傌" and "b0" not in begun
