"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Side = Literal["red", "black", "both", "none"]
Rules = Literal["computer", "asian", "check_only", "none"]
Notation = Literal["iccs", "wxf", "chinese", "traditional", "algebraic"]
PlayerOption = Annotated[str, typer.Option("--player", metavar="SPEC", help="The opponent: lm, random, uci:cmd=…")]
SideOption = Annotated[Side, typer.Option(help="What you play.")]
FenOption = Annotated[str | None, typer.Option(help="Position to start from.")]
GamesOption = Annotated[int, typer.Option("--games", "-n", min=1, help="Number of games.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="PGN file; resumed if it exists.")]
OpeningsOption = Annotated[
    str, typer.Option(metavar="suite|start|FILE", help="The shipped suite, the start position, or a file of lines.")
]
RulesOption = Annotated[Rules, typer.Option(help="Repetition rulings.")]
PliesOption = Annotated[int, typer.Option(min=1, help="A game that reaches this ply is drawn.")]
ParallelOption = Annotated[
    int | None, typer.Option(min=1, show_default=False, help="Games played at once; 64, with clocks one for each core.")
]
CoresOption = Annotated[
    int | None,
    typer.Option(min=1, show_default=False, help="Engines that think at once, in twice as many processes; all cores."),
]
ProcessesOption = Annotated[
    int | None, typer.Option("--cores", min=1, show_default=False, help="Processes that play or label; one a core.")
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="local|HOST:PORT",
        show_default=False,
        help="Work on Ray: one of its own on this machine, or a cluster's; --cores workers, or one a core.",
    ),
]
LabelsOption = Annotated[int, typer.Option("--moves", min=1, max=32, help="Moves of a label, the best ones.")]
PuzzlesOption = Annotated[
    Path | None, typer.Option(help="Positions with solutions (JSON lines with fen and moves) to solve.")
]
ResignOption = Annotated[
    str | None,
    typer.Option(
        metavar="movecount=N,score=CP[,twosided=true]", help="A player that says so bad a score N times in a row loses."
    ),
]
DrawOption = Annotated[
    str | None,
    typer.Option(
        metavar="movenumber=M,movecount=N,score=CP", help="Drawn when both say so even a score N times in a row."
    ),
]
HoursOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        show_default=False,
        help="Stop after so long, and write the page from what is known; 0 writes it without playing.",
    ),
]
FolderOption = Annotated[Path, typer.Option("--out", "-o", help="Folder of the games; resumed if it exists.")]
PageOption = Annotated[
    Path,
    typer.Option("--table", help="Markdown file for the page; figures are in JSON beside it; resumed if it exists."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Decides the order of the openings.")]
FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILES", show_default=False, help="Games in any format; the shipped ones."),
]
NotationOption = Annotated[Notation | None, typer.Option(show_default=False, help="Of the moves in PGN; iccs.")]
ModelOption = Annotated[Path | None, typer.Option(help="Model folder; the shipped one.")]
SaveMinutesOption = Annotated[float, typer.Option(min=0, help="Time between checkpoints.")]
