"""What is drawn on the panel and over the board, and what answers there to the mouse."""

import random

import pygame
import pytest

from frames import NOWHERE, around, close_to, key, moved_pixels, pieces, shot, spot
from gui import theme
from gui.actions import Action
from gui.layout import arrange
from gui.panel import BUTTONS, NAVIGATION, banner_rect, draw_banner, draw_error, draw_status, error_rect
from gui.strings import say
from lm.matches.table import Ending
from lm.players.levels import find_level
from xiangqi import BLACK, RED, STARTING_FEN, Move

BLACK_BEGINS = STARTING_FEN.replace(" w ", " b ")
SMALL = (640, 480)


def send(app, kind, position, **more):
    app.handle(pygame.Event(kind, pos=tuple(map(round, position)), **more))


def press(app, position):
    send(app, pygame.MOUSEBUTTONDOWN, position, button=1)


def release(app, position):
    send(app, pygame.MOUSEBUTTONUP, position, button=1)


def click(app, position):
    press(app, position)
    release(app, position)


def play(app, *moves):
    for iccs in moves:
        app.session.play(Move.from_iccs(iccs))


def play_on(app, plies):
    chance = random.Random(3)
    while app.session.board.ply < plies:
        app.session.play(chance.choice(app.session.board.legal_moves))


def cut(frame, rect):
    return frame[rect.left : rect.right, rect.top : rect.bottom]


def has_ink(frame, rect, color=theme.TEXT):
    """Whether something is written in this colour in a rectangle."""
    return close_to(cut(frame, rect), color, 40).any()


class TestMoveList:
    def columns(self, app, row):
        """Return the two halves of a row of the list, beside the numbers."""
        area = app.layout.view
        px = app.layout.px
        half = (area.width - px(38) - px(14)) // 2
        return [
            pygame.Rect(area.x + px(38) + i * half + 3, area.y + px(6) + 2 + px(27) * row, half - 12, 16)
            for i in (0, 1)
        ]

    def test_reds_moves_stand_on_the_left_and_blacks_on_the_right(self, open_board):
        app = open_board()
        play(app, "h2e2", "h9g7", "b0c2")
        app.session.view(3)
        frame = shot(app)
        left, right = self.columns(app, 0)
        assert has_ink(frame, left) and has_ink(frame, right)
        left, right = self.columns(app, 1)
        assert close_to(cut(frame, left), theme.GOLD).any()  # the move that is looked at
        assert close_to(cut(frame, right), theme.BACKGROUND).all()
        for row, column, ply in ((0, 0, 1), (0, 1, 2), (1, 0, 3)):
            click(app, self.columns(app, row)[column].center)
            assert app.session.viewed == ply

    def test_if_black_begins_the_first_place_on_the_left_is_empty(self, open_board):
        app = open_board(BLACK_BEGINS)
        play(app, "h9g7", "h2e2", "b9c7")
        frame = shot(app)
        left, right = self.columns(app, 0)
        assert close_to(cut(frame, left), theme.BACKGROUND).all()
        assert has_ink(frame, right)
        left, right = self.columns(app, 1)
        assert has_ink(frame, left)
        assert close_to(cut(frame, right), theme.GOLD).any()
        numbers = [pygame.Rect(app.layout.view.x + 5, left.y + app.layout.px(27) * (i - 1), 20, 16) for i in (0, 1, 2)]
        assert [has_ink(frame, rect, theme.FAINT) for rect in numbers] == [True, True, False]
        click(app, self.columns(app, 0)[0].center)
        assert app.session.viewed == 3
        for row, column, ply in ((0, 1, 1), (1, 0, 2), (1, 1, 3)):
            click(app, self.columns(app, row)[column].center)
            assert app.session.viewed == ply

    def test_the_numbers_go_on_from_that_of_the_position(self, open_board, written):
        app = open_board(STARTING_FEN.replace("0 1", "0 9"))
        play(app, "h2e2", "h9g7", "b0c2")
        app.session.view(1)
        shot(app)
        assert {line for line in written if line in ("1.", "2.", "9.", "10.")} == {"9.", "10."}
        assert app.controller.status()[0].startswith("Looking back at move 9 of 10.")

    def test_moves_are_written_as_they_were_played_with_their_numbers(self, open_board, written):
        app = open_board(BLACK_BEGINS)
        play(app, "h9g7", "h2e2", "b9c7")
        shot(app)
        assert [line for line in written if line in ("1.", "2.", "馬８進７", "炮二平五", "馬２進３")][:5] == [
            "1.",
            "馬８進７",
            "2.",
            "炮二平五",
            "馬２進３",
        ]

    def test_the_move_looked_at_is_marked_and_no_other(self, open_board):
        app = open_board()
        play(app, "h2e2", "h9g7", "b0c2", "i9h9")
        for viewed in (1, 2, 3, 4):
            app.session.view(viewed)
            frame = shot(app)
            marked = [
                close_to(cut(frame, rect), theme.GOLD).mean() > 0.3 for row in (0, 1) for rect in self.columns(app, row)
            ]
            assert marked == [ply == viewed for ply in (1, 2, 3, 4)]


