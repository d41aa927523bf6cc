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
    from lm.study.review import Judged, Review
    from xiangqi import Game
    from xiangqi.lines import Notation

BARS = "▁▂▃▄▅▆▇█"
SHOWN_PLIES = 6


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
        Path | None, typer.Option("--out", "-o", help="Also write the game with marks, scores and better moves.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Review a game: its score, its turning points, the worst moves, what was better, and what people play there."""
    from lm.model.folder import load_network
    from lm.players.player import Thinker
    from lm.players.policy import Evaluator
    from lm.players.specs import load_player
    from lm.study.review import Review
    from xiangqi import save
    from xiangqi.engine import Limit

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
        say(f"stopped after {len(reviewed.points)} of {len(reviewed.moves) + 1} positions")
    finally:
        thinker.close()
    if not reviewed.judged:
        return
    if out is not None:
        save(reviewed.annotated(), out)
    print(json.dumps(reviewed.as_dict(), ensure_ascii=False) if as_json else as_text(reviewed, worst, notation))


def read_game(file: Path, number: int) -> Game:
    """Return a game of a file. Raises ``UserError`` if there is none, or none with this number."""
    from xiangqi import load

    game = next(islice(load(file, on_error=lambda error: say(str(error))), number - 1, None), None)
    if game is None:
        raise UserError(f"{file}: no game {number}")
    return game


def as_text(reviewed: Review, worst: int, notation: Notation) -> str:
    """Return a review as text."""
    from xiangqi import BLACK, RED

    headers = reviewed.game.headers
    names = {RED: headers.get("Red") or "Red", BLACK: headers.get("Black") or "Black"}
    title = f"{names[RED]} - {names[BLACK]}, {reviewed.game.result}"
    lines = [f"{title}, {headers['Event']}" if headers.get("Event") else title, ""]
    for color in (RED, BLACK):
        accuracy = reviewed.accuracy(color)
        if accuracy is not None:
            counted = ", ".join(f"{many(count, name)}" for name, count in reviewed.counts(color).items())
            lines.append(f"{('Red', 'Black')[color]}: accuracy {accuracy:.0f}%, {counted}")
    lines += ["", "Red's expected score, from 0 to 1, by move:", curve(reviewed)]
    if turning := reviewed.turning_points():
        lines += ["", "Turning points:"]
        lines += [f"  {describe(reviewed, judged, notation)}" for judged in turning]
    for color in (RED, BLACK):
        if found := reviewed.worst(color, worst):
            lines += ["", f"Worst moves of {names[color]}:"]
            for judged in found:
                lines += [
                    f"  {describe(reviewed, judged, notation)}",
                    *(f"    {line}" for line in advice(reviewed, judged, notation)),
                ]
    return "\n".join(lines)


def many(count: int, name: str) -> str:
    """Return a number of things in words.

    >>> many(1, "mistake"), many(2, "inaccuracy")
    ('1 mistake', '2 inaccuracies')
    """
    if count == 1:
        return f"1 {name}"
    return f"{count} {name[:-1]}ies" if name.endswith("y") else f"{count} {name}s"


def curve(reviewed: Review, width: int = 80) -> str:
    """Return the score over the game as bars, at most so many."""
    values = [point.value for point in reviewed.points]
    step = -(-len(values) // width)
    return "".join(BARS[min(int(value * len(BARS)), len(BARS) - 1)] for value in values[::step])


def describe(reviewed: Review, judged: Judged, notation: Notation) -> str:
    """Return a move, its mark, and what the mover could expect before and after it."""
    board = reviewed.board_at(judged.before.ply)
    marks = {"blunder": "??", "mistake": "?", "inaccuracy": "?!"}
    before, after = (point.value_for(judged.color) for point in (judged.before, judged.after))
    dots = "..." if judged.color else "."
    text = board.line_text([judged.move], notation).split(maxsplit=1)[-1]
    return f"{judged.before.ply // 2 + 1}{dots} {text}{marks.get(judged.verdict, '')}  {before:.2f} → {after:.2f}"


def advice(reviewed: Review, judged: Judged, notation: Notation) -> list[str]:
    """Return what was better, and what people play."""
    board = reviewed.board_at(judged.before.ply)
    found = [f"better: {board.line_text(judged.before.line[:SHOWN_PLIES], notation)}"]
    if judged.before.popular:
        shares = [
            f"{board.line_text([move], notation).split(maxsplit=1)[-1]} {share:.0%}"
            for move, share in judged.before.popular
        ]
        own = judged.before.played_share
        found.append(f"people: {', '.join(shares)}" + ("" if own is None else f"; the move played {own:.0%}"))
    return found
