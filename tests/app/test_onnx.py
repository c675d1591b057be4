"""The exported encoder gives the encoder's features, for clips of any length."""

import json

import numpy as np
import pytest
import torch

from c2rl.app import onnx
from c2rl.extract.encoder import SignEncoder
from c2rl.extract.trained import Form

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

LENGTHS = (1, 2, 5, 40)


@pytest.fixture(scope="module")
def encoder(world) -> SignEncoder:
    return SignEncoder(world.path("encoders"), device="cpu")


@pytest.fixture(scope="module")
def file(world, tmp_path_factory):
    return onnx.to_onnx(world.path("encoders"), tmp_path_factory.mktemp("onnx") / "e.onnx")


def frames_of(count: int, side: int = 28) -> torch.Tensor:
    numbers = torch.arange(count * side * side * 3) * 0.37
    levels = ((torch.sin(numbers) + 1) * 127.5).to(torch.uint8)
    return levels.view(count, side, side, 3).permute(0, 3, 1, 2)


def session(file):
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def assert_equal(found, expected) -> None:
    scale = float(expected.abs().max())
    np.testing.assert_allclose(found, expected.float(), atol=onnx.TOLERANCE * scale, rtol=0)


@pytest.mark.parametrize("length", LENGTHS)
def test_onnx_gives_the_encoders_features(file, encoder, length) -> None:
    frames = frames_of(length)
    (features,) = session(file).run(None, {"frames": frames.numpy()})
    assert features.dtype == np.float32
    assert_equal(features, encoder.encode_batch([frames])[0])


def test_a_feature_that_is_off_by_more_is_noticed(file, encoder) -> None:
    (features,) = session(file).run(None, {"frames": frames_of(5).numpy()})
    expected = encoder.encode_batch([frames_of(5)])[0]
    features[2, 3] += 2 * onnx.TOLERANCE * float(expected.abs().max())
    with pytest.raises(AssertionError):
        assert_equal(features, expected)


def test_the_file_says_what_a_clip_has_to_be(file, encoder) -> None:
    told = session(file).get_modelmeta().custom_metadata_map
    assert told["c2rl.encoder"] == encoder.meta.fingerprint
    assert json.loads(told["c2rl.frames"]) == {
        **{"size": 32, "crop": 28, "codec": "jpeg", "quality": 95},
        **{"keep": 0.25, "target_fps": None, "cap": None},
    }
    assert json.loads(told["c2rl.crop"])["steps"] == list(encoder.trained.cropping.steps)
    assert told["c2rl.most_frames"] == "1024"


def test_features_before_the_transformer_can_be_exported(world, tmp_path) -> None:
    form = Form(point="before_transformer")
    path = onnx.to_onnx(world.path("encoders"), tmp_path / "new/e.onnx", form=form)
    encoder = SignEncoder(world.path("encoders"), **form._asdict(), device="cpu")
    (features,) = session(path).run(None, {"frames": frames_of(7).numpy()})
    assert_equal(features, encoder.encode_batch([frames_of(7)])[0])


def test_torch_export_gives_the_encoders_features(world, encoder, tmp_path) -> None:
    path = onnx.to_torch(world.path("encoders"), tmp_path / "e.pt2")
    extra = {"c2rl.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    for length in LENGTHS[1:]:
        with torch.no_grad():
            features = program(frames_of(length))
        assert_equal(features, encoder.encode_batch([frames_of(length)])[0])
    assert json.loads(extra["c2rl.json"])["c2rl.encoder"] == encoder.meta.fingerprint


def test_a_failed_export_leaves_nothing(world, tmp_path, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr(torch.export, "save", fail)
    with pytest.raises(OSError, match="disk is full"):
        onnx.to_torch(world.path("encoders"), tmp_path / "e.pt2")
    assert list(tmp_path.iterdir()) == []


def test_without_the_exporter_the_command_that_installs_it_is_told(world, tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxscript'", name="onnxscript")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ValueError, match=r"needs onnxscript\. Run: pip install"):
        onnx.to_onnx(world.path("encoders"), tmp_path / "e.onnx")
