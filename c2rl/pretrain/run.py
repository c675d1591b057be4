"""Stage pretrain: frame store to sign encoder, by ICL and ECL (Sec. III-B)."""

from pathlib import Path
from typing import Any

import torch

from c2rl import provenance, resumable
from c2rl.config import PretrainParams
from c2rl.language import tokenizer as language
from c2rl.pretrain.batches import FrameBatches
from c2rl.pretrain.gfslt_vlp import GFSLT_VLP
from c2rl.pretrain.memory import room
from c2rl.pretrain.model import Pretrainer
from c2rl.pretrain.objective import C2RL, Options
from c2rl.pretrain.probe import evaluation
from c2rl.store.frames import FrameStore
from c2rl.training import checkpoint, distributed, launch, optim, state
from c2rl.training.loop import Fitted, Task, fit
from c2rl.training.meter import flops

OBJECTIVES = {"c2rl": C2RL, "gfslt_vlp": GFSLT_VLP}


def pretrain(params: PretrainParams, *, frames: Path, encoder: Path, metrics: Path) -> None:
    """Learn a sign encoder from frames and sentences, in as many processes as `C2RL_DEVICES`.

    Args:
        params: What this stage may read.
        frames: Frame store, written by `prepare`.
        encoder: Folder to write: weights, configuration, tokenizer, history.
        metrics: JSON file to write.
    """
    options = params.pretrain
    least = 1 if options.batch_norm == "global" else options.batch_norm
    most = -(-options.batch_size // least)
    launch.run(_pretrain, params, frames, encoder, metrics, most=most)


def _pretrain(params: PretrainParams, frames: Path, encoder: Path, metrics: Path) -> None:
    store = FrameStore(frames)
    sentences = [row.clip.sentence for row in store.rows if row.clip.split == "train"]
    tokenizer = language.build(**params.tokenizer.kwargs(), sentences=sentences)
    made_from: dict[str, Any] = {"frames": store.meta.fingerprint, "params": params.model_dump()}

    train, dev = (
        FrameBatches(
            store,
            split,
            tokenizer,
            **params.frames.kwargs(),
            **params.pretrain.kwargs("batch_size", "batch_norm"),
            seed=params.seed,
        )
        for split in ("train", "dev")
    )
    _check(params, train)
    torch.manual_seed(params.seed)
    model = Pretrainer(
        vocabulary=tokenizer.size,
        **params.encoder.kwargs(),
        **params.loss.kwargs("temperature", "max_scale"),
    )
    if params.pretrain.batch_norm == "global":
        distributed.synchronise_batch_norm(model)
    model.to(distributed.device())
    code = resumable.hash_code("language", "nn", "objectives", "pretrain", "training", "video")
    folder = resumable.folder(made_from | {"code": code})
    fitted = _fit(params, model, train, dev, tokenizer, folder)
    if distributed.is_first():
        _write(params, fitted, store, tokenizer, made_from, encoder)
        provenance.write_json(metrics, _metrics(fitted, tokenizer, dev))
        state.finish(folder, "encoder")


def _check(params: PretrainParams, train: FrameBatches) -> None:
    """Refuse batches that cannot be filled, or that leave nothing to contrast."""
    clips, size = len(train.numbers), params.pretrain.batch_size
    if clips < size:
        raise ValueError(
            f"split train has {clips} clips, fewer than pretrain.batch_size {size}:"
            f" lower it to {clips} or less"
        )
    if params.loss.alpha and clips // len(train) < 2:
        raise ValueError(
            f"pretrain.batch_size {size} leaves a batch of one among {clips} clips, where the"
            " contrastive loss has nothing to contrast: raise it, or set loss.alpha to 0"
        )


def _fit(
    params: PretrainParams,
    model: Pretrainer,
    train: FrameBatches,
    dev: FrameBatches,
    tokenizer: language.Tokenizer,
    folder: Path,
) -> Fitted:
    options = params.pretrain
    objective = OBJECTIVES[options.objective]
    losses = Options(
        **{k: v for k, v in params.loss.kwargs().items() if k in Options._fields},
        **options.kwargs("mask_rate", "precision"),
        seed=params.seed,
    )
    side = params.frames.crop
    one = torch.zeros(1, 3, side, side, device=distributed.device())
    task = Task(
        model,
        train.epoch,
        len(train),
        losses=lambda whole: objective.share(model, whole, losses),
        names=("contrastive", "language"),
        evaluate=evaluation(model, dev, tokenizer, objective, losses, clips=options.probe_clips),
        better=("loss", "min"),
        unit="frames",
        flops_per_row=3 * flops(model.sign_encoder.resnet, one),  # back is twice the way forward
        room=room(side=side, channels=params.encoder.channels),
    )
    groups = optim.parameter_groups(model, lr=options.lr, weight_decay=options.weight_decay)
    return fit(
        task,
        optimizer=optim.build(options.optimizer, groups, **options.kwargs("momentum", "nesterov")),
        seed=params.seed,
        folder=folder,
        **options.kwargs("epochs", "warmup", "clip_norm", "evaluate_every", "precision"),
    )


def _write(
    params: PretrainParams,
    fitted: Fitted,
    store: FrameStore,
    tokenizer: language.Tokenizer,
    made_from: dict[str, Any],
    encoder: Path,
) -> None:
    config = {
        "encoder": params.encoder.kwargs(),
        "frames": store.meta.made_from["frames"] | params.frames.kwargs(),
        "crop": store.meta.made_from["crop"],
        "vocabulary": tokenizer.size,
        "sharpness": params.loss.sharpness,
    }
    with provenance.artefact(encoder, "encoder", made_from=made_from, counts={}) as folder:
        checkpoint.save_weights(folder / "model.safetensors", fitted.best)
        checkpoint.save_weights(folder / "last.safetensors", fitted.last)
        provenance.write_json(folder / "config.json", config)
        provenance.write_atomic(folder / "tokenizer.json", tokenizer.dumps())
        provenance.write_lines(folder / "history.jsonl", fitted.history)


def _metrics(
    fitted: Fitted, tokenizer: language.Tokenizer, dev: FrameBatches
) -> dict[str, dict[str, float]]:
    best, last = fitted.history[fitted.best_epoch - 1], fitted.history[-1]
    return {
        "train": {k: round(v, 4) for k, v in last.items() if not k.startswith("dev_")},
        "dev": {
            "best_epoch": fitted.best_epoch,
            **{k.removeprefix("dev_"): round(v, 4) for k, v in best.items() if "dev_" in k},
            "covered": tokenizer.unknown(dev.sentences)["covered"],
        },
    }
