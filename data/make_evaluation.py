"""Fit the values of pieces and write ``xiangqi/piece_values.py``: ``python data/make_evaluation.py FILE...``.

FILE is a file of games with an engine's opinion of every ply, such as ``human-annotated.jsonl.zst``. Only games of the
training split are fitted (`lm.dataset.records`); how well the values explain the engine is measured on the test split.

An opinion of a position becomes an expected score, by the scale with which the file's opinions predict its results
best. The evaluation is a sum over pieces and squares, the same for both sides and for left and right. Its logistic is
fitted to these expected scores by Newton's method, with the squares of a piece drawn towards their mean. Fitted are
quiet positions: not in check, and the engine's move is not a capture; four of ten, because neighbours are alike.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.dataset.records import Record, read_records, split_of
from lm.dataset.shards import fit_scale
from xiangqi import Board
from xiangqi.jit import compiled
from xiangqi.kernels import LEAP_TO, MOVE_FROM, MOVE_TO, Cells, in_check
from xiangqi.move import ADVISOR, BISHOP, CANNON, KING, KNIGHT, PAWN, PIECE_NAMES, ROOK, SQUARES

TARGET = Path(__file__).parent.parent / "xiangqi" / "piece_values.py"
KINDS = (KING, ADVISOR, BISHOP, KNIGHT, ROOK, CANNON, PAWN)
CENTIPAWNS = 400 / np.log(10)
"""Centipawns of one unit of the logistic, as `xiangqi.evaluation.expected` has it."""
FIRST = 8
"""The ply before which positions are all too well known."""
SHARE = 0.4
PULL = 30.0
"""Strength of the pull towards the mean, in positions."""
CHUNK = 50_000
TEMPO = 350
"""The last column; before it are seven kinds on ten ranks of five files each."""


class Positions(NamedTuple):
    """Positions seen from the side to move, what the engine expects of them, and how the games ended."""

    cells: NDArray[np.uint8]
    scores: NDArray[np.float32]
    results: NDArray[np.float32]


def columns() -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Return for each piece and square the column that it counts in, and its sign."""
    column, sign = np.zeros((16, 90), np.int64), np.zeros((16, 90), np.int8)
    for kind in KINDS:
        for sq in SQUARES:
            rank, file = divmod(sq, 9)
            column[kind, sq] = column[8 + kind, 89 - sq] = (kind - 1) * 50 + rank * 5 + min(file, 8 - file)
            sign[kind, sq], sign[8 + kind, 89 - sq] = 1, -1
    return column, sign


COLUMN, SIGN = columns()


@compiled
def quiet_positions(
    cells: Cells, moves: NDArray[np.int16], best: NDArray[np.int16], wanted: NDArray[np.bool_], out: Cells
) -> int:
    """Play a game and write its wanted quiet positions to ``out``, from the side to move; mark them in ``wanted``."""
    n = 0
    for ply in range(len(moves)):
        turn = ply % 2
        wanted[ply] &= not in_check(cells, turn) and (best[ply] < 0 or cells[MOVE_TO[best[ply]]] == 0)
        if wanted[ply]:
            for sq in range(90):
                piece = cells[89 - sq if turn else sq]
                out[n, sq] = piece ^ 8 if turn and piece else piece
            n += 1
        cells[MOVE_TO[moves[ply]]] = cells[MOVE_FROM[moves[ply]]]
        cells[MOVE_FROM[moves[ply]]] = 0
    return n


def sample(records: list[Record], share: float) -> Positions:
    """Return a share of the quiet positions of games."""
    rng = np.random.default_rng(1)
    cells, scores, results = [], [], []
    for record in records:
        n = len(record.moves)
        wanted = (rng.random(n) < share) & np.isfinite(record.score) & (np.arange(n) >= FIRST)
        best = np.full(n, -1, np.int16) if record.best is None else record.best
        out = np.empty((n, 90), np.uint8)
        count = quiet_positions(Board().cells.copy(), record.moves, best, wanted, out)
        result = np.nan if record.result < 0 else record.result / 2
        cells.append(out[:count])
        scores.append(record.score[wanted])
        results.append(np.where(np.flatnonzero(wanted) % 2 == 0, result, 1 - result))
    return Positions(np.concatenate(cells), np.concatenate(scores), np.concatenate(results).astype(np.float32))