class TestScrolling:
    @pytest.fixture
    def app(self, open_board):
        app = open_board()
        play_on(app, 120)
        shot(app)
        return app

    def bar(self, app, pointer=NOWHERE):
        """Find the scroll bar in the list: a stripe at its right edge."""
        area = app.layout.view
        column = shot(app, pointer)[area.right - app.layout.px(8) + 2, area.top : area.bottom]
        rows = [y for y, pixel in enumerate(column) if close_to(pixel, theme.EDGE) or close_to(pixel, theme.FAINT)]
        return pygame.Rect(area.right - app.layout.px(8), area.top + rows[0], 4, len(rows)) if rows else None

    def first_ply(self, app):
        """Return the ply that is looked at after a click on the topmost whole line of the list."""
        click(app, (app.layout.view.x + 60, app.layout.view.y + 20))
        return app.session.viewed

    def test_no_bar_while_all_moves_fit(self, open_board):
        app = open_board()
        play(app, "h2e2")
        assert self.bar(app) is None

    def test_the_list_follows_the_game_to_its_end_and_back(self, app):
        bar = self.bar(app)
        assert app.layout.view.bottom - bar.bottom < 6
        app.session.view(0)
        assert self.bar(app).top - app.layout.view.top < 6

    def test_dragging_the_bar_scrolls(self, app):
        bar, area = self.bar(app), app.layout.view
        below = shot(app)
        press(app, bar.center)
        send(app, pygame.MOUSEMOTION, (bar.centerx, area.top - 100))
        assert self.bar(app).top - area.top < 6
        send(app, pygame.MOUSEMOTION, (bar.centerx, area.centery))
        between = self.bar(app)
        assert abs(between.centery - area.centery) < 12
        send(app, pygame.MOUSEMOTION, (bar.centerx, area.top - 100))
        release(app, (bar.centerx, area.top - 100))
        send(app, pygame.MOUSEMOTION, (bar.centerx, area.bottom))  # it has been let go
        assert self.bar(app).top - area.top < 6
        assert moved_pixels(below, shot(app)).width > area.width / 2
        assert app.session.viewed == 120  # the bar is not a move
        assert self.first_ply(app) == 1

    def test_a_press_beside_the_bar_takes_it_there(self, app):
        area = app.layout.view
        click(app, (self.bar(app).centerx, area.top + 3))
        assert self.bar(app).top - area.top < 6
        click(app, (self.bar(app).centerx, area.bottom - 3))
        assert area.bottom - self.bar(app).bottom < 6
        assert app.session.viewed == 120

    def test_the_wheel_scrolls(self, app):
        at = [self.bar(app).top]
        for turn in (1, 1, -1):
            app.handle(pygame.Event(pygame.MOUSEWHEEL, x=0, y=turn))
            at.append(self.bar(app).top)
        assert at[0] > at[1] > at[2] < at[3]
        assert at[3] == at[1]
        for _ in range(100):
            app.handle(pygame.Event(pygame.MOUSEWHEEL, x=0, y=1))
        assert self.first_ply(app) == 1

    def test_a_bar_that_is_held_is_brighter(self, app):
        bar = self.bar(app)
        assert close_to(shot(app)[bar.left + 2, bar.centery], theme.EDGE)
        press(app, bar.center)
        assert close_to(shot(app)[bar.left + 2, bar.centery], theme.FAINT)


