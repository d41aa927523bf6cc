"""Games under transformers' ``generate()``: tokens read as a game, logits masked to the rules, sampling that ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LogitsProcessor

from lm import UserError
from lm.model.prompts import NO_PROMPT, Prompt
from lm.model.sampling import Sampling
from lm.model.tokenizer import (
    BOS,
    MATE,
    PAD,
    PROMPT_TOKENS,
    SPECIAL,
    VOCABULARY,
    word,
)
from xiangqi import MOVES, Board


class LegalMoves(LogitsProcessor):
    """Masks the logits of ``generate()`` to the legal moves of each game and its endings.

    The moves that are left share the chance of all moves. Without a legal move ``[mate]`` is all that can follow, with
    one it cannot. There is only ``[PAD]`` behind an ending, and where the rules end a game otherwise, as by repetition.
    Raises ``UserError`` for a text that breaks the rules.
    """

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        masked = torch.full_like(scores, float("-inf"))
        chances = scores.log_softmax(-1)
        for row, tokens in enumerate(input_ids.tolist()):
            game = TokenGame.read(tokens)
            if game.illegal:
                raise UserError(f"{game.illegal} is not legal after {game.board.ply} plies: {game.board.fen()}")
            legal = game.board.legal_move_indices().tolist()
            if game.over or (legal and game.board.outcome()):
                masked[row, PAD] = 0.0
            elif not legal:
                masked[row, MATE] = 0.0
            else:
                masked[row, legal] = chances[row, legal].log_softmax(-1) + chances[row, : len(MOVES)].logsumexp(-1)
                masked[row, MATE + 1 :] = chances[row, MATE + 1 :]
        return masked  # type: ignore[return-value]


class ConsistentSampling(LogitsProcessor):
    """Truncates the moves of ``generate()`` as `Sampling` does for a player, and never the endings.

    ``generate()`` puts it last when it samples. Raises ``UserError`` for settings that make no sense.
    """

    def __init__(self, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> None:
        self.sampling = Sampling(temperature, top_k, top_p)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        chances = np.stack([self._chances(row) for row in scores.double().cpu().numpy()])
        return torch.from_numpy(chances).log().to(scores)  # type: ignore[return-value]

    def _chances(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the chances ``(vocabulary,)`` of the tokens: that a game goes on, and then with which move."""
        chances = np.zeros(VOCABULARY)
        moves = np.flatnonzero(np.isfinite(scores[: len(MOVES)]))
        others = np.arange(len(MOVES), VOCABULARY)
        goes_on = np.logaddexp.reduce(scores[moves]) if len(moves) else -np.inf
        goes_on, *chances[others] = self.sampling.endings(np.append(goes_on, scores[others]))
        if len(moves):
            chances[moves] = goes_on * self.sampling.probabilities(scores[moves])
        return chances


@dataclass
class TokenGame:
    """A game as tokens of moves tell it."""

    prompt: Prompt = NO_PROMPT
    """What it asks for; the aim is Red's."""
    board: Board = field(default_factory=Board)
    """The position after all moves."""
    over: bool = False
    """Whether the text says that the game has ended."""
    illegal: str = ""
    """The move that broke the rules, if one did: the game is read as far as that."""

    @classmethod
    def read(cls, tokens: Sequence[int]) -> TokenGame:
        """Return the game of a row of tokens, padded before, after, or not at all; ``[BOS]`` may be missing.

        Raises ``UserError`` that names a token which cannot stand where it does.

        >>> from lm.model.tokenizer import move_tokenizer
        >>> game = TokenGame.read(move_tokenizer()("[engine] [draw] h2e2 h9g7 [draw agreed]")["input_ids"])
        >>> [choice.word for choice in game.prompt], game.board.ply, game.over
        (['engine', 'none', 'draw'], 2, True)
        """
        game = cls()
        first = next((i for i, token in enumerate(tokens) if token != PAD), len(tokens))
        for place, token in enumerate(tokens[first:]):
            if token == BOS and place == 0:
                continue
            if game.illegal:
                break
            if token == PAD:
                game.over = True
            elif game.over:
                raise UserError(f"{word(token)} stands behind the end of a game")
            elif 0 <= token < len(MOVES):
                move = MOVES[token]
                if game.board.is_legal(move):
                    game.board.push(move)
                else:
                    game.illegal = move.iccs
            elif MATE <= token < VOCABULARY:
                game.over = True
            else:
                game._ask(word(token))
        return game

    def _ask(self, token: str) -> None:
        """Take a prompt. Raises `UserError` if it is none, or stands behind a move or another one of its kind."""
        asked = PROMPT_TOKENS.get(token)
        if asked is None:
            raise UserError(f"{token} in a game: neither a move nor one of {' '.join(SPECIAL[3:])}")
        if self.board.ply:
            raise UserError(f"{token} stands behind a move: prompts come first")
        kind = type(asked).__name__.lower()
        if before := getattr(self.prompt, kind):
            other = next(name for name, choice in PROMPT_TOKENS.items() if choice is before)
            raise UserError(f"{token} stands beside {other}: a game has one {kind} at most")
        self.prompt = self.prompt._replace(**{kind: asked})  # type: ignore[arg-type]
