"""``xqlm repair``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lm import UserError
from lm.cli.console import progress, say
from lm.cli.options import ModelOption, NotationOption

if TYPE_CHECKING:
    from xiangqi import FormatError, Game


def repair(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Games in any format that can be read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The suffix says the format: .pgn, .xqf, .jsonl, …")],
    model: ModelOption = None,
    voice: Annotated[str, typer.Option(help="Whose moves to expect: human or engine.")] = "human",
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the text in IN, such as latin-1. By default it is detected.")
    ] = None,
    notation: NotationOption = None,
) -> None:
    """Guess illegible and illegal plies of records; each guess is marked, with its probability. IN is not changed."""
    from lm.model.folder import load_network
    from lm.model.prompts import Voice
    from lm.repair.repairer import Repairer
    from lm.repair.rewriting import fault_of
    from xiangqi import convert
    from xiangqi.words import counted

    whose = Voice.parse("--voice", voice)
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f"{target} is the record itself, which stays as it is: name another file")
    with progress("loading the model", None):
        repairer = Repairer(load_network(model), whose)
    mended: set[FormatError] = set()
    repaired = unsound = 0

    def change(game: Game) -> Game:
        nonlocal repaired, unsound
        if not game.unread:
            return game
        unsound += 1
        fault = fault_of(game)
        place = "a game" if fault is None else str(fault).removesuffix(f": {fault.reason}")
        found = repairer.repair(game)
        if found is None:
            return game
        repaired += 1
        if fault is not None:
            mended.add(fault)
        guesses = (f"guess for ply {guess.ply} ({guess.chance}): {guess}" for guess in found.guesses)
        print(f"{place}: {'. '.join(guesses)}")
        return found.game

    options: dict[str, Any] = {} if notation is None else {"notation": notation}
    conversion = convert(source, target, encoding=encoding, change=change, **options)
    for error in conversion.errors:
        if error not in mended:
            say(f"not repaired: {error}")
    written = f"{counted(conversion.games, 'game')} written to {target}"
    print(f"{written}: {repaired} of {unsound} with an unsound main line repaired")
