"""The tree at the board: variations, comments and marks, by the keys and clicks of a person."""

import re

import pygame
import pytest

from frames import key
from gui.actions import Action
from gui.session import Session
from gui.strings import LANGUAGES
from lm.matches.table import HUMANS
from lm.players.player import Choice
from xiangqi import BLACK, Move, parse_square
from xiangqi.formats import load

CTRL, SHIFT = pygame.KMOD_LCTRL, pygame.KMOD_LSHIFT


@pytest.fixture
def app(open_board):
    """A game of a person with Red, four plies long, against a player that never answers."""
    app = open_board(humans="red")
    for iccs in ("h2e2", "h9g7", "h0g2", "b9c7"):
        app.session.play(Move.from_iccs(iccs))
    app.controller.tick(1.0)
    app.frame(1.0)
    return app


def click(app, position):
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        app.handle(pygame.Event(kind, pos=tuple(map(round, position)), button=1))


def move(app, iccs):
    for name in (iccs[:2], iccs[2:]):
        click(app, app.layout.point(parse_square(name), app.session.bottom))
    app.frame(1.0)


def shown(app):
    return " ".join(node.move.iccs for node in app.session.node.line())


def tree(app):
    """Write the tree with variations in parentheses."""

    def lines(node):
        text = []
        while node.variations:
            first, *others = node.variations
            text.append(first.move.iccs)
            text += [f"({other.move.iccs}{' ' if other.variations else ''}{lines(other)})" for other in others]
            node = first
        return " ".join(text)

    return lines(app.session.table.game)


class TestVariations:
    def test_a_move_from_an_earlier_position_begins_one(self, app):
        key(app, "left")
        key(app, "left")
        move(app, "b0c2")
        move(app, "b9c7")
        assert shown(app) == "h2e2 h9g7 b0c2 b9c7"
        assert tree(app) == "h2e2 h9g7 h0g2 (b0c2 b9c7) b9c7"
        assert "variation" in app.controller.status()[0]

    def test_the_game_waits_where_it_was(self, app):
        before = app.controller.worker.requests[:]
        key(app, "home")
        move(app, "c3c4")
        app.controller.tick(9.0)
        assert app.controller.worker.requests == before
        key(app, "g")
        assert shown(app) == "h2e2 h9g7 h0g2 b9c7" and app.session.live
        move(app, "b0c2")
        assert [m.iccs for m in app.session.board.move_stack][-1] == "b0c2"

    def test_a_known_move_is_no_new_variation(self, app):
        key(app, "home")
        move(app, "h2e2")
        assert shown(app) == "h2e2"
        assert tree(app) == "h2e2 h9g7 h0g2 b9c7"

    def test_the_player_s_answer_does_not_take_the_eye_from_a_variation(self, app):
        move(app, "b0c2")
        key(app, "home")
        move(app, "c3c4")
        app.session.answer(Choice(Move.from_iccs("i9h9")))
        assert shown(app) == "c3c4"
        key(app, "g")
        assert shown(app).endswith("b0c2 i9h9")

    def test_right_goes_on_along_the_line_that_one_came_by(self, app):
        key(app, "left")
        key(app, "left")
        move(app, "b0c2")
        move(app, "b9c7")
        for _ in range(3):
            key(app, "left")
        for _ in range(3):
            key(app, "right")
        assert shown(app) == "h2e2 h9g7 b0c2 b9c7"

    def test_up_and_down_change_between_the_moves_of_a_position(self, app):
        key(app, "home")
        for iccs in ("c3c4", "g3g4"):
            move(app, iccs)
            key(app, "left")
        key(app, "right")
        seen = [shown(app)]
        for _ in range(3):
            key(app, "down")
            seen.append(shown(app))
        assert seen == ["g3g4", "h2e2", "c3c4", "g3g4"]
        key(app, "up")
        assert shown(app) == "c3c4"

    def test_p_plays_on_from_here(self, app):
        key(app, "left")
        key(app, "left")
        move(app, "b0c2")
        key(app, "p")
        assert app.session.live
        assert app.session.awaits_player
        app.controller.tick(10.0)
        assert app.controller.worker.requests[-1].board == app.session.board
        assert tree(app) == "h2e2 h9g7 b0c2 (h0g2 b9c7)"

    def test_who_plays_both_sides_plays_on_at_once(self, app):
        key(app, "b")
        key(app, "home")
        move(app, "c3c4")
        assert app.session.live and not app.session.awaits_player
        move(app, "g6g5")
        assert shown(app) == "c3c4 g6g5"
        assert tree(app) == "h2e2 (c3c4 g6g5) h9g7 h0g2 b9c7"
        key(app, "b")
        assert len(app.session.humans) == 1

    def test_moves_can_be_tried_after_the_end(self, app):
        app.session.resign()
        move(app, "b0c2")
        assert shown(app).endswith("b9c7 b0c2")
        assert app.session.ending is not None


