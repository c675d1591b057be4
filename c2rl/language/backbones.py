"""Sequence-to-sequence models behind one signature: features in, sentences out.

Source: Sec. III-C, Sec. IV-B c, Fig. 3 (3-layer transformer).

Shape letters: B clips, T features of the longest, C width of the features, U tokens of the longest.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from c2rl.language.tokenizer import END, START
from c2rl.nn.decoder import Decoder
from c2rl.nn.masks import Tokens
from c2rl.nn.search import Hypothesis, beam_search
from c2rl.nn.transformer import Encoder


class SmallTransformer(nn.Module):
    """The 3-layer transformer of Fig. 3, from first weights of its own."""

    def __init__(
        self,
        *,
        vocabulary: int,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
    ) -> None:
        """Build encoder and decoder.

        Args:
            vocabulary: Number of tokens.
            width: Hidden size.
            layers: Blocks of each.
            heads: Attention heads.
            feedforward: Hidden units of each block's network.
            dropout: Everywhere.
        """
        super().__init__()
        self.width = width
        self.encoder = Encoder(
            width=width, layers=layers, heads=heads, feedforward=feedforward, dropout=dropout
        )
        self.decoder = Decoder(
            vocabulary=vocabulary,
            width=width,
            layers=layers,
            heads=heads,
            feedforward=feedforward,
            dropout=dropout,
        )

    def forward(self, features: Tensor, mask: Tensor, tokens: Tokens) -> Tensor:
        """Predict every token from the features and the tokens before it.

        Args:
            features: (B, T, width) float.
            mask: (B, T) bool, True where real.
            tokens: The sentences.

        Returns:
            (B, U, vocabulary) float logits.
        """
        start = tokens.ids.new_full((len(tokens.ids), 1), START)
        before = torch.cat([start, tokens.ids[:, :-1]], dim=1)
        logits: Tensor = self.decoder(before, self.encoder(features, mask), mask)
        return logits

    def generate(
        self, features: Tensor, mask: Tensor, *, beams: int, length_penalty: float, max_length: int
    ) -> list[list[Hypothesis]]:
        """Find the best sentences.

        Args:
            features: (B, T, width) float.
            mask: (B, T) bool, True where real.
            beams: Hypotheses kept; 1 is greedy.
            length_penalty: See `beam_search`.
            max_length: Most tokens.

        Returns:
            For each clip its best hypotheses, best first.
        """
        return beam_search(
            self.decoder,
            self.encoder(features, mask),
            mask,
            start=START,
            end=END,
            beams=beams,
            max_length=max_length,
            length_penalty=length_penalty,
        )


def require(backbone: Literal["transformer", "mbart", "mt5"], key: str) -> None:
    """Refuse a backbone that this version cannot build.

    Args:
        backbone: Asked for.
        key: Parameter that asks, for the message.

    Raises:
        ValueError: If it is not the small transformer.
    """
    if backbone != "transformer":
        raise ValueError(
            f"{key}: {backbone} is not in this version yet; `-S {key}=transformer` runs Fig. 3's"
            " 3-layer transformer"
        )
