"""Make ``puzzles.jsonl.zst``: positions of the shipped games with one solution, which a person missed or found.

    python data/make_puzzles.py [--asked N] [--answers FILE]
    python data/make_puzzles.py --regrade  # the same puzzles, by the model that is shipped now

There are two kinds. In a *mate* one move, and no other, forces a mate by checks within the same number of moves; all of
that is proven. The first one of each side in a game counts, and mates in one only if the person missed them.

In a *win* one move wins and no other does. By the engine's opinions in ``games/practical.pgn.zst`` the side to move had
won (``TURNED``), and either it had not before the last move, or no longer had after its own (``NOT_YET``). The move is
the best by a tactical search of ``NODES`` positions, and by Fairy-Stockfish with ``ENGINE_NODES``, which knows nothing
of ours and scores it with at least ``WINNING`` and every other move with at most ``NOT_WINNING``. The line goes on as
long as one move is better than all others by ``BETTER``, at most ``LONGEST`` moves of the solver. Taking back what was
just taken is no puzzle.

Only games of the training split are used, so that a puzzle holds nothing of the games that models are measured on; and
no position of the frozen list in ``benchmarks`` is used. Grades are tenths of the list, by the probability that the
model, as a person, finds the solver's moves.

What was found in each game is kept in a file, so that the same command goes on after an interruption. With
``--asked N`` only the first N games, in an order by chance, those without opinions first, are searched.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from lm.cli.console import interruptible, progress, say
from lm.dataset.positions import keys_of
from lm.dataset.records import opening, split_of
from lm.model.encoding import GameMoves
from lm.model.folder import load_network
from lm.model.prompts import Voice
from lm.players.policy import Evaluator
from lm.study.puzzles import GRADES
from xiangqi import Board, Color, Move, load
from xiangqi.engine import Limit, SimpleEngine
from xiangqi.formats.streams import open_bytes, open_replacing
from xiangqi.tactics import Price, Searcher

HERE: Final = Path(__file__).parent
TARGET: Final = HERE / "puzzles.jsonl.zst"
ENGINE: Final = ("fairy-stockfish", {"UCI_Variant": "xiangqi", "Threads": "1", "Hash": "16"})
TURNED, NOT_YET = 3.0, 1.5
"""In pawns of the engine whose opinions are shipped."""
NODES: Final = 40_000
AT_LEAST, CLEARLY = 130, 60
"""The tactical search scores the best move with so much, and others with so much less: centipawns of our scale."""
ENGINE_NODES: Final = 50_000
WINNING, NOT_WINNING = 350, 170
"""In the engine's centipawns."""
BETTER: Final = 150
LONGEST: Final = 6
FIRST_PLY: Final = 20
MATE_MOVES: Final = 8
MATE_NODES: Final = 3_000


@dataclass(frozen=True)
class Played:
    """A game: what puzzles need of it."""

    number: int
    moves: list[Move]
    evals: list[float | None]
    """Of the positions before each move and the last one; none for a game without opinions."""
    headers: dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--asked", type=int, help="how many games to search; all of them")
    parser.add_argument("--answers", type=Path, default=HERE / "puzzle-answers.jsonl", help="what was found so far")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--regrade", action="store_true", help="grade the puzzles that are there anew")
    arguments = parser.parse_args()
    if arguments.regrade:
        regrade()
        return

    say("reading the games")
    games = list(training_games())
    random.Random(arguments.seed).shuffle(games)
    games.sort(key=lambda game: bool(game.evals))  # those that take less time first
    games = games[: arguments.asked]
    seen = {_key(game.board()) for game in load(HERE.parent / "benchmarks" / "puzzles.jsonl")}
    puzzles: list[dict[str, Any]] = []
    with interruptible():
        for puzzle in found_in(games, arguments.answers):
            if (key := _key(Board(puzzle["fen"]))) not in seen:
                seen.add(key)
                puzzles.append(puzzle)
    write(puzzles)
    print(f"from {len(games)} games")


