"""Table I, and that neither padding nor batch mates change a clip's features."""

import pytest
import torch

from c2rl.nn.masks import MaskedBatchNorm, mask_of
from c2rl.nn.sign_encoder import SignEncoder, resnet18

SMALL = {"width": 16, "layers": 2, "heads": 2, "feedforward": 32, "dropout": 0.1, "channels": 8}


def frames_of(*lengths: int) -> torch.Tensor:
    n = sum(lengths) * 3 * 32 * 32
    return torch.sin(torch.arange(n) * 0.37).reshape(-1, 3, 32, 32)


def test_table_1_keeps_t_and_ends_in_c() -> None:
    encoder = SignEncoder(**SMALL)
    mask = mask_of(torch.tensor([5, 3]))
    assert encoder(frames_of(5, 3), mask).shape == (2, 5, 16)


def test_64_channels_are_torchvisions_resnet18() -> None:
    net = resnet18(64, "none")
    assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 512)
    assert sum(p.numel() for p in net.parameters()) == 11_176_512


def test_a_clip_alone_and_in_a_batch_has_the_same_features() -> None:
    encoder = SignEncoder(**SMALL).eval()
    frames = frames_of(4, 7)
    together = encoder(frames, mask_of(torch.tensor([4, 7])))
    alone = encoder(frames[:4], mask_of(torch.tensor([4])))
    torch.testing.assert_close(together[0, :4], alone[0], atol=1e-5, rtol=0)
    assert (together[0, 4:] == 0).all()


def test_batch_norm_sees_real_steps_only() -> None:
    norm, plain = MaskedBatchNorm(3), torch.nn.BatchNorm1d(3)
    values = torch.arange(24.0).reshape(2, 4, 3)
    mask = mask_of(torch.tensor([4, 2]))
    values[~mask] = 1e6
    out = norm(values, mask)
    torch.testing.assert_close(out[mask], plain(values[mask]))
    torch.testing.assert_close(norm.norm.running_mean, plain.running_mean)
    assert (out[~mask] == 0).all()


def test_a_narrow_resnet_refuses_imagenet_weights() -> None:
    with pytest.raises(ValueError, match=r"needs encoder\.channels 64, not 32"):
        resnet18(32, "imagenet")


def test_imagenet_weights_that_are_not_at_hand_are_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"resnet18-.*\.pth is not at hand.*Put torchvision"
    ):
        resnet18(64, "imagenet")


def test_weights_of_a_path_are_loaded(tmp_path) -> None:
    import torchvision

    saved = torchvision.models.resnet18(weights=None)
    torch.save(saved.state_dict(), tmp_path / "r.pth")
    loaded = resnet18(64, str(tmp_path / "r.pth"))
    torch.testing.assert_close(loaded.conv1.weight, saved.conv1.weight)
