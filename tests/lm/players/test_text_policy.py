"""Language models that read games as text, from any folder of transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lm import UserError
from lm.players.specs import load_player
from lm.players.text_policy import TextEvaluator
from xiangqi import MOVES, Board
from xiangqi.engine import Limit

GAMES = ["h2e2 h9g7 h0g2 i9h9 i0h0 b9c7", "b2e2 b9c7 b0c2 a9b9 a0b0 h9g7", "c3c4 g6g5 b0c2 h9g7"]


def tokenizer_of(kind: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose tokens are characters, parts of moves, or not even within a move."""
    if kind == "characters":
        chars = {char: number for number, char in enumerate("<abcdefghi0123456789 ")}
        tokenizer = Tokenizer(models.WordLevel(chars, unk_token="<"))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<")
    tokenizer = Tokenizer(models.BPE())
    if kind == "parts":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=80, special_tokens=["<s>"], initial_alphabet=list("abcdefghi0123456789 ▁"), show_progress=False
    )
    tokenizer.train_from_iterator(GAMES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


def save(folder: Path, kind: str = "parts", family: str = "gpt2", context: int = 128) -> Path:
    torch.manual_seed(1)
    tokenizer = tokenizer_of(kind)
    if family == "gpt2":
        config = GPT2Config(
            vocab_size=len(tokenizer), n_positions=context, n_embd=16, n_layer=2, n_head=2, bos_token_id=0
        )
        model = GPT2LMHeadModel(config)
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=context,
            )
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("text"))


def by_hand(evaluator: TextEvaluator, board: Board) -> list[float]:
    """Score each legal move by reading the whole text with it."""
    played = " ".join(move.iccs for move in board.move_stack)
    scores = []
    for move in board.legal_moves:
        before = [evaluator.tokenizer.bos_token_id, *evaluator.tokenizer(played, add_special_tokens=False)["input_ids"]]
        text = f" {move.iccs}" if played else move.iccs
        own = evaluator.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logs = evaluator.model(torch.tensor([before + own])).logits[0].log_softmax(-1)
        scores.append(sum(float(logs[len(before) - 1 + i, token]) for i, token in enumerate(own)))
    return scores


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("kind", ["parts", "characters"])
def test_scores_are_those_of_the_whole_text(tmp_path: Path, kind: str, family: str) -> None:
    evaluator = TextEvaluator(save(tmp_path, kind, family))
    board = Board()
    for text in ("", *GAMES[0].split()):
        if text:
            board.push_iccs(text)
        (found,) = evaluator([board])
        assert found.moves == board.legal_moves
        assert found.scores == pytest.approx(by_hand(evaluator, board), abs=1e-4)
    # Another game, and back to an earlier position of the first one.
    boards = [Board.from_moves(GAMES[1]), Board.from_moves(GAMES[0].split()[:3])]
    for board, found in zip(boards * 2, evaluator(boards) + evaluator(boards), strict=True):
        assert found.scores == pytest.approx(by_hand(evaluator, board), abs=1e-4)


def test_scores_sum_to_the_share_of_legal_moves(tmp_path: Path) -> None:
    evaluator = TextEvaluator(save(tmp_path, "characters"))
    (found,) = evaluator([Board()])
    assert 0 < float(np.exp(found.scores).sum()) < 1


def test_a_game_longer_than_the_context(tmp_path: Path) -> None:
    evaluator = TextEvaluator(save(tmp_path, "characters", context=64))
    board = Board.from_moves("h0g2 h9g7 g2h0 g7h9 h0g2 h9g7 g2h0 g7h9 h0g2 h9g7 g2h0 g7h9 h0g2 h9g7 g2h0 g7h9")
    (found,) = evaluator([board])
    assert found.moves == board.legal_moves
    assert np.isfinite(found.scores).all()


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_player_keeps_to_root_moves_and_its_seed(folder: Path, times: int) -> None:
    chosen = []
    for _ in range(times):
        player = load_player(f"hf:{folder},temperature=1,top_p=1,seed=3")
        try:
            chosen.append([player.choose([Board()])[0].move for _ in range(5)])
            only = (MOVES[Board().legal_move_indices()[0]],)
            assert player.choose([Board()], Limit(root_moves=only))[0].move == only[0]
            assert len(player.choose([Board()])[0].candidates) == 44
        finally:
            player.close()
    assert chosen == chosen[:1] * times


class TestRefused:
    @pytest.mark.parametrize(
        ("spec", "told"),
        [
            ("hf", "needs the folder"),
            ("hf:nowhere", "no model in nowhere"),
            ("hf:nowhere,voice=human", "not an option of hf"),
        ],
    )
    def test_specs(self, spec: str, told: str) -> None:
        with pytest.raises(UserError, match=told):
            load_player(spec)

    def test_our_own_models(self, model_folder: Path) -> None:
        with pytest.raises(UserError, match="reads positions, not text"):
            load_player(f"hf:{model_folder}")

    def test_tokens_that_go_beyond_a_move(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="joins moves"):
            TextEvaluator(save(tmp_path, "anything"))

    def test_pickles_and_code(self, folder: Path, tmp_path: Path) -> None:
        pickled = Path(shutil.copytree(folder, tmp_path / "pickled"))
        (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
        with pytest.raises(UserError, match="no weights in safetensors"):
            TextEvaluator(pickled)
        asking = Path(shutil.copytree(folder, tmp_path / "asking"))
        config = json.loads((asking / "config.json").read_text()) | {"auto_map": {"AutoModelForCausalLM": "evil.Model"}}
        (asking / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match="code of its own"):
            TextEvaluator(asking)

    def test_no_tokenizer(self, folder: Path, tmp_path: Path) -> None:
        bare = Path(shutil.copytree(folder, tmp_path / "bare"))
        for path in bare.glob("tokenizer*"):
            path.unlink()
        with pytest.raises(UserError, match="bare"):
            TextEvaluator(bare)
