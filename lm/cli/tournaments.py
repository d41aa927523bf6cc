"""``xqlm tournament`` and ``ratings``."""

from __future__ import annotations

import json
import math
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm import UserError
from lm.cli.console import interruptible, progress, say, told_if_stopped
from lm.cli.games import endings, read_openings
from lm.cli.options import ClusterOption, CoresOption, ParallelOption, Rules, RulesOption

if TYPE_CHECKING:
    from lm.matches.lists import Rows
    from lm.matches.ratings import Ratings, Standings

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def tournament(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="TOML; docs/matches.md tells how.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", show_default=False, help="PGN file, resumed if there; FILE with .pgn."),
    ] = None,
    parallel: ParallelOption = None,
    cores: CoresOption = None,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play a round robin or gauntlet and rate its players; resumed to the game by the same command."""
    from collections import Counter

    from lm.matches.cluster import open_match_crew
    from lm.matches.lists import aligned
    from lm.matches.match_file import play_to_file
    from lm.matches.ratings import Standings
    from lm.matches.tournament import Tournament

    plan = Tournament.read(file)
    pairings = plan.pairings(read_openings(plan.openings))
    standings, done, ended = Standings(), 0, Counter[str]()

    def tell() -> None:
        if done and not as_json:
            print(aligned(live_list(standings, plan.anchor)))

    bar = progress(plan.name, len(pairings), below=lambda: live_list(standings, plan.anchor))
    with interruptible(), told_if_stopped(tell), bar as (report, advance):
        playing = play_to_file(
            pairings,
            out or file.with_suffix(".pgn"),
            rules=plan.rules,
            max_plies=plan.max_plies,
            parallel=parallel,
            cores=cores,
            margin=plan.margin,
            adjudication=plan.adjudication,
            report=report,
            crew=open_match_crew(cluster, cores, parallel, plan.specs, len(pairings)),
        )
        with closing(playing):
            for _, game in playing:
                standings.add(game.headers)
                ended[game.headers["Termination"]] += 1
                done += 1
                advance(done, f"{game.headers['Red']} - {game.headers['Black']} {game.result}")
    show(standings, plan.anchor, plan.elo, as_json)
    if not as_json:
        print(f"\nEnded by {endings(dict(ended.most_common()))}")


def ratings(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", show_default=False, help="PGN files of any matches.")],
    anchor: Annotated[
        str | None, typer.Option(metavar="NAME[=ELO]", help="The player whose rating is fixed; else the mean is 0.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Rate all players of PGN files together: Elo with intervals, likelihood of superiority, crosstable."""
    from lm.matches.ratings import read_standings
    from xiangqi.words import counted

    standings = read_standings(files)
    name, elo = read_anchor(anchor)
    show(standings, name, elo, as_json)
    if standings.repeated:
        say(f"counted once: {counted(standings.repeated, 'game')} that the files hold again")
    if standings.unfinished:
        say(f"left out: {counted(standings.unfinished, 'game')} without a result or two players")


def rulings(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", show_default=False, help="Games in any format.")],
    rules: RulesOption = "computer",
    against: Annotated[Rules, typer.Option(help="The rules to compare with.")] = "asian",
) -> None:
    """List the games on which two sets of repetition rules differ: where each would have ended them, and why."""
    from lm.matches.disputes import dispute
    from xiangqi.formats import load
    from xiangqi.words import counted

    count = differ = 0
    for path in files:
        for number, game in enumerate(load(path), 1):
            count += 1
            if found := dispute(game, rules, against):
                differ += 1
                headers = game.headers
                print(f"{path}, game {number} ({headers.get('Red', '?')} - {headers.get('Black', '?')}): {found}")
    print(f"{differ} of {counted(count, 'game')} {'differs' if 1 in (differ, count) else 'differ'}")


def read_anchor(text: str | None) -> tuple[str | None, float]:
    """Return the name and the rating of ``NAME=ELO``; a name may hold equals signs. Raises ``UserError``."""
    if text is None:
        return None, 0.0
    name, separator, elo = text.rpartition("=")
    try:
        rating = float(elo) if separator else 0.0
    except ValueError:
        return text, 0.0
    if not math.isfinite(rating):
        raise UserError(f"--anchor {text!r}: the rating is a number, not {elo}")
    return (name if separator else text), rating


def show(standings: Standings, anchor: str | None, elo: float, as_json: bool) -> None:
    """Print the rating list, the crosstable and the failures. Raises ``UserError``."""
    from lm.matches import lists
    from lm.matches.ratings import DRAWS_ADDED, rate

    results = standings.results
    if not results:
        raise UserError("no game has been played")
    found = rate(results, anchor, elo)
    if as_json:
        print(json.dumps(as_dict(found, standings), ensure_ascii=False))
        return
    for rows in (
        lists.rating_list(found, results, anchor),
        lists.crosstable(list(found), results),
        lists.failures(standings),
    ):
        if rows:
            print(lists.aligned(rows), end="\n\n")
    print("LOS: the likelihood that a player is stronger than the next. Intervals are over pairs of games.")
    if found.infinite:
        print(DRAWS_ADDED)


def as_dict(found: Ratings, standings: Standings) -> dict[str, object]:
    """Return the output of ``--json``."""
    from lm.matches.lists import totals

    results, names, players = standings.results, list(found), []
    for rank, name in enumerate(names, 1):
        points, games, draws = totals(name, results)
        los = found.superiority(name, names[rank]) if rank < len(names) else None
        players.append(
            {
                "name": name,
                "elo": round(found[name], 2),
                "interval": [round(bound, 2) for bound in found.interval(name)],
                "games": games,
                "points": points,
                "draws": draws,
                "los": None if los is None else round(los, 4),
                "failures": dict(standings.failures.get(name, {})),
            }
        )
    matches = [{"a": r.a, "b": r.b, "games": r.games, "points": r.points, "draws": r.draws} for r in results]
    return {"players": players, "matches": matches, "drawn_game_added": found.infinite}


def live_list(standings: Standings, anchor: str | None) -> Rows:
    """Return the standings of a running tournament: Elo as soon as games connect all players, else points alone."""
    from lm.matches import lists
    from lm.matches.ratings import rate

    results = standings.results
    names = {name for result in results for name in (result.a, result.b)}
    try:
        elo = dict(rate(results, anchor if anchor in names else None)) if results else {}
    except UserError:
        elo = {}
    rows = [["player", "Elo", "points", "games"]]
    for name in sorted(names, key=lambda name: (-elo.get(name, 0.0), name)):
        points, games, _ = lists.totals(name, results)
        rows.append([name, f"{elo[name]:+.0f}" if elo else "", f"{points:g}", str(games)])
    return rows
