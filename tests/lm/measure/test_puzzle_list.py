"""The frozen list of ``benchmarks/puzzles.py``."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from lm.players.player import Choice, Player
from lm.players.simple import RandomPlayer
from xiangqi import Board, Move

FOLDER = Path(__file__).parents[3] / "benchmarks"
LINES = [json.loads(line) for line in (FOLDER / "puzzles.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("puzzles_benchmark", FOLDER / "puzzles.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_it_is_sorted_and_holds_no_position_twice_nor_its_mirror_image() -> None:
    fens = [line["fen"] for line in LINES]
    assert fens == sorted(fens)
    keys = {min(board.key, board.mirror().key) for board in map(Board, fens)}
    assert len(keys) == len(LINES)


def test_every_solution_is_legal_and_of_a_source_that_may_be_redistributed() -> None:
    for line in LINES:
        board = Board(line["fen"])
        assert board.is_valid()
        for move in line["moves"].split():
            board.push(board.parse_iccs(move))
        sources = ("Yvonne761/Chinese-Chess-Practical-Dataset", "bupticybee/icyChessZero", "niu2x/chinese-qipu")
        assert line["source"].startswith(sources)


def test_a_player_solves_what_it_knows(benchmark) -> None:
    class Knowing(Player):
        name = "knowing"

        def choose(self, boards, limits=None) -> list[Choice]:
            known = {line["fen"]: Move.from_iccs(line["moves"][:4]) for line in LINES}
            return [Choice(known[board.fen()]) for board in boards]

    puzzles = benchmark.read(40)
    assert all(benchmark.solve(Knowing(), puzzles))
    assert sum(benchmark.solve(RandomPlayer(seed=1), puzzles)) < 15


def test_another_mate_as_short_counts_and_a_longer_one_does_not(benchmark) -> None:
    two = Board("3k5/9/4R4/9/9/9/9/9/4R4/5K3 w")  # both rooks mate on the file of the king
    puzzle = benchmark.Puzzle(two, Move.from_iccs("e7d7"), 1)
    searcher = benchmark.Searcher()
    assert puzzle.is_solved_by(Move.from_iccs("e1d1"), searcher)
    assert not puzzle.is_solved_by(Move.from_iccs("e1e2"), searcher)
    assert not puzzle.is_solved_by(None, searcher)
