"""The analysis: what is asked for, what is shown of the answers, and the process that thinks."""

import threading
import time

import pygame
import pytest

from frames import changed, key, shot, spot
from gui import theme
from gui.actions import Action
from gui.preferences import PREFERENCES
from gui.processes.analysis import Analyse, Analyst, Lines, NoAnalysis, People
from gui.processes.follower import Players
from gui.processes.player import Loaded, Request
from gui.processes.worker import Worker
from gui_players import load
from lm.players.analysing import people, thinker
from lm.players.player import Analysis, Choice, GeneratedAnalysis, Line, Thinker
from lm.players.specs import Spec
from xiangqi import BLACK, NULL_MOVE, RED, Board, Move, parse_square
from xiangqi.engine import Info, Limit, Score, Wdl


def moves(*iccs):
    return tuple(map(Move.from_iccs, iccs))


def line(cp, *iccs, color=RED, rank=1, **options):
    return Line(Info(rank, 7, score=Score(color, cp=cp), nodes=1234, nps=99, pv=moves(*iccs), **options))


LINES = (
    line(35, "h2e2", "h9g7", "h0g2", wdl=Wdl(500, 300, 200)),
    line(10, "c3c4", "g6g5", rank=2),
)
PEOPLE = ((moves("h2e2")[0], 0.6), (moves("b2e2")[0], 0.3), (moves("a0a1")[0], 0.01))


def asked(app):
    return app.controller.worker.analyses[-1]


def answer(app, *reports):
    for report in reports:
        app.controller.worker.report(report)
    app.controller.tick(2.0)


def start(app):
    key(app, "space")
    number = asked(app).number
    answer(app, People(number, PEOPLE), Lines(number, LINES))
    app.frame(2.0)


def point_at(app, text, monkeypatch):
    """Move the pointer to a move of the analysis, by its text."""
    app.frame(2.0)
    view = app.panel.view
    for rect, line_moves, n in view._spots:
        if view.session.scribe.moves(view.analysis.board, line_moves)[n - 1] == text:
            at = rect.center
            monkeypatch.setattr(pygame.mouse, "get_pos", lambda at=at: at)
            app.handle(pygame.Event(pygame.MOUSEMOTION, pos=at, rel=(0, 0), buttons=(0, 0, 0)))
            return at
    raise AssertionError(f"no {text} in the analysis")


