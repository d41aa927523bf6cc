"""How fast the engine answers a board: time to ``uciok``, to ``readyok`` and to a move; how late moves are in games.

    python benchmarks/engine.py [--runs N] [--games N] [--movetime MS] [--level NAME] [--json] [-- COMMAND ...]

Each run starts the engine anew; the figures are medians, in seconds of wall time. *Another level* is the time to
``readyok`` after the option Level was changed. In the games the engine plays both sides, from openings of random moves;
a move is late by its time less ``movetime``: by the clock, and on Linux also by the processor time that the engine had,
which leaves out what other work took. ``COMMAND`` is the engine, by default that of this checkout.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict

from xiangqi import Board
from xiangqi.engine import Limit, SimpleEngine

COMMAND = [sys.executable, "-c", "from lm.uci.program import main; main()"]
OPENING = 6
"""Random plies before a game."""
LONGEST = 200
"""Plies after which a game ends."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--games", type=int, default=4)
    parser.add_argument("--movetime", type=int, default=50, metavar="MS")
    parser.add_argument("--level", default="Full", help="who plays the games")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("command", nargs="*", default=COMMAND)
    arguments = parser.parse_args()
    times: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(arguments.runs):
        for name, seconds in start(arguments.command).items():
            times[name].append(seconds)
    found = {f"{name}, s": statistics.median(seconds) for name, seconds in times.items()}
    found |= play(arguments.command, arguments.games, arguments.movetime / 1000, arguments.level)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:36} {value:.3f}" if isinstance(value, float) else f"{name:36} {value}")


def start(command: list[str]) -> dict[str, float]:
    """Start the engine, measure its answers, and end it."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None and process.stdout is not None
        found = {}
        for name, said, answer in (
            ("uciok", "uci", "uciok"),
            ("readyok", "isready", "readyok"),
            ("the first move", "position startpos\ngo movetime 50", "bestmove"),
            ("the second move", "position startpos moves h2e2 h9g7\ngo movetime 50", "bestmove"),
            ("another level", "setoption name Level value Best\nisready", "readyok"),
        ):
            since = began if name == "uciok" else time.perf_counter()
            process.stdin.write(f"{said}\n")
            while not process.stdout.readline().startswith(answer):
                if process.poll() is not None:
                    raise SystemExit(f"the engine ended before {answer}")
            found[name] = time.perf_counter() - since
        process.stdin.write("quit\n")
    return found


def play(command: list[str], games: int, seconds: float, level: str) -> dict[str, float | int]:
    """Play games of the engine against itself; an illegal move raises ``EngineMoveError``."""
    late: list[float] = []
    busy: list[float] = []
    with SimpleEngine.popen_uci(command, options={"Level": level}, timeout=600.0) as engine:
        engine.play(Board(), Limit(time=seconds))  # with the first one the client finds out how ranks are numbered
        for number in range(games):
            engine.new_game()
            chance, board = random.Random(number), Board()
            while board.ply < LONGEST and not board.is_game_over():
                if board.ply < OPENING:
                    board.push(chance.choice(board.legal_moves))
                    continue
                began, before = time.perf_counter(), processor_time(engine.pid)
                move = engine.play(board, Limit(time=seconds)).move
                late.append(time.perf_counter() - began - seconds)
                busy.append(processor_time(engine.pid) - before - seconds)
                if move is None:
                    break
                board.push(move)
    if not late:
        return {}
    found: dict[str, float | int] = {"moves in games": len(late)}
    for clock, times in (("clock", late), ("processor", busy)) if sys.platform == "linux" else (("clock", late),):
        times.sort()
        found |= {
            f"late by the {clock}, median, ms": 1000 * statistics.median(times),
            f"late by the {clock}, 99 of 100, ms": 1000 * times[len(times) * 99 // 100],
            f"late by the {clock}, at most, ms": 1000 * times[-1],
            f"late by the {clock}, over 20 ms": sum(seconds > 0.02 for seconds in times),
        }
    return found


def processor_time(pid: int) -> float:
    """Return the seconds that a process and its threads have run; 0 except on Linux."""
    # The number of the clock of another process, as clock_getcpuclockid(3) makes it.
    return time.clock_gettime((~pid << 3) | 2) if sys.platform == "linux" else 0.0


if __name__ == "__main__":
    main()
