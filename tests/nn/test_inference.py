"""The form for extraction computes what the trained network computes, and hides no overflow."""

import copy
import functools

import pytest
import torch
from torch import Tensor, nn

from c2rl.nn.inference import InferenceEncoder, for_inference
from c2rl.nn.masks import mask_of
from c2rl.nn.sign_encoder import SignEncoder
from c2rl.video.transform import MEAN, STD, crop, normalise

SMALL = {"width": 16, "layers": 2, "heads": 2, "feedforward": 32, "dropout": 0.1}
LENGTHS = (4, 1, 7)
POINTS = ("before_transformer", "after_transformer")


def trained(channels: int = 8) -> SignEncoder:
    return copy.deepcopy(as_after_training(channels))


@functools.cache
def as_after_training(channels: int) -> SignEncoder:
    """No batch norm is the identity any more."""
    torch.manual_seed(0)
    network = SignEncoder(**SMALL, channels=channels)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return network.eval()


def fast(network: SignEncoder, precision="float32", **options) -> InferenceEncoder:
    return for_inference(network, mean=MEAN, std=STD, precision=precision, **options)


def frames_of(count: int, side: int = 32) -> Tensor:
    numbers = torch.arange(count * side * side * 3) * 0.37
    levels = ((torch.sin(numbers) + 1) * 127.5).to(torch.uint8)
    return levels.view(count, side, side, 3).permute(0, 3, 1, 2)


def mask(*lengths: int) -> Tensor:
    return mask_of(torch.tensor(lengths))


@pytest.mark.parametrize("channels", [8, 64])
def test_folded_weights_give_the_networks_features(channels) -> None:
    network, frames = trained(channels), frames_of(12)
    with torch.no_grad():
        expected = network(normalise(frames), mask(*LENGTHS))
    features = fast(network)(frames, mask(*LENGTHS))
    torch.testing.assert_close(features, expected, atol=2e-5, rtol=0)


def test_no_batch_norm_is_left_and_the_original_has_all_of_its_own() -> None:
    network = trained().train()
    before = copy.deepcopy(network.state_dict())
    copied = fast(network, "bfloat16")
    copied(frames_of(12), mask(*LENGTHS))
    norms = nn.BatchNorm1d | nn.BatchNorm2d
    assert not any(isinstance(module, norms) for module in copied.modules())
    assert sum(isinstance(module, norms) for module in network.modules()) == 21
    assert network.training
    assert not copied.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    own = {parameter.data_ptr() for parameter in network.parameters()}
    assert own.isdisjoint(parameter.data_ptr() for parameter in copied.parameters())


def test_the_transformer_makes_the_features_after_it_from_those_before_it() -> None:
    network, frames = trained(), frames_of(12)
    before, after = (fast(network, point=p)(frames, mask(*LENGTHS)) for p in POINTS)
    with torch.no_grad():
        expected = network.transformer(before, mask(*LENGTHS))
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)
    assert (before - after)[mask(*LENGTHS)].abs().min(-1).values.max() > 1e-3


@pytest.mark.parametrize("point", POINTS)
def test_padded_steps_are_zero_and_real_steps_are_not(point) -> None:
    network, real = fast(trained(), point=point), mask_of(torch.tensor(LENGTHS), 9)
    together = network.temporal(network.spatial(frames_of(12)), real)
    for features in (together, network(frames_of(12), real)):
        assert features.shape == (3, 9, 16)
        assert features.dtype == torch.float32
        assert (features[~real] == 0).all()
        assert (features[real] != 0).any(-1).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("channels", "point"), [(8, POINTS[0]), (8, POINTS[1]), (64, POINTS[1])])
def test_a_clip_alone_and_in_a_batch_has_the_same_bits(precision, channels, point) -> None:
    network, frames = fast(trained(channels), precision, point=point), frames_of(12)
    together = network(frames, mask(*LENGTHS))
    for row, clip in zip(together, frames.split(LENGTHS), strict=True):
        alone = network(clip, mask(len(clip)))[0]
        assert torch.equal(row[: len(clip)], alone), len(clip)


def test_clips_padded_together_have_the_same_features_up_to_rounding() -> None:
    network, frames = fast(trained()), frames_of(12)
    spatial = network.spatial(frames)
    torch.testing.assert_close(
        network.temporal(spatial, mask(*LENGTHS)),
        network(frames, mask(*LENGTHS)),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("most", [1, 3, 5, 11])
def test_pieces_give_the_bits_of_the_whole(precision, most) -> None:
    network, entered = trained(), []
    pieces = fast(network, precision, pixels=most * 32 * 32)
    pieces.resnet.register_forward_hook(lambda net, given, found: entered.append(len(given[0])))
    assert torch.equal(
        pieces.spatial(frames_of(12)), fast(network, precision).spatial(frames_of(12))
    )
    assert max(entered) == max(2, most if 12 % most == 0 else 12 // -(-12 // most))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_points_the_same_way(precision) -> None:
    network, real = trained(), mask(*LENGTHS)
    exact = fast(network)(frames_of(12), real)[real]
    rounded = fast(network, precision)(frames_of(12), real)[real]
    assert not torch.equal(exact, rounded)
    assert torch.cosine_similarity(exact, rounded).min() > 0.99


def test_frames_are_normalised_to_the_bits_that_training_saw() -> None:
    network = fast(trained())
    network.resnet = nn.Flatten()
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    cut = crop(frames_of(3, side=24), 16)
    for frames in (levels, levels.contiguous(memory_format=torch.channels_last), cut):
        assert torch.equal(network.spatial(frames), normalise(frames).flatten(1))


def test_normalised_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"float32, expected torch\.uint8: pass them as decoded"):
        fast(trained())(normalise(frames_of(2)), mask(2))


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_rectifying_and_pooling_hide_no_overflow(precision, value) -> None:
    network = fast(trained(), precision)
    frames = torch.zeros(2, 3, 32, 32, dtype=network.dtype)
    frames[1, 0, 5, 5] = value
    found = network.resnet(frames)
    assert found[0].isfinite().all()
    assert not found[1].isfinite().all()


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_an_overflow_shows_in_the_features_of_its_clip_alone(point, value) -> None:
    network, real = fast(trained(), point=point), mask(*LENGTHS)
    spatial = network.spatial(frames_of(12))
    spatial[11, 3] = value  # the last frame of the last clip
    features = network.temporal(spatial, real)
    assert not features[2, 6].isfinite().all()
    assert features[:2].isfinite().all()
    assert (features[~real] == 0).all()


def test_what_float16_cannot_hold_is_not_finite_and_bfloat16_holds_it() -> None:
    network = trained()
    network.resnet.layer4[1].bn2.weight.data.fill_(1e6)
    features = {p: fast(network, p)(frames_of(4), mask(4)) for p in ("bfloat16", "float16")}
    assert features["bfloat16"].isfinite().all()
    assert not features["float16"].isfinite().any(-1).any()


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    network, frames, before = fast(trained(64)), frames_of(12), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(network(frames, mask(*LENGTHS)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
