"""The strength of all that plays here, and of an engine beside it: who meets whom, and the page with the ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lm.matches.clocks import NO_CLOCKS, Clocks, TimeControl
from lm.matches.level_ratings import ENGINE, marked, paragraph, rating, reference
from lm.matches.meetings import Meeting
from lm.matches.ratings import Ratings, Result, rate
from lm.players.levels import LEVELS, Level
from lm.players.specs import Spec

NEAREST: Final = 3
"""Number of opponents that each player meets at least."""
MAX_PLIES: Final = 300
MARGIN: Final = 0.5
"""Seconds by which a player may exceed its time for a move: what is measured is strength, not punctuality."""
DEPTHS: Final = (0, 120, 250, 380, 500, 620, 740, 850, 950, 1050)
"""Rough Elo of the engine at depths 1 to 10."""
LONG: Final = 1.0
"""Seconds a move from which on half as many games are played."""


@dataclass(frozen=True)
class Entry:
    """A player of the list."""

    name: str
    """What it is called on the page."""
    spec: Spec
    rough: int
    """Its Elo as far as it was known before: it decides whom it meets, and nothing else."""
    seconds: float | None = None
    """Its time for a move, if that is what limits it."""


def entries(engine: str = ENGINE, levels: Sequence[Level] = LEVELS) -> list[Entry]:
    """Return all players: policy alone, the levels, searches by time, controls without the model, and the engine."""
    found = [Entry("policy alone", marked("policy alone", "lm:temperature=0,seed=1"), 180)]
    for number, level in enumerate(levels, 1):
        found.append(Entry(f"level {number}", marked(f"level {number}", level.spec), level.elo))
    for spec, called, rough in (
        ("search", "search", {10: 700, 100: 1000, 1000: 1250}),
        ("search:model=none", "control: search without the model", {100: 900}),
        ("tactics", "control: tactics alone", {100: 900}),
    ):
        for milliseconds, elo in rough.items():
            name = f"{called}, {milliseconds} ms" if milliseconds < 1000 else f"{called}, {milliseconds // 1000} s"
            timed = str(Spec.parse(spec).with_options({"movetime": str(milliseconds)}))
            found.append(Entry(name, marked(name, timed), elo, milliseconds / 1000))
    for depth, elo in enumerate(DEPTHS, 1):
        found.append(Entry(f"engine depth {depth}", reference(engine, depth), elo))
    return found


def meetings(players: Sequence[Entry], games: int) -> list[Meeting]:
    """Return the matches: each player meets its nearest opponents, and the next in strength, so that all are joined.

    A match with a player of `LONG` a move or more has half the games, in whole pairs.
    """
    ranked = sorted(players, key=lambda player: player.rough)
    pairs = {(i, i + 1) for i in range(len(ranked) - 1)}
    for i, player in enumerate(ranked):
        others = [j for j in range(len(ranked)) if j != i]
        for j in sorted(others, key=lambda j: (abs(ranked[j].rough - player.rough), abs(j - i)))[:NEAREST]:
            pairs.add((min(i, j), max(i, j)))
    found = []
    for i, j in sorted(pairs):
        a, b = ranked[i], ranked[j]
        slow = max(a.seconds or 0, b.seconds or 0) >= LONG
        found.append(Meeting(a.spec, b.spec, max(2, games // 4 * 2) if slow else games, _clocks(a, b)))
    return found


def _clocks(a: Entry, b: Entry) -> Clocks:
    red, black = (None if x.seconds is None else TimeControl(x.seconds, per_move=True) for x in (a, b))
    return Clocks(red, black) if red or black else NO_CLOCKS


def page(results: Sequence[Result], players: Sequence[Entry], engine_name: str, machine: str) -> str:
    """Return the page in Markdown."""
    by_name = {player.spec.name: player for player in players}
    anchor = next((p.spec.name for p in players if p.name == "engine depth 1"), players[0].spec.name)
    ratings = rate(results, anchor)
    called = {name: by_name[name].name.replace("engine", engine_name) for name in ratings}
    lines = [
        "# Strength",
        "",
        paragraph(
            f"Each player met at least the {NEAREST} others that were thought nearest, in pairs of games with the same "
            f"opening and colours exchanged; a game is drawn at ply {MAX_PLIES}. Players with a time for a move had a "
            f"core each, on {machine}; the others take the depth or the nodes that they are set to. One Bradley-Terry "
            f"fit of all {sum(r.games for r in results):,} games, with {called[anchor]} as 0; 95% intervals over the "
            "pairs. LOS is the likelihood that a player is stronger than the next one. `xqlm strength` plays the "
            "matches, goes on where it was stopped, and writes this page."
        ),
        "",
        "| player | spec | games | Elo | LOS |",
        "|---|---|---|---|---|",
    ]
    names = list(ratings)
    for i, name in enumerate(names):
        elo = "0" if name == anchor else rating(ratings, name)
        shown, games = _shown(by_name[name].spec), _games(name, results)
        lines.append(f"| {called[name]} | `{shown}` | {games} | {elo} | {_los(ratings, names, i)} |")
    lines += ["", "| match | games | score of the first |", "|---|---|---|"]
    for result in results:
        lines.append(f"| {called[result.a]} - {called[result.b]} | {result.games} | {result.score:.3f} |")
    if ratings.infinite:
        lines += ["", paragraph("Some scored all or nothing: each two that met count as having drawn one game more.")]
    return "\n".join(lines) + "\n"


def _shown(spec: Spec) -> str:
    """Return a spec without the name that it has in the records."""
    options = tuple((name, value) for name, value in spec.options if name != "name")
    return str(Spec(spec.kind, spec.value, options))


def _games(name: str, results: Sequence[Result]) -> int:
    return sum(result.games for result in results if name in (result.a, result.b))


def _los(ratings: Ratings, names: Sequence[str], i: int) -> str:
    return f"{100 * ratings.superiority(names[i], names[i + 1]):.1f}%" if i + 1 < len(names) else ""
