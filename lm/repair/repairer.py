"""Repairs a game record with unsound plies: the likeliest legal line that its text may stand for.

The lines (`lm.repair.lines`) are ranked by the probability of the text, given the moves, times the model's probability
of the moves. Where no single edit makes the whole record legal, a beam of lines is read on to their next unsound word
and edited there. The probability of a line is its share among those found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.model.folder import Network
from lm.model.prompts import NO_PROMPT, Prompt, Voice
from lm.players.evaluation import Evaluation
from lm.players.policy import Evaluator
from lm.repair.lines import Candidate, Kind, Line, Words
from lm.repair.rewriting import Repair, repaired
from xiangqi import Game, Move

MAX_EDITS: Final = 6
"""Edits of one record."""
BEAM: Final = 8
"""Lines that are edited again, of those that read on beyond the unsound word but not to the end of the record; and of
those with a missing move that do not read on."""
POOL: Final = 64
"""Lines that the model reads whole, of those whose edits it deems likeliest."""
AVERAGE: Final = -1.65
"""Log-probability that is assumed of a move not read yet: the model's mean over held-out games."""
READ: Final = 128
"""Words after the last edit of all that the model reads: later ones say little, and its context is limited."""
HORIZON: Final = 10
"""Plies from the last edit on that the model reads of a line that has to be edited again; the others count as average.
So a long line is not worse than a short one in a game of improbable moves."""
LEGAL: Final = 0.5
"""What speaks, as a difference of logarithms, for a line that has to be edited again for each word that it reads: after
a wrong guess words stop being legal soon."""


class Repairer:
    """Guesses what unsound plies of records were, with a model.

    ``voice`` is whose moves to expect; with two ``symmetries`` the mean of a position and its mirror image counts.
    """

    def __init__(
        self,
        network: Network,
        voice: Voice = Voice.HUMAN,
        prompt: Prompt = NO_PROMPT,
        symmetries: int = 1,
    ) -> None:
        self.evaluator = Evaluator(network, prompt=prompt, symmetries=symmetries)
        self.voice = voice

    def repair(self, game: Game) -> Repair | None:
        """Return a game with its main line repaired, as a copy; ``None`` if no line reads the whole record.

        Raises ``ValueError`` if the main line was read to its end, so that there is nothing to repair.
        """
        words = Words(game)
        candidates = self.rank(words, self.lines(words))
        return repaired(game, words, candidates) if candidates else None

    def lines(self, words: Words) -> list[Line]:
        """Return the lines with the fewest edits that read the whole record, each with a game of its own.

        They are in no order, and none if `MAX_EDITS` edits are too few.
        """
        open_lines = [words.start]
        for _ in range(MAX_EDITS):
            found = [(new, new.words > line.words) for line in open_lines for new in words.edited(line)]
            if whole := [line for line, _ in found if line.words == len(words)]:
                return _merged(whole)
            # Where a move was left out the next one may be missing too, so that what is written is not legal yet.
            # Such lines cannot be compared with those that have explained the unsound word.
            open_lines = [
                line
                for explained in (True, False)
                for line in self._best(words, [line for line, explains in found if explains == explained])
            ]
        return []

    def rank(self, words: Words, lines: Sequence[Line]) -> list[Candidate]:
        """Return lines that read the whole record with their probabilities, the likeliest first."""
        if len(lines) > POOL:
            guessed = self._guess(words, lines)
            lines = [line for _, line in sorted(zip(guessed, lines, strict=True), key=_first, reverse=True)[:POOL]]
        if not lines:
            return []
        beyond = len(words) - max(line.edits[-1].word for line in lines) - READ
        games = [line.moves[: len(line.moves) - max(beyond, 0)] for line in lines]
        likelihoods = self._likelihoods(words, lines, games)
        scores = np.array([line.text for line in lines]) + likelihoods
        shares = np.exp(scores - np.logaddexp.reduce(scores))
        found = map(Candidate, lines, shares.tolist(), likelihoods.tolist())
        return sorted(found, key=lambda candidate: candidate.probability, reverse=True)

    def _best(self, words: Words, lines: Sequence[Line]) -> list[Line]:
        """Return the lines to be edited again, the likeliest `BEAM`."""
        if not lines:
            return []
        unread = [len(words) - line.words for line in lines]
        scores = [score - LEGAL * n for score, n in zip(self._guess(words, lines), unread, strict=True)]
        ranked = sorted(zip(scores, lines, strict=True), key=_first, reverse=True)[:POOL]
        pool = _merged([line for _, line in ranked])
        games = [line.moves[: line.edits[-1].ply + HORIZON] for line in pool]
        likelihoods = self._likelihoods(words, pool, games)
        known = [
            line.text
            + likelihood
            + AVERAGE * (len(line.moves) - len(game))
            + (AVERAGE - LEGAL) * (len(words) - line.words)
            for line, game, likelihood in zip(pool, games, likelihoods.tolist(), strict=True)
        ]
        return [line for _, line in sorted(zip(known, pool, strict=True), key=_first, reverse=True)[:BEAM]]

    def _guess(self, words: Words, lines: Sequence[Line]) -> list[float]:
        """Return log-probabilities ``(n,)`` of lines, for which the model reads only what comes before the last edit.

        The moves after the edit count as average ones.
        """
        parents = list({id(line.before): line.before for line in lines if line.before is not None}.values())
        read = self._along(words, [line.moves for line in parents], [len(line.moves) for line in parents])
        chances = {id(line): _chances(line.moves, evaluations) for line, evaluations in zip(parents, read, strict=True)}
        guessed = []
        for line in lines:
            edit = line.edits[-1]
            total, evaluation = chances[id(line.before)][edit.ply]
            if edit.move is not None:
                total += AVERAGE if evaluation is None else log_chance_of(evaluation, edit.move)
            rest = len(words) - edit.word - (edit.kind != Kind.MISSING)
            guessed.append(line.text + total + AVERAGE * rest)
        return guessed

    def _likelihoods(self, words: Words, lines: Sequence[Line], games: Sequence[Sequence[Move]]) -> NDArray[np.float64]:
        """Return the log-probabilities ``(n,)`` of the lines' moves as far as ``games`` have them.

        They are counted from the first on that the lines do not share.
        """
        same = min(line.edits[0].ply for line in lines)
        found = self._along(words, games, [len(game) - same for game in games])
        return np.array(
            [
                sum(
                    log_chance_of(evaluation, move)
                    for evaluation, move in zip(evaluations[:-1], game[len(game) + 1 - len(evaluations) :], strict=True)
                )
                for evaluations, game in zip(found, games, strict=True)
            ]
        )

    def _along(self, words: Words, games: Sequence[Sequence[Move]], plies: Sequence[int]) -> list[list[Evaluation]]:
        """Evaluate the last plies of games; see `Evaluator.along`."""
        self.evaluator([words.after(words.start.moves)])  # so that what all begin with is read once
        return self.evaluator.along([words.after(moves) for moves in games], plies, self.voice)


