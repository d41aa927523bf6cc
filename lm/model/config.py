"""The configuration of a model: its size and its feature groups."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PretrainedConfig

from lm.model.features import CANDIDATE_GROUPS, INPUT_GROUPS


class XiangqiConfig(PretrainedConfig):
    """Size, feature groups and optional heads of a model, which determine the shapes of its weights."""

    model_type = "xqlm"
    attribute_map = {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "hidden_size": "n_embd"}  # noqa: RUF012

    def __init__(
        self,
        n_layer: int = 6,
        n_head: int = 4,
        n_embd: int = 256,
        n_query: int = 128,  # width of the query against the candidate table
        n_context: int = 512,  # longest game, in plies
        input_groups: tuple[str, ...] = tuple(INPUT_GROUPS),  # features of a position
        candidate_groups: tuple[str, ...] = tuple(CANDIDATE_GROUPS),  # features of each legal move
        replies: bool = False,  # whether it has the reply-prediction head, used in training
        **kwargs: Any,
    ) -> None:
        self.n_layer, self.n_head, self.n_embd = n_layer, n_head, n_embd
        self.n_query, self.n_context = n_query, n_context
        self.input_groups, self.candidate_groups = list(input_groups), list(candidate_groups)
        self.replies = replies
        super().__init__(**kwargs)

    @property
    def input_rows(self) -> int:
        return sum(INPUT_GROUPS[name] for name in self.input_groups)

    @property
    def candidate_rows(self) -> int:
        return sum(CANDIDATE_GROUPS[name] for name in self.candidate_groups)


AutoConfig.register(XiangqiConfig.model_type, XiangqiConfig)
