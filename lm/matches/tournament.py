"""Tournaments: who meets whom, as a TOML file says it. All games are in one PGN file and one list of ratings.

.. code-block:: toml

    players = ["lm:temperature=0,name=policy", "search:200", "file:engines/pikafish.toml,nodes=10000"]
    format = "round robin"      # or "gauntlet": the first player, or the first `challengers`, meet all others
    rounds = 50                 # in a round each two players play two games from the same opening, colours exchanged
    openings = "suite"          # or "start", or a file of lines
    seed = 0                    # the order of the openings
    time = "60+0.5"             # clocks, if any; in the table of a player, its own
    anchor = "policy"           # whose rating is fixed
    elo = 0

>>> plan = Tournament(["greedy:seed=1,name=a", "random:seed=2,name=b", "random:seed=3,name=c"], rounds=2)
>>> [(game.red.name, game.black.name) for game in plan.pairings([()]).values()][:4]
[('a', 'b'), ('b', 'a'), ('a', 'c'), ('c', 'a')]
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Self, get_args

from lm import UserError, one_of
from lm.matches import MARGIN, MAX_PLIES
from lm.matches.adjudication import Adjudication
from lm.matches.arena import Opening, Pairing, shuffled
from lm.matches.clocks import Clocks, TimeControl
from lm.players.specs import Spec
from xiangqi.rulings import Rules

FORMATS: Final = ("round robin", "gauntlet")


@dataclass
class Tournament:
    """What a tournament file says. Raises ``UserError`` for what makes no tournament."""

    players: list[str | dict[str, str]]
    """Specs, or tables with ``spec`` and ``time``, the clock of this player alone."""
    format: str = "round robin"
    challengers: int = 1
    rounds: int = 50
    openings: str = "suite"
    seed: int = 0
    rules: Rules = "computer"
    max_plies: int = MAX_PLIES
    time: str | None = None
    margin: float = MARGIN
    resign: str | None = None
    draw: str | None = None
    anchor: str | None = None
    elo: float = 0.0
    name: str = "Tournament"
    specs: list[Spec] = field(init=False)
    adjudication: Adjudication = field(init=False)
    controls: dict[str, TimeControl | None] = field(init=False)
    """The clock of each player, by name."""

    def __post_init__(self) -> None:
        one_of("format", self.format, FORMATS)
        one_of("rules", self.rules, get_args(Rules))
        for setting in ("rounds", "challengers", "max_plies"):
            if getattr(self, setting) < 1:
                raise UserError(f"{setting} must be at least 1: {getattr(self, setting)}")
        if not 0 <= self.margin < math.inf:
            raise UserError(f"margin is in seconds, from 0: {self.margin:g}")
        if not math.isfinite(self.elo):
            raise UserError(f"elo is a number, not {self.elo}")
        self.adjudication = Adjudication.parse(self.resign, self.draw)
        self.specs, self.controls = [], {}
        for entry in self.players:
            table = {"spec": entry} if isinstance(entry, str) else entry
            texts = isinstance(table, dict) and all(isinstance(value, str) for value in table.values())
            if not texts or "spec" not in table or not table.keys() <= {"spec", "time"}:
                raise UserError(f"a player is a spec or a table with spec and time, not {entry!r}")
            spec, time = Spec.parse(table["spec"]), table.get("time", self.time)
            if spec.name in self.controls:
                raise UserError(f"two players are called {spec.name!r}: give one of them another name, as name=...")
            self.specs.append(spec)
            self.controls[spec.name] = None if time is None else TimeControl.parse(time)
        if len(self.specs) < 2 or (self.format == "gauntlet" and self.challengers >= len(self.specs)):
            raise UserError(f"too few players: {len(self.specs)}")
        if self.anchor is not None and self.anchor not in self.controls:
            raise UserError(f"the anchor {self.anchor!r} is none of the players: {', '.join(self.controls)}")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a tournament file. Raises ``OSError``, and ``UserError`` with the file's name."""
        try:
            found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
            known = {f.name: f for f in fields(cls) if f.init}
            for name, value in found.items():
                if name not in known:
                    raise UserError(f"{name!r} is no setting (settings: {', '.join(known)})")
                default = known[name].default
                kind: type = float if isinstance(default, float) else int if isinstance(default, int) else str
                kind = list if default is MISSING else kind
                if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
                    raise UserError(f"{name} takes {_KINDS[kind]}, not {value!r}")
            if "players" not in found:
                raise UserError("it names no players")
            return cls(**found)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, UserError) as error:
            raise UserError(f"{path}: {error}") from None

    @property
    def meetings(self) -> list[tuple[Spec, Spec]]:
        """Who meets whom in each round."""
        if self.format == "gauntlet":
            first = self.specs[: self.challengers]
            return [(a, b) for a in first for b in self.specs[self.challengers :]]
        return list(combinations(self.specs, 2))

    def pairings(self, openings: Sequence[Opening]) -> dict[int, Pairing]:
        """Return the games in order: in each round all meetings, two games each, from the same opening."""
        order, meetings = shuffled(openings, self.seed), self.meetings
        headers, found = {"Event": self.name}, dict[int, Pairing]()
        for game in range(2 * len(meetings) * self.rounds):
            number, (a, b) = game // 2 // len(meetings), meetings[game // 2 % len(meetings)]
            red, black = (a, b) if game % 2 == 0 else (b, a)
            clocks = Clocks(self.controls[red.name], self.controls[black.name])
            found[game] = Pairing(red, black, order[number % len(order)], headers, clocks)
        return found


_KINDS: Final[dict[type, str]] = {list: "a list", int: "a whole number", float: "a number", str: "a text"}
