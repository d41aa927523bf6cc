"""Support for transformers' ``generate()``: games from tokens, the legal-move mask, and consistent sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GenerationMixin, LogitsProcessor, LogitsProcessorList
from transformers.modeling_outputs import CausalLMOutputWithPast

from lm import UserError
from lm.model.encoding import Encoder, GameMoves
from lm.model.pretrained_config import XiangqiConfig
from lm.model.prompts import NO_PROMPT, End, Prompt, Source, Voice
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
from xiangqi.kernels import MOVE_ROTATED


class TokenGenerationMixin(GenerationMixin):
    """Makes `XiangqiLM` usable with transformers' ``generate()``: games given as tokens are replayed on boards, and the
    model's output for the last position becomes the logits of the next token."""

    if TYPE_CHECKING:  # attributes of the model that uses this mixin
        config: XiangqiConfig

        @property
        def device(self) -> torch.device: ...

        __call__: Callable[..., Any]

    def read_tokens(self, input_ids: Tensor, voices: Tensor | None = None) -> CausalLMOutputWithPast:
        """Return the log-probabilities ``(B, 1, vocabulary)`` of the next token of each game ``(B, T)``.

        The probability that the game goes on is divided among all moves: legal moves by their full scores, illegal ones
        by the score of the move table alone. After an ending or an illegal move only ``[PAD]`` follows. Without
        ``voices`` ``(B,)`` each game gets the voice of its source prompt, or else the human one. Raises ``UserError``
        for tokens that do not form a game.
        """
        games = [TokenGame.read(row) for row in input_ids.tolist()]
        logits = torch.full((len(games), VOCABULARY), float("-inf"), device=self.device)
        logits[[i for i, game in enumerate(games) if game.over or game.illegal], PAD] = 0.0
        going = [i for i, game in enumerate(games) if not (game.over or game.illegal)]
        if not going:
            return CausalLMOutputWithPast(logits=logits.unsqueeze(1))
        if voices is None:
            engine = (game.prompt.source == Source.ENGINE for game in games)
            voices = torch.tensor([Voice.ENGINE if x else Voice.HUMAN for x in engine])
        encode = Encoder(self.config.input_groups, self.config.candidate_groups)
        features = encode([GameMoves.of(games[i].board) for i in going])
        last = torch.from_numpy(np.cumsum(features.lengths) - 1)
        prompts = np.concatenate([games[i].prompts() for i in going])
        tensors = features.tensors() | {"prompts": torch.from_numpy(prompts), "rows": last, "voices": voices[going]}
        out = self(**{name: tensor.to(self.device) for name, tensor in tensors.items()})
        for row, (i, ply) in enumerate(zip(going, last.tolist(), strict=True)):
            turn, legal = int(features.turns[ply]), torch.from_numpy(features.moves(ply))
            turned = MOVE_ROTATED if turn else np.arange(len(MOVE_ROTATED))
            moves = out.move_logits[row, torch.from_numpy(turned.astype(np.int64))].float()
            moves[legal] = out.scores[row, : len(legal)]
            ends = out.end_logits[ply].log_softmax(-1)
            logits[i, : len(moves)] = ends[End.GOES_ON] + moves.log_softmax(-1)
            resigning = [End.RESIGNS, End.OPPONENT_RESIGNS][:: -1 if turn else 1]  # Red, Black
            logits[i, MATE:] = ends[[End.MATED, *resigning, End.DRAW_AGREED]]
        return CausalLMOutputWithPast(logits=logits.unsqueeze(1))

    def generate(  # type: ignore[override]
        self, *args: Any, logits_processor: Sequence[LogitsProcessor] | None = None, **kwargs: Any
    ) -> Any:
        """Continue games to their ends, or up to ``max_new_tokens``, ``max_length`` or the model's context.

        ``logits_processor`` is `LegalMoves` by default. With an empty list moves may be illegal, and a game ends with
        the first illegal move. With ``do_sample``, the settings ``temperature``, ``top_k`` and ``top_p`` go to
        `ConsistentSampling`, so that games end however strongly the moves are truncated. All other arguments are those
        of transformers' ``GenerationMixin``. Raises ``UserError`` for invalid settings and for other truncations
        (``min_p`` and the like).
        """
        given = kwargs.get("generation_config")
        asked = {**(vars(given) if given is not None else {}), **kwargs}
        if given is None and not kwargs.keys() & {"max_new_tokens", "max_length"}:
            kwargs["max_length"] = self.config.n_context  # the library's default is 20 tokens
        processors = LogitsProcessorList([LegalMoves()] if logits_processor is None else logits_processor)
        if asked.get("do_sample"):
            for name in ("min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"):
                if asked.get(name) not in (None, 0.0, 1.0):
                    raise UserError(
                        f"{name} would cut off the endings of games: choose among temperature, top_k, top_p"
                    )
            all_of_it = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
            sampling = {name: asked.get(name) for name in all_of_it}
            processors.append(ConsistentSampling(**{name: x for name, x in sampling.items() if x is not None}))
            kwargs |= all_of_it
        return super().generate(*args, logits_processor=processors, **kwargs)  # type: ignore[misc]

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, voices: Tensor | None = None, attention_mask: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Pass on tokens and voices alone: padding is recognised by its token, so no attention mask is needed."""
        return {"input_ids": input_ids, "voices": voices}

    def _prepare_cache_for_generation(self, *args: Any, **kwargs: Any) -> bool:
        """Return False: ``generate()`` uses no cache and reads a game again at each ply. `lm.players.policy.Evaluator`
        plays with a cache."""
        return False


class LegalMoves(LogitsProcessor):
    """Masks the logits of ``generate()`` to the legal moves of each game and its endings.

    The probability of all moves is divided among the legal ones. ``[mate]`` follows if and only if there is no legal
    move. Only ``[PAD]`` follows an ending, and a position where the rules end the game otherwise, as by repetition.
    Raises ``UserError`` for a game with an illegal move.
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
    """Truncates the moves in ``generate()`` as `Sampling` does for a player, but never the endings.

    ``generate()`` puts it last when it samples. Raises ``UserError`` for invalid settings.
    """

    def __init__(self, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> None:
        self.sampling = Sampling(temperature, top_k, top_p)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        chances = np.stack([self._chances(row) for row in scores.double().cpu().numpy()])
        return torch.from_numpy(chances).log().to(scores)  # type: ignore[return-value]

    def _chances(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of the tokens ``(vocabulary,)`` after sampling settings, with endings kept."""
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
    """A game read from move tokens."""

    prompt: Prompt = NO_PROMPT
    """The prompt; the aim is Red's."""
    board: Board = field(default_factory=Board)
    """The position after all moves."""
    over: bool = False
    """Whether an ending, or padding, follows the moves."""
    illegal: str = ""
    """The first illegal move, where reading stops; empty if there is none."""

    @classmethod
    def read(cls, tokens: Sequence[int]) -> TokenGame:
        """Return the game of a row of tokens. It may be padded on either side, and ``[BOS]`` may be missing.

        Raises ``UserError`` that names a token which is misplaced or has no place in a game.

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
                raise UserError(f"{word(token)} comes after the end of a game")
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

    def prompts(self) -> NDArray[np.int64]:
        """Return the rows of the prompt table for the n + 1 plies of the game, ``(n + 1, 3)``."""
        return self.prompt.rows(np.arange(self.board.ply + 1) % 2 == 0)

    def _ask(self, token: str) -> None:
        """Add a prompt token. Raises `UserError` if it is not one, or follows a move or another prompt of its kind."""
        asked = PROMPT_TOKENS.get(token)
        if asked is None:
            raise UserError(f"{token} in a game is neither a move nor one of {' '.join(SPECIAL[3:])}")
        if self.board.ply:
            raise UserError(f"{token} comes after a move: prompts come first")
        kind = type(asked).__name__.lower()
        if before := getattr(self.prompt, kind):
            other = next(name for name, choice in PROMPT_TOKENS.items() if choice is before)
            raise UserError(f"{token} besides {other}: a game has at most one {kind}")
        self.prompt = self.prompt._replace(**{kind: asked})  # type: ignore[arg-type]
