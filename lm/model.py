"""The model, to be read top to bottom.

One token a ply. Its input is the sum of the table rows that the position switches on (`xiangqi.features`): the move
that led here, counters, the pieces with their status, both sides' moves. A plain causal transformer reads the game. The
score of a legal move is the sum, over the candidate groups, of the products of its table rows with the state h:

    score(m) = h . move[m] + h . capture[captured, to] + h . context[...] + ...

computed as one matrix product for the whole table and a gather of scalars, never a vector a candidate. A linear map on
h turns the trunk's voice from human moves to the engine's; other heads give win, draw and loss for the mover, and
whether the game goes on.

Everything else is an ordinary GPT: pre-norm, learned positions, ReLU^2 (So et al. 2021, "Primer"), zero-initialised
projections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils.generic import ModelOutput

from xiangqi.features import CANDIDATE_GROUPS, INPUT_GROUPS
from xiangqi.kernels import MOVE_ROTATED

HUMAN: Final = 0
ENGINE: Final = 1
STYLES: Final = ("human", "engine")

PROMPTS: Final = ("none", "human", "engine", "amateur", "junior", "club", "master", "win", "draw", "loss")
"""What a game may be asked to be: who plays it, how strong the players are, and how it ends for the side to move. Each
may be left out (``none``, row 0)."""
ENDS: Final = ("goes on", "mated", "resigns", "opponent resigns", "draw agreed")
"""How a game may end at a ply, seen from the side to move."""


class XiangqiConfig(PretrainedConfig):
    """Everything that fixes the shape of a model. The defaults are those of the shipped one."""

    model_type = "xqlm"
    attribute_map = {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "hidden_size": "n_embd"}  # noqa: RUF012

    def __init__(
        self,
        n_layer: int = 6,
        n_head: int = 4,
        n_embd: int = 256,
        n_query: int = 128,  # width of what asks about a candidate's context
        n_context: int = 512,  # longest game, in plies
        input_groups: tuple[str, ...] = tuple(INPUT_GROUPS),  # what the model is told about a position
        candidate_groups: tuple[str, ...] = tuple(CANDIDATE_GROUPS),  # and about each legal move
        prompts: bool = False,  # whether it can be asked for a kind of game
        ends: bool = False,  # whether it says when a game is over
        **kwargs: Any,
    ) -> None:
        self.n_layer, self.n_head, self.n_embd = n_layer, n_head, n_embd
        self.n_query, self.n_context = n_query, n_context
        self.prompts, self.ends = prompts, ends
        self.input_groups, self.candidate_groups = list(input_groups), list(candidate_groups)
        super().__init__(**kwargs)

    @property
    def input_rows(self) -> int:
        return sum(INPUT_GROUPS[name] for name in self.input_groups)

    @property
    def candidate_rows(self) -> int:
        return sum(CANDIDATE_GROUPS[name] for name in self.candidate_groups)


class KVCache:
    """Keys and values of games in progress, a slot a game, each with its own length.

    ``keys`` and ``values`` are ``(n_layer, slots, nh, capacity, hs)`` and grow with the longest game; ``lengths``,
    ``(slots,)``, may be lowered to take plies back.
    """

    def __init__(self, config: XiangqiConfig, slots: int, dtype: torch.dtype = torch.float32) -> None:
        shape = (config.n_layer, slots, config.n_head, 64, config.n_embd // config.n_head)
        self.keys, self.values = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)
        self.lengths = torch.zeros(slots, dtype=torch.long)

    def reserve(self, plies: int) -> None:
        """Make room for games of ``plies`` plies."""
        capacity = self.keys.shape[3]
        if plies > capacity:
            more = max(plies, 2 * capacity) - capacity
            self.keys, self.values = F.pad(self.keys, (0, 0, 0, more)), F.pad(self.values, (0, 0, 0, more))


class ZeroLinear(nn.Linear):
    """A linear map that starts at zero, so that a block starts by adding nothing and all moves with the same chance."""


class ZeroEmbedding(nn.Embedding):
    """A table that starts at zero."""


class Attention(nn.Module):
    def __init__(self, config: XiangqiConfig) -> None:
        super().__init__()
        self.n_head, self.head_size = config.n_head, config.n_embd // config.n_head
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.proj = ZeroLinear(config.n_embd, config.n_embd, bias=False)

    def forward(self, x: Tensor, past: PastLayer | None) -> Tensor:
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.n_head, self.head_size).permute(2, 0, 3, 1, 4)  # each (B, nh, T, hs)
        if past is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            k, v = past.append(k, v)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=past.mask)
        return self.proj(y.transpose(1, 2).reshape(B, T, D))


@dataclass
class PastLayer:
    """One layer of a cache, as attention sees it: where the new plies go, and which of the old each may look at."""

    keys: Tensor  # (slots, nh, capacity, hs)
    values: Tensor
    slots: Tensor  # (B,)
    where: Tensor  # (B, T) places of the new plies
    mask: Tensor  # (B, 1, T, S) true where a new ply may look

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        rows, size = self.slots.unsqueeze(1), self.mask.shape[-1]
        self.keys[rows, :, self.where] = k.transpose(1, 2).to(self.keys.dtype)
        self.values[rows, :, self.where] = v.transpose(1, 2).to(self.values.dtype)
        keys, values = (x[:, :, :size].index_select(0, self.slots) for x in (self.keys, self.values))
        return keys.to(k.dtype), values.to(v.dtype)


class Block(nn.Module):
    def __init__(self, config: XiangqiConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.n_embd, bias=False)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.n_embd, bias=False)
        self.up = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.down = ZeroLinear(4 * config.n_embd, config.n_embd, bias=False)

    def forward(self, x: Tensor, past: PastLayer | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), past)
        return x + self.down(F.relu(self.up(self.mlp_norm(x))).square())


@dataclass
class PolicyOutput(ModelOutput):
    """What the model says about R rows (ply and voice)."""

    loss: Tensor | None = None
    scores: Tensor | None = None
    """Scores of the candidates ``(R, M)``, -inf beyond each ply's candidates; their softmax is the policy."""
    move_logits: Tensor | None = None
    """Scores ``(R, 2086)`` of all moves by the move table alone: what the model thinks before the rules speak."""
    wdl_logits: Tensor | None = None
    """Loss, draw, win for the mover, ``(N, 3)`` for all plies."""
    end_logits: Tensor | None = None
    """Scores of `ENDS`, ``(N, 5)`` for all plies, of a model that says when a game is over."""
    policy_loss: Tensor | None = None
    value_loss: Tensor | None = None