class TestBanner:
    @pytest.fixture
    def app(self, open_board):
        app = open_board()
        play(app, "h2e2", "h9g7")
        app.session.resign()
        return app

    def shown(self, app):
        """Whether the banner hides the river."""
        x, y = app.layout.plate.center
        frame = shot(app)[x - 2 * round(app.layout.cell) : x + 2 * round(app.layout.cell), y - 10 : y + 10]
        return bool(close_to(frame, (44, 36, 30), 20).mean() > 0.5)

    def test_the_end_of_a_game_is_told_over_the_board(self, app):
        assert self.shown(app)
        app.session.undo()
        assert not self.shown(app)

    def test_a_click_on_it_shows_the_board_and_touches_nothing_there(self, app):
        rect = banner_rect(app.layout, app.session.ending, say("banner.hint", new="N", undo="U"))
        assert self.shown(app)
        click(app, rect.center)
        assert not self.shown(app)
        assert app.session.selected is None
        assert pieces(app, shot(app))["e2"] == "red 炮"

    def test_so_does_a_click_beside_it_or_escape(self, app):
        click(app, spot(app, "a0"))
        assert not self.shown(app)
        app.session.undo()
        app.session.resign()
        assert self.shown(app)
        app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, mod=0))
        assert not self.shown(app)

    def test_it_is_not_shown_while_looking_back(self, app):
        app.session.view(1)
        assert not self.shown(app)
        app.session.view(2)
        assert self.shown(app)

    @pytest.mark.parametrize(("winner", "title"), [(RED, "Red wins"), (BLACK, "Black wins"), (None, "Draw")])
    def test_it_names_the_winner_and_the_reason(self, written, winner, title):
        screen = pygame.Surface((900, 700))
        ending = Ending(winner, "checkmate" if winner is not None else "repetition", ("the first", "the last"))
        draw_banner(screen, arrange(900, 700, len(BUTTONS), len(NAVIGATION)), ending, "U")
        assert written[0] == title
        assert written[1] == ending.text
        assert written[2] == "The first; the last"

    def test_the_facts_are_told_as_the_board_writes_moves_and_pieces(self, open_board, written):
        app = open_board(fen="3k5/9/9/9/9/9/9/9/4R4/5K3 w")
        play(app, *["e1d1", "d9e9", "d1e1", "e9d9"] * 2)
        shot(app)
        assert "ply 7: red 俥六平五 checks" in " ".join(written)
        app = open_board(fen="4k4/R8/9/9/9/9/9/9/1R7/3K5 w")
        app.controller.preferences.set("language", "zh-Hans")
        play(app, "b1b9")
        shot(app)
        assert "黑方被将军，无法解救" in written

    @pytest.mark.parametrize(("code", "title"), [("en", "Red wins"), ("zh-Hans", "红胜"), ("zh-Hant", "紅勝")])
    def test_the_winner_is_named_in_the_language_of_the_board(self, app, written, code, title):
        app.session.undo()
        app.session.undo()
        app.controller.preferences.set("language", code)
        play(app, "h9g7")
        app.session.ending or app.session.forfeit(BLACK)
        shot(app)
        assert title in written

    def test_who_resigned_has_lost(self, open_board, written):
        app = open_board()
        play(app, "h2e2")
        app.session.resign()  # Black is to move
        shot(app)
        assert "Red wins" in written and "Black wins" not in written
        assert "Red wins: Black resigned" in written


