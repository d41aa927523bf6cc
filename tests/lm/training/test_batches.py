from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lm import UserError
from lm.dataset.records import Record
from lm.dataset.shards import Shard, build
from lm.model import losses
from lm.model.encoding import Encoder
from lm.model.loading import network_of
from lm.model.pretrained_config import XiangqiConfig
from lm.model.prompts import Aim, End, Prompt, Source, Strength, Voice
from lm.players.policy import Evaluator
from lm.training.batches import GameBatches, Lessons, Targets, tensors
from runs import GIDS
from small import random_game, small_model
from xiangqi import BLACK, MOVES, RED, Board, Game, save

CONFIG = XiangqiConfig(n_layer=1, n_head=1, n_embd=8)


class TestBatches:
    def test_an_epoch_reads_every_training_game_once(self, shard: Shard) -> None:
        batches = GameBatches([shard, shard], CONFIG, 700, 100, seed=3)
        for epoch in range(2):
            steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
            read = np.concatenate([batches.games(step)[0] for step in steps]).tolist()
            assert sorted(read) == list(range(2 * len(shard.games("train"))))
        n = batches.per_epoch
        assert any(batches.games(step)[0].tolist() != batches.games(n + step)[0].tolist() for step in range(n))

    def test_no_held_out_game_is_read_mirrored_or_not(self, shard: Shard) -> None:
        numbers = [*shard.games("validation").tolist(), *shard.games("test").tolist()]
        held = {Record(np.array(shard.game_moves(game).moves)).identity() for game in numbers}
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        read = set()
        for step in range(batches.per_epoch):
            for source, game in batches.places(batches.games(step)[0]):
                read.add(Record(np.array(source.game_moves(game).moves)).identity())
        assert len(held) == 3
        assert len(read) == 57
        assert not held & read

    def test_half_are_mirrored(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        flips = np.concatenate([batches.games(step)[1] for step in range(100)])
        assert 0.4 < flips.mean() < 0.6
        game = {step: dict(zip(*map(np.ndarray.tolist, batches.games(step)), strict=True)) for step in range(100)}
        seen = {flipped for step in game.values() for number, flipped in step.items() if number == 5}
        assert seen == {False, True}

    @pytest.mark.parametrize("parts", [1, 3])
    def test_an_item_depends_on_seed_and_number_alone(self, shard: Shard, parts: int) -> None:
        batches = GameBatches([shard], CONFIG, 700, 30, seed=3, parts=parts, threads=2)
        again = GameBatches([shard], CONFIG, 700, 30, seed=3, parts=parts)
        other = GameBatches([shard], CONFIG, 700, 30, seed=4, parts=parts)
        late = {i: again.encode(i) for i in reversed(range(20))}
        for i in range(20):
            item = batches[i]
            assert all(torch.equal(item[name].nan_to_num(), late[i][name].nan_to_num()) for name in late[i])
        assert not all(torch.equal(other[i]["inputs"], late[i]["inputs"]) for i in range(20))

    def test_processes_share_no_game_and_leave_none_out(self, shard: Shard) -> None:
        whole = GameBatches([shard], CONFIG, 700, 9, seed=3)
        for step in range(9):
            parts = GameBatches([shard], CONFIG, 700, 9, seed=3, parts=3)
            items = [parts.encode(3 * step + part) for part in range(3)]
            together = whole.encode(step)
            assert torch.cat([item["lengths"] for item in items]).tolist() == together["lengths"].tolist()
            assert torch.equal(torch.cat([item["inputs"] for item in items]), together["inputs"])
            assert all(torch.equal(item["counts"], together["counts"]) for item in items)
            assert together["counts"].tolist() == [
                len(together["labels"]),
                len(together["checked"]),
                int((together["wdl"] >= 0).sum()),
                int((~together["expected"].isnan()).sum()),
                int((together["ends"] >= 0).sum()),
                int((together["replies"] >= 0).sum()),
            ]

    def test_a_reply_is_the_move_that_leads_to_the_ply_after_the_next(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 700, 9, seed=3)
        told = 0
        for step in range(9):  # turned and mirrored as the mover sees it, who is to move again then
            item = batches.encode(step)
            led = item["inputs"][item["input_starts"].long()]
            ends = item["lengths"].cumsum(0)
            for start, end in zip((ends - item["lengths"]).tolist(), ends.tolist(), strict=True):
                replies = item["replies"][start:end]
                known = replies[:-2] >= 0
                assert torch.equal(replies[:-2][known], led[start + 2 : end][known].long())
                assert (replies[-2:] < 0).all()
                told += int(known.sum()) / max(1, end - start - 2)
        assert 0.4 < told / sum(len(batches.games(step)[0]) for step in range(9)) < 0.6

    def test_steps_are_of_about_the_size_asked_for(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        sizes = np.diff([batches.plies(step) for step in range(100)])
        assert sizes.min() > 300
        assert sizes.max() < 1200
        assert batches.plies(batches.per_epoch) == sum(
            len(shard.game_moves(int(g)).moves) + 1 for g in shard.games("train")
        )
        assert batches.plies(10**12 * batches.per_epoch) == 10**12 * batches.plies(batches.per_epoch)
        assert batches.plies(7) == sum(int(batches.encode(i)["lengths"].sum()) for i in range(7))

    def test_long_games_are_cut(self, shard: Shard) -> None:
        batches = GameBatches([shard], XiangqiConfig(n_layer=1, n_head=1, n_embd=8, n_context=20), 700, 9, seed=3)
        assert int(batches.encode(0)["lengths"].max()) == 19

    def test_the_parts_add_up(self, shard: Shard) -> None:
        """More parts than games too: the ones left over read something and learn nothing."""
        model = small_model(n_context=512, replies=True).train()
        gradients, values = [], []
        for parts in (1, 2, 40):
            batches = GameBatches([shard], model.config, 700, 4, seed=3, parts=parts)
            model.zero_grad()
            items = [batches.encode(parts * 2 + part) for part in range(parts)]
            outs = [model(**item) for item in items]
            sum(out.loss for out in outs).backward()
            values.append([sum(getattr(out, name).item() for out in outs) for name in ("loss", "value_loss")])
            gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        for value, gradient in zip(values[1:], gradients[1:], strict=True):
            assert value == pytest.approx(values[0], rel=1e-5)
            assert torch.allclose(gradient, gradients[0], atol=1e-6)

    def test_without_counts_a_batch_is_the_whole(self, shard: Shard) -> None:
        model = small_model(n_context=512)
        item = GameBatches([shard], model.config, 700, 4, seed=3).encode(1)
        with torch.no_grad():
            assert float(model(**item).loss) == pytest.approx(float(model(**{**item, "counts": None}).loss))

    def test_the_curriculum_hears_of_it_a_step_later(self, shard: Shard) -> None:
        """The step after the last one done may be encoded already, so it goes by the first guess however it is met."""
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        batches[4]
        batches.settle(20, known=4)
        assert [batches.progress(step) for step in (3, 4, 5, 10)] == [0.03, 0.04, 0.25, 0.5]
        assert set(batches._encoded) == set()

    def test_nothing_to_train_on(self, shard: Shard) -> None:
        empty = replace(shard, splits=np.ones_like(shard.splits))
        with pytest.raises(UserError, match="no training games"):
            GameBatches([empty], CONFIG, 700, 9, seed=3)

    @pytest.mark.parametrize("rot", [-7, 2086, 9999, 5])
    def test_a_corrupt_shard_is_noticed(self, shard: Shard, rot: int) -> None:
        moves = np.array(shard.moves)
        moves[int(shard.offsets[50]) + 4] = rot if rot != 5 else moves[int(shard.offsets[50]) + 2]
        moves[int(shard.offsets[10]) + 4] = moves[int(shard.offsets[10]) + 2]  # a move twice cannot be
        batches = GameBatches([replace(shard, moves=moves)], CONFIG, 700, 9, seed=3)
        with pytest.raises(UserError, match=rf"damaged shard {shard.path}: game \d+ of .*games\.pgn"):
            list(map(batches.encode, range(9)))


def recorded(folder: Path, *games: Game) -> Shard:
    """A shard of games, in their order."""
    for number, game in enumerate(games):
        game.headers["Gid"] = str(GIDS[3 + number])
    save(games, folder / "recorded.pgn")
    build([folder / "recorded.pgn"], folder / "recorded")
    return Shard.open(folder / "recorded")


def played(board: Board, result: str, **headers: str) -> Game:
    return Game.from_board(board, {"Result": result, "Tier": "master"} | headers)


def lessons_of(shard: Shard, longest: int = 100, asked: bool = False, mirror: bool = False) -> dict[str, torch.Tensor]:
    """What is taught of all games of a shard, in their order."""
    games = [(shard, game) for game in range(len(shard.results))]
    lessons = Lessons.of(games, longest, np.full((len(games), 3), asked))
    return tensors(Encoder(CONFIG.input_groups, CONFIG.candidate_groups), lessons, np.full(len(games), mirror))


MATED = Board.from_moves("h2e2 i6i5 e2e6 i5i4 b2b4 i4i3 b4e4")
"""Black is mated by two cannons on the file of his king."""
BLACK_BEGINS = "3k5/9/9/r3P4/9/9/6C2/R8/9/4K4 b - - 0 1"


class TestSeeds:
    """Another seed reads the games in another order, mirrors others and tells other prompts; the same one does not."""

    def test_the_order_of_the_games(self, shard: Shard) -> None:
        def order(seed: int, epoch: int = 0) -> list[int]:
            batches = GameBatches([shard], CONFIG, 700, 100, seed=seed)
            steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
            return [game for step in steps for game in batches.games(step)[0].tolist()]

        assert order(3) == order(3)
        assert order(3) != order(4) and order(3) != order(3, epoch=1)
        assert sorted(order(3)) == sorted(order(4)) == sorted(order(3, epoch=1))

    def test_which_games_are_mirrored_and_which_prompts_are_told(self, tmp_path: Path) -> None:
        shard = recorded(tmp_path, played(random_game(5, 12), "1-0"))

        def read(seed: int, step: int) -> tuple[bool, tuple[int, ...]]:
            batches = GameBatches([shard], CONFIG, 100, 16, seed=seed)
            return bool(batches.games(step)[1][0]), tuple(batches.encode(step)["prompts"][0].tolist())

        for found in ([read(seed, 0) for seed in range(24)], [read(0, step) for step in range(16)]):
            assert {mirrored for mirrored, _ in found} == {False, True}
            for column, told in enumerate((Source.HUMAN, Strength.MASTER, Aim.WIN)):
                assert {prompts[column] for _, prompts in found} == {0, told}
        assert [read(7, step) for step in range(8)] == [read(7, step) for step in range(8)]


class TestLessons:
    """What a game teaches at each of its positions, seen by who is to move there."""

    @pytest.mark.parametrize("mirror", [False, True])
    def test_the_move_to_learn_is_the_one_that_was_played(self, tmp_path: Path, mirror: bool) -> None:
        boards = [random_game(1, 14), Board.from_moves("d9d8 a2a6 d8d7", BLACK_BEGINS)]
        item = lessons_of(recorded(tmp_path, *(played(board, "1-0") for board in boards)), mirror=mirror)
        expected = []
        for board in boards:
            turn = board.root().turn
            for ply, move in enumerate(board.move_stack):
                seen = move.mirror() if mirror else move
                expected.append(seen.rotate().index if (ply + turn) % 2 else seen.index)
        starts = item["candidate_counts"].cumsum(0) - item["candidate_counts"]
        taught = item["candidates"][starts[item["rows"]] + item["labels"], 0]
        assert item["rows"].tolist() == [*range(14), *range(15, 18)]
        assert taught.tolist() == expected

    def test_the_rules_are_learned_at_each_fourth_position(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 10**6, 9, seed=3)
        item = batches.encode(0)
        starts = item["lengths"].cumsum(0) - item["lengths"]
        games = batches.places(batches.games(0)[0])
        expected = [
            int(start) + ply
            for start, n, (_, number) in zip(starts, item["lengths"].tolist(), games, strict=True)
            for ply in range(n - 1)
            if (ply + number) % 4 == 0
        ]
        human = item["voices"] == Voice.HUMAN
        checked = torch.zeros(len(human), dtype=torch.bool)
        checked[item["checked"]] = True
        engines = {int(start) for start, (s, g) in zip(starts, games, strict=True) if s.tiers[g] == 1}
        assert {shard.meta["tiers"][1]} == {"engine"} and engines
        told = set(item["rows"][human & checked].tolist())
        assert told == set(expected) & set(item["rows"][human].tolist())
        assert 0.2 < len(told) / int(human.sum()) < 0.3

    @pytest.mark.parametrize("mirror", [False, True])
    @pytest.mark.parametrize(
        ("board", "result", "end", "wdl"),
        [
            (random_game(1, 8), "1-0", "opponent resigns", 2),
            (random_game(1, 8), "0-1", "resigns", 0),
            (random_game(1, 9), "1-0", "resigns", 0),
            (random_game(1, 9), "0-1", "opponent resigns", 2),
            (random_game(1, 8), "1/2-1/2", "draw agreed", 1),
            (random_game(1, 9), "1/2-1/2", "draw agreed", 1),
            (MATED, "1-0", "mated", 0),
            (Board.from_moves("d9d8", BLACK_BEGINS), "1-0", "opponent resigns", 2),
            (Board.from_moves("d9d8", BLACK_BEGINS), "0-1", "resigns", 0),
            (Board.from_moves("d9d8 a2a6", BLACK_BEGINS), "1-0", "resigns", 0),
            (Board.from_moves("d9d8 a2a6", BLACK_BEGINS), "0-1", "opponent resigns", 2),
            (random_game(1, 8), "*", "", -100),
        ],
    )
    def test_a_game_goes_on_until_its_end_and_then_its_loser_resigns_or_is_mated(
        self, tmp_path: Path, board: Board, result: str, end: str, wdl: int, mirror: bool
    ) -> None:
        item = lessons_of(recorded(tmp_path, played(board, result)), mirror=mirror)
        *before, last = item["ends"].tolist()
        assert set(before) == {End.GOES_ON}
        assert last == (End.parse("end", end) if end else -100)
        for back, told in enumerate(reversed(item["wdl"].tolist())):
            assert told == (2 - wdl if back % 2 and wdl >= 0 else wdl)

    def test_nobody_gives_up_where_a_game_was_cut_or_an_engine_played(self, tmp_path: Path) -> None:
        cut = lessons_of(recorded(tmp_path, played(random_game(1, 30), "1-0")), longest=20)
        assert cut["ends"].tolist() == [0] * 20 + [-100]
        (tmp_path / "engine").mkdir()
        engines = lessons_of(recorded(tmp_path / "engine", played(random_game(1, 8), "1-0", Tier="engine")))
        assert engines["ends"].tolist() == [0] * 8 + [-100]
        assert engines["wdl"].tolist() == [2, 0, 2, 0, 2, 0, 2, 0, 2]

    def test_a_result_that_is_told_is_not_to_be_learned(self, tmp_path: Path) -> None:
        item = lessons_of(recorded(tmp_path, played(random_game(1, 5), "1-0")), asked=True)
        assert set(item["wdl"].tolist()) == {-100}
        winning, losing = (Prompt(Source.HUMAN, Strength.MASTER, aim) for aim in (Aim.WIN, Aim.LOSS))
        assert [Prompt(*rows) for rows in item["prompts"].tolist()] == [winning, losing] * 3

    def test_what_is_taught_is_learned(self, tmp_path: Path) -> None:
        """A small model that reads a few games knows how each ends, who wins, and which moves were made."""
        ends = [(random_game(1, 8), "1-0", "opponent resigns"), (random_game(2, 8), "0-1", "resigns")]
        ends += [(random_game(3, 9), "1-0", "resigns"), (random_game(4, 9), "0-1", "opponent resigns")]
        ends += [(random_game(5, 9), "1/2-1/2", "draw agreed"), (MATED, "1-0", "mated")]
        model = small_model().train()
        item = lessons_of(recorded(tmp_path, *(played(board, result) for board, result, _ in ends)))
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(40):
            optimizer.zero_grad()
            model(**item).loss.backward()
            optimizer.step()
        evaluator = Evaluator(network_of(model.eval()))
        for board, result, end in ends:
            for found, expected in ((evaluator([board])[0], end), (evaluator([board.root()])[0], "goes on")):
                assert found.ends is not None
                assert End(int(found.ends.argmax())).word == expected
            value = {"1/2-1/2": 0.5, "1-0": float(board.turn == RED), "0-1": float(board.turn == BLACK)}[result]
            assert evaluator([board])[0].value == pytest.approx(value, abs=0.2)
            before = board.copy()
            played_last = before.pop()
            found = evaluator([before])[0]
            assert found.moves[int(found.scores.argmax())] is played_last


class TestOpinions:
    """What an engine said of a game: the moves it would make, and what it thinks of the positions."""

    @pytest.mark.parametrize("name", ["games.pgn", "games.jsonl"])
    def test_they_are_learned(self, name: str, tmp_path: Path) -> None:
        board = random_game(5, 12)
        game = Game({"Gid": str(GIDS[5]), "Result": "*"})
        game.add_main_line(board.move_stack)
        chance, replayed, best = random.Random(1), Board(), []
        for node in game.main_line():
            best.append(chance.choice(replayed.legal_moves))
            node.best, node.eval = best[-1], 0.25 * node.ply
            replayed.push(node.move)
        save([game], tmp_path / name)
        build([tmp_path / name], tmp_path / "shard")
        shard, model = Shard.open(tmp_path / "shard"), small_model().train()
        batches = GameBatches([shard], model.config, 100, 1, seed=3)
        item, mirrored = batches.encode(0), bool(batches.games(0)[1][0])

        taught = item["rows"][item["voices"] == Voice.ENGINE]
        starts = item["candidate_counts"].cumsum(0) - item["candidate_counts"]
        seen = item["candidates"][starts[taught] + item["labels"][item["voices"] == Voice.ENGINE], 0]
        as_mover = [move.mirror() if mirrored else move for move in best]
        as_mover = [move.rotate() if ply % 2 else move for ply, move in enumerate(as_mover)]
        assert taught.tolist() == list(range(12))
        assert seen.tolist() == [move.index for move in as_mover]
        scores = [0.25 * ply * (-1) ** ply for ply in range(1, 12)]  # those after a move, seen by who moves next
        assert item["expected"].isnan().tolist() == [True, *[False] * 11, True]
        assert item["expected"][1:12].numpy() == pytest.approx(1 / (1 + np.exp(-np.array(scores))), abs=0.5 / 254)

        out = model(**item)
        out.loss.backward()
        assert model.engine_voice.weight.grad.abs().sum() > 0
        assert (item["wdl"] < 0).all()
        p = out.wdl_logits[1:12].softmax(-1)
        score = p[:, 2] + p[:, 1] / 2
        assert out.value_loss.item() == pytest.approx(
            torch.nn.functional.binary_cross_entropy(score, item["expected"][1:12]).item(), rel=1e-4
        )


class TestWeights:
    """Games of a source that are read more or less often than others."""

    @staticmethod
    def read(batches: GameBatches, epoch: int) -> list[int]:
        """Return how often each game is read in an epoch."""
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        games = np.concatenate([batches.games(step)[0] for step in steps])
        return np.bincount(games, minlength=len(batches._game)).tolist()

    @pytest.fixture
    def engines(self, shard: Shard) -> np.ndarray:
        """Which of the training games an engine played."""
        tier: np.ndarray = shard.tiers[shard.games("train")] == shard.meta["tiers"].index("engine")
        assert tier.sum() == 15
        return tier

    @pytest.mark.parametrize(("weight", "times"), [(2, {2}), (0.5, {0, 1}), (0, {0}), (2.5, {2, 3}), (1, {1})])
    def test_how_often_a_game_is_read(self, shard: Shard, engines: np.ndarray, weight: float, times: set[int]) -> None:
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3, weights={"engine": weight})
        epochs = [np.array(self.read(batches, epoch)) for epoch in range(3)]
        for read in epochs:
            assert set(read[~engines]) == {1}
            assert set(read[engines]) == times
            assert abs(int(read[engines].sum()) - 15 * weight) < 1
        if weight % 1:
            assert not (epochs[0] == epochs[1]).all()  # chosen anew

    def test_the_plies_are_those_that_are_read(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3, weights={"engine": 0.3, "master": 1.5})
        for steps in (1, batches.per_epoch, batches.per_epoch + 2, 3 * batches.per_epoch + 1):
            read = [int(batches._plies[batches.games(step)[0]].sum()) for step in range(steps)]
            assert batches.plies(steps) == sum(read)
        again = GameBatches([shard], CONFIG, 700, 100, seed=3, weights={"engine": 0.3, "master": 1.5})
        assert again.games(37)[0].tolist() == batches.games(37)[0].tolist()

    def test_each_step_reads_a_game_however_few_are_left(self, shard: Shard) -> None:
        for seed in range(20):
            batches = GameBatches([shard], CONFIG, 1, 100, seed=seed, weights={"master": 0.03, "engine": 0.2})
            assert min(len(batches.games(step)[0]) for step in range(9 * batches.per_epoch)) > 0

    def test_what_a_weight_can_be(self, shard: Shard) -> None:
        def batches(**weights: float) -> GameBatches:
            return GameBatches([shard], CONFIG, 700, 9, seed=3, weights=weights)

        with pytest.raises(UserError, match=r"^no games of 'robot': a weight can be given to .*engine.*master"):
            batches(robot=2)
        for wrong in (-1, math.nan, math.inf):
            with pytest.raises(UserError, match=r"^the weight of engine must not be negative or infinite"):
                batches(engine=wrong)
        with pytest.raises(UserError, match="no training games"):
            batches(engine=0, master=0)


class TestWeighedMoves:
    """Moves that were weighed are learned in shares by the engine's voice; values are blended."""

    MOVES = "h2e2 b9c7 h0g2"
    CANDIDATES = ("h2e2:620:40:750 b0c2:580:20:250", None, "h0g2:500 c3c4:460")

    def weighed(self, folder: Path, **more: object) -> Shard:
        line = {"moves": self.MOVES, "result": "1-0", "gid": GIDS[3], "candidates": list(self.CANDIDATES)} | more
        (folder / "labels.jsonl").write_text(json.dumps(line) + "\n")
        build([folder / "labels.jsonl"], folder / "shard")
        return Shard.open(folder / "shard")

    def shares(self, shard: Shard, targets: Targets, mirror: bool = False) -> list[dict[str, float]]:
        """What the engine's voice is taught at each ply that it is taught at."""
        lessons = Lessons.of([(shard, 0)], 50, np.zeros((1, 3), np.bool_), targets)
        item = tensors(Encoder(CONFIG.input_groups, CONFIG.candidate_groups), lessons, np.array([mirror]))
        starts = item["candidate_counts"].cumsum(0) - item["candidate_counts"]
        found: dict[int, dict[str, float]] = {}
        for row, place, share in zip(*(item[f"soft_{x}"].tolist() for x in ("rows", "moves", "shares")), strict=True):
            assert item["voices"][row] == Voice.ENGINE
            ply = int(item["rows"][row])
            move = MOVES[int(item["candidates"][starts[ply] + place, 0])]
            found.setdefault(ply, {})[(move.mirror() if mirror else move).iccs] = round(share, 3)
        return list(found.values())

    @pytest.mark.parametrize("mirror", [False, True])
    def test_shares_are_those_of_the_search_or_by_regret(self, tmp_path: Path, mirror: bool) -> None:
        shard = self.weighed(tmp_path)
        by_regret = {"h0g2": 0.731, "c3c4": 0.269}  # 0.04 worse at a temperature of 0.04
        assert self.shares(shard, Targets(), mirror) == [{"h2e2": 0.75, "b0c2": 0.25}, by_regret]
        assert self.shares(shard, Targets("regrets"), mirror) == [{"h2e2": 0.731, "b0c2": 0.269}, by_regret]
        assert self.shares(shard, Targets("regrets", tau=0.4), mirror)[1] == {"h0g2": 0.525, "c3c4": 0.475}
        assert self.shares(shard, Targets("best"), mirror) == []

    def test_the_best_one_is_the_opinion_and_its_score_the_value(self, tmp_path: Path) -> None:
        shard = self.weighed(tmp_path)
        item = lessons_of(shard)
        engine = item["voices"] == Voice.ENGINE
        assert item["rows"][engine].tolist() == [0, 2]
        assert item["expected"].nan_to_num(-1).tolist() == pytest.approx([0.62, -1, 0.5, -1], abs=0.002)

    def test_what_is_weighed_is_learned_in_its_shares(self, tmp_path: Path) -> None:
        model = small_model().train()
        shard = self.weighed(tmp_path)
        lessons = Lessons.of([(shard, 0)], 50, np.zeros((1, 3), np.bool_))
        item = tensors(
            Encoder(model.config.input_groups, model.config.candidate_groups), lessons, np.zeros(1, np.bool_)
        )
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(150):
            model(**item).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        thought = Evaluator(network_of(model.eval()))([Board()], Voice.ENGINE)[0]
        chances = np.exp(thought.scores - thought.scores.max())
        told = dict(zip([move.iccs for move in thought.moves], chances / chances.sum(), strict=True))
        assert told["h2e2"] == pytest.approx(0.75, abs=0.05)
        assert told["b0c2"] == pytest.approx(0.25, abs=0.05)

    @pytest.mark.parametrize(("blend", "value"), [(0.0, 1.0), (0.75, 0.4), (1.0, 0.2)])
    def test_the_value_is_blended_from_result_and_opinion(self, tmp_path: Path, blend: float, value: float) -> None:
        """The mover has won; the opinion was 0.2."""
        shard = self.weighed(tmp_path, candidates=["h2e2:200"])
        item = tensors(
            Encoder(CONFIG.input_groups, CONFIG.candidate_groups),
            Lessons.of([(shard, 0)], 50, np.zeros((1, 3), np.bool_), Targets(blend=blend)),
            np.zeros(1, np.bool_),
        )
        logits = torch.zeros(4, 3, requires_grad=True)
        for _ in range(400):
            told = losses.result_losses(logits, item["wdl"], item["blend"])[:1]
            held = losses.opinion_losses(logits, item["expected"], item["blend"])
            (gradient,) = torch.autograd.grad((told + held).sum(), logits)
            logits = (logits - gradient).detach().requires_grad_()
        _, drawn, won = logits[0].softmax(-1).tolist()
        assert won + drawn / 2 == pytest.approx(value, abs=0.03)

    def test_a_copy_that_was_weighed_is_kept(self, tmp_path: Path) -> None:
        plain = {"moves": self.MOVES, "result": "1-0", "gid": GIDS[3]}
        texts = [plain | {"best": self.MOVES}, plain | {"candidates": list(self.CANDIDATES)}, plain]
        (tmp_path / "labels.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
        build([tmp_path / "labels.jsonl"], tmp_path / "shard")
        shard = Shard.open(tmp_path / "shard")
        assert len(shard.splits) == 1
        assert shard.weighed(0).counts.tolist() == [2, 0, 2]

    def test_a_corrupt_shard_is_noticed(self, tmp_path: Path) -> None:
        shard = self.weighed(tmp_path)
        wrong = replace(shard, weighed_moves=np.array([5, 5, 5, 5], np.int16))
        with pytest.raises(UserError, match="illegal moves"):
            self.shares(wrong, Targets())
