"""Teaching: a mistake is shown with what follows, and may be taken back before the opponent answers."""

import threading

import pygame
import pytest

from frames import shot
from gui.actions import Action
from gui.processes.follower import Players
from gui.processes.teaching import Considered, Judge, JudgeMove, MoveJudged, NotJudged
from gui.teaching import PACE, PAUSE
from lm.matches.clocks import Clocks
from lm.matches.table import HUMANS
from lm.players.player import Choice, GeneratedAnalysis, Line, Thinker
from lm.study.review import Judged, Point
from xiangqi import BLACK, RED, STARTING_FEN, Board, Move
from xiangqi.engine import Info, Score, Wdl

BAD = Move.from_iccs("h2h9")
WHY = tuple(map(Move.from_iccs, ("i9h9", "h0g2", "h9h8")))


class Answers:
    """Plays the pawn on file i, at once."""

    name = "answers"

    def choose(self, boards):
        return [Choice(Move.from_iccs("i6i5")) for _ in boards]

    def close(self):
        pass


@pytest.fixture
def table(seat):
    table = seat(Answers())
    table.controller.do(Action.TEACH)
    table.tick(6)  # the notice is gone
    return table


def asked(table):
    return table.worker.judgements[-1]


def point(ply, value, line=()):
    return Point(ply, RED if ply % 2 == 0 else BLACK, value, None, line, (), None, None)


def judge(table, move, after):
    """Report that Red could expect 0.5 before the move, and so much after it."""
    number = asked(table).number
    judged = Judged(point(0, 0.5, (Move.from_iccs("h2e2"),)), point(1, after, WHY), move)
    table.worker.report(Considered(number, judged.before))
    table.worker.report(MoveJudged(number, judged))
    table.tick(0.01)


class TestAsking:
    def test_the_position_is_looked_at_while_the_person_thinks(self, table):
        request = asked(table)
        assert (request.board.fen(), request.move) == (STARTING_FEN, None)
        before = point(0, 0.52, (BAD,))
        table.worker.report(Considered(request.number, before))
        table.tick()
        table.play("h2h9")
        table.tick()
        request = asked(table)
        assert (request.board.fen(), request.move, request.before) == (STARTING_FEN, BAD, before)
        assert table.controller.status()[0] == "Looking at your move... Enter goes on without waiting."

    def test_only_the_persons_moves_are_judged(self, table):
        table.play("c3c4")
        table.tick()
        judge(table, Move.from_iccs("c3c4"), 0.5)
        table.wait(lambda: len(table.moves) == 2)
        table.tick()
        assert asked(table).move is None and asked(table).board.ply == 2

    def test_nothing_is_judged_with_a_clock_or_two_persons_or_when_it_is_off(self, table):
        count = len(table.worker.judgements)
        table.session.begin(STARTING_FEN, HUMANS["both"])
        table.tick()
        table.session.begin(STARTING_FEN, HUMANS["red"], Clocks.parse("60"))
        table.tick()
        table.controller.do(Action.TEACH)
        table.session.begin(STARTING_FEN, HUMANS["red"])
        table.tick()
        table.play("h2h9")
        table.tick()
        assert all(request.idle for request in table.worker.judgements[count:])
        table.wait(lambda: len(table.moves) == 2)

    @pytest.mark.parametrize(
        ("humans", "clocks", "said"),
        [
            ("red", "-", "Your moves are judged"),
            ("both", "-", "On, but only games of one person"),
            ("red", "60", "Moves are not judged while a clock runs"),
        ],
    )
    def test_it_says_whether_this_game_is_judged(self, table, humans, clocks, said):
        table.session.begin(STARTING_FEN, HUMANS[humans], Clocks.parse(clocks))
        table.controller.do(Action.TEACH)
        assert "no longer judged" in table.controller.status()[0]
        table.controller.do(Action.TEACH)
        assert table.controller.status()[0].startswith(said)

    def test_it_is_kept_in_the_settings(self, table):
        assert table.settings.get("teaching", "off") == "on" and table.controller.ticked(Action.TEACH)


class TestOffering:
    def play_badly(self, table):
        table.play("h2h9")
        table.tick()
        judge(table, BAD, 0.2)

    def test_a_mistake_is_held_until_it_is_taken_back(self, table):
        self.play_badly(table)
        for _ in range(20):
            table.tick()
        assert table.moves == ["h2h9"] and "loses much" in table.controller.status()[0]
        table.controller.do(Action.UNDO)
        table.tick()
        assert table.moves == [] and table.controller.teacher.offered is None
        table.play("c3c4")
        table.tick()
        judge(table, Move.from_iccs("c3c4"), 0.49)
        table.wait(lambda: table.moves == ["c3c4", "i6i5"])

    def test_the_opponent_answers_when_it_is_let_stand(self, table):
        self.play_badly(table)
        assert table.controller.enabled(Action.LET_STAND)
        table.controller.do(Action.LET_STAND)
        table.wait(lambda: table.moves == ["h2h9", "i6i5"])
        assert not table.controller.enabled(Action.LET_STAND)

    def test_a_move_need_not_be_judged(self, table):
        table.play("h2h9")
        table.tick()
        number = asked(table).number
        table.controller.do(Action.LET_STAND)
        table.worker.report(MoveJudged(number, Judged(point(0, 0.5, WHY), point(1, 0.1, WHY), BAD)))
        table.wait(lambda: table.moves == ["h2h9", "i6i5"])
        assert table.controller.teacher.offered is None

    @pytest.mark.parametrize(("after", "offered"), [(0.39, True), (0.41, False), (0.6, False)])
    def test_a_mistake_is_a_tenth_of_the_winning_chances(self, table, after, offered):
        table.play("h2h9")
        table.tick()
        judge(table, BAD, after)
        assert (table.controller.teacher.offered is not None) == offered

    def test_a_judgement_that_fails_holds_nothing_up(self, table):
        table.play("h2h9")
        table.tick()
        table.worker.report(NotJudged(asked(table).number, "no weights"))
        table.tick()
        assert "no weights" in table.controller.status()[0]
        table.wait(lambda: len(table.moves) == 2)

    def test_a_late_judgement_is_of_no_account(self, table):
        table.play("h2h9")
        table.tick()
        number = asked(table).number
        table.session.undo()
        table.tick()
        table.worker.report(MoveJudged(number, Judged(point(0, 0.5, WHY), point(1, 0.1, WHY), BAD)))
        table.tick()
        assert table.controller.teacher.offered is None

    def test_turning_it_off_lets_the_move_stand(self, table):
        self.play_badly(table)
        table.controller.do(Action.TEACH)
        table.wait(lambda: len(table.moves) == 2)