def regrade() -> None:
    """Grade the puzzles in the file by the shipped model."""
    model = Evaluator(load_network(), symmetries=2)
    with open_bytes(TARGET) as file:
        puzzles = [json.loads(line) for line in file]
    with interruptible(), progress("puzzles", len(puzzles)) as (_, advance):
        for done, puzzle in enumerate(puzzles, 1):
            line = [Move.from_iccs(iccs) for iccs in puzzle["moves"].split()]
            puzzle["chance"] = chance(model, Board(puzzle["fen"]), line)
            advance(done, "")
    write(puzzles)


def write(puzzles: list[dict[str, Any]]) -> None:
    """Write puzzles with their grades, the easiest first."""
    puzzles.sort(key=lambda puzzle: (-puzzle["chance"], puzzle["fen"]))
    for rank, puzzle in enumerate(puzzles):
        puzzle["grade"] = 1 + rank * GRADES // len(puzzles)
    with open_replacing(TARGET) as file:
        for puzzle in puzzles:
            file.write(f"{json.dumps(puzzle, ensure_ascii=False)}\n".encode())
    mates = sum(puzzle["mate"] is not None for puzzle in puzzles)
    print(f"{TARGET}: {len(puzzles)} puzzles, {mates} of them mates")


def training_games() -> Iterator[Played]:
    """Yield the games of the training split."""
    for number, game in enumerate(load(HERE / "games" / "practical.pgn.zst")):
        moves = game.moves()
        if split_of(f"gid:{game.headers['Gid']}") != "train":
            continue
        if split_of(opening(np.array([move.index for move in moves], np.int16))) != "train":
            continue
        evals = [] if game.eval is None else [game.eval, *(node.eval for node in game.main_line())]
        yield Played(number, moves, evals, dict(game.headers))


def _key(board: Board) -> int:
    return int(keys_of([GameMoves.of(board.copy(stack=False))])[0])


def found_in(games: list[Played], path: Path) -> Iterator[dict[str, Any]]:
    """Yield the puzzles of games. They are read from the file, or found and added to it."""
    given: dict[int, list[dict[str, Any]]] = {}
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            if line.endswith("}"):  # the last one may have been cut short
                answer = json.loads(line)
                given[answer["game"]] = answer["puzzles"]
    with (
        path.open("a", encoding="utf-8") as file,
        SimpleEngine.popen_uci(ENGINE[0], options=ENGINE[1], timeout=60) as engine,
        progress("games", len(games), at_once=True) as (_, advance),
    ):
        miner = Miner(engine)
        count = 0
        for done, game in enumerate(games, 1):
            if game.number in given:
                puzzles = given[game.number]
            else:
                puzzles = [*miner.wins(game), *miner.mates(game)]
                file.write(f"{json.dumps({'game': game.number, 'puzzles': puzzles}, ensure_ascii=False)}\n")
                file.flush()
            count += len(puzzles)
            advance(done, f"{count} puzzles")
            yield from puzzles


