from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from lm import UserError
from lm.model.generation import ConsistentSampling, LegalMoves
from lm.model.loading import network_of
from lm.model.model import XiangqiLM
from lm.model.prompts import Aim, End, Prompt, Source, Voice
from lm.model.sampling import Sampling, softmax
from lm.model.token_games import TokenGame
from lm.model.tokenizer import move_tokenizer
from lm.model.vocabulary import ENDINGS, MATE, PAD, VOCABULARY, word
from lm.players.evaluation import Evaluation
from lm.players.policy import Evaluator
from small import random_game, small_model
from xiangqi import MOVES, Board

TOKENIZER = move_tokenizer()
MATED = "h2e2 i6i5 e2e6 i5i4 b2b4 i4i3 b4e4"
"""Two cannons on the file of the king."""

scores = st.lists(st.floats(-20, 20), min_size=1, max_size=60).map(lambda x: np.array(x, np.float32))


class TestSampling:
    @given(scores, st.floats(0.05, 5), st.integers(0, 10), st.floats(0.01, 1))
    def test_chances_add_up_and_the_likeliest_is_kept(
        self, values: np.ndarray, temperature: float, top_k: int, top_p: float
    ) -> None:
        chances = Sampling(temperature, top_k, top_p).probabilities(values)
        assert chances.sum() == pytest.approx(1)
        assert chances[np.argmax(values)] > 0
        assert top_k == 0 or (chances > 0).sum() <= top_k

    @given(scores, st.floats(0.01, 0.99))
    def test_top_p_keeps_as_few_as_will_do(self, values: np.ndarray, top_p: float) -> None:
        full = softmax(values.astype(np.float64))
        kept = full[Sampling(1, 0, top_p).probabilities(values) > 0]
        assert kept.sum() >= top_p - 1e-9
        assert kept.sum() - kept.min() < top_p + 1e-9

    def test_temperature_sharpens(self) -> None:
        values = np.array([0.0, 1.0], np.float32)
        hot, warm, cold = (Sampling(t).probabilities(values)[1] for t in (10, 1, 0.1))
        assert warm == pytest.approx(1 / (1 + np.exp(-1)))
        assert 0.5 < hot < warm < cold < 1
        assert Sampling(0).probabilities(values).tolist() == [0, 1]

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-300, 1e-9])
    def test_hardly_any_temperature_is_none(self, temperature: float) -> None:
        values = np.array([-3.0, 2.0, -np.inf, 1.0], np.float32)
        assert Sampling(temperature).probabilities(values).tolist() == [0, 1, 0, 0]

    @pytest.mark.parametrize("bad", [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.5}])
    def test_nonsense_is_refused(self, bad: dict[str, float]) -> None:
        with pytest.raises(UserError, match=next(iter(bad))):
            Sampling(**bad)  # type: ignore[arg-type]


class TestConsistentSampling:
    @settings(max_examples=40)
    @given(scores, st.lists(st.floats(-12, 12), min_size=4, max_size=4), st.integers(0, 5), st.floats(0.01, 1))
    def test_moves_are_truncated_and_endings_never(
        self, moves: np.ndarray, ends: list[float], top_k: int, top_p: float
    ) -> None:
        logits = torch.full((1, VOCABULARY), float("-inf"))
        logits[0, : len(moves)] = torch.from_numpy(moves)
        logits[0, MATE:] = torch.tensor(ends)
        before = logits.softmax(-1)[0]
        after = ConsistentSampling(1.0, top_k, top_p)(torch.zeros((1, 1), dtype=torch.long), logits).softmax(-1)[0]
        assert (after[MATE:] > 0).all()
        torch.testing.assert_close(after[MATE:], before[MATE:], atol=1e-6, rtol=1e-4)
        expected = Sampling(1.0, top_k, top_p).probabilities(moves) * float(before[: len(moves)].sum())
        np.testing.assert_allclose(after[: len(moves)].numpy(), expected, atol=1e-5)

    def test_without_temperature_the_likeliest_of_all_remains(self) -> None:
        logits = torch.full((2, VOCABULARY), float("-inf"))
        logits[:, :3] = torch.tensor([0.3, 0.3, 0.1]).log()
        logits[0, MATE], logits[1, MATE] = float(np.log(0.5)), float(np.log(0.9))
        after = ConsistentSampling(0.0)(torch.zeros((2, 1), dtype=torch.long), logits)
        assert after.argmax(-1).tolist() == [0, MATE]
        assert torch.isfinite(after).sum(-1).tolist() == [1, 1]

    def test_nonsense_is_refused(self) -> None:
        with pytest.raises(UserError, match="top_p"):
            ConsistentSampling(top_p=0)


