"""The language model as a player."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast, get_args

import numpy as np

from lm import UserError, one_of
from lm.model.ahead import compile_kernels
from lm.model.folder import DTYPES, is_ours, load_network, model_path
from lm.model.prompts import Aim, End, Prompt, Source, Strength, Voice
from lm.model.sampling import Sampling, softmax
from lm.players.chance import Chances
from lm.players.char_process import CharProcess
from lm.players.evaluation import Evaluation
from lm.players.player import Analysis, Choice, GeneratedAnalysis, Limits, Line, Thinker, limit_of_each
from lm.players.policy import Evaluator
from xiangqi import Board, Move
from xiangqi.engine import Info, Limit, Wdl
from xiangqi.rulings import Rules, repetition_outcome

RESIGNS_BELOW: Final = 0.1
"""A player whose expected score is not below this does not resign."""

DRAWS_BELOW: Final = 0.6
"""A player whose expected score is not below this does not offer or accept a draw."""

PLIES_FOLLOWED: Final = 6
"""Length in plies of an analysis line, unless the limit has a depth."""

SYMMETRIES: Final = (1, 2)
"""With 2 readings the mirror image of the game is read too, and the results are averaged. This predicts 1% more moves
and plays better (docs/log.md), but takes twice as long."""


class LMPlayer(Thinker):
    """The language model as a player: its distribution over the legal moves, sampled.

    ``model`` is a directory (the shipped one by default). ``voice`` is ``human`` or ``engine``. ``source``,
    ``strength`` and ``aim`` are the prompt (`lm.model.prompts`), which a character model does not support. The player
    resigns or offers a draw where the model predicts this ending and its expected score is low enough. ``dtype`` is one
    of `DTYPES`, ``symmetries`` one of `SYMMETRIES` (1 for a character model in any case), ``rules`` a rule set of
    `xiangqi.rulings`. The same seed gives the same moves for the same calls. With ``text`` the folder holds any causal
    language model of transformers, which reads the moves as text (`lm.players.text_policy`). Raises ``UserError`` for
    invalid settings.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        temperature: float = 0.5,
        top_k: int = 0,
        top_p: float = 0.95,
        voice: str = "human",
        source: str = "none",
        strength: str = "none",
        aim: str = "none",
        seed: int | None = None,
        name: str | None = None,
        dtype: str = "int8",
        symmetries: int = 2,
        rules: str = "computer",
        text: bool = False,
    ) -> None:
        self.sampling = Sampling(temperature, top_k, top_p)
        if seed is not None and seed < 0:
            raise UserError(f"seed must not be negative: {seed}")
        self.voice = Voice.parse("voice", voice)
        self.rules = cast(Rules, one_of("rules", rules, get_args(Rules)))
        prompt = Prompt(Source.parse("source", source), Strength.parse("strength", strength), Aim.parse("aim", aim))
        one_of("dtype", dtype, DTYPES)
        one_of("symmetries", symmetries, SYMMETRIES)
        folder = model_path(model)
        self.evaluator: Evaluator | CharProcess
        if is_ours(folder) and text:
            raise UserError(f"the model in {folder} reads positions, not text: it is a player of the kind lm")
        if is_ours(folder):
            network = load_network(folder, dtype)
            compile_kernels(network)
            self.evaluator = Evaluator(network, prompt=prompt, symmetries=symmetries)
        elif any(prompt):
            raise UserError(f"the model in {folder} cannot be asked for source, strength or aim")
        else:
            self.evaluator = CharProcess(folder, "text" if text else "characters")
        self.name = name or f"lm {voice} temperature {temperature:g}"
        self._random = Chances(seed)
        self.evaluator([Board()], self.voice)  # compile the kernels now, not at the first move

    def close(self) -> None:
        """End the process of a character model."""
        if isinstance(self.evaluator, CharProcess):
            self.evaluator.close()

    def begin_game(self, board: Board, number: int) -> None:
        self._random.begin(board, number)

    def end_game(self, board: Board) -> None:
        self._random.end(board)

    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        """Return a choice for each board, with WDL and all moves sorted by probability.

        Of the limits only the root moves matter.
        """
        choices = []
        for board, evaluation, limit in zip(
            boards, self.evaluator(boards, self.voice), limit_of_each(limits, boards), strict=True
        ):
            choices.append(self._choose(board, among(evaluation, limit)))
        return choices

    def legal_mass(self, boards: Sequence[Board]) -> list[float] | None:
        """Return the total probability of the legal moves before any mask; ``None`` for a model that sees the board,
        which scores legal moves alone."""
        if not isinstance(self.evaluator, CharProcess):
            return None
        return [float(np.exp(found.scores.astype(np.float64)).sum()) for found in self.evaluator(boards, self.voice)]

    limit = Limit(depth=1)

    def analyse(self, board: Board, limit: Limit | None = None, multipv: int = 1) -> Analysis:
        """Analyse the likeliest moves, each continued by the likeliest replies. It ends by itself after a few plies.

        The ``depth`` of a limit is the length of the lines in plies; ``nodes`` counts evaluated positions.
        """
        return _Following(self, board, limit or Limit(), multipv)

    def _choose(self, board: Board, evaluation: Evaluation) -> Choice:
        ranked = by_share(evaluation)
        info = Info(wdl=self._chances(evaluation))
        word = self._word(board, evaluation)
        if word == End.RESIGNS and evaluation.value < RESIGNS_BELOW:
            return Choice(None, info, tuple(ranked))
        offer = word == End.DRAW_AGREED and evaluation.value < DRAWS_BELOW
        scores = evaluation.scores.copy()
        while True:
            index = int(self._random.of(board).choice(len(scores), p=self.sampling.probabilities(scores)))
            move = evaluation.moves[index]
            if np.isfinite(scores).sum() == 1 or not self._spoils(board, move, evaluation.value):
                return Choice(move, replace(info, pv=(move,)), tuple(ranked), draw=offer)
            scores[index] = -np.inf

    def _word(self, board: Board, evaluation: Evaluation) -> End:
        """Draw from the predicted endings: whether the game goes on, or how it ends."""
        if evaluation.ends is None:
            return End.GOES_ON
        logits = np.log(np.maximum(evaluation.ends, 1e-9))
        return End(int(self._random.of(board).choice(len(End), p=self.sampling.endings(logits))))

    def _spoils(self, board: Board, move: Move, value: float) -> bool:
        """Return whether a move ends the game by a ruling with a result below our expected score.

        A repetition is judged at the first return, not only at the third occurrence: later the opponent may be the one
        who decides.
        """
        board.push(move)
        try:
            outcome = board.outcome(self.rules) or repetition_outcome(board, self.rules, count=2)
        finally:
            board.pop()
        if outcome is None:
            return False
        return (0.5 if outcome.winner is None else float(outcome.winner == board.turn)) < value

    def _chances(self, evaluation: Evaluation) -> Wdl | None:
        """Return WDL for the side to move; ``None`` if the model does not predict it."""
        return Wdl(*(1000 * evaluation.wdl).tolist()) if self.evaluator.judges else None


