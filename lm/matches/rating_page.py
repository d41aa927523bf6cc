"""What pages of ratings have in common: who is rated, by which games, on which machines, and what is still missing."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Final

from lm.matches.arena import Opening
from lm.matches.meetings import MAX_PLIES, Meeting, conditions
from lm.matches.ratings import DRAWS_ADDED, connected, rate
from lm.matches.results_file import Entrant, ResultsFile
from xiangqi.words import counted

UNRATED: Final = "–"
"""Instead of the Elo of a player that no games connect with the anchor yet."""


class Rated:
    """Players, and what is known of their games against each other, whether these are planned or not.

    Those that games connect with the ``anchor`` are rated; its Elo is 0. Until it has played, another player is that.
    """

    def __init__(
        self,
        entrants: Sequence[Entrant],
        planned: Sequence[Meeting],
        known: ResultsFile,
        openings: Sequence[Opening],
        anchor: Entrant,
    ) -> None:
        self.entrants = entrants
        tallies = known.among(entrants, conditions(openings))
        self._results = {(tally.a["name"], tally.b["name"]): tally.result for tally in tallies}
        self._planned = {(meeting.a.spec.name, meeting.b.spec.name): meeting.games for meeting in planned}
        self.games = sum(result.games for result in self._results.values())
        self._left_out = sum(len(tally.points) for tally in known.tallies) - self.games
        self._days: dict[str, list[str]] = {}
        for tally in tallies:
            for machine, days in tally.machines.items():
                self._days[machine] = sorted([*self._days.get(machine, ()), *days])
        self.anchor = next((player for player in (anchor, *entrants) if self.games_of(player)), anchor)
        joined = connected(list(self._results.values()), self.anchor.spec.name)
        self.ratings = rate(joined, self.anchor.spec.name) if joined else None

    @property
    def ranked(self) -> list[Entrant]:
        """All players, the strongest first, those that are not rated last."""
        places = {name: place for place, name in enumerate(self.ratings or ())}
        return sorted(self.entrants, key=lambda entrant: places.get(entrant.spec.name, len(places)))

    def elo(self, entrant: Entrant) -> str:
        """Return a player's Elo with its interval, as ``+115 (+60 to +170)``."""
        name = entrant.spec.name
        if self.ratings is None or name not in self.ratings:
            return UNRATED
        if entrant == self.anchor:
            return "0"
        low, high = self.ratings.interval(name)
        return f"{self.ratings[name]:+.0f} ({low:+.0f} to {high:+.0f})"

    def lead(self, a: Entrant, b: Entrant) -> str:
        """Return how far one player is ahead of another, with the interval; "" if they are not both rated."""
        if self.ratings is None or not {a.spec.name, b.spec.name} <= self.ratings.keys():
            return ""
        lead, low, high = self.ratings.lead(a.spec.name, b.spec.name)
        return f"{lead:+.0f} ({low:+.0f} to {high:+.0f})"

    def superiority(self, entrant: Entrant) -> str:
        """Return the likelihood that a player is stronger than the next one on the list; "" for the last."""
        names = list(self.ratings or ())
        place = names.index(entrant.spec.name) + 1 if entrant.spec.name in names else len(names)
        if self.ratings is None or place == len(names):
            return ""
        return f"{100 * self.ratings.superiority(entrant.spec.name, names[place]):.1f}%"

    def games_of(self, entrant: Entrant) -> int:
        """Return how many games of a player are known."""
        return sum(result.games for names, result in self._results.items() if entrant.spec.name in names)

    @property
    def about(self) -> str:
        """How the games were played and rated."""
        machines = [
            f"{machine}, {' to '.join(dict.fromkeys((days[0], days[-1])))}" for machine, days in self._days.items()
        ]
        return (
            "All play pairs of games with the same opening and colours exchanged; a game is drawn at ply "
            f"{MAX_PLIES}. One Bradley-Terry fit of {counted(self.games, 'game')}, with {self.anchor.called} as 0; "
            f"95% intervals over the pairs. Played on {'; '.join(machines) or 'no machine yet'}."
        )

    @property
    def matches(self) -> list[str]:
        """The lines of a table of all meetings."""
        short = {entrant.spec.name: entrant.called for entrant in self.entrants}
        lines = ["", "| match | games | score of the first |", "|---|---|---|"]
        for names in dict.fromkeys([*self._planned, *self._results]):
            result = self._results.get(names)
            games, score = (0, "") if result is None else (result.games, f"{result.score:.3f}")
            planned = self._planned.get(names, 0)
            count = f"{games} of {planned}" if games < planned else f"{games}"
            lines.append(f"| {' - '.join(short[name] for name in names)} | {count} | {score} |")
        return lines

    @property
    def notes(self) -> list[str]:
        """Lines that say what is missing and what was added."""
        found = []
        played = {names: result.games for names, result in self._results.items()}
        if left := [n - played.get(names, 0) for names, n in self._planned.items() if n > played.get(names, 0)]:
            found.append(f"Still to be played: {counted(sum(left), 'game')} of {counted(len(left), 'meeting')}.")
        if self._left_out:
            found.append(
                f"Not counted: {counted(self._left_out, 'game')} of other players, specs, weights or conditions."
            )
        if self.ratings is not None and self.ratings.infinite:
            found.append(DRAWS_ADDED)
        return [line for note in found for line in ("", paragraph(note))]


def paragraph(text: str) -> str:
    """Return text in lines of the width of the other pages."""
    return fill(text, 125, break_long_words=False, break_on_hyphens=False)
