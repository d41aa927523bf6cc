"""The strength of all that plays here, and of an engine beside it: who meets whom, and the page with the ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lm.matches.clocks import TimeControl
from lm.matches.level_ratings import at_depth, levels_of
from lm.matches.marks import marked, nameless
from lm.matches.meetings import Meeting
from lm.matches.rating_page import Rated, paragraph
from lm.matches.results_file import Entrant
from lm.players.levels import ENGINE, LEVELS, Level
from lm.players.specs import Spec

NEAREST: Final = 3
"""Number of opponents that each player meets at least."""
DEPTHS: Final = (0, 10, 30, 130, 240, 440, 690, 900, 1070, 1230)
"""Rough Elo of the engine at depths 1 to 10."""
LONG: Final = 1.0
"""Seconds a move from which on half as many games are played."""


@dataclass(frozen=True)
class Place:
    """A player of the list, and where it is thought to stand."""

    name: str
    """By which it is chosen."""
    entrant: Entrant
    rough: int
    """Its Elo as far as it was known before: it decides whom it meets, and nothing else."""


def places(version: str, engine: str = ENGINE, levels: Sequence[Level] = LEVELS) -> list[Place]:
    """Return all players: policy alone, the levels, searches by time, controls without the model, and the engine, which
    gives itself the name ``version``."""
    policy = Entrant(marked("policy alone", Spec.parse("lm:temperature=0,seed=1")))
    found = [Place(policy.called, policy, 350)]
    found += [Place(p.called, p, level.elo) for p, level in zip(levels_of(levels), levels, strict=True)]
    for spec, kind, rough in (
        ("search", "search", {10: 1220, 100: 1710, 1000: 1980}),
        ("search:model=none", "control: search without the model", {100: 1180, 1000: 1400}),
        ("tactics", "control: tactics alone", {100: 1350, 1000: 1650}),
        ("search:policy_temperature=1000", "control: search without the policy", {100: 1500}),
        ("search:trust=0,counting=1", "control: search without the value", {100: 1600}),
        ("search:depth=-1,root_share=0,verify=0,counting=0,trust=1", "control: search without tactics", {100: 1000}),
    ):
        for milliseconds, elo in rough.items():
            name = f"{kind}, {milliseconds} ms" if milliseconds < 1000 else f"{kind}, {milliseconds // 1000} s"
            timed = Spec.parse(spec).with_options({"movetime": str(milliseconds)})
            clock = TimeControl(milliseconds / 1000, per_move=True)
            found.append(Place(name, Entrant(marked(name, timed), clock), elo))
    for depth, elo in enumerate(DEPTHS, 1):
        found.append(Place(f"engine depth {depth}", at_depth(engine, version, depth), elo))
    return found


def meetings(players: Sequence[Place], games: int) -> list[Meeting]:
    """Return the matches: each player meets its nearest opponents, and the next in strength, so that all are joined.

    A match with a player of `LONG` a move or more has half the games, in whole pairs. Of two players the one that comes
    first in the list has Red first, whatever is thought of their strength, so that what they played stays known.
    """
    ranked = sorted(range(len(players)), key=lambda i: players[i].rough)
    pairs = {frozenset(ranked[i : i + 2]) for i in range(len(ranked) - 1)}
    for place, i in enumerate(ranked):
        others = [(abs(players[j].rough - players[i].rough), abs(n - place), j) for n, j in enumerate(ranked) if j != i]
        pairs |= {frozenset((i, j)) for _, _, j in sorted(others)[:NEAREST]}
    found = []
    for i, j in sorted(map(sorted, pairs), key=lambda pair: sum(players[i].rough for i in pair)):
        a, b = players[i].entrant, players[j].entrant
        slow = any(time is not None and time.main >= LONG for time in (a.time, b.time))
        found.append(Meeting(a, b, max(2, games // 4 * 2) if slow else games))
    return found


def page(rated: Rated) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Strength",
        "",
        paragraph(
            f"Each player met at least the {NEAREST} others that were thought nearest. {rated.about} Players with a "
            "time for a move had a core each; the others take the depth or the nodes that they are set to, on any "
            "machine. LOS is the likelihood that a player is stronger than the next one. `xqlm strength` "
            "plays the matches, goes on from the figures in JSON beside this page, and writes both."
        ),
        "",
        "| player | spec | games | Elo | LOS |",
        "|---|---|---|---|---|",
    ]
    for player in rated.ranked:
        games, elo, los = rated.games_of(player), rated.elo(player), rated.superiority(player)
        lines.append(f"| {player.called} | `{nameless(player.spec)}` | {games} | {elo} | {los} |")
    return "\n".join([*lines, *rated.matches, *rated.notes]) + "\n"