class _Following(GeneratedAnalysis):
    """An analysis of the likeliest moves of a position, each continued by the likeliest replies.

    A line's WDL is that after its first move. The work is done in the thread that iterates over it.
    """

    def __init__(self, player: LMPlayer, board: Board, limit: Limit, multipv: int) -> None:
        super().__init__(board, limit, multipv)
        self._player = player

    def _generate(self) -> Generator[Line]:
        start, nodes = time.monotonic(), 1
        longest, depth = self._limit.longest(self.board.turn), self._limit.depth or PLIES_FOLLOWED
        (evaluation,) = self._evaluate([self.board])
        evaluation = among(evaluation, self._limit)
        expected = self._player._chances(evaluation)
        boards = []
        for rank, (move, share) in enumerate(by_share(evaluation)[: self._count], 1):
            board, chances = self.board.copy(), expected
            board.push(move)
            boards.append(board)
            if outcome := board.outcome(self._player.rules):
                drawn, won = outcome.winner is None, outcome.winner == self.board.turn
                chances = Wdl(1000 * won, 1000 * drawn, 1000 * (not drawn and not won))
            self._lines.append(Line(Info(rank, 1, wdl=chances, nodes=nodes, pv=(move,)), share))
        yield from self.lines
        for ply in range(2, depth + 1):
            going_on = [i for i, board in enumerate(boards) if board.outcome(self._player.rules) is None]
            enough = self._limit.nodes is not None and nodes + len(going_on) > self._limit.nodes
            late = longest is not None and time.monotonic() - start >= longest
            if not going_on or enough or late or self._stopped.is_set():
                return
            nodes += len(going_on)
            for i, evaluation in zip(going_on, self._evaluate([boards[i] for i in going_on]), strict=True):
                line = self._lines[i]
                move, _ = by_share(evaluation)[0]
                boards[i].push(move)
                info = replace(line.info, depth=ply, nodes=nodes, pv=(*line.info.pv, move))
                chances = self._player._chances(evaluation)
                if ply == 2 and chances is not None:
                    info = replace(info, wdl=chances.turned())
                self._lines[i] = replace(line, info=info)
                yield self._lines[i]

    def _evaluate(self, boards: Sequence[Board]) -> list[Evaluation]:
        return self._player.evaluator(boards, self._player.voice)


def among(evaluation: Evaluation, limit: Limit | None) -> Evaluation:
    """Return the evaluation with the root moves of a limit alone, if it has any."""
    if limit is None or limit.root_moves is None:
        return evaluation
    kept = [i for i, move in enumerate(evaluation.moves) if move in limit.root_moves]
    return replace(evaluation, moves=[evaluation.moves[i] for i in kept], scores=evaluation.scores[kept])


def by_share(evaluation: Evaluation) -> list[tuple[Move, float]]:
    """Return the moves of a position with their policy probabilities, likeliest first."""
    policy = softmax(evaluation.scores.astype(np.float64))
    return sorted(zip(evaluation.moves, policy.tolist(), strict=True), key=lambda pair: -pair[1])
