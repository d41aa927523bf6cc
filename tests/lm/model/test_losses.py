"""Each loss is that of the known targets alone, by the formula that its docstring names."""

from __future__ import annotations

import math

import pytest
import torch

from lm.model import losses

LOGITS = torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
LOGP = LOGITS.log_softmax(-1)


def test_policy() -> None:
    found = losses.policy_losses(LOGITS, torch.tensor([2, 0, 1]))
    torch.testing.assert_close(found, -LOGP[[0, 1, 2], [2, 0, 1]])


def test_rules_are_learned_at_the_checked_rows_alone() -> None:
    right = torch.tensor([0, 1, 2])
    torch.testing.assert_close(losses.rules_losses(LOGITS, right, None), -LOGP.diag())
    torch.testing.assert_close(losses.rules_losses(LOGITS, right, torch.tensor([2, 0])), -LOGP.diag()[[2, 0]])


@pytest.mark.parametrize("loss", [losses.result_losses, losses.end_losses])
def test_results_and_ends_that_are_not_known_teach_nothing(loss: object) -> None:
    assert callable(loss)
    found = loss(LOGITS, torch.tensor([2, -100, 0]))
    torch.testing.assert_close(found, -LOGP[[0, 2], [2, 0]])


def test_an_opinion_is_compared_with_wins_and_half_the_draws() -> None:
    found = losses.opinion_losses(LOGITS, torch.tensor([0.75, math.nan, 0.5]))
    scores = (LOGP.exp() @ torch.tensor([0.0, 0.5, 1.0]))[[0, 2]]
    torch.testing.assert_close(found, -torch.stack([
        0.75 * scores[0].log() + 0.25 * (1 - scores[0]).log(), 0.5 * scores[1].log() + 0.5 * (1 - scores[1]).log()
    ]))  # fmt: skip


def test_replies_are_those_of_the_plies_where_they_were_foreseen() -> None:
    found = losses.reply_losses(LOGITS[:2], torch.tensor([-100, 1, -100, 0]))
    torch.testing.assert_close(found, -LOGP[[0, 1], [1, 0]])


def test_parts_of_a_batch_add_up_to_it() -> None:
    parts = {"policy": torch.tensor([1.0, 2.0, 6.0]), "end": torch.tensor([4.0])}
    whole = losses.means(parts)
    assert {name: mean.item() for name, mean in whole.items() if mean} == {"policy": 3, "end": 4}
    counts = torch.tensor([3, 0, 0, 0, 1, 0])
    one = losses.means({"policy": parts["policy"][:1]}, counts)
    other = losses.means({"policy": parts["policy"][1:], "end": parts["end"]}, counts)
    for name, mean in whole.items():
        torch.testing.assert_close(one[name] + other[name], mean)
    expected = 3 * losses.LOSS_WEIGHTS["policy"] + 4 * losses.LOSS_WEIGHTS["end"]
    assert losses.total(whole).item() == pytest.approx(expected)
