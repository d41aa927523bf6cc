"""``xqlm evaluate``, ``report`` and ``explain``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lm import UserError, data_path, one_of, require
from lm.cli.console import figure, progress, say, write
from lm.cli.leaderboard import PositionsOption, evaluate_player, puzzle_questions
from lm.cli.options import FilesArgument, ModelOption, PuzzlesOption
from lm.cli.shipped import open_shard, read_puzzles, shipped_games


def evaluate(
    files: FilesArgument = None,
    model: ModelOption = None,
    split: Annotated[
        str | None, typer.Option(help="Only those of a split: train, validation, test; test for the shipped ones.")
    ] = None,
    voice: Annotated[str, typer.Option(help="Whose moves to expect: human or engine.")] = "human",
    symmetries: Annotated[
        int, typer.Option(min=1, max=2, help="1, or 2 to read mirror images too and take the mean, as players do.")
    ] = 2,
    puzzles: PuzzlesOption = None,
    random_games: Annotated[int, typer.Option(min=0, help="Also play so many games from random openings.")] = 0,
    player: Annotated[
        str | None,
        typer.Option(metavar="SPEC", show_default=False, help="Any player instead of a model, by its answers."),
    ] = None,
    positions: PositionsOption = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with figures by part.")] = False,
) -> None:
    """Measure how well a model predicts the moves of games; without files, of the shipped ones of that voice.

    With --player, any engine, text model or function is asked for a move in positions of the shipped test games.
    """
    from xiangqi.words import counted

    if player is not None:
        if files or model or random_games or split not in (None, "test"):
            raise UserError(
                "--player is asked about the shipped test games: no files, --model, --split or --random-games"
            )
        evaluate_player(player, positions, puzzle_questions(puzzles), as_json)
        return
    with progress("loading the model", None):
        from lm.dataset.records import SPLITS, opening
        from lm.dataset.seen import SeenGames
        from lm.measure import evaluate as evaluation
        from lm.measure.held_out import records_of
        from lm.measure.novelty import is_new, read_positions
        from lm.measure.puzzles import solve
        from lm.measure.stray import RANDOM_PLIES, after_random_plies
        from lm.model.loading import load_any_model
        from lm.model.prompts import Voice

        whose = Voice.parse("--voice", voice)
        if split is not None:
            one_of("--split", split, SPLITS)
        loaded = load_any_model(model)
        trained_on = SeenGames.load(model or data_path("model"))
    symmetries = min(symmetries, evaluation.readings(loaded))
    asked = read_puzzles(puzzles)
    shard = open_shard(files or shipped_games(), Path("cache"))
    split = split if files else split or "test"
    records = records_of(shard, split)
    if not files:
        records = [record for record in records if (record.tier == "engine") == (whose == Voice.ENGINE)]
    with progress("predicting their moves", len(records), at_once=True) as (_, advance):
        games = [evaluation.game_moves(record) for record in records]
        results = [record.result for record in records]
        found = evaluation.evaluate(loaded, games, results, whose, lambda done: advance(done, ""), symmetries)
    by_position = {}
    if split in ("validation", "test"):  # the training games of the same files say what is new
        new = is_new(found, games, read_positions([shard]))
        wheres = {"new": new, "in training games": ~new}
        by_position = {name: asdict(found.report(where)) for name, where in wheres.items() if where.any()}
    seen = None if trained_on is None else sum(opening(record.moves) in trained_on for record in records)
    facts = {"rejected": shard.meta["rejected"], "seen": seen, "voice": voice, "symmetries": symmetries}
    report = asdict(found.report()) | facts
    if as_json:
        groups = found.breakdown(evaluation.labels_of(records))
        by = {kind: {name: asdict(part) for name, part in parts.items()} for kind, parts in groups.items()}
        by["position"] = by_position
        report |= {"by": by, "calibration": list(map(asdict, found.calibration()))}
    if asked:
        report["puzzles"] = asdict(solve(loaded, asked, whose, symmetries=symmetries))
    if random_games:
        report["after_random_plies"] = asdict(after_random_plies(loaded, random_games))
    if as_json:
        print(json.dumps(report))
        return
    parts = {f"{counted(report['games'], 'game')}, {counted(report['plies'], 'ply')}": report}
    if "new" in by_position:
        title = f"positions that no training game of these files has, {counted(by_position['new']['plies'], 'ply')}"
        parts[title] = by_position["new"]
    if asked:
        parts[counted(report["puzzles"]["positions"], "puzzle")] = report["puzzles"]
    if random_games:
        parts[f"its own play after {RANDOM_PLIES} random plies"] = report["after_random_plies"]
    for title, part in parts.items():
        print(title)
        if part is report:
            print(f"games that the model has seen in training: {'not known' if seen is None else seen}")
        for name, bounds in part["interval"].items():
            print(figure(name, part[name], bounds))


def report(
    files: FilesArgument = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file.")] = Path("report.html"),
    model: ModelOption = None,
    split: Annotated[str, typer.Option(help="Split of the games: test or validation.")] = "test",
    limit: Annotated[int, typer.Option(min=0, help="About so many of them; 0 for all.")] = 0,
    puzzles: PuzzlesOption = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the training run, for its curves.")] = None,
    selfplay: Annotated[Path | None, typer.Option(help="Games by xqlm selfplay, for how they end.")] = None,
    random_games: Annotated[int, typer.Option(min=0, help="Games from random openings to play.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, too.")] = False,
) -> None:
    """Measure a model and write a page with tables and charts."""
    require("matplotlib", "report")
    from lm.measure import figures
    from lm.measure import report as reporting
    from lm.measure.held_out import records_of
    from lm.model.loading import load_any_model
    from xiangqi.formats.streams import open_replacing

    one_of("--split", split, ("test", "validation"))
    with figures.drawing():  # before the work, check that the drawing libraries are there and the page can be written
        loaded = load_any_model(model)
    asked = read_puzzles(puzzles)
    with open_replacing(out) as file:
        shard = open_shard(files or shipped_games(), Path("cache"))
        found = reporting.gather(
            loaded,
            records_of(shard, split, limit),
            puzzles=asked,
            learners=records_of(shard, "validation" if split == "test" else "test", limit or 300),
            stray=random_games,
            run=run,
            selfplay=selfplay,
            say=say,
        )
        facts = {
            "model": str(model or "shipped"),
            "parameters": f"{found.parameters:,}",
            "games": ", ".join(Path(name).name for name in shard.meta["files"]),
            "split": split,
        }
        file.write(reporting.page(found, "A language model of xiangqi, measured", facts).encode())
    say(f"report written to {out}")
    if as_json:
        print(json.dumps(asdict(found)))


def explain(
    fen: Annotated[str, typer.Argument(metavar="FEN", help="Position.")],
    move: Annotated[str, typer.Argument(metavar="MOVE", help="In ICCS, WXF or Chinese.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="SVG file for the picture.")] = None,
    model: ModelOption = None,
    voice: Annotated[str, typer.Option(help="Whose moves to give: human or engine.")] = "human",
) -> None:
    """Show what each piece contributes to the score that the model gives a move."""
    require("captum", "report")
    from lm.measure.explain import explain as find_shares
    from lm.model.loading import load_model
    from lm.model.prompts import Voice
    from lm.terminal.commands import parse_move
    from xiangqi import Board, square_name

    whose = Voice.parse("--voice", voice)
    board = Board(fen)
    chosen = parse_move(board, move)
    found = find_shares(load_model(model), board, chosen, whose)
    print(f"{board.chinese(chosen)} ({chosen.iccs}): the pieces together account for {found.difference:+.2f} nats")
    for share in found.shares:
        print(f"{share.piece.symbol()} {square_name(share.square)} {share.value:+.3f}")
    if out is not None:
        write(out, found.svg())
        say(f"picture written to {out}")
