"""``python -m xiangqi``: the commands that need the rules alone."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from xiangqi.formats.streams import Source
    from xiangqi.lines import Notation


def perft(depth: int, fen: str | None = None) -> None:
    """Print the number of leaves of the tree of legal moves, and the speed. Raises ``InvalidFenError``."""
    from xiangqi.board import Board

    board = Board(fen) if fen else Board()
    board.perft(min(depth, 2))  # compiles what is not compiled yet, outside the timing
    start = time.perf_counter()
    leaves = board.perft(depth)
    seconds = time.perf_counter() - start
    rate = leaves / seconds / 1e6
    print(f"{leaves} {'leaf' if leaves == 1 else 'leaves'} in {seconds:.3f} s, {rate:.1f} million leaves/s")


def convert(source: Source, target: Path, encoding: str | None = None, notation: Notation | None = None) -> None:
    """Rewrite games in the format that the suffix of ``target`` names; ``encoding`` is that of ``source``.

    ``notation`` is that of moves in PGN. Faults are left out and reported on standard error. Raises ``FormatError`` or
    ``OSError``.
    """
    from xiangqi.formats import convert
    from xiangqi.words import counted

    options: dict[str, Any] = {} if notation is None else {"notation": notation}
    conversion = convert(source, target, encoding=encoding, **options)
    for error in conversion.errors:
        print(f"not converted: {error}", file=sys.stderr)
    if conversion.left_out:
        parts = ", ".join(f"{part} of {counted(games, 'game')}" for part, games in conversion.left_out.items())
        print(f"left out, as the format has no place for them: {parts}", file=sys.stderr)
    faults = f", {counted(len(conversion.errors), 'fault')}: everything sound was kept" if conversion.errors else ""
    print(f"{counted(conversion.games, 'game')} written to {target}{faults}")


def compliance(
    command: str,
    protocol: Literal["uci", "ucci"] = "uci",
    options: Sequence[str] = (),
    timeout: float | None = None,
    as_json: bool = False,
) -> None:
    """Take an engine through a protocol step by step and print what came of each; exit with 1 if a step failed.

    ``options`` are texts ``NAME=VALUE``. Raises ``OSError`` if the program does not start, ``ValueError`` for an option
    without a value.
    """
    from xiangqi.engine.compliance import VERDICTS, Result, check
    from xiangqi.words import counted

    wrong = next((text for text in options if not text.partition("=")[0] or "=" not in text), None)
    if wrong is not None:
        raise CommandError(f"an option is written NAME=VALUE, not {wrong!r}")

    def tell(result: Result) -> None:
        if not as_json:
            print(f"{result.verdict:4}  {result.step}{': ' if result.note else ''}{result.note}", flush=True)

    settings = dict(text.split("=", 1) for text in options)
    try:
        results = check(command, protocol, options=settings, timeout=timeout, report=tell)
    except ValueError as error:
        raise CommandError(f"{command!r}: {error}") from None
    verdicts = [result.verdict for result in results]
    counts = {verdict: verdicts.count(verdict) for verdict in VERDICTS}
    if as_json:
        steps = [dataclasses.asdict(result) for result in results]
        print(json.dumps({"command": command, "protocol": protocol, "counts": counts, "steps": steps}))
    else:
        words = zip(counts.values(), ("passed", "warned of", "failed", "skipped"), strict=True)
        print(f"{counted(len(results), 'step')}: {', '.join(f'{number} {word}' for number, word in words)}")
    if counts["fail"]:
        sys.exit(1)


class CommandError(ValueError):
    """A command line that says what cannot be done."""


def parse(words: Sequence[str], prog: str, epilog: str | None = None) -> argparse.Namespace:
    """Parse a command line. ``run`` of the result is the function to call with the other options."""
    from xiangqi.lines import Notation

    parser = argparse.ArgumentParser(prog=prog, description="The rules of xiangqi (Chinese chess).", epilog=epilog)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser("perft", help="count the leaves of the tree of legal moves, and time it")
    command.add_argument("depth", metavar="DEPTH", nargs="?", type=_plies, default=4, help="plies (default: 4)")
    command.add_argument("--fen", help="position to start from")
    command.set_defaults(run=perft)
    command = commands.add_parser("convert", help="rewrite games in another format")
    command.add_argument("source", metavar="IN", type=Path, help="games in any readable format")
    command.add_argument("target", metavar="OUT", type=Path, help="the suffix gives the format: .pgn, .xqf, .jsonl, …")
    command.add_argument("--encoding", help="of the text in IN, such as latin-1; by default it is detected")
    command.add_argument("--notation", choices=get_args(Notation), help="of the moves in PGN (default: iccs)")
    command.set_defaults(run=convert)
    command = commands.add_parser("compliance", help="check how an engine keeps to UCI or UCCI")
    command.add_argument("command", metavar="CMD", help="the engine's program, with its arguments in one text")
    command.add_argument("--protocol", choices=("uci", "ucci"), default="uci", help="(default: uci)")
    command.add_argument("--option", dest="options", metavar="NAME=VALUE", action="append", default=[])
    command.add_argument("--timeout", type=_seconds, help="seconds for an answer (default: 10, for the first 30)")
    command.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    command.set_defaults(run=compliance)
    return parser.parse_args(words)


def _plies(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a number of plies: {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"not a time above 0, in seconds: {text!r}")
    return seconds


def run(words: Sequence[str], prog: str = "python -m xiangqi", epilog: str | None = None) -> None:
    """Run a command line. Raises ``SystemExit`` if it is wrong, and whatever its command raises."""
    options = vars(parse(words, prog, epilog))
    options.pop("run")(**options)


def main() -> None:
    """Run the command line. A user's mistake gives a one-line error and exit code 2."""
    from xiangqi.fen import InvalidFenError
    from xiangqi.formats import FormatError

    try:
        run(sys.argv[1:])
    except (FormatError, InvalidFenError, CommandError) as error:
        sys.exit(_told(str(error)))
    except OSError as error:
        sys.exit(_told(f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)))


def _told(message: str) -> int:
    print(f"xiangqi: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