class TestShowing:
    @pytest.fixture
    def app(self, open_board):
        app = open_board(humans="red", size=(1000, 760))
        app.do(Action.TEACH)
        app.controller.tick(1.0)
        app.session.play(BAD)
        app.controller.tick(2.0)
        number = app.controller.worker.judgements[-1].number
        judged = Judged(point(0, 0.5, (Move.from_iccs("h2e2"),)), point(1, 0.2, WHY), BAD)
        app.controller.worker.report(MoveJudged(number, judged))
        app.controller.tick(3.0)
        return app

    def cells(self, app, now):
        app.controller.tick(now)
        app.frame(now)
        return app.view.cells

    def positions(self):
        board = Board()
        for move in (BAD, *WHY):
            board.push(move)
            yield tuple(board.cells.tolist())

    def test_the_board_shows_what_follows_move_by_move_and_then_the_game(self, app):
        game, *follows = self.positions()
        times = [3.0 + PACE * n for n in range(3)]
        assert [self.cells(app, now) for now in times] == follows
        assert app.controller.teacher.due == pytest.approx(3.0 + 3 * PACE + PAUSE)
        assert self.cells(app, 3.0 + 3 * PACE + PAUSE) == game

    def test_the_window_wakes_for_each_move(self, app):
        app.controller.tick(3.0)
        assert app.controller.patience() == pytest.approx(PACE)

    def test_a_press_on_the_board_ends_it_and_one_on_the_line_repeats_it(self, app):
        game, first, *_ = self.positions()
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=app.layout.plate.center, button=1))
        assert self.cells(app, 3.5) == game
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=app.panel.teaching._line.center, button=1))
        assert self.cells(app, 3.6) == first

    def test_the_panel_says_what_it_costs_and_what_follows(self, app, monkeypatch):
        written = []
        monkeypatch.setattr("gui.widgets.write", lambda screen, text, *rest: written.append(text))
        shot(app, now=3.0 + 3 * PACE)
        said = " ".join(written)
        assert "50% → 20%" in said and "blunder" in said
        assert "車９平８" in said

    @pytest.mark.parametrize(("choice", "plies"), [(0, 0), (1, 1)])
    def test_its_buttons_take_the_move_back_or_let_it_stand(self, app, choice, plies):
        assert app.panel.view is app.panel.teaching
        rect = app.panel.teaching.buttons(app.layout, app.layout.view)[choice]
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=rect.center, button=1))
        app.controller.tick(4.0)
        assert app.session.board.ply == plies
        assert app.controller.teacher.offered is None and app.panel.view is app.panel.moves


class Even(Thinker):
    """Expects 0.5 of a position, and 0.9 for Black after the move to e2."""

    name = "even"

    def __init__(self):
        self.asked = []

    def choose(self, boards, limits=None):
        raise NotImplementedError

    def analyse(self, board, limit=None, multipv=1):
        self.asked.append((board.fen(), limit))
        return Once(board, limit, multipv)


class Once(GeneratedAnalysis):
    def _generate(self):
        lost = bool(self.board.move_stack)
        info = Info(score=Score(self.board.turn, cp=0), wdl=Wdl(900, 0, 100) if lost else Wdl(500, 0, 500))
        self._lines = [Line(Info(score=info.score, wdl=info.wdl, pv=(self.board.legal_moves[0],)))]
        yield from self._lines


class TestThread:
    def test_a_move_is_judged_by_the_position_before_it_and_after_it(self):
        thinker, reports, done = Even(), [], threading.Semaphore(0)
        judge = Judge(Players(lambda spec: thinker), lambda report: (reports.append(report), done.release()))
        judge.ask(JudgeMove(1, Board(), None, None, "even"))
        assert done.acquire(timeout=30)
        judge.ask(JudgeMove(2, Board(), Move.from_iccs("h2e2"), reports[0].point, "even"))
        assert done.acquire(timeout=30) and done.acquire(timeout=30)
        assert [type(report) for report in reports] == [Considered, Considered, MoveJudged]
        assert reports[2].judged.lost == pytest.approx(0.4)
        assert len(thinker.asked) == 2  # the position before it was not looked at again

    def test_a_player_that_cannot_judge_is_told(self):
        reports, done = [], threading.Event()
        judge = Judge(Players(lambda spec: Answers()), lambda report: (reports.append(report), done.set()))
        judge.ask(JudgeMove(1, Board(), BAD, None, "answers"))
        assert done.wait(30)
        assert isinstance(reports[0], NotJudged) and "cannot judge" in reports[0].message
