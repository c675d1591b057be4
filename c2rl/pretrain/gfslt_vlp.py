"""GFSLT-VLP's objective on our networks, so that what is learned can be compared on equal terms.

A global CLIP loss pulls a clip's mean feature towards its sentence's, and the decoder restores
sentences of which words were masked; the decoder never reads the signing. Networks, data, schedule
and loss weights are those of `objective.py`.

Source: GFSLT-VLP (Zhou et al., ICCV 2023), the baseline of the paper's Fig. 3.

Shape letters: B clips, T frames of the longest, U tokens of the longest, C width, N clips of the
whole batch.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from c2rl.language.tokenizer import END, UNKNOWN
from c2rl.nn.masks import Tokens, mean
from c2rl.objectives.similarity import Similarity
from c2rl.pretrain.batches import FrameBatch
from c2rl.pretrain.model import Pretrainer
from c2rl.pretrain.objective import Objective, Options, context, contrast, part
from c2rl.training import distributed
from c2rl.training.batching import Whole
from c2rl.training.gradient_cache import Embedded, Losses
from c2rl.video.sample import generator


def evaluate(model: Pretrainer, batch: FrameBatch, options: Options) -> dict[str, Tensor]:
    """Compute GFSLT-VLP's loss of a batch.

    Args:
        model: Any state.
        batch: Clips and sentences.
        options: Weights and open points.

    Returns:
        `loss`, `contrastive` and `language`, () float each.
    """
    cosine = compare(model, model.encode_signs(batch), batch.mask, batch.tokens, options)
    contrastive = contrast(Similarity(cosine, cosine), model.scale, batch.sentence_ids, options)
    language = context(_restore(model, batch, options), batch.tokens, options)
    return {
        "loss": options.alpha * contrastive + options.beta * language,
        "contrastive": contrastive,
        "language": language,
    }


def share(model: Pretrainer, whole: Whole, options: Options) -> Losses[FrameBatch]:
    """Give GFSLT-VLP's loss of a batch to the gradient cache.

    Args:
        model: In training.
        whole: The batch.
        options: Weights and open points.

    Returns:
        The losses of this process; over all processes they add up to `evaluate`'s.
    """

    def embed(batch: FrameBatch) -> Embedded:
        with distributed.autocast(options.precision):
            signs = mean(model.encode_signs(batch), batch.mask)
            text = mean(model.encode_text(batch.tokens), batch.tokens.mask)
        return signs, text

    def joint(embedded: list[Embedded]) -> Tensor:
        signs, text = (torch.cat(parts) for parts in zip(*embedded, strict=True))
        strip = cosines(signs, distributed.gather(text, whole.shares))
        cosine = distributed.gather(strip, whole.shares)
        loss = contrast(Similarity(cosine, cosine), model.scale, whole.sentence_ids, options)
        return loss / distributed.size()

    def own(batch: FrameBatch, embedded: Embedded) -> Tensor:
        with distributed.autocast(options.precision):
            logits = _restore(model, batch, options)
        return context(logits, batch.tokens, options) * part(batch.tokens, whole, options)

    return Losses(
        embed,
        joint if options.alpha else None,
        own if options.beta else None,
        (options.alpha, options.beta),
    )


def cosines(signs: Tensor, text: Tensor) -> Tensor:
    """Compare pooled clips with pooled sentences.

    Args:
        signs: (B, C) float.
        text: (N, C) float.

    Returns:
        (B, N) float in [-1, 1].
    """
    return F.normalize(signs, dim=-1, eps=1e-6) @ F.normalize(text, dim=-1, eps=1e-6).T


def compare(
    model: Pretrainer, features: Tensor, mask: Tensor, tokens: Tokens, options: Options
) -> Tensor:
    """Compare clips with sentences by the cosine of their means.

    Args:
        model: Any state.
        features: (B, T, C) float sign features.
        mask: (B, T) bool, True where real.
        tokens: B sentences.
        options: Not used.

    Returns:
        (B, B) float; rows are clips.
    """
    text = mean(model.encode_text(tokens), tokens.mask)
    return cosines(mean(features, mask), text)


def _restore(model: Pretrainer, batch: FrameBatch, options: Options) -> Tensor:
    """Predict every token from the masked sentence: (B, U, vocabulary) logits."""
    masked = mask_words(batch, options)
    return model.logits(model.encode_text(masked), masked.mask, batch.tokens)


def mask_words(batch: FrameBatch, options: Options) -> Tokens:
    """Mask tokens of each sentence, as a pure function of (seed, epoch, clip).

    Args:
        batch: Clips and sentences.
        options: Seed and rate.

    Returns:
        The sentences with at least one token each replaced by `UNKNOWN`; the end stays.
    """
    ids = batch.tokens.ids.cpu().clone()
    for row, (id_, tokens) in enumerate(zip(batch.ids, ids, strict=True)):
        words = int((tokens != END).logical_and(batch.tokens.mask[row].cpu()).sum())
        rng = generator(options.seed, batch.epoch, id_, "mask")
        number = min(words, max(1, round(options.mask_rate * words)))
        tokens[torch.from_numpy(rng.permutation(words)[:number])] = UNKNOWN
    return Tokens(ids.to(batch.tokens.ids.device), batch.tokens.mask)


GFSLT_VLP = Objective(evaluate, share, compare)