class TestButtons:
    def rect(self, app, action):
        return dict(zip(BUTTONS + NAVIGATION, app.layout.buttons + app.layout.navigation, strict=True))[action]

    def ground(self, app, action, pointer=NOWHERE):
        rect = self.rect(app, action)
        return tuple(shot(app, pointer)[rect.left + 4, rect.centery].tolist())

    @pytest.mark.parametrize("action", [Action.UNDO, Action.FIRST, Action.BACK])
    def test_what_cannot_be_done_yet_is_dark_and_does_not_light_up(self, open_board, action):
        app = open_board()
        rect = self.rect(app, action)
        assert self.ground(app, action) == theme.BACKGROUND
        assert self.ground(app, action, rect.center) == theme.BACKGROUND
        assert not has_ink(shot(app), rect)
        play(app, "h2e2")
        assert self.ground(app, action) == theme.RAISED
        assert self.ground(app, action, rect.center) == theme.HOVER
        assert has_ink(shot(app), rect)

    @pytest.mark.parametrize("action", NAVIGATION)
    def test_a_sign_is_told_in_words_with_its_key(self, open_board, monkeypatch, action):
        app, written = open_board(), []
        draw = theme.text
        monkeypatch.setattr(theme, "text", lambda text, *options: written.append(text) or draw(text, *options))
        shot(app)
        told = f"{action.title} · {action.shortcut}"
        assert told not in written
        shot(app, self.rect(app, action).center)
        assert told in written

    def test_only_what_can_be_done_is_raised(self, open_board):
        app = open_board()
        shown = BUTTONS + NAVIGATION
        dark = {action for action in shown if self.ground(app, action) == theme.BACKGROUND}
        assert dark == {action for action in shown if not app.controller.enabled(action)}
        assert dark == {Action.UNDO, *NAVIGATION[:4]}

    def test_forward_is_dark_at_the_end_of_the_game(self, open_board):
        app = open_board()
        play(app, "h2e2")
        assert self.ground(app, Action.FORWARD) == self.ground(app, Action.LAST) == theme.BACKGROUND
        click(app, self.rect(app, Action.FIRST).center)
        assert self.ground(app, Action.FORWARD) == self.ground(app, Action.LAST) == theme.RAISED

    def test_a_button_that_asks_again_is_red_and_says_so(self, open_board, written):
        app = open_board()
        click(app, self.rect(app, Action.RESIGN).center)
        assert self.ground(app, Action.RESIGN)[0] > 100
        assert "Sure?" in written
        click(app, self.rect(app, Action.FLIP).center)
        written.clear()
        assert self.ground(app, Action.RESIGN) == theme.RAISED
        assert "Sure?" not in written


class TestCards:
    def card(self, app, below):
        return app.layout.cards[below]

    @pytest.mark.parametrize("bottom", [RED, BLACK])
    def test_the_side_to_move_is_lit(self, open_board, bottom):
        app = open_board()
        if bottom:
            app.session.flip()
        for mover in (RED, BLACK):
            frame = shot(app)
            for below in (False, True):
                rect = self.card(app, below)
                active = (mover == bottom) == below
                ground = theme.RAISED if active else theme.BACKGROUND
                assert close_to(frame[rect.right - 30, rect.bottom - 4], ground)
                assert close_to(frame[rect.left + 2, rect.centery], theme.GOLD if active else ground)
            play(app, "h2e2" if mover == RED else "h9g7")

    def test_while_looking_back_the_side_to_move_there_is_lit(self, open_board):
        app = open_board()
        play(app, "h2e2", "h9g7", "h0g2", "i9h9")
        for viewed, mover in ((3, BLACK), (2, RED), (1, BLACK)):
            app.session.view(viewed)
            frame = shot(app)
            lit = [close_to(frame[card.left + 2, card.centery], theme.GOLD) for card in app.layout.cards]
            assert lit == [mover == BLACK, mover == RED]

    @pytest.mark.parametrize("bottom", [RED, BLACK])
    def test_each_bears_its_own_king(self, open_board, bottom):
        app = open_board()
        if bottom:
            app.session.flip()
        frame = shot(app)
        for below in (False, True):
            rect = self.card(app, below)
            face = cut(frame, pygame.Rect(rect.x + 12, rect.y + 8, rect.height - 16, rect.height - 16))
            reds = ((face[..., 0] > face[..., 1] + 90) & (face[..., 2] < 80)).any()
            assert reds == ((bottom == RED) == below)

    def test_what_a_side_has_taken_is_on_its_own_card(self, open_board, written):
        app = open_board()
        play(app, "b2b9", "a9b9")
        before = shot(app)
        taken = [line for line in written if line in ("馬", "炮", "Red", "Black")]
        assert taken[:2] == ["炮", "馬"]  # above Black, who took the cannon; below Red
        app.session.flip()
        written.clear()
        shot(app)
        assert [line for line in written if line in ("馬", "炮")][:2] == ["馬", "炮"]
        assert (before != shot(app)).any()


