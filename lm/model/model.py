"""The model, to be read top to bottom.

One token a ply. Its input is the sum of the table rows that the position switches on (`lm.model.features`): the move
that led here, counters, the pieces with their status, both sides' moves. A plain causal transformer reads the game. The
score of a legal move is the sum, over the candidate groups, of the products of its table rows with the state h:

    score(m) = h . move[m] + h . capture[captured, to] + h . context[...] + ...

computed as one matrix product for the whole table and a gather of scalars, never a vector a candidate. A linear map on
h turns the trunk's voice from human moves to the engine's; other heads give win, draw and loss for the mover, and
whether the game goes on. In training one more foresees the reply; what that teaches the trunk stays, the head does not.

Everything else is an ordinary GPT: pre-norm, learned positions, ReLU^2 (So et al. 2021, "Primer"). Two things keep its
blocks small beside their input, without which the first of them drowns it (docs/log.md): a norm on what attention and
MLP add, with gains that start at 0.1, and the input of the first block given to each again as far as it asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils.generic import ModelOutput

from lm import UserError
from lm.model.cache import KVCache, PastLayer
from lm.model.config import XiangqiConfig
from lm.model.encoding import Encoder, GameMoves
from lm.model.features import CANDIDATE_GROUPS
from lm.model.generation import ConsistentSampling, LegalMoves, TokenGame
from lm.model.losses import LOSS_WEIGHTS
from lm.model.prompts import PROMPT_ROWS, End, Source, Voice
from lm.model.tokenizer import BOS, MATE, PAD, VOCABULARY
from xiangqi.kernels import MOVE_ROTATED

CPU_HAS_BF16: Final = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
"""Whether this processor has instructions for bfloat16, which make it two to three times as fast as float32; without
them it takes forty times as long."""


def has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 faster than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and CPU_HAS_BF16


class ZeroLinear(nn.Linear):
    """A linear map that starts at zero, so that all moves start with the same chance; it may have no rows."""

    def reset_parameters(self) -> None:
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


class Gain(nn.LayerNorm):
    """A norm on what a part of a block adds, which starts at 0.1: the input stays the greater part of the stream, which
    with gains of 1 grows tenfold through six blocks; docs/log.md has both."""


class ZeroEmbedding(nn.Embedding):
    """A table that starts at zero."""


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return causal attention ``(B, nh, T, hs)``, each ply looking at itself and the plies before it.

    Written out on a CPU, where the fused kernel takes four times as long to go backwards through games of 100 plies.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    T, hs = q.shape[-2:]
    later = torch.full((T, T), float("-inf")).triu(1)
    scores = (q @ k.transpose(-1, -2)).float() * hs**-0.5 + later
    return scores.softmax(-1).to(v.dtype) @ v


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
            y = attend(q, k, v)
        else:
            k, v = past.append(k, v)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=past.mask)
        return self.proj(y.transpose(1, 2).reshape(B, T, D))


class Block(nn.Module):
    def __init__(self, config: XiangqiConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.n_embd, bias=False)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.n_embd, bias=False)
        self.up = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.down = nn.Linear(4 * config.n_embd, config.n_embd, bias=False)
        self.attention_gain = Gain(config.n_embd, bias=False)
        self.mlp_gain = Gain(config.n_embd, bias=False)
        self.keep = nn.Parameter(torch.ones(config.n_embd))
        self.again = nn.Parameter(torch.zeros(config.n_embd))

    def forward(self, x: Tensor, first: Tensor, past: PastLayer | None) -> Tensor:
        """Return ``x`` ``(B, T, D)`` with what the block adds; ``first`` is what the first block was given."""
        x = self.keep * x + self.again * first
        x = x + self.attention_gain(self.attention(self.attention_norm(x), past))
        return x + self.mlp_gain(self.down(F.relu(self.up(self.mlp_norm(x))).square()))


def pick(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return what stands in each of C rows ``(C,)`` of x in k columns of it ``(C, k)``, ``(C, k)``.

    The gradient is added up in full precision: many candidates share a feature, and what they say of it nearly cancels.
    On a CPU ``gather`` does so by itself; with ``index_select``, in half the time, a run in bfloat16 diverges.
    """
    x = x if x.device.type == "cpu" else x.float()
    places = rows.unsqueeze(1) * x.shape[1] + columns
    return x.flatten().gather(0, places.flatten()).view_as(columns)


