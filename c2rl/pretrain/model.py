"""The networks of pretraining: sign encoder, text encoder and text decoder.

Source: Sec. III-A; Fig. 2. What they learn from stands in `objective.py`, eq. (3).

Shape letters: B clips, T frames of the longest, S frames of all clips, U tokens of the longest.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from c2rl.language.tokenizer import START
from c2rl.nn.decoder import Decoder
from c2rl.nn.masks import Tokens, shift_right
from c2rl.nn.sign_encoder import SignEncoder
from c2rl.nn.transformer import Encoder
from c2rl.pretrain.batches import FrameBatch
from c2rl.video.transform import normalise, warp


class Pretrainer(nn.Module):
    """The sign encoder and the two text networks that teach it."""

    def __init__(
        self,
        *,
        vocabulary: int,
        weights: str,
        channels: int,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
        temperature: float,
        max_scale: float,
    ) -> None:
        """Build the three networks.

        Args:
            vocabulary: Number of tokens.
            weights: First weights of the ResNet: imagenet, none or a path.
            channels: Channels of ResNet's first stage; 64 is ResNet-18.
            width: Hidden size C of all three.
            layers: Transformer blocks of each.
            heads: Attention heads.
            feedforward: Hidden units of each block's network.
            dropout: Everywhere.
            temperature: First value of tau.
            max_scale: 1 / tau never exceeds this.
        """
        super().__init__()
        blocks: dict[str, Any] = {
            "width": width,
            "layers": layers,
            "heads": heads,
            "feedforward": feedforward,
            "dropout": dropout,
        }
        self.sign_encoder = SignEncoder(**blocks, channels=channels, weights=weights)
        self.text_encoder = Encoder(**blocks, vocabulary=vocabulary)
        self.text_decoder = Decoder(**blocks, vocabulary=vocabulary)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))
        self.max_scale = max_scale

    @property
    def scale(self) -> Tensor:
        """1 / tau, bounded (register row 4)."""
        return self.log_scale.exp().clamp(max=self.max_scale)

    def encode_signs(self, batch: FrameBatch) -> Tensor:
        """Encode the frames of a batch.

        Args:
            batch: Raw frames, packed.

        Returns:
            (B, T, C) float sign features, 0 where padded.
        """
        frames = normalise(batch.frames)
        if batch.matrices is not None:
            frames = warp(frames, batch.matrices)
        frames = frames.to(self.log_scale.dtype)
        features: Tensor = self.sign_encoder(frames, batch.mask)
        return features

    def encode_text(self, tokens: Tokens) -> Tensor:
        """Encode sentences.

        Args:
            tokens: B sentences.

        Returns:
            (B, U, C) float, 0 where padded.
        """
        text: Tensor = self.text_encoder(tokens.ids, tokens.mask)
        return text

    def logits(self, features: Tensor, mask: Tensor, tokens: Tokens) -> Tensor:
        """Predict every token from what is read and the tokens before it.

        Args:
            features: (B, T, C) float, what the decoder reads: sign features.
            mask: (B, T) bool, True where real.
            tokens: B sentences.

        Returns:
            (B, U, vocabulary) float.
        """
        scores: Tensor = self.text_decoder(shift_right(tokens, START), features, mask)
        return scores
