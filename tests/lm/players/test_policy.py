from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from lm import UserError
from lm.matches.arena import Pairing, play_games
from lm.model import char
from lm.model.folder import load_network
from lm.model.loading import load_any_model, network_of
from lm.model.model import XiangqiLM
from lm.model.prompts import Aim, End, Prompt, Source, Strength, Voice
from lm.model.sampling import softmax
from lm.players import policy
from lm.players.evaluation import Evaluation
from lm.players.lm_player import LMPlayer
from lm.players.player import Choice
from lm.players.policy import Evaluator
from lm.players.specs import Spec
from small import random_game, small_model
from xiangqi import BLACK, NULL_MOVE, Board, Move


class Opinion:
    """Stands for a model that thinks the same of every position: what it expects, which end it sees, what it likes."""

    judges = True

    def __init__(self, wdl: tuple[float, float, float], says: End = End.GOES_ON, likes: str = "") -> None:
        self.wdl, self.says, self.likes = wdl, says, likes

    def __call__(self, boards: Sequence[Board], voice: Voice = Voice.HUMAN) -> list[Evaluation]:
        ends = np.eye(len(End), dtype=np.float32)[self.says]
        return [
            Evaluation(
                board.legal_moves,
                np.array([1.0 if move.iccs == self.likes else 0.0 for move in board.legal_moves], np.float32),
                np.array(self.wdl, np.float32),
                ends,
            )
            for board in boards
        ]


def expecting(score: float) -> tuple[float, float, float]:
    """Chances of win, draw and loss of who expects a score and no draw."""
    return score, 0.0, 1 - score


@pytest.fixture(scope="module")
def player(model_folder: Path) -> LMPlayer:
    """A player that makes the likeliest move."""
    return LMPlayer(model_folder, temperature=0, dtype="float32", symmetries=1)


