"""The model as the ecosystem of transformers uses language models; docs/lm.md has the table."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
    TextStreamer,
    Trainer,
    TrainingArguments,
    pipeline,
)

from lm import UserError, data_path
from lm.model.char import new_model, start_from
from lm.model.generation import GameCache, LegalMoves
from lm.model.model import XiangqiLM, XiangqiModel
from lm.model.token_games import TokenGame
from lm.model.tokenizer import XiangqiTokenizer, char_tokenizer, move_tokenizer
from lm.model.vocabulary import BOS, CHAR_BOS, CHAR_PAD, MATE, PAD, VOCABULARY
from small import random_game, small_model
from xiangqi import MOVES, Board

TOKENIZER = move_tokenizer(160)
MATED = "h2e2 i6i5 e2e6 i5i4 b2b4 i4i3 b4e4"


def text_of(board: Board) -> str:
    return " ".join(move.iccs for move in board.move_stack)


TEXTS = [
    "h2e2 h9g7",
    f"[engine] [master] [red wins] {text_of(random_game(1, 30))}",
    f"[human] {text_of(random_game(2, 17))} [black resigns]",
    f"{MATED} [mate]",
    "",
]


def read(model: torch.nn.Module, tokens: torch.Tensor, **more: Any) -> Any:
    with torch.inference_mode():
        return model(input_ids=tokens, **more)


def same(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def folder(model: XiangqiLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    model.save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


class TestForward:
    @pytest.mark.parametrize("text", TEXTS)
    def test_each_token_has_what_follows_it_and_knows_nothing_of_it(self, model: XiangqiLM, text: str) -> None:
        tokens = TOKENIZER(text, return_tensors="pt")["input_ids"]
        whole = read(model, tokens).logits
        assert whole.shape == (1, tokens.shape[1], VOCABULARY)
        for end in range(1, tokens.shape[1] + 1):
            same(read(model, tokens[:, :end]).logits[0, -1], whole[0, end - 1])

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_padding_on_either_side_changes_nothing(self, model: XiangqiLM, side: str) -> None:
        batch = TOKENIZER(TEXTS, padding=True, padding_side=side, return_tensors="pt")
        logits = read(model, batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        same(read(model, batch["input_ids"]).logits, logits)
        for row, text in enumerate(TEXTS):
            alone = read(model, TOKENIZER(text, return_tensors="pt")["input_ids"]).logits[0]
            same(logits[row][batch["attention_mask"][row].bool()], alone)

    def test_padding_alone_says_nothing(self, model: XiangqiLM) -> None:
        logits = read(model, torch.full((2, 3), PAD)).logits
        assert logits.argmax(-1).tolist() == [[PAD] * 3] * 2
        assert logits.logsumexp(-1).tolist() == [[0.0] * 3] * 2

    def test_what_is_masked_is_padding_whatever_its_token(self, model: XiangqiLM) -> None:
        tokens = TOKENIZER("h2e2 h9g7", return_tensors="pt")["input_ids"]
        noise = torch.cat([torch.tensor([[7, BOS]]), tokens], 1)
        out = read(model, noise, attention_mask=torch.tensor([[0, 0, 1, 1, 1]]))
        same(out.logits[:, 2:], read(model, tokens).logits)

    def test_the_loss_is_the_mean_over_moves_and_endings(self, model: XiangqiLM) -> None:
        batch = TOKENIZER(TEXTS, padding=True, return_tensors="pt")
        labels = batch["input_ids"].clone()
        out = model(**batch, labels=labels)
        losses = []
        for text in TEXTS:
            tokens = TOKENIZER(text)["input_ids"]
            for end in range(1, len(tokens)):
                if tokens[end] < len(MOVES) or tokens[end] >= MATE:
                    logits = read(model, torch.tensor([tokens[:end]])).logits[0, -1]
                    losses.append(-float(logits.log_softmax(-1)[tokens[end]]))
        assert out.loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)
        masked = labels.masked_fill(labels == PAD, -100)
        assert model(**batch, labels=masked).loss.item() == pytest.approx(out.loss.item())
        shares = [model(**batch, labels=labels, num_items_in_batch=100).loss for _ in range(2)]
        assert sum(shares).item() == pytest.approx(2 * sum(losses) / 100, rel=1e-4)

    def test_the_perplexity_recipe(self, folder: Path) -> None:
        """As written for any causal model, with the loss by hand."""
        model = AutoModelForCausalLM.from_pretrained(folder).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        batch = tokenizer(
            [text_of(random_game(seed, 20 + seed)) for seed in range(4)], padding=True, return_tensors="pt"
        )
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        with torch.inference_mode():
            out = model(**batch, labels=labels)
        following = labels[:, 1:].masked_fill(labels[:, 1:] == BOS, -100)
        loss = F.cross_entropy(out.logits[:, :-1].flatten(0, 1), following.flatten(), ignore_index=-100)
        assert torch.exp(out.loss).item() == pytest.approx(torch.exp(loss).item(), rel=1e-4)
        assert 20 < torch.exp(loss).item() < 10 * len(tokenizer)

    def test_states_and_attentions(self, model: XiangqiLM) -> None:
        batch = TOKENIZER(TEXTS, padding=True, return_tensors="pt")
        B, T = batch["input_ids"].shape
        out = read(model, batch["input_ids"], output_hidden_states=True, output_attentions=True)
        assert [tuple(x.shape) for x in out.hidden_states] == [(B, T, 32)] * 3
        assert [tuple(x.shape) for x in out.attentions] == [(B, 2, T, T)] * 2
        for weights in out.attentions:
            same(weights.sum(-1), torch.ones(B, 2, T))
            assert not weights.triu(1).any()
            assert not weights[0, :, -1, batch["input_ids"][0] == PAD].any()
        plain = read(model, batch["input_ids"])
        assert plain.hidden_states is None
        assert plain.attentions is None
        same(plain.logits, out.logits)

    def test_some_logits_alone(self, model: XiangqiLM) -> None:
        tokens = TOKENIZER(TEXTS, padding=True, return_tensors="pt")["input_ids"]
        logits = read(model, tokens).logits
        same(read(model, tokens, logits_to_keep=2).logits, logits[:, -2:])
        same(read(model, tokens, logits_to_keep=torch.tensor([3, 9])).logits, logits[:, [3, 9]])

    def test_a_tuple_on_request(self, model: XiangqiLM) -> None:
        tokens = TOKENIZER("h2e2", return_tensors="pt")["input_ids"]
        logits, cache = read(model, tokens, return_dict=False)
        assert logits.shape == (1, 2, VOCABULARY)
        assert isinstance(cache, GameCache)

    def test_after_an_illegal_move_nothing_is_said(self, model: XiangqiLM) -> None:
        logits = read(model, TOKENIZER("h2e2 h2e2 h9g7", return_tensors="pt")["input_ids"]).logits[0]
        assert [row[PAD].item() == 0 for row in logits] == [False, False, True, True]

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"labels": [[BOS, 576, 576]]}, "row 1 of the tokens: h2e2 is not legal, so it cannot be learned"),
            ({"labels": [[BOS, 576]], "input_ids": [[BOS, 576, 2054]]}, "labels must have the shape of input_ids"),
            ({"input_ids": [[576, 2054]]}, r"row 1 of the tokens: a game begins with \[BOS\]"),
            ({"input_ids": [[BOS, 576], [PAD, 576]]}, r"row 2 of the tokens: a game begins with \[BOS\]"),
            ({"input_ids": [[BOS, 576, BOS]]}, r"row 1 of the tokens: \[BOS\] in a game"),
            ({"input_ids": [[BOS, VOCABULARY]]}, "row 1 of the tokens: unknown token 2102"),
            ({"input_ids": [[BOS, -1]]}, "row 1 of the tokens: unknown token -1"),
            ({"input_ids": [BOS, 576]}, "input_ids must have two dimensions"),
            ({"attention_mask": [[[[1]]]]}, "attention_mask must be of the size of the tokens"),
            ({"attention_mask": [[1]]}, "attention_mask must be of the size of the tokens"),
            ({"inputs_embeds": [[1.0]]}, "inputs_embeds cannot be given with input_ids"),
            ({"position_ids": [[0, 1, 2]]}, "position_ids cannot be given with input_ids"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, model: XiangqiLM, arguments: dict[str, Any], named: str) -> None:
        arguments = {"input_ids": [[BOS, 576, 576]]} | arguments
        with pytest.raises(ValueError, match=named):
            model(**{name: torch.tensor(value) for name, value in arguments.items()})

    def test_so_is_nothing_at_all(self, model: XiangqiLM) -> None:
        with pytest.raises(ValueError, match="nothing to read"):
            model(inputs_embeds=torch.zeros(1, 2, 32))

    def test_a_game_of_the_whole_context_and_a_longer_one(self) -> None:
        model = small_model(n_context=16)
        text = text_of(random_game(1, 16))
        tokens = TOKENIZER(text, return_tensors="pt")["input_ids"]
        assert read(model, tokens[:, :16]).logits.shape[1] == 16
        with pytest.raises(ValueError, match="16 plies"):
            read(model, tokens)
        assert len(move_tokenizer(16)(text, truncation=True)["input_ids"]) == 16

    def test_the_vocabulary_cannot_be_resized(self, model: XiangqiLM) -> None:
        with pytest.raises(ValueError, match="vocabulary"):
            model.resize_token_embeddings(3000)


class TestCache:
    @pytest.mark.parametrize("side", ["left", "right"])
    @pytest.mark.parametrize("pieces", [(1, 1), (3, 5), (12, 1)])
    def test_in_pieces_as_at_once(self, model: XiangqiLM, side: str, pieces: tuple[int, int]) -> None:
        batch = TOKENIZER(TEXTS, padding=True, padding_side=side, return_tensors="pt")
        tokens, mask = batch["input_ids"], batch["attention_mask"]
        expected = read(model, tokens).logits
        first, step = pieces  # at first some rows may be padding alone
        out = read(model, tokens[:, :first])
        found = [out.logits]
        for at in range(first, tokens.shape[1], step):
            out = read(
                model,
                tokens[:, at : at + step],
                past_key_values=out.past_key_values,
                attention_mask=mask[:, : at + step],
            )
            found.append(out.logits)
        same(torch.cat(found, 1), expected)
        assert out.past_key_values.get_seq_length() == tokens.shape[1]

    def test_generation_is_the_same_without(self, model: XiangqiLM) -> None:
        batch = TOKENIZER(["[engine] h2e2 h9g7", "", text_of(random_game(3, 20))], padding=True, return_tensors="pt")
        for how in ({}, {"do_sample": True, "top_p": 0.9}, {"num_beams": 3}):
            games = []
            for use_cache in (True, False):
                torch.manual_seed(0)
                games.append(model.generate(**batch, max_new_tokens=25, use_cache=use_cache, **how))
            assert games[0].equal(games[1])

    def test_a_game_is_not_read_again(self, model: XiangqiLM) -> None:
        read_so_far = []
        hook = model.blocks[0].register_forward_pre_hook(lambda _, arguments: read_so_far.append(arguments[0].shape[1]))
        model.generate(**TOKENIZER("h2e2 h9g7", return_tensors="pt"), max_new_tokens=20)
        hook.remove()
        assert read_so_far == [3] + [1] * 19

    def test_generation_in_chunks_and_with_guesses(self, model: XiangqiLM) -> None:
        """A guess is read together with what precedes it, and taken back out of the cache if it is wrong."""
        tokens = TOKENIZER(["h2e2", text_of(random_game(3, 20))], padding=True, return_tensors="pt")
        expected = model.generate(**tokens, max_new_tokens=12)
        assert model.generate(**tokens, max_new_tokens=12, prefill_chunk_size=3).equal(expected)
        one = {name: tensor[1:] for name, tensor in tokens.items()}
        for assistant in (small_model(3), small_model(0)):
            assert model.generate(**one, max_new_tokens=12, assistant_model=assistant)[0].equal(expected[1])
        assert model.generate(**one, max_new_tokens=12, prompt_lookup_num_tokens=2)[0].equal(expected[1])

    def test_a_beginning_is_kept_for_several_games(self, model: XiangqiLM) -> None:
        beginning = TOKENIZER("[engine] h2e2 h9g7", return_tensors="pt")["input_ids"]
        kept = read(model, beginning).past_key_values
        tokens = TOKENIZER(["[engine] h2e2 h9g7 h0g2", "[engine] h2e2 h9g7 b0c2"], return_tensors="pt")["input_ids"]
        cache = copy.deepcopy(kept)
        cache.batch_repeat_interleave(2)
        found = read(model, tokens[:, 4:], past_key_values=cache).logits
        same(found, read(model, tokens).logits[:, 4:])
        cache.batch_select_indices(torch.tensor([1]))
        move = TOKENIZER("i9h9", add_special_tokens=False, return_tensors="pt")["input_ids"]
        whole = torch.cat([tokens[1:], move], 1)
        same(read(model, move, past_key_values=cache).logits, read(model, whole).logits[:, -1:])
        cache.crop(-1)
        same(read(model, move, past_key_values=cache).logits, read(model, whole).logits[:, -1:])
        again = model.generate(tokens[:1], past_key_values=copy.deepcopy(kept), max_new_tokens=6)
        assert again.equal(model.generate(tokens[:1], max_new_tokens=6))

    def test_others_are_refused(self, model: XiangqiLM) -> None:
        tokens = TOKENIZER("h2e2", return_tensors="pt")["input_ids"]
        with pytest.raises(ValueError, match="past_key_values must be one that the model returned, not a DynamicCache"):
            model(tokens, past_key_values=DynamicCache())
        cache = read(model, tokens).past_key_values
        with pytest.raises(ValueError, match="2 games go on, but the cache holds 1"):
            model(tokens.repeat(2, 1), past_key_values=cache)

    def test_none_is_made_in_training(self, model: XiangqiLM) -> None:
        tokens = TOKENIZER("h2e2", return_tensors="pt")["input_ids"]
        assert model(tokens, labels=tokens).past_key_values is None
        assert model(tokens, use_cache=False).past_key_values is None


class TestGenerate:
    def test_padding_on_either_side(self, model: XiangqiLM) -> None:
        texts = ["[engine] h2e2 h9g7", "c3c4", text_of(random_game(3, 12))]
        for how in ({"max_new_tokens": 12}, {"max_new_tokens": 12, "num_beams": 2}):
            left, right = (
                model.generate(**TOKENIZER(texts, padding=True, padding_side=side, return_tensors="pt"), **how)
                for side in ("left", "right")
            )
            assert left.equal(right)
            for row, text in zip(left, texts, strict=True):
                alone = model.generate(**TOKENIZER(text, return_tensors="pt"), **how)[0]
                assert row[row != PAD].equal(alone[alone != PAD])

    def test_a_missing_beginning_is_put_there(self, model: XiangqiLM) -> None:
        bare = TOKENIZER("h2e2", add_special_tokens=False, return_tensors="pt")
        expected = model.generate(**TOKENIZER("h2e2", return_tensors="pt"), max_new_tokens=4)
        assert model.generate(**bare, max_new_tokens=4).equal(expected)
        assert model.generate(max_new_tokens=3).shape == (1, 4)

    def test_beams_find_the_likeliest_continuations(self, model: XiangqiLM) -> None:
        """All two-ply continuations, weighed by hand."""
        tokens = TOKENIZER(text_of(random_game(5, 10)), return_tensors="pt")["input_ids"]

        def following(tokens: torch.Tensor) -> torch.Tensor:
            return LegalMoves()(tokens, read(model, tokens).logits[:, -1])

        first = following(tokens)[0]
        chances = {}
        for move in first[: len(MOVES)].isfinite().nonzero().flatten().tolist():
            longer = torch.cat([tokens, torch.tensor([[move]])], 1)
            for reply, chance in enumerate(following(longer)[0, : len(MOVES)].tolist()):
                chances[move, reply] = float(first[move]) + chance
        best = sorted(chances, key=lambda pair: -chances[pair])[:3]
        out = model.generate(
            tokens,
            num_beams=60,
            num_return_sequences=3,
            max_new_tokens=2,
            length_penalty=0.0,
            output_scores=True,
            return_dict_in_generate=True,
        )
        assert [tuple(row[-2:].tolist()) for row in out.sequences] == best
        assert out.sequences_scores.tolist() == pytest.approx([chances[pair] for pair in best], abs=1e-4)

    @pytest.mark.parametrize(
        "how", [{"num_beams": 4}, {"num_beams": 4, "do_sample": True}, {"num_return_sequences": 4, "do_sample": True}]
    )
    def test_beams_play_by_the_rules_to_the_end(self, model: XiangqiLM, how: dict[str, Any]) -> None:
        torch.manual_seed(0)
        batch = TOKENIZER(["h2e2", MATED.rpartition(" ")[0]], padding=True, return_tensors="pt")
        for row in model.generate(**batch, max_new_tokens=20, **how).tolist():
            assert not TokenGame.read(row).illegal

    def test_a_mated_game_among_beams(self, model: XiangqiLM) -> None:
        batch = TOKENIZER(["h2e2", MATED], padding=True, return_tensors="pt")
        rows = model.generate(**batch, max_new_tokens=8, num_beams=4)
        assert rows[1][rows[1] != PAD][-1] == MATE

    def test_it_ends_with_the_context_whatever_is_asked(self) -> None:
        model = small_model(n_context=16)
        tokens = TOKENIZER("h2e2", return_tensors="pt")
        assert model.generate(**tokens, max_new_tokens=99).shape == (1, 16)
        with pytest.raises(UserError, match="no token fits behind 16"):
            model.generate(**TOKENIZER(text_of(random_game(1, 15)), return_tensors="pt"))

    def test_settings_of_the_model_hold(self) -> None:
        """As a folder's ``generation_config.json`` may have them."""
        model, tokens = small_model(), TOKENIZER("h2e2 h9g7", return_tensors="pt")
        likeliest = model.generate(**tokens, max_new_tokens=9)
        model.generation_config.max_length = 12
        assert model.generate(**tokens).equal(likeliest)
        model.generation_config.update(do_sample=True, top_k=1)
        model.end_head.bias.data[0] = 99.0  # the game goes on
        assert model.generate(**tokens).equal(likeliest)
        model.generation_config.update(top_k=None, min_p=0.1)
        with pytest.raises(UserError, match="min_p"):
            model.generate(**tokens)

    def test_strings_to_stop_at_are_refused(self, model: XiangqiLM) -> None:
        """They are looked for in characters, which tokens of moves do not have."""
        with pytest.raises(UserError, match="stop_strings are characters"):
            model.generate(**TOKENIZER("h2e2", return_tensors="pt"), stop_strings=["h9g7"], tokenizer=TOKENIZER)

    def test_a_stream_is_the_text(self, model: XiangqiLM, capsys: pytest.CaptureFixture[str]) -> None:
        tokens = TOKENIZER("h2e2 h9g7", return_tensors="pt")
        streamer = TextStreamer(TOKENIZER, skip_prompt=True, skip_special_tokens=True)
        out = model.generate(**tokens, max_new_tokens=5, streamer=streamer)
        assert capsys.readouterr().out.rstrip("\n") == TOKENIZER.decode(out[0, 3:], skip_special_tokens=True)


