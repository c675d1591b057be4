"""How many frames' graphs fit: what the rule says against what torch really holds."""

import pytest
import torch
from saved import saved_bytes

from c2rl.nn.sign_encoder import resnet18
from c2rl.pretrain import memory


def held(channels: int, side: int, frames: int) -> float:
    """Bytes that ResNet holds for the way back, a frame."""
    net = resnet18(channels, "none").to(memory_format=torch.channels_last).train()
    batch = torch.zeros(frames, 3, side, side).contiguous(memory_format=torch.channels_last)
    return saved_bytes(net, lambda: net(batch)) / frames


@pytest.mark.parametrize(("channels", "side"), [(64, 224), (64, 112), (24, 64)])
def test_the_rule_is_within_a_tenth_of_what_is_held(channels: int, side: int) -> None:
    expected = memory.BYTES * (side / 224) ** 2 * channels / 64
    assert held(channels, side, 2) == pytest.approx(expected, rel=0.1)


def test_the_variable_decides(monkeypatch) -> None:
    monkeypatch.setenv("C2RL_FRAMES", "480")
    assert memory.room(side=224, channels=64) == 480
    monkeypatch.setenv("C2RL_FRAMES", "lots")
    with pytest.raises(ValueError, match="C2RL_FRAMES is 'lots', expected a number of frames"):
        memory.room(side=224, channels=64)


def test_smaller_frames_leave_more_room(monkeypatch) -> None:
    monkeypatch.delenv("C2RL_FRAMES", raising=False)
    assert memory.room(side=112, channels=64) == 4 * memory.room(side=224, channels=64)
