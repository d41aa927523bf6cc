"""Games as token sequences: one token a ply, or four characters a ply.

The vocabulary of moves is the 2086 moves in ICCS, numbered as in ``xiangqi.MOVES``, and two special tokens.

>>> tokenizer = move_tokenizer()
>>> tokenizer("h2e2 h9g7")["input_ids"]
[2087, 576, 2054]
>>> tokenizer.decode([2087, 576, 2054], skip_special_tokens=True)
'h2e2 h9g7'

That of characters is the files, the ranks and two special tokens; spaces between moves are skipped.

>>> char_tokenizer()("h2e2 h9g7")["input_ids"]
[1, 9, 13, 6, 13, 9, 20, 8, 18]
>>> char_tokenizer().decode([1, 9, 13, 6, 13, 9, 20, 8, 18], skip_special_tokens=True)
'h2e2h9g7'
"""

from __future__ import annotations

from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from xiangqi import MOVES

PAD: Final = len(MOVES)
"""Fills a batch, and follows the last move of a finished game."""
BOS: Final = len(MOVES) + 1
"""Stands before the first move."""
VOCABULARY: Final = len(MOVES) + 2

CHARS: Final = ("[PAD]", "[BOS]", *"abcdefghi0123456789")
"""The vocabulary of characters."""
CHAR_PAD: Final = 0
CHAR_BOS: Final = 1


def move_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer that reads games as ICCS moves between spaces."""
    vocabulary = {move.iccs: move.index for move in MOVES} | {"[PAD]": PAD, "[BOS]": BOS}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", BOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", bos_token="[BOS]", eos_token="[PAD]", padding_side="left"
    )


def char_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer that reads games as the characters of their ICCS moves."""
    tokenizer = Tokenizer(models.WordLevel({char: i for i, char in enumerate(CHARS)}, unk_token="[PAD]"))
    tokenizer.normalizer = normalizers.Replace(Regex(r"\s+"), "")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", CHAR_BOS)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", bos_token="[BOS]", eos_token="[PAD]")