def choose(player: LMPlayer, board: Board, opinion: Opinion) -> Choice:
    """What a player does whose model is of that opinion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(player, "evaluator", opinion)
        return player.choose([board])[0]


def turned(board: Board) -> Board:
    """The game with the sides exchanged."""
    return Board.from_moves([move.rotate() for move in board.move_stack], board.root().rotate().fen())


def log_softmax(scores: np.ndarray) -> np.ndarray:
    return scores - np.logaddexp.reduce(scores)


class TestEvaluator:
    def test_a_game_that_goes_on_costs_a_ply(self, model: XiangqiLM, monkeypatch: pytest.MonkeyPatch) -> None:
        evaluator = Evaluator(network_of(model), slots=4)
        read: list[int] = []
        answers = policy.make_answers
        monkeypatch.setattr(policy, "make_answers", lambda plies: read.append(plies) or answers(plies))
        board = Board()
        for move in random_game(1, 20).move_stack:
            evaluator([board])
            board.push(move)
        assert read == [1] * 20
        for _ in range(9):
            board.pop()
        evaluator([board])
        assert read[-1] == 1  # taken back: nothing but the state of the last ply is wanted
        board.push(board.legal_moves[0])
        evaluator([board])
        assert read[-1] == 1  # a variation shares what stands before it
        evaluator([random_game(1, 20)])
        assert read[-1] <= 2  # and the game itself is still known

    @settings(max_examples=8, deadline=None)
    @given(
        st.lists(
            st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=3),
            min_size=1,
            max_size=8,
        ),
        st.integers(1, 4),
        st.sampled_from([1, 2]),
    )
    def test_whatever_was_read_before_the_answer_is_the_same(
        self, model: XiangqiLM, batches: list[list[tuple[int, int, int]]], slots: int, symmetries: int
    ) -> None:
        """Games that go on, are taken back and branch off, in any order, and push each other out of the memory."""
        evaluator = Evaluator(network_of(model), slots=slots, symmetries=symmetries)
        for batch in batches:
            boards = []
            for seed, plies, variation in batch:
                board = random_game(seed, plies)
                if variation:
                    board.push(board.legal_moves[variation])
                boards.append(board)
            for board, found in zip(boards, evaluator(boards), strict=True):
                fresh = Evaluator(network_of(model), slots=1, symmetries=symmetries)([board])[0]
                assert found.moves == fresh.moves
                np.testing.assert_allclose(found.scores, fresh.scores, atol=1e-4)
                np.testing.assert_allclose(found.wdl, fresh.wdl, atol=1e-4)
            games = evaluator._games
            assert len(games) <= slots * symmetries
            assert len(games.cache) == len(games._keys) <= len(games) * 32

    @pytest.mark.parametrize("symmetries", [1, 2])
    def test_games_that_are_forgotten_leave_no_entries_behind(self, model: XiangqiLM, symmetries: int) -> None:
        evaluator = Evaluator(network_of(model), slots=2, symmetries=symmetries)
        for seed in range(4):
            evaluator([random_game(seed, 10), random_game(seed, 12)])
        cache = evaluator._games.cache
        assert len(evaluator._games) == 2 * symmetries
        assert len(cache) <= 2 * symmetries * 13

    def test_an_interrupted_reading_is_forgotten(self, model: XiangqiLM, monkeypatch: pytest.MonkeyPatch) -> None:
        evaluator, board = Evaluator(network_of(model), slots=2), random_game(3, 20)
        whole = Evaluator(network_of(model), slots=1)([board])[0]
        with monkeypatch.context() as patch:
            patch.setattr(policy, "evaluate_games", Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                evaluator([board])
        assert len(evaluator._games.cache) == 0
        np.testing.assert_allclose(evaluator([board])[0].scores, whole.scores, atol=1e-4)

    def test_more_games_than_slots(self, model: XiangqiLM) -> None:
        boards = [random_game(seed, 10) for seed in range(7)]
        assert [e.moves for e in Evaluator(network_of(model), slots=2)(boards)] == [
            e.moves for e in Evaluator(network_of(model), slots=8)(boards)
        ]

    @pytest.mark.parametrize("symmetries", [1, 2])
    def test_along_a_game_it_says_what_it_says_at_each_ply(self, model: XiangqiLM, symmetries: int) -> None:
        games, plies = [random_game(seed, 30) for seed in range(3)], [30, 7, 0]
        evaluate = Evaluator(network_of(model), symmetries=symmetries)
        evaluate(games[:1])  # known already, but asked for again
        for game, count, found in zip(games, plies, evaluate.along(games, plies), strict=True):
            assert len(found) == count + 1
            board = game.copy()
            for evaluation in reversed(found):
                (alone,) = Evaluator(network_of(model), symmetries=symmetries)([board])
                assert evaluation.moves == alone.moves
                assert np.allclose(evaluation.scores, alone.scores, atol=1e-4)
                assert np.allclose(evaluation.wdl, alone.wdl, atol=1e-4)
                if board.ply:
                    board.pop()
        assert len(evaluate._games.cache) == 1 + symmetries * 90  # all and their images begin with the same position

    def test_along_a_game_with_a_pass_it_begins_after_that(self, model: XiangqiLM) -> None:
        board, counts = Board(), []
        for move in ("h2e2", None, "h0g2", "h9g7"):
            board.push(NULL_MOVE if move is None else Move.from_iccs(move))
            counts.append(len(board.legal_moves))
        (found,) = Evaluator(network_of(model)).along([board], [4])
        assert [len(evaluation.moves) for evaluation in found] == counts[1:]

    def test_games_beyond_what_the_model_reads(self) -> None:
        evaluator = Evaluator(network_of(small_model(n_context=24)), slots=2)
        board = Board()
        for move in random_game(9, 60).move_stack:
            assert set(evaluator([board])[0].moves) == set(board.legal_moves)
            board.push(move)

    def test_set_up_positions_and_passes(self, model: XiangqiLM) -> None:
        from xiangqi import NULL_MOVE

        board = Board("3k5/9/9/r8/9/9/9/R8/9/4K4 b - - 30 40")
        board.push(NULL_MOVE)
        found = Evaluator(network_of(model), slots=1)([board])[0]
        assert set(found.moves) == set(board.legal_moves)
        assert found.wdl.sum() == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize("symmetries", [1, 2])
    @pytest.mark.parametrize("plies", [12, 13])
    def test_who_is_thought_to_win_expects_to_win(self, symmetries: int, plies: int) -> None:
        """The value head scores loss, draw and win; a player reads win, draw and loss."""
        for outcome, wdl, value in ((0, (0, 0, 1), 0.0), (1, (0, 1, 0), 0.5), (2, (1, 0, 0), 1.0)):
            model = small_model()
            model.value_head.weight.data.zero_()
            model.value_head.bias.data = 20 * torch.eye(3)[outcome]
            found = Evaluator(network_of(model), symmetries=symmetries)([random_game(1, plies)])[0]
            assert found.wdl.tolist() == pytest.approx(wdl, abs=1e-4)
            assert found.value == pytest.approx(value, abs=1e-4)


class TestHalfPrecision:
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    @pytest.mark.parametrize("symmetries", [1, 2])
    def test_it_thinks_nearly_the_same(self, model_folder: Path, dtype: torch.dtype, symmetries: int) -> None:
        half = AutoModelForCausalLM.from_pretrained(model_folder, dtype=dtype)
        reads, whole = (
            Evaluator(network_of(half), symmetries=symmetries),
            Evaluator(load_network(model_folder, "float32"), symmetries=symmetries),
        )
        boards = [random_game(seed, 20 + seed) for seed in range(3)]
        for a, b in zip(reads(boards) + reads(boards[:1]), whole(boards) + whole(boards[:1]), strict=True):
            assert a.moves == b.moves and a.scores.dtype == np.float32
            np.testing.assert_allclose(log_softmax(a.scores), log_softmax(b.scores), atol=0.1)
            np.testing.assert_allclose(a.wdl, b.wdl, atol=0.03)


class TestSymmetries:
    """A position and its mirror image, averaged."""

    @staticmethod
    def image(board: Board) -> Board:
        return Board.from_moves([move.mirror() for move in board.move_stack])

    def test_it_is_the_mean_of_both(self, model: XiangqiLM) -> None:
        both, boards = Evaluator(network_of(model), slots=5, symmetries=2), [random_game(seed, 40) for seed in range(3)]
        for back in (30, 29, 20, 1, 0):  # from ply to ply, some read already
            shown = [Board.from_moves(board.move_stack[: len(board.move_stack) - back]) for board in boards]
            for board, found in zip(shown, both(shown), strict=True):
                own, image = (Evaluator(network_of(model), slots=1)([x])[0] for x in (board, self.image(board)))
                of_image = dict(zip(image.moves, log_softmax(image.scores), strict=True))
                of_own = dict(zip(own.moves, log_softmax(own.scores), strict=True))
                expected = [(of_own[move] + of_image[move.mirror()]) / 2 for move in found.moves]
                assert found.moves == own.moves
                np.testing.assert_allclose(found.scores, expected, atol=1e-4)
                np.testing.assert_allclose(found.wdl, (own.wdl + image.wdl) / 2, atol=1e-5)
                np.testing.assert_allclose(found.ends, (own.ends + image.ends) / 2, atol=1e-5)

    def test_images_are_thought_of_alike(self, model: XiangqiLM) -> None:
        both, board = Evaluator(network_of(model), symmetries=2), random_game(4, 33)
        one, other = both([board, self.image(board)])
        chances = dict(zip(other.moves, other.scores, strict=True))
        np.testing.assert_allclose(one.scores, [chances[move.mirror()] for move in one.moves], atol=1e-4)
        np.testing.assert_allclose(one.wdl, other.wdl, atol=1e-5)

    def test_a_result_is_asked_for_in_the_image_too(self) -> None:
        asked = small_model()
        board = random_game(6, 12)
        found = Evaluator(network_of(asked), prompt=Prompt(aim=Aim.WIN), symmetries=2)([board])[0]
        own, image = (
            Evaluator(network_of(asked), prompt=Prompt(aim=Aim.WIN))([x])[0] for x in (board, self.image(board))
        )
        np.testing.assert_allclose(found.wdl, (own.wdl + image.wdl) / 2, atol=1e-5)

    def test_a_player_reads_both_unless_told_otherwise(self, model_folder: Path) -> None:
        board = random_game(2, 21)
        both, one = (LMPlayer(model_folder, temperature=0, dtype="float32", **more) for more in ({}, {"symmetries": 1}))
        assert both.choose([board])[0].value == pytest.approx(both.choose([self.image(board)])[0].value, abs=1e-5)
        assert one.choose([board])[0].value != pytest.approx(one.choose([self.image(board)])[0].value, abs=1e-5)
        with pytest.raises(UserError, match="symmetries must be one of 1, 2: 3"):
            LMPlayer(model_folder, symmetries=3)


class TestPlayer:
    def test_same_seed_same_game_and_another_seed_another(self, model_folder: Path) -> None:
        games = []
        for seed in (7, 7, 8):
            player, board = LMPlayer(model_folder, temperature=1, seed=seed, dtype="float32", symmetries=1), Board()
            for _ in range(12):
                move = player.choose([board])[0].move
                assert move is not None
                board.push(move)
            games.append(board.move_stack)
        assert games[0] == games[1] != games[2]

    @pytest.mark.parametrize(
        ("settings", "varied"),
        [({"temperature": 0}, False), ({"top_k": 1}, False), ({"top_p": 0.01}, False), ({"top_p": 1.0}, True)],
    )
    def test_how_much_it_varies_is_what_it_was_told(
        self, model_folder: Path, settings: dict[str, float], varied: bool
    ) -> None:
        told = {"temperature": 1.0, "top_p": 1.0} | settings
        player = LMPlayer(model_folder, seed=0, dtype="float32", symmetries=1, **told)  # type: ignore[arg-type]
        opinion = Opinion((0.5, 0, 0.5), likes="h2e2")
        moves = {choose(player, Board(), opinion).move for _ in range(40)}
        assert len(moves) > 10 if varied else moves == {Move.from_iccs("h2e2")}

    @pytest.mark.parametrize(
        ("asked", "prompt", "voice"),
        [
            ({"voice": "engine"}, Prompt(), Voice.ENGINE),
            ({"source": "engine"}, Prompt(source=Source.ENGINE), Voice.HUMAN),
            ({"strength": "master"}, Prompt(strength=Strength.MASTER), Voice.HUMAN),
            ({"aim": "win"}, Prompt(aim=Aim.WIN), Voice.HUMAN),
            ({"aim": "loss"}, Prompt(aim=Aim.LOSS), Voice.HUMAN),
        ],
    )
    def test_it_plays_the_kind_of_game_that_it_is_asked_for(
        self, model: XiangqiLM, model_folder: Path, asked: dict[str, str], prompt: Prompt, voice: Voice
    ) -> None:
        board = random_game(3, 15)
        plain, special = (
            LMPlayer(model_folder, dtype="float32", symmetries=1, **more).choose([board])[0]  # type: ignore[arg-type]
            for more in ({}, asked)
        )
        thought = Evaluator(network_of(model), prompt=prompt)([board], voice)[0]
        policy = dict(zip(thought.moves, softmax(thought.scores.astype(np.float64)), strict=True))
        assert dict(special.candidates) == pytest.approx(policy, abs=1e-5)
        assert dict(plain.candidates) != pytest.approx(policy, abs=1e-5)

    def test_has_read_before_it_is_asked(self, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What has to be compiled is so when the player is loaded, not while a person waits for his first move."""
        read = Mock(wraps=Evaluator.__call__)
        monkeypatch.setattr(Evaluator, "__call__", lambda *args: read(*args))
        LMPlayer(model_folder)
        assert read.call_count == 1

    def test_what_it_says_of_its_choice(self, model_folder: Path) -> None:
        choice = LMPlayer(model_folder, temperature=0).choose([Board()])[0]
        moves, chances = zip(*choice.candidates, strict=True)
        assert set(moves) == set(Board().legal_moves)
        assert sum(chances) == pytest.approx(1)
        assert list(chances) == sorted(chances, reverse=True)
        assert choice.move is moves[0]
        assert choice.value is not None and 0 <= choice.value <= 1

    def test_no_repetition_that_loses(self, model_folder: Path) -> None:
        """Red checks for ever with his rook: the move that would lose the game by the ruling is not made."""
        board = Board("5k3/9/9/9/9/9/9/9/4R4/3K5 w")
        cycle = ("e1f1", "f9e9", "f1e1", "e9f9")
        for text in (*cycle * 2, "e1f1")[:8]:
            board.push_iccs(text)
        losing = Move.from_iccs("e1f1")
        after = board.copy()
        after.push(losing)
        verdict = after.outcome()
        assert verdict is not None and verdict.winner == BLACK
        player = LMPlayer(model_folder, temperature=0, seed=1)
        assert player._spoils(board, losing, 0.5)
        evaluation = player.evaluator([board])[0]
        certain = Evaluation(
            evaluation.moves,
            np.array([9.0 if move is losing else 0.0 for move in evaluation.moves], np.float32),
            evaluation.wdl,
        )
        assert player._choose(board, certain).move is not losing

    @pytest.mark.parametrize(
        ("option", "allowed"), [("voice", "human, engine"), ("aim", "win, draw, loss"), ("strength", "amateur")]
    )
    def test_wrong_options(self, model_folder: Path, option: str, allowed: str) -> None:
        with pytest.raises(UserError, match=allowed):
            LMPlayer(model_folder, **{option: "wild"})  # type: ignore[arg-type]

    def test_a_model_that_cannot_be_asked_says_so(self, tmp_path: Path) -> None:
        char.new_model(1, 1, 8).save_pretrained(tmp_path)
        with pytest.raises(UserError, match="cannot be asked"):
            LMPlayer(tmp_path, aim="win")


