"""Repair of records: held-out games with one ply corrupted, and how often ``xqlm repair`` restores them.

    python benchmarks/repair.py [--games N] [--data FILE ...] [--split NAME] [--model DIR] [--json]

A random ply of each game is corrupted, in turn, in one of three ways: it has the text of another legal move; it is left
out; one character of its text is another one, so that the move is not legal. The notation is in turn ICCS, WXF and
Chinese. A repair is right if the whole game is as it was. Some corrupted records are legal to the end: no repair is
tried there, and all counts are given with and without them.

The same legal lines are ranked in four ways: at random, which only keeps legality; by the likelihood of the text; by
that of the moves under the model; by both, which is ``xqlm repair``. Where some are equal, the mean over their orders
counts. 95% intervals by bootstrap over games. Games on which the model was trained are left out.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lm import UserError, data_path
from lm.cli.console import progress
from lm.cli.shipped import open_shard, shipped_games
from lm.dataset.records import Record, opening
from lm.dataset.seen import SeenGames
from lm.measure.held_out import records_of
from lm.measure.stats import interval, resample, share_with_interval
from lm.model.folder import load_network
from lm.repair.lines import Words
from lm.repair.repairer import Repairer
from xiangqi import MOVES, Board, Game, Move
from xiangqi.formats.movetext import parse_move

WAYS = ("another move", "left out", "typo")
NOTATIONS: dict[str, tuple[str, Callable[[Board, Move], str]]] = {
    "ICCS": ("abcdefghi0123456789", lambda board, move: move.iccs),
    "WXF": ("KAEHRCP123456789+-=", Board.wxf),
    "Chinese": ("帅将仕士相象马车炮兵卒一二三四五六七八九123456789进退平前后", Board.chinese),
}
RANKINGS = ("legality", "text", "model", "both")


@dataclass(frozen=True)
class Outcome:
    """What became of one corrupted game."""

    way: str
    notation: str
    faulty: bool
    """Whether the record is not legal."""
    lines: int
    """Number of legal lines found."""
    first: dict[str, float]
    """By ranking, the probability that the game as it was is first."""
    three: dict[str, float]
    """By ranking, the probability that it is among the first three."""
    stated: float
    """The probability that the repair gives."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--games", type=int, default=1000)
    parser.add_argument("--data", type=Path, nargs="+", help="files of games (default: the shipped ones)")
    parser.add_argument("--split", default="test", help="only these are corrupted")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped one)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    records = held_out(arguments.data or shipped_games(), arguments.split, arguments.model)[: arguments.games]
    repairer = Repairer(load_network(arguments.model))
    outcomes = []
    start = time.perf_counter()
    with progress("repairing", len(records)) as (_, advance):
        for number, record in enumerate(records):
            outcomes.append(attempt(repairer, record, number))
            advance(number + 1, "")
    seconds = (time.perf_counter() - start) / len(records)

    groups = {"all": outcomes, "several lines": [outcome for outcome in outcomes if outcome.lines > 1]}
    groups |= {way: [outcome for outcome in outcomes if outcome.way == way] for way in WAYS}
    groups |= {name: [outcome for outcome in outcomes if outcome.notation == name] for name in NOTATIONS}
    rows = {
        name + suffix: row(group)
        for suffix, only in (("", False), (", not legal", True))
        for name, members in groups.items()
        if (group := [outcome for outcome in members if outcome.faulty or not only])
        and not (only and name == "several lines")
    }
    found: dict[str, Any] = {
        "games": len(records),
        "seconds": round(seconds, 3),
        "rows": rows,
        "calibration": calibration(outcomes),
    }
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{len(records)} games, {1000 * seconds:.0f} ms a game; share restored, first and among the first three")
    for name, facts in rows.items():
        print(f"{name}: {facts['games']} games, {facts['lines']} legal lines in the median")
        for ranking in RANKINGS:
            (first, (low, high)), (three, (least, most)) = facts[ranking]["first"], facts[ranking]["three"]
            print(f"  {ranking:10} {first:.3f} ({low:.3f} to {high:.3f})   {three:.3f} ({least:.3f} to {most:.3f})")
        gain, (low, high) = facts["gain"]
        print(f"  both above legality: {gain:+.3f} ({low:+.3f} to {high:+.3f})")
    print("probability stated, and share restored:")
    for band in found["calibration"]:
        span = f"{band['from']:.2f} to {band['to']:.2f}"
        print(f"  {span}: {band['games']:4} games {band['stated']:.3f} {band['right']:.3f}")


