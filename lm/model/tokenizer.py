"""Tokenizers: games as one token a ply, or as four characters a ply.

>>> tokenizer = move_tokenizer()
>>> tokenizer("h2e2 h9g7")["input_ids"]
[2087, 576, 2054]
>>> tokenizer.decode([2087, 576, 2054], skip_special_tokens=True)
'h2e2 h9g7'
>>> tokenizer.tokenize("[human] [red wins] 1. H2-E2 [black resigns]")
['[human]', '[red wins]', 'h2e2', '[black resigns]']

The character vocabulary is the files, the ranks and two special tokens; spaces between moves are skipped.

>>> char_tokenizer()("h2e2 h9g7")["input_ids"]
[1, 9, 13, 6, 13, 9, 20, 8, 18]
>>> char_tokenizer().decode([1, 9, 13, 6, 13, 9, 20, 8, 18], skip_special_tokens=True)
'h2e2h9g7'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from lm.model.pretrained_config import XiangqiConfig
from lm.model.vocabulary import BOS, CHAR_BOS, CHARS, PAD, SPECIAL
from xiangqi import MOVES

INPUTS: Final = ("input_ids", "attention_mask")
"""What a text becomes."""


class XiangqiTokenizer(PreTrainedTokenizerFast):
    """Tokenizer of `XiangqiLM`. A text that does not begin with ``[BOS]`` continues a game, and so begins with a space.

    So what a model adds to a game can be put behind it, as transformers' ``pipeline`` does.

    >>> tokenizer = move_tokenizer()
    >>> "h2e2" + tokenizer.decode([2054, 2100])
    'h2e2 h9g7 [black resigns]'
    """

    model_input_names = list(INPUTS)  # noqa: RUF012

    def _decode(self, token_ids: int | Sequence[int], *args: Any, **kwargs: Any) -> str:
        tokens = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        text = super()._decode(tokens, *args, **kwargs)
        begins = next((token for token in tokens if token != PAD), BOS) == BOS
        return text if begins or not text else f" {text}"


def move_tokenizer(longest: int = 512) -> XiangqiTokenizer:
    """Return the tokenizer for games as ICCS moves, prompts and an ending, separated by spaces.

    Moves may be written as ``H2-E2``, after their numbers too. ``longest`` is the model's ``n_context``: how many
    tokens remain where a text is truncated.
    """
    words = [*(move.iccs for move in MOVES), *SPECIAL]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    numbers = normalizers.Replace(Regex(r"(?<!\S)\d+\.+"), "")
    tokenizer.normalizer = normalizers.Sequence([*_normalizers(), numbers])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", BOS)])
    # Not special: texts without special tokens keep their prompts and endings.
    tokenizer.add_tokens([AddedToken(word, normalized=True, special=False) for word in SPECIAL[3:]])
    return XiangqiTokenizer(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        bos_token="[BOS]",
        eos_token="[PAD]",
        unk_token="[UNK]",
        padding_side="left",
        model_max_length=longest,
    )


def char_tokenizer(longest: int = 2048) -> PreTrainedTokenizerFast:
    """Return the tokenizer for games as the characters of their ICCS moves, which may be written as ``H2-E2``.

    ``longest`` is the number of characters that the model reads. Other characters raise an error.
    """
    tokenizer = Tokenizer(models.WordLevel({char: i for i, char in enumerate(CHARS)}))
    tokenizer.normalizer = normalizers.Sequence([*_normalizers(), normalizers.Replace(Regex(r"\s+"), "")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", CHAR_BOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        bos_token="[BOS]",
        eos_token="[PAD]",
        model_input_names=list(INPUTS),
        model_max_length=longest,
    )


def _normalizers() -> list[normalizers.Normalizer]:
    """Return what writes moves as ``h2e2``."""
    return [normalizers.Lowercase(), normalizers.Replace(Regex("(?<=[a-i][0-9])-(?=[a-i][0-9])"), "")]


AutoTokenizer.register(XiangqiConfig, XiangqiTokenizer)
