"""How fast the engine answers a board: time to ``uciok``, to ``readyok``, and from ``go`` to a move.

    python benchmarks/engine.py [--runs N] [--json] [COMMAND ...]

Each run starts the engine anew; the figures are medians, in seconds of wall time. ``COMMAND`` is the engine, by default
``xqlm-engine`` of this checkout. *another level* is the time to ``readyok`` after the option Level was changed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict

COMMAND = [sys.executable, "-c", "from lm.uci.program import main; main()"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("command", nargs="*", default=COMMAND)
    arguments = parser.parse_args()
    times: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(arguments.runs):
        for name, seconds in run(arguments.command).items():
            times[name].append(seconds)
    found = {name: statistics.median(seconds) for name, seconds in times.items()}
    if arguments.json:
        print(json.dumps(found))
        return
    for name, seconds in found.items():
        print(f"{name:22} {seconds:.3f} s")


def run(command: list[str]) -> dict[str, float]:
    """Start the engine, measure its answers, and end it."""
    start = time.perf_counter()
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
            since = start if name == "uciok" else time.perf_counter()
            process.stdin.write(f"{said}\n")
            while not process.stdout.readline().startswith(answer):
                if process.poll() is not None:
                    raise SystemExit(f"the engine ended before {answer}")
            found[name] = time.perf_counter() - since
        process.stdin.write("quit\n")
    return found


if __name__ == "__main__":
    main()
