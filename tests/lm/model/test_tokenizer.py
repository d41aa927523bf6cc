from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from lm import UserError
from lm.dataset.shards import Shard
from lm.model.prompts import PROMPT_ROWS, Aim, End, Source, Strength, Voice
from lm.model.token_games import TokenGame
from lm.model.tokenizer import char_tokenizer, move_tokenizer
from lm.model.vocabulary import ENDINGS, MATE, PAD, PROMPT_TOKENS, SPECIAL, VOCABULARY, word
from lm.training.batches import Lessons
from small import random_game
from xiangqi import MOVES

TOKENIZER = move_tokenizer()


def read(text: str) -> TokenGame:
    return TokenGame.read(TOKENIZER(text)["input_ids"])


class TestVocabulary:
    def test_every_move_and_every_word_is_a_token(self) -> None:
        words = [*(move.iccs for move in MOVES), *SPECIAL]
        assert TOKENIZER(" ".join(words), add_special_tokens=False)["input_ids"] == list(range(VOCABULARY))
        assert [word(token) for token in range(VOCABULARY)] == words
        assert tuple(words[MATE:]) == ENDINGS

    def test_what_a_model_can_be_asked_for_and_can_say_has_words(self) -> None:
        choices = [choice for kind in (Source, Strength, Aim) for choice in kind if choice]
        assert list(PROMPT_TOKENS.values()) == choices
        assert list(map(int, choices)) == list(range(1, PROMPT_ROWS))
        assert len(End) == 1 + len(ENDINGS)

    def test_the_words_that_shipped_models_know(self) -> None:
        """A checkpoint keeps numbers alone: what each of them means must never change."""
        words = "[PAD] [BOS] [UNK] [human] [engine] [amateur] [junior] [club] [master] [red wins] [draw] [black wins] "
        assert tuple(re.findall(r"\[.*?\]", words + "[mate] [red resigns] [black resigns] [draw agreed]")) == SPECIAL
        assert [choice.word for choice in Voice] == ["human", "engine"]
        assert [end.word for end in End] == ["goes on", "mated", "resigns", "opponent resigns", "draw agreed"]

    def test_a_game_as_text_and_back_also_from_a_folder(self, tmp_path: Path) -> None:
        text = "[BOS] [human] [master] [red wins] h2e2 h9g7 [black resigns]"
        TOKENIZER.save_pretrained(tmp_path)
        for tokenizer in (TOKENIZER, AutoTokenizer.from_pretrained(tmp_path)):
            tokens = tokenizer(text.removeprefix("[BOS] "))["input_ids"]
            assert tokenizer.decode(tokens) == text
            assert tokenizer.decode(tokens, skip_special_tokens=True) == text.removeprefix("[BOS] ")
            assert tokenizer.model_max_length == 512
            assert list(tokenizer(text)) == ["input_ids", "attention_mask"]

    @pytest.mark.parametrize(
        "written", ["H2-E2 H9-G7", "H2E2 h9-g7", "1. H2-E2 H9-G7", "1.h2e2 h9g7", " 1... h2e2\n2. h9g7 "]
    )
    def test_moves_as_records_write_them(self, written: str) -> None:
        assert TOKENIZER(written)["input_ids"] == TOKENIZER("h2e2 h9g7")["input_ids"]

    def test_words_in_capitals(self) -> None:
        assert TOKENIZER("[Red Wins] H2-E2 [Draw Agreed]").tokens() == ["[BOS]", "[red wins]", "h2e2", "[draw agreed]"]

    @pytest.mark.parametrize("written", ["j2e2", "hello", "h2-e", "h2-e2-e4", "[red win]"])
    def test_what_is_no_move_is_unknown(self, written: str) -> None:
        assert "[UNK]" in TOKENIZER(written).tokens()

    def test_a_continuation_begins_with_its_space(self) -> None:
        game = TOKENIZER("[engine] h2e2 h9g7 h0g2 [black resigns]")["input_ids"]
        for cut in range(1, len(game)):
            head = TOKENIZER.decode(game[:cut], skip_special_tokens=True)
            tail = TOKENIZER.decode(game[cut:], skip_special_tokens=True)
            assert (head + tail).lstrip() == TOKENIZER.decode(game, skip_special_tokens=True)
        assert TOKENIZER.decode([PAD, PAD, *game]).startswith("[PAD] [PAD] [BOS] [engine]")

    @pytest.mark.parametrize("written", ["H2-E2 h9g7", "h2e2h9g7", "h2e2\nH9-G7"])
    def test_characters_in_any_spelling(self, written: str) -> None:
        tokenizer = char_tokenizer()
        assert tokenizer(written)["input_ids"] == tokenizer("h2e2 h9g7")["input_ids"]
        with pytest.raises(Exception, match="UNK"):
            tokenizer("h2x2")

    def test_games_of_several_lengths_are_padded_before(self) -> None:
        rows = TOKENIZER(["h2e2", "[draw] h2e2 h9g7"], padding=True)["input_ids"]
        assert rows[0][:2] == [PAD, PAD]
        assert [TokenGame.read(row).board.ply for row in rows] == [1, 2]
        assert not any(TokenGame.read(row).over for row in rows)


