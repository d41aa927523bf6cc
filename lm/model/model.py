"""The model, from its input to its heads.

There is one token a ply. Its input is the sum of the table rows of the position's features (`lm.model.features`): the
last move, counters, the pieces with their status, both sides' moves. A causal transformer reads the game. The score of
a legal move is the sum, over the candidate groups, of the products of its table rows with the state h:

    score(m) = h . move[m] + h . capture[captured, to] + h . context[...] + ...

It is computed as one matrix product for the whole table and a gather of scalars, without a vector for each candidate. A
linear map on h changes the voice from human moves to an engine's. Other heads give WDL for the mover, to which each
input adds its own part past the blocks, and whether and how the game ends. In training an optional head predicts the
reply: an auxiliary loss for the trunk.

The rest is an ordinary GPT: pre-norm, learned positions, ReLU^2 (So et al. 2021, "Primer"). Two changes keep the output
of the first block from outweighing its input (docs/log.md): a norm on the output of attention and MLP, with gains that
start at 0.1, and the first block's input added again before each block, with learned weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, GenerationConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.utils.generic import ModelOutput

from lm.model import losses
from lm.model.cache import Entries
from lm.model.generation import TokenGenerationMixin, TokenStates
from lm.model.groups import CANDIDATE_GROUPS
from lm.model.pretrained_config import XiangqiConfig
from lm.model.prompts import PROMPT_ROWS, End, Voice
from lm.model.tensor_cache import TensorCache
from lm.model.vocabulary import BOS, MATE, PAD, VOCABULARY


class ZeroLinear(nn.Linear):
    """A linear map initialised with zeros, so that all moves start with the same probability; it may have no rows."""

    def reset_parameters(self) -> None:
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


class Gain(nn.LayerNorm):
    """A norm on the output of attention or MLP, with a gain that starts at 0.1. So the input stays the greater part of
    the residual stream; with gains of 1 the stream grows tenfold through six blocks (docs/log.md)."""


class ZeroEmbedding(nn.Embedding):
    """A table initialised with zeros."""


class ZeroEmbeddingBag(nn.EmbeddingBag):
    """A table of summed rows initialised with zeros."""


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return causal attention ``(B, nh, T, hs)``: each ply attends to itself and the plies before it.

    Written out on a CPU, where the backward pass of the fused kernel takes four times as long for games of 100 plies.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    T, hs = q.shape[-2:]
    later = torch.full((T, T), float("-inf")).triu(1)
    scores = (q @ k.transpose(-1, -2)).float() * hs**-0.5 + later
    return scores.softmax(-1).to(v.dtype) @ v


class Past(Protocol):
    """A layer's attention to more than the given plies."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what the plies see, all ``(B, nh, T, hs)``."""


class Attention(nn.Module):
    def __init__(self, config: XiangqiConfig) -> None:
        super().__init__()
        self.n_head, self.head_size = config.n_head, config.n_embd // config.n_head
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.proj = nn.Linear(config.n_embd, config.n_embd, bias=False)

    def forward(self, x: Tensor, past: Past | None) -> Tensor:
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.n_head, self.head_size).permute(2, 0, 3, 1, 4)  # each (B, nh, T, hs)
        y = attend(q, k, v) if past is None else past.attend(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(B, T, D))


class Block(GradientCheckpointingLayer):
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

    def forward(self, x: Tensor, first: Tensor, past: Past | None) -> Tensor:
        """Return the output of the block for ``x`` ``(B, T, D)``; ``first`` is the input of the first block."""
        x = self.keep * x + self.again * first
        x = x + self.attention_gain(self.attention(self.attention_norm(x), past))
        return x + self.mlp_gain(self.down(F.relu(self.up(self.mlp_norm(x))).square()))


