"""``xqlm train``, ``ladder`` and ``data``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm import UserError
from lm.cli.console import interruptible, progress, say, write
from lm.cli.options import FilesArgument, SaveMinutesOption, SeedOption
from lm.cli.shipped import open_shards, say_rejected, shipped_games

if TYPE_CHECKING:
    from xiangqi.nnue import Net


def train(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILES", show_default=False, help="Games in any format, or shards by xqlm data; the shipped ones."
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="Size and recipe: tiny, small, base, large.")] = "small",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run; resumed if it exists.")] = Path(
        "runs/train"
    ),
    plies: Annotated[
        int | None, typer.Option(min=1, max=10**13, help="About so many plies to read, instead of the preset's.")
    ] = None,
    tokens: Annotated[str, typer.Option(help="move, or char for the system of 2020, which sees no board.")] = "move",
    init_from: Annotated[
        Path | None,
        typer.Option(
            help="Model to start from, which keeps its size; with --tokens char any folder of BERT's or GPT-2's kind."
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-9, help="Peak, instead of the preset's; 1e-5 suits a BERT to start from.")
    ] = None,
    cpu_seconds: Annotated[
        float | None, typer.Option(min=1, help="Processor time of the run, by which its length is found.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another setting of the preset, as batch_plies=1024, warmup=20, decay=0.3, n_embd=128; "
            "a wrong name lists them all.",
        ),
    ] = None,
    average: Annotated[
        bool,
        typer.Option(
            "--average",
            help="Result: the mean of the weights along the run; better where games are read many times.",
        ),
    ] = False,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE=N", help="Read games of a source or tier N times an epoch, instead of once."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the start and the order of the games.")] = 1,
    save_minutes: SaveMinutesOption = 5,
) -> None:
    """Train a model on games; an interrupted run is resumed by the same command."""
    from lm.model.folder import model_path
    from lm.training import run as training
    from lm.training.memory import keep_memory
    from lm.training.presets import CONFIG, SIZES, find_preset, read_settings

    keep_memory()
    settings = read_settings(setting or [])
    for name, value in (("plies", plies), ("learning_rate", learning_rate)):
        if value is not None and settings.setdefault(name, value) != value:
            raise UserError(f"{name} is given twice, by --{name.replace('_', '-')} and by --set")
    if init_from is not None:
        model_path(init_from)  # before games are read, which takes minutes
    kept = {*SIZES, *CONFIG} if init_from is not None else CONFIG.keys() if tokens == "char" else set()
    if fixed := [name for name in settings if name in kept]:
        why = (
            "a model that is trained further keeps its size"
            if init_from
            else "a model that reads characters has no such setting"
        )
        raise UserError(f"--set {fixed[0]}: {why}")
    changes = {name: settings.pop(name) for name in CONFIG if name in settings}
    chosen = find_preset(preset, settings, average)
    shards = open_shards(files or shipped_games(), Path("cache"))
    with interruptible():
        result = training.train(
            shards,
            out,
            chosen,
            tokens=tokens,
            init_from=init_from,
            config_changes=changes,
            seed=seed,
            cpu_seconds=cpu_seconds,
            weights=dict(map(parse_weight, weight or [])),
            save_minutes=save_minutes,
        )
    if os.environ.get("RANK", "0") == "0":
        print(f"the model is in {result}")


def ladder(
    files: FilesArgument = None,
    rungs: Annotated[
        str, typer.Option(help="Those to work on, as char,blind.")
    ] = "char,blind,board,threats,full,tactics",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of runs and matches; resumed if it exists.")] = Path(
        "runs/ladder"
    ),
    table: Annotated[Path, typer.Option(help="Markdown file for the tables.")] = Path("docs/ladder.md"),
    budget: Annotated[float, typer.Option(min=0.1, help="CPU seconds of training for each rung.")] = 7200,
    games: Annotated[int, typer.Option(min=1, help="Games of each rung against the reference.")] = 200,
    between: Annotated[int, typer.Option(min=1, help="Games of every two rungs.")] = 100,
    reference: Annotated[str | None, typer.Option(metavar="SPEC", help="Instead of fairy-stockfish, depth 1.")] = None,
    run: Annotated[list[str] | None, typer.Option(metavar="RUNG=DIR", help="A finished run to use for a rung.")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Games played at once.")] = 64,
    save_minutes: SaveMinutesOption = 5,
) -> None:
    """Train and compare six models, from the system of 2020 to the shipped one; resumed by the same command."""
    from lm import ladder as climbing
    from lm.training.memory import keep_memory

    keep_memory()
    names, runs = climbing.choose(rungs), climbing.stand_ins(run or [])
    found = climbing.Ladder(
        open_shards(files or shipped_games(), Path("cache")),
        out,
        progress,
        say,
        budget=budget,
        games=games,
        between=between,
        reference=reference or climbing.REFERENCE,
        data=files or [],
        runs=runs,
        save_minutes=save_minutes,
        parallel=parallel,
    )
    with interruptible():
        found.climb(names)
    page = found.page()
    table.parent.mkdir(parents=True, exist_ok=True)
    write(table, page)
    print(page)
    say(f"written to {table}")


def distil(
    model: Annotated[Path, typer.Option(help="The model's folder; nnue.safetensors is written there.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILES", show_default=False, help="Games in any format, or a shard by xqlm data; the shipped ones."
        ),
    ] = None,
    games: Annotated[
        int | None, typer.Option(min=1, show_default=False, help="Read so many training games; all of them.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the labels; those that are there are not made again.")
    ] = Path("runs/distil"),
    cores: Annotated[int, typer.Option(min=1, help="Processes that label.")] = 1,
    seed: SeedOption = 1,
) -> None:
    """Distil a model's value into a small network, with which the search's tactics evaluate positions."""
    import numpy as np

    from lm.model.folder import NET, load_network, model_path
    from lm.training import distil as distilling
    from xiangqi.formats.streams import open_replacing

    folder = model_path(model)
    load_network(folder)  # a fault is told before games are read, and not by each process
    shards = open_shards(files or shipped_games(), Path("cache"))
    if len(shards) > 1:
        raise UserError("one shard at a time: xqlm data makes one of several files")

    def train(what: str, labels: list[Path], mixture: distilling.Mixture) -> tuple[Net, float, float]:
        with progress(what, None) as (_, advance):
            return distilling.fit(
                np.concatenate([np.load(file) for file in labels]),
                mixture,
                seed,
                lambda step, steps, error: advance(step, f"of {steps} steps, error {error:.4f}"),
            )

    with interruptible():
        with progress("labelling games", games) as (_, advance):
            labels = distilling.label(shards[0], folder, out, games, cores, lambda done, all_games: advance(done, ""))
        first = out / "first.npy"
        if not first.exists():
            net, _, _ = train("training a first network", labels, distilling.DISTILLED)
            with open_replacing(first) as file:
                np.save(file, net)
        with progress("searching with it, files of positions", len(labels)) as (_, advance):
            labels = distilling.look_further(labels, np.load(first), out, cores, lambda done: advance(done, ""))
        net, error, before = train("training the network", labels, distilling.SEARCHED)
    distilling.write(net, folder / NET)
    print(f"mean squared error {error:.4f} in games kept back, {before:.4f} by pieces alone")
    print(f"written to {folder / NET}")


def data(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Games in any format.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the shard, or NAME.parquet for a table of the games.")
    ] = Path("cache/shard"),
) -> None:
    """Build a training shard from records: every move is checked, copies are dropped, some games are held out.

    As NAME.parquet the same games, with their split and their text, are a table for the datasets of Hugging Face. It is
    read as games wherever files of games are.
    """
    from lm.dataset.export import export
    from lm.dataset.parquet import SUFFIX
    from lm.dataset.records import SPLITS
    from lm.dataset.shards import Shard, build
    from xiangqi.words import counted

    with progress("reading", None) as (_, advance):
        write_games = export if out.suffix == SUFFIX else build
        counts = write_games(files, out, lambda games: advance(games, ""))
    print(", ".join(as_words(count, what) for what, count in counts.items()))
    if out.suffix != SUFFIX:
        shard = Shard.open(out)
        print(", ".join(f"{counted(len(shard.games(split)), 'game')} to {split}" for split in SPLITS))
        say_rejected(shard)


def as_words(count: int, what: str) -> str:
    """Return one of the counts of games read.

    >>> as_words(1, "games to train"), as_words(2, "plies"), as_words(1, "rejected")
    ('1 game to train', '2 plies', '1 rejected')
    """
    from xiangqi.words import counted

    things = {"games": "game", "duplicates": "duplicate", "plies": "ply"}
    first, *rest = what.split()
    return " ".join([counted(count, things[first]), *rest]) if first in things else f"{count:,} {what}"


def parse_weight(text: str) -> tuple[str, float]:
    """Return source and weight of ``SOURCE=N``.

    >>> parse_weight("engine=0.5")
    ('engine', 0.5)
    """
    name, _, number = text.rpartition("=")
    try:
        return name, float(number)
    except ValueError:
        raise UserError(f"--weight {text}: expected SOURCE=N, as in engine=0.5") from None