class TestUndoAndRedo:
    def test_redo_plays_again_what_was_taken_back(self, app):
        key(app, "u")
        assert shown(app) == "h2e2 h9g7"
        key(app, "u", SHIFT)
        assert shown(app) == "h2e2 h9g7 h0g2 b9c7"
        assert not app.controller.enabled(Action.REDO)

    def test_what_was_taken_back_stays_in_the_list(self, app):
        key(app, "u")
        move(app, "b0c2")
        assert tree(app) == "h2e2 h9g7 b0c2 (h0g2 b9c7)"


class TestEditing:
    @pytest.fixture
    def branched(self, app):
        key(app, "home")
        for iccs in ("c3c4", "g3g4"):
            move(app, iccs)
            key(app, "left")
        key(app, "right")  # g3g4
        return app

    def test_a_branch_moves_up_and_down(self, branched):
        first_moves = lambda: [node.move.iccs for node in branched.session.table.game.variations]  # noqa: E731
        assert first_moves() == ["h2e2", "c3c4", "g3g4"]
        key(branched, "up", CTRL)
        assert first_moves() == ["h2e2", "g3g4", "c3c4"]
        key(branched, "down", CTRL)
        assert first_moves() == ["h2e2", "c3c4", "g3g4"]
        key(branched, "home", CTRL)
        assert first_moves() == ["g3g4", "h2e2", "c3c4"]
        assert shown(branched) == "g3g4"

    def test_deleting_asks_once(self, branched):
        move(branched, "g6g5")
        key(branched, "left")
        key(branched, "delete")
        assert branched.controller.status()[0] == "Press Delete again to delete 兵三進一 with all that follows."
        assert "g3g4" in tree(branched)
        key(branched, "delete")
        assert tree(branched) == "h2e2 (c3c4) h9g7 h0g2 b9c7"
        assert shown(branched) == ""

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("side", ["w", "b"])
    def test_the_status_counts_moves_as_the_list_does(self, open_board, language, side):
        app = open_board(f"r2k5/9/9/9/9/9/9/9/9/R3K4 {side}", size=(640, 480))
        app.controller.preferences.set("language", language)
        red, black = ["a0a1", "a1a2", "a2a3", "a3a4"], ["a9b9", "b9c9", "c9b9", "b9a9"]
        if side == "b":
            red, black = black, red
        for pair in zip(red, black, strict=True):
            for iccs in pair[: 1 + (pair[0] != red[3])]:
                app.session.play(Move.from_iccs(iccs))
        app.controller.tick(2.0)
        app.frame(2.0)
        cells = app.panel.moves._cells
        for node in app.session.node.line()[:-1]:
            app.session.show(node)
            (row,) = [cell.rect.y for cell in cells if cell.node is node]
            (number,) = [cell.text for cell in cells if cell.kind == "number" and cell.rect.y == row]
            line = app.controller.status()[0]
            assert re.findall(r"\d+", line) == [number.rstrip("."), "4"], line
        app.session.view(0)
        assert not re.search(r"\d", app.controller.status()[0])

    def test_the_game_s_own_moves_cannot_be_deleted(self, app):
        for name in ("end", "left", "home"):
            key(app, name)
            assert not app.controller.enabled(Action.DELETE)

    def test_a_deleted_line_cannot_be_played_again(self, app):
        key(app, "u")
        key(app, "right")
        key(app, "delete")
        key(app, "delete")
        assert tree(app) == "h2e2 h9g7"
        assert not app.controller.enabled(Action.REDO)


