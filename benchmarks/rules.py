"""Compare the speed of the rules library with python-chess, cchess and pyffish, in one run.

    python benchmarks/rules.py            # about a minute
    python benchmarks/rules.py --json

All libraries get positions from games of random legal moves (games of chess for python-chess). The libraries alternate,
and the best processor time of several rounds is used, to reduce the effect of other work on the machine. The last
columns are the ratio to python-chess and its target.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import cchess
import chess
import chess.pgn
import pyffish

import xiangqi
from xiangqi.formats import pgn

LIBRARIES = ("xiangqi", "python-chess", "cchess", "pyffish")
GAMES, PLIES = 20, 80
ROUNDS = 5
AT_LEAST = 0.05
"""Minimum duration of a measurement in seconds."""

Job = Callable[[], int]
"""Does some work and returns the amount."""


@dataclass
class Row:
    """One row of the table: a quantity, and a job for each library that supports it."""

    name: str
    jobs: dict[str, Job]
    target: float | None = None
    """Target ratio to python-chess."""
    floor: float | None = None
    """Target rate."""
    rates: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        for library, job in self.jobs.items():
            self.rates[library] = max(self.rates.get(library, 0.0), _rate(job))


def _rate(job: Job) -> float:
    done, start = 0, time.process_time()
    while (elapsed := time.process_time() - start) < AT_LEAST:
        done += job()
    return done / elapsed


def _random_games(new_board: Callable[[], Any]) -> list[tuple[list[str], list[Any]]]:
    """Return games of random moves, each as the FEN before every move and the moves."""
    rng = random.Random(1)
    games: list[tuple[list[str], list[Any]]] = []
    while len(games) < GAMES:
        board, fens, moves = new_board(), [], []
        while len(moves) < PLIES and (legal := list(board.legal_moves)):
            fens.append(board.fen())
            moves.append(rng.choice(legal))
            board.push(moves[-1])
        if len(moves) == PLIES:
            games.append((fens, moves))
    return games


# --- Jobs of the libraries --------------------------------------------------------------------------------------------


def chess_perft(board: chess.Board, depth: int) -> int:
    """Count leaves with python-chess, the last ply in bulk."""
    if depth == 1:
        return board.legal_moves.count()
    total = 0
    for move in board.legal_moves:
        board.push(move)
        total += chess_perft(board, depth - 1)
        board.pop()
    return total


def cchess_legal(board: cchess.ChessBoard) -> list[Any]:
    """Return the legal moves; cchess itself generates pseudo-legal ones."""
    return [move for move in board.create_moves() if not board.is_checked_move(*move)]


def cchess_perft(board: cchess.ChessBoard, depth: int) -> int:
    """Count leaves with cchess, which cannot take back a move and copies the board."""
    moves = cchess_legal(board)
    if depth == 1:
        return len(moves)
    total = 0
    for move in moves:
        after = board.copy()
        after.move(*move)
        after.next_turn()
        total += cchess_perft(after, depth - 1)
    return total


def pyffish_perft(fen: str, moves: list[str], depth: int) -> int:
    """Count leaves with pyffish, which represents a position by a FEN and moves."""
    legal = pyffish.legal_moves("xiangqi", fen, moves)
    if depth == 1:
        return len(legal)
    return sum(pyffish_perft(fen, [*moves, move], depth - 1) for move in legal)


def _each(function: Callable[[Any], object], items: Sequence[Any]) -> Job:
    def job() -> int:
        for item in items:
            function(item)
        return len(items)

    return job


def _attackers(boards: Sequence[Any], color: Any, squares: int) -> Job:
    """Ask for the attackers of each square of the boards."""

    def job() -> int:
        for board in boards:
            for sq in range(squares):
                board.attackers(color, sq)
        return len(boards) * squares

    return job


def _push_and_pop(new_board: Callable[[], Any], games: Sequence[tuple[Any, Sequence[Any]]]) -> Job:
    """Play all the games and take them back; a push and its pop count as one."""

    def job() -> int:
        for _, moves in games:
            board = new_board()
            for move in moves:
                board.push(move)
            for _ in moves:
                board.pop()
        return len(games) * PLIES

    return job


def _cchess_push(games: Sequence[tuple[Any, Sequence[Any]]]) -> Job:
    def job() -> int:
        for _, moves in games:
            board = cchess.ChessBoard(cchess.FULL_INIT_FEN)
            for move in moves:
                before = board.copy()
                board.move_iccs(move.iccs)
                board.next_turn()
            assert before is not board
        return len(games) * PLIES

    return job


def _our_pgn(games: Sequence[tuple[Any, Sequence[Any]]], notation: pgn.Notation) -> bytes:
    tree = [xiangqi.Game({"Red": "A", "Black": "B"}) for _ in games]
    for game, (_, moves) in zip(tree, games, strict=True):
        game.add_main_line(moves)
    return "\n".join(pgn.dumps(game, notation) for game in tree).encode()


def _chess_pgn(games: Sequence[tuple[Any, Sequence[Any]]]) -> str:
    tree = [chess.pgn.Game({"White": "A", "Black": "B"}) for _ in games]
    for game, (_, moves) in zip(tree, games, strict=True):
        game.add_line(moves)
    return "\n\n".join(game.accept(chess.pgn.StringExporter(columns=80)) for game in tree)


def _read_xiangqi(games: Sequence[tuple[Any, Sequence[Any]]], notation: pgn.Notation) -> Job:
    data = _our_pgn(games, notation)
    return lambda: sum(len(game.moves()) for game in pgn.read(io.BytesIO(data)))


def _read_our_headers(games: Sequence[tuple[Any, Sequence[Any]]]) -> Job:
    data = _our_pgn(games, "iccs")
    return lambda: sum(1 for _ in pgn.read_headers(io.BytesIO(data)))


def _read_chess_headers(games: Sequence[tuple[Any, Sequence[Any]]]) -> Job:
    text = _chess_pgn(games)

    def job() -> int:
        file, count = io.StringIO(text), 0
        while chess.pgn.read_headers(file) is not None:
            count += 1
        return count

    return job


def _read_chess(games: Sequence[tuple[Any, Sequence[Any]]]) -> Job:
    text = _chess_pgn(games)

    def job() -> int:
        file, plies = io.StringIO(text), 0
        while (read := chess.pgn.read_game(file)) is not None:
            plies += sum(1 for _ in read.mainline_moves())
        return plies

    return job


def rows() -> list[Row]:
    """Return the rows to measure."""
    ours, theirs = _random_games(xiangqi.Board), _random_games(chess.Board)
    fens, chess_fens = ([fen for fens, _ in games for fen in fens] for games in (ours, theirs))
    boards, chess_boards = list(map(xiangqi.Board, fens)), list(map(chess.Board, chess_fens))
    few = fens[:: len(fens) // 50]
    cchess_boards = list(map(cchess.ChessBoard, few))
    middle, chess_middle = ours[0][0][40], theirs[0][0][40]
    chess_read = _read_chess(theirs)
    game, chess_game = xiangqi.Game(), chess.pgn.Game()
    game.add_main_line(ours[0][1])
    chess_game.add_line(theirs[0][1])
    return [
        Row(
            "perft from the start, leaves/s",
            {
                "xiangqi": lambda: xiangqi.Board().perft(4),
                "python-chess": lambda: chess_perft(chess.Board(), 3),
                "cchess": lambda: cchess_perft(cchess.ChessBoard(cchess.FULL_INIT_FEN), 2),
                "pyffish": lambda: pyffish_perft(xiangqi.STARTING_FEN, [], 2),
            },
            target=40,
            floor=20e6,
        ),
        Row(
            "perft from a midgame, leaves/s",
            {
                "xiangqi": lambda: xiangqi.Board(middle).perft(4),
                "python-chess": lambda: chess_perft(chess.Board(chess_middle), 3),
                "cchess": lambda: cchess_perft(cchess.ChessBoard(middle), 2),
                "pyffish": lambda: pyffish_perft(middle, [], 2),
            },
            target=40,
            floor=20e6,
        ),
        Row(
            "list(board.legal_moves), lists/s",
            {
                "xiangqi": _each(lambda board: list(board.legal_moves), boards),
                "python-chess": _each(lambda board: list(board.legal_moves), chess_boards),
                "cchess": _each(cchess_legal, cchess_boards),
                "pyffish": _each(lambda fen: pyffish.legal_moves("xiangqi", fen, []), few),
            },
            target=8,
        ),
        Row(
            "legal captures, lists/s",
            {
                "xiangqi": _each(attrgetter("legal_captures"), boards),
                "python-chess": _each(lambda board: list(board.generate_legal_captures()), chess_boards),
            },
            target=1,
        ),
        Row(
            "push and pop, pairs/s",
            {
                "xiangqi": _push_and_pop(xiangqi.Board, ours),
                "python-chess": _push_and_pop(chess.Board, theirs),
                "cchess": _cchess_push(ours[:2]),
            },
            target=2,
        ),
        Row(
            "FEN read, positions/s",
            {
                "xiangqi": _each(xiangqi.Board, fens),
                "python-chess": _each(chess.Board, chess_fens),
                "cchess": _each(cchess.ChessBoard, few),
            },
            target=2,
        ),
        Row(
            "FEN written, positions/s",
            {
                "xiangqi": _each(xiangqi.Board.fen, boards),
                "python-chess": _each(chess.Board.fen, chess_boards),
                "cchess": _each(cchess.ChessBoard.to_fen, cchess_boards),
            },
            target=2,
        ),
        Row(
            "Board(), boards/s",
            {"xiangqi": _each(lambda _: xiangqi.Board(), fens), "python-chess": _each(lambda _: chess.Board(), fens)},
            target=1,
        ),
        Row(
            "status(), positions/s",
            {"xiangqi": _each(xiangqi.Board.status, boards), "python-chess": _each(chess.Board.status, chess_boards)},
            target=1,
        ),
        Row(
            "attackers(color, square), calls/s",
            {
                "xiangqi": _attackers(boards[::20], xiangqi.RED, 90),
                "python-chess": _attackers(chess_boards[::20], chess.WHITE, 64),
            },
            target=1,
        ),
        Row(
            "node.ply, nodes/s",
            {
                "xiangqi": _each(attrgetter("ply"), list(game.main_line())),
                "python-chess": _each(lambda node: node.ply(), list(chess_game.mainline())),
            },
            target=1,
        ),
        Row(
            "PGN headers read, games/s",
            {"xiangqi": _read_our_headers(ours * 10), "python-chess": _read_chess_headers(theirs * 10)},
            target=1,
        ),
        Row("PGN read, ICCS, moves/s", {"xiangqi": _read_xiangqi(ours, "iccs"), "python-chess": chess_read}, target=5),
        Row("PGN read, WXF, moves/s", {"xiangqi": _read_xiangqi(ours, "wxf"), "python-chess": chess_read}),
        Row("PGN read, Chinese, moves/s", {"xiangqi": _read_xiangqi(ours, "chinese"), "python-chess": chess_read}),
    ]


# --- Import -----------------------------------------------------------------------------------------------------------


def import_times() -> dict[str, float]:
    """Return processor seconds of ``import xiangqi`` alone, with first calls, and with compilation."""
    first = (
        "import xiangqi; b = xiangqi.Board(); b.push_iccs('h2e2'); b.is_check(); b.attackers(0, 4); b.perft(1); "
        "b.outcome(); xiangqi.Board.from_moves('h2e2 h9g7 e2h2 g7h9 ' * 2).outcome()"
    )
    with tempfile.TemporaryDirectory() as folder:
        package = Path(xiangqi.__file__).parent
        shutil.copytree(package, Path(folder, "xiangqi"), ignore=shutil.ignore_patterns("__pycache__"))
        return {
            "compiling": _run(first, folder),
            "compiled": min(_run(first, folder) for _ in range(3)),
            "import": min(_run("import xiangqi", folder) for _ in range(3)),
        }


def _run(script: str, folder: str) -> float:
    """Return processor seconds of a separate Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# --- The table --------------------------------------------------------------------------------------------------------


