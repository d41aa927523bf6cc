from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BertConfig,
    BertLMHeadModel,
    BloomConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForCausalLM,
)

from lm import UserError
from lm.dataset.records import UNKNOWN
from lm.dataset.shards import Shard
from lm.measure.evaluate import evaluate
from lm.model.char import MOVE_CHARS, first_position, longest_game, new_model, reading_config, start_from, text_of
from lm.model.encoding import Encoder, GameMoves
from lm.model.loading import load_any_model, load_model
from lm.model.pretrained_config import XiangqiConfig
from lm.model.sampling import softmax
from lm.model.tokenizer import char_tokenizer, move_tokenizer
from lm.model.vocabulary import CHARS
from lm.players.char_policy import CharEvaluator, score_games
from lm.players.char_process import CharProcess
from lm.players.player import PlayerError
from lm.players.specs import load_player
from lm.training.char_batches import CharBatches
from lm.training.presets import Preset
from lm.training.run import train
from small import random_game
from xiangqi import MOVES, Board

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def gpt2(vocabulary: int = 50) -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=700, vocab_size=vocabulary))


def bert() -> PreTrainedModel:
    return BertLMHeadModel(BertConfig(vocab_size=50, max_position_embeddings=700, **TINY))


def roberta() -> PreTrainedModel:
    return RobertaForCausalLM(RobertaConfig(vocab_size=50, max_position_embeddings=700, pad_token_id=1, **TINY))


