"""Self-play with labels by processes: two independent ones, two workers of this machine, two workers on Ray.

Each way plays the same games of ``--player`` by two processes for ``--minutes``, one way after the other, twice. The
speed is that of plies in whole games from the first game to the last, so that starting and compiling do not count.

    python benchmarks/cluster.py --minutes 3    # 1 by default
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

from lm.matches.arena import load_openings
from lm.matches.cluster import LOCAL, Cluster
from lm.matches.exploring import Plan, play_to_file
from lm.matches.workers import Crew, Processes
from lm.players.specs import Spec
from xiangqi.game import Game

GAMES = 1_000_000


def timed(games: Iterator[tuple[int, Game | None]], seconds: float) -> float:
    """Return plies a second."""
    first = last = None
    plies = 0
    for _, game in games:
        last = time.perf_counter()
        if first is None:
            first = last
        elif game is not None:
            plies += game.end().ply
        if last - first > seconds:
            break
    if first is None or last is None or first == last:
        raise SystemExit("too few games: give it more --minutes")
    return plies / (last - first)


def by(crew: Crew | None, plan: Plan, seconds: float) -> float:
    """Return the plies a second of a crew, or of this process."""
    with tempfile.TemporaryDirectory() as folder, closing(_playing(crew, plan, Path(folder))) as games:
        return timed(games, seconds)


def _playing(crew: Crew | None, plan: Plan, folder: Path) -> Generator[tuple[int, Game | None]]:
    return play_to_file(plan, GAMES, folder / "games.jsonl", crew=crew)


def alone(plan: Plan, seconds: float) -> float:
    """`by` this process; a process of its own runs it."""
    return by(None, plan, seconds)


def independent(plan: Plan, seconds: float) -> float:
    """Return the plies a second of two processes that know nothing of each other, together."""
    seeds = [Plan(plan.spec, plan.openings, max_plies=plan.max_plies, seed=seed) for seed in (1, 2)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return sum(pool.starmap(alone, [(seeded, seconds) for seeded in seeds]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--player", default="search:64")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--max-plies", type=int, default=60)
    options = parser.parse_args()
    spec = Spec.parse(options.player)
    plan, seconds = Plan(spec, tuple(load_openings()), max_plies=options.max_plies), 60 * options.minutes
    ways: dict[str, Callable[[], float]] = {
        "two independent processes": lambda: independent(plan, seconds),
        "two workers of this machine": lambda: by(Processes(2), plan, seconds),
        "two workers on Ray": lambda: by(Cluster(LOCAL, [spec], 2), plan, seconds),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(2):
        for name, way in ways.items():
            speeds[name].append(way())
            print(f"{name}: {speeds[name][-1]:.1f} plies/s", flush=True)
    base = sum(speeds["two independent processes"])
    for name, found in speeds.items():
        print(f"{name}: {sum(found) / len(found):.1f} plies/s, {sum(found) / base:.2f} of independent ones")


if __name__ == "__main__":
    main()
