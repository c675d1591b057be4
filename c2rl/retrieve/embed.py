"""Clips and sentences to vectors, by a trained retriever.

Shape letters: V clips, S sentences, T' vectors of a clip, U tokens of a sentence, D width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from c2rl.language.tokenizer import Tokenizer
from c2rl.nn.masks import Tokens, pad_tokens
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.store.features import FeatureSplit
from c2rl.training.batching import by_length
from c2rl.training.features import pad_features

_TOGETHER = 64
"""Clips or sentences of like length that are encoded at once."""


@torch.no_grad()
def embed_signs(model: RetrieverNetwork, split: FeatureSplit) -> list[Tensor]:
    """Encode the clips of a split.

    Args:
        model: In evaluation mode.
        split: V clips.

    Returns:
        V tensors (T', D) float, on the CPU.
    """
    found: dict[int, Tensor] = {}
    for chosen in by_length(split.lengths, _TOGETHER):
        features, mask = (
            t.to(model.log_scale.device) for t in pad_features([split[i] for i in chosen])
        )
        encoded = model.encode_signs(features, mask).cpu()
        mask = mask.cpu()
        found |= {i: e[m] for i, e, m in zip(chosen, encoded, mask, strict=True)}
    return [found[i] for i in range(len(split))]


@torch.no_grad()
def embed_text(
    model: RetrieverNetwork, sentences: Sequence[str], tokenizer: Tokenizer
) -> list[Tensor]:
    """Encode sentences; equal ones once, so that they have equal vectors to the last bit.

    Args:
        model: In evaluation mode.
        sentences: S of them.
        tokenizer: Of the model.

    Returns:
        S tensors (U, D) float, on the CPU; those of equal sentences are the same tensor.

    Raises:
        ValueError: If one has more tokens than the model has positions.
    """
    distinct = list(dict.fromkeys(sentences))
    encoded = [tokenizer.encode(s) for s in distinct]
    longest, most = max(map(len, encoded), default=0), model.max_tokens
    if most is not None and longest > most:
        raise ValueError(
            f"a sentence has {longest} tokens, the retriever takes {most}: give a shorter one"
        )
    found: dict[str, Tensor] = {}
    for chosen in by_length([len(t) for t in encoded], _TOGETHER):
        tokens = pad_tokens([encoded[i] for i in chosen])
        text = model.encode_text(Tokens(*(t.to(model.log_scale.device) for t in tokens))).cpu()
        found |= {distinct[i]: e[m] for i, e, m in zip(chosen, text, tokens.mask, strict=True)}
    return [found[sentence] for sentence in sentences]