TEXTS = reading_config(new_model(1, 2, 16))
MAKERS = {"gpt2": gpt2, "bert": bert, "roberta": roberta}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Models so small only wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=list(MAKERS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedModel:
    """A character model that started from a checkpoint of each kind, with weights that matter."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    MAKERS[request.param]().save_pretrained(folder)
    loaded = start_from(folder).eval()
    for parameter in loaded.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return loaded


def by_hand(model: PreTrainedModel, board: Board) -> np.ndarray:
    """Score every legal move as in 2020: read the game anew with each of them at its end."""
    played = text_of(np.array([m.index for m in board.move_stack], np.int16))
    texts = np.stack([np.append(played, MOVE_CHARS[m]) for m in board.legal_move_indices()])
    with torch.inference_mode():
        logp = model(torch.from_numpy(texts)).logits.log_softmax(-1)
    asked = torch.from_numpy(texts[:, -4:, None])
    return logp[:, -5:-1].gather(2, asked).sum((1, 2)).numpy()


def greedy(model: PreTrainedModel, board: Board) -> str:
    """Return the likeliest characters, one after the other."""
    text = text_of(np.array([m.index for m in board.move_stack], np.int16)).tolist()
    with torch.inference_mode():
        for _ in range(4):
            text.append(int(model(torch.tensor([text])).logits[0, -1].argmax()))
    return "".join(CHARS[i] for i in text[-4:])


class TestTokenizers:
    @pytest.mark.parametrize("config", [None, GPT2Config(), BertConfig(), XiangqiConfig()])
    @pytest.mark.parametrize("make", [char_tokenizer, move_tokenizer])
    def test_load_from_a_folder(self, make: type, config: object, tmp_path: Path) -> None:
        """Also beside a model, whose kind names another tokenizer."""
        made = make()
        made.save_pretrained(tmp_path)
        if isinstance(config, GPT2Config | BertConfig | XiangqiConfig):
            config.save_pretrained(tmp_path)
        for loaded in (AutoTokenizer.from_pretrained(tmp_path), PreTrainedTokenizerFast.from_pretrained(tmp_path)):
            ids = made("h2e2 h9g7")["input_ids"]
            assert loaded("h2e2 h9g7")["input_ids"] == ids
            assert loaded.decode(ids, skip_special_tokens=True).replace(" ", "") == "h2e2h9g7"
            assert (loaded.pad_token_id, loaded.bos_token_id) == (made.pad_token_id, made.bos_token_id)
            assert len(loaded) == len(made)

    def test_every_move_is_its_characters(self) -> None:
        tokenizer = char_tokenizer()
        games = tokenizer([" ".join(m.iccs for m in MOVES), "".join(m.iccs for m in MOVES)])["input_ids"]
        assert games[0] == games[1] == text_of(np.arange(len(MOVES), dtype=np.int16)).tolist()
        assert len(tokenizer) == len(CHARS) == 21


class TestScores:
    @pytest.mark.parametrize("plies", [0, 1, 37, 120])
    def test_are_those_of_reading_the_game_for_every_move(self, model: PreTrainedModel, plies: int) -> None:
        board = random_game(plies, plies)
        found = CharEvaluator(model)([board])[0]
        assert found.moves == [MOVES[i] for i in board.legal_move_indices()]
        np.testing.assert_allclose(found.scores, by_hand(model, board), atol=1e-4)
        assert len(set(found.scores.tolist())) > len(found.scores) / 2

    def test_whatever_was_read_before(self, model: PreTrainedModel) -> None:
        """Games that go on, go back, branch, and are more than can be remembered."""
        evaluator, chance = CharEvaluator(model, slots=2), np.random.default_rng(0)
        games = [random_game(seed, 40) for seed in range(3)]
        games.append(Board.from_moves(games[0].move_stack[:30] + random_game(0, 30).legal_moves[:1]))
        for _ in range(12):
            boards = [games[i].copy() for i in chance.choice(len(games), 2)]
            for board in boards:
                for _ in range(int(chance.integers(6)) * int(chance.integers(6))):
                    board.pop()
            for board, found in zip(boards, evaluator(boards), strict=True):
                np.testing.assert_allclose(found.scores, by_hand(model, board), atol=1e-4)
        assert len(evaluator._readings) == 2

    def test_a_game_that_goes_on_is_not_read_again(self, model: PreTrainedModel) -> None:
        evaluator, read = CharEvaluator(model), []
        hook = model.register_forward_pre_hook(lambda _, arguments: read.append(arguments[0].shape[1]))
        board = Board()
        for move in random_game(1, 40).move_stack:
            evaluator([board])
            board.push(move)
        hook.remove()
        assert len(read) == 40
        assert max(read[1:]) < 4 + 120  # the opponent's move was read with ours: nodes of the trie are the rest
        assert sum(len(r.moves) for r in evaluator._readings) == 39

    def test_a_game_too_long_to_be_read_is_read_from_its_middle(self) -> None:
        model = new_model(1, 2, 16, plies=20)
        board = random_game(3, 60)
        assert np.isfinite(CharEvaluator(model)([board])[0].scores).all()


class TestProcess:
    """A player whose model reads characters thinks in another process."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        new_model(1, 2, 16).save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    def test_it_says_what_the_model_says(self, folder: Path) -> None:
        boards = [random_game(seed, 12) for seed in range(2)]
        evaluator = CharProcess(folder)
        try:
            for found, same in zip(evaluator(boards), CharEvaluator(load_any_model(folder))(boards), strict=True):
                assert found.moves == same.moves
                np.testing.assert_allclose(found.scores, same.scores, atol=1e-5)
            evaluator._process.kill()
            with pytest.raises(PlayerError, match="process has ended"):
                evaluator(boards)
        finally:
            evaluator.close()

    @pytest.mark.slow
    def test_a_damaged_model_is_named(self, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"")
        with pytest.raises(UserError, match=f"damaged model in {folder}"):
            CharProcess(folder)

    def test_without_torch_it_says_how_to_get_it(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lm.find_spec", lambda package: None)
        with pytest.raises(UserError, match=r"^this needs torch: .*pip install .*\[torch\]") as error:
            load_player(f"lm:model={folder}")
        assert "\n" not in str(error.value)


class TestStart:
    @pytest.mark.parametrize("kind", MAKERS)
    def test_all_but_the_embeddings_are_the_checkpoints(self, kind: str, tmp_path: Path) -> None:
        old = MAKERS[kind]()
        old.save_pretrained(tmp_path)
        new = start_from(tmp_path)
        assert new.config.is_decoder
        assert new.get_input_embeddings().weight.shape == (len(CHARS), 32)
        before, differ = old.state_dict(), set()
        for name, weight in new.state_dict().items():
            if weight.shape != before[name].shape or not torch.equal(weight, before[name]):
                differ.add(name.split(".")[-2])
        assert differ <= {"wte", "word_embeddings", "lm_head", "decoder", "predictions"}
        assert (first_position(new), longest_game(new)) == ((1, 174) if kind == "roberta" else (0, 175))

    def test_characters_that_the_checkpoint_knows_keep_their_embeddings(self, tmp_path: Path) -> None:
        old = gpt2(vocabulary=len(MOVES) + 2)
        old.save_pretrained(tmp_path)
        tokenizer = move_tokenizer()
        tokenizer.add_tokens(list(CHARS[2:]))
        old.resize_token_embeddings(len(tokenizer))
        old.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        kept = start_from(tmp_path).get_input_embeddings().weight[2:]
        assert torch.equal(kept, old.get_input_embeddings().weight[-19:])

    def test_one_of_ours_goes_on_whole(self, tmp_path: Path) -> None:
        old = new_model(1, 2, 16)
        old.save_pretrained(tmp_path)
        after = start_from(tmp_path).state_dict()
        assert all(torch.equal(weight, after[name]) for name, weight in old.state_dict().items())

    @pytest.mark.parametrize("damage", ["gone", "config", "weights"])
    def test_what_is_no_checkpoint_is_named(self, damage: str, tmp_path: Path) -> None:
        folder = tmp_path / "checkpoint"
        if damage != "gone":
            gpt2().save_pretrained(folder)
            (folder / {"config": "config.json", "weights": "model.safetensors"}[damage]).write_text("{")
        with pytest.raises(UserError, match="checkpoint"):
            start_from(folder)

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            (
                GPTNeoConfig(hidden_size=32, num_layers=2, num_heads=2, attention_types=[[["global"], 2]]),
                "arbitrary attention masks",
            ),
            (BloomConfig(hidden_size=32, n_layer=1, n_head=2), "no fixed context length"),
            (XiangqiConfig(n_layer=1, n_head=1, n_embd=8, n_query=8), "it reads positions, not characters"),
        ],
    )
    def test_so_is_one_that_cannot_be_used(self, config: PreTrainedConfig, reason: str, tmp_path: Path) -> None:
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
        with pytest.raises(UserError, match=f"cannot start from {tmp_path}: .*{reason}"):
            start_from(tmp_path)