@pytest.fixture(scope="module")
def talker() -> XiangqiLM:
    """A model that often says that a game is over."""
    model = small_model()
    model.end_head.bias.data[0] = 0.0
    return model


def chances(model: XiangqiLM, *texts: str) -> torch.Tensor:
    """Return the chances of what follows games, by the rules ``(B, vocabulary)``."""
    tokens = TOKENIZER(list(texts), padding=True, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return LegalMoves()(tokens, model(input_ids=tokens).logits[:, -1]).softmax(-1)


def text_of(board: Board) -> str:
    return " ".join(move.iccs for move in board.move_stack)


class TestTokens:
    """What the model says about tokens is what it says about positions."""

    def test_log_probabilities_of_all_tokens(self, talker: XiangqiLM, model: XiangqiLM) -> None:
        texts = ["", "h2e2", text_of(random_game(1, 30)), MATED, f"{MATED} [mate]", "h2e2 h2e2"]
        tokens = TOKENIZER(texts, padding=True, return_tensors="pt")["input_ids"]
        for reader in (talker, model):
            with torch.inference_mode():
                logits = reader(input_ids=tokens).logits[:, -1]
            torch.testing.assert_close(logits.logsumexp(-1), torch.zeros(len(texts)), atol=1e-5, rtol=0)
            assert (logits[:, PAD] == 0).tolist() == [False] * 4 + [True] * 2

    @pytest.mark.parametrize("plies", [20, 21])
    @pytest.mark.parametrize(
        ("prompts", "wish"), [("", ""), ("[human] [club]", ""), ("[red wins]", "win"), ("[draw]", "draw")]
    )
    def test_they_are_the_evaluators(self, talker: XiangqiLM, plies: int, prompts: str, wish: str) -> None:
        board = random_game(2, plies)
        found = chances(talker, f"{prompts} {text_of(board)}")[0]
        if wish == "win" and board.turn:  # what Red is to win, Black is to lose
            wish = "loss"
        asked = TokenGame.read(TOKENIZER(prompts)["input_ids"]).prompt._replace(aim=Aim.parse("aim", wish or "none"))
        thought = Evaluator(network_of(talker), slots=1, prompt=asked)([board])[0]
        assert thought.ends is not None
        resigning = dict(zip(End, thought.ends.tolist(), strict=True))
        of = {"[mate]": 0.0, "[draw agreed]": resigning[End.DRAW_AGREED]}
        of["[red resigns]"], of["[black resigns]"] = (
            resigning[name]
            for name in ((End.RESIGNS, End.OPPONENT_RESIGNS), (End.OPPONENT_RESIGNS, End.RESIGNS))[board.turn]
        )
        total = 1 - resigning[End.MATED]  # which the rules exclude
        np.testing.assert_allclose(found[MATE:], [of[word] / total for word in ENDINGS], atol=1e-5)
        policy = softmax(thought.scores.astype(np.float64)) * resigning[End.GOES_ON] / total
        np.testing.assert_allclose(found[[move.index for move in thought.moves]], policy, atol=1e-5)
        assert int((found > 0).sum()) == len(thought.moves) + 3

    def test_only_who_has_no_move_is_mated(self, talker: XiangqiLM, model: XiangqiLM) -> None:
        for reader in (talker, model):
            free, mated, ended = chances(reader, "h2e2", MATED, f"{MATED} [mate]")
            assert free[MATE] == 0
            assert mated[MATE] == 1
            assert ended[PAD] == 1

    def test_the_rules_end_a_game_too(self, model: XiangqiLM) -> None:
        found = chances(model, *("a0a1 a9a8 a1a0 a8a9 " * times for times in (1, 2)))
        assert found[:, PAD].tolist() == [0, 1]

    def test_games_of_engines_go_on_in_their_voice(self, model: XiangqiLM) -> None:
        board = random_game(4, 8)
        for source, voice in ((Source.HUMAN, Voice.HUMAN), (Source.ENGINE, Voice.ENGINE), (Source.NONE, Voice.HUMAN)):
            prompt = f"[{source.word}]" if source else ""
            thought = Evaluator(network_of(model), slots=1, prompt=Prompt(source))([board], voice)[0]
            found = chances(model, f"{prompt} {text_of(board)}")[0, [move.index for move in thought.moves]]
            found /= found.sum()  # it says as well that the game may end
            np.testing.assert_allclose(found, softmax(thought.scores.astype(np.float64)), atol=1e-5)

    def test_an_illegal_move_is_named(self, model: XiangqiLM) -> None:
        with pytest.raises(UserError, match="h2e2 is not legal at ply 2"):
            chances(model, "h2e2 h2e2")


class TestGenerate:
    def test_only_legal_moves_come_out(self, model: XiangqiLM) -> None:
        torch.manual_seed(0)
        tokens = TOKENIZER(["h2e2 h9g7", "c3c4 g6g5"], return_tensors="pt")
        for game in model.generate(**tokens, max_new_tokens=30, do_sample=True).tolist():
            read = TokenGame.read(game)
            assert not read.illegal
            assert read.board.ply == 32

    def test_without_the_rules_a_game_that_breaks_them_is_given_up(self, model: XiangqiLM) -> None:
        torch.manual_seed(0)
        tokens = TOKENIZER(["h2e2"] * 4, return_tensors="pt")
        games = model.generate(**tokens, max_new_tokens=60, do_sample=True, logits_processor=[])
        for game in games.tolist():
            read = TokenGame.read(game)
            assert read.illegal
            assert set(game[game.index(PAD) :] if PAD in game else [PAD]) == {PAD}

    def test_greedy_generation_is_the_likeliest_legal_move(self, model: XiangqiLM) -> None:
        board = random_game(8, 21)
        out = model.generate(**TOKENIZER(text_of(board), return_tensors="pt"), max_new_tokens=1, do_sample=False)
        best: Evaluation = Evaluator(network_of(model), slots=1)([board])[0]
        assert MOVES[int(out[0, -1])] is best.moves[int(np.argmax(best.scores))]

    @pytest.mark.parametrize(
        "how",
        [
            {"top_k": 1, "top_p": 0.01},
            {"generation_config": GenerationConfig(do_sample=True, top_k=1, max_length=512, pad_token_id=PAD)},
            {"logits_processor": [LegalMoves(), ConsistentSampling(top_k=1, top_p=0.01)]},
        ],
    )
    def test_games_stop_however_moves_are_truncated(
        self, how: dict[str, Any], talker: XiangqiLM, tmp_path: Path
    ) -> None:
        """Out of a folder, as anyone would: the endings are in its settings."""
        talker.save_pretrained(tmp_path)
        TOKENIZER.save_pretrained(tmp_path)
        reader, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
        torch.manual_seed(0)
        tokens = tokenizer(["[engine] h2e2 h9g7", "[human] [draw]"] * 4, padding=True, return_tensors="pt")
        games = reader.generate(**tokens, do_sample=True, **how)
        lasts = set()
        for game in games.tolist():
            end = next(i for i, token in enumerate(game) if token >= MATE)
            assert set(game[end + 1 :]) <= {PAD}
            assert not TokenGame.read(game).illegal
            lasts.add(word(game[end]))
        assert len(lasts) > 1
        assert games.shape[1] < reader.config.n_context

    def test_without_a_temperature_the_likeliest_move_is_drawn(self, model: XiangqiLM) -> None:
        tokens = TOKENIZER("h2e2 h9g7", return_tensors="pt")
        greedy = model.generate(**tokens, max_new_tokens=5)
        assert model.generate(**tokens, max_new_tokens=5, do_sample=True, temperature=0).equal(greedy)

    def test_other_ways_to_truncate_are_refused(self, model: XiangqiLM) -> None:
        with pytest.raises(UserError, match="min_p would cut off the endings of games"):
            model.generate(**TOKENIZER("h2e2", return_tensors="pt"), do_sample=True, min_p=0.1)

    def test_a_game_ends_with_its_mate(self, model: XiangqiLM) -> None:
        games = model.generate(**TOKENIZER([MATED], return_tensors="pt"))
        assert games[0, -1] == MATE

    def test_it_stops_where_the_model_can_read_no_further(self) -> None:
        model = small_model(n_context=16)
        assert model.generate(**TOKENIZER("h2e2", return_tensors="pt")).shape == (1, 16)
        assert model.generate(**TOKENIZER("h2e2", return_tensors="pt"), max_length=9).shape == (1, 9)
