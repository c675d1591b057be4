"""C2RL pretraining: sign encoder, text encoder and text decoder under one loss.

Source: Sec. III-A, III-B; Fig. 2; eq. (3).

Shape letters: B clips, T frames of the longest, S frames of all clips, U tokens of the longest.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from c2rl.language.tokenizer import START
from c2rl.nn.decoder import Decoder
from c2rl.nn.masks import Tokens
from c2rl.nn.sign_encoder import SignEncoder
from c2rl.nn.transformer import Encoder
from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.language import language_loss
from c2rl.objectives.similarity import Similarity, clcl
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
        features: Tensor = self.sign_encoder(frames, batch.mask)
        return features

    def similarity(
        self, features: Tensor, mask: Tensor, tokens: Tokens, *, sharpness: float
    ) -> Similarity:
        """Compare all clips with all sentences of a batch by CLCL.

        Args:
            features: (B, T, C) float sign features.
            mask: (B, T) bool, True where real.
            tokens: B sentences.
            sharpness: Temperature of CLCL's inner softmax.

        Returns:
            Both (B, B) matrices.
        """
        text = self.text_encoder(tokens.ids, tokens.mask)
        return clcl(features, mask, text, tokens.mask, sharpness=sharpness)

    def logits(self, features: Tensor, mask: Tensor, tokens: Tokens) -> Tensor:
        """Predict every token from the signing and the tokens before it.

        Args:
            features: (B, T, C) float sign features.
            mask: (B, T) bool, True where real.
            tokens: B sentences.

        Returns:
            (B, U, vocabulary) float.
        """
        before = torch.cat(
            [tokens.ids.new_full((len(tokens.ids), 1), START), tokens.ids[:, :-1]], 1
        )
        scores: Tensor = self.text_decoder(before, features, mask)
        return scores


def objective(
    model: Pretrainer,
    batch: FrameBatch,
    *,
    alpha: float,
    beta: float,
    sharpness: float,
    directions: Literal["sum", "mean"],
    dual_mix: float,
    duplicate_text: Literal["ignore", "mask", "positive"],
    negatives: Literal["global"] | int,
    smoothing: float,
    lm_reduction: Literal["token_mean", "sentence_sum"],
) -> dict[str, Tensor]:
    """Compute the joint loss of a batch.

    Args:
        model: Any state.
        batch: Clips and sentences.
        alpha: Weight of eq. (1); at 0 the text encoder is not run.
        beta: Weight of eq. (2); at 0 the text decoder is not run.
        sharpness: See `clcl`.
        directions: See `info_nce`.
        dual_mix: See `info_nce`.
        duplicate_text: See `info_nce`.
        negatives: See `info_nce`.
        smoothing: See `language_loss`.
        lm_reduction: See `language_loss`.

    Returns:
        `loss`, `contrastive` and `language`, () float each.

    Source: eq. (3).
    """
    features = model.encode_signs(batch)
    contrastive = language = features.new_zeros(())
    if alpha:
        similarity = model.similarity(features, batch.mask, batch.tokens, sharpness=sharpness)
        contrastive = info_nce(
            similarity,
            model.scale,
            sentence_ids=batch.sentence_ids,
            negatives=negatives,
            duplicate_text=duplicate_text,
            directions=directions,
            dual_mix=dual_mix,
        )
    if beta:
        language = language_loss(
            model.logits(features, batch.mask, batch.tokens),
            batch.tokens.ids,
            batch.tokens.mask,
            smoothing=smoothing,
            reduction=lm_reduction,
        )
    return {
        "loss": alpha * contrastive + beta * language,  # eq. (3)
        "contrastive": contrastive,
        "language": language,
    }