class TestReading:
    @given(
        st.permutations(["[engine]", "[master]", "[black wins]"]),
        st.integers(0, 3),
        st.integers(0, 12),
        st.sampled_from(["", *ENDINGS]),
        st.integers(0, 2),
    )
    def test_what_was_written_is_read(self, prompts: list[str], asked: int, plies: int, ending: str, pad: int) -> None:
        played = random_game(plies, plies)
        prompts = prompts[:asked]
        tokens = TOKENIZER(" ".join([*prompts, *(m.iccs for m in played.move_stack), ending]))["input_ids"]
        game = TokenGame.read([PAD] * pad + tokens + [PAD] * (pad if ending else 0))
        assert set(filter(None, game.prompt)) == {PROMPT_TOKENS[prompt] for prompt in prompts}
        assert game.board.move_stack == played.move_stack
        assert game.over == bool(ending)

    def test_a_padded_game_is_over(self) -> None:
        assert TokenGame.read([*TOKENIZER("h2e2")["input_ids"], PAD, PAD]).over

    def test_a_move_that_breaks_the_rules_is_named_and_not_made(self) -> None:
        game = read("h2e2 h2e2 h9g7")
        assert (game.illegal, game.board.ply, game.over) == ("h2e2", 1, False)

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("h2e2 [human]", r"\[human\] comes after a move"),
            ("[human] [engine] h2e2", r"\[engine\] besides \[human\]"),
            ("[red win] h2e2", r"\[UNK\] in a game is neither a move nor one of \[human\] .*\[red wins\]"),
            ("h2e2 [BOS]", r"\[BOS\] in a game"),
            ("h2e2 [mate] h9g7", "h9g7 comes after the end"),
            ("h2e2 [PAD] [mate]", r"\[mate\] comes after the end"),
        ],
    )
    def test_what_is_no_game_is_refused(self, text: str, named: str) -> None:
        with pytest.raises(UserError, match=named):
            read(text)

    def test_numbers_that_are_no_tokens(self) -> None:
        for token in (-1, VOCABULARY):
            with pytest.raises(UserError, match="unknown token"):
                TokenGame.read([token])


class TestPrompts:
    @pytest.mark.parametrize(("result", "prompt"), [(2, "[red wins]"), (1, "[draw]"), (0, "[black wins]"), (-1, "")])
    @pytest.mark.parametrize(
        ("tier", "prompts"),
        [("master", "[human] [master]"), ("online-amateur", "[human] [amateur]"), ("engine", "[engine]")],
    )
    def test_words_ask_for_what_training_told(self, result: int, prompt: str, tier: str, prompts: str) -> None:
        moves = random_game(3, 9).move_stack
        numbers = np.array([move.index for move in moves], np.int16)
        one, unknown = np.zeros(1, np.uint8), np.full(9, 255, np.uint8)
        none, no_shares = np.zeros(0, np.int16), np.zeros(0, np.uint16)  # no moves were weighed
        shard = Shard(
            numbers, numbers, unknown, np.array([0, 9]), np.array([result], np.int8), one, one, one,
            np.zeros(9, np.uint8), np.zeros(2, np.int64), none, no_shares, no_shares,
            {"tiers": [tier], "files": ["games.pgn"], "starts": {}, "weighed": 0},
        )  # fmt: skip
        asked = read(f"{prompts} {prompt} {' '.join(move.iccs for move in moves)}")
        told = Lessons.of([(shard, 0)], 100, np.ones((1, 3), np.bool_)).prompts
        np.testing.assert_array_equal(asked.prompts(), told)
