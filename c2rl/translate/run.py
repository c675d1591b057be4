"""Stage translate: feature store to translator, predictions and scores (Sec. III-C a)."""

import sys
from pathlib import Path
from typing import Any, Literal

import torch

from c2rl import provenance, resumable
from c2rl.config import TranslateParams
from c2rl.language import backbones
from c2rl.language import tokenizer as language
from c2rl.nn.search import Hypothesis
from c2rl.objectives.language import language_loss
from c2rl.store.features import FeatureSplit, FeatureStore
from c2rl.training import checkpoint, checks, distributed, launch, optim, state
from c2rl.training.batching import Whole, by_length
from c2rl.training.features import FEATURE_CLIPS, FeatureBatch, feature_batches, mapped
from c2rl.training.gradient_cache import Embedded, Losses
from c2rl.training.loop import Fitted, Task, fit
from c2rl.translate import collapse, score
from c2rl.translate.checks import require_length
from c2rl.translate.model import TranslatorNetwork

_RESAMPLES = 1000
"""Bootstrap samples of an interval, as sacrebleu's own command draws."""
_OF_BACKBONE = (
    *("width", "layers", "heads", "feedforward"),
    *("dropout", "attention_dropout", "input_scale"),
)


def translate(
    params: TranslateParams, *, features: Path, encoder: Path, translator: Path, metrics: Path
) -> None:
    """Learn to translate sign features and score every held-out clip.

    Args:
        params: What this stage may read.
        features: Feature store, written by `extract`.
        encoder: The encoder that made it; another one is refused, none is not asked for.
        translator: Folder to write: weights, tokenizer, predictions.
        metrics: JSON file to write.
    """
    most = -(-params.translate.batch_size // FEATURE_CLIPS)
    launch.run(_translate, params, features, encoder, translator, metrics, most=most)


def _translate(
    params: TranslateParams, features: Path, encoder: Path, translator: Path, metrics: Path
) -> None:
    store = FeatureStore(features)
    provenance.require_encoder(features, store.meta.made_from, encoder)
    checks.require_splits(store)
    checks.require_sentences(store)
    train = store["train"]
    language_code = train.rows[0].clip.language
    profile = store.meta.made_from["profile"] or score.profile_of(language_code)

    torch.manual_seed(params.seed)
    built = backbones.build(
        params.translate.backbone,
        params.translate.weights,
        sentences=train.sentences,
        language_code=language_code,
        tokenizer=params.tokenizer.kwargs(),
        **params.translate.kwargs(*_OF_BACKBONE),
    )
    tokenizer = built.tokenizer
    made_from: dict[str, Any] = {"features": store.meta.fingerprint, "weights": built.weights}
    made_from["params"] = params.model_dump()
    model = TranslatorNetwork(built.backbone, feature_width=train.width).to(distributed.device())
    tokens = [tokenizer.encode(sentence) for sentence in train.sentences]
    checks.require_room(store, built.backbone.max_positions, key="translate.backbone")
    search = _search(params, built.backbone, longest=max(map(len, tokens)))
    code = resumable.hash_code("language", "nn", "objectives", "training", "translate")
    scratch = resumable.folder(made_from | {"code": code})
    fitted = _fit(params, model, store, tokenizer, tokens, profile, search, scratch)
    if not distributed.is_first():
        return

    checkpoint.fill(model, fitted.best)
    model.eval()
    held_out = [name for name in ("dev", "test") if name in store.splits]
    found = {name: _generate(model, store[name], search) for name in held_out}
    config = {"feature_width": train.width, "backbone": built.config, "search": search}
    config |= {key: store.meta.made_from.get(key) for key in ("encoder", "extract")}
    with provenance.artefact(translator, "translator", made_from=made_from, counts={}) as folder:
        checkpoint.save_weights(folder / "model.safetensors", fitted.best)
        provenance.write_json(folder / "config.json", config | {"profile": profile})
        provenance.write_atomic(folder / "tokenizer.json", tokenizer.dumps())
        provenance.write_lines(folder / "history.jsonl", fitted.history)
        for name in held_out:
            rows = _predictions(found[name], store[name], tokenizer, profile)
            provenance.write_lines(folder / f"predictions.{name}.jsonl", rows)
    provenance.write_json(
        metrics,
        {name: _scores(found[name], store[name], train, tokenizer, profile) for name in held_out},
    )
    state.finish(scratch, "translator")


def _search(
    params: TranslateParams, backbone: backbones.Backbone, *, longest: int
) -> dict[str, Any]:
    """Give what `backbones.generate` searches with, from the tokens of the longest sentence."""
    max_length = params.translate.max_length or longest + longest // 2
    require_length(backbone, longest=longest, max_length=max_length)
    return params.translate.kwargs("beams", "length_penalty") | {"max_length": max_length}


def _fit(
    params: TranslateParams,
    model: TranslatorNetwork,
    store: FeatureStore,
    tokenizer: language.Tokenizer,
    tokens: list[list[int]],
    profile: str,
    search: dict[str, Any],
    folder: Path,
) -> Fitted:
    options, train, dev = params.translate, store["train"], store["dev"]
    groups = optim.parameter_groups(
        model,
        lr=options.lr,
        weight_decay=options.weight_decay,
        other_lr={"projection.": options.projection_lr},
    )

    def evaluate() -> dict[str, float]:
        found = _generate(model, dev, search | {"beams": 1, "length_penalty": 1.0})
        ours = [tokenizer.decode(found[id_][0].tokens) for id_ in dev.ids]
        return {"bleu4": score.bleu(ours, dev.sentences, profile)}

    batches = feature_batches(
        train,
        tokens,
        batch_size=options.batch_size,
        bucket=options.bucket,
        seed=params.seed,
    )
    task = Task(
        model,
        batches,
        steps=-(-len(train) // options.batch_size),
        losses=lambda whole: _losses(
            model, whole, smoothing=options.smoothing, precision=options.precision
        ),
        names=("", ""),
        evaluate=evaluate,
        better=("bleu4", "max"),
    )
    return fit(
        task,
        optimizer=optim.build(options.optimizer, groups, **options.kwargs("momentum", "nesterov")),
        seed=params.seed,
        folder=folder,
        **options.kwargs("epochs", "warmup", "clip_norm", "evaluate_every", "precision"),
    )


def _losses(
    model: TranslatorNetwork,
    whole: Whole,
    *,
    smoothing: float,
    precision: Literal["float32", "bfloat16"],
) -> Losses[FeatureBatch]:
    """Give the token mean of eq. (2) over a batch, micro-batch by micro-batch."""

    def own(batch: FeatureBatch, embedded: Embedded) -> torch.Tensor:
        with distributed.autocast(precision):
            logits = model(embedded[0], batch.mask, batch.tokens)
        ids, mask = batch.tokens
        return language_loss(logits, ids, mask, smoothing=smoothing) * whole.token_part(mask)

    return Losses(lambda batch: (batch.features,), None, own, (0.0, 1.0))


def _generate(
    model: TranslatorNetwork, split: FeatureSplit, search: dict[str, Any]
) -> dict[str, list[Hypothesis]]:
    """Translate a split in batches of like length."""
    found: dict[str, list[Hypothesis]] = {}
    read = mapped(split)
    with torch.no_grad():
        for chosen in by_length(split.lengths, 32):
            hypotheses = model.generate(*read([(i, 0) for i in chosen]), **search)
            found |= {split.ids[i]: own for i, own in zip(chosen, hypotheses, strict=True)}
    return {id_: found[id_] for id_ in split.ids}


def _predictions(
    found: dict[str, list[Hypothesis]],
    split: FeatureSplit,
    tokenizer: language.Tokenizer,
    profile: str,
) -> list[dict[str, Any]]:
    rows = []
    for id_, reference in zip(split.ids, split.sentences, strict=True):
        best = [(tokenizer.decode(h.tokens), round(h.score, 4)) for h in found[id_]]
        rows.append(
            {
                "id": id_,
                "hypothesis": best[0][0],
                "reference": reference,
                "rouge_l": score.sentence_score(best[0][0], reference, profile),
                "score": best[0][1],
                "n_best": best[1:],
            }
        )
    return rows


def _scores(
    found: dict[str, list[Hypothesis]],
    split: FeatureSplit,
    train: FeatureSplit,
    tokenizer: language.Tokenizer,
    profile: str,
) -> dict[str, Any]:
    """Score a split, and what it would score without looking at the video."""
    ours = {id_: tokenizer.decode(own[0].tokens) for id_, own in found.items()}
    references = dict(zip(split.ids, split.sentences, strict=True))
    said, code = list(ours.values()), split.rows[0].clip.language
    watched = collapse.watch(said, split.sentences, train.sentences)
    for warning in watched.warnings:
        print(f"{split.name}: {warning}", file=sys.stderr, flush=True)
    alike = [name for name in score.PROFILES if name != profile and score.fits(name, code)]
    unknown = tokenizer.unknown(split.sentences)
    return {
        **score.score(ours, references, profile, resamples=_RESAMPLES),
        # Each clip's features replaced by those of the next clip: what is left is language alone.
        "bleu4_shuffled": round(score.bleu(said[1:] + said[:1], split.sentences, profile), 2),
        "bleu4_constant": round(score.best_constant(train.sentences, split.sentences, profile), 2),
        **watched.numbers(),
        "covered": unknown["covered"],
        "unknown_pieces": " ".join(unknown["unknown_pieces"]),
        "profiles": {name: score.score(ours, references, name) for name in alike},
    }