def _short(rate: float | None) -> str:
    if rate is None:
        return ""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if rate >= size:
            return f"{rate / size:.3g}{unit}"
    return f"{rate:.3g}"


def _table(measured: Sequence[Row]) -> str:
    lines = [f"{'':34}" + "".join(f"{library:>14}" for library in LIBRARIES) + f"{'ratio':>8}  meant"]
    for row in measured:
        ratio = row.rates["xiangqi"] / row.rates["python-chess"]
        meant = f"{row.target:g}x" if row.target else ""
        if row.floor:
            meant += f", {_short(row.floor)}"
        missed = ratio < (row.target or 0) or row.rates["xiangqi"] < (row.floor or 0)
        cells = "".join(f"{_short(row.rates.get(library)):>14}" for library in LIBRARIES)
        lines.append(f"{row.name:34}{cells}{ratio:>7.1f}x  {meant}{'  MISSED' if missed else ''}".rstrip())
    return "\n".join(lines)


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    measured = rows()
    for _ in range(ROUNDS):
        for row in measured:
            row.run()
    imports = import_times()
    if arguments.json:
        print(json.dumps({"rates": {row.name: row.rates for row in measured}, "import_seconds": imports}, indent=2))
    else:
        print(_table(measured))
        print(f"\nimport xiangqi: {imports['import']:.2f} s (meant: under 1)")
        print(f"with first calls: {imports['compiled']:.2f} s")
        print(f"the first time ever, compiling: {imports['compiling']:.1f} s (meant: under 20)")


if __name__ == "__main__":
    main()
