"""The strength of the levels: who meets whom, and the page with the ratings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from lm.matches.marks import marked, nameless
from lm.matches.meetings import Meeting
from lm.matches.rating_page import Rated, paragraph
from lm.matches.results_file import Entrant
from lm.players.levels import ENGINE, LEVELS, Level
from lm.players.specs import Spec

DEPTHS: Final = (1, 4, 8)
WEAK: Final = 4
"""Number of levels that meet ``greedy`` instead of the engine."""


def at_depth(engine: str, version: str, depth: int) -> Entrant:
    """Return an engine, which gives itself the name ``version``, at a depth as a player."""
    return Entrant(marked(f"{version} depth {depth}", Spec.parse(f"uci:{engine},depth={depth}"), version))


def levels_of(levels: Sequence[Level] = LEVELS) -> list[Entrant]:
    """Return the levels as players."""
    return [Entrant(marked(f"level {number}", Spec.parse(level.spec))) for number, level in enumerate(levels, 1)]


def entrants(version: str, engine: str = ENGINE, levels: Sequence[Level] = LEVELS) -> list[Entrant]:
    """Return all players: the levels, ``greedy`` and the engine, which gives itself the name ``version``."""
    greedy = Entrant(marked("greedy", Spec("greedy")))
    return [*levels_of(levels), greedy, *(at_depth(engine, version, depth) for depth in DEPTHS)]


def meetings(players: Sequence[Entrant], games: int) -> list[Meeting]:
    """Return the matches of these players: each level meets the next two, the weak ones ``greedy``, and the others the
    engine."""
    levels, (greedy, *engines) = players[: -len(DEPTHS) - 1], players[-len(DEPTHS) - 1 :]
    found = [Meeting(a, b, games) for i, a in enumerate(levels) for b in levels[i + 1 : i + 3]]
    found += [Meeting(a, greedy, games) for a in levels[:WEAK]]
    found += [Meeting(a, engine, games) for a in levels[WEAK:] for engine in engines]
    return found


def page(rated: Rated, levels: Sequence[Level] = LEVELS) -> str:
    """Return the page in Markdown."""
    players, others = rated.entrants[: len(levels)], rated.ranked[::-1]
    lines = [
        "# Levels",
        "",
        paragraph(
            f"Each level met the next two, the first {WEAK} `greedy`, and the others the engine at depths "
            f"{', '.join(map(str, DEPTHS))}. {rated.about} `xqlm levels` plays the matches, goes on from the figures "
            "in JSON beside this page, and writes both."
        ),
        "",
        "| level | name | player | games | Elo | over the one before |",
        "|---|---|---|---|---|---|",
    ]
    gains = ["", *(rated.lead(after, before) for before, after in pairwise(players))]
    for number, (level, player, gain) in enumerate(zip(levels, players, gains, strict=True), 1):
        lines.append(
            f"| {number} | {level.name} | `{level.spec}` | {rated.games_of(player)} | {rated.elo(player)} | {gain} |"
        )
    lines += ["", "| opponent | spec | games | Elo |", "|---|---|---|---|"]
    for player in others:
        if player not in players:
            spec, games = nameless(player.spec), rated.games_of(player)
            lines.append(f"| {player.called} | `{spec}` | {games} | {rated.elo(player)} |")
    return "\n".join([*lines, *rated.matches, *rated.notes]) + "\n"
