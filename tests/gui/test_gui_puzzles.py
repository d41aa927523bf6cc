"""The room of the puzzles: hints, wrong moves, retries, only failed ones, and progress that is kept."""

import json
import signal
import threading

import pygame
import pytest

from frames import changed, key, shot
from gui.actions import Action
from gui.processes.puzzles import Begin, NoPuzzle, Play, Standing, Trainer
from gui.puzzles import PACE, Puzzler
from gui.sheets.puzzles import PuzzleSheet
from lm.study.puzzles import Record, read_puzzles
from xiangqi import Board, square_name


def answered(app):
    """Wait until the last message is answered and the reply is seen."""
    puzzles = app.controller.puzzles
    app.table.wait(lambda: not puzzles.waiting and puzzles.due == float("inf"))


def written(app, monkeypatch):
    from gui import theme

    lines = []
    draw = theme.text
    monkeypatch.setattr(theme, "text", lambda string, *options: lines.append(string) or draw(string, *options))
    shot(app)
    monkeypatch.setattr(theme, "text", draw)
    return lines


def spot(app, square):
    return tuple(map(round, app.layout.point(square, app.controller.puzzles.solver)))


def click(app, *squares):
    for square in squares:
        for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            app.handle(pygame.Event(kind, pos=spot(app, square), button=1))


def press(app, name):
    rect = app.overlay._buttons(app.layout)[name]
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        app.handle(pygame.Event(kind, pos=rect.center, button=1))


def puzzle_of(app):
    return app.table.puzzler._trainer._session.puzzle


def wrong_move(app):
    """Return a move that does not begin a mate by checks."""
    board, solution = Board(puzzle_of(app).fen), puzzle_of(app).moves[0]
    for move in board.legal_moves:
        board.push(move)
        quiet = not board.is_check() and not board.is_checkmate() and board.legal_moves
        board.pop()
        if quiet and move is not solution:
            return move
    raise AssertionError("every move gives check")


def results(app):
    return Record.load(app.table.record_path).results


@pytest.fixture(scope="module")
def few():
    """A puzzle of two moves, one of one move, and another of two, none with more than one mate."""
    puzzles = read_puzzles()
    return [puzzle for puzzle in puzzles if puzzle.mate == 2][:2] + [p for p in puzzles if p.mate == 1][:1]


@pytest.fixture
def app(open_board, few, monkeypatch):
    monkeypatch.setattr("lm.study.puzzles.read_puzzles", lambda: few[:1])
    app = open_board(size=(1000, 760))
    key(app, "f5")
    answered(app)
    return app


@pytest.fixture
def three(open_board, few, monkeypatch):
    monkeypatch.setattr("lm.study.puzzles.read_puzzles", lambda: few)
    app = open_board(size=(1000, 760))
    key(app, "f5")
    answered(app)
    return app


class TestSolving:
    def test_the_solver_is_at_the_lower_edge_and_is_told_the_task(self, app, few, monkeypatch):
        assert isinstance(app.overlay, PuzzleSheet)
        scene = app.overlay.scene(app.layout, (1, 1))
        assert scene.bottom == few[0].turn and scene.cells == Board(few[0].fen).cells.tolist()
        lines = written(app, monkeypatch)
        side = "Black" if few[0].turn else "Red"
        assert f"{side} to move: mate in 2" in lines and f"Grade {few[0].grade} of 10" in lines

    def test_the_right_moves_solve_it_and_the_reply_is_seen_a_little_later(self, app, few, monkeypatch):
        first, reply, last = few[0].moves
        click(app, first.from_square, first.to_square)
        puzzles = app.controller.puzzles
        while puzzles.waiting:
            app.table.tick(0.001)
        assert puzzles.moves == (first,) and not puzzles.awaits
        assert app.controller.patience() == pytest.approx(PACE)
        app.table.tick(PACE)
        assert puzzles.moves == (first, reply) and "Right. Go on." in written(app, monkeypatch)
        click(app, last.from_square, last.to_square)
        answered(app)
        assert "Solved!" in written(app, monkeypatch)
        assert results(app) == {few[0].key: True}

    def test_a_wrong_move_is_told_and_taken_back_with_a_key(self, app, few, monkeypatch):
        move = wrong_move(app)
        click(app, move.from_square, move.to_square)
        answered(app)
        assert "Not that move. U takes it back." in written(app, monkeypatch)
        assert app.controller.puzzles.moves == (move,)
        click(app, few[0].moves[0].from_square)
        assert app.controller.puzzles.selected is None
        key(app, "u")
        answered(app)
        assert app.controller.puzzles.moves == ()
        for own in few[0].moves[::2]:
            click(app, own.from_square, own.to_square)
            answered(app)
        assert "Solved in the end; it counts as failed." in " ".join(written(app, monkeypatch))
        assert results(app) == {few[0].key: False}

    def test_a_piece_is_dragged(self, app, few):
        move = few[0].moves[0]
        app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=spot(app, move.from_square), button=1))
        app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=spot(app, move.to_square), button=1))
        answered(app)
        assert app.controller.puzzles.moves == few[0].moves[:2]

    def test_each_move_is_heard(self, app, few, monkeypatch):
        heard = []
        monkeypatch.setattr(app.sounds, "play", heard.append)
        shot(app)
        click(app, few[0].moves[0].from_square, few[0].moves[0].to_square)
        while app.controller.puzzles.waiting:
            app.table.tick(0.001)
        shot(app)
        assert heard == ["check"]
        answered(app)
        shot(app)
        key(app, "return")
        answered(app)
        shot(app)
        assert len(heard) == 2

    def test_an_illegal_point_plays_nothing(self, app, few):
        start = few[0].moves[0].from_square
        targets = {move.to_square for move in Board(few[0].fen).legal_moves if move.from_square == start}
        click(app, start, next(square for square in range(90) if square not in targets and square != start))
        assert [message for message in app.table.puzzler.sent if isinstance(message, Play)] == []


