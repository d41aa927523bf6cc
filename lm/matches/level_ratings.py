"""The strength of the levels: who meets whom, and the page with the ratings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from textwrap import fill
from typing import Final

from lm import data_path
from lm.matches.meetings import Meeting
from lm.matches.ratings import Ratings, Result, rate
from lm.players.levels import LEVELS, Level
from lm.players.specs import Spec

ENGINE: Final = "fairy-stockfish,UCI_Variant=xiangqi"
"""Command and options of the engine that the levels meet."""
DEPTHS: Final = (1, 4, 8)
WEAK: Final = 4
"""Number of levels that meet ``greedy`` instead of the engine."""
MAX_PLIES: Final = 300
GREEDY: Final = Spec("greedy")


def player(number: int, level: Level) -> Spec:
    """Return a level as a player."""
    return marked(f"level {number}", level.spec)


def marked(name: str, spec: str) -> Spec:
    """Return a player whose name ends with a hash of its spec and of the weights of the shipped model.

    So games of another model are not taken for its own when a match is resumed.
    """
    mark = hashlib.blake2b(spec.encode() + _weights(), digest_size=4).hexdigest()
    return Spec.parse(spec).with_options({"name": f"{name} {mark}"})


@cache
def _weights() -> bytes:
    return (data_path("model") / "model.safetensors").read_bytes()


def reference(engine: str, depth: int) -> Spec:
    """Return the engine at a depth as a player."""
    return Spec.parse(f"uci:{engine},depth={depth}").with_options({"name": f"engine depth {depth}"})


def meetings(games: int, engine: str = ENGINE, levels: Sequence[Level] = LEVELS) -> list[Meeting]:
    """Return the matches: each level meets the next two, the weak ones ``greedy``, and the others the engine."""
    players = [player(number, level) for number, level in enumerate(levels, 1)]
    found = [Meeting(a, b, games) for i, a in enumerate(players) for b in players[i + 1 : i + 3]]
    found += [Meeting(a, GREEDY, games) for a in players[:WEAK]]
    found += [Meeting(a, reference(engine, depth), games) for a in players[WEAK:] for depth in DEPTHS]
    return found


def page(results: Sequence[Result], engine_name: str, levels: Sequence[Level] = LEVELS) -> str:
    """Return the page in Markdown."""
    anchor = f"engine depth {DEPTHS[0]}"
    ratings = rate(results, anchor)
    games = {name: sum(r.games for r in results if name in (r.a, r.b)) for name in ratings}
    names = [player(number, level).name for number, level in enumerate(levels, 1)]
    lines = [
        "# Levels",
        "",
        paragraph(
            f"Each level met the next two, the first {WEAK} `greedy`, and the others {engine_name} at depths "
            f"{', '.join(map(str, DEPTHS))}, all in pairs of games with the same opening and colours exchanged; a game "
            f"is drawn at ply {MAX_PLIES}. One Bradley-Terry fit of all {sum(r.games for r in results):,} games, with "
            f"{engine_name} at depth {DEPTHS[0]} as 0; 95% intervals over the pairs. `xqlm levels` plays "
            "the matches and writes this page."
        ),
        "",
        "| level | name | player | games | Elo | over the one before |",
        "|---|---|---|---|---|---|",
    ]
    for i, level in enumerate(levels):
        gain = "" if i == 0 else over(ratings, names[i], names[i - 1])
        lines.append(
            f"| {i + 1} | {level.name} | `{level.spec}` | {games[names[i]]} | {rating(ratings, names[i])} | {gain} |"
        )
    lines += ["", "| opponent | games | Elo |", "|---|---|---|"]
    others = sorted((name for name in ratings if name not in names), key=lambda name: ratings[name])
    for name in others:
        called = name.replace("engine", engine_name)
        lines.append(f"| {called} | {games[name]} | {'0' if name == anchor else rating(ratings, name)} |")
    lines += ["", "| match | games | score of the first |", "|---|---|---|"]
    short = {name: f"level {i}" for i, name in enumerate(names, 1)}
    for result in results:
        pair = " - ".join(short.get(name, name.replace("engine", engine_name)) for name in (result.a, result.b))
        lines.append(f"| {pair} | {result.games} | {result.score:.3f} |")
    return "\n".join(lines) + "\n"


def rating(ratings: Ratings, name: str) -> str:
    """Format a player's Elo with its interval, as ``+115 (+60 to +170)``."""
    low, high = ratings.interval(name)
    return f"{ratings[name]:+.0f} ({low:+.0f} to {high:+.0f})"


def over(ratings: Ratings, a: str, b: str) -> str:
    """Format how far one player is ahead of another, with the interval."""
    gain, low, high = ratings.lead(a, b)
    return f"{gain:+.0f} ({low:+.0f} to {high:+.0f})"


def paragraph(text: str) -> str:
    """Return text in lines of the width of the other pages."""
    return fill(text, 125, break_long_words=False, break_on_hyphens=False)
