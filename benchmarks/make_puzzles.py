"""Make the list of puzzles: positions whose published solution an engine confirms, and that no training game contains.

    python benchmarks/make_puzzles.py POSITIONS... --games GAMES... [--count 2000] [--seed 0] [--answers FILE]

The list, ``benchmarks/puzzles.jsonl``, was drawn once, before anything was measured on it, and is not to change: the
first 2,000 that were confirmed, of 4,524 asked. A line
has the position (``fen``), the published solution (``moves``: the solver's, the replies between them), its ``source``
and ``kind``, and ``mate``, the number of own moves to mate where the engine sees one.

A position is a candidate if its source allows redistribution (``SOURCES``), if it can arise in a game, has a legal move
and a legal solution, and if neither it nor its mirror image occurs in a game of the files GAMES. Positions and their
mirror images count once. Candidates are taken in an order that depends on the seed alone. Fairy-Stockfish confirms one
if after ``NODES`` nodes, from an empty hash table, it plays the first move of a published solution and sees a mate or
an advantage of ``LEAST`` centipawns; ``GLANCE`` nodes are enough if they find a mate by that move. Answers are kept in
a file, so that the same command goes on after an interruption. Our own search has no say in any of this.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from lm import processors
from lm.cli.console import interruptible, progress, say
from lm.dataset.positions import keys_of
from lm.dataset.records import read_records, record_of
from lm.measure.evaluate import game_moves
from lm.measure.puzzles import KINDS
from xiangqi import Move
from xiangqi.engine import Limit, SimpleEngine
from xiangqi.formats import FormatError, load
from xiangqi.formats.streams import open_replacing
from xiangqi.game import Game

SOURCES = ("Yvonne761/Chinese-Chess-Practical-Dataset", "bupticybee/icyChessZero", "niu2x/chinese-qipu")
"""CC BY 4.0 (Yu-Han Tseng and Bo-Nian Chen, 2026), MIT and MIT."""
ENGINE = ("fairy-stockfish", {"UCI_Variant": "xiangqi", "Threads": "1", "Hash": "16"})
NODES = 300_000
GLANCE = 20_000
AHEAD = 32
"""Positions asked about before the first of their answers is used."""
LEAST = 300
OUT = Path(__file__).with_name("puzzles.jsonl")


@dataclass(frozen=True)
class Answer:
    """What the engine thinks of a position: its move, and its score for the side to move."""

    move: str | None
    cp: int | None
    mate: int | None

    @property
    def wins(self) -> bool:
        """Whether the engine sees a mate or a large advantage."""
        return self.mate > 0 if self.mate is not None else self.cp is not None and self.cp >= LEAST


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("positions", type=Path, nargs="+", help="files of positions with solutions")
    parser.add_argument("--games", type=Path, nargs="+", required=True, help="files of the games trained on")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answers", type=Path, default=OUT.with_name("answers.jsonl"), help="the engine's answers")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()

    found = candidates(arguments.positions)
    seen = known(arguments.games)
    order = sorted(key for key in found if key not in seen)
    say(f"{len(found)} positions with a solution, {len(found) - len(order)} of them in the games")
    random.Random(arguments.seed).shuffle(order)
    with interruptible(), progress("confirmed", arguments.count) as (_, advance):
        puzzles: list[dict[str, object]] = []
        asked = 0
        for games, answer in answers([found[key] for key in order], arguments.answers):
            asked += 1
            if (line := confirmed(games, answer)) is not None:
                puzzles.append(line)
            advance(len(puzzles), f"of {asked} asked")
            if len(puzzles) == arguments.count:
                break
    puzzles.sort(key=lambda puzzle: str(puzzle["fen"]))
    with open_replacing(arguments.out) as file:
        for puzzle in puzzles:
            file.write(f"{json.dumps(puzzle, ensure_ascii=False)}\n".encode())
    print(f"{arguments.out}: {len(puzzles)} puzzles, of {asked} positions asked")


def candidates(paths: Iterable[Path]) -> dict[int, list[Game]]:
    """Return the published solutions of each position, by its key; they begin with the same position, not mirrored."""
    found: dict[int, list[Game]] = {}
    for path in paths:
        for game in load(path, on_error=ignore):
            if game.errors or not game.variations or not game.headers.get("Source", "").startswith(SOURCES):
                continue
            board = game.board()
            if not board.is_valid() or board.outcome() is not None:
                continue
            key = int(keys_of([game_moves(record_of(game))])[0])
            group = found.setdefault(key, [])
            if not group or group[0].board().key == board.key:
                group.append(game)
    return found


def known(paths: Iterable[Path]) -> set[int]:
    """Return the keys of all positions of games, mirrored or not."""
    keys: NDArray[np.uint64] = np.empty(0, np.uint64)
    for path in paths:
        say(f"reading {path}")
        keys = np.union1d(keys, keys_of([game_moves(record) for record in read_records(path, ignore)]))
    return set(keys.tolist())


def answers(positions: Sequence[list[Game]], path: Path) -> Iterator[tuple[list[Game], Answer]]:
    """Yield positions with the engine's answer, which is read from the file or added to it."""
    given: dict[str, Answer] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            if line.endswith("}"):  # the last one may have been cut short
                stored = json.loads(line)
                given[stored["fen"]] = Answer(stored["move"], stored["cp"], stored["mate"])
    engines: SimpleQueue[SimpleEngine] = SimpleQueue()

    def answer(games: list[Game]) -> Answer:
        if (known := given.get(games[0].fen)) is not None:
            return known
        engine = engines.get()
        try:
            return ask(engine, games)
        finally:
            engines.put(engine)

    with path.open("a") as file, ExitStack() as stack, ThreadPoolExecutor(processors()) as threads:
        for _ in range(processors()):
            engines.put(stack.enter_context(SimpleEngine.popen_uci(ENGINE[0], options=ENGINE[1], timeout=60)))
        for first in range(0, len(positions), AHEAD):
            asked = positions[first : first + AHEAD]
            for games, found in zip(asked, threads.map(answer, asked), strict=True):
                fen = games[0].fen
                if fen not in given:
                    file.write(f"{json.dumps({'fen': fen} | asdict(found))}\n")
                    file.flush()
                yield games, found


def ask(engine: SimpleEngine, games: Sequence[Game]) -> Answer:
    """Ask the engine for its move, with nothing left in its memory of earlier positions."""
    board = games[0].board()
    for nodes in (GLANCE, NODES):
        engine.new_game()
        result = engine.play(board, Limit(nodes=nodes))
        score = result.info.score.pov(board.turn) if result.info.score else None
        answer = Answer(result.move.iccs if result.move else None, score and score.cp, score and score.mate)
        if answer.mate is not None and answer.mate > 0 and confirmed(games, answer):
            break
    return answer


def confirmed(games: Sequence[Game], answer: Answer) -> dict[str, object] | None:
    """Return the puzzle of a position, with the first published solution that the engine confirms, if there is one."""
    for game in games:
        moves: list[Move] = game.moves()
        if answer.wins and moves[0].iccs == answer.move:
            kind = game.headers.get("Kind", "unknown")
            return {
                "fen": game.fen,
                "moves": " ".join(move.iccs for move in moves),
                "source": game.headers["Source"],
                "kind": KINDS.get(kind, kind),
                "mate": answer.mate,
            }
    return None


def ignore(error: FormatError) -> None:
    """Say nothing of a fault: what is unsound is left out."""


if __name__ == "__main__":
    sys.exit(main())
