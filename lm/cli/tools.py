"""``xqlm perft`` and ``convert``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm.cli.console import say
from lm.cli.options import (
    FenOption,
)

if TYPE_CHECKING:
    pass


def perft(
    depth: Annotated[int, typer.Argument(min=0, help="Plies.")] = 4,
    fen: FenOption = None,
) -> None:
    """Count the leaves of the tree of legal moves, and say how fast."""
    from xiangqi import Board

    board = Board(fen) if fen else Board()
    board.perft(min(depth, 2))  # whatever has to be compiled is compiled here
    start = time.perf_counter()
    leaves = board.perft(depth)
    seconds = time.perf_counter() - start
    print(f"{leaves} leaves in {seconds:.3f} s, {leaves / seconds / 1e6:.1f} million leaves/s")


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Games in any format that can be read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The suffix says the format: .pgn, .xqf, .jsonl, …")],
) -> None:
    """Rewrite games in another format; what is in IN is found out by reading it."""
    from xiangqi import formats

    conversion = formats.convert(source, target)
    for error in conversion.errors:
        say(f"not converted: {error}")
    faults = f", {len(conversion.errors)} faults: what is sound was kept" if conversion.errors else ""
    print(f"{conversion.games} games written to {target}{faults}")
