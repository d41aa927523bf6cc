"""Time the searches of `xiangqi.tactics`: nodes a second, and milliseconds for a depth or a mate, on one core.

    python benchmarks/tactics.py

Times are those of the processor, so other work on the machine changes them little. Each search begins with an empty
table.
"""

from __future__ import annotations

import time
from statistics import mean

from xiangqi import Board
from xiangqi.tactics import Searcher

MIDDLEGAMES = (
    "r1bakabr1/9/1cn4cn/p1p1p1p1p/9/2P6/P3P1P1P/1CN1C1N2/9/R1BAKABR1 b",
    "r2akab2/5r3/n1c1b1n1c/p3p1p1p/2p6/4P4/P1P3P1P/2N1C1N1C/4A4/1RBAK1B1R w",
    "2bak4/4a4/4b3n/p3p3p/2p1c4/6R2/P1P1P3P/2N1C1r2/4A4/2BAK1B2 w",
)
PUZZLES = (
    "1C1NR4/1C2c3R/5k3/6n1N/8r/9/9/1r2n4/4pc3/3K5 w",
    "1C1R2Nc1/9/b2Nk4/6c1r/9/9/9/2r6/6p2/3p1K3 w",
    "1C1R2bc1/5k3/b4N3/6c1r/4N4/9/1n7/2r6/6p2/3p1K3 w",
)
DEPTHS = (2, 4, 6, 8)


def main() -> None:
    """Print the table."""
    searcher = Searcher(16)
    searcher.tactics(Board(), 2)  # compiles
    searcher.find_mate(Board(PUZZLES[0]))
    print("| search | milliseconds | nodes | nodes a second |\n|---|---|---|---|")
    for depth in DEPTHS:
        for margin, moves in ((0, "the best move"), (None, "all prices")):
            spent, nodes = [], []
            for fen in MIDDLEGAMES:
                searcher.clear()
                start = time.process_time()
                nodes.append(searcher.tactics(Board(fen), depth, margin=margin).nodes)
                spent.append(time.process_time() - start)
            speed = sum(nodes) / sum(spent)
            print(f"| depth {depth}, {moves} | {1000 * mean(spent):.1f} | {mean(nodes):,.0f} | {speed:,.0f} |")
    spent = []
    for fen in PUZZLES:
        searcher.clear()
        start = time.process_time()
        searcher.find_mate(Board(fen))
        spent.append(time.process_time() - start)
    print(f"| mate in 3 to 5 | {1000 * mean(spent):.2f} | | |")


if __name__ == "__main__":
    main()