class TestLongTexts:
    """Each is cut with an ellipsis where its place ends; nothing is drawn beside that."""

    LONG = "Wolfeschlegelsteinhausenbergerdorff-Welshman " * 6

    @pytest.fixture(params=[SMALL, (900, 700)], ids=["640x480", "900x700"])
    def layout(self, request):
        return arrange(*request.param, len(BUTTONS), len(NAVIGATION))

    def panel(self, app, layout):
        screen = pygame.Surface(layout.size)
        app.panel.draw(screen, layout, NOWHERE, 0.0)
        return pygame.surfarray.array3d(screen).astype(int)

    def test_a_players_name(self, open_board, layout, written):
        app = open_board(humans="red", spec="random")
        app.controller.opponents.player_name = "x"
        short = self.panel(app, layout)
        app.controller.opponents.player_name = self.LONG
        long = self.panel(app, layout)
        place = moved_pixels(short, long)
        assert layout.cards[0].inflate(-8, 0).contains(place)
        assert place.width > 50
        assert any(line.startswith("Wolfe") and line.endswith("...") for line in written)

    def test_pieces_taken(self, open_board, layout):
        app = open_board("3k5/9/9/9/9/9/9/9/9/4K4 w")
        none = self.panel(app, layout)
        app.session.table.game.fen = "rnbakabnr/1c5c1/p1p1p1p1p/1n1n1n1n1/9/9/9/9/9/RNBAKABNR w"
        place = moved_pixels(none, self.panel(app, layout))
        assert place.width > 50
        for card in layout.cards:
            assert place.right <= card.right - 4

    def test_a_notice(self, open_board, layout, written):
        app = open_board()
        blank = self.panel(app, layout)
        app.controller.say("Saved as /home/" + "directory/" * 30)
        place = moved_pixels(blank, self.panel(app, layout))
        assert layout.status.inflate(4, 4).contains(place)
        assert any(line.endswith("...") for line in written)
        app.controller.say(self.LONG)
        assert layout.status.inflate(4, 4).contains(moved_pixels(blank, self.panel(app, layout)))

    def test_a_status_line_of_two_lines_is_not_cut(self, layout, written):
        draw_status(pygame.Surface(layout.size), layout, "The player cannot move. U takes your move back.")
        assert " ".join(written) == "The player cannot move. U takes your move back."

    def test_an_error_over_the_board(self, layout, written):
        screen = pygame.Surface(layout.size)
        draw_error(screen, layout, self.LONG * 20, "M: try again")
        place = moved_pixels(pygame.surfarray.array3d(pygame.Surface(layout.size)), pygame.surfarray.array3d(screen))
        assert layout.plate.contains(place)
        assert written[0].startswith("Wolfe") and written[-2].endswith("...") and written[-1] == "M: try again"
        assert len(written) == 6
        assert error_rect(layout, self.LONG * 20, "M: try again").contains(place)
        assert max(theme.width(line, layout.text(15)) for line in written) < place.width

    def test_the_reason_on_the_banner(self, layout, written):
        screen = pygame.Surface(layout.size)
        ending = Ending(RED, self.LONG, (self.LONG,))
        draw_banner(screen, layout, ending, self.LONG)
        rect = banner_rect(layout, ending, self.LONG)
        assert layout.plate.contains(rect)
        place = moved_pixels(pygame.surfarray.array3d(pygame.Surface(layout.size)), pygame.surfarray.array3d(screen))
        assert rect.contains(place)  # the shadow about it does not show on black
        assert sum(line.endswith("...") for line in written) >= 2

    def test_the_label_of_a_button(self, open_board, layout, monkeypatch):
        app = open_board()
        plain, label = self.panel(app, layout), app.controller.label
        monkeypatch.setattr(app.controller, "label", lambda a: self.LONG if a is Action.NEW else label(a))
        place = moved_pixels(plain, self.panel(app, layout))
        assert layout.buttons[0].inflate(-8, 0).contains(place)
        assert place.width > 50


