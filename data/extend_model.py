"""Give a model groups of features that were added after its training: ``python data/extend_model.py MODEL OUT``.

New groups are the last of `INPUT_GROUPS` and `CANDIDATE_GROUPS`, so their rows are the last of the tables. They are
zero, so that OUT plays as MODEL does; ``xqlm train --init-from OUT`` trains it further. That is how the shipped model
got the groups of `lm.model.forcing`, and its value the table of what each input says.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lm.model.groups import CANDIDATE_GROUPS, INPUT_GROUPS


def extend(model: Path, out: Path) -> None:
    """Write a model with all groups. Its own must be the first of them."""
    config = json.loads((model / "config.json").read_text("utf-8"))
    for name, groups in (("input_groups", INPUT_GROUPS), ("candidate_groups", CANDIDATE_GROUPS)):
        if config[name] != list(groups)[: len(config[name])]:
            raise SystemExit(f"{model}: its {name} are not the first of {', '.join(groups)}")
        config[name] = list(groups)
    contexts = sum(CANDIDATE_GROUPS.values()) - CANDIDATE_GROUPS["move"]
    tensors = load_file(model / "model.safetensors")
    inputs = sum(INPUT_GROUPS.values())
    tensors.setdefault("value_table.weight", tensors["table.weight"].new_zeros(inputs, 3))
    lengths = {
        "table.weight": inputs,
        "value_table.weight": inputs,
        "context_head.weight": contexts,
        "context_head.bias": contexts,
    }
    for name, length in lengths.items():
        old = tensors[name]
        tensors[name] = torch.cat([old, old.new_zeros(length - len(old), *old.shape[1:])])
    shutil.copytree(model, out, dirs_exist_ok=True)
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    extend(*map(Path, sys.argv[1:]))