class TestPipeline:
    def test_text_goes_on_where_the_prompt_ends(self, folder: Path) -> None:
        generator = pipeline("text-generation", model=str(folder))
        torch.manual_seed(0)
        for prompt in ("h2e2 h9g7", "[engine] [draw] h2e2", "H2-E2 H9-G7", ""):
            (answer,) = generator(prompt, max_new_tokens=12)
            text = answer["generated_text"]
            assert text.startswith(prompt)
            game = TokenGame.read(TOKENIZER(text)["input_ids"])
            assert not game.illegal
            assert game.board.ply == TokenGame.read(TOKENIZER(prompt)["input_ids"]).board.ply + 12

    def test_endings_are_in_the_text(self, folder: Path) -> None:
        generator = pipeline("text-generation", model=str(folder))
        (answer,) = generator(MATED, return_full_text=False)
        assert answer["generated_text"] == " [mate]"

    def test_batches(self, folder: Path) -> None:
        generator = pipeline("text-generation", model=str(folder), batch_size=3)
        prompts = ["h2e2", "[engine] h2e2 h9g7 h0g2", "c3c4 g6g5"]
        together = generator(prompts, max_new_tokens=6, do_sample=False)
        alone = [generator(prompt, max_new_tokens=6, do_sample=False) for prompt in prompts]
        assert together == alone

    def test_a_model_of_characters_too(self, tmp_path: Path) -> None:
        new_model(1, 2, 16).save_pretrained(tmp_path)
        char_tokenizer().save_pretrained(tmp_path)
        torch.manual_seed(0)
        (answer,) = pipeline("text-generation", model=str(tmp_path))("H2-E2 h9g7", min_new_tokens=8, max_new_tokens=8)
        assert answer["generated_text"].startswith("H2-E2 h9g7")
        assert len(TOKENIZER(answer["generated_text"][:5])["input_ids"]) == 2
        assert char_tokenizer()(answer["generated_text"])["attention_mask"] == [1] * (1 + 8 + 8)


