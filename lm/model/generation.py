"""The model as transformers knows language models: tokens in, the next token's logits out, and ``generate()``.

Games given as tokens are replayed on boards. Each token has the output of the position that it leads to
(`TokenRows`), so labels, hidden states and the cache are token by token, as anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import DynamicCache, GenerationConfig, GenerationMixin, LogitsProcessor, LogitsProcessorList

from lm import UserError
from lm.model.encoding import Encoder
from lm.model.pretrained_config import XiangqiConfig
from lm.model.prompts import Source, Voice
from lm.model.sampling import Sampling
from lm.model.token_games import TokenGame, TokenRows
from lm.model.vocabulary import BOS, MATE, PAD, VOCABULARY
from xiangqi import MOVES
from xiangqi.kernels import MOVE_ROTATED


class GameCache(DynamicCache):
    """Keys and values of games read as tokens, with these tokens: the boards are set up from them.

    The model returns it as ``past_key_values``, and it is used as any cache of transformers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tokens: NDArray[np.int64] | None = None

    def add(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Take in the next tokens of the games ``(B, T)`` and return all ``(B, S)``. Their keys and values follow."""
        if self._tokens is not None and (before := self.get_seq_length()):
            if len(tokens) != len(self._tokens):
                raise ValueError(f"{len(tokens)} games go on, but the cache holds {len(self._tokens)}")
            tokens = np.concatenate([self._tokens[:, :before], tokens], 1)
        self._tokens = tokens
        return tokens

    def reorder_cache(self, beam_idx: Tensor) -> None:
        super().reorder_cache(beam_idx)  # type: ignore[arg-type]
        self._choose(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        self._choose(indices)

    def batch_repeat_interleave(self, repeats: int) -> None:
        super().batch_repeat_interleave(repeats)
        if self._tokens is not None:
            self._tokens = self._tokens.repeat(repeats, 0)

    def _choose(self, rows: Tensor) -> None:
        if self._tokens is not None:
            self._tokens = self._tokens[rows.cpu().numpy()]


@dataclass
class TokenLayer:
    """One layer's attention among tokens."""

    number: int
    seen: Tensor
    """Which tokens each new one sees, ``(B, 1, T, S)``."""
    cache: GameCache | None
    weights: list[Tensor] | None
    """Takes in the weights ``(B, nh, T, S)`` of each layer, if given."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what the new tokens see, ``(B, nh, T, hs)``; written out on a CPU, as in `lm.model.model.attend`."""
        if self.cache is not None:
            k, v = self.cache.update(k, v, self.number)
        if self.weights is None and q.device.type != "cpu":
            return F.scaled_dot_product_attention(q, k, v, attn_mask=self.seen)
        scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
        weights = scores.masked_fill(~self.seen, float("-inf")).softmax(-1).to(v.dtype)
        if self.weights is not None:
            self.weights.append(weights)
        return weights @ v


@dataclass
class TokenStates:
    """What the network makes of T new tokens of B games."""

    last: Tensor
    """``(B, T, D)`` states, from which the heads read."""
    layers: tuple[Tensor, ...] | None
    """Input of the first block, output of each block but the last, and ``last``, if they were asked for."""
    attentions: tuple[Tensor, ...] | None
    """``(B, nh, T, S)`` of each block, if they were asked for."""
    cache: GameCache | None
    rows: TokenRows
    where: NDArray[np.int64]
    """``(B, T)`` the encoded ply of each token, -1 for none."""
    candidates: Tensor
    """Legal moves of the plies, and their number, as in `XiangqiLM.score`."""
    candidate_counts: Tensor


class TokenGenerationMixin(GenerationMixin):
    """Makes `XiangqiLM` a causal language model over tokens for transformers."""

    if TYPE_CHECKING:  # attributes of the model that uses this mixin
        config: XiangqiConfig
        generation_config: GenerationConfig
        table: nn.EmbeddingBag
        prompts: nn.Embedding
        input_norm: nn.LayerNorm
        output_norm: nn.LayerNorm
        end_head: nn.Linear

        @property
        def device(self) -> torch.device: ...

        through_blocks: Callable[..., Tensor]
        rate: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]

    def read_tokens(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        cache: Any = None,
        use_cache: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> TokenStates:
        """Read T new tokens ``(B, T)`` of B games, after those in the ``cache``. Tokens that are masked are padding.

        Raises ``UserError`` for tokens that do not form a game, and ``ValueError`` for masks and caches of other kinds
        and for games longer than ``config.n_context``.
        """
        if input_ids.ndim != 2 or not input_ids.numel():
            raise ValueError(f"input_ids must have two dimensions, none of them 0: {tuple(input_ids.shape)}")
        tokens = input_ids.cpu().numpy().astype(np.int64)
        T = tokens.shape[1]
        if attention_mask is not None:
            if attention_mask.ndim != 2 or attention_mask.shape[1] < T:
                raise ValueError(f"attention_mask must be of the size of the tokens: {tuple(attention_mask.shape)}")
            tokens = np.where(attention_mask[:, -T:].cpu().numpy() == 0, PAD, tokens)
        if cache is None and use_cache:
            cache = GameCache()
        if cache is not None:
            if not isinstance(cache, GameCache):
                raise ValueError(f"past_key_values must be one that the model returned, not a {type(cache).__name__}")
            tokens = cache.add(tokens)
        S = tokens.shape[1]
        rows = TokenRows.read(tokens)
        if rows.plies.max() >= self.config.n_context:
            raise ValueError(f"a game is longer than the model's {self.config.n_context} plies")
        games, where = rows.games(S - T)
        encoded = Encoder(self.config.input_groups, self.config.candidate_groups)(games).tensors()
        encoded = {name: tensor.to(self.device) for name, tensor in encoded.items()}
        x = F.pad(self.table(encoded["inputs"], encoded["input_starts"]), (0, 0, 0, 1))  # the last row for no ply
        prompts = self.prompts(torch.from_numpy(rows.prompts[:, S - T :]).to(self.device)).sum(-2)
        x = self.input_norm(x[torch.from_numpy(where).to(self.device)] + prompts)  # (B, T, D)
        seen = torch.from_numpy(rows.seen(S - T)).unsqueeze(1).to(self.device)
        weights: list[Tensor] | None = [] if output_attentions else None
        layers = [TokenLayer(number, seen, cache, weights) for number in range(self.config.n_layer)]
        each: list[Tensor] | None = [] if output_hidden_states else None
        x = self.through_blocks(x, torch.from_numpy(rows.plies[:, S - T :]).to(self.device), layers, each)
        x = self.output_norm(x)
        return TokenStates(
            x,
            None if each is None else (*each, x),
            None if weights is None else tuple(weights[: self.config.n_layer]),
            cache,
            rows,
            where,
            encoded["candidates"],
            encoded["candidate_counts"],
        )

    def next_tokens(self, states: TokenStates, kept: slice | Tensor, voices: Tensor | None = None) -> Tensor:
        """Return log-probabilities ``(B, K, vocabulary)`` of the token after each of the K ``kept`` ones.

        The probability that the game goes on is divided among all moves: legal moves by their full scores, illegal ones
        by the score of the move table alone. After an ending, an illegal move or padding only ``[PAD]`` follows.
        Without ``voices`` ``(B,)`` each game gets the voice of its source prompt, or else the human one.
        """
        device = states.last.device
        where = torch.from_numpy(states.where).to(device)[:, kept]  # (B, K)
        alive = where.flatten() >= 0
        T = states.where.shape[1]
        plies = torch.from_numpy(states.rows.plies[:, -T:]).to(device)[:, kept].flatten()[alive]
        if voices is None:
            engine = torch.from_numpy(states.rows.prompts[:, -T:, 0] == Source.ENGINE).to(device)[:, kept]
            told = torch.where(engine, int(Voice.ENGINE), int(Voice.HUMAN))
        else:
            told = voices.to(device).unsqueeze(1).expand(where.shape)
        h = states.last[:, kept].flatten(0, 1)[alive]  # (R, D)
        logits = h.new_full((*alive.shape, VOCABULARY), float("-inf"), dtype=torch.float32)
        logits[~alive, PAD] = 0.0
        if len(h):
            found = self._next_of(h, where.flatten()[alive], plies % 2 == 1, told.flatten()[alive], states)
            logits = logits.index_copy(0, alive.nonzero().squeeze(1), found)
        return logits.view(*where.shape, VOCABULARY)

    def _next_of(self, h: Tensor, rows: Tensor, black: Tensor, voices: Tensor, states: TokenStates) -> Tensor:
        """Return log-probabilities ``(R, vocabulary)`` of the token after R states ``(R, D)``.

        ``rows`` ``(R,)`` are their plies, ``black`` ``(R,)`` says where Black is to move.
        """
        scores, lines, of, _, moves = self.rate(h, states.candidates, states.candidate_counts, rows, voices)
        moves = moves.float().index_put((of, lines[:, 0].long()), scores)
        turned = torch.from_numpy(MOVE_ROTATED.astype(np.int64)).to(h.device)
        moves = torch.where(black.unsqueeze(1), moves[:, turned], moves)
        goes_on, mated, mover, opponent, agreed = self.end_head(h).float().log_softmax(-1).unbind(1)  # as in End
        red, black = torch.where(black, opponent, mover), torch.where(black, mover, opponent)
        never = moves.new_full((len(h), MATE - len(MOVES)), float("-inf"))
        endings = torch.stack([mated, red, black, agreed], 1)  # as in ENDINGS
        return torch.cat([goes_on.unsqueeze(1) + moves.log_softmax(-1), never, endings], 1)

    @staticmethod
    def token_loss(logits: Tensor, labels: Tensor, illegal: Sequence[str], items: Any = None) -> Tensor:
        """Return the mean loss of the next tokens, given log-probabilities ``(B, T, vocabulary)`` and the tokens.

        ``labels`` ``(B, T)`` are the tokens themselves. What is not for the model to say is left out: labels below 0,
        padding, ``[BOS]`` and prompts. With ``items`` the sum is divided by that number instead of theirs: a step's
        number of labels, of which these are a part. Raises ``UserError`` for games with an ``illegal`` move.
        """
        for number, move in enumerate(illegal, 1):
            if move:
                raise UserError(f"row {number} of the tokens: {move} is not legal, so it cannot be learned")
        if labels.shape != logits.shape[:2]:
            raise ValueError(f"labels must have the shape of input_ids: {tuple(labels.shape)}")
        following = labels[:, 1:].to(logits.device)
        said = ((following >= 0) & (following < len(MOVES))) | (following >= MATE)
        loss = F.cross_entropy(logits[:, :-1][said], following[said], reduction="sum")
        return loss / (said.sum().clamp(min=1) if items is None else items)

    def generate(  # type: ignore[override]
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: Sequence[LogitsProcessor] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Continue games to their ends, or up to ``max_new_tokens``, ``max_length`` or the model's context.

        Games may be padded on either side; in what is returned all padding comes before them. ``logits_processor`` is
        `LegalMoves` by default. With an empty list moves may be illegal, and a game ends with the first illegal move.
        With ``do_sample``, the settings ``temperature``, ``top_k`` and ``top_p`` go to `ConsistentSampling`, so that
        games end however strongly the moves are truncated. All other arguments are those of transformers'
        ``GenerationMixin``. Raises ``UserError`` for invalid settings, for other truncations (``min_p`` and the like),
        for ``stop_strings``, and for games that fill the model's context.
        """
        asked: dict[str, Any] = {}
        for settings in (vars(self.generation_config), vars(generation_config) if generation_config else {}, kwargs):
            asked |= {name: value for name, value in settings.items() if value is not None}
        tokens = kwargs.pop("input_ids", None) if inputs is None else inputs
        if tokens is not None:
            if kwargs.get("past_key_values") is None:
                tokens = padded_before(tokens, kwargs.pop("attention_mask", None))
                kwargs["attention_mask"] = (tokens != PAD).long()
            if (room := self.config.n_context - tokens.shape[1]) < 1:
                raise UserError(f"no token fits behind {tokens.shape[1]}: the model reads {self.config.n_context}")
            if asked.get("max_new_tokens") is not None:
                kwargs["max_new_tokens"] = min(asked["max_new_tokens"], room)
            else:
                kwargs["max_length"] = min(asked.get("max_length") or self.config.n_context, self.config.n_context)
        if asked.get("stop_strings"):
            raise UserError("stop_strings are characters, and a token here is a move: use stopping_criteria")
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
        return super().generate(  # type: ignore[misc]
            tokens, generation_config=generation_config, logits_processor=processors, **kwargs
        )

    def prepare_inputs_for_generation(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the arguments of the next reading: plies are counted from the tokens, so no positions are needed."""
        prepared: dict[str, Any] = super().prepare_inputs_for_generation(*args, **kwargs)  # type: ignore[misc]
        for name in ("position_ids", "cache_position"):
            prepared.pop(name, None)
        return prepared

    def _prepare_cache_for_generation(  # type: ignore[override]
        self, generation_config: GenerationConfig, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        """Give ``generate()`` a `GameCache`, whatever kind of cache is asked for: others know no tokens."""
        if model_kwargs.get("past_key_values") is None and generation_config.use_cache is not False:
            model_kwargs["past_key_values"] = GameCache()


def padded_before(tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Return rows of tokens ``(B, T)`` with all padding, by its token or by the mask, before the games.

    A missing ``[BOS]`` is put there.

    >>> padded_before(torch.tensor([[BOS, 576, PAD], [BOS, 576, 2054]])).tolist()
    [[2086, 2087, 576], [2087, 576, 2054]]
    >>> padded_before(torch.tensor([[576, 2054]]), torch.tensor([[1, 0]])).tolist()
    [[2087, 576]]
    """
    if attention_mask is not None:
        tokens = tokens.masked_fill(attention_mask == 0, PAD)
    rows = []
    for row in tokens:
        real = (row != PAD).nonzero()
        game = row[int(real[0]) : int(real[-1]) + 1] if len(real) else row[:0]
        rows.append(game if len(game) and game[0] == BOS else F.pad(game, (1, 0), value=BOS))
    longest = max(map(len, rows))
    return torch.stack([F.pad(row, (longest - len(row), 0), value=PAD) for row in rows])


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
                raise UserError(f"{game.illegal} is not legal at ply {game.board.ply + 1}: {game.board.fen()}")
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
