"""Who analyses for a person that plays against somebody, and how a score is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lm.players.specs import Spec
from xiangqi import RED, Color

if TYPE_CHECKING:
    from lm.players.player import Line

MODELS: Final = ("lm", "careful", "level", "search")
"""The kinds of players that take a model of ours."""


def thinker(player: Spec, threads: int, size: int) -> Spec:
    """Return the spec of the analysing search, with the model of a player if it plays with one.

    ``threads`` search together, in a tree of at most ``size`` positions of 13 kB each.

    >>> str(thinker(Spec.parse("lm:model=runs/a,temperature=1"), 2, 30_000))
    'search:size=30000,threads=2,model=runs/a'
    """
    return Spec.parse(f"search:size={size},threads={threads}").with_options(_model(player))


def people(player: Spec) -> Spec:
    """Return the spec of the player that does what people do, with the model of a player if it plays with one."""
    return Spec.parse("lm").with_options(_model(player))


def _model(player: Spec) -> dict[str, str]:
    options = dict(player.options)
    return {"model": options["model"]} if player.kind in MODELS and "model" in options else {}


def score_text(line: Line, turn: Color) -> str:
    """Write the score of a line for ``turn`` from Red's view: ``+0.35``, ``#3`` or ``52%``; empty if it has none.

    >>> from lm.players.player import Line
    >>> from xiangqi import BLACK, Move
    >>> from xiangqi.engine import Info, Wdl
    >>> score_text(Line(Info(wdl=Wdl(500, 100, 400), pv=(Move.from_iccs("h9g7"),))), BLACK)
    '45%'
    """
    score = line.info.score
    if score is None:
        value = line.value
        return "" if value is None else f"{100 * (value if turn == RED else 1 - value):.0f}%"
    score = score.pov(RED)
    if score.mate is not None:
        return f"#{score.mate}"
    return f"{(score.cp or 0) / 100:+.2f}"
