"""Training and measuring on a device that is not the processor; `other_device` stands for a GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
BEGIN = """
import torch
from lm.dataset.shards import Shard
from lm.measure.evaluate import evaluate
from lm.model.pretrained_config import XiangqiConfig
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from lm.measure.held_out import held_out
from other_device import another_device

shard = Shard.open(Path(sys.argv[1]))
lines, results = (x[:5] for x in held_out([shard], "train", 10**6)[Voice.HUMAN])
torch.manual_seed(0)
model = XiangqiLM(XiangqiConfig(n_layer=2, n_head=2, n_embd=16, n_query=8, replies=True))
"""
ASSERTIONS = {
    "the stand-in keeps devices apart": """
with another_device() as (other, move):
    away = torch.ones(2).to(other)
    assert (away + away.mean()).device == other and (away + away).cpu().tolist() == [2, 2]
    move(model)
    for wrong in (lambda: away + torch.ones(2), lambda: away.numpy(), lambda: model.table(torch.zeros(1, 1).int())):
        try:
            wrong()
        except (RuntimeError, TypeError):
            continue
        raise AssertionError("devices were mixed")
""",
    "a step of training": """
from lm.training.batches import GameBatches
item = GameBatches([shard], model.config, 500, 2, 1)[0]
with another_device() as (other, move):
    expected = model(**item).loss
    expected.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    loss = move(model)(**{name: tensor.to(other) for name, tensor in item.items()}).loss
    loss.backward()
    assert loss.device == other
    torch.testing.assert_close(loss.detach().cpu(), expected.detach())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad.device == other
        torch.testing.assert_close(parameter.grad.cpu(), gradient, atol=1e-5, rtol=1e-4)
""",
    "games as tokens": """
from lm.model.tokenizer import move_tokenizer
tokens = move_tokenizer()(["[engine] h2e2 h9g7 h0g2 [draw agreed]", "c3c4"], padding=True, return_tensors="pt")
with another_device() as (other, move):
    expected = model(**tokens, labels=tokens["input_ids"], output_attentions=True)
    move(model)
    away = {name: tensor.to(other) for name, tensor in tokens.items()}
    out = model(**away, labels=away["input_ids"])
    out.loss.backward()
    assert out.logits.device == other
    torch.testing.assert_close(out.loss.detach().cpu(), expected.loss.detach())
    torch.testing.assert_close(out.logits.detach().cpu(), expected.logits.detach(), atol=1e-4, rtol=1e-4)
    again = model(**away, voices=torch.tensor([1, 0]), output_attentions=True, logits_to_keep=1)
    torch.testing.assert_close(again.attentions[1].detach().cpu(), expected.attentions[1].detach())
""",
    "held-out games": """
expected = evaluate(model, lines, results, symmetries=2).report(samples=10)
with another_device() as (other, move):
    found = evaluate(move(model), lines, results, symmetries=2).report(samples=10)
assert abs(found.nll - expected.nll) < 0.01  # the processor may have read in bfloat16
assert found.games == 5 and found.interval.keys() == expected.interval.keys()
""",
}


@pytest.fixture(scope="module")
def said(shard_folder: Path) -> dict[str, str]:
    """What went wrong in each, in one process for all: importing torch takes longer than they do."""
    code = f"""
import json, sys, traceback
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
said = {{}}
for what, code in {ASSERTIONS!r}.items():
    try:
        exec({BEGIN!r} + code, {{"sys": sys, "Path": Path}})
        said[what] = ""
    except BaseException:
        said[what] = traceback.format_exc()
print(json.dumps(said))
"""
    words = [sys.executable, "-c", code, str(shard_folder)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=TESTS.parent, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("what", ASSERTIONS)
def test_elsewhere(what: str, said: dict[str, str]) -> None:
    assert said[what] == ""
