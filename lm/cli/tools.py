"""``xqlm perft`` and ``convert``, which need only the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lm.cli.options import FenOption


def perft(
    depth: Annotated[int, typer.Argument(min=0, help="Plies.")] = 4,
    fen: FenOption = None,
) -> None:
    """Count the leaves of the tree of legal moves, and say how fast."""
    from xiangqi.__main__ import perft

    perft(depth, fen)


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Games in any format that can be read, Parquet too.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The suffix says the format: .pgn, .xqf, .jsonl, …")],
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the text in IN, such as latin-1. By default it is detected.")
    ] = None,
) -> None:
    """Rewrite games in another format; the format of IN is detected from its content."""
    from lm.dataset.parquet import is_parquet, open_parquet
    from xiangqi.__main__ import convert

    convert(open_parquet(source) if is_parquet(source) else source, target, encoding)
