"""``xqlm``, the one command line. A subcommand imports what it needs when it runs, so that ``xqlm --help`` is quick."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lm import UserError, data_path
from lm.console import fail, interruptible, progress, say, write

if TYPE_CHECKING:
    from lm.arena import Opening
    from lm.data import Shard
    from lm.evaluate import Puzzle
    from lm.players import Player
    from xiangqi.game import Game

app = typer.Typer(
    name="xqlm",
    help="Xiangqi (Chinese chess): play it, study it, and train a language model on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Side = Literal["red", "black", "both", "none"]
Rules = Literal["computer", "check_only", "none"]
PlayerOption = Annotated[str, typer.Option("--player", metavar="SPEC", help="The opponent: lm, random, uci:cmd=…")]
SideOption = Annotated[Side, typer.Option(help="What you play.")]
FenOption = Annotated[str | None, typer.Option(help="Position to start from.")]
GamesOption = Annotated[int, typer.Option("--games", "-n", min=1, help="Number of games.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="PGN file; a match that was stopped goes on from it.")
]
OpeningsOption = Annotated[
    str, typer.Option(metavar="suite|start|FILE", help="The shipped suite, the start position, or a file of lines.")
]
RulesOption = Annotated[Rules, typer.Option(help="Repetition rulings.")]
PliesOption = Annotated[int, typer.Option(min=1, help="A game that reaches this ply is drawn.")]
ParallelOption = Annotated[int, typer.Option(min=1, help="Games played at once.")]
PuzzlesOption = Annotated[
    Path | None, typer.Option(help="Positions with solutions (JSON lines with fen and moves) to solve.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Decides the order of the openings.")]
FilesArgument = Annotated[list[Path] | None, typer.Argument(metavar="FILES", show_default=False, help="More games.")]
RecordsOption = Annotated[list[Path] | None, typer.Option("--games", help="Games in any format; the shipped ones.")]
ModelOption = Annotated[Path | None, typer.Option(help="Model folder; the shipped one.")]
SaveMinutesOption = Annotated[float, typer.Option(min=0, help="Time between checkpoints.")]


@app.command()
def play(player: PlayerOption = "lm", side: SideOption = "red", fen: FenOption = None) -> None:
    """Open the board and play; where there is no display, play in the terminal."""
    window = import_module("gui.app")  # by name: the board stands on this package, not the other way round
    try:
        window.main(player, side, fen)
    except window.NoDisplayError as error:
        say(f"{error}; playing in the terminal")
        terminal(player, side, fen)


@app.command()
def terminal(
    player: PlayerOption = "lm",
    side: SideOption = "red",
    fen: FenOption = None,
    letters: Annotated[
        bool, typer.Option("--letters", help="Letters for pieces instead of Chinese characters.")
    ] = False,
) -> None:
    """Play in the terminal by typing moves."""
    from lm.terminal import main as play_in_terminal

    play_in_terminal(player, side, fen, letters)


@app.command()
def match(
    a: Annotated[str, typer.Argument(metavar="A", show_default=False, help="Whose score it is: random, greedy, lm, …")],
    b: Annotated[
        str, typer.Argument(metavar="B", show_default=False, help="The other, as lm:style=engine or uci:cmd=…")
    ],
    games: GamesOption = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    out: OutOption = None,
    openings: OpeningsOption = "suite",
    rules: RulesOption = "computer",
    max_plies: PliesOption = 400,
    parallel: ParallelOption = 64,
    seed: SeedOption = 0,
    sprt: Annotated[
        str | None,
        typer.Option(metavar="ELO0,ELO1", help="Stop as soon as a test between these two is decided (5% errors)."),
    ] = None,
) -> None:
    """Let player A meet player B: each opening twice with colours exchanged; Elo with its 95% interval."""
    from lm import arena
    from lm.elo import Score, Sprt, elo, points_of

    test = Sprt.parse(sprt) if sprt is not None else None
    with resumable(out), ExitStack() as stack:
        first, second = open_player(stack, a), open_player(stack, b)
        pairings = arena.match_pairings(first, second, games, read_openings(openings), seed)
        with progress(f"{a} - {b}", games) as (report, advance):
            played: dict[int, Game] = {}
            for index, game in arena.play_to_file(
                pairings, out, rules=rules, max_plies=max_plies, parallel=parallel, report=report
            ):
                played[index] = game
                score = Score.of(played)
                note = f"+{score.wins} ={score.draws} -{score.losses}"
                if test is not None:
                    test.add(index, points_of(index, game))
                    note += f" LLR {test.llr:+.2f}"
                advance(len(played), note)
                if test is not None and test.verdict != "undecided":
                    break
    score = Score.of(played)
    if as_json:
        tested = {"sprt": test.as_dict()} if test is not None else {}
        print(json.dumps({"a": a, "b": b, **score.as_dict(), **tested}, ensure_ascii=False))
        return
    rating, low, high = (signed(elo(share), share) for share in (score.score, *score.interval))
    print(
        f"{a} against {b}: {score.games} games, +{score.wins} ={score.draws} -{score.losses}, score {score.score:.3f}"
    )
    print(f"Elo {rating}, 95% interval {low} to {high}")
    if test is not None:
        print(
            f"Elo {test.elo0:g} (H0) or {test.elo1:g} (H1): {test.verdict} after {test.pairs} pairs, "
            f"LLR {test.llr:+.2f} of {test.bounds[0]:+.2f} to {test.bounds[1]:+.2f}"
        )
    print(f"Ended by {endings(score.endings)}")


@app.command()
def selfplay(
    games: GamesOption = 10,
    player: Annotated[str, typer.Option("--player", metavar="SPEC", help="Who plays both sides.")] = "lm",
    out: OutOption = None,
    openings: OpeningsOption = "start",
    rules: RulesOption = "computer",
    max_plies: PliesOption = 400,
    parallel: ParallelOption = 64,
    seed: SeedOption = 0,
) -> None:
    """Let a player play itself; PGN goes to the file, or else to standard output."""
    from lm import arena
    from lm.elo import Score

    with resumable(out), ExitStack() as stack:
        both = open_player(stack, player)
        pairings = arena.match_pairings(both, both, games, read_openings(openings), seed)
        with progress(player, games) as (report, advance):
            played: dict[int, Game] = {}
            for index, game in arena.play_to_file(
                pairings, out, rules=rules, max_plies=max_plies, parallel=parallel, report=report
            ):
                played[index] = game
                advance(len(played), f"{game.end().ply} plies")
                if out is None:
                    print(game, flush=True)
    say(f"{len(played)} games, ended by {endings(Score.of(played).endings)}")


@app.command()
def train(
    files: FilesArgument = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Games in any format, or shards by xqlm data; the shipped ones.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Size and recipe: tiny, small, base, large.")] = "small",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; one that is there is gone on with.")
    ] = Path("runs/train"),
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
    """Train a model on games; interrupt it when you like, the same command goes on."""
    from lm import train as training

    training.keep_memory()
    chosen = training.find_preset(preset, plies, learning_rate, average)
    shards = open_shards([*(data or []), *(files or [])] or shipped_games(), Path("cache"))
    with interruptible():
        result = training.train(
            shards,
            out,
            chosen,
            tokens=tokens,
            init_from=init_from,
            seed=seed,
            cpu_seconds=cpu_seconds,
            weights=dict(map(parse_weight, weight or [])),
            save_minutes=save_minutes,
        )
    if os.environ.get("RANK", "0") == "0":
        print(f"the model is in {result}")


@app.command()
def ladder(
    files: FilesArgument = None,
    rungs: Annotated[str, typer.Option(help="Those to work on, as char,blind.")] = "char,blind,board,threats,full",
    data: Annotated[list[Path] | None, typer.Option("--data", help="Games in any format; the shipped ones.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of runs and matches; gone on with.")] = Path(
        "runs/ladder"
    ),
    table: Annotated[Path, typer.Option(help="Markdown file for the tables.")] = Path("docs/ladder.md"),
    budget: Annotated[float, typer.Option(min=0.1, help="CPU seconds of training for each rung.")] = 7200,
    games: Annotated[int, typer.Option(min=1, help="Games of each rung against the reference.")] = 200,
    between: Annotated[int, typer.Option(min=1, help="Games of every two rungs.")] = 100,
    reference: Annotated[str | None, typer.Option(metavar="SPEC", help="Instead of fairy-stockfish, depth 1.")] = None,
    run: Annotated[
        list[str] | None, typer.Option(metavar="RUNG=DIR", help="A finished run that stands for a rung.")
    ] = None,
    parallel: ParallelOption = 64,
    save_minutes: SaveMinutesOption = 5,
) -> None:
    """Make and compare five models, from the system of 2020 to the one that ships; the same command goes on."""
    from lm import ladder as climbing
    from lm.train import keep_memory

    keep_memory()
    names, runs = climbing.choose(rungs), climbing.stand_ins(run or [])
    given = [*(data or []), *(files or [])]
    found = climbing.Ladder(
        open_shards(given or shipped_games(), Path("cache")),
        out,
        progress,
        say,
        budget=budget,
        games=games,
        between=between,
        reference=reference or climbing.REFERENCE,
        data=given,
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


@app.command()
def data(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Games in any format.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the shard.")] = Path("cache/shard"),
) -> None:
    """Turn records into a training shard: every move checked, copies dropped, some games held out."""
    from lm.data import SPLITS, Shard, build

    with progress("reading", None) as (_, advance):
        counts = build(files, out, lambda games: advance(games, ""))
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    shard = Shard.open(out)
    print(", ".join(f"{len(shard.games(split))} games to {split}" for split in SPLITS))
    say_rejected(shard)


@app.command()
def evaluate(
    files: FilesArgument = None,
    games: RecordsOption = None,
    model: ModelOption = None,
    split: Annotated[
        str | None, typer.Option(help="Only those of a split: train, validation, test; test for the shipped ones.")
    ] = None,
    style: Annotated[str, typer.Option(help="Whose moves to expect: human or engine.")] = "human",
    symmetries: Annotated[
        int, typer.Option(min=1, max=2, help="1, or 2 to read mirror images too and take the mean, as players do.")
    ] = 2,
    puzzles: PuzzlesOption = None,
    random_games: Annotated[int, typer.Option(min=0, help="Also play so many games from random openings.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with figures by part.")] = False,
) -> None:
    """Measure how well a model foresees the moves of games; without files, of the shipped ones of that style."""
    from lm import evaluate as evaluation
    from lm.data import SPLITS
    from lm.model import STYLES
    from lm.policy import load_any_model, one_of, readings

    voice = STYLES.index(one_of("--style", style, STYLES))
    if split is not None:
        one_of("--split", split, SPLITS)
    loaded = load_any_model(model)
    symmetries = min(symmetries, readings(loaded))
    asked = read_puzzles(puzzles)
    rejected: list[object] = []
    if given := [*(games or []), *(files or [])]:
        records = evaluation.read_games(given, split, rejected.append)
    else:
        shipped = evaluation.read_games(shipped_games(), split or "test", rejected.append)
        records = [record for record in shipped if (record.tier == "engine") == (style == "engine")]
    with progress("reading", len(records)) as (_, advance):
        found = evaluation.evaluate(
            loaded,
            [evaluation.line_of(record) for record in records],
            [record.result for record in records],
            voice,
            lambda done: advance(done, ""),
            symmetries,
        )
    report = found.report() | {"rejected": len(rejected), "style": style, "symmetries": symmetries}
    if as_json:
        report |= {"by": found.breakdown(evaluation.labels_of(records)), "calibration": found.calibration()}
    if asked:
        report["puzzles"] = evaluation.solve(loaded, asked, voice, symmetries=symmetries)
    if random_games:
        report["after_random_plies"] = evaluation.after_random_plies(loaded, random_games)
    if rejected:
        say(f"games that could not be read: {len(rejected)}, the first: {rejected[0]}")
    if as_json:
        print(json.dumps(report))
        return
    parts = {f"{report['games']} games, {report['plies']} plies": report}
    if asked:
        parts[f"{report['puzzles']['positions']} puzzles"] = report["puzzles"]
    if random_games:
        parts[f"its own play after {evaluation.RANDOM_PLIES} random plies"] = report["after_random_plies"]
    for title, part in parts.items():
        print(title)
        for name, (low, high) in part["interval"].items():
            print(f"{name:20} {part[name]:.4f}  ({low:.4f} to {high:.4f})")


@app.command()
def report(
    files: FilesArgument = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file.")] = Path("report.html"),
    games: RecordsOption = None,
    model: ModelOption = None,
    split: Annotated[str, typer.Option(help="The games to judge by: test, validation.")] = "test",
    limit: Annotated[int, typer.Option(min=0, help="About so many of them; 0 for all.")] = 0,
    puzzles: PuzzlesOption = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the training run, for its curves.")] = None,
    selfplay: Annotated[Path | None, typer.Option(help="Games by xqlm selfplay, for how they end.")] = None,
    random_games: Annotated[int, typer.Option(min=0, help="Games from random openings to play.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, too.")] = False,
) -> None:
    """Measure a model from all sides and write a page about it."""
    from lm import figures
    from lm import report as reporting
    from lm.policy import load_any_model, one_of
    from xiangqi.formats.streams import open_replacing

    one_of("--split", split, ("test", "validation"))
    with figures.drawing():  # before the work: is everything there that draws, and can the page be written?
        loaded = load_any_model(model)
    asked = read_puzzles(puzzles)
    with open_replacing(out) as file:
        shard = open_shard([*(games or []), *(files or [])] or shipped_games(), Path("cache"))
        found = reporting.gather(
            loaded,
            reporting.records_of(shard, split, limit),
            puzzles=asked,
            learners=reporting.records_of(shard, "validation" if split == "test" else "test", limit or 300),
            stray=random_games,
            run=run,
            selfplay=selfplay,
            say=say,
        )
        facts = {
            "model": str(model or "shipped"),
            "parameters": f"{found['parameters']:,}",
            "games": ", ".join(Path(name).name for name in shard.meta["files"]),
            "split": split,
        }
        file.write(reporting.page(found, "A language model of xiangqi, measured", facts).encode())
    say(f"report written to {out}")
    if as_json:
        print(json.dumps(found))


@app.command()
def explain(
    fen: Annotated[str, typer.Argument(metavar="FEN", help="Position.")],
    move: Annotated[str, typer.Argument(metavar="MOVE", help="In ICCS, WXF or Chinese.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="SVG file for the picture.")] = None,
    model: ModelOption = None,
    style: Annotated[str, typer.Option(help="Whose moves to give: human or engine.")] = "human",
) -> None:
    """Show what each piece contributes to the score that the model gives a move."""
    from lm.explain import explain as find_shares
    from lm.model import STYLES
    from lm.policy import load_model, one_of
    from lm.terminal import parse_move
    from xiangqi import Board, square_name

    voice = STYLES.index(one_of("--style", style, STYLES))
    board = Board(fen)
    chosen = parse_move(board, move)
    found = find_shares(load_model(model), board, chosen, voice)
    print(f"{board.chinese(chosen)} ({chosen.iccs}): the pieces together account for {found.difference:+.2f} nats")
    for share in found.shares:
        print(f"{share.piece.symbol()} {square_name(share.square)} {share.value:+.3f}")
    if out is not None:
        write(out, found.svg())
        say(f"picture written to {out}")


@app.command()
def perft(
    depth: Annotated[int, typer.Argument(min=0, help="Plies.")] = 4,
    fen: FenOption = None,
) -> None:
    """Count the leaves of the tree of legal moves, and say how fast."""
    from xiangqi import Board

    board = Board(fen) if fen else Board()
    board.perft(min(depth, 2))  # whatever has to be compiled is compiled here
    start = time.perf_counter()
    leaves = board.perft(depth)
    seconds = time.perf_counter() - start
    print(f"{leaves} leaves in {seconds:.3f} s, {leaves / seconds / 1e6:.1f} million leaves/s")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Games in any format that can be read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The suffix says the format: .pgn, .xqf, .jsonl, …")],
) -> None:
    """Rewrite games in another format; what is in IN is found out by reading it."""
    from xiangqi import formats

    conversion = formats.convert(source, target)
    for reject in conversion.rejects:
        say(f"not converted: {reject}")
    rejected = f", {len(conversion.rejects)} could not be read" if conversion.rejects else ""
    print(f"{conversion.games} games written to {target}{rejected}")


# --- What the commands share ------------------------------------------------------------------------------------------


def open_player(stack: ExitStack, spec: str) -> Player:
    """Load a player and have it closed with the stack."""
    from lm.players import load_player

    player = load_player(spec)
    stack.callback(player.close)
    return player


def resumable(out: Path | None) -> AbstractContextManager[None]:
    """Return the context in which games are played that go to this file, if to any."""
    return interruptible() if out else interruptible("with --out FILE the games are kept, and the same command goes on")


def shipped_games() -> list[Path]:
    """Return the files of the sample corpus."""
    files = sorted(data_path("games").glob("*.pgn.zst"))
    if not files:
        raise UserError(f"no games in {data_path('games')}: name files of your own")
    return files


def read_puzzles(path: Path | None) -> list[Puzzle]:
    """Return the puzzles of a file, and say what was left out; none where there is no file."""
    from lm import evaluate

    return [] if path is None else evaluate.read_puzzles(path, lambda error: say(f"left out: {error}"))


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


def open_shard(files: list[Path], cache: Path) -> Shard:
    """Open the shard of these files, making it first if they are new or have changed."""
    from lm.data import Shard, cached

    with progress("reading games", None) as (_, advance):
        shard = Shard.open(cached(files, cache, lambda games: advance(games, "")))
    if os.environ.get("RANK", "0") == "0":
        say_rejected(shard)
    return shard


def say_rejected(shard: Shard) -> None:
    """Say how many games a shard leaves out, and where the reasons stand."""
    if shard.meta["rejected"]:
        say(f"games rejected: {shard.meta['rejected']}, see {shard.path / 'rejects.jsonl'}")


def open_shards(paths: list[Path], cache: Path) -> list[Shard]:
    """Open the shards among these paths, and one of all the files."""
    from lm.data import Shard

    files = [path for path in paths if not path.is_dir()]
    return [Shard.open(path) for path in paths if path.is_dir()] + ([open_shard(files, cache)] if files else [])


def read_openings(name: str) -> list[Opening]:
    """Return the openings that ``suite``, ``start`` or a file name stands for."""
    from lm import arena

    if name == "start":
        return [()]
    return arena.load_openings(None if name == "suite" else Path(name))


def endings(counts: dict[str, int]) -> str:
    """Say how games ended, as ``checkmate (7), ply limit (1)``."""
    return ", ".join(f"{reason} ({count})" for reason, count in counts.items())


def signed(elo: float | None, share: float) -> str:
    """Write an Elo difference, which a score of 0 or 1 makes infinite."""
    return f"{elo:+.0f}" if elo is not None else "+∞" if share > 0.5 else "-∞"


def is_users_fault(error: Exception) -> bool:
    """Whether an error says what is wrong with the input: one of our own classes, or the operating system's no."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("xiangqi", "lm", "gui")


def main() -> None:
    """Run the command line. A user's mistake is one line and exit code 2; a bug of ours still shows where it is."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Chinese shows question marks
            stream.reconfigure(errors="replace")
    try:
        app()
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if not is_users_fault(error):
            raise
        if isinstance(error, OSError) and error.filename is not None:
            fail(f"{error.filename}: {error.strerror}")
        fail(str(error))


if __name__ == "__main__":
    main()
