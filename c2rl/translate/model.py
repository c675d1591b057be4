"""The translator: FC, then a sequence-to-sequence backbone (Sec. III-C a).

Shape letters: B clips, T features of the longest, C width of the features, U tokens of the longest.
"""

from typing import Any

from torch import Tensor, nn

from c2rl.language import backbones
from c2rl.language.backbones import Backbone
from c2rl.nn.masks import Tokens
from c2rl.nn.search import Hypothesis


class TranslatorNetwork(nn.Module):
    """Features in, sentences out."""

    def __init__(self, backbone: Backbone, *, feature_width: int) -> None:
        """Build the network.

        Args:
            backbone: From `backbones.build` or `backbones.restore`.
            feature_width: C; whatever the feature store has.
        """
        super().__init__()
        self.backbone = backbone
        self.projection = nn.Linear(feature_width, backbone.width)

    def forward(self, features: Tensor, mask: Tensor, tokens: Tokens) -> Tensor:
        """Predict every token from the signing and the tokens before it.

        Args:
            features: (B, T, C) float.
            mask: (B, T) bool, True where real.
            tokens: The sentences.

        Returns:
            (B, U, vocabulary) float logits.
        """
        return self.backbone(self.projection(features), mask, tokens)

    def generate(self, features: Tensor, mask: Tensor, **search: Any) -> list[list[Hypothesis]]:
        """Translate clips.

        Args:
            features: (B, T, C) float.
            mask: (B, T) bool, True where real.
            search: beams, length_penalty and max_length.

        Returns:
            For each clip its best hypotheses, best first.
        """
        return backbones.generate(self.backbone, self.projection(features), mask, **search)
