"""The configuration of a model: its size and its feature groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lm.model.groups import CANDIDATE_GROUPS, INPUT_GROUPS


@dataclass
class ModelConfig:
    """Size, feature groups and optional heads of a model, which determine the shapes of its weights."""

    n_layer: int = 6
    n_head: int = 4
    n_embd: int = 256
    n_query: int = 128
    """Width of the query against the candidate table."""
    n_context: int = 512
    """Longest game, in plies."""
    input_groups: Sequence[str] = tuple(INPUT_GROUPS)
    """Features of a position."""
    candidate_groups: Sequence[str] = tuple(CANDIDATE_GROUPS)
    """Features of each legal move."""
    replies: bool = False
    """Whether it has the reply-prediction head, used in training."""

    @property
    def input_rows(self) -> int:
        return sum(INPUT_GROUPS[name] for name in self.input_groups)

    @property
    def candidate_rows(self) -> int:
        return sum(CANDIDATE_GROUPS[name] for name in self.candidate_groups)