def log_chance_of(evaluation: Evaluation, move: Move) -> float:
    """Return the log-probability of a legal move."""
    return float(evaluation.scores[evaluation.moves.index(move)] - np.logaddexp.reduce(evaluation.scores))


def _chances(moves: Sequence[Move], evaluations: Sequence[Evaluation]) -> list[tuple[float, Evaluation | None]]:
    """Return for each ply of a game, and its end, the log-probability of the moves before it and its evaluation.

    Plies that the model does not read, at the beginning, have average moves and no evaluation.
    """
    unread = len(moves) + 1 - len(evaluations)
    found: list[tuple[float, Evaluation | None]] = [(AVERAGE * ply, None) for ply in range(unread)]
    total = AVERAGE * unread
    for evaluation, move in zip(evaluations, moves[unread:], strict=False):
        found.append((total, evaluation))
        total += log_chance_of(evaluation, move)
    return [*found, (total, evaluations[-1])]


def _first(pair: tuple[float, Line]) -> float:
    return pair[0]


def _merged(lines: Sequence[Line]) -> list[Line]:
    """Return one line for each game: of those with the same moves the likeliest, with the probability of all.

    So it does not matter which of two equal words is the one too many.
    """
    best: dict[tuple[tuple[Move, ...], int], Line] = {}
    for line in lines:
        key = line.moves, line.words
        other = best.get(key)
        if other is not None:
            likelier = max(other, line, key=lambda either: either.text)
            line = replace(likelier, text=float(np.logaddexp(other.text, line.text)))
        best[key] = line
    return list(best.values())
