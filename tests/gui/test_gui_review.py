"""The review: the curve, the worst moves, the next mistake and another try; and the process that judges."""

import threading
from dataclasses import replace

import pygame
import pytest

from frames import shot
from gui.actions import Action
from gui.actions import files as file_actions
from gui.processes.follower import Players
from gui.processes.review import Looked, NoReview, Reviewer, ReviewGame
from lm.matches.table import HUMANS
from lm.players.player import GeneratedAnalysis, Line, Thinker
from lm.study.review import Point
from xiangqi import BLACK, RED, STARTING_FEN, Move
from xiangqi.engine import Info, Limit, Score, Wdl
from xiangqi.formats import load

MOVES = "h2e2 h9g7 h0g2 i9h9 i0h0 b9c7"
VALUES = (0.5, 0.5, 0.5, 0.52, 0.85, 0.85, 0.84)  # the fourth move, Black's, loses a third


def point(ply, value, best=None, share=0.4):
    line = () if best is None else (Move.from_iccs(best),)
    popular = ((Move.from_iccs("b9c7"), 0.6), (Move.from_iccs("i9h9"), 0.2)) if ply == 3 else ()
    return Point(ply, ply % 2, value, Score(RED, cp=0), line, popular, share, 1)


@pytest.fixture
def app(open_board):
    app = open_board(size=(1000, 760))
    for iccs in MOVES.split():
        app.session.play(Move.from_iccs(iccs))
    app.controller.tick(1.0)
    return app


def press_key(app, name, mod=0):
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), mod=mod, unicode=""))


def asked(app):
    return app.controller.worker.reviews[-1]


def answer(app, *reports):
    for report in reports:
        app.controller.worker.report(report)
    app.controller.tick(2.0)


def finish(app):
    """Review the game of the fixture."""
    press_key(app, "v")
    number = asked(app).number
    bests = [*MOVES.split()[:3], "b9c7", *MOVES.split()[4:], None]
    answer(app, *(Looked(number, point(ply, value, bests[ply])) for ply, value in enumerate(VALUES)))
    app.frame(2.0)


def click(app, at):
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        app.handle(pygame.Event(kind, pos=tuple(at), button=1))


class TestAsking:
    def test_a_key_starts_it_and_shows_it(self, app):
        press_key(app, "v")
        request = asked(app)
        assert (request.fen, [move.iccs for move in request.moves]) == (STARTING_FEN, MOVES.split())
        assert app.panel.view.name == "review"
        press_key(app, "v")
        assert asked(app).idle and not app.controller.review.running

    def test_until_the_first_position_is_read_it_says_what_takes_so_long(self, app, written):
        press_key(app, "v")
        app.frame(2.0)
        assert any("Loading the model" in text for text in written)
        written.clear()
        answer(app, Looked(asked(app).number, point(0, 0.5)))
        app.frame(3.0)
        assert any("Reading position 1 of 7" in text for text in written)
        assert not any("Loading the model" in text for text in written)

    def test_what_is_rare_is_not_written_as_nothing_and_what_is_best_not_as_better(self, app, written):
        press_key(app, "v")
        number = asked(app).number
        rare = [point(ply, 0.5, "b9a7" if ply == 3 else None, share=0.001) for ply in range(7)]
        rare[3] = replace(rare[3], popular=rare[3].popular[:1])
        answer(app, *(Looked(number, one) for one in rare))
        app.session.view(4)
        app.frame(2.0)
        text = " ".join(written)
        assert "(this move <1%)" in text and "Best: " in text and "Better" not in text

    def test_it_comes_point_by_point_and_goes_on_where_it_stopped(self, app):
        press_key(app, "v")
        answer(app, *(Looked(asked(app).number, point(ply, 0.5)) for ply in range(3)))
        assert len(app.controller.review.review.points) == 3
        press_key(app, "v")
        press_key(app, "v")
        assert len(asked(app).points) == 3

    def test_a_longer_game_is_judged_from_where_it_went_on(self, app):
        finish(app)
        assert not app.controller.review.running
        app.session.play(Move.from_iccs("b2c2"))
        assert app.controller.review.changed
        press_key(app, "v")
        assert len(asked(app).moves) == 7 and len(asked(app).points) == 6

    def test_late_and_repeated_reports_are_ignored(self, app):
        press_key(app, "v")
        number = asked(app).number
        answer(app, Looked(number, point(0, 0.5)), Looked(number, point(0, 0.5)), Looked(number - 1, point(1, 0.5)))
        assert len(app.controller.review.review.points) == 1

    def test_a_failure_is_told(self, app):
        press_key(app, "v")
        answer(app, NoReview(asked(app).number, "no such model"))
        assert app.controller.review.error == "no such model" and not app.controller.review.running
        shot(app)

    def test_a_key_that_finds_nothing_says_why(self, app, written):
        for key, said in (("j", "V reviews the game first."), ("k", "V reviews the game first.")):
            press_key(app, key)
            assert app.controller.status()[0] == said
        press_key(app, "v")
        press_key(app, "j")
        assert app.controller.status()[0] == "No mistake so far; the review is still running."
        answer(app, *(Looked(asked(app).number, point(ply, 0.5)) for ply in range(7)))
        app.session.view(0)
        app.frame(2.0)
        assert any("No mistake was found" in text for text in written)
        press_key(app, "j")
        assert app.controller.status()[0] == "The review found no mistake."
        press_key(app, "1")
        assert app.controller.status()[0] == "No move leads to this position."
        press_key(app, "left")
        press_key(app, "pageup")
        assert app.controller.status()[0] == "No list of several games is open."

    def test_another_game_forgets_it(self, app):
        finish(app)
        app.session.new()
        app.controller.tick(3.0)
        assert app.controller.review.review is None
        assert not app.controller.enabled(Action.REVIEW)

    def test_moves_that_are_deleted_leave_the_curve(self, app):
        finish(app)
        for _ in range(3):
            app.session.undo()
        app.session.view(4)
        app.session.delete()
        app.controller.tick(3.0)
        review = app.controller.review
        assert [len(review.nodes), len(review.review.points)] == [4, 4]
        shot(app)
        app.session.undo()
        app.session.undo()
        app.session.undo()
        app.session.view(1)
        app.session.delete()
        app.controller.tick(4.0)
        assert review.review is None and not review.running
        shot(app)