class TestGivingUp:
    """When a player resigns, and when it offers or accepts a draw; both colours alike."""

    @pytest.fixture(params=["", "h2e2"], ids=["Red", "Black"])
    def board(self, request: pytest.FixtureRequest) -> Board:
        return Board.from_moves(request.param)

    @pytest.mark.parametrize(
        ("wdl", "resigns"),
        [
            (expecting(0), True),
            (expecting(0.05), True),
            (expecting(0.08), True),
            ((0.0, 0.16, 0.84), True),
            (expecting(0.12), False),
            ((0.0, 0.3, 0.7), False),
            (expecting(0.5), False),
            (expecting(0.85), False),
            (expecting(1), False),
        ],
    )
    def test_it_resigns_where_it_is_lost_and_only_there(
        self, player: LMPlayer, board: Board, wdl: tuple[float, float, float], resigns: bool
    ) -> None:
        choice = choose(player, board, Opinion(wdl, End.RESIGNS))
        assert (choice.move is None) == resigns
        assert choice.value == pytest.approx(wdl[0] + wdl[1] / 2)
        assert not choice.draw

    @pytest.mark.parametrize(
        ("wdl", "offers"),
        [
            (expecting(0), True),
            (expecting(0.3), True),
            ((0.1, 0.8, 0.1), True),
            (expecting(0.58), True),
            (expecting(0.62), False),
            ((0.4, 0.5, 0.1), False),
            (expecting(0.85), False),
            (expecting(1), False),
        ],
    )
    def test_it_offers_a_draw_unless_it_stands_better(
        self, player: LMPlayer, board: Board, wdl: tuple[float, float, float], offers: bool
    ) -> None:
        choice = choose(player, board, Opinion(wdl, End.DRAW_AGREED))
        assert choice.draw == offers
        assert choice.move in board.legal_moves

    @pytest.mark.parametrize("says", [End.GOES_ON, End.MATED, End.OPPONENT_RESIGNS])
    @pytest.mark.parametrize("score", [0.02, 0.5, 0.98])
    def test_it_plays_on_where_nobody_would_give_up(
        self, player: LMPlayer, board: Board, says: End, score: float
    ) -> None:
        choice = choose(player, board, Opinion(expecting(score), says))
        assert choice.move in board.legal_moves
        assert not choice.draw

    @pytest.mark.parametrize(
        ("red", "black", "ending"),
        [
            ((expecting(0.05), End.RESIGNS), (expecting(0.95), End.GOES_ON), ("0-1", "resignation", "0")),
            ((expecting(0.95), End.GOES_ON), (expecting(0.05), End.RESIGNS), ("1-0", "resignation", "1")),
            ((expecting(0.85), End.RESIGNS), (expecting(0.85), End.RESIGNS), ("1/2-1/2", "ply limit", "6")),
            ((expecting(0.5), End.DRAW_AGREED), (expecting(0.5), End.DRAW_AGREED), ("1/2-1/2", "draw agreed", "2")),
            ((expecting(0.5), End.DRAW_AGREED), (expecting(0.85), End.DRAW_AGREED), ("1/2-1/2", "ply limit", "6")),
            ((expecting(0.85), End.DRAW_AGREED), (expecting(0.5), End.DRAW_AGREED), ("1/2-1/2", "ply limit", "6")),
        ],
    )
    def test_games_end_by_it(
        self,
        model_folder: Path,
        red: tuple[tuple[float, float, float], End],
        black: tuple[tuple[float, float, float], End],
        ending: tuple[str, str, str],
    ) -> None:
        players = {}
        for name, opinion in (("red", red), ("black", black)):
            player = LMPlayer(model_folder, temperature=1, seed=0, dtype="float32", symmetries=1)
            player.evaluator = Opinion(*opinion)  # type: ignore[assignment]
            players[Spec("lm", options=(("name", name),))] = player
        ((_, game),) = play_games({0: Pairing(*players)}, max_plies=6, open_player=players.__getitem__)
        assert (game.result, game.headers["Termination"], game.headers["PlyCount"]) == ending