class TestComments:
    def type(self, app, text):
        app.handle(pygame.Event(pygame.TEXTINPUT, text=text))
        app.frame(1.0)

    def test_a_comment_is_typed_and_shown_in_the_list(self, app):
        key(app, "c")
        self.type(app, "well known")
        app.handle(pygame.Event(pygame.TEXTEDITING, text="pingfengma", start=0, length=0))
        app.frame(1.0)
        key(app, "return")  # this is the input method's: it takes its first proposal
        assert app.overlay is not None
        self.type(app, "：屏风马")
        key(app, "return")
        assert app.overlay is None
        assert app.session.node.comment == "well known：屏风马"
        app.frame(1.0)
        assert any("well known" in cell.text for cell in app.panel.moves._cells)

    def test_the_key_that_opens_it_is_not_typed(self, app):
        for text, typed in (("c", ""), ("x", "x")):
            app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.K_c, mod=0, unicode="c"))
            app.handle(pygame.Event(pygame.TEXTINPUT, text=text))
            assert app.overlay.field.value == typed
            app.handle(pygame.Event(pygame.TEXTINPUT, text="c"))
            assert app.overlay.field.value == f"{typed}c"
            key(app, "escape")

    def test_escape_leaves_the_comment_as_it_was(self, app):
        app.session.set_comment(app.session.node, "old")
        key(app, "c")
        self.type(app, " and new")
        key(app, "escape")
        assert app.overlay is None and app.session.node.comment == "old"

    def test_a_press_outside_loses_nothing_that_was_typed(self, app):
        key(app, "c")
        click(app, (5, 5))
        assert app.overlay is None
        key(app, "c")
        self.type(app, "a long thought")
        click(app, (5, 5))
        key(app, "return")
        assert app.session.node.comment == "a long thought"

    def test_keys_that_are_typed_carry_out_no_actions(self, app):
        key(app, "c")
        for name in ("n", "u", "space", "delete"):
            key(app, name)
        assert app.overlay is not None
        assert len(app.session.board.move_stack) == 4 and not app.controller.analysis.on

    @pytest.mark.parametrize(("name", "glyph"), [("1", 1), ("2", 2), ("3", 3), ("4", 4), ("5", 5), ("6", 6)])
    def test_marks_are_set_replaced_and_removed(self, app, name, glyph):
        node = app.session.node
        node.nags = {9, 7 - glyph}
        key(app, name)
        assert node.nags == {9, glyph}
        app.frame(1.0)
        sign = {1: "!", 2: "?", 3: "!!", 4: "??", 5: "!?", 6: "?!"}[glyph]
        assert any(cell.node is node and cell.text.endswith(sign) for cell in app.panel.moves._cells)
        key(app, name)
        assert node.nags == {9}


class TestGivingUp:
    def test_a_study_is_not_thrown_away_without_a_question(self, app):
        app.session.resign()
        app.session.set_comment(app.session.node, "why?")
        key(app, "n")
        assert app.session.board.ply == 4
        key(app, "return")
        assert app.session.board.ply == 0
        (kept,) = (path for path in app.controller.games.path.glob("*.pgn") if "current" not in path.name)
        assert "why?" in kept.read_text()


class TestStepping:
    def wheel(self, app, position, turn, monkeypatch):
        monkeypatch.setattr(pygame.mouse, "get_pos", lambda: position)
        app.handle(pygame.Event(pygame.MOUSEWHEEL, x=0, y=turn))

    def test_the_wheel_over_the_board_steps_through_the_game(self, app, monkeypatch):
        self.wheel(app, app.layout.plate.center, 1, monkeypatch)
        assert app.session.viewed == 3
        self.wheel(app, app.layout.plate.center, 1, monkeypatch)
        self.wheel(app, app.layout.plate.center, -1, monkeypatch)
        assert app.session.viewed == 3

    def test_the_wheel_over_the_list_does_not(self, app, monkeypatch):
        self.wheel(app, app.layout.view.center, 1, monkeypatch)
        assert app.session.live


