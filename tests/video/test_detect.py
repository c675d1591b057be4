import hashlib
import subprocess
import sys
import urllib.error
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from c2rl.video import detect

NAME = "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of torch's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "hub" / "checkpoints"


def publish(monkeypatch, content):
    """Let torchvision's weights be another, small file; returns its name."""
    name = f"small-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    weights = SimpleNamespace(url=f"https://example.org/models/{name}")
    monkeypatch.setattr(detect, "_torchvision_weights", lambda: weights)
    return name


def refuse(*_args, **_kwargs):
    raise AssertionError("nothing may be downloaded")


def test_a_worker_that_needs_no_detector_imports_no_torch():
    heavy = {"torch", "torchvision", "onnxruntime"}
    code = f"import sys, c2rl.video.detect; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_kinds_of_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"crop.weights is 'fasterrcnn', expected torchvision or"):
        detect.load("fasterrcnn")
    for name in ("a.onnx", "a.pth", "a.safetensors"):
        with pytest.raises(FileNotFoundError, match=rf"{name} does not exist"):
            detect.load(str(tmp_path / name))


def test_without_network_the_file_and_its_place_are_told(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(FileNotFoundError) as error:
        detect.load("torchvision")
    text = str(error.value)
    assert f"{NAME} is not in {hub} and cannot be downloaded (HF_HUB_OFFLINE is set)" in text
    assert "\n" not in text
    assert detect.identity("torchvision") == "FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1"


def test_a_failed_download_tells_why(hub, monkeypatch):
    def fail(*_args, **_kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(FileNotFoundError, match=rf"{NAME} is not in .*no route to host.*Put http"):
        detect.find("torchvision")


def test_weights_are_downloaded_once_and_checked(hub, monkeypatch):
    name = publish(monkeypatch, b"weights")

    def download(url, target, hash_prefix, progress):
        assert (url, hash_prefix) == (f"https://example.org/models/{name}", name[6:14])
        (hub / name).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert detect.find("torchvision") == hub / name
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    assert detect.find("torchvision") == hub / name
    (hub / name).write_bytes(b"half of the wei")
    with pytest.raises(ValueError, match=rf"{name} is damaged: its SHA-256 .* Delete it"):
        detect.find("torchvision")


def test_a_detector_is_known_by_its_content(tmp_path):
    first, second, other = (tmp_path / name for name in ("a.onnx", "b.onnx", "c.pth"))
    first.write_bytes(b"one")
    second.write_bytes(b"one")
    other.write_bytes(b"two")
    one = hashlib.sha256(b"one").hexdigest()
    assert detect.identity(str(first)) == detect.identity(str(second)) == one
    assert detect.identity(str(other)) == hashlib.sha256(b"two").hexdigest()
    (tmp_path / "b.onnx.data").write_bytes(b"numbers that the exporter put beside it")
    assert detect.identity(str(second)) not in (one, detect.identity(str(other)))


class Pickled:
    """Something that is no tensor."""


def test_weights_of_something_else_are_refused_and_not_unpickled(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"model": Pickled()}, path)
    with pytest.raises(ValueError, match=r"a.pth is no state dict of .*fasterrcnn_resnet50_fpn_v2"):
        detect.load(str(path))
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"a.pth is no state dict") as error:
        detect.load(str(path))
    assert "\n" not in str(error.value)


def test_the_people_are_those_of_torchvisions_own_model(tmp_path):
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

    torch.manual_seed(0)
    model = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).eval()
    classes, sizes = model.roi_heads.box_predictor.cls_score, model.rpn.head.bbox_pred.bias
    with torch.no_grad():
        classes.weight *= 0.1  # an untrained model sees nothing:
        classes.bias[1:3] = 8.0  # let it see people and bicycles everywhere,
        sizes[2::4] = sizes[3::4] = 2.7  # large ones, which are few and so quickly done
    save_file(model.state_dict(), tmp_path / "a.safetensors")
    image = np.random.default_rng(0).integers(0, 256, (12, 320, 3), np.uint8)
    with torch.inference_mode():
        own = model([torch.from_numpy(image).permute(2, 0, 1) / 255])[0]
    expected = own["boxes"][own["labels"] == 1].numpy()
    assert 0 < len(expected) < len(own["boxes"])
    people = detect.load(str(tmp_path / "a.safetensors"))(image)
    np.testing.assert_array_equal([person.box for person in people], expected)
    scores = own["scores"][own["labels"] == 1].tolist()
    assert [person.score for person in people] == scores


def test_weights_that_lack_something_are_refused(tmp_path):
    save_file({"roi_heads.box_head.0.0.weight": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"a.safetensors is no state dict of .*Missing key"):
        detect.load(str(tmp_path / "a.safetensors"))