class TestLooking:
    def test_a_press_on_the_curve_shows_the_position(self, app):
        finish(app)
        view = app.panel.view
        click(app, view.curve_point(3))
        assert app.session.viewed == 3
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=view.curve_point(1), button=1))
        app.handle(pygame.Event(pygame.MOUSEMOTION, pos=view.curve_point(5), rel=(9, 0), buttons=(1, 0, 0)))
        assert app.session.viewed == 5
        app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=view.curve_point(5), button=1))

    def test_the_curve_rises_for_the_lower_side(self, app):
        finish(app)
        view = app.panel.view
        assert view.curve_point(4)[1] < view.curve_point(3)[1]
        app.do(Action.FLIP)
        assert view.curve_point(4)[1] > view.curve_point(3)[1]

    def test_a_listed_move_is_shown_by_a_press(self, app):
        finish(app)
        rect, _ = app.panel.view._spots[-1]
        click(app, rect.center)
        assert app.session.viewed == 4
        assert [judged.ply for judged in app.controller.review.review.worst(BLACK)] == [4]

    def test_a_press_on_what_was_drawn_for_another_game_does_nothing(self, app):
        finish(app)
        spots = [rect.center for rect, _ in app.panel.view._spots] + [app.panel.view.curve_point(3)]
        app.session.begin(STARTING_FEN, HUMANS["both"])
        app.controller.tick(3.0)
        for spot in spots:
            click(app, spot)
        assert app.session.node is app.session.table.game and not app.session.table.game.variations

    def test_what_was_better_is_added_by_a_press(self, app):
        finish(app)
        app.session.view(4)
        app.frame(3.0)
        click(app, app.panel.view._spots[0][0].center)
        assert app.session.last_move.iccs == "b9c7"
        assert len(app.session.node.parent.variations) == 2


