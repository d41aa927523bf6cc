"""Trains a tiny GPT-2 on the text of games, as somebody might who knows only transformers: moves in ICCS, and no board.

    python benchmarks/text_gpt2.py FOLDER [--minutes N] [--layers N] [--width N]

Its tokenizer is BPE, trained on the same text: frequent moves are one token, rare ones several. ``hf:FOLDER`` is then
a player of every command, and docs/leaderboard.md has its figures. It learns from the training split of the shipped
games.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from lm.cli.shipped import open_shard, shipped_games
from lm.measure.held_out import records_of
from xiangqi import MOVES

CONTEXT = 256
BATCH = 4


def texts() -> list[str]:
    """Return the training games as text."""
    records = records_of(open_shard(shipped_games(), Path("cache")), "train")
    return [" ".join(MOVES[move].iccs for move in record.moves) for record in records if record.fen is None]


def tokenizer_of(games: list[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose tokens never go beyond a move."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        games, trainers.BpeTrainer(vocab_size=1000, special_tokens=["<s>"], show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>")


def batches(games: list[list[int]], chance: np.random.Generator) -> Iterator[torch.Tensor]:
    """Yield rows of `CONTEXT` tokens for ever; a row begins with a game, and the next games follow."""
    while True:
        rows = []
        for _ in range(BATCH):
            row: list[int] = []
            while len(row) < CONTEXT:
                row += games[int(chance.integers(len(games)))]
            rows.append(row[:CONTEXT])
        yield torch.tensor(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=2, help="processor time to train for")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=128)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    games = texts()
    tokenizer = tokenizer_of(games)
    start = tokenizer.bos_token_id
    ids = [[start, *row] for row in tokenizer(games)["input_ids"]]
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=CONTEXT,
            n_embd=options.width,
            n_layer=options.layers,
            n_head=4,
            bos_token_id=start,
            eos_token_id=start,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    )
    print(f"{len(games)} games, {sum(map(len, ids))} tokens, {model.num_parameters():,} parameters", flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    began, seconds, losses = time.process_time(), 60 * options.minutes, []
    for step, rows in enumerate(batches(ids, np.random.default_rng(0)), 1):
        done = (time.process_time() - began) / seconds
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(step / 50, 1.0) * (1 - done)
        loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step % 50 == 0:
            print(f"step {step}, {100 * done:.0f}%, loss {np.mean(losses[-50:]):.3f} nats a token", flush=True)
    model.save_pretrained(options.folder)
    tokenizer.save_pretrained(options.folder)


if __name__ == "__main__":
    main()
