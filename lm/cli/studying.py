"""``xqlm review``."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lm import UserError
from lm.cli.console import progress, say
from lm.cli.options import ModelOption

if TYPE_CHECKING:
    from xiangqi import Game


def review(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A game in any format that can be read.")],
    number: Annotated[int, typer.Option("--game", min=1, help="Which game of the file.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Positions to read for each position of the game.")] = 400,
    movetime: Annotated[
        int | None, typer.Option(min=1, show_default=False, help="Milliseconds for each position, instead of nodes.")
    ] = None,
    player: Annotated[
        str, typer.Option(metavar="SPEC", help="Who judges: search, or an engine, as uci:fairy-stockfish,…")
    ] = "search",
    model: ModelOption = None,
    worst: Annotated[int, typer.Option(min=0, help="How many of the worst moves of each side to show.")] = 3,
    notation: Annotated[Literal["chinese", "wxf", "iccs"], typer.Option(help="How moves are written.")] = "chinese",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.html|.txt|.pgn|…",
            help="Also write the review as a page or text, or the game with marks, scores and better moves.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Review a game: its score, its turning points, the worst moves, what was better, and what people play there."""
    from lm.model.folder import load_network
    from lm.players.player import Thinker
    from lm.players.policy import Evaluator
    from lm.players.specs import load_player
    from lm.study.report import as_text, write_review
    from lm.study.review import Review
    from xiangqi.engine import Limit
    from xiangqi.words import counted

    game = read_game(file, number)
    reviewed = Review(game)
    with progress("loading the model", None):
        thinker = load_player(player)
        people = Evaluator(load_network(model), symmetries=2)
    if not isinstance(thinker, Thinker):
        raise UserError(f"{player} cannot judge positions: name a search or an engine")
    limit = Limit(nodes=nodes) if movetime is None else Limit(time=movetime / 1000)
    try:
        with progress("positions", len(reviewed.moves) + 1, at_once=True) as (_, advance):
            for point in reviewed.run(thinker, limit, people):
                advance(point.ply + 1, "")
    except KeyboardInterrupt:
        say(f"stopped after {len(reviewed.points)} of {counted(len(reviewed.moves) + 1, 'position')}")
    finally:
        thinker.close()
    if not reviewed.judged:
        return
    if out is not None:
        write_review(reviewed, out, worst, notation)
    print(json.dumps(reviewed.as_dict(), ensure_ascii=False) if as_json else as_text(reviewed, worst, notation))


def read_game(file: Path, number: int) -> Game:
    """Return a game of a file. Raises ``UserError`` if there is none, or none with this number."""
    from xiangqi import load

    game = next(islice(load(file, on_error=lambda error: say(str(error))), number - 1, None), None)
    if game is None:
        raise UserError(f"{file}: no game {number}")
    return game