class TestEvaluation:
    def test_a_game_at_once_is_scored_as_position_by_position(self, model: PreTrainedModel) -> None:
        games = [random_game(seed, 3 + 17 * seed) for seed in range(2)]
        lines = [GameMoves.of(game) for game in games]
        features = Encoder([], ["move"])(lines)
        scores, legal, mass = score_games(model, lines, features)
        place = 0
        for game in games:
            for ply in range(game.ply + 1):
                board = Board.from_moves(game.move_stack[:ply])
                order = np.argsort(features.moves(place))
                expected = by_hand(model, board)[np.argsort(board.legal_move_indices())]
                np.testing.assert_allclose(scores[place, : len(order)][order], expected, atol=1e-4)
                assert not torch.isfinite(scores[place, len(order) :]).any()
                assert mass[place] == pytest.approx(np.exp(expected).sum(), abs=1e-4)
                assert legal[place] == (greedy(model, board) in {move.iccs for move in board.legal_moves})
                place += 1
        assert place == len(scores)

    def test_figures(self) -> None:
        model, game = new_model(1, 2, 16).eval(), random_game(1, 12)
        found = evaluate(model, [GameMoves.of(game)], [2])
        report = found.report(samples=2)
        assert report.plies == 12
        assert report.value_brier is None
        assert 0 < report.legal_mass < 0.01  # a model that knows nothing
        board, nll = Board(), []
        for move in game.move_stack:
            nll.append(-np.log(softmax(by_hand(model, board).astype(np.float64))[board.legal_moves.index(move)]))
            board.push(move)
        assert report.nll == pytest.approx(np.mean(nll), abs=0.05)  # half the bits


