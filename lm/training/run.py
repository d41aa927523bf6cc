"""Training with `transformers.Trainer`.

A run is a directory: `run.json` has its settings, `checkpoint-*/` the state for resuming it, `log/` the TensorBoard
log, `model/` the result. Its length is given in plies or in CPU seconds (`Budget`). A run killed at any moment resumes
from its last checkpoint and repeats the steps since then bit by bit (`batches`). Under ``torchrun`` or ``accelerate
launch`` the processes share the games of each step. Their number may change when the run is resumed.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from transformers import PreTrainedModel, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.utils.logging import disable_progress_bar

from lm import UserError, processors
from lm.dataset.records import SPLITS
from lm.dataset.seen import SeenGames
from lm.dataset.shards import Shard
from lm.model import char
from lm.model.loading import load_model
from lm.model.model import XiangqiLM
from lm.model.precision import has_bf16
from lm.training.batches import GameBatches, Targets
from lm.training.callbacks import Bar, Budget, EarlyLook, Saving, say
from lm.training.char_batches import CharBatches
from lm.training.checkpoints import latest_checkpoint, settle, step_of, write_json
from lm.training.presets import Preset
from lm.training.result import TOKENIZERS, deliver
from lm.training.trainer import XiangqiTrainer
from xiangqi.words import counted


def new_model(preset: Preset, tokens: str, init_from: Path | None, changes: dict[str, Any]) -> PreTrainedModel:
    """Return the model that a run starts with.

    Raises ``UserError`` if ``init_from`` is not a fitting model, and if only a part of a new one, or of one that reads
    characters, is to learn.
    """
    if preset.learner != "all" and (tokens == "char" or init_from is None):
        raise UserError(f"learner={preset.learner} is for a model that reads moves and is trained further: --init-from")
    if tokens == "char":
        size = preset.n_layer, preset.n_head, preset.n_embd
        return char.start_from(init_from) if init_from else char.new_model(*size)
    if init_from is None:
        return XiangqiLM(preset.config(**changes))
    model = load_model(init_from)
    model.with_reply_head(True)
    if preset.learner == "value":
        model.requires_grad_(False)
        for weight in model.value_parameters():
            weight.requires_grad_()
    return model


# --- A run from start to result ---------------------------------------------------------------------------------------


def train(
    shards: Sequence[Shard],
    out: Path,
    preset: Preset,
    *,
    tokens: str = "move",
    init_from: Path | None = None,
    config_changes: dict[str, Any] | None = None,
    seed: int = 1,
    cpu_seconds: float | None = None,
    weights: Mapping[str, float] | None = None,
    save_minutes: float = 5,
    log_steps: int = 20,
    progress: bool = True,
) -> Path:
    """Train a model, or resume the run in ``out``; return the directory of the result, ``out/model``.

    ``tokens`` is the model's input: ``move``, or ``char`` for the system of 2020 (`lm.model.char`), which has no board.
    ``config_changes`` are applied to the preset's configuration of a new model that reads moves. ``cpu_seconds`` sets
    the length of the run in CPU seconds, counted over all its processes and resumed parts; the preset's length is then
    only a first estimate, which starts the curriculum of characters. ``weights`` set how often the games of a source or
    tier are read in an epoch (`GameBatches`). Checkpoints are ``save_minutes`` apart.

    The rate rises in at most a tenth of the steps (`Preset.fitted`) if the length is given in plies. With ``progress``
    the plan is printed at the start, and the time expected when it can be told.

    A finished run is not changed. An interrupted run is saved before ``KeyboardInterrupt`` is raised. Raises
    ``UserError`` for data without training games, settings that differ from those of the run in ``out``, a gradient
    that is not finite, a run that diverges, a damaged shard and a full disk; earlier checkpoints stay valid.
    """
    if tokens not in TOKENIZERS:
        raise UserError(f"tokens must be one of {', '.join(TOKENIZERS)}: {tokens!r}")
    settings = {
        **asdict(preset),
        "tokens": tokens,
        "config": config_changes or {},
        "seed": seed,
        "init_from": str(init_from) if init_from else None,
        "data": [shard.fingerprint() for shard in shards],
        "cpu_seconds": cpu_seconds,
        "weights": dict(weights) if weights else None,
    }
    try:
        began = settle(out, settings)
        checkpoint = latest_checkpoint(out, say)
        if began["plies"] != preset.plies:
            check_new_length(out, preset, began["plies"], checkpoint)
            write_json(out / "run.json", settings)
        elif finished(out):
            if os.environ.get("RANK", "0") == "0":
                say("this run is finished")
            return out / "model"
        disable_progress_bar()  # there would be one for every file written
        torch.manual_seed(seed)
        model = new_model(preset, tokens, init_from, config_changes or {})
        # A run by CPU seconds finds its length only on its way, so its warm-up is that of the preset.
        fitted = preset if cpu_seconds is not None else preset.fitted()
        trainer = make_trainer(model, shards, out, fitted, seed, log_steps, weights)
        saving = Saving(save_minutes)
        trainer.add_callback(saving)
        seen = SeenGames.trained_on(shards)
        if init_from is not None and (before := SeenGames.load(init_from)) is not None:
            seen = seen | before
        trainer.look = EarlyLook(trainer, shards, tokens, seen)
        budget = None
        if "length" in began:
            known = replace(preset, **began["length"])
            trainer.plan(known)
            trainer.batches.settle(known.steps, round(known.steps * (1 - known.decay)))
        elif cpu_seconds is not None:

            def note(known: Preset) -> None:
                length = {"plies": known.plies, "decay": known.decay}
                write_json(out / "run.json", settings | {"length": length})

            budget = Budget(trainer, cpu_seconds, note)
            trainer.add_callback(budget)
        if progress and trainer.is_world_process_zero():
            say(plan_of(model, trainer, shards, step_of(checkpoint) if checkpoint else 0, budget))
        bar, writer = Bar(trainer, progress, budget), None
        trainer.add_callback(bar)
        if trainer.is_world_process_zero():
            shutil.rmtree(out / "unfinished", ignore_errors=True)
            seen.save(out)  # for runs that start from a checkpoint of this one
            writer = SummaryWriter(str(out / "log"), purge_step=step_of(checkpoint) + 1 if checkpoint else 0)
            trainer.add_callback(TensorBoardCallback(writer))
        try:
            with saving.listening():
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            bar.close()
            with suppress(OSError):
                if writer is not None:
                    writer.close()
        if trainer.state.global_step < trainer.preset.steps:
            raise KeyboardInterrupt(f"stopped at {bar.place(trainer.state.global_step)}")
        whole = trainer.whole()
        if whole is not None:
            deliver(trainer.state, whole, shards, out, trainer.preset, tokens, init_from, seen)
            shutil.rmtree(out / "unfinished")
        trainer.accelerator.wait_for_everyone()
    except OSError as error:
        raise UserError(f"{error.filename or out}: {error.strerror or error}") from None
    return out / "model"


def plan_of(
    model: PreTrainedModel, trainer: XiangqiTrainer, shards: Sequence[Shard], done: int, budget: Budget | None
) -> str:
    """Return what a run is about to do: lines with its model, its games, its length and its rate."""
    preset, batches, layers = trainer.preset, trainer.batches, model.config.num_hidden_layers
    held = {split: sum(len(shard.games(split)) for shard in shards) for split in SPLITS[1:]}
    size = batches.epoch_plies / batches.per_epoch
    rise = f"the learning rate rises to {preset.learning_rate:g} in {counted(preset.warmup, 'step')}"
    if budget is None:
        steps, epochs = preset.steps, preset.steps / batches.per_epoch
        length = f"{counted(steps, 'step')} of about {size:,.0f} plies, {epochs:.1f} epochs; {rise}"
        length += f", and falls from step {preset.falls_at:,} on" * (preset.decay > 0)
    else:
        length = f"{budget.seconds:,.0f} CPU seconds, in steps of about {size:,.0f} plies; {rise}"
    lines = [
        f"model: {counted(layers, 'layer')} of width {model.config.hidden_size}, "
        f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters, on {trainer.args.device.type}",
        f"games: {batches.epoch_games:,} to learn from, {counted(batches.epoch_plies, 'ply')} an epoch; held out: "
        f"{held['validation']:,} to watch the run by, {held['test']:,} to judge the result by",
        f"run: {length}",
    ]
    if done:
        lines.append(f"resumed after step {done:,}")
    return "\n".join(lines)


def finished(out: Path) -> bool:
    """Whether a run has its result, at its present length."""
    try:
        made = json.loads((out / "model" / "metrics.json").read_text("utf-8"))
        wanted = json.loads((out / "run.json").read_text("utf-8"))
    except FileNotFoundError:
        return False
    return bool(made["preset"]["plies"] == wanted.get("length", wanted)["plies"])


def check_new_length(out: Path, preset: Preset, plies: int, checkpoint: Path | None) -> None:
    """Raise ``UserError`` if the length of a run started with ``plies`` changes after its rate has begun to fall."""
    done = step_of(checkpoint) if checkpoint else 0
    if done >= min(preset.falls_at, replace(preset, plies=plies).falls_at):
        raise UserError(
            f"{out} was begun for {counted(plies, 'ply')}; after {counted(done, 'step')} it is too late for "
            f"{preset.plies}, as the learning rate falls or should have fallen: "
            f"start a new run with --init-from {out / 'model'}"
        )


def make_trainer(
    model: PreTrainedModel,
    shards: Sequence[Shard],
    out: Path,
    preset: Preset,
    seed: int,
    log_steps: int,
    weights: Mapping[str, float] | None = None,
) -> XiangqiTrainer:
    """Return the Trainer of this process, with the preset adapted to its device and the number of processes."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gpu = device.type == "cuda"
    processes, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    accumulation = math.ceil(preset.batch_plies / preset.part_plies / processes)
    config = char.reading_config(model)
    kind = GameBatches if config is model.config else CharBatches
    batches = kind(
        shards,
        config,
        preset.batch_plies,
        preset.steps,
        seed,
        parts=processes * accumulation,
        stride=processes,
        threads=max(1, processors() // (2 * local)),
        weights=weights,
        targets=Targets(preset.policy_target, preset.regret_tau, preset.value_blend),
    )
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=preset.steps,
        per_device_train_batch_size=1,  # an item is already a part of a step
        gradient_accumulation_steps=accumulation,
        bf16=has_bf16(device),
        use_cpu=not gpu,
        ddp_backend="gloo" if processes > 1 and not gpu else None,
        ddp_find_unused_parameters=len(config.candidate_groups) == 1,  # the context scores are unused then
        max_grad_norm=preset.clip,
        logging_steps=log_steps,
        save_strategy="no",  # `Saving` saves
        dataloader_pin_memory=gpu,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        seed=seed,
    )
    return XiangqiTrainer(model, arguments, batches, preset)