class TestAsking:
    def test_space_starts_and_stops_it(self, app):
        key(app, "space")
        assert asked(app).board == app.session.shown
        assert app.panel.view.name == "analysis"
        key(app, "space")
        assert asked(app).board is None
        assert app.controller.analysis.lines == ()

    def test_until_the_first_line_it_says_what_takes_so_long(self, app, written):
        key(app, "space")
        answer(app, People(asked(app).number, PEOPLE))
        app.frame(2.0)
        assert "The first time takes a minute or two." in " ".join(written)
        answer(app, Lines(asked(app).number, LINES))
        app.session.play(Move.from_iccs("h2e2"))
        app.controller.tick(3.0)
        written.clear()
        app.frame(3.0)
        assert "Thinking..." in written

    def test_it_follows_the_position_shown(self, app):
        start(app)
        app.session.play(Move.from_iccs("h2e2"))
        app.controller.tick(3.0)
        assert asked(app).board == app.session.board
        assert app.controller.analysis.lines == ()
        key(app, "left")
        assert asked(app).board == Board()
        count = len(app.controller.worker.analyses)
        app.controller.tick(4.0)
        assert len(app.controller.worker.analyses) == count

    def test_late_answers_are_ignored(self, app):
        start(app)
        number = asked(app).number
        app.session.play(Move.from_iccs("h2e2"))
        app.controller.tick(3.0)
        answer(app, Lines(number, LINES), NoAnalysis(number, "late"))
        assert app.controller.analysis.lines == () and app.controller.analysis.error is None
        key(app, "space")
        answer(app, Lines(asked(app).number, LINES))
        assert app.controller.analysis.lines == ()

    def test_more_and_fewer_lines(self, app):
        key(app, "space")
        for name, count in (("+", 4), ("=", 5), ("-", 4), ("+", 5), ("+", 6), ("+", 6)):
            key(app, name)
            assert asked(app).lines == count
        for _ in range(9):
            key(app, "-")
        assert asked(app).lines == 1

    def test_it_pauses_after_a_set_time_at_each_position(self, app, written):
        app.controller.preferences.set("analysis", 10)
        app.controller.tick(1.5)
        key(app, "space")
        assert asked(app).seconds == 10
        answer(app, Lines(asked(app).number, LINES, finished=True))
        app.frame(2.0)
        analysis = app.controller.analysis
        assert analysis.paused and len(analysis.lines) == 2 and analysis.arrows()
        assert app.controller.label(Action.ANALYSE) == "Go on" and any("paused" in text for text in written)
        app.session.play(Move.from_iccs("h2e2"))
        app.controller.tick(3.0)
        assert asked(app).seconds == 10 and not analysis.paused
        answer(app, Lines(asked(app).number, LINES, finished=True))
        key(app, "space")
        assert asked(app).seconds is None and asked(app).board == app.session.board and not analysis.paused
        key(app, "space")
        assert not analysis.on

    def test_the_settings_offer_times(self, app):
        app.do(Action.SETTINGS)
        shot(app)
        labels = [preference.label(10) for preference in PREFERENCES if preference.name == "analysis"]
        assert labels == ["10 s"]

    def test_threats_are_what_happens_after_a_pass(self, app):
        key(app, "x")
        assert asked(app).board.move_stack == [NULL_MOVE]
        assert asked(app).board.turn == BLACK
        key(app, "x")
        assert asked(app).board == Board()

    def test_in_check_and_after_the_end_there_is_nothing_to_analyse(self, app, written):
        app.session.new("3k5/9/9/9/9/9/9/9/9/3r1K3 w")
        key(app, "x")
        assert asked(app).board is None
        app.frame(2.0)
        assert any("cannot pass" in text for text in written)
        key(app, "x")
        app.session.new("3k5/R8/9/9/9/9/9/9/9/4K4 b")
        app.controller.tick(5.0)
        app.frame(2.0)
        assert asked(app).board is None
        assert any("over here" in text for text in written)

    def test_the_opponent_s_model_thinks_about_it(self):
        player = Spec.parse("lm:temperature=1,model=runs/a")
        assert "model=runs/a" in str(thinker(player, 1, 100)) and str(people(player)) == "lm:model=runs/a"
        assert str(people(Spec.parse("random"))) == "lm"

    def test_a_failure_is_told_in_the_view(self, app, written):
        key(app, "space")
        answer(app, NoAnalysis(asked(app).number, "no such model"))
        app.frame(2.0)
        assert any("no such model" in text for text in written)

    def test_m_lets_the_player_move_now(self, open_board):
        app = open_board(humans="red")
        app.session.play(Move.from_iccs("h2e2"))
        app.controller.tick(1.0)
        app.controller.opponents.loaded = app.controller.opponents.spec
        key(app, "m")
        assert app.controller.worker.hurried == [app.session.generation]