class TestPlayer:
    def test_a_folder_is_a_player(self, tmp_path: Path) -> None:
        model = new_model(1, 2, 16)
        model.save_pretrained(tmp_path)
        player = load_player(f"lm:model={tmp_path},temperature=0")
        board = random_game(1, 10)
        choice = player.choose([board])[0]
        scores = by_hand(model.eval(), board)
        assert choice.move == board.legal_moves[int(scores.argmax())] == choice.candidates[0][0]
        assert choice.value is None
        assert sum(chance for _, chance in choice.candidates) == pytest.approx(1)

    def test_where_the_board_must_be_seen_it_is_refused(self, tmp_path: Path) -> None:
        new_model(1, 2, 16).save_pretrained(tmp_path)
        with pytest.raises(UserError, match="characters"):
            load_model(tmp_path)

    def test_a_stranger_is_refused(self, tmp_path: Path) -> None:
        gpt2().save_pretrained(tmp_path)
        with pytest.raises(UserError, match="neither"):
            load_any_model(tmp_path)


def shard_of(*games: Board, tier: str = "master", best: np.ndarray | None = None, held_out: int = 0) -> Shard:
    """Return a shard of games, of which the last are held out: for validation and testing by turns."""
    moves = [np.array([move.index for move in game.move_stack], np.int16) for game in games]
    plies, zeros = sum(map(len, moves)), np.zeros(len(games), np.uint8)
    return Shard(
        moves=np.concatenate(moves),
        best=np.full(plies, -1, np.int16) if best is None else best,
        expected=np.full(plies, 255, np.uint8),
        offsets=np.cumsum([0, *map(len, moves)]),
        results=np.full(len(games), UNKNOWN, np.int8),
        splits=np.concatenate([zeros[held_out:], np.arange(held_out, dtype=np.uint8) % 2 + 1]),
        sources=zeros,
        tiers=zeros,
        weighed_counts=np.zeros(plies, np.uint8),
        weighed_offsets=np.zeros(len(games) + 1, np.int64),
        weighed_moves=np.zeros(0, np.int16),
        weighed_expected=np.zeros(0, np.uint16),
        weighed_shares=np.zeros(0, np.uint16),
        meta={
            "tiers": [tier],
            "sources": ["nowhere"],
            "starts": {},
            "files": ["nowhere"],
            "games": len(games),
            "plies": plies,
            "weighed": 0,
            "fingerprint": "of games",
        },
    )


