"""Stage retrieve: feature store to retriever, index and ranks (Sec. III-C b)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from c2rl import provenance, resumable
from c2rl.config import RetrieveParams
from c2rl.language import encoders
from c2rl.language import tokenizer as language
from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.packed import clcl_packed
from c2rl.objectives.similarity import Similarity
from c2rl.retrieve import audit, parts
from c2rl.retrieve.embed import embed_signs, embed_text
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.retrieve.ranking import rank
from c2rl.store.features import FeatureSplit, FeatureStore, write_feature_store
from c2rl.training import checkpoint, checks, distributed, launch, memory, optim, state
from c2rl.training.batching import Whole
from c2rl.training.features import FEATURE_CLIPS, FeatureBatch, feature_batches
from c2rl.training.gradient_cache import Embedded, Losses
from c2rl.training.loop import Fitted, Task, fit

_RESAMPLES = 1000
"""Bootstrap samples of the intervals."""
_OF_ENCODERS = (
    *("width", "layers", "heads", "feedforward"),
    *("dropout", "attention_dropout", "input_scale"),
)


def retrieve(
    params: RetrieveParams, *, features: Path, encoder: Path, retriever: Path, metrics: Path
) -> None:
    """Learn to compare signing with text and rank every held-out clip and sentence.

    Args:
        params: What this stage may read.
        features: Feature store, written by `extract`.
        encoder: The encoder that made it; another one is refused, none is not asked for.
        retriever: Folder to write: weights, tokenizer, embeddings, index, ranks.
        metrics: JSON file to write.
    """
    most = -(-params.retrieve.batch_size // FEATURE_CLIPS)
    launch.run(_retrieve, params, features, encoder, retriever, metrics, most=most)


def _retrieve(
    params: RetrieveParams, features: Path, encoder: Path, retriever: Path, metrics: Path
) -> None:
    store = FeatureStore(features)
    provenance.require_encoder(features, store.meta.made_from, encoder)
    checks.require_splits(store, at_least=2)
    checks.require_sentences(store)
    checks.require_groups(store)
    train, dev = store["train"], store["dev"]

    torch.manual_seed(params.seed)
    built = encoders.build(
        params.retrieve.backbone,
        params.retrieve.weights,
        sentences=train.sentences,
        language_code=train.rows[0].clip.language,
        tokenizer=params.tokenizer.kwargs(),
        **params.retrieve.kwargs(*_OF_ENCODERS),
    )
    tokenizer = built.tokenizer
    made_from: dict[str, Any] = {"features": store.meta.fingerprint, "weights": built.weights}
    made_from["params"] = params.model_dump()
    network = {"feature_width": train.width, **params.loss.kwargs("temperature", "max_scale")}
    network |= built.config
    model = RetrieverNetwork(**network, first=built.encoders).to(distributed.device())
    _require_room(store, built.encoders, tokenizer)
    scoring = {"sharpness": params.loss.sharpness, "mix": params.retrieve.mix}
    code = resumable.hash_code("language", "nn", "objectives", "training", "retrieve")
    scratch = resumable.folder(made_from | {"code": code})
    fitted = _fit(params, model, train, dev, tokenizer, scoring, scratch)
    if not distributed.is_first():
        return

    checkpoint.fill(model, fitted.best)
    model.eval()
    held_out = [name for name in ("dev", "test") if name in store.splits]
    ranked = {
        name: rank(model, store[name], tokenizer, **scoring, resamples=_RESAMPLES)
        for name in held_out
    }
    config = {"network": network, **scoring}
    config |= {key: store.meta.made_from.get(key) for key in ("encoder", "extract")}
    with provenance.artefact(retriever, "retriever", made_from=made_from, counts={}) as folder:
        checkpoint.save_weights(folder / "model.safetensors", fitted.best)
        provenance.write_json(folder / "config.json", config)
        provenance.write_atomic(folder / "tokenizer.json", tokenizer.dumps())
        provenance.write_lines(folder / "history.jsonl", fitted.history)
        _write_embeddings(folder, model, store, made_from)
        _write_candidates(folder, model, train, tokenizer, scoring)
        for name in held_out:
            provenance.write_lines(folder / f"ranks.{name}.jsonl", ranked[name].rows)
    provenance.write_json(metrics, {name: ranked[name].metrics for name in held_out})
    state.finish(scratch, "retriever")


def _require_room(
    store: FeatureStore, both: encoders.Encoders, tokenizer: language.Tokenizer
) -> None:
    """Refuse what is longer than the encoders' positions."""
    checks.require_room(store, both.max_features, key="retrieve.backbone")
    for name in store:
        said = max(len(tokenizer.encode(sentence)) for sentence in store[name].sentences)
        if both.max_tokens is not None and said > both.max_tokens:
            raise ValueError(
                f"the longest sentence of {name} has {said} tokens, the text encoder takes"
                f" {both.max_tokens}: take a tokenizer with longer pieces, or choose"
                " retrieve.backbone: mt5, which has no limit"
            )