class TestTrying:
    def test_the_next_mistake_and_the_one_before(self, app):
        finish(app)
        app.session.view(0)
        press_key(app, "j")
        assert app.session.viewed == 3
        assert app.controller.review.awaited.ply == 4
        press_key(app, "j")
        assert app.session.viewed == 3 and app.controller.status()[0] == "The review found no other mistake."
        app.session.view(6)
        press_key(app, "j", pygame.KMOD_LSHIFT)
        assert app.session.viewed == 3

    @pytest.fixture
    def review(self, app):
        """Review the game, with values of one's own."""

        def finish_with(*values):
            press_key(app, "v")
            answer(app, *(Looked(asked(app).number, point(ply, value)) for ply, value in enumerate(values)))
            app.session.view(0)

        return finish_with

    def test_after_the_last_mistake_comes_the_first(self, app, review):
        review(0.5, 0.2, 0.2, 0.2, 0.5, 0.5, 0.8)  # the first, the fourth and the last move lose much
        visited = []
        for _ in range(4):
            press_key(app, "j")
            visited.append(app.session.viewed)
        assert visited == [0, 3, 5, 0]
        assert app.controller.status()[0] == "From the last mistake to the first."
        press_key(app, "j", pygame.KMOD_LSHIFT)
        assert app.session.viewed == 5 and app.controller.status()[0] == "From the first mistake to the last."

    def test_another_move_is_judged(self, app, written):
        finish(app)
        press_key(app, "j", pygame.KMOD_LSHIFT)
        app.session.explore([Move.from_iccs("b9c7")])
        app.controller.tick(3.0)
        request = asked(app)
        assert [move.iccs for move in request.moves] == ["h2e2", "h9g7", "h0g2", "b9c7"] and len(request.points) == 4
        tried = app.session.node
        assert app.controller.review.judged(tried) is None
        answer(app, Looked(request.number, point(4, 0.5)))
        assert app.controller.review.judged(tried).verdict == "best"
        shot(app)
        assert "K goes back for another try." in written
        press_key(app, "k")
        assert app.session.viewed == 3

    def test_a_try_during_the_review_does_not_end_it(self, app):
        press_key(app, "v")
        number = asked(app).number
        answer(app, *(Looked(number, point(ply, VALUES[ply])) for ply in range(5)))
        app.session.view(3)
        app.session.explore([Move.from_iccs("b9c7")])
        app.controller.tick(3.0)
        answer(app, Looked(asked(app).number, point(4, 0.6)))
        assert len(asked(app).moves) == 6 and len(asked(app).points) == 5


class Quick(Thinker):
    name = "quick"

    def choose(self, boards, limits=None):
        raise NotImplementedError

    def analyse(self, board, limit=None, multipv=1):
        class Said(GeneratedAnalysis):
            def _generate(self):
                self._lines = [Line(Info(wdl=Wdl(500, 0, 500), pv=(board.legal_moves[0],)))]
                yield from self._lines

        return Said(board, limit or Limit(), multipv)


def test_the_process_tells_each_position():
    reports, done = [], threading.Event()

    def report(told):
        reports.append(told)
        if isinstance(told, NoReview) or told.point.ply == 2:
            done.set()

    reviewer = Reviewer(Players(lambda spec: Quick()), report)
    reviewer.ask(ReviewGame(7, STARTING_FEN, tuple(map(Move.from_iccs, MOVES.split()[:2])), (), "quick", "quick"))
    assert done.wait(30)
    assert [(told.number, told.point.ply) for told in reports] == [(7, 0), (7, 1), (7, 2)]
    done.clear()
    Reviewer(Players(lambda spec: object()), report).ask(
        ReviewGame(8, STARTING_FEN, (Move.from_iccs("h2e2"),), (), "x")
    )
    assert done.wait(30) and isinstance(reports[-1], NoReview)


class TestSaving:
    def test_a_review_is_saved_as_a_page_a_text_or_a_game(self, app, tmp_path):
        assert not app.controller.enabled(Action.SAVE_REVIEW)
        finish(app)
        app.session.set_comment(app.session.table.game.variations[0], "As always.")
        press_key(app, "v", pygame.KMOD_SHIFT)
        dialog = app.overlay
        assert [suffix for _, suffix in dialog.kinds] == [".html", ".txt", ".pgn"]
        for kind, (_, suffix) in enumerate(dialog.kinds):
            path = tmp_path / f"review{suffix}"
            dialog.choose(kind)
            dialog.field.value = str(path)
            dialog.key("enter")
            assert path.exists(), suffix
        (game,) = load(tmp_path / "review.pgn")
        first, *_, fourth = game.end().line()[:4]
        assert first.comment.startswith("As always.") and fourth.nags == {4}
        assert "車９平８??" in (tmp_path / "review.txt").read_text("utf-8")

    def test_what_cannot_be_written_is_told(self, app, tmp_path):
        finish(app)
        file_actions.save_review(app.controller, tmp_path / "no" / "review.html")
        text, tone = app.controller.status()
        assert "No such file" in text and tone == "alert"