class TestHelp:
    def test_a_hint_shows_the_piece_then_the_square(self, app, few, monkeypatch):
        move, before = few[0].moves[0], shot(app)
        key(app, "q")
        answered(app)
        hinted = changed(app_of(app, few[0].turn), before, shot(app), 0.35)
        assert square_name(move.from_square) in hinted and square_name(move.to_square) not in hinted
        assert "It is this piece." in written(app, monkeypatch) and results(app) == {}
        key(app, "q")
        answered(app)
        hinted = changed(app_of(app, few[0].turn), before, shot(app), 0.4)
        assert square_name(move.to_square) in hinted
        assert not app.overlay.enabled("hint") and app.overlay.enabled("solve")  # there is no third one
        assert "It goes there." in written(app, monkeypatch) and results(app) == {few[0].key: False}

    def test_the_solution_is_told_with_its_game(self, app, few, monkeypatch):
        key(app, "q")
        answered(app)
        press(app, "solve")
        answered(app)
        style = app.session.scribe.style
        assert not {"It is this piece.", "Find the move."} & set(written(app, monkeypatch))
        text = " ".join(written(app, monkeypatch))
        assert all(move in text for move in style.line(Board(few[0].fen), few[0].moves))
        assert few[0].event.replace(" ", "") in text.replace(" ", "") and "By the model" in text
        assert results(app) == {few[0].key: False}

    def test_it_is_analysed_on_the_board_once_the_game_is_given_up(self, app, few):
        app.session.play(app.session.board.legal_moves[0])
        key(app, "space")
        assert app.overlay is not None and app.session.board.ply == 1
        key(app, "space")
        assert app.overlay is None and app.session.start_fen == few[0].fen
        assert app.controller.analysis.on


def app_of(app, bottom):
    """Turn the game's board, by which the helpers of the tests find squares, as the puzzle's."""
    app.session.bottom = bottom
    return app


class TestSession:
    def solve(self, app):
        for move in puzzle_of(app).moves[::2]:
            click(app, move.from_square, move.to_square)
            answered(app)

    def fail(self, app):
        key(app, "s")
        answered(app)

    def test_the_next_one_by_a_key_until_none_is_left(self, three, few, monkeypatch):
        keys = set()
        for _ in range(3):
            keys.add(puzzle_of(three).key)
            self.solve(three)
            key(three, "return")
            answered(three)
        assert keys == {puzzle.key for puzzle in few}
        lines = written(three, monkeypatch)
        assert "You have tried all puzzles." in lines and "Solved 3, failed 0" in lines
        assert not three.overlay.enabled("next") and three.overlay.enabled("switch")

    def test_only_failed_ones_again(self, three, monkeypatch):
        failed = puzzle_of(three).key
        self.fail(three)
        key(three, "return")
        answered(three)
        self.solve(three)
        press(three, "switch")
        answered(three)
        assert puzzle_of(three).key == failed
        self.solve(three)
        assert results(three)[failed]
        key(three, "n")
        answered(three)
        assert "No failed puzzle is left." in written(three, monkeypatch)

    def test_it_goes_on_where_one_left_it(self, three):
        at = puzzle_of(three).key
        key(three, "escape")
        assert three.overlay is None
        key(three, "f5")
        answered(three)
        assert puzzle_of(three).key == at
        assert [message for message in three.table.puzzler.sent if isinstance(message, Begin)] == [Begin()]

    def test_the_game_goes_on_behind_it(self, three):
        three.session.play(three.session.board.legal_moves[0])
        three.table.tick()
        assert isinstance(three.overlay, PuzzleSheet) and three.session.board.ply == 1

    def test_what_was_tried_is_remembered_tomorrow(self, three, few):
        self.solve(three)
        tried = puzzle_of(three).key
        trainer = Trainer(three.table.record_path, lambda report: None)
        trainer.serve(Begin())
        assert tried not in {puzzle.key for puzzle in (*trainer._session._waiting, trainer._session.puzzle)}

    def test_a_damaged_record_is_told_and_left_alone(self, open_board, monkeypatch):
        app = open_board(size=(1000, 760))
        app.table.record_path.write_text(json.dumps({"version": 99}))
        app.do(Action.PUZZLES)
        app.table.wait(lambda: app.controller.puzzles.error)
        assert "not a record of puzzles" in app.controller.puzzles.error
        assert "The puzzles:" in " ".join(written(app, monkeypatch))
        assert json.loads(app.table.record_path.read_text()) == {"version": 99}


def test_in_a_process_of_its_own(tmp_path):
    ready = threading.Semaphore(0)
    puzzler = Puzzler(ready.release, tmp_path / "puzzles.json")
    try:
        puzzler.send(Begin())
        assert ready.acquire(timeout=120)
        standing = puzzler.poll()
        assert isinstance(standing, Standing) and standing.phase == "begun" and standing.left == 931
        puzzler._process.popen.send_signal(signal.SIGTERM)
        assert ready.acquire(timeout=60)
        assert isinstance(puzzler.poll(), NoPuzzle)
    finally:
        puzzler.close()