class TestReturns:
    """A move that brings a position back, for the first time already, is judged by what the rules will say of it."""

    CHECKING = ("3k5/9/9/9/9/9/9/9/4R4/5K3 w", "e1d1 d9e9 d1e1 e9d9")
    """Red checks from square to square."""
    SHUFFLE = "h2e2 h9g7 e2h2 g7h9"

    @staticmethod
    def makes(player: LMPlayer, board: Board, move: str, score: float) -> bool:
        """Whether a player makes the move that it likes best, whichever colour it has."""
        made = []
        for game, liked in ((board, Move.from_iccs(move)), (turned(board), Move.from_iccs(move).rotate())):
            made.append(choose(player, game, Opinion(expecting(score), likes=liked.iccs)).move is liked)
        assert made[0] == made[1]
        return made[0]

    @pytest.mark.parametrize("score", [0.1, 0.5, 0.95])
    def test_it_does_not_check_for_ever(self, player: LMPlayer, score: float) -> None:
        fen, moves = self.CHECKING
        assert self.makes(player, Board(fen), "e1d1", score)
        assert not self.makes(player, Board.from_moves(moves, fen), "e1d1", score)

    @pytest.mark.parametrize("score", [0.1, 0.5, 0.95])
    def test_it_lets_the_other_side_check_for_ever(self, player: LMPlayer, score: float) -> None:
        fen, moves = self.CHECKING
        *before, last = moves.split()
        assert self.makes(player, Board.from_moves(before, fen), last, score)

    @pytest.mark.parametrize(("score", "repeats"), [(0.2, True), (0.5, True), (0.55, False), (0.9, False)])
    def test_it_repeats_only_where_a_draw_is_no_loss(self, player: LMPlayer, score: float, repeats: bool) -> None:
        *before, last = self.SHUFFLE.split()
        assert self.makes(player, Board.from_moves(before), last, score) == repeats
        assert self.makes(player, Board.from_moves(self.SHUFFLE), before[0], score) == repeats

    def test_a_move_that_brings_nothing_back_is_made(self, player: LMPlayer) -> None:
        assert self.makes(player, Board.from_moves(self.SHUFFLE), "b2e2", 0.9)

    def test_the_only_move_is_made_though_it_brings_a_position_back(self, player: LMPlayer) -> None:
        board = Board.from_moves("d8d9 e0e1 d9d8 e1e0 d8d9 e0e1", "9/3k5/9/9/9/9/9/9/9/4K4 b")
        assert [move.iccs for move in board.legal_moves] == ["d9d8"]
        assert self.makes(player, board, "d9d8", 0.9)