class TestAuto:
    def test_the_configuration_speaks_for_itself(self, folder: Path) -> None:
        config = AutoConfig.from_pretrained(folder)
        assert (config.vocab_size, config.max_position_embeddings) == (VOCABULARY, 160)
        assert (config.num_hidden_layers, config.num_attention_heads, config.hidden_size) == (2, 2, 32)
        assert (config.bos_token_id, config.pad_token_id, config.eos_token_id) == (BOS, PAD, PAD)
        assert json.loads((folder / "config.json").read_text())["vocab_size"] == VOCABULARY
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert (len(tokenizer), tokenizer.model_max_length) == (VOCABULARY, 160)

    def test_the_shipped_folder(self) -> None:
        config, tokenizer = (x.from_pretrained(data_path("model")) for x in (AutoConfig, AutoTokenizer))
        assert isinstance(tokenizer, XiangqiTokenizer)
        assert (config.vocab_size, config.max_position_embeddings) == (len(tokenizer), tokenizer.model_max_length)
        assert tokenizer.get_vocab() == TOKENIZER.get_vocab()
        assert tokenizer("[Red Wins] H2-E2")["input_ids"] == TOKENIZER("[red wins] h2e2")["input_ids"]

    def test_the_states_alone(self, model: XiangqiLM, folder: Path) -> None:
        bare = AutoModel.from_pretrained(folder).eval()
        assert isinstance(bare, XiangqiModel)
        batch = TOKENIZER(TEXTS, padding=True, return_tensors="pt")
        with torch.inference_mode():
            out = bare(**batch)
            longer = bare(**batch, output_hidden_states=True, output_attentions=True)
        expected = read(model, batch["input_ids"], output_hidden_states=True)
        same(out.last_hidden_state, expected.hidden_states[-1])
        same(longer.hidden_states[0], expected.hidden_states[0])
        assert len(longer.attentions) == 2
        assert bare(**batch, return_dict=False)[0].shape == out.last_hidden_state.shape

    @pytest.mark.parametrize(
        "order",
        [
            "import lm, transformers",
            pytest.param("import transformers, lm", marks=pytest.mark.slow),
        ],
    )
    def test_the_package_is_all_that_loading_takes(self, order: str, folder: Path) -> None:
        """In a fresh process: no module of ours is imported, and no code of the folder."""
        code = (
            f"{order}\nfor name in ('AutoModelForCausalLM', 'AutoModel', 'AutoTokenizer', 'AutoConfig'):\n"
            f"    print(type(getattr(transformers, name).from_pretrained({str(folder)!r})).__name__)"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert found.split() == ["XiangqiLM", "XiangqiModel", "XiangqiTokenizer", "XiangqiConfig"]
        assert not list(folder.glob("*.py"))
        assert all("auto_map" not in file.read_text() for file in folder.glob("*config.json"))

    def test_saved_and_loaded_it_says_the_same(self, model: XiangqiLM, folder: Path, tmp_path: Path) -> None:
        batch = TOKENIZER(TEXTS, padding=True, return_tensors="pt")
        AutoModel.from_pretrained(folder).save_pretrained(tmp_path / "bare")
        AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path / "whole")
        expected = read(model, batch["input_ids"]).logits
        for name in ("bare", "whole"):
            loaded = AutoModelForCausalLM.from_pretrained(tmp_path / name).eval()
            same(read(loaded, batch["input_ids"]).logits, expected)
            assert set(loaded.generation_config.eos_token_id) == {PAD, *range(MATE, VOCABULARY)}
        half = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
        assert half.generate(**batch, max_new_tokens=3).shape[1] <= batch["input_ids"].shape[1] + 3

    @pytest.mark.parametrize("start", ["new", "foreign"])
    def test_a_model_of_characters_ends_where_it_should(self, start: str, tmp_path: Path) -> None:
        """A checkpoint's settings are about tokens of its own, whose numbers mean characters here."""
        model = new_model(1, 2, 16)
        if start == "foreign":
            old = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=16, n_positions=64, vocab_size=50))
            old.generation_config.eos_token_id = old.generation_config.pad_token_id = 2
            old.generation_config.suppress_tokens = [9]
            old.save_pretrained(tmp_path)
            model = start_from(tmp_path)
        settings = model.generation_config
        assert (settings.bos_token_id, settings.pad_token_id, settings.eos_token_id) == (CHAR_BOS, CHAR_PAD, CHAR_PAD)
        assert settings.suppress_tokens is None


