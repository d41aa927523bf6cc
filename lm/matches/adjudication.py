"""Adjudication by score: games that the players themselves take to be decided or drawn are not played out.

The rules and their words are those of fastchess: ``movecount=3,score=600`` ends a game as lost for a player whose own
score was -600 centipawns or worse for 3 moves in a row; with ``twosided=true`` the other must have agreed for as long.
``movenumber=40,movecount=8,score=10`` ends it as a draw from move 40 on, when the scores of both stayed within 10
centipawns for 8 moves each, without a capture after the first of them.

>>> from xiangqi import RED
>>> from xiangqi.engine import Score
>>> judge = Adjudication.parse("movecount=2,score=300", None).judge()
>>> lost = Info(score=Score(RED, cp=-450))
>>> [judge.hear(RED, lost, move) for move in (1, 2)]
[None, Ending(winner=1, reason='adjudication', evidence=())]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from lm import UserError
from lm.matches.table import Ending
from lm.players.player import expected_score
from xiangqi import Color
from xiangqi.engine import Info
from xiangqi.evaluation import centipawns

_WORDS: Final = {"resign": ("movecount", "score", "twosided"), "draw": ("movenumber", "movecount", "score")}


@dataclass(frozen=True)
class Adjudication:
    """The rules of a match; a count of 0 is no rule."""

    resign_moves: int = 0
    resign_score: int = 0
    twosided: bool = False
    draw_moves: int = 0
    draw_score: int = 0
    draw_from: int = 1
    """Number of the first move at which a game can be drawn."""

    @classmethod
    def parse(cls, resign: str | None, draw: str | None) -> Self:
        """Read the two rules as fastchess writes them; ``None`` is no rule. Raises ``UserError``."""
        found = _read("resign", resign) | {f"draw {word}": value for word, value in _read("draw", draw).items()}
        return cls(
            found.get("movecount", 0),
            found.get("score", 0),
            bool(found.get("twosided", 0)),
            found.get("draw movecount", 0),
            found.get("draw score", 0),
            found.get("draw movenumber", 1),
        )

    def __str__(self) -> str:
        parts = []
        if self.resign_moves:
            parts.append(f"resign movecount={self.resign_moves},score={self.resign_score}")
            parts[-1] += ",twosided=true" if self.twosided else ""
        if self.draw_moves:
            parts.append(f"draw movenumber={self.draw_from},movecount={self.draw_moves},score={self.draw_score}")
        return ", ".join(parts)

    def judge(self) -> Judge:
        """Return the judge of a new game."""
        return Judge(self)


@dataclass
class Judge:
    """Hears what the players of one game think of it."""

    rules: Adjudication
    _lost: list[int] = field(default_factory=lambda: [0, 0])
    _won: list[int] = field(default_factory=lambda: [0, 0])
    _even: list[int] = field(default_factory=lambda: [0, 0])

    def hear(self, color: Color, info: Info, move: int, captured: bool = False) -> Ending | None:
        """Take the opinion of a side about its move of this number; return the ending if it decides the game."""
        rules, score = self.rules, opinion(info, color)
        if captured:
            self._even = [0, 0]
        for counts, holds in (
            (self._lost, score is not None and score <= -rules.resign_score),
            (self._won, score is not None and score >= rules.resign_score),
            (self._even, score is not None and abs(score) <= rules.draw_score),
        ):
            counts[color] = counts[color] + 1 if holds else 0
        for loser in (color, 1 - color):
            agreed = not rules.twosided or self._won[1 - loser] >= rules.resign_moves
            if rules.resign_moves and self._lost[loser] >= rules.resign_moves and agreed:
                return Ending(1 - loser, "adjudication")
        if rules.draw_moves and move >= rules.draw_from and min(self._even) >= rules.draw_moves:
            return Ending(None, "adjudication")
        return None


def opinion(info: Info, color: Color) -> int | None:
    """Return what a side thinks of its position, in centipawns, from its score or else its WDL; ``None`` if unknown."""
    if info.score is not None:
        return info.score.pov(color).centipawns()
    expected = expected_score(info)
    return None if expected is None else centipawns(expected)


def _read(rule: str, text: str | None) -> dict[str, int]:
    if text is None:
        return {}
    found: dict[str, int] = {}
    words = _WORDS[rule]
    for item in text.split(","):
        name, _, value = item.strip().partition("=")
        number = {"true": "1", "false": "0"}.get(value, value) if name == "twosided" else value
        if name not in words or not number.isdecimal() or name in found:
            raise UserError(f"{rule} takes {', '.join(f'{word}=…' for word in words)}: not {text!r}")
        found[name] = int(number)
    if not found.get("movecount") or "score" not in found:
        raise UserError(f"{rule} needs a movecount above 0 and a score: {text!r}")
    return found