class TestDamage:
    """A checkpoint whose weights are not those that its config.json speaks of would play by chance."""

    @pytest.fixture
    def folder(self, model_folder: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(model_folder, tmp_path / "model"))

    @pytest.fixture(params=[load_any_model, load_network])
    def read(self, request: pytest.FixtureRequest) -> Callable[[Path], object]:
        return request.param  # type: ignore[no-any-return]

    def test_a_weight_that_is_missing(
        self, read: Callable[[Path], object], folder: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        weights = load_file(folder / "model.safetensors")
        del weights["blocks.1.up.weight"]
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(UserError, match=r"damaged model in .*: there is no blocks\.1\.up\.weight$"):
            read(folder)
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize(
        ("setting", "value", "reason"),
        [
            ("n_layer", 8, r"there is no blocks\.2\.again, .*, …$"),
            ("n_layer", 1, r"there is no place for blocks\.1\.again, .*, …$"),
            ("n_query", 3, r"of another size are context_head\.weight, context_query\.weight$"),
        ],
    )
    def test_a_setting_that_is_not_the_models(
        self, read: Callable[[Path], object], folder: Path, setting: str, value: int, reason: str
    ) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {setting: value}))
        with pytest.raises(UserError, match=reason):
            read(folder)

    def test_a_model_of_characters(self, tmp_path: Path) -> None:
        char.new_model(1, 1, 8).save_pretrained(tmp_path)
        load_any_model(tmp_path)
        weights = load_file(tmp_path / "model.safetensors")
        name = next(name for name in weights if "mlp" in name)
        del weights[name]
        save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
        with pytest.raises(UserError, match=f"there is no .*{name}"):
            load_any_model(tmp_path)


