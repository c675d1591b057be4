"""Looks at the dev split during pretraining: the loss, and what the features are already worth."""

from collections.abc import Callable

import torch
from torch import Tensor

from c2rl.language.tokenizer import END, START, Tokenizer
from c2rl.nn.search import beam_search
from c2rl.pretrain.alignment import Tally, alignment_score, tally
from c2rl.pretrain.batches import FrameBatches
from c2rl.pretrain.model import Pretrainer
from c2rl.pretrain.objective import Objective, Options

LONGEST = 60
"""Most tokens of a probe's sentence."""


def evaluation(
    model: Pretrainer,
    dev: FrameBatches,
    tokenizer: Tokenizer,
    objective: Objective,
    options: Options,
    *,
    clips: int,
) -> Callable[[], dict[str, float]]:
    """Bind the probes to a model and a split.

    Args:
        model: In training; evaluated in place.
        dev: The dev split.
        tokenizer: Of the model.
        objective: What the model learns from.
        options: Of the objective.
        clips: Clips that are translated greedily; 0: none.

    Returns:
        A function that gives `loss`, its parts, `recall` (per cent of clips whose own sentence is
        the most similar of their batch), `words` (per cent of words right in the greedy
        translations, by edit distance) and, where the corpus knows the truth, `alignment` with what
        could be had blindly, `alignment_chance` and `alignment_signing` (see `Alignment`).
    """

    def probe() -> dict[str, float]:
        sums: dict[str, float] = {}
        hits, read = 0, _Reading(dev, tokenizer, clips)
        tallies: list[Tally] = []
        for batch in dev.inference():
            size = len(batch.ids)
            for name, value in objective.evaluate(model, batch, options).items():
                sums[name] = sums.get(name, 0.0) + float(value) * size
            features = model.encode_signs(batch)
            score = objective.compare(model, features, batch.mask, batch.tokens, options)
            hits += int((score.argmax(1) == torch.arange(size, device=score.device)).sum())
            read.add(model, features, batch.mask)
            text = model.encode_text(batch.tokens)
            rows = dev.rows[len(tallies) : len(tallies) + size]
            for row, own, real, words, said in zip(
                rows, features, batch.mask, text, batch.tokens.mask, strict=True
            ):
                tallies.append(
                    tally(
                        row,
                        own[real],
                        words[said],
                        tokenizer,
                        sharpness=options.sharpness,
                        **dev.sampling,
                    )
                )
        seen = len(dev.sentences)
        scores = {name: total / seen for name, total in sums.items()}
        scores |= {"recall": 100 * hits / seen} | read.score()
        aligned = alignment_score(tallies)
        if aligned is not None:
            scores |= {
                "alignment": aligned.mass,
                "alignment_chance": aligned.chance,
                "alignment_signing": aligned.signing,
            }
        return scores

    return probe


class _Reading:
    """What the decoder reads off the first clips of the split."""

    def __init__(self, dev: FrameBatches, tokenizer: Tokenizer, clips: int) -> None:
        self._dev, self._tokenizer, self._clips = dev, tokenizer, clips
        self._translated = self._wrong = self._words = 0

    def add(self, model: Pretrainer, features: Tensor, mask: Tensor) -> None:
        """Translate what is still wanted of a batch."""
        some = slice(0, max(0, self._clips - self._translated))
        if not features[some].numel():
            return
        ends = {"start": START, "end": END, "beams": 1, "max_length": LONGEST}
        found = beam_search(model.text_decoder, features[some], mask[some], **ends)
        sentences = self._dev.sentences[self._translated :]
        for hypotheses, sentence in zip(found, sentences, strict=False):
            reference = sentence.split()
            hypothesis = self._tokenizer.decode(hypotheses[0].tokens).split()
            self._wrong += edits(hypothesis, reference)
            self._words += len(reference)
        self._translated += len(found)

    def score(self) -> dict[str, float]:
        """Give the share of words that were right."""
        if not self._words:
            return {}
        return {"words": max(0.0, 100 * (1 - self._wrong / self._words))}


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
