"""The retriever: FC and two encoders that share nothing, compared by CLCL (Sec. III-C b).

Shape letters: B clips, T features of the longest, C width of the features, U tokens of the longest,
D hidden width.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from c2rl.language import encoders
from c2rl.language.encoders import Encoders
from c2rl.nn.masks import Tokens


class RetrieverNetwork(nn.Module):
    """Encodes clips and sentences into one space."""

    def __init__(
        self,
        *,
        feature_width: int,
        temperature: float,
        max_scale: float,
        first: Encoders | None = None,
        **config: Any,
    ) -> None:
        """Build both sides.

        Args:
            feature_width: C; whatever the feature store has.
            temperature: First value of tau.
            max_scale: 1 / tau never exceeds this.
            first: Encoders with first or pretrained weights; None: those of `config`, whose weights
                are to be filled in.
            config: Of the encoders, as `encoders.build` gives it.
        """
        super().__init__()
        both = encoders.restore(config) if first is None else first
        self.sign_encoder, self.text_encoder = both.signs, both.text
        self.max_tokens = both.max_tokens
        self.projection = nn.Linear(feature_width, both.width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))
        self.max_scale = max_scale

    @property
    def scale(self) -> Tensor:
        """1 / tau, bounded (register row 4)."""
        return self.log_scale.exp().clamp(max=self.max_scale)

    def encode_signs(self, features: Tensor, mask: Tensor) -> Tensor:
        """Encode clips.

        Args:
            features: (B, T, C) float.
            mask: (B, T) bool, True where real.

        Returns:
            (B, T, D) float, 0 where padded.
        """
        encoded: Tensor = self.sign_encoder(self.projection(features), mask)
        return encoded

    def encode_text(self, tokens: Tokens) -> Tensor:
        """Encode sentences.

        Args:
            tokens: B sentences.

        Returns:
            (B, U, D) float, 0 where padded.
        """
        encoded: Tensor = self.text_encoder(tokens.ids, tokens.mask)
        return encoded
