"""Stage pretrain: frame store to sign encoder, by ICL and ECL (Sec. III-B)."""

from pathlib import Path
from typing import Any

import torch

from c2rl import provenance
from c2rl.config import PretrainParams
from c2rl.language import tokenizer as language
from c2rl.pretrain.batches import FrameBatches
from c2rl.pretrain.model import Pretrainer, objective
from c2rl.pretrain.probe import evaluation
from c2rl.store.frames import FrameStore
from c2rl.training import checkpoint, optim
from c2rl.training.loop import Fitted, fit


def pretrain(params: PretrainParams, *, frames: Path, encoder: Path, metrics: Path) -> None:
    """Learn a sign encoder from frames and sentences.

    Args:
        params: What this stage may read.
        frames: Frame store, written by `prepare`.
        encoder: Folder to write: weights, configuration, tokenizer, history.
        metrics: JSON file to write.
    """
    store = FrameStore(frames)
    sentences = [row.clip.sentence for row in store.rows if row.clip.split == "train"]
    tokenizer = language.build(**params.tokenizer.kwargs(), sentences=sentences)
    made_from: dict[str, Any] = {"frames": store.meta.fingerprint, "params": params.model_dump()}

    sampling, size = params.frames.kwargs(), params.pretrain.batch_size
    train = FrameBatches(store, "train", tokenizer, **sampling, batch_size=size, seed=params.seed)
    dev = FrameBatches(store, "dev", tokenizer, **sampling, batch_size=size, seed=params.seed)
    torch.manual_seed(params.seed)
    model = Pretrainer(
        vocabulary=tokenizer.size,
        **params.encoder.kwargs(),
        **params.loss.kwargs("temperature", "max_scale"),
    )
    fitted = _fit(params, model, train, dev, tokenizer, made_from)

    config = {
        "encoder": params.encoder.kwargs(),
        "frames": store.meta.made_from["frames"] | sampling,
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
    provenance.write_json(metrics, _metrics(fitted, tokenizer, dev))


def _fit(
    params: PretrainParams,
    model: Pretrainer,
    train: FrameBatches,
    dev: FrameBatches,
    tokenizer: language.Tokenizer,
    made_from: dict[str, Any],
) -> Fitted:
    loss = params.loss.kwargs()
    for own in ("temperature", "max_scale"):
        del loss[own]
    options = params.pretrain
    groups = optim.parameter_groups(model, lr=options.lr, weight_decay=options.weight_decay)
    return fit(
        model,
        batches=train.epoch,
        steps=len(train),
        losses=lambda batch: objective(model, batch, **loss),
        items=lambda batch: len(batch.frames),
        unit="frames",
        evaluate=evaluation(model, dev, tokenizer, clips=options.probe_clips, loss=loss),
        better=("loss", "min"),
        optimizer=optim.build(options.optimizer, groups, **options.kwargs("momentum", "nesterov")),
        seed=params.seed,
        state=provenance.scratch(made_from),
        **options.kwargs("epochs", "warmup", "clip_norm", "evaluate_every"),
    )


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
