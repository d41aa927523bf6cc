"""The model, to be read top to bottom.

One token a ply. Its input is the sum of the table rows that the position switches on (`xiangqi.features`): the move that
led here, counters, the pieces with their status, both sides' moves. A plain causal transformer reads the game. The score
of a legal move is the sum, over the candidate groups, of the products of its table rows with the state h:

    score(m) = h . move[m] + h . capture[captured, to] + h . context[...] + ...

computed as one matrix product for the whole table and a gather of scalars, never a vector a candidate. A linear map on h
turns the trunk's voice from human moves to the engine's; a last head gives win, draw and loss for the mover.

Everything else is an ordinary GPT: pre-norm, learned positions, ReLU^2 (So et al. 2021, "Primer"), zero-initialised
projections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from xiangqi.features import CANDIDATE_GROUPS, INPUT_GROUPS

HUMAN: Final = 0
ENGINE: Final = 1
STYLES: Final = ("human", "engine")


class XiangqiConfig(PretrainedConfig):
    """Everything that fixes the shape of a model. The defaults are those of the shipped one."""

    model_type = "xqlm"

    def __init__(
        self,
        n_layer: int = 6,
        n_head: int = 4,
        n_embd: int = 256,
        n_query: int = 128,  # width of what asks about a candidate's context
        n_context: int = 512,  # longest game, in plies
        input_groups: tuple[str, ...] = tuple(INPUT_GROUPS),  # what the model is told about a position
        candidate_groups: tuple[str, ...] = tuple(CANDIDATE_GROUPS),  # and about each legal move
        **kwargs: Any,
    ) -> None:
        self.n_layer, self.n_head, self.n_embd = n_layer, n_head, n_embd
        self.n_query, self.n_context = n_query, n_context
        self.input_groups, self.candidate_groups = list(input_groups), list(candidate_groups)
        super().__init__(**kwargs)

    @property
    def input_rows(self) -> int:
        return sum(INPUT_GROUPS[name] for name in self.input_groups)

    @property
    def candidate_rows(self) -> int:
        return sum(CANDIDATE_GROUPS[name] for name in self.candidate_groups)


class KVCache:
    """Keys and values of games in progress, a row a game, each with its own length.

    ``keys`` and ``values`` are ``(n_layer, B, nh, n_context, hs)``, ``lengths`` is ``(B,)``.
    """

    def __init__(self, config: XiangqiConfig, batch: int, dtype: torch.dtype = torch.float32) -> None:
        shape = (config.n_layer, batch, config.n_head, config.n_context, config.n_embd // config.n_head)
        self.keys, self.values = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)
        self.lengths = torch.zeros(batch, dtype=torch.long)


class Attention(nn.Module):
    def __init__(self, config: XiangqiConfig) -> None:
        super().__init__()
        self.n_head, self.head_size = config.n_head, config.n_embd // config.n_head
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.proj = nn.Linear(config.n_embd, config.n_embd, bias=False)

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

    keys: Tensor  # (B, nh, n_context, hs)
    values: Tensor
    where: Tensor  # (B, T) places of the new plies
    mask: Tensor  # (B, 1, T, S) true where a new ply may look
    size: int  # S, the longest row

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.arange(len(self.where)).unsqueeze(1)
        self.keys[rows, :, self.where] = k.transpose(1, 2).to(self.keys.dtype)
        self.values[rows, :, self.where] = v.transpose(1, 2).to(self.values.dtype)
        return self.keys[:, :, : self.size].to(k.dtype), self.values[:, :, : self.size].to(v.dtype)


class Block(nn.Module):
    def __init__(self, config: XiangqiConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.n_embd, bias=False)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.n_embd, bias=False)
        self.up = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.down = nn.Linear(4 * config.n_embd, config.n_embd, bias=False)

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
    policy_loss: Tensor | None = None
    value_loss: Tensor | None = None


class XiangqiLM(PreTrainedModel):
    """The language model. `forward` takes the tensors of `lm.encoding.Features`."""

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
        self.engine_voice = nn.Linear(D, D, bias=False)
        self.move_head = nn.Linear(D, CANDIDATE_GROUPS["move"])
        self.context_query = nn.Linear(D, config.n_query, bias=False)
        self.context_head = nn.Linear(config.n_query, config.candidate_rows - CANDIDATE_GROUPS["move"])
        self.value_head = nn.Linear(D, 3)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.EmbeddingBag | nn.Embedding):
            nn.init.normal_(module.weight, std=0.05)
        elif isinstance(module, nn.Linear):
            std = module.in_features**-0.5 * 0.5
            zero = module in (self.engine_voice, self.value_head, self.move_head, self.context_head) or any(
                module is part for block in self.blocks for part in (block.attention.proj, block.down)
            )
            nn.init.zeros_(module.weight) if zero else nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def states(self, inputs: Tensor, input_starts: Tensor, lengths: Tensor, cache: KVCache | None = None) -> Tensor:
        """Return the states ``(N, D)`` of all plies of a batch of games, and take them into ``cache`` if there is one."""
        B, T = len(lengths), int(lengths.max())
        x = self.input_norm(self.table(inputs, input_starts))  # (N, D)
        real = torch.arange(T, device=x.device) < lengths.unsqueeze(1)  # (B, T)
        flat = real.flatten().nonzero().squeeze(1)
        x = x.new_zeros(B * T, x.shape[-1]).index_copy(0, flat, x).view(B, T, -1)
        start = torch.zeros_like(lengths) if cache is None else cache.lengths
        where = start.unsqueeze(1) + torch.arange(T, device=x.device)  # (B, T)
        if int(where.max()) >= self.config.n_context and int((start + lengths).max()) > self.config.n_context:
            raise ValueError(f"a game is longer than the model's {self.config.n_context} plies")
        x = x + self.positions(where.clamp(max=self.config.n_context - 1))
        past: list[PastLayer] | None = None
        if cache is not None:
            where = where.clamp(max=self.config.n_context - 1)
            size = int(where.max()) + 1
            mask = (torch.arange(size, device=x.device) <= where.unsqueeze(-1)).unsqueeze(1)
            past = [PastLayer(k, v, where, mask, size) for k, v in zip(cache.keys, cache.values, strict=True)]
            cache.lengths = start + lengths
        for i, block in enumerate(self.blocks):
            x = block(x, past[i] if past else None)
        return self.output_norm(x.view(B * T, -1)[flat])

    def forward(
        self,
        inputs: Tensor,  # flat rows of the input table
        input_starts: Tensor,  # (N,) where each ply's rows start
        lengths: Tensor,  # (B,) plies a game
        candidates: Tensor,  # (N, M, groups) rows of the candidate table
        candidate_counts: Tensor,  # (N,)
        rows: Tensor | None = None,  # (R,) plies to score; all of them if not given
        voices: Tensor | None = None,  # (R,) HUMAN or ENGINE
        labels: Tensor | None = None,  # (R,) place of the right move among the candidates
        wdl: Tensor | None = None,  # (N,) 0 loss, 1 draw, 2 win for the mover, -100 unknown
        expected: Tensor | None = None,  # (N,) expected score of the mover by an engine, 0 to 1, NaN unknown
        cache: KVCache | None = None,
    ) -> PolicyOutput:
        h = self.states(inputs, input_starts, lengths, cache)  # (N, D)
        wdl_logits = self.value_head(h).float()
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
        out = PolicyOutput(scores=scores, move_logits=move_logits, wdl_logits=wdl_logits)
        if labels is not None:
            out.policy_loss = F.cross_entropy(scores, labels)
            some = torch.arange(0, R, 4, device=h.device)  # a quarter will do
            legality_loss = F.cross_entropy(move_logits[some].float(), candidates[some, labels[some], 0])
            out.value_loss = self._value_loss(wdl_logits, wdl, expected)
            out.loss = out.policy_loss + 0.1 * legality_loss + 0.25 * out.value_loss
        return out

    @staticmethod
    def _value_loss(wdl_logits: Tensor, wdl: Tensor | None, expected: Tensor | None) -> Tensor:
        loss = wdl_logits.new_zeros(())
        if wdl is not None and bool((wdl >= 0).any()):
            loss = loss + F.cross_entropy(wdl_logits, wdl)
        if expected is not None and bool((known := ~expected.isnan()).any()):
            p = wdl_logits.softmax(-1)
            score = (p[:, 2] + 0.5 * p[:, 1])[known].clamp(1e-4, 1 - 1e-4)
            loss = loss + F.binary_cross_entropy(score, expected[known])
        return loss
