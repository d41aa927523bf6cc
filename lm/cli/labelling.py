"""``xqlm annotate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lm import UserError
from lm.cli.console import interruptible, progress, say
from lm.cli.options import ClusterOption, LabelsOption, ProcessesOption, SeedOption


def annotate(
    files: Annotated[list[Path], typer.Argument(metavar="GAMES", help="Games in any format that can be read.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="NAME.jsonl, which grows and can be trained on, or a file like NAME.pgn."),
    ],
    player: Annotated[
        str,
        typer.Option("--player", metavar="SPEC", help="Who judges: search:64, uci:cmd=…, ucci:cmd=…, tactics:4, lm."),
    ] = "search:64",
    most: LabelsOption = 8,
    share: Annotated[float, typer.Option(min=1e-6, max=1, help="Share of the plies to label, drawn at random.")] = 1.0,
    every_game: Annotated[
        bool, typer.Option("--all", help="Label games that training holds out, and near-duplicates, too.")
    ] = False,
    cores: ProcessesOption = None,
    cluster: ClusterOption = None,
    seed: SeedOption = 0,
) -> None:
    """Label each ply of games with the best moves, their scores and visits; resumed by the same command."""
    from lm.matches import labels
    from lm.matches.cluster import open_crew
    from lm.players.specs import Spec
    from xiangqi.words import counted

    for path in files:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
    order = labels.Order(Spec.parse(player), most, share, every_game, seed)
    with interruptible():
        labels.check(files, out, order)
        with progress("reading games", None) as (_, advance):
            found = labels.survey(files, order, lambda games: advance(games, ""))
        with progress(f"plies by {order.spec.name}", sum(map(len, found.plies))) as (report, advance):
            count = labels.annotate(
                files,
                out,
                order,
                crew=open_crew(cluster, cores, [order.spec]),
                found=found,
                advance=lambda plies: advance(plies, ""),
                report=report,
            )
    left = "".join(f"; {number} left as they are: {reason}" for reason, number in found.counts.items())
    say(f"{counted(count, 'game')} labelled in {out}{left}")