class TestStatusLine:
    @pytest.mark.parametrize(
        ("tone", "color"),
        [("quiet", theme.TEXT), ("busy", theme.GOLD), ("alert", theme.ALARM), ("good", theme.JADE)],
    )
    def test_the_tone_is_told_by_the_colour(self, open_board, tone, color):
        app = open_board()
        app.controller.say("Something to read.", tone)
        assert has_ink(shot(app), app.layout.status, color)

    def test_check_is_told_in_the_colour_of_alarm(self, open_board, written):
        app = open_board("3k5/9/9/9/4r4/9/9/9/9/4K4 w")
        assert has_ink(shot(app), app.layout.status, theme.ALARM)
        assert "Check! Red to move." in written


class TestError:
    def test_why_the_player_cannot_answer_stands_over_the_board(self, open_board, written):
        app = open_board()
        app.controller.opponents.error = "no model in /nowhere"
        frame = shot(app)
        assert "No model in /nowhere" in written
        x, y = app.layout.plate.center
        assert close_to(frame[x - 150, y], (120, 30, 24), 25)
        assert close_to(around(app, frame, "e5", 0.1), theme.LINE, 60).any()  # the board is still there

    @pytest.fixture
    def failed(self, open_board):
        app = open_board(humans="red")
        app.session.play(Move.from_iccs("h2e2"))
        app.controller.tick(1.0)
        app.controller.opponents.error = "it fell over"
        return app

    @staticmethod
    def is_told(app, written):
        written.clear()
        shot(app)
        return "It fell over" in written

    def test_it_says_what_can_be_done(self, failed, written):
        assert self.is_told(failed, written)
        assert "M: try again · L: another opponent · click here to see the board" in written
        assert failed.controller.status()[0] == "The opponent cannot move. M asks it again, L chooses another."

    def test_a_click_on_it_or_escape_takes_it_away(self, failed, written):
        press(failed, failed.layout.plate.center)
        assert not self.is_told(failed, written) and failed.session.selected is None
        failed.controller.opponents.error = "it fell over"
        assert self.is_told(failed, written)
        key(failed, "escape")
        assert not self.is_told(failed, written)
        assert failed.controller.status()[1] == "alert"

    @pytest.mark.parametrize("action", [Action.BACK, Action.UNDO, Action.BOTH, Action.ANALYSE, Action.RESIGN])
    def test_it_is_gone_where_it_no_longer_matters(self, failed, written, action):
        for _ in range(1 + (action is Action.RESIGN)):
            failed.do(action)
        assert not self.is_told(failed, written)

    def test_the_key_that_asks_for_a_move_tries_again(self, failed, written):
        assert failed.controller.label(Action.MOVE_NOW) == "Try again"
        key(failed, "m")
        failed.controller.tick(2.0)
        assert not self.is_told(failed, written)
        assert failed.table.requests[-1].board is not None and failed.controller.opponents.thinking

    def test_another_opponent_is_asked_in_its_place(self, failed, written):
        key(failed, "l")
        key(failed, "down")
        key(failed, "return")
        failed.controller.tick(2.0)
        assert not self.is_told(failed, written)
        assert failed.table.requests[-1].board is not None
        assert failed.table.requests[-1].spec == find_level("Watchful").spec