def logistic(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def designs(cells: Cells) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the positions in chunks as rows ``(n, TEMPO + 1)`` of counts."""
    for start in range(0, len(cells), CHUNK):
        chunk = cells[start : start + CHUNK]
        rows = np.zeros((len(chunk), TEMPO + 1), np.float32)
        rows[:, TEMPO] = 1
        for sq in SQUARES:
            (here,) = np.nonzero(chunk[:, sq])
            pieces = chunk[here, sq]
            rows[here, COLUMN[pieces, sq]] += SIGN[pieces, sq]
        yield slice(start, start + len(chunk)), rows


def fit(cells: Cells, wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the weights with which the logistic of their sum comes closest to the expected scores ``wanted``."""
    pull = np.eye(TEMPO + 1) * 1e-3
    for start in range(0, TEMPO, 50):
        pull[start : start + 50, start : start + 50] += PULL * (np.eye(50) - 1 / 50)
    weights = np.zeros(TEMPO + 1)
    for _ in range(8):
        slope, bend = -pull @ weights, pull.copy()
        for where, rows in designs(cells):
            guess = logistic(rows @ weights.astype(np.float32))
            slope += rows.T @ (wanted[where] - guess)
            bend += (rows * (guess * (1 - guess))[:, None]).T @ rows
        step = np.linalg.solve(bend, slope)
        weights += step
        print(f"largest step {abs(step).max() * CENTIPAWNS:.2f} centipawns", flush=True)
        if abs(step).max() * CENTIPAWNS < 0.1:
            break
    return weights


def may_stand(kind: int, sq: int) -> bool:
    """Whether a red piece of this kind can ever be on a square."""
    if kind in (KING, ADVISOR, BISHOP):
        return sq < 45 and LEAP_TO[kind, sq, 0] > 0
    return kind != PAWN or sq >= 45 or (sq >= 27 and sq % 9 % 2 == 0)


def written(weights: NDArray[np.float64]) -> str:
    """Return the text of `xiangqi.piece_values`."""
    values = np.round(weights * CENTIPAWNS).astype(int)
    names = ", ".join(sorted(name.upper() for name in PIECE_NAMES if name))
    lines = [
        '"""What each piece is worth on each square, fitted to engine opinions by ``data/make_evaluation.py``."""',
        "",
        "from __future__ import annotations",
        "",
        "from types import MappingProxyType",
        "from typing import Final",
        "",
        f"from xiangqi.move import {names}",
        "",
        f"TEMPO: Final = {values[TEMPO]}",
        '"""What the move is worth, in centipawns."""',
        "# fmt: off",
        "PIECE_VALUES: Final = MappingProxyType({",
    ]
    for kind in KINDS:
        lines.append(f"    {PIECE_NAMES[kind].upper()}: (")
        for rank in range(10):
            row = (values[COLUMN[kind, sq]] if may_stand(kind, sq) else 0 for sq in range(9 * rank, 9 * rank + 5))
            lines.append(f"        ({', '.join(f'{value:3d}' for value in row)}),")
        lines.append("    ),")
    lines += [
        "})",
        "# fmt: on",
        '"""By type, in centipawns: ten ranks from the owner\'s own, with the files from the edge to the centre."""',
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fit, say how well, and write."""
    cells, wanted, tests = [], [], []
    for name in sys.argv[1:]:
        games: dict[str, list[Record]] = {"train": [], "validation": [], "test": []}
        for record in read_records(Path(name), on_error=print):
            if record.score is not None and record.fen is None:
                games[split_of(record.key())].append(record)
        train, test = sample(games["train"], SHARE), sample(games["test"], 1)
        known = np.isfinite(train.results)
        scale = fit_scale(train.scores[known], train.results[known])
        print(f"{name}: {len(train.cells)} positions, scale {100 * scale:.0f}")
        cells.append(train.cells)
        wanted.append(logistic(train.scores / scale))
        tests.append((name, test.cells, logistic(test.scores / scale)))
    weights = fit(np.concatenate(cells), np.concatenate(wanted))
    for name, positions, expected in tests:
        guess = np.concatenate([logistic(rows @ weights.astype(np.float32)) for _, rows in designs(positions)])
        print(
            f"{name}: explains {1 - np.var(guess - expected) / np.var(expected):.3f} of {len(guess)} held-out positions"
        )
    TARGET.write_text(written(weights), encoding="utf-8")


if __name__ == "__main__":
    main()