class TestKeeping:
    def test_the_tree_is_kept_and_goes_on_where_the_game_stood(self, app):
        session = app.session
        key(app, "left")
        key(app, "left")
        move(app, "b0c2")
        session.set_comment(session.node, "solid. 稳健")
        session.toggle_mark(1)
        app.controller.tick(2.0)
        (path,) = app.controller.games.path.glob("current*.pgn")
        (game,) = load(path)
        again = Session.going_on(game)
        assert [m.iccs for m in again.board.move_stack] == ["h2e2", "h9g7", "h0g2", "b9c7"]
        other = again.table.game.variations[0].variations[0].variations[1]
        assert (other.move.iccs, other.comment, other.nags) == ("b0c2", "solid. 稳健", {1})
        assert again.humans == HUMANS["red"]

    def test_a_game_taken_back_goes_on_there(self, app):
        key(app, "u")
        app.controller.tick(2.0)
        (path,) = app.controller.games.path.glob("current*.pgn")
        again = Session.going_on(next(load(path)))
        assert again.board.ply == 2
        again.view_last()
        assert again.viewed == 4  # what was taken back lies ahead

    def test_both_sides_of_a_study_are_kept(self, app):
        key(app, "b")
        key(app, "home")
        move(app, "c3c4")
        app.controller.tick(2.0)
        (path,) = app.controller.games.path.glob("current*.pgn")
        again = Session.going_on(next(load(path)))
        assert again.humans == HUMANS["both"]
        assert [m.iccs for m in again.board.move_stack] == ["c3c4"]
        assert again.table.game.variations[0].move.iccs == "h2e2"

    def test_names_of_a_pasted_game_are_written_again(self, seat):
        table = seat(RuntimeError("no model"))
        table.clipboard.put('[Red "胡荣华"]\n[Black "杨官璘"]\n[Result "1-0"]\n\n1. h2e2 h9g7 (1... h7e7) 1-0')
        table.paste()
        game = table.session.game("lm", "lm")
        assert (game.headers["Red"], game.headers["Black"], game.result) == ("胡荣华", "杨官璘", "1-0")
        assert len(game.variations[0].variations) == 2


class TestList:
    def test_a_click_in_a_variation_shows_its_position(self, app):
        key(app, "home")
        for iccs in ("c3c4", "g6g5", "b0c2"):
            move(app, iccs)
        node = app.session.node.parent
        key(app, "g")
        app.frame(1.0)
        click(app, app.panel.moves.rect_of(app.layout, app.layout.view, node).center)
        assert shown(app) == "c3c4 g6g5"

    def test_nothing_of_a_wide_tree_is_written_beside_the_list(self, app):
        session = app.session
        session.show(session.table.game)
        board = session.shown.copy()
        for legal in board.legal_moves[:20]:
            session.show(session.table.game)
            session.explore([legal])
            reply = session.shown.legal_moves
            for answer in reply[:3]:
                session.show(session.table.game.variation(legal))
                session.explore([answer])
        app.frame(1.0)
        area = app.layout.view
        for cell in app.panel.moves._cells:
            assert cell.rect.left >= 0 and cell.rect.right <= area.width

    def test_notation_and_script_change_the_list(self, app):
        texts = lambda: [cell.text for cell in app.panel.moves._cells if cell.kind == "move"]  # noqa: E731
        app.frame(1.0)
        assert texts() == ["炮二平五", "馬８進７", "傌二進三", "馬２進３"]
        key(app, "w")
        app.frame(1.0)
        assert texts() == ["C2=5", "H8+7", "H2+3", "H2+3"]
        key(app, "w")
        app.frame(1.0)
        assert texts()[0] == "h2e2"
        key(app, "w")
        key(app, "t")
        app.frame(1.0)
        assert texts()[1] == "马8进7"


class TestExplaining:
    def test_a_click_that_does_nothing_is_answered(self, app):
        point = lambda name: app.layout.point(parse_square(name), app.session.bottom)  # noqa: E731
        click(app, point("a9"))
        assert "Red is to move" in app.controller.status()[0]
        click(app, point("a0"))
        click(app, point("d5"))
        assert "cannot go there" in app.controller.status()[0]
        move(app, "b0c2")
        assert app.session.board.turn == BLACK
        click(app, point("a9"))
        assert "Black's move" in app.controller.status()[0]