def candidates_of(rows: Tensor | None, candidates: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the candidates ``(C, K)`` of some plies, whose they are ``(C,)``, and how many each has ``(R,)``.

    ``candidates`` are those of all plies, ``counts`` ``(N,)`` of them each; without ``rows`` ``(R,)`` all are meant.

    >>> lines, of, counts = candidates_of(torch.tensor([2, 0]), torch.tensor([[7], [8], [9]]), torch.tensor([1, 0, 2]))
    >>> lines.squeeze(1).tolist(), of.tolist(), counts.tolist()
    ([8, 9, 7], [0, 0, 1], [2, 1])
    """
    if rows is None:
        return candidates, torch.arange(len(counts), device=counts.device).repeat_interleave(counts), counts
    chosen = counts[rows]
    of = torch.arange(len(rows), device=rows.device).repeat_interleave(chosen)
    # Where a ply's candidates start, less where they will.
    moved = (counts.cumsum(0) - counts)[rows] - (chosen.cumsum(0) - chosen)
    return candidates[torch.arange(len(of), device=rows.device) + moved[of]], of, chosen


def spread(values: Tensor, counts: Tensor, width: int, empty: float) -> Tensor:
    """Return the values ``(C,)`` of candidates in a row for each ply ``(R, width)``, of ``counts`` ``(R,)`` each.

    >>> spread(torch.tensor([8, 9, 7]), torch.tensor([2, 1]), 3, -1).tolist()
    [[8, 9, -1], [7, -1, -1]]
    """
    real = torch.arange(width, device=counts.device) < counts.unsqueeze(1)
    return values.new_full(real.shape, empty).masked_scatter(real, values)


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
    """Scores of each `End`, ``(N, 5)`` for all plies."""
    policy_loss: Tensor | None = None
    value_loss: Tensor | None = None


class XiangqiLM(PreTrainedModel, GenerationMixin):
    """The language model.

    `forward` takes the tensors of `Features`, or `input_ids`: games as tokens, which it replays itself.
    """

    config: XiangqiConfig
    config_class = XiangqiConfig
    base_model_prefix = "trunk"
    supports_gradient_checkpointing = False
    _no_split_modules = ["Block"]  # noqa: RUF012 # what FSDP keeps together
    _input_embed_layer = "table"

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
        self.prompts = ZeroEmbedding(PROMPT_ROWS, D, padding_idx=0)
        self.end_head = ZeroLinear(D, len(End))
        self.reply_head = ZeroLinear(D, CANDIDATE_GROUPS["move"]) if config.replies else None
        self.post_init()
        self.generation_config = GenerationConfig(
            bos_token_id=BOS, pad_token_id=PAD, eos_token_id=[PAD, *range(MATE, VOCABULARY)]
        )

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.EmbeddingBag | nn.Embedding):
            nn.init.normal_(module.weight, std=0.0 if isinstance(module, ZeroEmbedding) else 0.05)
        elif isinstance(module, nn.Linear):
            std = 0.0 if isinstance(module, ZeroLinear) else 0.5 * module.in_features**-0.5
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.constant_(module.weight, 0.1 if isinstance(module, Gain) else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def foresee_replies(self, wanted: bool) -> None:
        """Have the model learn with a head that foresees replies, a new one unless it has one, or take that away."""
        if not wanted:
            self.reply_head = None
        elif self.reply_head is None:
            self.reply_head = ZeroLinear(self.config.n_embd, CANDIDATE_GROUPS["move"])
            self._init_weights(self.reply_head)
        self.config.replies = wanted

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
        if prompts is not None:
            x = x + self.prompts(prompts).sum(1)
        x = self.input_norm(x)
        flat: Tensor | None = None  # where the plies are among the padded ones
        if len(x) < B * T:
            flat = (torch.arange(T, device=x.device) < lengths.unsqueeze(1)).flatten().nonzero().squeeze(1)
            x = x.new_zeros(B * T, x.shape[-1]).index_copy(0, flat, x)
        x = x.view(B, T, -1)
        past: list[PastLayer] | None = None
        if cache is None:
            where, longest = torch.arange(T, device=x.device).unsqueeze(0), T  # (1 or B, T) plies
        else:
            slots = torch.arange(B) if slots is None else slots
            where, past = cache.extend(slots, lengths)
            longest = int(cache.lengths[slots].max())
        if longest > self.config.n_context:
            raise ValueError(f"a game is longer than the model's {self.config.n_context} plies")
        x = x + self.positions(where.clamp(max=self.config.n_context - 1))
        first = x
        for i, block in enumerate(self.blocks):
            x = block(x, first, past[i] if past else None)
        x = x.view(B * T, -1)
        return self.output_norm(x if flat is None else x[flat])

    def forward(
        self,
        inputs: Tensor | None = None,  # flat rows of the input table
        input_starts: Tensor | None = None,  # (N,) where each ply's rows start
        lengths: Tensor | None = None,  # (B,) plies a game
        candidates: Tensor | None = None,  # (C, groups) rows of the candidate table, of all plies' legal moves
        candidate_counts: Tensor | None = None,  # (N,) legal moves of each ply
        prompts: Tensor | None = None,  # (N, 3) rows of the prompt table
        rows: Tensor | None = None,  # (R,) plies to score; all of them if not given
        voices: Tensor | None = None,  # (R,) each a Voice; human if not given
        labels: Tensor | None = None,  # (R,) place of the right move among the candidates
        checked: Tensor | None = None,  # (S,) rows whose unmasked scores learn the rules too; all if not given
        wdl: Tensor | None = None,  # (N,) 0 loss, 1 draw, 2 win for the mover, -100 unknown
        expected: Tensor | None = None,  # (N,) expected score of the mover by an engine, 0 to 1, NaN unknown
        ends: Tensor | None = None,  # (N,) the right End, -100 unknown
        replies: Tensor | None = None,  # (N,) number of the opponent's next move as the mover sees it, -100 unknown
        counts: Tensor | None = None,  # (6,) terms of each loss in the whole batch, if this is but a part of it
        cache: KVCache | None = None,
        slots: Tensor | None = None,  # (B,) the games' slots in the cache
        unmasked: bool = True,  # whether to score all moves, as losses need; of few rows candidates alone are faster
        input_ids: Tensor | None = None,  # (B, T) tokens, instead of everything else
        **kwargs: Any,
    ) -> PolicyOutput | CausalLMOutputWithPast:
        if input_ids is not None:
            return self._read_tokens(input_ids, voices)
        if inputs is None or input_starts is None or lengths is None or candidates is None or candidate_counts is None:
            raise ValueError("forward needs input_ids, or the tensors of lm.model.encoding.Features")
        h = self.states(inputs, input_starts, lengths, prompts, cache, slots)  # (N, D)
        wdl_logits, end_logits = self.value_head(h).float(), self.end_head(h).float()
        reply_losses = self._reply_losses(h, replies)
        if rows is not None:
            h = h[rows]
        if voices is not None:
            h = h + self.engine_voice(h) * (voices == Voice.ENGINE).unsqueeze(1)
        lines, of, per_row = candidates_of(rows, candidates, candidate_counts)
        moves, contexts, query = lines[:, 0], lines[:, 1:], self.context_query(h)
        if unmasked:
            move_logits = self.move_head(h)  # (R, 2086)
            move = pick(move_logits, of, moves.unsqueeze(1)).squeeze(1)
            context = pick(self.context_head(query), of, contexts).sum(-1, dtype=torch.float32)
        else:
            move_logits = None
            move = (F.embedding(moves, self.move_head.weight) * h[of]).sum(-1) + self.move_head.bias[moves]
            begins = torch.arange(len(lines), dtype=contexts.dtype) * contexts.shape[1]
            told = F.embedding_bag(contexts.reshape(-1), self.context_head.weight, begins, mode="sum")
            context = (told * query[of]).sum(-1) + self.context_head.bias[contexts].sum(-1)
        found = move.float() + context.float()
        scores = spread(found, per_row, max(1, int(candidate_counts.max())), float("-inf"))  # (R, M)
        out = PolicyOutput(scores=scores, move_logits=move_logits, wdl_logits=wdl_logits, end_logits=end_logits)
        if labels is not None and move_logits is not None:
            checked = torch.arange(len(labels), device=h.device) if checked is None else checked
            right = moves[per_row.cumsum(0) - per_row + labels].long()
            losses = [  # in the order of LOSS_WEIGHTS
                F.cross_entropy(scores, labels, reduction="none"),
                F.cross_entropy(move_logits[checked].float(), right[checked], reduction="none"),
                *self._value_losses(wdl_logits, wdl, expected),
                self._end_losses(end_logits, ends),
                reply_losses,
            ]
            # Means over the batch; the parts of a batch add up to it.
            counts = torch.tensor([len(x) for x in losses], device=h.device) if counts is None else counts
            means = dict(zip(LOSS_WEIGHTS, torch.stack([x.sum() for x in losses]) / counts.clamp(min=1), strict=True))
            out.policy_loss, out.value_loss = means["policy"], means["result"] + means["opinion"]
            out.loss = sum(LOSS_WEIGHTS[name] * mean for name, mean in means.items())
        return out

    def _read_tokens(self, input_ids: Tensor, voices: Tensor | None) -> CausalLMOutputWithPast:
        """Return the log-probabilities ``(B, 1, vocabulary)`` of what follows in each game.

        Moves share the chance that the game goes on: of legal ones the score counts, of others that of the move table
        alone. ``[PAD]`` follows what has ended, or breaks the rules. Where no voices are given, a game has that of its
        source, or else the human one. Raises ``UserError`` for what is no game.
        """
        games = [TokenGame.read(row) for row in input_ids.tolist()]
        logits = torch.full((len(games), VOCABULARY), float("-inf"), device=self.device)
        logits[[i for i, game in enumerate(games) if game.over or game.illegal], PAD] = 0.0
        going = [i for i, game in enumerate(games) if not (game.over or game.illegal)]
        if not going:
            return CausalLMOutputWithPast(logits=logits.unsqueeze(1))
        prompts = np.concatenate([games[i].prompt.rows(np.arange(games[i].board.ply + 1) % 2 == 0) for i in going])
        if voices is None:
            voices = torch.tensor([int(game.prompt.source == Source.ENGINE) for game in games])
        features = Encoder(self.config)([GameMoves.of(games[i].board) for i in going])
        last = torch.from_numpy(np.cumsum(features.lengths) - 1)
        tensors = features.tensors() | {"prompts": torch.from_numpy(prompts), "rows": last, "voices": voices[going]}
        out = self(**{name: tensor.to(self.device) for name, tensor in tensors.items()})
        for row, (i, ply) in enumerate(zip(going, last.tolist(), strict=True)):
            turn, legal = int(features.turns[ply]), torch.from_numpy(features.moves(ply))
            turned = MOVE_ROTATED if turn else np.arange(len(MOVE_ROTATED))
            moves = out.move_logits[row, torch.from_numpy(turned.astype(np.int64))].float()
            moves[legal] = out.scores[row, : len(legal)]
            ends = out.end_logits[ply].log_softmax(-1)
            logits[i, : len(moves)] = ends[0] + moves.log_softmax(-1)
            logits[i, MATE:] = ends[[1, 2 + turn, 3 - turn, 4]]  # Red resigns, or Black
        return CausalLMOutputWithPast(logits=logits.unsqueeze(1))

    def generate(  # type: ignore[override]
        self, *args: Any, logits_processor: Sequence[LogitsProcessor] | None = None, **kwargs: Any
    ) -> Any:
        """Go on with games to their ends, or as far as ``max_new_tokens``, or ``max_length``, or the model can read.

        ``logits_processor`` is by default the rules alone; with an empty list moves may break them, and a game in which
        one did is given up. With ``do_sample``, the settings ``temperature``, ``top_k`` and ``top_p`` are those of
        `ConsistentSampling`, so that games end however few moves are left to choose from. What else may be asked for is
        that of transformers' ``GenerationMixin``. Raises ``UserError`` for settings that make no sense, and for others
        that truncate.
        """
        given = kwargs.get("generation_config")
        asked = (vars(given) if given is not None else {}) | kwargs
        if given is None and not kwargs.keys() & {"max_new_tokens", "max_length"}:
            kwargs["max_length"] = self.config.n_context  # the library's own would be 20 tokens
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
        """Hand ``generate()``'s tokens on, and voices; what else it brings has no meaning here: padding is seen."""
        return {"input_ids": input_ids, "voices": voices}

    def _prepare_cache_for_generation(self, *args: Any, **kwargs: Any) -> bool:
        """Games in ``generate()`` are read anew at each ply; `lm.players.policy.Evaluator` plays with a cache."""
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
            target = expected[known]
            # Written out, for `F.binary_cross_entropy` stops at a score that is no number; training says so better.
            opinions = -(target * score.log() + (1 - target) * (1 - score).log())
        return [results, opinions]

    def _reply_losses(self, h: Tensor, replies: Tensor | None) -> Tensor:
        """Return the losses of the plies whose reply is known."""
        if self.reply_head is None or replies is None:
            return h[:0, 0].float()
        known = replies >= 0
        return F.cross_entropy(self.reply_head(h[known]).float(), replies[known], reduction="none")

    @staticmethod
    def _end_losses(end_logits: Tensor, ends: Tensor | None) -> Tensor:
        """Return the losses of the plies where it is known whether the game ended."""
        if ends is None:
            return end_logits[:0, 0]
        known = ends >= 0
        return F.cross_entropy(end_logits[known], ends[known], reduction="none")


AutoModelForCausalLM.register(XiangqiConfig, XiangqiLM)
