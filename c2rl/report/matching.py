"""How clips and sentences match: the retriever's text side and the similarity matrix.

The retriever's sign vectors are stored; its text encoder is rebuilt here from ground parts, for a
stage never imports another.

Shape letters: V clips, S sentences, M vectors of a clip, U tokens, D width.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl.language import encoders
from c2rl.language.tokenizer import Tokenizer, loads
from c2rl.nn.masks import mask_of, pad_tokens
from c2rl.objectives.similarity import clcl
from c2rl.report.inputs import Trained
from c2rl.store.features import FeatureSplit
from c2rl.training import checkpoint
from c2rl.training.batching import by_length


class TextEncoder:
    """The retriever's text side."""

    def __init__(self, retriever: Trained) -> None:
        """Rebuild it.

        Args:
            retriever: Written by `retrieve`.

        Raises:
            ValueError: If the weights do not fit the configuration.
        """
        self._network = encoders.restore(retriever.config["network"]).text
        file = retriever.path / "model.safetensors"
        weights = checkpoint.load_weights(file)
        prefix = "text_encoder."
        own = {name: value for name, value in weights.items() if name.startswith(prefix)}
        checkpoint.fill(self._network, own, prefix=prefix, source=file)
        self._network.eval()
        text = (retriever.path / "tokenizer.json").read_text(encoding="utf-8")
        self.tokenizer: Tokenizer = loads(text)

    @torch.no_grad()
    def encode(self, sentences: Sequence[str]) -> list[Tensor]:
        """Encode sentences.

        Args:
            sentences: S of them.

        Returns:
            S tensors (U, D) float, real tokens only.
        """
        ids = [self.tokenizer.encode(sentence) for sentence in sentences]
        found: dict[int, Tensor] = {}
        for chosen in by_length([len(own) for own in ids], 64):
            tokens = pad_tokens([ids[i] for i in chosen])
            encoded = self._network(tokens.ids, tokens.mask)
            found |= {i: e[m] for i, e, m in zip(chosen, encoded, tokens.mask, strict=True)}
        return [found[i] for i in range(len(ids))]


def spread(count: int, most: int) -> list[int]:
    """Choose evenly.

    Args:
        count: Items there are.
        most: Items to choose at most.

    Returns:
        Increasing positions; all of them where they are few.

    Example:
        >>> spread(10, 4), spread(3, 4)
        ([0, 2, 5, 7], [0, 1, 2])
    """
    chosen = min(count, most)
    return [i * count // chosen for i in range(chosen)]


def similarity(
    clips: Sequence[Tensor],
    texts: Sequence[Tensor],
    *,
    sharpness: float,
    mix: float,
    tile: int = 32,
) -> npt.NDArray[np.float32]:
    """Score all clips against all sentences by CLCL, tile by tile.

    Args:
        clips: V tensors (M, D).
        texts: S tensors (U, D).
        sharpness: Temperature of CLCL's inner softmax.
        mix: Score = mix * V2T + (1 - mix) * T2V.
        tile: Clips and sentences a step.

    Returns:
        (V, S) float32.
    """
    scores = np.empty((len(clips), len(texts)), dtype=np.float32)
    for a in range(0, len(clips), tile):
        frames = _pad(clips[a : a + tile])
        for b in range(0, len(texts), tile):
            both = clcl(*frames, *_pad(texts[b : b + tile]), sharpness=sharpness)
            mixed = mix * both.video_to_text + (1 - mix) * both.text_to_video
            scores[a : a + tile, b : b + tile] = mixed.numpy()
    return scores


def _pad(sequences: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    mask = mask_of(torch.tensor([len(s) for s in sequences]))
    padded = torch.zeros(*mask.shape, sequences[0].shape[1])
    padded[mask] = torch.cat(list(sequences)).float()
    return padded, mask


def vectors(split: FeatureSplit, clip: int | str) -> Tensor:
    """Read a clip's stored vectors.

    Args:
        split: Embeddings.
        clip: Position or id.

    Returns:
        (M, D) float32.
    """
    return torch.from_numpy(np.array(split[clip], dtype=np.float32))