class TestShowing:
    def test_scores_lines_and_what_people_play_are_written(self, app, written):
        start(app)
        for text in ("+0.35", "+0.10", "炮二平五", "馬８進７", "兵七進一", "60%", "30%", "1%"):
            assert text in written, text
        assert any("1,234 nodes" in text for text in written)
        assert any("Red wins 50%, draw 30%, Black wins 20%" in text for text in written)

    def test_scores_are_reds_whoever_moves(self, app, written):
        app.session.play(Move.from_iccs("h2e2"))
        key(app, "space")
        mate = Line(Info(1, 7, score=Score(BLACK, mate=2), pv=moves("h9g7")))
        answer(app, Lines(asked(app).number, (line(50, "h9g7", color=BLACK), mate)))
        app.frame(2.0)
        assert "-0.50" in written and "#-2" in written

    def test_arrows_for_the_best_and_for_people(self, app):
        app.controller.analysis.toggle()
        before = shot(app)
        app.controller.analysis.toggle()
        start(app)
        both = changed(app, before, shot(app), 0.3)
        assert {"g2", "e2", "c4", "d2"} <= both and "a1" not in both  # hardly anyone plays a0a1
        key(app, "a")
        people = changed(app, before, shot(app), 0.3)
        assert "c4" not in people and "d2" in people
        key(app, "h")
        assert changed(app, before, shot(app), 0.3) == set()

    def test_the_bar_shows_the_chances_from_the_lower_side(self, app):
        start(app)
        bar = app.layout.bar
        column = lambda: shot(app)[bar.centerx, bar.top + 8 : bar.bottom - 8]  # noqa: E731
        share = lambda color: (abs(column() - color).max(-1) < 12).mean()  # noqa: E731
        assert share(theme.WIN) == pytest.approx(0.5, abs=0.03)
        assert share(theme.LOSS) == pytest.approx(0.2, abs=0.03)
        assert tuple(column()[-1]) == theme.WIN
        key(app, "f")
        assert tuple(column()[0]) == theme.WIN
        key(app, "space")
        assert share(theme.WIN) == 0

    def test_pointing_at_a_move_plays_the_line_on_the_board(self, app, monkeypatch):
        start(app)
        point_at(app, "馬８進７", monkeypatch)
        board, last = app.controller.analysis.preview()
        assert board.piece_at(parse_square("e2")).symbol() == "C" and last == Move.from_iccs("h9g7")
        app.frame(3.0)
        assert app.view.cells == tuple(board.cells.tolist())
        assert app.session.viewed == 0
        app.handle(pygame.Event(pygame.MOUSEMOTION, pos=spot(app, "e5"), rel=(0, 0), buttons=(0, 0, 0)))
        app.frame(4.0)
        assert app.view.cells == tuple(Board().cells.tolist())

    @pytest.mark.parametrize("away", ["tab", "menu", "window"])
    def test_the_board_shows_the_game_again_when_the_pointer_is_elsewhere(self, app, monkeypatch, away):
        start(app)
        point_at(app, "馬８進７", monkeypatch)
        assert app.controller.analysis.preview() is not None
        if away == "window":
            app.handle(pygame.Event(pygame.WINDOWLEAVE))
        else:
            key(app, {"tab": "tab", "menu": "f10"}[away])
        assert app.controller.analysis.preview() is None

    def test_the_wheel_over_a_move_steps_along_the_line(self, app, monkeypatch):
        def wheel(y):
            app.handle(pygame.Event(pygame.MOUSEWHEEL, x=0, y=y))
            board, last = app.controller.analysis.preview()
            return len(board.move_stack), last.iccs

        start(app)
        point_at(app, "馬８進７", monkeypatch)
        assert wheel(-1) == (3, "h0g2")
        assert wheel(-1) == (3, "h0g2")  # there are no more
        assert [wheel(1), wheel(1), wheel(1)] == [(2, "h9g7"), (1, "h2e2"), (1, "h2e2")]
        app.frame(3.0)
        assert app.session.viewed == 0

    def test_a_line_of_another_position_is_not_added(self, app, monkeypatch):
        """As a click right after the wheel, before the line is drawn anew."""
        start(app)
        at = point_at(app, "馬８進７", monkeypatch)
        app.session.explore(moves("b2b9"))
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=at, button=1))
        assert [node.move for node in app.session.table.game.walk()] == [*moves("b2b9")]
        app.controller.tick(3.0)
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=at, button=1))
        assert [node.move for node in app.session.table.game.walk()] == [*moves("b2b9")]

    def test_a_click_adds_the_line_to_the_tree(self, app, monkeypatch):
        app.session.play(Move.from_iccs("b2e2"))
        app.controller.tick(1.0)
        key(app, "left")
        start(app)
        at = point_at(app, "馬８進７", monkeypatch)
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=at, button=1))
        assert [node.move.iccs for node in app.session.node.line()] == ["h2e2", "h9g7"]
        assert len(app.session.table.game.variations) == 2

    def test_lines_are_written_in_the_notation_chosen(self, app, written):
        start(app)
        key(app, "w")
        app.frame(3.0)
        assert "C2=5" in written and "H8+7" in written


class Deep(Thinker):
    """Analyses until it is stopped."""

    name = "deep"

    def __init__(self):
        self.started, self.stopped = threading.Event(), []

    def choose(self, boards, limits=None):
        return [Choice(b.legal_moves[0], candidates=tuple((m, 0.02) for m in b.legal_moves)) for b in boards]

    def analyse(self, board, limit=None, multipv=1):
        if limit is not None:
            return Brief(board, multipv)
        return Endless(self, board, multipv)


class Brief(GeneratedAnalysis):
    """The short search at first."""

    def __init__(self, board, multipv):
        super().__init__(board, Limit(), multipv)

    def _generate(self):
        self._lines = [Line(Info(n + 1, pv=(move,))) for n, move in enumerate(self.board.legal_moves[: self._count])]
        yield from self._lines


