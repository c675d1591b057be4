"""The sign encoder: ResNet-18 -> Conv1D-BN1D-ReLU -> FC -> transformer encoder blocks.

Source: Table I, Sec. III-A a, Sec. IV-B b.

Shape letters: B clips, T frames of the longest, S frames of all clips together, C width.
"""

import os
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from c2rl.nn.masks import MaskedBatchNorm, unpack
from c2rl.nn.transformer import Encoder


def resnet18(channels: int, weights: str) -> nn.Module:
    """Build ResNet-18 without its last layer.

    Args:
        channels: Channels of the first stage; 64 is ResNet-18.
        weights: imagenet, none, or the path of a torchvision state dict.

    Returns:
        A module from (S, 3, H, W) to (S, 8 * channels).

    Raises:
        FileNotFoundError: If the weights cannot be had without the network.
        ValueError: If weights are asked for a narrower ResNet.
    """
    wide = channels == 64
    net: nn.Module = torchvision.models.resnet18(weights=None) if wide else _NarrowResNet(channels)
    net.fc = nn.Identity()
    if weights != "none":
        if not wide:
            raise ValueError(f"encoder.weights {weights} needs encoder.channels 64, not {channels}")
        state = torch.load(_weights_file(weights), map_location="cpu", weights_only=True)
        net.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
    return net


class _NarrowResNet(torchvision.models.ResNet):  # type: ignore[misc]
    """ResNet-18's plan with fewer channels, for machines without a GPU."""

    # Departure from the paper: params.yaml's default is narrower than ResNet-18; paper.yaml is not.
    def __init__(self, channels: int) -> None:
        block = torchvision.models.resnet.BasicBlock
        super().__init__(block, [2, 2, 2, 2])
        self.inplanes = channels
        self.conv1 = nn.Conv2d(3, channels, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        for number, stride in enumerate((1, 2, 2, 2)):
            layer = self._make_layer(block, channels * 2**number, 2, stride=stride)
            setattr(self, f"layer{number + 1}", layer)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _weights_file(weights: str) -> Path:
    if weights != "imagenet":
        if not Path(weights).is_file():
            raise FileNotFoundError(f"encoder.weights: {weights} does not exist")
        return Path(weights)
    url = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url
    name = url.rsplit("/", 1)[-1]
    file: Path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not file.is_file() and not os.environ.get("HF_HUB_OFFLINE"):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), progress=False)
        except OSError:
            file.unlink(missing_ok=True)
    if not file.is_file():
        raise FileNotFoundError(
            f"encoder.weights imagenet: {name} is not at hand and could not be downloaded."
            f" Put torchvision's ResNet18_Weights.IMAGENET1K_V1 at {file}, or name its path."
        )
    return file


class SignEncoder(nn.Module):
    """Table I and the transformer blocks after it: frames in, sign features out."""

    def __init__(
        self,
        *,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
        channels: int = 64,
        weights: str = "none",
    ) -> None:
        """Build the encoder.

        Args:
            width: C.
            layers: Transformer blocks.
            heads: Attention heads.
            feedforward: Hidden units of each block's network.
            dropout: In the transformer.
            channels: Channels of ResNet's first stage; 64 is ResNet-18.
            weights: First weights of the ResNet: imagenet, none or a path.
        """
        super().__init__()
        # Channels last: the same numbers, 1.2 to 1.5 times as quick on CPU and more on GPU.
        self.resnet = resnet18(channels, weights).to(memory_format=torch.channels_last)
        hidden = 8 * channels  # 512 in Table I
        self.conv = nn.Conv1d(hidden, hidden, kernel_size=3, stride=1, padding=1)
        self.norm = MaskedBatchNorm(hidden)
        self.fc = nn.Linear(hidden, width)
        self.transformer = Encoder(
            width=width, layers=layers, heads=heads, feedforward=feedforward, dropout=dropout
        )

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Encode clips; frames come packed, so no padded frame ever enters the CNN.

        Args:
            frames: (S, 3, H, W) float, normalised, clip after clip.
            mask: (B, T) bool, True where real; S of them.

        Returns:
            (B, T, C) float sign features, 0 where padded.
        """
        frames = frames.contiguous(memory_format=torch.channels_last)
        spatial = unpack(self.resnet(frames), mask)  # (B, T, 512)
        # Padded steps are zero, exactly what the convolution's own padding is, so a clip's end
        # looks the same alone and in any batch; the mask after it keeps them zero.
        local = self.conv(spatial.transpose(1, 2)).transpose(1, 2)
        local = torch.relu(self.norm(local, mask))
        encoded: Tensor = self.transformer(self.fc(local), mask)
        return encoded
