"""Tokenizers: games as one token a ply, or as four characters a ply.

The move vocabulary is the 2086 moves in ICCS, numbered as in ``xiangqi.MOVES``, and special tokens. A game begins with
``[BOS]``, followed by optional prompts, the moves, and an ending token if the players or a mate ended the game.
``[PAD]`` is padding.

>>> tokenizer = move_tokenizer()
>>> tokenizer("h2e2 h9g7")["input_ids"]
[2087, 576, 2054]
>>> tokenizer.decode([2087, 576, 2054], skip_special_tokens=True)
'h2e2 h9g7'
>>> tokenizer.tokenize("[human] [red wins] h2e2 [black resigns]")
['[human]', '[red wins]', 'h2e2', '[black resigns]']

The character vocabulary is the files, the ranks and two special tokens; spaces between moves are skipped.

>>> char_tokenizer()("h2e2 h9g7")["input_ids"]
[1, 9, 13, 6, 13, 9, 20, 8, 18]
>>> char_tokenizer().decode([1, 9, 13, 6, 13, 9, 20, 8, 18], skip_special_tokens=True)
'h2e2h9g7'
"""

from __future__ import annotations

from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from lm import UserError
from lm.model.prompts import Aim, Source, Strength
from xiangqi import MOVES

PROMPT_TOKENS: Final[dict[str, Source | Strength | Aim]] = {
    **{f"[{choice.word}]": choice for choice in (*Source, *Strength) if choice},
    "[red wins]": Aim.WIN,
    "[draw]": Aim.DRAW,
    "[black wins]": Aim.LOSS,
}
"""Prompt tokens and their meaning; aims are Red's. A game has at most one of each kind."""
ENDINGS: Final = ("[mate]", "[red resigns]", "[black resigns]", "[draw agreed]")
"""How a game ends. ``[mate]`` means that the side to move has no legal move: checkmate or stalemate."""

SPECIAL: Final = ("[PAD]", "[BOS]", "[UNK]", *PROMPT_TOKENS, *ENDINGS)
"""Special tokens, which follow the moves in the vocabulary."""
VOCABULARY: Final = len(MOVES) + len(SPECIAL)
PAD: Final = len(MOVES)
"""Padding, which also follows a finished game."""
BOS: Final = len(MOVES) + 1
"""Beginning of a sequence, before prompts and moves."""
MATE: Final = VOCABULARY - len(ENDINGS)
"""The first ending token; endings are the last tokens of the vocabulary."""

CHARS: Final = ("[PAD]", "[BOS]", *"abcdefghi0123456789")
"""The character vocabulary."""
CHAR_PAD: Final = 0
CHAR_BOS: Final = 1


def move_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer for games as ICCS moves, prompts and an ending, separated by spaces."""
    words = [*(move.iccs for move in MOVES), *SPECIAL]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", BOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        bos_token="[BOS]",
        eos_token="[PAD]",
        unk_token="[UNK]",
        extra_special_tokens=list(SPECIAL[3:]),
        padding_side="left",
    )


def char_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer for games as the characters of their ICCS moves."""
    tokenizer = Tokenizer(models.WordLevel({char: i for i, char in enumerate(CHARS)}, unk_token="[PAD]"))
    tokenizer.normalizer = normalizers.Replace(Regex(r"\s+"), "")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", CHAR_BOS)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", bos_token="[BOS]", eos_token="[PAD]")


def word(token: int) -> str:
    """Return a token of the move vocabulary as text. Raises ``UserError`` for a number outside the vocabulary.

    >>> word(576), word(BOS)
    ('h2e2', '[BOS]')
    """
    if not 0 <= token < VOCABULARY:
        raise UserError(f"unknown token {token} (tokens: {VOCABULARY})")
    return MOVES[token].iccs if token < len(MOVES) else SPECIAL[token - len(MOVES)]
