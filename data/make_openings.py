"""Print ``openings.txt``, the suite that matches start from: ``python data/make_openings.py RECORDS``.

RECORDS are games as JSON lines, zstd-compressed or not, with ``moves`` (ICCS, apart by spaces) and ``source``. Lines of
eight and of six plies that people played most often are taken; of a line and its mirror image, of two orders of moves
to one position, and of a line and its continuation only one is kept.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator

import zstandard

from xiangqi import Board

SOURCE = "Yvonne761/Chinese-Chess-Practical-Dataset"
LEAST = {8: 24, 6: 8}
"""Plies of a line and the number of games that it takes to be listed; popular sixes give way to their eights."""
HEADER = f"""\
# Openings for matches: a line of ICCS moves each, played twice with the colours exchanged.
# The lines that people played most often, with the number of games (mirror images and transpositions together).
# From the game records of {SOURCE},
# Yu-Han Tseng and Bo-Nian Chen, 2026, licensed CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/).
# Made by make_openings.py."""


def lines(path: str) -> Iterator[list[str]]:
    """Yield the moves of every game of the licensed source."""
    with open(path, "rb") as file:
        raw = file.read()
    if raw[:4] == b"\x28\xb5\x2f\xfd":  # zstd's magic number
        raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    for line in raw.decode("utf-8").splitlines():
        record = json.loads(line)
        if record["source"].startswith(SOURCE):
            yield record["moves"].split()


def main() -> None:
    """Print the suite."""
    played = [tuple(moves[:8]) for moves in lines(sys.argv[1]) if len(moves) >= 8]
    suite: dict[tuple[str, ...], int] = {}
    for plies, least in LEAST.items():
        games: Counter[int] = Counter()
        orders: dict[int, Counter[tuple[str, ...]]] = {}
        for line, count in Counter(line[:plies] for line in played).items():
            board = Board.from_moves(line)
            key = min(board.key, board.mirror().key)
            games[key] += count
            orders.setdefault(key, Counter())[line] += count
        for key, count in games.most_common():
            if count < least:
                break
            line = orders[key].most_common(1)[0][0]
            if not any(longer[:plies] in orders[key] for longer in suite):
                suite[line] = count
    print(HEADER)
    for line, count in sorted(suite.items(), key=lambda item: -item[1]):
        print(f"{' '.join(line)}  # {count}")


if __name__ == "__main__":
    main()
