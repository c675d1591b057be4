"""Stage retrieve: feature store to retriever, index and ranks (Sec. III-C b)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from c2rl import provenance, resumable
from c2rl.config import RetrieveParams
from c2rl.language import backbones
from c2rl.language import tokenizer as language
from c2rl.nn.masks import Tokens, pad_tokens
from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.packed import clcl_packed
from c2rl.objectives.similarity import Similarity
from c2rl.retrieve import index, score
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.store.features import FeatureSplit, FeatureStore, write_feature_store
from c2rl.training import checkpoint, distributed, launch, optim, state
from c2rl.training.batching import Whole, by_length
from c2rl.training.features import FEATURE_CLIPS, FeatureBatch, feature_batches, pad_features
from c2rl.training.gradient_cache import Embedded, Losses
from c2rl.training.loop import Fitted, Task, fit


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
    backbones.require(params.retrieve.backbone, "retrieve.backbone")
    train, dev = store["train"], store["dev"]
    tokenizer = language.build(**params.tokenizer.kwargs(), sentences=train.sentences)
    made_from = {"features": store.meta.fingerprint, "params": params.model_dump()}

    torch.manual_seed(params.seed)
    config = {
        "feature_width": train.width,
        "vocabulary": tokenizer.size,
        **params.loss.kwargs("temperature", "max_scale"),
        **params.retrieve.kwargs("width", "layers", "heads", "feedforward", "dropout"),
    }
    model = RetrieverNetwork(**config).to(distributed.device())
    scoring = {"sharpness": params.loss.sharpness, "mix": params.retrieve.mix}
    code = resumable.hash_code("language", "nn", "objectives", "training", "retrieve")
    scratch = resumable.folder(made_from | {"code": code})
    fitted = _fit(params, model, train, dev, tokenizer, scoring, scratch)
    if not distributed.is_first():
        return

    checkpoint.fill(model, fitted.best)
    model.eval()
    held_out = [name for name in ("dev", "test") if name in store.splits]
    ranked = {name: rank(model, store[name], tokenizer, **scoring) for name in held_out}
    config = {"network": config, "encoder": store.meta.made_from["encoder"], **scoring}
    with provenance.artefact(retriever, "retriever", made_from=made_from, counts={}) as folder:
        checkpoint.save_weights(folder / "model.safetensors", fitted.best)
        provenance.write_json(folder / "config.json", config)
        provenance.write_atomic(folder / "tokenizer.json", tokenizer.dumps())
        provenance.write_lines(folder / "history.jsonl", fitted.history)
        _write_embeddings(folder, model, store, made_from)
        for name in held_out:
            provenance.write_lines(folder / f"ranks.{name}.jsonl", ranked[name].rows)
    provenance.write_json(metrics, {name: ranked[name].metrics for name in held_out})
    state.finish(scratch, "retriever")


class Ranked:
    """How a split was ranked."""

    def __init__(self, split: FeatureSplit, similarity: score.Scores) -> None:
        """Rank a split under both protocols.

        Args:
            split: V clips.
            similarity: (V, V) score of every clip with every clip's sentence.
        """
        group, first = score.number_groups(split.groups)
        grouped, paired = score.grouped(similarity[:, first], group), score.paired(similarity)
        self.metrics = {"grouped": score.summary(grouped), "paired": score.summary(paired)}
        best = similarity[:, first].argmax(axis=1)
        self.rows = [
            {
                "id": row.clip.id,
                "sentence": row.clip.sentence,
                "group": split.groups[i],
                "v2t_rank": float(grouped.v2t[i]),
                "t2v_rank": float(grouped.t2v[group[i]]),
                "score": round(float(similarity[i, i]), 4),
                "best": split.sentences[first[best[i]]],
                "best_score": round(float(similarity[i, first[best[i]]]), 4),
            }
            for i, row in enumerate(split.rows)
        ]


def rank(
    model: RetrieverNetwork,
    split: FeatureSplit,
    tokenizer: language.Tokenizer,
    *,
    sharpness: float,
    mix: float,
) -> Ranked:
    """Score all clips of a split against all its sentences, exactly.

    Args:
        model: In evaluation mode.
        split: Clips and sentences.
        tokenizer: Of the model.
        sharpness: Temperature of CLCL's inner softmax.
        mix: Score = mix * V2T + (1 - mix) * T2V.

    Returns:
        Metrics and per-clip ranks.
    """
    clips, texts = embed_signs(model, split), embed_text(model, split.sentences, tokenizer)
    return Ranked(split, index.score_pairs(clips, texts, sharpness=sharpness, mix=mix))


@torch.no_grad()
def embed_signs(model: RetrieverNetwork, split: FeatureSplit) -> list[Tensor]:
    """Encode the clips of a split.

    Args:
        model: In evaluation mode.
        split: V clips.

    Returns:
        V tensors (T', D) float.
    """
    found: dict[int, Tensor] = {}
    for chosen in by_length(split.lengths, 64):
        features, mask = (
            t.to(model.log_scale.device) for t in pad_features([split[i] for i in chosen])
        )
        encoded = model.encode_signs(features, mask).cpu()
        mask = mask.cpu()
        found |= {i: e[m] for i, e, m in zip(chosen, encoded, mask, strict=True)}
    return [found[i] for i in range(len(split))]


@torch.no_grad()
def embed_text(
    model: RetrieverNetwork, sentences: list[str], tokenizer: language.Tokenizer
) -> list[Tensor]:
    """Encode sentences.

    Args:
        model: In evaluation mode.
        sentences: S of them.
        tokenizer: Of the model.

    Returns:
        S tensors (U, D) float.
    """
    encoded = [tokenizer.encode(s) for s in sentences]
    found: dict[int, Tensor] = {}
    for chosen in by_length([len(t) for t in encoded], 64):
        tokens = pad_tokens([encoded[i] for i in chosen])
        text = model.encode_text(Tokens(*(t.to(model.log_scale.device) for t in tokens))).cpu()
        found |= {i: e[m] for i, e, m in zip(chosen, text, tokens.mask, strict=True)}
    return [found[i] for i in range(len(sentences))]


def _write_embeddings(
    folder: Path, model: RetrieverNetwork, store: FeatureStore, made_from: dict[str, Any]
) -> None:
    """Store what search needs: a vector a step of every clip, and a pooled one a clip."""
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
    index.write_index(folder / "index.faiss", np.stack([index.pool(clip) for clip in clips]))


def _fit(
    params: RetrieveParams,
    model: RetrieverNetwork,
    train: FeatureSplit,
    dev: FeatureSplit,
    tokenizer: language.Tokenizer,
    scoring: dict[str, float],
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
