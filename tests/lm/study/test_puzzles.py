from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lm import UserError
from lm.dataset.positions import keys_of
from lm.model.encoding import GameMoves
from lm.study.puzzles import DOWN, GRADES, UP, Puzzle, Record, Session, read_puzzles
from xiangqi import Board, IllegalMoveError, Move, load

ROOT = Path(__file__).parents[3]
MATE_IN_2 = "3k5/9/9/9/9/9/9/R8/1R7/5K3 w - - 0 1"


def puzzle(fen: str = MATE_IN_2, moves: str = "b1d1 d9e9 a2e2", mate: int | None = 2, grade: int = 1) -> Puzzle:
    return Puzzle(fen, None, tuple(Board.from_moves(moves, fen).move_stack), mate, grade, 0.5, True)


def play(session: Session, *moves: str) -> list[str]:
    return [session.play(Move.from_iccs(move)) for move in moves]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record.load(tmp_path / "data" / "puzzles.json")


@pytest.fixture(scope="module")
def shipped() -> list[Puzzle]:
    return read_puzzles()


class TestShipped:
    def test_there_are_enough_of_every_grade(self, shipped: list[Puzzle]) -> None:
        assert len(shipped) >= 900
        assert set(Counter(puzzle.grade for puzzle in shipped)) == set(range(1, GRADES + 1))
        assert len({puzzle.key for puzzle in shipped}) == len(shipped)

    def test_grades_follow_the_chance_of_finding_the_solution(self, shipped: list[Puzzle]) -> None:
        chances = [
            np.mean([puzzle.chance for puzzle in shipped if puzzle.grade == grade]) for grade in range(1, GRADES + 1)
        ]
        assert chances == sorted(chances, reverse=True)

    def test_mates_end_in_mate_and_check_all_the_way(self, shipped: list[Puzzle]) -> None:
        for puzzle in shipped:
            board = Board(puzzle.fen)
            for ply, move in enumerate(puzzle.moves):
                board.push(move)
                if puzzle.mate is not None and ply % 2 == 0:
                    assert board.is_check(), puzzle
            if puzzle.mate is not None:
                assert board.is_checkmate(), puzzle
                assert len(puzzle.moves) == 2 * puzzle.mate - 1

    def test_none_is_in_the_frozen_list_or_in_games_held_out(self, shipped: list[Puzzle]) -> None:
        keys = set(keys_of([GameMoves.of(Board(puzzle.fen)) for puzzle in shipped]).tolist())
        frozen = [GameMoves.of(game.board()) for game in load(ROOT / "benchmarks" / "puzzles.jsonl")]
        assert not keys & set(keys_of(frozen).tolist())

    def test_the_last_move_is_that_of_the_other_side(self, shipped: list[Puzzle]) -> None:
        for puzzle in shipped[:200]:
            assert puzzle.last is not None
            moved = Board(puzzle.fen).piece_at(puzzle.last.to_square)
            assert moved is not None
            assert moved.color == 1 - puzzle.turn


class TestSession:
    def test_a_solution(self, record: Record) -> None:
        session = Session([puzzle()], record)
        assert session.next() == puzzle()
        assert play(session, "b1d1") == ["right"]
        assert [move.iccs for move in session.board.move_stack] == ["b1d1", "d9e9"]
        assert play(session, "a2e2") == ["solved"]
        assert Record.load(record.path).results == {puzzle().key: True}
        assert session.next() is None

    def test_a_wrong_move_fails_and_can_be_taken_back(self, record: Record) -> None:
        session = Session([puzzle()], record)
        session.next()
        assert play(session, "f0f1") == ["wrong"]
        with pytest.raises(ValueError, match="no move is expected"):
            play(session, "b1d1")
        session.retry()
        assert play(session, "b1d1", "a2e2") == ["right", "solved"]
        assert session.failed
        assert Record.load(record.path).results == {puzzle().key: False}

    def test_another_mate_as_quick_is_right(self, record: Record) -> None:
        session = Session([puzzle()], record)
        session.next()
        assert play(session, "a2d2") == ["right"]
        assert [move.iccs for move in session.board.move_stack] == ["a2d2", "d9e9"]
        assert play(session, "b1e1") == ["solved"]
        assert not session.failed

    def test_an_illegal_move(self, record: Record) -> None:
        session = Session([puzzle()], record)
        session.next()
        with pytest.raises(IllegalMoveError):
            play(session, "a0a1")
        assert not session.failed

    def test_the_first_hint_is_the_piece_and_the_second_the_square(self, record: Record) -> None:
        session = Session([puzzle()], record)
        session.next()
        first, move = session.hint(), Move.from_iccs("b1d1")
        assert (first.piece, first.target, session.failed) == (move.from_square, None, False)
        second = session.hint()
        assert (second.piece, second.target, session.failed) == (move.from_square, move.to_square, True)
        play(session, "b1d1")
        assert session.hint().target is None

    def test_only_failed_ones_again(self, record: Record) -> None:
        others = [puzzle(), puzzle("3k5/9/9/9/9/9/R8/9/1R7/5K3 w - - 0 1", "b1d1 d9e9 a3e3")]
        session = Session(others, record, seed=1)
        failed = session.next()
        assert failed is not None
        play(session, "f0f1")
        other = session.next()
        assert other is not None
        assert session.play(other.moves[0]) == "right"
        assert session.play(other.moves[2]) == "solved"
        again = Session(others, Record.load(record.path), only_failed=True)
        assert again.left == 1
        assert again.next() == failed
        again.play(failed.moves[0])
        again.play(failed.moves[2])
        assert Session(others, record, only_failed=True).left == 1  # that record was read before
        assert Session(others, Record.load(record.path), only_failed=True).left == 0
        assert Session(others, Record.load(record.path)).left == 0

    def test_the_grade_follows_the_solver(self, record: Record) -> None:
        for _ in range(UP):
            record.note(puzzle(), True)
        assert record.grade == 2
        for _ in range(DOWN):
            record.note(puzzle(), False)
        assert record.grade == 1

    def test_the_nearest_grade_comes_next(self, record: Record) -> None:
        graded = [puzzle(f"3k5/9/9/9/9/9/9/R8/1R7/5K3 {turn}", "", grade=grade) for turn, grade in (("w", 9), ("b", 4))]
        record.grade = 5
        found = Session(graded, record).next()
        assert found is not None
        assert found.grade == 4

    def test_the_solution_can_be_looked_up(self, record: Record) -> None:
        session = Session([puzzle()], record)
        session.next()
        assert session.solution() == puzzle().moves
        assert session.failed


class TestFiles:
    @pytest.mark.parametrize("text", ["[]", "{", '{"version": 9}', '{"version": 1, "grade": 1, "streak": 0}'])
    def test_a_damaged_record_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "puzzles.json").write_text(text)
        with pytest.raises(UserError, match=r"puzzles\.json: not a record of puzzles"):
            Record.load(tmp_path / "puzzles.json")

    def test_a_damaged_list_is_named_with_its_line(self, tmp_path: Path) -> None:
        good = {"fen": MATE_IN_2, "moves": "b1d1", "mate": None, "grade": 1, "chance": 0.5, "found": True}
        (tmp_path / "list.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps(good | {'moves': 'a0a1'})}\n")
        with pytest.raises(UserError, match=r"list\.jsonl, line 2: not a puzzle: ply 1: illegal move"):
            read_puzzles(tmp_path / "list.jsonl")