def _write_embeddings(
    folder: Path, model: RetrieverNetwork, store: FeatureStore, made_from: dict[str, Any]
) -> None:
    """Store what search reads: a vector a step of every clip."""
    rows = [row for name in store for row in store[name].rows]
    clips = [clip for name in store for clip in embed_signs(model, store[name])]
    write_feature_store(
        folder / "embeddings.zarr",
        rows,
        (np.asarray(clip.half()) for clip in clips),
        lengths=[len(clip) for clip in clips],
        width=clips[0].shape[1],
        made_from=made_from,
    )


def _write_candidates(
    folder: Path,
    model: RetrieverNetwork,
    train: FeatureSplit,
    tokenizer: language.Tokenizer,
    scoring: dict[str, float],
) -> None:
    """Store what the quick search needs, audited with some training sentences."""
    distinct = list(dict.fromkeys(train.sentences))
    step = max(1, len(distinct) // audit.QUERIES)
    queries = embed_text(model, distinct[::step][: audit.QUERIES], tokenizer)
    parts.write_candidates(folder, queries, sharpness=scoring["sharpness"], mix=scoring["mix"])


def _fit(
    params: RetrieveParams,
    model: RetrieverNetwork,
    train: FeatureSplit,
    dev: FeatureSplit,
    tokenizer: language.Tokenizer,
    scoring: dict[str, Any],
    folder: Path,
) -> Fitted:
    options = params.retrieve

    def evaluate() -> dict[str, float]:
        found = rank(model, dev, tokenizer, **scoring).metrics["grouped"]
        return {"r1": (found["t2v"]["r1"] + found["v2t"]["r1"]) / 2}

    batches = feature_batches(
        train,
        [tokenizer.encode(s) for s in train.sentences],
        batch_size=options.batch_size,
        seed=params.seed,
    )
    task = Task(
        model,
        batches,
        steps=-(-len(train) // options.batch_size),
        losses=lambda whole: _losses(params, model, whole),
        names=("", ""),
        evaluate=evaluate,
        better=("r1", "max"),
        room=memory.room(model.sign_encoder, model.projection.out_features),
    )
    groups = optim.parameter_groups(model, lr=options.lr, weight_decay=options.weight_decay)
    return fit(
        task,
        optimizer=optim.build(options.optimizer, groups, **options.kwargs("momentum", "nesterov")),
        seed=params.seed,
        folder=folder,
        **options.kwargs("epochs", "warmup", "clip_norm", "evaluate_every", "precision"),
    )


def _losses(params: RetrieveParams, model: RetrieverNetwork, whole: Whole) -> Losses[FeatureBatch]:
    """Give eq. (1) over a batch, each process scoring its own clips against all sentences."""
    contrast = params.loss.kwargs("directions", "dual_mix", "duplicate_text", "negatives")

    def embed(batch: FeatureBatch) -> Embedded:
        with distributed.autocast(params.retrieve.precision):
            signs = model.encode_signs(batch.features, batch.mask)[batch.mask]
            text = model.encode_text(batch.tokens)[batch.tokens.mask]
        return signs, text

    def joint(embedded: list[Embedded]) -> Tensor:
        signs, text = (torch.cat(parts) for parts in zip(*embedded, strict=True))
        strips = clcl_packed(
            signs,
            whole.own(whole.feature_lengths),
            distributed.gather(text, whole.of_rank(whole.token_lengths)),
            whole.token_lengths,
            sharpness=params.loss.sharpness,
        )
        similarity = Similarity(*(distributed.gather(z, whole.shares) for z in strips))
        ids = whole.sentence_ids.to(signs.device)
        loss = info_nce(similarity, model.scale, sentence_ids=ids, **contrast)
        return loss / distributed.size()

    return Losses(embed, joint, None, (1.0, 0.0))