class TestPrompts:
    @pytest.fixture
    def asked(self) -> XiangqiLM:
        return small_model()

    def test_what_is_asked_for_changes_the_answer(self, asked: XiangqiLM) -> None:
        boards = [random_game(seed, 20 + seed) for seed in range(3)]
        plain = Evaluator(network_of(asked))(boards)
        for prompt in (Prompt(Source.HUMAN), Prompt(strength=Strength.MASTER), Prompt(aim=Aim.WIN)):
            for a, b in zip(plain, Evaluator(network_of(asked), prompt=prompt)(boards), strict=True):
                assert not np.allclose(a.scores, b.scores)

    def test_a_result_is_asked_for_from_the_side_to_move(self, asked: XiangqiLM) -> None:
        """A game read ply by ply while both sides ask to win is, for each, the game in which it wins."""
        evaluator, board = Evaluator(network_of(asked), prompt=Prompt(aim=Aim.WIN)), Board()
        for move in random_game(4, 14).move_stack:
            found = evaluator([board])[0]
            fresh = Evaluator(network_of(asked), slots=1, prompt=Prompt(aim=Aim.WIN))([board])[0]
            np.testing.assert_allclose(found.scores, fresh.scores, atol=1e-4)
            board.push(move)

    def test_it_resigns_where_it_is_lost_and_the_model_says_so(self, asked: XiangqiLM, tmp_path: Path) -> None:
        asked.save_pretrained(tmp_path / "model")
        player = LMPlayer(tmp_path / "model", temperature=0)
        evaluation = player.evaluator([Board()])[0]
        over = {end: np.eye(len(End), dtype=np.float32)[end] for end in End}
        lost, won = np.array([0, 0.1, 0.9], np.float32), np.array([0.9, 0.1, 0], np.float32)
        said = {
            (end, state): player._choose(Board(), replace(evaluation, ends=ends, wdl=wdl))
            for end, ends in over.items()
            for state, wdl in (("lost", lost), ("won", won))
        }
        assert {key for key, choice in said.items() if choice.move is None} == {(End.RESIGNS, "lost")}
        assert {key for key, choice in said.items() if choice.draw} == {(End.DRAW_AGREED, "lost")}

    def test_ends_stay_possible_however_moves_are_truncated(self, asked: XiangqiLM, tmp_path: Path) -> None:
        asked.save_pretrained(tmp_path / "model")
        player = LMPlayer(tmp_path / "model", temperature=1, top_k=1, top_p=0.01, seed=0)
        ends = np.array([0.6, 0.1, 0.1, 0.1, 0.1], np.float32)
        evaluation = replace(player.evaluator([Board()])[0], ends=ends)
        assert {player._word(Board(), evaluation) for _ in range(300)} == set(End)
