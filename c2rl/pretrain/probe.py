"""Looks at the dev split during pretraining: the loss, and what the features are already worth."""

from collections.abc import Callable
from typing import Any

import torch

from c2rl.language.tokenizer import END, START, Tokenizer
from c2rl.nn.search import beam_search
from c2rl.pretrain.batches import FrameBatches
from c2rl.pretrain.model import Pretrainer, objective

LONGEST = 60
"""Most tokens of a probe's sentence."""


def evaluation(
    model: Pretrainer, dev: FrameBatches, tokenizer: Tokenizer, *, clips: int, loss: dict[str, Any]
) -> Callable[[], dict[str, float]]:
    """Bind the probes to a model and a split.

    Args:
        model: In training; evaluated in place.
        dev: The dev split.
        tokenizer: Of the model.
        clips: Clips that are translated greedily; 0: none.
        loss: Keyword arguments of `objective`.

    Returns:
        A function that gives `loss`, its parts, `recall` (per cent of clips whose own sentence is
        the most similar of their batch) and `words` (per cent of words right in the greedy
        translations, by edit distance).
    """

    def evaluate() -> dict[str, float]:
        sums: dict[str, float] = {}
        hits = wrong = words = translated = 0
        for batch in dev.inference():
            size = len(batch.mask)
            for name, value in objective(model, batch, **loss).items():
                sums[name] = sums.get(name, 0.0) + float(value) * size
            features = model.encode_signs(batch)
            similarity = model.similarity(
                features, batch.mask, batch.tokens, sharpness=loss["sharpness"]
            )
            score = similarity.video_to_text + similarity.text_to_video
            hits += int((score.argmax(1) == torch.arange(size, device=score.device)).sum())
            some = slice(0, max(0, clips - translated))
            if features[some].numel():
                found = beam_search(
                    model.text_decoder,
                    features[some],
                    batch.mask[some],
                    start=START,
                    end=END,
                    beams=1,
                    max_length=LONGEST,
                )
                for hypotheses, sentence in zip(found, dev.sentences[translated:], strict=False):
                    reference = sentence.split()
                    hypothesis = tokenizer.decode(hypotheses[0].tokens).split()
                    wrong += edits(hypothesis, reference)
                    words += len(reference)
                translated += len(found)
        clips_seen = len(dev.sentences)
        scores = {name: total / clips_seen for name, total in sums.items()}
        scores["recall"] = 100 * hits / clips_seen
        if words:
            scores["words"] = max(0.0, 100 * (1 - wrong / words))
        return scores

    return evaluate


def edits(a: list[str], b: list[str]) -> int:
    """Count the insertions, deletions and substitutions from one list to another.

    Args:
        a: Words.
        b: Words.

    Returns:
        The Levenshtein distance.

    Example:
        >>> edits("a b c".split(), "a c d".split())
        2
    """
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]
