"""``xqlm perft``, ``convert`` and ``compliance``, which need only the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lm.cli.options import FenOption, NotationOption


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
    notation: NotationOption = None,
) -> None:
    """Rewrite games in another format; the format of IN is detected from its content."""
    from lm.dataset.parquet import is_parquet, open_parquet
    from xiangqi.__main__ import convert

    convert(open_parquet(source) if is_parquet(source) else source, target, encoding, notation)


def compliance(
    command: Annotated[str, typer.Argument(metavar="CMD", help="Its program and arguments, as one text.")],
    protocol: Annotated[Literal["uci", "ucci"], typer.Option(help="What it is spoken to in.")] = "uci",
    options: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="Set at each start; may be repeated.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.1, show_default=False, help="Seconds that it has for an answer; 10, for the first 30."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check step by step how an engine keeps to UCI or UCCI; exit with 1 if a step fails."""
    from xiangqi.__main__ import compliance

    compliance(command, protocol, options or (), timeout, as_json)
