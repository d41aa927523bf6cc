"""Games as token sequences: one token a ply.

The vocabulary is the 2086 moves in ICCS, numbered as in ``xiangqi.MOVES``, and two special tokens.

>>> tokenizer = move_tokenizer()
>>> tokenizer("h2e2 h9g7")["input_ids"]
[2087, 576, 1839]
>>> tokenizer.decode([2087, 576, 1839], skip_special_tokens=True)
'h2e2 h9g7'
"""

from __future__ import annotations

from typing import Final

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from xiangqi import MOVES

PAD: Final = len(MOVES)
"""Fills a batch, and follows the last move of a finished game."""
BOS: Final = len(MOVES) + 1
"""Stands before the first move."""
VOCABULARY: Final = len(MOVES) + 2


def move_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer that reads games as ICCS moves between spaces."""
    vocabulary = {move.iccs: move.index for move in MOVES} | {"[PAD]": PAD, "[BOS]": BOS}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", BOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", bos_token="[BOS]", eos_token="[PAD]", padding_side="left"
    )