def pick(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return for each of C ``rows`` ``(C,)`` of x its values in k ``columns`` ``(C, k)``, as ``(C, k)``.

    The gradient is summed in full precision: many candidates share a feature, and their gradients nearly cancel. On a
    CPU ``gather`` does so by itself. ``index_select`` takes half the time, but a run in bfloat16 then diverges.
    """
    x = x if x.device.type == "cpu" else x.float()
    places = rows.unsqueeze(1) * x.shape[1] + columns
    return x.flatten().gather(0, places.flatten()).view_as(columns)


def candidates_of(rows: Tensor | None, candidates: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the candidates ``(C, K)`` of the plies ``rows``, the index of each one's ply in ``rows`` ``(C,)``, and
    their number in each ply ``(R,)``.

    ``candidates`` are those of all plies, ``counts`` ``(N,)`` their numbers. Without ``rows`` ``(R,)`` all are taken.

    >>> lines, of, counts = candidates_of(torch.tensor([2, 0]), torch.tensor([[7], [8], [9]]), torch.tensor([1, 0, 2]))
    >>> lines.squeeze(1).tolist(), of.tolist(), counts.tolist()
    ([8, 9, 7], [0, 0, 1], [2, 1])
    """
    if rows is None:
        return candidates, torch.arange(len(counts), device=counts.device).repeat_interleave(counts), counts
    chosen = counts[rows]
    of = torch.arange(len(rows), device=rows.device).repeat_interleave(chosen)
    # Where a ply's candidates start in the input, less where they start in the output.
    moved = (counts.cumsum(0) - counts)[rows] - (chosen.cumsum(0) - chosen)
    return candidates[torch.arange(len(of), device=rows.device) + moved[of]], of, chosen


def spread(values: Tensor, counts: Tensor, width: int, empty: float) -> Tensor:
    """Return the values ``(C,)`` of candidates as one row a ply ``(R, width)``, filled up with ``empty``.

    ``counts`` ``(R,)`` are the numbers of candidates.

    >>> spread(torch.tensor([8, 9, 7]), torch.tensor([2, 1]), 3, -1).tolist()
    [[8, 9, -1], [7, -1, -1]]
    """
    real = torch.arange(width, device=counts.device) < counts.unsqueeze(1)
    return values.new_full(real.shape, empty).masked_scatter(real, values)


@dataclass
class PolicyOutput(ModelOutput):
    """The model's output for N plies and R rows; a row is a ply with a voice."""

    loss: Tensor | None = None
    """The training loss, if labels were given."""
    scores: Tensor | None = None
    """Scores of the candidates ``(R, M)``, -inf beyond each ply's candidates; their softmax is the policy."""
    moves: Tensor | None = None
    """Numbers of the candidates from the mover's side ``(C,)``, row after row."""
    counts: Tensor | None = None
    """Candidates of each row ``(R,)``."""
    move_logits: Tensor | None = None
    """Scores ``(R, 2086)`` of all moves by the move table alone, without the legal-move mask."""
    wdl_logits: Tensor | None = None
    """Loss, draw, win for the mover, ``(N, 3)``."""
    end_logits: Tensor | None = None
    """Scores of each `End`, ``(N, 5)``."""
    reply_logits: Tensor | None = None
    """Scores of the opponent's next moves ``(K, 2086)``, at the K plies where ``replied`` is set."""
    policy_loss: Tensor | None = None
    value_loss: Tensor | None = None


class XiangqiLM(PreTrainedModel, TokenGenerationMixin):
    """The language model. `states` reads games, `score` scores their legal moves, and `forward` adds the losses, or
    predicts the next token for games given as tokens (`TokenGenerationMixin`)."""

    config: XiangqiConfig
    config_class = XiangqiConfig
    base_model_prefix = "trunk"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ["Block"]  # noqa: RUF012 # modules that FSDP does not split
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
        self.value_table = ZeroEmbeddingBag(config.input_rows, 3, mode="sum")
        self.prompts = ZeroEmbedding(PROMPT_ROWS, D, padding_idx=0)
        self.end_head = ZeroLinear(D, len(End))
        self.reply_head = ZeroLinear(D, CANDIDATE_GROUPS["move"]) if config.replies else None
        self.post_init()
        self.generation_config = GenerationConfig(
            bos_token_id=BOS, pad_token_id=PAD, eos_token_id=[PAD, *range(MATE, VOCABULARY)]
        )

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.EmbeddingBag | nn.Embedding):
            zero = isinstance(module, ZeroEmbedding | ZeroEmbeddingBag)
            nn.init.normal_(module.weight, std=0.0 if zero else 0.05)
        elif isinstance(module, nn.Linear):
            std = 0.0 if isinstance(module, ZeroLinear) else 0.5 * module.in_features**-0.5
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.constant_(module.weight, 0.1 if isinstance(module, Gain) else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def value_parameters(self) -> list[nn.Parameter]:
        """Return the weights that make the WDL logits out of the state and the inputs."""
        return [*self.value_head.parameters(), *self.value_table.parameters()]

    def with_reply_head(self, wanted: bool) -> None:
        """Add the reply-prediction head, or remove it. An existing head is kept."""
        if not wanted:
            self.reply_head = None
        elif self.reply_head is None:
            self.reply_head = ZeroLinear(self.config.n_embd, CANDIDATE_GROUPS["move"])
            self._init_weights(self.reply_head)
        self.config.replies = wanted

    def states(
        self,
        inputs: Tensor,  # flat rows of the input table
        input_starts: Tensor,  # (N,) where each ply's rows start
        lengths: Tensor,  # (B,) plies of each game
        prompts: Tensor | None = None,  # (N, 3) rows of the prompt table
        cache: TensorCache | None = None,
        paths: Sequence[Entries] = (),
    ) -> Tensor:
        """Return the states ``(N, D)`` of all plies of B games.

        With a ``cache`` the plies continue games. Each of the ``paths`` holds the entries of the game's earlier plies,
        then the entries for the plies given here. Raises ``ValueError`` for games longer than ``config.n_context``.
        """
        B, T = len(lengths), int(lengths.max())
        x = self.table(inputs, input_starts)  # (N, D)
        if prompts is not None:
            x = x + self.prompts(prompts).sum(1)
        x = self.input_norm(x)
        flat: Tensor | None = None  # indices of the plies among the padded ones
        if len(x) < B * T:
            flat = (torch.arange(T, device=x.device) < lengths.unsqueeze(1)).flatten().nonzero().squeeze(1)
            x = x.new_zeros(B * T, x.shape[-1]).index_copy(0, flat, x)
        x = x.view(B, T, -1)
        if cache is None:
            plies, longest, past = torch.arange(T, device=x.device).unsqueeze(0), T, None  # (1 or B, T)
        else:
            longest = max(map(len, paths))
            plies, past = cache.layers(paths, lengths.tolist())
        if longest > self.config.n_context:
            raise ValueError(f"a game is longer than the model's {self.config.n_context} plies")
        x = self.through_blocks(x, plies.clamp(max=self.config.n_context - 1), past).view(B * T, -1)
        return self.output_norm(x if flat is None else x[flat])

    def through_blocks(
        self, x: Tensor, plies: Tensor, past: Sequence[Past] | None, each: list[Tensor] | None = None
    ) -> Tensor:
        """Return the output ``(B, T, D)`` of the last block, for inputs ``x`` ``(B, T, D)``.

        ``plies`` ``(1 or B, T)`` are their numbers in their games. ``each``, if given, takes in each block's input.
        """
        x = x + self.positions(plies)
        first = x
        for i, block in enumerate(self.blocks):
            if each is not None:
                each.append(x)
            x = block(x, first, past[i] if past else None)
        return x

    def score(
        self,
        inputs: Tensor,
        input_starts: Tensor,
        lengths: Tensor,
        candidates: Tensor,  # (C, groups) rows of the candidate tables, of all plies' legal moves
        candidate_counts: Tensor,  # (N,) legal moves of each ply
        prompts: Tensor | None = None,
        rows: Tensor | None = None,  # (R,) plies to score; all of them if not given
        voices: Tensor | None = None,  # (R,) a Voice each; human if not given
        replied: Tensor | None = None,  # (N,) whether to predict the reply at a ply
        cache: TensorCache | None = None,
        paths: Sequence[Entries] = (),
    ) -> PolicyOutput:
        """Read games, as `states` does, and return scores of their legal moves and the output of the other heads."""
        h = self.states(inputs, input_starts, lengths, prompts, cache, paths)  # (N, D)
        wdl_logits = (self.value_head(h) + self.value_table(inputs, input_starts)).float()
        end_logits = self.end_head(h).float()
        reply_logits = None
        if self.reply_head is not None and replied is not None:
            reply_logits = self.reply_head(h[replied])
        if rows is not None:
            h = h[rows]  # (R, D)
        found, lines, _, counts, move_logits = self.rate(h, candidates, candidate_counts, rows, voices)
        scores = spread(found, counts, max(1, int(candidate_counts.max())), float("-inf"))  # (R, M)
        return PolicyOutput(None, scores, lines[:, 0], counts, move_logits, wdl_logits, end_logits, reply_logits)

    def rate(
        self, h: Tensor, candidates: Tensor, candidate_counts: Tensor, rows: Tensor | None, voices: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Score the legal moves of R states ``(R, D)``, those of the plies ``rows``; the arguments are as in `score`.

        Returns their scores ``(C,)``, what `candidates_of` does, and the scores of all moves ``(R, 2086)`` by the move
        table alone.
        """
        if voices is not None:
            h = h + self.engine_voice(h) * (voices == Voice.ENGINE).unsqueeze(1)
        lines, of, counts = candidates_of(rows, candidates, candidate_counts)
        moves, contexts, query = lines[:, 0], lines[:, 1:], self.context_query(h)
        move_logits = self.move_head(h)
        move = pick(move_logits, of, moves.unsqueeze(1)).squeeze(1)
        context = pick(self.context_head(query), of, contexts).sum(-1, dtype=torch.float32)
        return move.float() + context.float(), lines, of, counts, move_logits

    def forward(
        self,
        input_ids: Tensor | None = None,  # (B, T) games as tokens, instead of the plies' arguments
        attention_mask: Tensor | None = None,  # (B, T), or with a cache (B, S): 0 where a token is padding
        labels: Tensor | None = None,  # (B, T) the tokens; for plies (R,) index of the right move among the candidates
        past_key_values: Any = None,  # the GameCache of an earlier output
        use_cache: bool | None = None,  # whether to return a cache; by default not in training
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        logits_to_keep: int | Tensor = 0,  # logits of so many last tokens alone, or of these; 0 is all
        num_items_in_batch: Any = None,  # labels in the whole step, if this is only a part of it
        return_dict: bool | None = None,
        voices: Tensor | None = None,  # (R,) a Voice each; for tokens (B,), by default that of the source prompt
        checked: Tensor | None = None,  # (S,) rows that learn the rules too; all if not given
        wdl: Tensor | None = None,  # (N,) 0 loss, 1 draw, 2 win for the mover, -100 unknown
        expected: Tensor | None = None,  # (N,) expected score of the mover by an engine, 0 to 1, NaN unknown
        ends: Tensor | None = None,  # (N,) an End each, -100 unknown
        blend: Tensor | None = None,  # (N,) share of the expected score, against the result, in the value of a ply
        soft_rows: Tensor | None = None,  # (K,) for each of several right moves of a row: the row,
        soft_moves: Tensor | None = None,  # (K,) the move's index among the candidates,
        soft_shares: Tensor | None = None,  # (K,) and its share; those of a row sum to 1
        replies: Tensor | None = None,  # (N,) number of the opponent's next move from the mover's side, -100 unknown
        counts: Tensor | None = None,  # (6,) targets of each loss in the whole batch, if this is only a part of it
        **position: Any,  # the other arguments of `score`
    ) -> PolicyOutput | CausalLMOutputWithPast | tuple[Any, ...]:
        """Read games and return what follows, with a loss if there are labels: two interfaces in one.

        For ``input_ids`` the result is transformers': log-probabilities of the token after each token
        (`next_tokens`), and the loss of the labels (`token_loss`). Otherwise it is that of `score`, with the training
        losses. Raises ``ValueError`` for arguments that have no meaning here, as ``inputs_embeds``.
        """
        if input_ids is not None:
            states = self.read_as_asked(
                input_ids,
                attention_mask,
                past_key_values,
                labels is None if use_cache is None else use_cache,
                output_hidden_states,
                output_attentions,
                position,
            )
            kept: slice | Tensor = slice(None)
            if labels is None:  # else the loss needs all of them
                kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            logits = self.next_tokens(states, kept, voices)
            loss = None
            if labels is not None:
                loss = self.token_loss(logits, labels, states.rows.illegal, num_items_in_batch)
            tokens_out = CausalLMOutputWithPast(loss, logits, states.cache, states.layers, states.attentions)
            return tokens_out if self._as_dict(return_dict) else tokens_out.to_tuple()
        if "inputs" not in position:
            raise ValueError("there is nothing to read: give input_ids, or plies encoded by lm.model.encoding")
        replied = None if replies is None else replies >= 0
        out = self.score(voices=voices, replied=replied, **position)
        if labels is None:
            return out
        assert out.scores is not None and out.moves is not None and out.counts is not None
        assert out.move_logits is not None and out.wdl_logits is not None and out.end_logits is not None
        starts = out.counts.cumsum(0) - out.counts
        right, soft, soft_right = out.moves[starts + labels].long(), None, None
        if soft_rows is not None and soft_moves is not None and soft_shares is not None:
            soft = losses.Soft(soft_rows, soft_moves, soft_shares)
            soft_right = soft._replace(moves=out.moves[starts[soft_rows] + soft_moves].long())
        parts = {
            "policy": losses.policy_losses(out.scores, labels, soft),
            "rules": losses.rules_losses(out.move_logits, right, checked, soft_right),
        }
        if wdl is not None:
            parts["result"] = losses.result_losses(out.wdl_logits, wdl, blend)
        if expected is not None:
            parts["opinion"] = losses.opinion_losses(out.wdl_logits, expected, blend)
        if ends is not None:
            parts["end"] = losses.end_losses(out.end_logits, ends)
        if out.reply_logits is not None and replies is not None:
            parts["reply"] = losses.reply_losses(out.reply_logits, replies)
        means = losses.means(parts, counts)
        out.policy_loss, out.value_loss = means["policy"], means["result"] + means["opinion"]
        out.loss = losses.total(means)
        return out

    def read_as_asked(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        cache: Any,
        use_cache: bool,
        output_hidden_states: bool | None,
        output_attentions: bool | None,
        others: dict[str, Any],
    ) -> TokenStates:
        """Read tokens (`read_tokens`), with the configuration's choice where there is none.

        Raises ``ValueError`` for ``others``, arguments without a meaning for tokens, unless they are None.
        """
        if names := [name for name, value in others.items() if value is not None]:
            raise ValueError(f"{', '.join(names)} cannot be given with input_ids: positions come from the tokens alone")
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        use_cache = use_cache and not self.training
        return self.read_tokens(
            input_ids, attention_mask, cache, use_cache, bool(output_hidden_states), bool(output_attentions)
        )

    def _as_dict(self, asked: bool | None) -> bool:
        return bool(self.config.return_dict if asked is None else asked)

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> Any:
        """Raises ``ValueError``: the vocabulary is the moves of the game."""
        raise ValueError("the vocabulary cannot be resized: its tokens are the moves of the game")


class XiangqiModel(XiangqiLM):
    """The same model for transformers' ``AutoModel``: of games as tokens it returns the states, not what follows."""

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **others: Any,
    ) -> BaseModelOutputWithPast | tuple[Any, ...]:
        """Return the states ``(B, T, D)`` of tokens ``(B, T)``; the arguments are those of `XiangqiLM.forward`."""
        states = self.read_as_asked(
            input_ids,
            attention_mask,
            past_key_values,
            use_cache is not False,
            output_hidden_states,
            output_attentions,
            others,
        )
        out = BaseModelOutputWithPast(states.last, states.cache, states.layers, states.attentions)
        return out if self._as_dict(return_dict) else out.to_tuple()


AutoModel.register(XiangqiConfig, XiangqiModel)
AutoModelForCausalLM.register(XiangqiConfig, XiangqiLM)