class Miner:
    """Looks for puzzles in games."""

    def __init__(self, engine: SimpleEngine) -> None:
        self._engine, self._searcher = engine, Searcher(16)
        self._model = Evaluator(load_network(), symmetries=2)

    def mates(self, game: Played) -> Iterator[dict[str, Any]]:
        """Yield the first mate of each side, if it has but one solution."""
        board, done = Board(), set[Color]()
        for move in game.moves:
            if board.ply >= FIRST_PLY and board.turn not in done:
                line = self._searcher.find_mate(board, MATE_MOVES, nodes=MATE_NODES)
                moves = (len(line) + 1) // 2
                if moves > 1 or (line and move is not line[0]):
                    done.add(board.turn)
                    if not any(self._mates(board, other, moves) for other in board.legal_moves if other is not line[0]):
                        yield self._puzzle(game, board, line, moves)
            board.push(move)

    def _mates(self, board: Board, move: Move, moves: int) -> bool:
        """Whether a move forces mate by checks in so many moves, itself counted."""
        if not board.gives_check(move):
            return False
        after = board.copy(stack=False)
        after.push(move)
        for reply in after.legal_moves:
            if moves == 1:
                return False
            after.push(reply)
            mated = self._searcher.find_mate(after, moves - 1)
            after.pop()
            if not mated:
                return False
        return True

    def wins(self, game: Played) -> Iterator[dict[str, Any]]:
        """Yield the puzzles of a game in which one move wins, and no other."""
        board = Board()
        for ply, move in enumerate(game.moves):
            if game.evals and ply:
                sign = -1 if board.turn else 1
                before, now, after = (None if e is None else sign * e for e in game.evals[ply - 1 : ply + 2])
                others = [e for e in (before, after) if e is not None]
                if now is not None and now >= TURNED and others and min(others) <= NOT_YET:
                    if (puzzle := self._win(game, board)) is not None:
                        yield puzzle
            board.push(move)

    def _win(self, game: Played, board: Board) -> dict[str, Any] | None:
        shown = board.copy(stack=False)  # nobody knows what came before
        prices = _prices(self._searcher, shown)
        if len(prices) < 2 or prices[0].score < max(AT_LEAST, prices[1].score + CLEARLY):
            return None
        best = prices[0].move
        if best.to_square == board.peek().to_square:
            return None
        self._engine.new_game()
        lines = self._engine.analyse(shown, Limit(nodes=ENGINE_NODES), multipv=2)
        scores = [line.score.pov(board.turn) for line in lines if line.score is not None]
        if len(scores) < 2 or lines[0].pv[:1] != (best,):
            return None
        first, second = (score.centipawns(10_000) for score in scores)
        if first < WINNING or second > NOT_WINNING:
            return None
        line = self._searcher.find_mate(shown, MATE_MOVES)
        if line and line[0] is best:
            return self._puzzle(game, board, line, (len(line) + 1) // 2)
        return self._puzzle(game, board, _line(self._searcher, shown, prices), None)

    def _puzzle(self, game: Played, board: Board, line: Sequence[Move], mate: int | None) -> dict[str, Any]:
        names = {name.lower(): game.headers[name] for name in ("Red", "Black", "Event", "Date") if name in game.headers}
        return {
            "fen": board.fen(),
            "last": board.peek().iccs,
            "moves": " ".join(move.iccs for move in line),
            "mate": mate,
            "found": game.moves[board.ply] is line[0],
            "chance": chance(self._model, board.copy(stack=False), line),
            "ply": board.ply,
            **names,
        }


def _prices(searcher: Searcher, board: Board) -> tuple[Price, ...]:
    searcher.clear()
    *_, last = searcher.deepen(board, margin=2 * BETTER, nodes=NODES)
    return last.prices


def _line(searcher: Searcher, board: Board, prices: tuple[Price, ...]) -> list[Move]:
    """Return the solver's moves that are much better than all others, and the best replies between them."""
    board, line = board.copy(), list[Move]()
    while True:
        line.append(prices[0].move)
        board.push(prices[0].move)
        if len(line) >= 2 * LONGEST - 1 or not board.has_legal_moves():
            return line
        reply = _prices(searcher, board)[0].move
        board.push(reply)
        prices = _prices(searcher, board) if board.has_legal_moves() else ()
        if not prices or (len(prices) > 1 and prices[0].score - prices[1].score < BETTER) or len(prices) == 1:
            return line
        line.append(reply)


def chance(model: Evaluator, board: Board, line: Sequence[Move]) -> float:
    """Return how probable it is that a person finds all of the solver's moves, by the model, which sees the position
    without its history."""
    board, total = board.copy(), 0.0
    for ply, move in enumerate(line):
        if ply % 2 == 0:
            evaluation = model([board], Voice.HUMAN)[0]
            scores = evaluation.scores - np.logaddexp.reduce(evaluation.scores)
            total += float(scores[evaluation.moves.index(move)])
        board.push(move)
    return round(float(np.exp(total)), 5)


if __name__ == "__main__":
    sys.exit(main())
