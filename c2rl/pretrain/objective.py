"""What pretraining minimises: the joint objective of C2RL.

It is written twice. `evaluate` is the paper's, on a whole batch at once, to be read beside it.
`share` is the same sum cut into micro-batches and processes; a test holds the two together.

Source: Sec. III-B, eq. (1), (2), (3).

Shape letters: B clips, T frames of the longest, S frames of all clips, U tokens of the longest,
P tokens of all sentences, C width, N clips of the whole batch.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from c2rl.nn.masks import Tokens, unpack
from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.language import language_loss
from c2rl.objectives.packed import clcl_packed
from c2rl.objectives.similarity import Similarity, clcl
from c2rl.pretrain.batches import FrameBatch
from c2rl.pretrain.model import Pretrainer
from c2rl.training import distributed
from c2rl.training.batching import Whole
from c2rl.training.gradient_cache import Embedded, Losses


class Options(NamedTuple):
    """The open points of the losses; each is a parameter."""

    alpha: float
    """Weight of eq. (1); at 0 the text encoder is not run."""
    beta: float
    """Weight of eq. (2); at 0 the text decoder is not run."""
    sharpness: float
    """See `clcl`."""
    directions: Literal["sum", "mean"]
    """See `info_nce`, as the next three."""
    dual_mix: float
    duplicate_text: Literal["ignore", "mask", "positive"]
    negatives: Literal["global"] | int
    smoothing: float
    """See `language_loss`, as the next."""
    lm_reduction: Literal["token_mean", "sentence_sum"]
    mask_rate: float
    """Share of the words that `gfslt_vlp` masks."""
    seed: int
    """Of the masks."""
    precision: Literal["float32", "bfloat16"]
    """Of the networks in training; losses are float32."""


class Objective(NamedTuple):
    """One way of pretraining: `c2rl` here, `gfslt_vlp` beside it."""

    evaluate: Callable[[Pretrainer, FrameBatch, Options], dict[str, Tensor]]
    """The losses of a batch: `loss`, `contrastive` and `language`, () float each."""
    share: Callable[[Pretrainer, Whole, Options], Losses[FrameBatch]]
    """The same for training, in micro-batches."""
    compare: Callable[[Pretrainer, Tensor, Tensor, Tokens, Options], Tensor]
    """(B, B) float: how alike each clip (row) and each sentence are, from (B, T, C) features."""


def evaluate(model: Pretrainer, batch: FrameBatch, options: Options) -> dict[str, Tensor]:
    """Compute the joint loss of a batch.

    Args:
        model: Any state.
        batch: Clips and sentences.
        options: Weights and open points.

    Returns:
        `loss`, `contrastive` and `language`, () float each.

    Source: eq. (3).
    """
    features = model.encode_signs(batch)
    contrastive = language = features.new_zeros(())
    if options.alpha:
        text = model.encode_text(batch.tokens)
        similarity = clcl(
            features, batch.mask, text, batch.tokens.mask, sharpness=options.sharpness
        )
        contrastive = contrast(similarity, model.scale, batch.sentence_ids, options)
    if options.beta:
        logits = model.logits(features, batch.mask, batch.tokens)
        language = context(logits, batch.tokens, options)
    return {
        "loss": options.alpha * contrastive + options.beta * language,  # eq. (3)
        "contrastive": contrastive,
        "language": language,
    }


def contrast(
    similarity: Similarity, scale: Tensor, sentence_ids: Tensor, options: Options
) -> Tensor:
    """Compute eq. (1) as the options say.

    Args:
        similarity: Both (N, N) matrices.
        scale: () float, 1 / tau.
        sentence_ids: (N,) int64.
        options: Open points.

    Returns:
        () float loss.
    """
    return info_nce(
        similarity,
        scale,
        sentence_ids=sentence_ids.to(scale.device),
        negatives=options.negatives,
        duplicate_text=options.duplicate_text,
        directions=options.directions,
        dual_mix=options.dual_mix,
    )


def context(logits: Tensor, tokens: Tokens, options: Options) -> Tensor:
    """Compute eq. (2) as the options say.

    Args:
        logits: (B, U, vocabulary) float.
        tokens: B sentences.
        options: Open points.

    Returns:
        () float loss.
    """
    return language_loss(
        logits,
        tokens.ids,
        tokens.mask,
        smoothing=options.smoothing,
        reduction=options.lm_reduction,
    )


def part(tokens: Tokens, whole: Whole, options: Options) -> float:
    """Tell how much of the batch's language loss a micro-batch is.

    Args:
        tokens: Of the micro-batch.
        whole: The batch.
        options: Their `lm_reduction` decides what is counted.

    Returns:
        Its share of the tokens, or of the sentences; the shares of a batch add up to 1.
    """
    if options.lm_reduction == "token_mean":
        return whole.token_part(tokens.mask)
    return len(tokens.mask) / len(whole.token_lengths)


def share(model: Pretrainer, whole: Whole, options: Options) -> Losses[FrameBatch]:
    """Give the joint loss of a batch to the gradient cache.

    Args:
        model: In training.
        whole: The batch.
        options: Weights and open points.

    Returns:
        The losses of this process; over all processes they add up to `evaluate`'s.
    """

    def embed(batch: FrameBatch) -> Embedded:
        with distributed.autocast(options.precision):
            features = model.encode_signs(batch)[batch.mask]  # (S, C)
            if not options.alpha:
                return (features,)
            text = model.encode_text(batch.tokens)[batch.tokens.mask]  # (P, C)
        return features, text

    def joint(embedded: list[Embedded]) -> Tensor:
        features, text = (torch.cat(parts) for parts in zip(*embedded, strict=True))
        # Each process scores its own clips against the sentences of all.
        text = distributed.gather(text, whole.of_rank(whole.token_lengths))
        strips = clcl_packed(
            features,
            whole.own(whole.feature_lengths),
            text,
            whole.token_lengths,
            sharpness=options.sharpness,
        )
        similarity = Similarity(*(distributed.gather(z, whole.shares) for z in strips))
        loss = contrast(similarity, model.scale, whole.sentence_ids, options)
        return loss / distributed.size()

    def own(batch: FrameBatch, embedded: Embedded) -> Tensor:
        with distributed.autocast(options.precision):
            features = unpack(embedded[0], batch.mask)
            logits = model.logits(features, batch.mask, batch.tokens)
        return context(logits, batch.tokens, options) * part(batch.tokens, whole, options)

    return Losses(
        embed,
        joint if options.alpha else None,
        own if options.beta else None,
        (options.alpha, options.beta),  # eq. (3)
    )


def compare(
    model: Pretrainer, features: Tensor, mask: Tensor, tokens: Tokens, options: Options
) -> Tensor:
    """Compare clips with sentences by CLCL, both directions together.

    Args:
        model: In evaluation mode.
        features: (B, T, C) float sign features.
        mask: (B, T) bool, True where real.
        tokens: B sentences.
        options: Their sharpness.

    Returns:
        (B, B) float; rows are clips.
    """
    text = model.encode_text(tokens)
    found = clcl(features, mask, text, tokens.mask, sharpness=options.sharpness)
    return found.video_to_text + found.text_to_video


C2RL = Objective(evaluate, share, compare)
