"""The configuration of a model in the form that transformers reads, writes and registers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from lm.model.config import ModelConfig


class XiangqiConfig(ModelConfig, PretrainedConfig):
    """A `ModelConfig` for transformers; other settings are those of ``PretrainedConfig``."""

    model_type = "xqlm"
    attribute_map = {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "hidden_size": "n_embd"}  # noqa: RUF012

    def __init__(self, **settings: Any) -> None:
        ModelConfig.__init__(self, **{f.name: settings.pop(f.name) for f in fields(ModelConfig) if f.name in settings})
        self.input_groups, self.candidate_groups = list(self.input_groups), list(self.candidate_groups)
        PretrainedConfig.__init__(self, **settings)


AutoConfig.register(XiangqiConfig.model_type, XiangqiConfig)