class XiangqiLM(PreTrainedModel, GenerationMixin):
    """The language model.

    `forward` takes the tensors of `lm.encoding.Features`, or `input_ids`: games as tokens, which it replays itself.
    """

    config: XiangqiConfig
    config_class = XiangqiConfig
    base_model_prefix = "trunk"
    supports_gradient_checkpointing = False

    def __init__(self, config: XiangqiConfig) -> None:
        super().__init__(config)
        D = config.n_embd
        self.table = nn.EmbeddingBag(config.input_rows, D, mode="sum")
        self.positions = nn.Embedding(config.n_context, D)
        self.input_norm = nn.LayerNorm(D)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.output_norm = nn.LayerNorm(D)
        self.engine_voice = ZeroLinear(D, D, bias=False)
        self.move_head = ZeroLinear(D, CANDIDATE_GROUPS["move"])
        self.context_query = nn.Linear(D, config.n_query, bias=False)
        self.context_head = ZeroLinear(config.n_query, config.candidate_rows - CANDIDATE_GROUPS["move"])
        self.value_head = ZeroLinear(D, 3)
        self.prompts = ZeroEmbedding(len(PROMPTS), D, padding_idx=0) if config.prompts else None
        self.end_head = ZeroLinear(D, len(ENDS)) if config.ends else None
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.EmbeddingBag | nn.Embedding):
            nn.init.normal_(module.weight, std=0.0 if isinstance(module, ZeroEmbedding) else 0.05)
        elif isinstance(module, nn.Linear):
            std = 0.0 if isinstance(module, ZeroLinear) else 0.5 * module.in_features**-0.5
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def states(
        self,
        inputs: Tensor,
        input_starts: Tensor,
        lengths: Tensor,
        prompts: Tensor | None = None,
        cache: KVCache | None = None,
        slots: Tensor | None = None,
    ) -> Tensor:
        """Return the states ``(N, D)`` of all plies of a batch of games.

        With a ``cache``, the plies go on with the games in its ``slots`` ``(B,)`` (the first B if not given) and are
        taken into it. Raises ``ValueError`` for games longer than ``config.n_context``.
        """
        B, T = len(lengths), int(lengths.max())
        x = self.table(inputs, input_starts)  # (N, D)
        if self.prompts is not None and prompts is not None:
            x = x + self.prompts(prompts).sum(1)
        x = self.input_norm(x)
        real = torch.arange(T, device=x.device) < lengths.unsqueeze(1)  # (B, T)
        flat = real.flatten().nonzero().squeeze(1)
        x = x.new_zeros(B * T, x.shape[-1]).index_copy(0, flat, x).view(B, T, -1)
        past: list[PastLayer] | None = None
        where = torch.arange(T, device=x.device).unsqueeze(0)  # (1 or B, T) plies
        if cache is not None:
            slots = torch.arange(B) if slots is None else slots
            where = (
                cache.lengths[slots].unsqueeze(1) + where
            )  # padding lands behind a game's end, where it does no harm
            longest, size = int((cache.lengths[slots] + lengths).max()), int(where.max()) + 1
            cache.reserve(size)
            mask = (torch.arange(size, device=x.device) <= where.unsqueeze(-1)).unsqueeze(1)
            past = [PastLayer(k, v, slots, where, mask) for k, v in zip(cache.keys, cache.values, strict=True)]
            cache.lengths[slots] += lengths
        else:
            longest = T
        if longest > self.config.n_context:
            raise ValueError(f"a game is longer than the model's {self.config.n_context} plies")
        x = x + self.positions(where.clamp(max=self.config.n_context - 1))
        for i, block in enumerate(self.blocks):
            x = block(x, past[i] if past else None)
        return self.output_norm(x.view(B * T, -1)[flat])

    def forward(
        self,
        inputs: Tensor | None = None,  # flat rows of the input table
        input_starts: Tensor | None = None,  # (N,) where each ply's rows start
        lengths: Tensor | None = None,  # (B,) plies a game
        candidates: Tensor | None = None,  # (N, M, groups) rows of the candidate table
        candidate_counts: Tensor | None = None,  # (N,)
        prompts: Tensor | None = None,  # (N, 3) rows of PROMPTS
        rows: Tensor | None = None,  # (R,) plies to score; all of them if not given
        voices: Tensor | None = None,  # (R,) HUMAN or ENGINE
        labels: Tensor | None = None,  # (R,) place of the right move among the candidates
        checked: Tensor | None = None,  # (S,) rows whose unmasked scores learn the rules too; all if not given
        wdl: Tensor | None = None,  # (N,) 0 loss, 1 draw, 2 win for the mover, -100 unknown
        expected: Tensor | None = None,  # (N,) expected score of the mover by an engine, 0 to 1, NaN unknown
        ends: Tensor | None = None,  # (N,) the right one of ENDS, -100 unknown
        counts: Tensor
        | None = None,  # (5,) labels, checked rows, results, opinions, ends of the batch, this a part of it
        cache: KVCache | None = None,
        slots: Tensor | None = None,  # (B,) the games' slots in the cache
        input_ids: Tensor | None = None,  # (B, T) tokens, instead of everything else
        **kwargs: Any,
    ) -> PolicyOutput | CausalLMOutputWithPast:
        if input_ids is not None:
            return self._read_tokens(input_ids, voices)
        if inputs is None or input_starts is None or lengths is None or candidates is None or candidate_counts is None:
            raise ValueError("forward needs input_ids, or the tensors of lm.encoding.Features")
        h = self.states(inputs, input_starts, lengths, prompts, cache, slots)  # (N, D)
        wdl_logits = self.value_head(h).float()
        end_logits = None if self.end_head is None else self.end_head(h).float()
        if rows is not None:
            h, candidates, candidate_counts = h[rows], candidates[rows], candidate_counts[rows]
        if voices is not None:
            h = h + self.engine_voice(h) * (voices == ENGINE).unsqueeze(1)
        move_logits = self.move_head(h)  # (R, 2086)
        context = self.context_head(self.context_query(h))  # (R, candidate rows - 2086)
        R, M, K = candidates.shape
        scores = move_logits.gather(1, candidates[:, :, 0]).float()
        if K > 1:
            rows_of = candidates[:, :, 1:].reshape(R, M * (K - 1))
            scores = scores + context.gather(1, rows_of).view(R, M, K - 1).sum(-1, dtype=torch.float32)
        scores = scores.masked_fill(torch.arange(M, device=h.device) >= candidate_counts.unsqueeze(1), float("-inf"))
        out = PolicyOutput(scores=scores, move_logits=move_logits, wdl_logits=wdl_logits, end_logits=end_logits)
        if labels is not None:
            checked = torch.arange(R, device=h.device) if checked is None else checked
            right = candidates[:, :, 0].gather(1, labels.unsqueeze(1)).squeeze(1)
            losses = [
                F.cross_entropy(scores, labels, reduction="none"),
                F.cross_entropy(move_logits[checked].float(), right[checked], reduction="none"),
                *self._value_losses(wdl_logits, wdl, expected),
                self._end_losses(end_logits, ends, scores),
            ]
            # Means over the batch; the parts of a batch add up to it.
            counts = torch.tensor([len(x) for x in losses], device=h.device) if counts is None else counts
            policy, rules, result, opinion, end = torch.stack([x.sum() for x in losses]) / counts.clamp(min=1)
            out.policy_loss, out.value_loss = policy, result + opinion
            out.loss = policy + 0.3 * rules + 0.25 * out.value_loss + end
        return out

    def _read_tokens(self, input_ids: Tensor, voices: Tensor | None) -> CausalLMOutputWithPast:
        """Return logits ``(B, 1, vocabulary)`` of the next move of each game, in the voice asked for or the human one.

        Tokens before the last BOS are padding. Moves that are not legal have the score of the move table alone.
        """
        from lm.encoding import Encoder, Line  # the encoder needs our configuration
        from lm.tokenizer import BOS, PAD, VOCABULARY

        lines = []
        for row in input_ids.tolist():
            moves = row[row.index(BOS) + 1 :] if BOS in row else row
            lines.append(Line.from_start(np.array([m for m in moves if m not in (PAD, BOS)], np.int16)))
        features = Encoder(self.config)(lines)
        last = torch.from_numpy(np.cumsum(features.lengths) - 1)
        tensors = {name: tensor.to(self.device) for name, tensor in features.tensors().items()}
        out = self(**tensors, rows=last.to(self.device), voices=voices)
        logits = torch.full((len(lines), VOCABULARY), float("-inf"), device=self.device)
        for i, ply in enumerate(last.tolist()):
            turned = MOVE_ROTATED if features.turns[ply] else np.arange(len(MOVE_ROTATED))
            logits[i, : len(turned)] = out.move_logits[i, torch.from_numpy(turned.astype(np.int64))].float()
            legal = features.moves(ply)
            logits[i, torch.from_numpy(legal)] = out.scores[i, : len(legal)]
        return CausalLMOutputWithPast(logits=logits.unsqueeze(1))

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, **kwargs: Any
    ) -> dict[str, Any]:
        """Hand ``generate()``'s tokens on; what else it brings has no meaning here."""
        return {"input_ids": input_ids}

    def _prepare_cache_for_generation(self, *args: Any, **kwargs: Any) -> bool:
        """Games in ``generate()`` are read anew at each ply; `lm.policy.Evaluator` plays with a cache."""
        return False

    @staticmethod
    def _value_losses(wdl_logits: Tensor, wdl: Tensor | None, expected: Tensor | None) -> list[Tensor]:
        """Return the losses where a result is known, and where an opinion is."""
        results = opinions = wdl_logits[:0].sum(1)
        if wdl is not None:
            known = wdl >= 0
            results = F.cross_entropy(wdl_logits[known], wdl[known], reduction="none")
        if expected is not None:
            known = ~expected.isnan()
            p = wdl_logits[known].softmax(-1)
            score = (p[:, 2] + 0.5 * p[:, 1]).clamp(1e-4, 1 - 1e-4)
            opinions = F.binary_cross_entropy(score, expected[known], reduction="none")
        return [results, opinions]

    @staticmethod
    def _end_losses(end_logits: Tensor | None, ends: Tensor | None, scores: Tensor) -> Tensor:
        """Return the losses of the plies where it is known whether the game ended."""
        if end_logits is None or ends is None:
            return scores[:0, 0]
        known = ends >= 0
        return F.cross_entropy(end_logits[known], ends[known], reduction="none")


AutoConfig.register(XiangqiConfig.model_type, XiangqiConfig)
AutoModelForCausalLM.register(XiangqiConfig, XiangqiLM)
