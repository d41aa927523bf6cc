"""Print ``openings.txt``, the suite that matches start from: ``python data/make_openings.py > data/openings.txt``.

It lists the lines of eight and of six plies that people played most often in ``games/practical.pgn.zst``. Of a line and
its mirror image, of two orders of moves to one position, and of a line and its continuation only one is kept.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from xiangqi import Board, Move, load

LEAST = {8: 24, 6: 8}
"""Plies of a line, and the number of games that it takes to be listed."""
HEADER = """\
# Openings for matches: a line of ICCS moves each, played twice with the colours exchanged.
# The lines that people played most often, with the number of games (mirror images and transpositions together).
# From the game records of Yvonne761/Chinese-Chess-Practical-Dataset,
# Yu-Han Tseng and Bo-Nian Chen, 2026, licensed CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/).
# Made by make_openings.py."""

Line = tuple[Move, ...]


def main() -> None:
    """Print the suite."""
    games = load(Path(__file__).parent / "games" / "practical.pgn.zst")
    played = Counter(tuple(game.moves()[: max(LEAST)]) for game in games)
    suite: dict[Line, int] = {}
    for plies, least in LEAST.items():
        orders: dict[int, Counter[Line]] = {}  # position: the lines that lead to it
        for line, count in played.items():
            if len(line) >= plies:
                board = Board.from_moves(line[:plies])
                orders.setdefault(min(board.key, board.mirror().key), Counter())[line[:plies]] += count
        for lines in sorted(orders.values(), key=Counter.total, reverse=True):
            if lines.total() >= least and not any(longer[:plies] in lines for longer in suite):
                suite[lines.most_common(1)[0][0]] = lines.total()
    print(HEADER)
    for line, count in sorted(suite.items(), key=lambda item: -item[1]):
        print(f"{' '.join(move.iccs for move in line)}  # {count}")


if __name__ == "__main__":
    main()
