"""``xqlm match`` and ``selfplay``."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lm import UserError
from lm.cli.console import interruptible, progress, say, told_if_stopped
from lm.cli.options import (
    ClusterOption,
    CoresOption,
    DrawOption,
    GamesOption,
    OpeningsOption,
    OutOption,
    ParallelOption,
    PliesOption,
    ResignOption,
    RulesOption,
    SeedOption,
)
from lm.matches import MARGIN, MAX_PLIES

if TYPE_CHECKING:
    from lm.matches.arena import Opening
    from lm.matches.clocks import Clocks
    from lm.matches.elo import Sprt
    from lm.matches.exploring import Plan
    from lm.players.specs import Spec
    from xiangqi.game import Game


def match(
    a: Annotated[str, typer.Argument(metavar="A", show_default=False, help="Whose score it is: random, greedy, lm, …")],
    b: Annotated[
        str, typer.Argument(metavar="B", show_default=False, help="The other, as lm:voice=engine or uci:cmd=…")
    ],
    games: Annotated[
        int | None,
        typer.Option(
            "--games", "-n", min=1, show_default=False, help="Number of games; 100, or with --sprt until it is decided."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    out: OutOption = None,
    openings: OpeningsOption = "suite",
    rules: RulesOption = "computer",
    max_plies: PliesOption = MAX_PLIES,
    parallel: ParallelOption = None,
    cores: CoresOption = None,
    cluster: ClusterOption = None,
    seed: SeedOption = 0,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME[,TIME]",
            help="Clocks, in seconds or M:SS: 60+0.5 for a game, 40/2:00 for 40 moves, 0.1/move; A's,B's; - is none.",
        ),
    ] = None,
    movetime: Annotated[float | None, typer.Option(help="Seconds for each move: --time SECONDS/move.")] = None,
    margin: Annotated[float, typer.Option(min=0, help="Seconds by which a clock may be exceeded.")] = MARGIN,
    resign: ResignOption = None,
    draw: DrawOption = None,
    sprt: Annotated[
        str | None,
        typer.Option(metavar="ELO0,ELO1", help="Stop as soon as a test between these two is decided (5% errors)."),
    ] = None,
    sprt_model: Annotated[
        Literal["logistic", "normalized"], typer.Option(help="What the Elo of --sprt is; fishtest's is normalized.")
    ] = "logistic",
) -> None:
    """Play a match of A against B: each opening twice with colours exchanged; Elo with its 95% interval."""
    from lm.matches import arena, match_file
    from lm.matches.adjudication import Adjudication
    from lm.matches.cluster import open_match_crew
    from lm.matches.elo import Score, Sprt, points_of
    from lm.players.specs import Spec

    test = Sprt.parse(sprt, sprt_model) if sprt is not None else None
    clocks, suite = read_clocks(time, movetime), read_openings(openings)
    specs = Spec.parse(a), Spec.parse(b)
    count = games or (100 if test is None else arena.most_games(*specs, suite))
    pairings = arena.match_pairings(*specs, count, suite, seed, clocks)
    played: dict[int, Game] = {}

    def tell() -> None:
        if played and not as_json:
            show_match(*specs, played, test)

    bar = progress(f"{a} - {b}", games or (None if test else count))
    with resumable(out), told_if_stopped(tell), bar as (report, advance):
        playing = match_file.play_to_file(
            pairings,
            out,
            rules=rules,
            max_plies=max_plies,
            parallel=parallel,
            cores=cores,
            margin=margin,
            adjudication=Adjudication.parse(resign, draw),
            report=report,
            crew=open_match_crew(cluster, cores, parallel, specs, len(pairings)),
        )
        won = {1.0: 0, 0.5: 0, 0.0: 0}
        with closing(playing):
            for index, game in playing:
                played[index] = game
                points = points_of(index, game)
                won[points] += 1
                note = f"+{won[1.0]} ={won[0.5]} -{won[0.0]}"
                if test is not None:
                    test.add(index, points)
                    note += f" LLR {test.llr:+.2f}"
                advance(len(played), note)
                if test is not None and test.verdict != "undecided":
                    break
    if as_json:
        tested = {"sprt": test.as_dict()} if test is not None else {}
        print(json.dumps({"a": a, "b": b, **Score.of(played).as_dict(), **tested}, ensure_ascii=False))
    tell()


def show_match(a: Spec, b: Spec, played: dict[int, Game], test: Sprt | None) -> None:
    """Print the result of a match, whole or not."""
    from lm.matches.elo import Score, elo
    from lm.matches.lists import aligned, failures
    from lm.matches.ratings import Standings
    from xiangqi.words import counted

    score = Score.of(played)
    rating, low, high = (signed(elo(share), share) for share in (score.score, *score.interval))
    told = counted(score.games, "game")
    print(f"{a.name} against {b.name}: {told}, +{score.wins} ={score.draws} -{score.losses}, score {score.score:.3f}")
    print(f"Elo {rating}, 95% interval {low} to {high}")
    print(score.text)
    if test is not None:
        print(test.text)
        print(f"Elo {test.elo0:g} (H0) or {test.elo1:g} (H1): {test.verdict} after {counted(test.pairs, 'pair')}")
    print(f"Ended by {endings(score.endings)}")
    standings = Standings()
    for game in played.values():
        standings.add(game.headers)
    if standings.failures:
        print(aligned(failures(standings)))


def selfplay(
    games: GamesOption = 10,
    player: Annotated[str, typer.Option("--player", metavar="SPEC", help="Who plays both sides.")] = "lm",
    out: OutOption = None,
    openings: OpeningsOption = "start",
    rules: RulesOption = "computer",
    max_plies: PliesOption = MAX_PLIES,
    parallel: ParallelOption = None,
    cores: CoresOption = None,
    cluster: ClusterOption = None,
    seed: SeedOption = 0,
    temperature: Annotated[
        str | None,
        typer.Option(
            metavar="T:PLY,…,T",
            show_default=False,
            help="For NAME.jsonl: temperature of the moves up to a ply, as 1:20,0.5:40,0; 1:30,0 by default.",
        ),
    ] = None,
    deviations: Annotated[
        float | None,
        typer.Option(min=0, max=1, show_default=False, help="For NAME.jsonl: chance of a random legal move; 0."),
    ] = None,
    moves: Annotated[
        int | None,
        typer.Option(min=1, max=32, show_default=False, help="For NAME.jsonl: moves of a label, the best ones; 8."),
    ] = None,
) -> None:
    """Let a player play against itself; writes PGN to a file, by default to standard output.

    To NAME.jsonl it plays to explore, for training: each ply has a label, as xqlm annotate writes it.
    """
    from lm.matches import arena, match_file
    from lm.matches.cluster import open_match_crew
    from lm.matches.elo import Score
    from lm.matches.exploring import Exploration, Plan
    from lm.players.specs import Spec
    from xiangqi.words import counted

    if out is not None and out.suffix in (".jsonl", ".ndjson"):
        if parallel is not None:
            raise UserError("--parallel is for games in PGN: a worker that explores plays one at a time, see --cores")
        explored = Plan(
            Spec.parse(player),
            tuple(read_openings(openings)),
            Exploration.parse(temperature or "1:30,0", deviations or 0.0),
            moves or 8,
            rules,
            max_plies,
            seed,
        )
        explore(explored, games, out, cores, cluster)
        return
    for name, value in (("temperature", temperature), ("deviations", deviations), ("moves", moves)):
        if value is not None:
            raise UserError(f"--{name} is for games to train on: give --out NAME.jsonl")
    spec = Spec.parse(player)
    pairings = arena.selfplay_pairings(spec, games, read_openings(openings), seed)
    with resumable(out), progress(player, games) as (report, advance):
        played: dict[int, Game] = {}
        for index, game in match_file.play_to_file(
            pairings,
            out,
            rules=rules,
            max_plies=max_plies,
            parallel=parallel,
            cores=cores,
            report=report,
            crew=open_match_crew(cluster, cores, parallel, [spec], games),
        ):
            played[index] = game
            advance(len(played), counted(game.end().ply, "ply"))
            if out is None:
                print(game, flush=True)
    different = len({tuple(game.moves()) for game in played.values()})
    note = f", only {different} of them different" if different < len(played) else ""
    say(f"{counted(len(played), 'game')}{note}, ended by {endings(Score.of(played).endings)}")


def explore(plan: Plan, games: int, out: Path, cores: int | None, cluster: str | None) -> None:
    """Play games of a plan to a file, with progress."""
    from lm.matches.cluster import open_crew
    from lm.matches.exploring import play_to_file
    from xiangqi.words import counted

    ended = Counter[str]()
    plies = dropped = 0
    with interruptible(), progress(plan.spec.name, games) as (report, advance):
        playing = play_to_file(plan, games, out, crew=open_crew(cluster, cores, [plan.spec]), report=report)
        with closing(playing):
            for number, game in playing:
                if game is None:
                    dropped += 1
                else:
                    ended[game.headers["Termination"]] += 1
                    plies += game.end().ply
                advance(number + 1, counted(plies, "ply"))
    note = f", {counted(dropped, 'near-duplicate')} left out" if dropped else ""
    say(f"{counted(ended.total(), 'game')}{note}, ended by {endings(dict(ended.most_common()))}")


def resumable(out: Path | None) -> AbstractContextManager[None]:
    """Return an interruptible context for playing games, whose advice depends on whether they go to a file."""
    return interruptible() if out else interruptible("with --out FILE the games are kept, and the same command goes on")


def read_openings(name: str) -> list[Opening]:
    """Return the openings for ``suite``, ``start`` or a file name."""
    from lm.matches import arena

    if name == "start":
        return [()]
    return arena.load_openings(None if name == "suite" else Path(name))


def read_clocks(time: str | None, movetime: float | None) -> Clocks:
    """Return the clocks of a match, which are given in one of two ways, or no clocks. Raises ``UserError``."""
    from lm.matches.clocks import NO_CLOCKS, Clocks

    if time is not None and movetime is not None:
        raise UserError("--movetime is another way to write --time: give one of them")
    if movetime is not None:
        time = f"{movetime:g}/move"
    return NO_CLOCKS if time is None else Clocks.parse(time)


def endings(counts: dict[str, int]) -> str:
    """Format numbers of endings, as ``checkmate (7), ply limit (1)``."""
    return ", ".join(f"{reason} ({count})" for reason, count in counts.items())


def signed(elo: float | None, share: float) -> str:
    """Format an Elo difference, infinite if the score is 0 or 1."""
    return f"{elo:+.0f}" if elo is not None else "+∞" if share > 0.5 else "-∞"