def held_out(files: list[Path], split: str, model: Path | None) -> list[Record]:
    """Return the games of a split that the model was not trained on, people's first."""
    seen = SeenGames.load(model or data_path("model"))
    if seen is None:
        raise UserError(f"{model or data_path('model')} does not say which games the model was trained on")
    records = [record for record in records_of(open_shard(files, Path("cache")), split) if record.moves.size > 1]
    records = [record for record in records if opening(record.moves) not in seen]
    random.Random(0).shuffle(records)
    return sorted(records, key=lambda record: record.tier == "engine")


def attempt(repairer: Repairer, record: Record, number: int) -> Outcome:
    """Corrupt a game and repair it."""
    rng = random.Random(number)
    way, notation = WAYS[number % 3], list(NOTATIONS)[number // 3 % 3]
    moves = tuple(MOVES[index] for index in record.moves.tolist())
    texts = corrupted(moves, record.fen, way, notation, rng)
    headers = f'[Red "?"]\n[FEN "{record.fen}"]\n' if record.fen else '[Red "?"]\n'
    game = Game.from_pgn(f"{headers}\n{' '.join(texts)} *")
    nothing = dict.fromkeys(RANKINGS, 0.0)
    if not game.unread:
        return Outcome(way, notation, False, 0, nothing, nothing, 0.0)
    words = Words(game)
    lines = repairer.lines(words)
    candidates = repairer.rank(words, lines)
    scores: dict[str, dict[tuple[Move, ...], float]] = {
        "legality": {line.moves: 0.0 for line in lines},
        "text": {line.moves: line.text for line in lines},
        "model": {candidate.line.moves: candidate.likelihood for candidate in candidates},
        "both": {candidate.line.moves: candidate.probability for candidate in candidates},
    }
    first = {ranking: chance_among(1, of_lines, moves) for ranking, of_lines in scores.items()}
    three = {ranking: chance_among(3, of_lines, moves) for ranking, of_lines in scores.items()}
    return Outcome(way, notation, True, len(lines), first, three, candidates[0].probability if candidates else 0.0)


def corrupted(moves: Sequence[Move], fen: str | None, way: str, notation: str, rng: random.Random) -> list[str]:
    """Return the texts of a game of which one is corrupted."""
    alphabet, write = NOTATIONS[notation]
    chosen = rng.randrange(len(moves))
    board, texts = Board(fen) if fen else Board(), []
    for ply, move in enumerate(moves):
        text = write(board, move)
        others = [other for other in board.legal_moves if other is not move]
        if ply != chosen:
            texts.append(text)
        elif way == "another move":
            texts.append(write(board, rng.choice(others)) if others else text)
        elif way == "typo":
            texts.append(next(islice(typos(board, text, alphabet, rng), 1)))
        board.push(move)
    return texts


def typos(board: Board, text: str, alphabet: str, rng: random.Random) -> Iterable[str]:
    """Yield texts with one character replaced that are not legal moves."""
    while True:
        at = rng.randrange(len(text))
        wrong = text[:at] + rng.choice(alphabet.replace(text[at], "")) + text[at + 1 :]
        try:
            parse_move(board, wrong)
        except ValueError:
            yield wrong


def chance_among(n: int, scores: dict[tuple[Move, ...], float], right: tuple[Move, ...]) -> float:
    """Return the probability that a line is among the first n by score, if those of equal score are in random order."""
    if right not in scores:
        return 0.0
    better = sum(score > scores[right] for score in scores.values())
    equal = sum(score == scores[right] for score in scores.values())
    return min(max(n - better, 0) / equal, 1.0)


def row(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the shares of a group of games, and what both gain over legality in the first; each with its interval."""
    facts: dict[str, Any] = {
        "games": len(outcomes),
        "lines": float(np.median([outcome.lines for outcome in outcomes])),
    }
    for ranking in RANKINGS:
        first = share_with_interval(np.array([outcome.first[ranking] for outcome in outcomes]))
        three = share_with_interval(np.array([outcome.three[ranking] for outcome in outcomes]))
        facts[ranking] = {"first": first, "three": three}
    gains = np.array([[outcome.first["both"] - outcome.first["legality"]] for outcome in outcomes])
    facts["gain"] = float(gains.mean()), interval(resample(gains)[:, 0] / len(gains))
    return facts


def calibration(outcomes: Sequence[Outcome]) -> list[dict[str, float]]:
    """Return, for bands of the probability stated, its mean and the share restored."""
    bands = []
    for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 0.99), (0.99, 1.01)):
        members = [outcome for outcome in outcomes if outcome.faulty and low <= outcome.stated < high]
        if members:
            stated, right = (
                float(np.mean(x)) for x in zip(*((m.stated, m.first["both"]) for m in members), strict=True)
            )
            bands.append({"from": low, "to": min(high, 1), "games": len(members), "stated": stated, "right": right})
    return bands


if __name__ == "__main__":
    main()
