"""The model's mind: people's moves, surprise, replies, and the pieces that speak for a move, as a glow."""

import threading

import pygame
import pytest

from frames import around, changed, shot
from gui.actions import Action
from gui.processes.follower import Players
from gui.processes.mind import Expected, MindReader, NoThoughts, ReadMind, Spoken, Thoughts, think
from lm.model.loading import network_of
from lm.players.lm_player import LMPlayer
from lm.players.policy import Evaluator
from small import small_model
from xiangqi import Board, Move, parse_square


def move(iccs):
    return Move.from_iccs(iccs)


MOVES = (Expected(move("h9g7"), 0.6, 1, 44), Expected(move("h7e7"), 0.2, 2, 44))
REPLIES = (Expected(move("h0g2"), 0.7, 1, 44), None)
LAST = Expected(move("h2e2"), 0.005, 20, 44)


@pytest.fixture
def app(open_board):
    app = open_board(size=(1000, 760))
    app.session.play(move("h2e2"))
    app.controller.tick(1.0)
    return app


def press_key(app, name, mod=0):
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), mod=mod, unicode=""))


def asked(app):
    return app.controller.worker.minds[-1]


def answer(app, *reports):
    for report in reports:
        app.controller.worker.report(report)
    app.controller.tick(2.0)


def start(app):
    press_key(app, "i")
    app.controller.tick(1.5)
    number = asked(app).number
    answer(app, Thoughts(number, MOVES, REPLIES, LAST))
    values = {parse_square("h9"): 3.0, parse_square("e2"): -1.5, parse_square("a0"): 0.01}
    answer(app, Spoken(number, move("h9g7"), values))


def written(app, monkeypatch):
    """Return the lines that the panel writes."""
    lines = []
    from gui import theme

    draw = theme.text
    monkeypatch.setattr(theme, "text", lambda string, *options: lines.append(string) or draw(string, *options))
    shot(app)
    monkeypatch.setattr(theme, "text", draw)
    return lines


class TestAsking:
    def test_it_is_off_until_a_key_starts_it(self, app):
        assert app.controller.worker.minds == []
        press_key(app, "i")
        app.controller.tick(1.5)
        assert asked(app).board == app.session.board and asked(app).pieces
        assert app.panel.view.name == "mind"
        press_key(app, "i")
        assert asked(app).idle and app.controller.mind.thoughts is None

    def test_it_follows_the_position_shown(self, app):
        start(app)
        press_key(app, "left")
        app.controller.tick(3.0)
        assert asked(app).board == Board()
        assert app.controller.mind.speakers() == []
        count = len(app.controller.worker.minds)
        app.controller.tick(4.0)
        assert len(app.controller.worker.minds) == count

    def test_late_answers_are_ignored(self, app):
        start(app)
        number = asked(app).number
        press_key(app, "left")
        app.controller.tick(3.0)
        answer(app, Thoughts(number, MOVES, REPLIES, LAST), NoThoughts(number, "late"))
        assert app.controller.mind.thoughts is None and app.controller.mind.error is None

    def test_a_key_or_a_press_asks_about_another_move(self, app):
        start(app)
        press_key(app, "o")
        app.controller.tick(3.0)
        assert asked(app).move is move("h7e7")
        answer(app, Thoughts(asked(app).number, MOVES, REPLIES, LAST))
        shot(app)
        rect = next(rect for rect, listed in app.panel.view._spots if listed is move("h9g7"))
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=rect.center, button=1))
        app.controller.tick(3.0)
        assert asked(app).move is move("h9g7")


class TestShowing:
    def test_surprise_reply_and_pieces_are_told(self, app, monkeypatch):
        start(app)
        text = " ".join(written(app, monkeypatch))
        assert "炮二平五 is a surprise." in text
        assert "Choice 20 of 44" in text
        assert "60%" in text and "+3.0" in text and "-1.5" in text
        assert "傌二進三 (70%)" in text

    @pytest.mark.parametrize(
        ("played", "back", "named"),
        [
            ("", 2, ""),
            ("h2e2", 1, "Your 炮二平五"),
            ("h2e2 h9g7", 2, "Your 炮二平五"),
            ("h2e2 h9g7 h0g2", 1, "Your 傌二進三"),
        ],
    )
    def test_against_a_player_the_last_move_of_the_person_is_told(self, open_board, monkeypatch, played, back, named):
        app = open_board(size=(1000, 760), humans="red")
        for iccs in played.split():
            app.session.play(move(iccs))
        press_key(app, "i")
        app.controller.tick(1.5)
        assert asked(app).back == back
        answer(app, Thoughts(asked(app).number, (), (), LAST))
        text = " ".join(written(app, monkeypatch))
        assert f"{named} is a surprise." in text if named else "surprise" not in text

    def test_the_pieces_glow_and_a_key_ends_it(self, app):
        before = shot(app)
        start(app)
        after = shot(app)
        assert {"h9", "e2"} <= changed(app, before, after, 0.6)
        assert "a0" not in changed(app, before, after, 0.6)
        blue = around(app, after, "h9", 0.6)[..., 2].mean() - around(app, before, "h9", 0.6)[..., 2].mean()
        red = around(app, after, "e2", 0.6)[..., 2].mean() - around(app, before, "e2", 0.6)[..., 2].mean()
        assert blue > 5 > red
        press_key(app, "y")
        app.controller.tick(3.0)
        assert not asked(app).pieces
        assert changed(app, before, shot(app), 0.6) == set()

    def test_a_failure_is_told(self, app, monkeypatch):
        press_key(app, "i")
        app.controller.tick(1.5)
        answer(app, NoThoughts(asked(app).number, "no such model"))
        assert "no such model" in " ".join(written(app, monkeypatch))

    def test_the_key_for_the_next_move_waits_for_thoughts(self, app):
        assert not app.controller.enabled(Action.NEXT_MOVE)


class TestThinking:
    def test_moves_replies_and_the_last_move(self):
        model = Evaluator(network_of(small_model()))
        board = Board.from_moves("h2e2 h9g7")
        thoughts = think(model, board)
        shares = [expected.share for expected in thoughts.moves]
        assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 1
        assert thoughts.last.move is move("h9g7") and thoughts.last.count == len(Board.from_moves("h2e2").legal_moves)
        after = board.copy()
        after.push(thoughts.moves[0].move)
        assert thoughts.replies[0].move in after.legal_moves
        assert think(model, Board()).last is None and think(model, Board.from_moves("h2e2"), back=2).last is None
        assert think(model, board, back=2).last.move is move("h2e2")

    def test_a_game_that_is_over(self):
        model = Evaluator(network_of(small_model()))
        assert think(model, Board("3k5/3R5/3R5/9/9/9/9/9/9/4K4 b")).moves == ()

    def test_the_process_tells_thoughts_then_pieces(self):
        player = LMPlayer.__new__(LMPlayer)
        player.evaluator = Evaluator(network_of(small_model()))
        reports, done = [], threading.Event()

        def report(told):
            reports.append(told)
            if isinstance(told, NoThoughts) or (isinstance(told, Spoken) and len(reports) > 1):
                done.set()

        reader = MindReader(Players(lambda spec: player if spec == "lm" else object()), report)
        reader.ask(ReadMind(3, Board(), "lm", move("h2e2")))
        assert done.wait(60)
        assert isinstance(reports[0], Thoughts) and reports[1].move is move("h2e2")
        assert sorted(reports[1].values) == sorted(Board().piece_map())
        done.clear()
        reader.ask(ReadMind(4, Board(), "other"))
        assert done.wait(60) and isinstance(reports[-1], NoThoughts)