def train(model: Any, games: Any, folder: Path, **settings: Any) -> Trainer:
    arguments = TrainingArguments(
        str(folder),
        **({"num_train_epochs": 4, "learning_rate": 3e-3, "per_device_train_batch_size": 4} | settings),
        save_strategy="no",
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        seed=1,
    )
    collator = DataCollatorForLanguageModeling(TOKENIZER, mlm=False)
    trainer = Trainer(
        model, arguments, train_dataset=games, eval_dataset=games, data_collator=collator, processing_class=TOKENIZER
    )
    trainer.train()
    return trainer


def losses(trainer: Trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.fixture
def games() -> Any:
    """Games as texts in a dataset of Hugging Face's datasets, tokenized in the usual way."""
    datasets = pytest.importorskip("datasets")
    texts = [f"[human] {text_of(random_game(seed, 20 + seed))} [red resigns]" for seed in range(8)]
    table = datasets.Dataset.from_dict({"text": texts, "source": ["made"] * 8})
    return table.map(lambda row: TOKENIZER(row["text"], truncation=True), batched=True)


class TestTraining:
    def test_a_trainer_learns_games(self, games: Any, tmp_path: Path) -> None:
        trainer = train(small_model(), games, tmp_path)
        assert losses(trainer)[-1] < losses(trainer)[0] - 0.5
        assert trainer.evaluate()["eval_loss"] < losses(trainer)[0] - 0.5
        trainer.save_model(tmp_path / "saved")
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "saved").eval()
        tokens = TOKENIZER("h2e2", return_tensors="pt")["input_ids"]
        same(read(loaded, tokens).logits, read(trainer.model.eval(), tokens).logits)
        assert set(loaded.generation_config.eos_token_id) == {PAD, *range(MATE, VOCABULARY)}
        assert AutoTokenizer.from_pretrained(tmp_path / "saved")("h2e2")["input_ids"] == [BOS, 576]

    def test_accumulated_steps_are_those_of_a_whole_batch(self, games: Any, tmp_path: Path) -> None:
        whole, parts = (
            train(
                small_model(),
                games,
                tmp_path,
                num_train_epochs=1,
                per_device_train_batch_size=8 // n,
                gradient_accumulation_steps=n,
            )
            for n in (1, 4)
        )
        assert losses(parts) == pytest.approx(losses(whole), rel=1e-2)
        for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=2e-3, rtol=0)

    def test_half_precision(self, games: Any, tmp_path: Path) -> None:
        whole, half = (train(small_model(), games, tmp_path, num_train_epochs=1, bf16=bf16) for bf16 in (False, True))
        assert losses(half) == pytest.approx(losses(whole), rel=0.02)

    @pytest.mark.parametrize("reentrant", [True, False])
    def test_checkpointed_gradients_are_the_same(self, reentrant: bool) -> None:
        batch = TOKENIZER(TEXTS, padding=True, return_tensors="pt")
        gradients, calls = [], []
        for checkpointed in (False, True):
            model = small_model().train()
            if checkpointed:
                model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            hook = model.blocks[0].up.register_forward_pre_hook(lambda *_: calls.append(1))
            model(**batch, labels=batch["input_ids"]).loss.backward()
            hook.remove()
            gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
        assert len(calls) == 1 + 2  # read again for the gradient
        assert gradients[0].keys() == gradients[1].keys()
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradients[1][name], gradient)

    def test_a_trainer_with_checkpointing(self, games: Any, tmp_path: Path) -> None:
        plain, checkpointed = (
            train(small_model(), games, tmp_path, num_train_epochs=1, gradient_checkpointing=choice)
            for choice in (False, True)
        )
        assert losses(checkpointed) == pytest.approx(losses(plain), rel=1e-3)

    def test_lora(self, games: Any, tmp_path: Path) -> None:
        peft = pytest.importorskip("peft")
        base = small_model()
        before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
        config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["qkv", "proj", "up", "down", "move_head"])
        adapted = peft.get_peft_model(base, config)
        trainer = train(adapted, games, tmp_path, learning_rate=2e-2)
        assert losses(trainer)[-1] < losses(trainer)[0] - 0.2
        trained = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
        assert trained
        assert all("lora" in name for name in trained)
        adapted.save_pretrained(tmp_path / "adapter")
        tokens = TOKENIZER(TEXTS, padding=True, return_tensors="pt")
        adapted.eval()
        expected = read(adapted, tokens["input_ids"]).logits
        fresh = small_model()
        for name, tensor in fresh.state_dict().items():
            assert tensor.equal(before[name])
        loaded = peft.PeftModel.from_pretrained(fresh, tmp_path / "adapter").eval()
        same(read(loaded, tokens["input_ids"]).logits, expected)
        game = loaded.generate(**TOKENIZER("h2e2", return_tensors="pt"), max_new_tokens=6)
        merged = loaded.merge_and_unload()
        assert isinstance(merged, XiangqiLM)
        same(read(merged, tokens["input_ids"]).logits, expected)
        assert merged.generate(**TOKENIZER("h2e2", return_tensors="pt"), max_new_tokens=6).equal(game)