class Endless(Analysis):
    def __init__(self, player, board, multipv):
        self.board, self._player, self._count, self._end = board, player, multipv, threading.Event()

    @property
    def lines(self):
        return [Line(Info(n + 1, pv=(move,))) for n, move in enumerate(self.board.legal_moves[: self._count])]

    def stop(self):
        self._end.set()

    def __iter__(self):
        self._player.started.set()
        while not self._end.wait(0.01):
            yield self.lines[0]
        self._player.stopped.append(time.monotonic())


class TestThread:
    def run(self, player):
        reports = []
        return Analyst(Players(lambda spec: player), reports.append), reports

    def wait(self, condition):
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.005)

    def test_people_first_then_lines_until_it_is_stopped(self):
        player = Deep()
        analyst, reports = self.run(player)
        analyst.ask(Analyse(1, Board(), "search", "lm", 2))
        self.wait(lambda: len(reports) >= 3)
        assert isinstance(reports[0], People) and len(reports[0].candidates) == 8
        assert len(reports[1].lines) == 2 and not reports[1].finished
        analyst.ask(Analyse(2))
        self.wait(lambda: player.stopped)
        count = len(reports)
        time.sleep(0.15)
        assert len(reports) == count

    def test_another_position_replaces_the_last(self):
        player = Deep()
        analyst, reports = self.run(player)
        for number in range(1, 6):
            player.started.clear()
            analyst.ask(Analyse(number, Board(), "search", "", 1))
            assert player.started.wait(20)
        self.wait(lambda: any(report.number == 5 for report in reports))
        assert len(player.stopped) == 4
        after = reports.index(next(report for report in reports if report.number == 5))
        assert all(report.number == 5 for report in reports[after:])
        analyst.ask(Analyse(6))

    def test_a_player_that_cannot_analyse_is_told(self):
        reports = []
        analyst = Analyst(Players(load), reports.append)
        analyst.ask(Analyse(1, Board(), "quick"))
        self.wait(lambda: reports)
        assert reports == [NoAnalysis(1, "quick cannot analyse")]
        analyst.ask(Analyse(2, Board(), "unknown"))
        self.wait(lambda: len(reports) == 2)
        assert reports[1].message == "no player 'unknown'"


class TestProcess:
    @pytest.fixture
    def worker(self):
        self.ready = threading.Semaphore(0)
        worker = Worker(load, self.ready.release)
        yield worker
        worker.close()

    def next(self, worker):
        assert self.ready.acquire(timeout=60)
        return worker.poll()

    def test_it_analyses_while_the_player_thinks(self, worker, tmp_path):
        worker.ask(Request(f"patient:{tmp_path / 'note'}", 1, board=Board()))
        assert isinstance(self.next(worker), Loaded)
        worker.analyse(Analyse(1, Board(), "analyst", "quick"))
        assert isinstance(self.next(worker), People)
        assert self.next(worker).lines[0].info.pv
        worker.analyse(Analyse(2))
        worker.move_now(1)
        report = self.next(worker)
        while not hasattr(report, "choice"):
            report = self.next(worker)
        assert report.generation == 1

    def test_a_stop_before_anything_starts_no_process(self, worker):
        worker.analyse(Analyse(1))
        assert worker.pid is None

    def test_a_crash_ends_the_analysis_with_a_report(self, worker):
        worker.analyse(Analyse(1, Board(), "crashes", "crashes"))
        report = self.next(worker)
        assert isinstance(report, NoAnalysis) and "SIGKILL" in report.message

    def test_it_goes_on_after_a_stubborn_player_was_ended(self, worker, tmp_path):
        note = tmp_path / "note"
        worker.ask(Request(f"stubborn:{note}", 1, board=Board()))
        assert isinstance(self.next(worker), Loaded)
        end = time.monotonic() + 30
        while not note.exists() and time.monotonic() < end:
            time.sleep(0.01)
        worker.analyse(Analyse(7, Board(), "analyst"))
        first = worker.pid
        assert self.next(worker).number == 7
        worker.ask(Request("quick", 2))
        report = self.next(worker)
        while not isinstance(report, Loaded):
            report = self.next(worker)
        while not isinstance(report, Lines) or worker.pid == first:
            report = self.next(worker)
        assert report.number == 7


class TestActions:
    def test_switches_say_whether_they_are_on(self, app):
        controller = app.controller
        assert controller.ticked(Action.BEST_ARROWS) and not controller.ticked(Action.ANALYSE)
        key(app, "space")
        key(app, "a")
        assert controller.ticked(Action.ANALYSE) and not controller.ticked(Action.BEST_ARROWS)
