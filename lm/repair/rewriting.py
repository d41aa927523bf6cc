"""Writes a repaired record: the likeliest line, with every guess marked in a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from lm.repair.lines import Candidate, Edit, Kind, Line, Words
from xiangqi import ChildNode, FormatError, Game, GameNode

OTHERS: Final = 3
"""Alternatives that a comment lists, of those that are not too improbable."""
_QUOTE: Final = re.compile(r"'([^']+)'")
IMPROBABLE: Final = 0.005


@dataclass(frozen=True)
class Guess:
    """One repair of a record."""

    ply: int
    """In the repaired game, from 1; of text that is left out, that of the move before it."""
    what: str
    """What was guessed, as ``'C2=?' read as C2=5``."""
    probability: float
    """The share of the lines with this repair."""
    others: tuple[tuple[str, float], ...]
    """What else it may be, with its probability, the likeliest first."""

    def __str__(self) -> str:
        others = ", ".join(f"{what} {_rounded(chance)}" for what, chance in self.others)
        return f"{self.what}{'; or ' if others else ''}{others}"

    @property
    def chance(self) -> str:
        """The probability with two digits."""
        return _rounded(self.probability)

    def comment(self) -> str:
        """Return the comment that marks the guess."""
        return f"[%guess {self.chance}] {self}"


@dataclass(frozen=True)
class Repair:
    """A repaired game."""

    game: Game
    guesses: tuple[Guess, ...]
    candidates: tuple[Candidate, ...]
    """The lines found, the likeliest first, which is the game's."""


def repaired(game: Game, words: Words, candidates: Sequence[Candidate]) -> Repair:
    """Return a copy of the game with the first of the candidates as its main line.

    What the record had from the first repair on stays as a variation, as far as it was legal. Comments and glyphs go
    with their moves.
    """
    line = candidates[0].line
    guesses = tuple(_guess(words, candidates, edit) for edit in line.edits)
    new = deepcopy(game)
    read = list(new.main_line())[: words.start.words]
    first = line.edits[0].ply
    node: GameNode = read[first - 1] if first else new
    wrong = {edit.word for edit in line.edits if edit.kind == Kind.WRONG}
    for ply, word in _words_of(line):
        if ply < first:
            continue
        child = node.variation(line.moves[ply])
        if child is None:
            child = node.add_variation(line.moves[ply])
        child.promote_to_main()
        node = child
        if word is None:
            continue
        if word >= len(read):
            unread = game.unread[word - len(read)]
            _annotate(child, unread.comment, set() if word in wrong else unread.nags)
        elif child is not read[word]:
            _annotate(child, read[word].comment, read[word].nags if read[word].has_nags() else set())
    if first < len(read) and not read[first].is_main_line():
        read[first].starting_comment = f"as recorded {read[first].starting_comment}".rstrip()
    nodes: list[GameNode] = [new, *new.main_line()]
    for guess in guesses:
        marked = nodes[guess.ply]
        marked.comment = f"{guess.comment()} {marked.comment}".rstrip()
    new.headers["Guess"] = ", ".join(f"ply {guess.ply} {guess.chance}" for guess in guesses)
    fault = fault_of(game)
    new.errors = [error for error in game.errors if error is not fault]
    new.unread = []
    return Repair(new, guesses, tuple(candidates))


def fault_of(game: Game) -> FormatError | None:
    """Return the fault that ended the main line of a game; ``None`` if it is not listed."""
    text, ply, *_ = game.unread[0]
    there = [error for error in game.errors if error.ply == ply]  # of a variation too, perhaps
    quoted = (error for error in there if (quote := _QUOTE.search(error.reason)) and quote[1] in text)
    return next(quoted, there[0] if there else None)


def _words_of(line: Line) -> Iterator[tuple[int, int | None]]:
    """Yield the plies of a line, from 0, each with the number of its word in the record, ``None`` for a missing one."""
    word, edits = 0, list(line.edits)
    for ply in range(len(line.moves)):
        while edits and edits[0].kind == Kind.EXTRA and edits[0].word == word:
            edits.pop(0)
            word += 1
        if edits and edits[0].ply == ply:
            if edits.pop(0).kind == Kind.MISSING:
                yield ply, None
                continue
        yield ply, word
        word += 1


def _annotate(node: ChildNode, comment: str, nags: Set[int]) -> None:
    node.comment = f"{node.comment} {comment}".strip()
    if nags:
        node.nags |= nags


def _guess(words: Words, candidates: Sequence[Candidate], edit: Edit) -> Guess:
    """Return the guess for an edit of the first candidate."""
    edits = candidates[0].line.edits
    place = edits.index(edit)
    others = []
    probability = 0.0
    for candidate in candidates:
        found = candidate.line.edits
        if any(_is_same(edit, other) for other in found):
            probability += candidate.probability
        elif len(found) == len(edits) and all(
            _is_same(one, other) for i, (one, other) in enumerate(zip(edits, found, strict=True)) if i != place
        ):
            other = found[place]
            if (other.kind, other.word) == (edit.kind, edit.word):
                what = _written(words, candidate.line, other)
            else:
                what = f"ply {other.ply + 1}: {_what(words, candidate.line, other)}"
            if candidate.probability >= IMPROBABLE:
                others.append((what, candidate.probability))
    ply = edit.ply + (edit.kind != Kind.EXTRA)
    return Guess(ply, _what(words, candidates[0].line, edit), probability, tuple(others[:OTHERS]))


def _is_same(one: Edit, other: Edit) -> bool:
    """Whether two edits of a record are the same, whatever ply they make it."""
    return (one.kind, one.word, one.move) == (other.kind, other.word, other.move)


def _what(words: Words, line: Line, edit: Edit) -> str:
    text = words.words[edit.word].text
    if edit.kind == Kind.EXTRA:
        return f"{text!r} left out"
    written = _written(words, line, edit)
    return f"{text!r} read as {written}" if edit.kind == Kind.WRONG else f"{written} was missing"


def _written(words: Words, line: Line, edit: Edit) -> str:
    """Return the move of an edit in the record's notation."""
    assert edit.move is not None
    return words.write(words.after(line.moves[: edit.ply]), edit.move)


def _rounded(chance: float) -> str:
    """Format a probability with two digits; one that is not 1 is not rounded to it.

    >>> _rounded(0.834), _rounded(0.9999), _rounded(1.0), _rounded(0.001)
    ('0.83', '0.99', '1.00', '0.00')
    """
    return f"{min(chance, 0.994) if chance < 1 else 1:.2f}"
