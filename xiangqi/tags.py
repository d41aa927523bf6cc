"""What the comments of a game tell in tags, as ``[%eval 0.35]``: scores, chances, candidates, clocks, arrows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from xiangqi.move import InvalidMoveError, Move, Square, parse_square, square_name

MATE_EVAL: Final = 1000.0
"""A forced mate in ``n`` moves is an evaluation of ``MATE_EVAL - n``, or of ``n - MATE_EVAL`` if Red is mated."""

_EVAL: Final = re.compile(r"\[%eval\s+(#?)([+-]?\d{1,9}(?:\.\d{0,9})?)(?:,(\d{1,9}))?\s*\]")
_WDL: Final = re.compile(r"\[%wdl\s+(\d{1,4})[\s,]+(\d{1,4})[\s,]+(\d{1,4})\s*\]")
_NODES: Final = re.compile(r"\[%nodes\s+(\d{1,15})\s*\]")
_CANDIDATES: Final = re.compile(r"\[%candidates\s+([^\]]{0,9999})\]")
_CANDIDATE: Final = re.compile(r"([a-iA-I]\d[a-iA-I]\d):(\d{1,4})(?::(\d{0,9})(?::(\d{1,4}))?)?")
_BEST: Final = re.compile(r"\[%best\s+([a-iA-I][0-9]-?[a-iA-I][0-9])\s*\]")
_DRAWN: Final = re.compile(r"\s*\[%c[sa]l\s+([^\]]{0,9999})\]")
_DRAWN_ONE: Final = re.compile(r"([GRYB])([a-i]\d)([a-i]\d)?")
_TAGS: Final = re.compile(r"\[%[^\]]*\]")
_CLOCK: Final = re.compile(r"\[%clk\s+(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{0,9})?)\s*\]")


DrawnColor = Literal["G", "R", "Y", "B"]
"""Green, red, yellow or blue."""


class Drawn(NamedTuple):
    """An arrow that a person drew on the board, or a circle around one square."""

    color: DrawnColor
    start: Square
    end: Square
    """The same as ``start`` for a circle."""

    @property
    def is_circle(self) -> bool:
        """Whether it is a circle."""
        return self.start == self.end

    def __str__(self) -> str:
        """Return the text in the tag.

        >>> str(Drawn("G", 7, 7)), str(Drawn("R", 7, 24))
        ('Gh0', 'Rh0g2')
        """
        return f"{self.color}{square_name(self.start)}" + ("" if self.is_circle else square_name(self.end))


class Candidate(NamedTuple):
    """A move that an engine or a search weighed in a position, as it judged it. Numbers are kept in thousandths."""

    move: Move
    expected: float
    """Expected score after it of the side that makes it, 0 (loss) to 1 (win)."""
    visits: int | None = None
    """How often a tree search visited it."""
    share: float | None = None
    """Its probability by the policy that the search found, 0 to 1."""

    def __str__(self) -> str:
        """Return the text of the tag.

        >>> str(Candidate(Move.from_iccs("h2e2"), 0.612, 24, 0.43)), str(Candidate(Move.from_iccs("h2e2"), 0.5))
        ('h2e2:612:24:430', 'h2e2:500')
        """
        text = f"{self.move.iccs}:{round(1000 * self.expected)}"
        if self.visits is None and self.share is None:
            return text
        text += f":{'' if self.visits is None else self.visits}"
        return text if self.share is None else f"{text}:{round(1000 * self.share)}"


def parse_candidates(text: str) -> list[Candidate]:
    """Return the candidates of a tag's text. Raises ``ValueError`` for a word that is none.

    >>> parse_candidates("h2e2:612:24:430 b2e2:590")[1]
    Candidate(move=Move.from_iccs('b2e2'), expected=0.59, visits=None, share=None)
    """
    found = []
    for word in text.split():
        match = _CANDIDATE.fullmatch(word)
        if match is None or int(match[2]) > 1000 or int(match[4] or 0) > 1000:
            raise ValueError(f"not a candidate, as h2e2:612:24:430: {word:.40}")
        visits, share = match[3], match[4]
        found.append(
            Candidate(
                Move.from_iccs(match[1]),
                int(match[2]) / 1000,
                int(visits) if visits else None,
                int(share) / 1000 if share is not None else None,
            )
        )
    return found


class Tagged:
    """Something with a comment, whose tags are attributes: a node of a game."""

    __slots__ = ("comment",)

    comment: str
    """The comment after the move (at the root: before the first move), including tags such as ``[%eval 0.35]``."""

    @property
    def eval(self) -> float | None:
        """Evaluation of the position at this node in pawns, positive if good for Red; stored as ``[%eval 0.35]``.

        A mate in ``n`` moves (``[%eval #3]``, ``[%eval #-3]``) reads as ``MATE_EVAL - n`` or ``n - MATE_EVAL``.

        >>> from xiangqi import Game
        >>> game = Game()
        >>> game.eval = 0.35
        >>> game.comment, game.eval
        ('[%eval 0.35]', 0.35)
        """
        found = _EVAL.search(self.comment)
        if found is None:
            return None
        value = float(found[2])
        if not found[1]:
            return value
        return -MATE_EVAL - value if found[2].startswith("-") else MATE_EVAL - value

    @eval.setter
    def eval(self, value: float | None) -> None:
        if value is None:
            text = ""
        elif MATE_EVAL - 500 <= abs(value) <= MATE_EVAL:
            text = f"[%eval #{'-' if value < 0 else ''}{MATE_EVAL - abs(value):.0f}]"
        else:
            text = f"[%eval {value:.2f}]"
        self._set_tag(_EVAL, text)

    @property
    def best(self) -> Move | None:
        """The move that an engine would have played instead of this node's; stored as ``[%best h2e2]``.

        >>> from xiangqi import Game
        >>> game = Game.from_pgn("1. h2e2 {[%best b2e2]} *")
        >>> game.next().best
        Move.from_iccs('b2e2')
        """
        found = _BEST.search(self.comment)
        try:
            return None if found is None else Move.from_iccs(found[1])
        except InvalidMoveError:
            return None

    @best.setter
    def best(self, move: Move | None) -> None:
        self._set_tag(_BEST, "" if move is None else f"[%best {move.iccs}]")

    @property
    def depth(self) -> int | None:
        """Plies that the engine looked ahead for ``eval``; stored with it, as ``[%eval 0.35,12]``.

        Setting it does nothing where there is no evaluation.
        """
        found = _EVAL.search(self.comment)
        return int(found[3]) if found and found[3] else None

    @depth.setter
    def depth(self, plies: int | None) -> None:
        if found := _EVAL.search(self.comment):
            text = f"[%eval {found[1]}{found[2]}{'' if plies is None else f',{plies}'}]"
            self._set_tag(_EVAL, text)

    @property
    def wdl(self) -> tuple[int, int, int] | None:
        """Chances of a win, draw and loss for the side to move at this node, in thousandths; ``[%wdl 512 300 188]``."""
        found = _WDL.search(self.comment)
        return (int(found[1]), int(found[2]), int(found[3])) if found else None

    @wdl.setter
    def wdl(self, chances: tuple[int, int, int] | None) -> None:
        self._set_tag(_WDL, "" if chances is None else "[%wdl {} {} {}]".format(*chances))

    @property
    def nodes(self) -> int | None:
        """Positions that the engine looked at for ``eval``; stored as ``[%nodes 64]``."""
        found = _NODES.search(self.comment)
        return int(found[1]) if found else None

    @nodes.setter
    def nodes(self, count: int | None) -> None:
        self._set_tag(_NODES, "" if count is None else f"[%nodes {count}]")

    @property
    def candidates(self) -> list[Candidate]:
        """The moves that an engine weighed instead of this node's, best first; stored as ``[%candidates h2e2:612]``.

        Each has its expected score in thousandths and, after more colons, a tree search's visits and the share of its
        policy in thousandths. A text that is none of this reads as an empty list.

        >>> from xiangqi import Game
        >>> node = Game().add_variation(Move.from_iccs("h2e2"))
        >>> node.candidates = [Candidate(node.move, 0.6, 40, 0.9), Candidate(Move.from_iccs("b0c2"), 0.55, 9, 0.1)]
        >>> node.comment, node.candidates[1].share
        ('[%candidates h2e2:600:40:900 b0c2:550:9:100]', 0.1)
        """
        found = _CANDIDATES.search(self.comment)
        try:
            return [] if found is None else parse_candidates(found[1])
        except ValueError:
            return []

    @candidates.setter
    def candidates(self, candidates: Iterable[Candidate]) -> None:
        text = " ".join(map(str, candidates))
        self._set_tag(_CANDIDATES, f"[%candidates {text}]" if text else "")

    @property
    def drawn(self) -> list[Drawn]:
        """The circles and arrows that a person drew on the position; stored as ``[%csl Gh0]`` and ``[%cal Rh0g2]``.

        >>> from xiangqi import Game
        >>> game = Game()
        >>> game.drawn = [Drawn("R", 7, 24), Drawn("G", 7, 7)]
        >>> game.comment, game.drawn[0].is_circle
        ('[%csl Gh0] [%cal Rh0g2]', True)
        """
        words = ",".join(_DRAWN.findall(self.comment)).split(",")
        found = [match for word in words if (match := _DRAWN_ONE.fullmatch(word.strip()))]
        squares = [(parse_square(match[2]), parse_square(match[3] or match[2])) for match in found]
        return [Drawn(match[1], *ends) for match, ends in zip(found, squares, strict=True)]  # type: ignore[arg-type]

    @drawn.setter
    def drawn(self, drawn: Iterable[Drawn]) -> None:
        drawn, comment = list(drawn), _DRAWN.sub("", self.comment).strip()
        for name, circles in (("csl", True), ("cal", False)):
            if words := ",".join(str(one) for one in drawn if one.is_circle == circles):
                comment = f"{comment} [%{name} {words}]".strip()
        self.comment = comment

    @property
    def remark(self) -> str:
        """The comment without the tags in it. Setting it keeps these.

        >>> from xiangqi import Game
        >>> game = Game()
        >>> game.comment = "Quiet. [%eval 0.35]"
        >>> game.remark = "Sharp."
        >>> game.remark, game.comment
        ('Sharp.', 'Sharp. [%eval 0.35]')
        """
        return _TAGS.sub("", self.comment).strip()

    @remark.setter
    def remark(self, text: str) -> None:
        self.comment = " ".join([*filter(None, [text.strip()]), *_TAGS.findall(self.comment)])

    @property
    def clock(self) -> float | None:
        """Seconds left to the player after the move; stored as ``[%clk 0:01:02]``.

        >>> from xiangqi import Game
        >>> node = Game().add_variation(Move.from_iccs("h2e2"))
        >>> node.clock = 62
        >>> node.comment, node.clock
        ('[%clk 0:01:02]', 62.0)
        """
        found = _CLOCK.search(self.comment)
        return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])

    @clock.setter
    def clock(self, seconds: float | None) -> None:
        if seconds is None:
            self._set_tag(_CLOCK, "")
            return
        tenths = round(max(seconds, 0) * 10)
        minutes, rest = divmod(tenths, 600)
        second = f"{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")
        self._set_tag(_CLOCK, f"[%clk {minutes // 60}:{minutes % 60:02}:{second}]")

    def _set_tag(self, pattern: re.Pattern[str], text: str) -> None:
        comment, found = pattern.subn(text, self.comment, count=1)
        self.comment = comment.strip() if found else f"{comment} {text}".strip()
