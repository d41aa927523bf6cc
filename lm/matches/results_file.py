"""Results of any players' games in a small JSON file, from which matches go on and pages are written anew.

The file has one meeting a line: both players as they played, the conditions, the result of each game by its number, and
on which machines and days they were played. Nothing in it is opened as a player.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from lm import UserError
from lm.matches.clocks import TimeControl
from lm.matches.elo import pentanomial_of, points_of
from lm.matches.marks import called, nameless
from lm.matches.ratings import Result
from lm.players.specs import Spec
from xiangqi.formats.streams import open_replacing
from xiangqi.game import Game

SCHEMA: Final = "xqlm results 1"
"""Name and version of the form of the file."""
SIGNS: Final = {1.0: "1", 0.5: "=", 0.0: "0", None: "."}
"""How a game ended for A; "." where a later one is known and this one is not."""


@dataclass(frozen=True)
class Entrant:
    """A player as it enters meetings."""

    spec: Spec
    """Its name ends with its mark (`lm.matches.marks`)."""
    time: TimeControl | None = None
    """Its clock."""

    @property
    def called(self) -> str:
        """Its name on a page."""
        return called(self.spec.name)

    def as_dict(self) -> dict[str, str]:
        """Return what tells its games from those of others."""
        return {"name": self.spec.name, "spec": str(nameless(self.spec)), "time": str(self.time or "-")}


@dataclass
class Tally:
    """What is known of the games of two players under the same conditions. A has Red in those of even numbers."""

    a: dict[str, str]
    b: dict[str, str]
    """The players, as `Entrant.as_dict` tells them."""
    conditions: str
    points: dict[int, float] = field(default_factory=dict)
    """A's points by number of the game."""
    machines: dict[str, list[str]] = field(default_factory=dict)
    """The machines on which they were played, each with the first and the last day."""

    def add(self, index: int, game: Game, machine: str) -> None:
        """Count a game that was played on a machine. A game that is known counts no second time."""
        if index in self.points:
            return
        day = datetime.date.today()
        with contextlib.suppress(ValueError):
            day = datetime.datetime.strptime(game.headers["Date"], "%Y.%m.%d").date()
        self._note(machine, day.isoformat())
        self.points[index] = points_of(index, game)

    def join(self, other: Tally) -> None:
        """Count games that were played elsewhere. Those that are known count no second time."""
        if not other.points.keys() <= self.points.keys():
            self.points = other.points | self.points
            for machine, days in other.machines.items():
                self._note(machine, *days)

    def _note(self, machine: str, *days: str) -> None:
        known = sorted([*self.machines.get(machine, ()), *days])
        self.machines[machine] = [known[0], known[-1]]

    @property
    def result(self) -> Result:
        """The result by the players' full names."""
        return Result.of(self.a["name"], self.b["name"], self.points)

    def as_dict(self) -> dict[str, object]:
        """Return it as the file has it."""
        return {
            "a": self.a,
            "b": self.b,
            "conditions": self.conditions,
            "games": len(self.points),
            "pentanomial": list(pentanomial_of(self.points)),
            "results": "".join(SIGNS[self.points.get(i)] for i in range(max(self.points, default=-1) + 1)),
            "machines": self.machines,
        }

    @classmethod
    def of(cls, found: dict[str, Any]) -> Tally:
        """Return what the file tells. Raises ``ValueError`` and the like where it contradicts itself."""
        points = {sign: value for value, sign in SIGNS.items()}
        known = {i: value for i, sign in enumerate(found["results"]) if (value := points[sign]) is not None}
        tally = cls(found["a"], found["b"], found["conditions"], known, found["machines"])
        texts = [*tally.a.values(), *tally.b.values(), tally.conditions, *chain(*tally.machines.values())]
        sides = all({"name", "spec", "time"} == side.keys() for side in (tally.a, tally.b))
        if tally.as_dict() != found or not sides or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{found['a']} - {found['b']}")
        return tally


class ResultsFile:
    """A file of results; one that is not there is empty.

    Raises ``OSError``, and ``UserError`` for a damaged file and for one of another form, which is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tallies: list[Tally] = []
        self.players: list[dict[str, Any]] = []
        """Other figures of players, if a page has them."""
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if (schema := found["schema"]) == SCHEMA:
                for meeting in found["meetings"]:
                    tally = Tally.of(meeting)
                    self._of(tally.a, tally.b, tally.conditions).join(tally)
                self.players = [dict(player) for player in found["players"]]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            fault = f"{type(error).__name__}: {' '.join(str(error).split())[:60]}"
            raise UserError(f"{path}: no sound file of results, left as it is ({fault})") from None
        if schema != SCHEMA:
            raise UserError(f"{path}: its schema is {schema!r} instead of {SCHEMA!r}; it is left as it is")

    def of(self, a: Entrant, b: Entrant, conditions: str) -> Tally:
        """Return what is known of the games of two players, to be added to."""
        return self._of(a.as_dict(), b.as_dict(), conditions)

    def _of(self, a: dict[str, str], b: dict[str, str], conditions: str) -> Tally:
        for tally in self.tallies:
            if (tally.a, tally.b, tally.conditions) == (a, b, conditions):
                return tally
        self.tallies.append(tally := Tally(a, b, conditions))
        return tally

    def among(self, entrants: Sequence[Entrant], conditions: str) -> list[Tally]:
        """Return what is known of the games of these players against each other."""
        sides = [entrant.as_dict() for entrant in entrants]
        known = [tally for tally in self.tallies if tally.points and tally.conditions == conditions]
        return [tally for tally in known if tally.a in sides and tally.b in sides]

    def write(self) -> None:
        """Write the file, whole or not at all."""
        rows = {"players": self.players, "meetings": [tally.as_dict() for tally in self.tallies if tally.points]}
        parts = [f'"schema": {json.dumps(SCHEMA)}']
        for name, items in rows.items():
            lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
            parts.append(f'"{name}": [\n{lines}\n]' if items else f'"{name}": []')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open_replacing(self.path) as file:
            file.write(("{\n" + ",\n".join(parts) + "\n}\n").encode())
