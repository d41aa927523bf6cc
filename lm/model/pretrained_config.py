"""The configuration of a model in the form that transformers reads, writes and registers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from lm.model.config import ModelConfig
from lm.model.vocabulary import BOS, PAD, VOCABULARY


class XiangqiConfig(ModelConfig, PretrainedConfig):
    """A `ModelConfig` for transformers; other settings are those of ``PretrainedConfig``.

    ``vocab_size`` is the number of tokens, which is the same for all models.
    """

    model_type = "xqlm"
    attribute_map = {  # noqa: RUF012
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_context",
    }
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012

    def __init__(self, **settings: Any) -> None:
        tokens = {"vocab_size": VOCABULARY, "bos_token_id": BOS, "pad_token_id": PAD, "eos_token_id": PAD}
        ModelConfig.__init__(self, **{f.name: settings.pop(f.name) for f in fields(ModelConfig) if f.name in settings})
        self.input_groups, self.candidate_groups = list(self.input_groups), list(self.candidate_groups)
        PretrainedConfig.__init__(self, **(tokens | settings))


AutoConfig.register(XiangqiConfig.model_type, XiangqiConfig)