class TestTraining:
    def test_two_games_are_learned_by_heart(self) -> None:
        torch.manual_seed(0)
        games = [random_game(seed, 24) for seed in (1, 2)]
        model, steps = new_model(2, 2, 64, plies=40), 180
        batches = CharBatches([shard_of(*games)], reading_config(model), 80, steps, seed=1)
        for parameter in model.parameters():
            parameter.data *= (
                5 if parameter.ndim > 1 else 1
            )  # so small a model that starts so near zero is slow to look back
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for step in range(steps):
            loss = model(**batches[step]).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            slower.step()
        assert loss.item() < 0.8  # of four characters
        report = evaluate(model, [GameMoves.of(game) for game in games], [UNKNOWN] * 2).report(samples=2)
        assert report.top1 > 0.9
        assert report.legal_argmax > 0.9
        assert report.legal_mass > 0.8

    def test_texts_are_those_of_the_games_or_their_mirror_images(self) -> None:
        games = [random_game(seed, 30 + seed) for seed in range(4)]
        batches = CharBatches([shard_of(*games)], TEXTS, 1000, 40, seed=3)
        texts = {text_of(GameMoves.of(game).moves).tobytes() for game in games}
        mirrored = {text_of(GameMoves.of(game).mirror().moves).tobytes() for game in games}
        seen = set()
        for step in range(20, 40):
            batch = batches[step]
            for row, labels in zip(batch["input_ids"].numpy(), batch["labels"].numpy(), strict=True):
                text = row[: 1 + np.flatnonzero(row != 1)[-1]]
                assert (labels[1 : len(text)] == text[1:]).all()
                assert (labels[len(text) :] == -100).all()
                seen.add(text.tobytes())
            assert 4 * batch["num_items_in_batch"] == (batch["labels"] != -100).sum()
        assert seen == texts | mirrored

    def test_early_steps_read_beginnings(self) -> None:
        batches = CharBatches([shard_of(random_game(0, 100))], TEXTS, 1000, 20, seed=3)
        plies = [(batches[step]["input_ids"].shape[1] - 1) // 4 for step in range(20)]
        assert plies == [16] * 2 + [32] * 2 + [64] * 4 + [100] * 12

    def test_random_moves_of_engines_are_not_learned(self) -> None:
        game = random_game(0, 30)
        best = np.array([move.index for move in game.move_stack], np.int16)
        best[:7] = 0
        batch = CharBatches([shard_of(game, tier="engine", best=best)], TEXTS, 99, 1, seed=3).encode(0)
        learned = CharBatches([shard_of(game, tier="engine", best=best)], TEXTS, 99, 9, seed=3).encode(8)
        assert int((batch["labels"] != -100).sum()) == 4 * (16 - 7)
        assert int((learned["labels"] != -100).sum()) == 4 * (30 - 7)
        assert (learned["labels"][0, : 1 + 4 * 7] == -100).all()

    def test_parts_add_up(self) -> None:
        model = new_model(1, 2, 16)
        shard = shard_of(*(random_game(seed, 20 + seed) for seed in range(5)))
        whole = CharBatches([shard], TEXTS, 1000, 9, seed=3)[8]
        parts = CharBatches([shard], TEXTS, 1000, 9, seed=3, parts=7)
        losses = [model(**parts.encode(8 * 7 + part)).loss.item() for part in range(7)]
        assert sum(losses) == pytest.approx(model(**whole).loss.item(), abs=1e-4)

    @pytest.mark.parametrize("start", ["new", pytest.param("bert", marks=pytest.mark.slow)])
    def test_a_run_ends_in_a_player(self, start: str, tmp_path: Path) -> None:
        shard = shard_of(*(random_game(seed, 25) for seed in range(10)), held_out=4)
        if start != "new":
            MAKERS[start]().save_pretrained(tmp_path / "start")
        init_from = None if start == "new" else tmp_path / "start"
        preset = Preset(1, 2, 32, plies=1500, batch_plies=100, part_plies=50, warmup=2)
        folder = train([shard], tmp_path / "run", preset, tokens="char", init_from=init_from, progress=False)
        figures = json.loads((folder / "metrics.json").read_text())
        assert figures["test"]["human"]["plies"] == 2 * 25
        assert figures["loss"] == pytest.approx(figures["policy_loss"], rel=1e-3)
        assert figures["policy_loss"] < 4 * np.log(len(CHARS))
        assert (figures["layers"], figures["width"]) == ((1, 32) if start == "new" else (2, 32))
        assert "2020" in (folder / "README.md").read_text()
        assert AutoTokenizer.from_pretrained(folder)("h2e2")["input_ids"] == char_tokenizer()("h2e2")["input_ids"]
        board = random_game(1, 10)
        assert load_player(f"lm:model={folder}").choose([board])[0].move in board.legal_moves
        with pytest.raises(UserError, match="tokens"):
            train([shard], tmp_path / "run", preset, init_from=init_from, progress=False)

    def test_other_tokens_are_refused(self, tmp_path: Path) -> None:
        shard = shard_of(random_game(0, 20))
        with pytest.raises(UserError, match="word"):
            train([shard], tmp_path / "run", Preset(1, 2, 16, plies=100), tokens="word", progress=False)
        assert not (tmp_path / "run").exists()
