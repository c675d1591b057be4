"""Small networks made by hand, whose outputs are arithmetic, and the real FastestDet."""

import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from c2rl.video import boxes, detect, source

ROOT = Path(os.environ.get("C2RL_REALDATA", "absent"))
FASTESTDET = ROOT / "checkpoints/dog-qiuqiu+FastestDet/example/onnx-runtime/FastestDet.onnx"
VIDEOS = ROOT / "videos"

pytest.importorskip("onnxruntime")


def write(path, nodes, inputs, outputs, numbers=None):
    """Save a network; inputs and outputs are names to type and shape."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        "made by hand",
        *([helper.make_tensor_value_info(n, *what) for n, what in side.items()]
          for side in (inputs, outputs)),
        [onnx.numpy_helper.from_array(value, name) for name, value in (numbers or {}).items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return str(path)


def node(kind, inputs, output, **attributes):
    return pytest.importorskip("onnx").helper.make_node(kind, inputs, [output], **attributes)


def fastestdet(path, *, size=32, wide=0.25, high=0.5):
    """An object where it is blue, further right where it is red, no person where it is green.

    Each cell of 16 x 16 pixels: probability blue, centre tanh(10 * red) cells to the right and half
    a cell down, a person with probability 0.9, something else with probability green.
    """
    weight, bias = np.zeros((7, 3, 16, 16), np.float32), np.zeros(7, np.float32)
    weight[0, 0] = weight[6, 1] = 1 / 256  # the mean of a colour in the cell; blue comes first
    weight[1, 2] = 10 / 256
    bias[2] = math.atanh(0.5)
    bias[3], bias[4] = (math.log(share / (1 - share)) for share in (wide, high))
    bias[5] = 0.9
    return write(
        path,
        [node("Conv", ["picture", "weight", "bias"], "cells", strides=[16, 16])],
        {"picture": (1, [1, 3, size, size])},
        {"cells": (1, [1, 7, size // 16, size // 16])},
        {"weight": weight, "bias": bias},
    )


def exported(path, shape):
    """Three boxes whose scores are the means of red, green and blue; the third is no person."""
    corners = np.array([[-3, 2, 4, 60], [1, 1, 4, 4], [0, 0, 8, 8]], np.float32)
    return write(
        path,
        [
            node("ReduceMean", ["picture"], "means", axes=[-1, -2], keepdims=0),
            node("Reshape", ["means", "three"], "scores"),
            node("Identity", ["corners"], "boxes"),
            node("Identity", ["classes"], "labels"),
        ],
        {"picture": (1, shape)},
        {"boxes": (1, [3, 4]), "labels": (7, [3]), "scores": (1, [3])},
        {"corners": corners, "classes": np.array([1, 1, 2]), "three": np.array([3])},
    )


def test_a_map_of_cells_is_read_as_boxes(tmp_path):
    image = np.zeros((32, 64, 3), np.uint8)  # is squashed to 32 x 32: a cell is 32 x 16 pixels
    image[:16, :32] = (0, 0, 204)
    image[16:, 32:] = (255, 0, 102)
    near, far = detect.load(fastestdet(tmp_path / "a.onnx"))(image)
    # centre at (0 + 0) / 2 and (0 + 0.5) / 2 of the picture, a quarter wide, half high
    assert near.box == pytest.approx((0, 0, 8, 16), abs=1e-4)
    assert near.score == pytest.approx(0.8 * 0.9, abs=1e-4)
    # centre at (1 + 1) / 2 and (1 + 0.5) / 2
    assert far.box == pytest.approx((56, 16, 64, 32), abs=1e-4)
    assert far.score == pytest.approx(0.4 * 0.9, abs=1e-4)


def test_of_boxes_that_overlap_the_surest_stays(tmp_path):
    weights = fastestdet(tmp_path / "a.onnx", wide=0.9)
    image = np.zeros((32, 32, 3), np.uint8)
    image[:16, :16] = (255, 0, 128)
    image[:16, 16:] = (0, 0, 255)  # both centres are (1, 0.5) / 2
    (person,) = detect.load(weights)(image)
    assert person.box == pytest.approx((32 * 0.05, 0, 32 * 0.95, 16), abs=1e-4)
    assert person.score == pytest.approx(0.9)


def test_what_is_more_likely_something_else_is_no_person(tmp_path):
    detector = detect.load(fastestdet(tmp_path / "a.onnx"))
    image = np.zeros((32, 32, 3), np.uint8)
    image[:16, :16] = (0, 255, 255)  # something else with probability 1, a person with 0.9
    assert detector(image) == []
    image[:16, :16] = (0, 204, 255)
    assert len(detector(image)) == 1
    assert detector(np.zeros_like(image)) == []


@pytest.mark.parametrize("shape", [[3, "height", "width"], [1, 3, "height", "width"]])
def test_an_exported_detector_sees_the_picture_as_it_is(tmp_path, shape):
    image = np.full((10, 12, 3), (255, 51, 255), np.uint8)
    first, second = detect.load(exported(tmp_path / "a.onnx", shape))(image)
    assert first == ((0, 2, 4, 10), pytest.approx(1.0))
    assert second == ((1, 1, 4, 4), pytest.approx(0.2))


def test_an_exported_detector_of_one_size_tells_pixels_of_the_picture(tmp_path):
    image = np.full((16, 32, 3), (0, 255, 255), np.uint8)
    (person,) = detect.load(exported(tmp_path / "a.onnx", [1, 3, 8, 8]))(image)
    assert person == ((4, 2, 16, 8), pytest.approx(1.0))


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([1, 3, 32, 32], [1, 7, 4, 4]),  # cells of 8 pixels
        ([1, 3, 32, 32], [1, 84, 100]),  # YOLO
        ([1, 1, 32, 32], [1, 7, 2, 2]),  # grey
        ([4, 3, 32, 32], [4, 7, 2, 2]),  # four at once
        ([1, 3, "height", "width"], [1, 7, "rows", "columns"]),
    ],
)
def test_other_networks_are_refused(tmp_path, inputs, outputs):
    sizes = [size if isinstance(size, int) else 2 for size in outputs]
    path = write(
        tmp_path / "a.onnx",
        [node("RandomUniform", [], "cells", shape=sizes)],
        {"picture": (1, inputs)},
        {"cells": (1, outputs)},
    )
    with pytest.raises(ValueError, match=r"a.onnx maps picture tensor\(float\) .* expected"):
        detect.load(path)


def test_what_is_no_network_is_told_in_one_line(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"a.onnx is no ONNX model") as error:
        detect.load(str(path))
    assert "\n" not in str(error.value)


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"needs onnxruntime. Run: pip install 'c2rl\[onnx\]'"):
        detect.load(str(tmp_path / "a.onnx"))


@pytest.mark.skipif(not FASTESTDET.is_file(), reason="C2RL_REALDATA is not set")
@pytest.mark.parametrize(
    ("name", "num_people", "inside"),
    [  # inside: the signer's head and hands as a person saw them, in pixels
        ("sign-language-processing+pose/sample-data/video/video.mp4", 1, (400, 100, 900, 560)),
        ("laerciolima+libras/storage/videos/sinais/Cafe.mp4", 1, (100, 20, 280, 200)),
        ("sign-language-processing+datasets/datasets/autsl/dummy_data/videos/"
         "signer0_sample1000_color.mp4", 1, (230, 190, 320, 420)),
        ("midusi+LSA-T/assets/100.mp4", 1, (230, 50, 370, 220)),
        ("midusi+LSA-T/docs/assets/clip2.gif", 2, (165, 40, 290, 150)),
        ("midusi+LSA-T/docs/assets/clip4.gif", 2, (80, 70, 130, 150)),
        ("GerrySant+multimodalhugs/tests/assets/video/sample_01.mp4", 0, None),
        ("GerrySant+multimodalhugs/tests/assets/video/sample_02.mp4", 0, None),
    ],
)  # fmt: skip
def test_the_signers_of_real_videos_are_found(name, num_people, inside):
    if not (VIDEOS / name).is_file():
        pytest.skip(f"{name} is not there")
    images = list(source.read_frames(VIDEOS / name).images)
    detector = detect.load(str(FASTESTDET))
    chosen = [images[number] for number in boxes.frame_numbers(len(images), 5)]
    found = [detector(image) for image in chosen]
    assert found == [detector(image) for image in chosen]
    height, width = images[0].shape[:2]
    size = {"width": width, "height": height}
    signer = boxes.steady(found, **size, least_score=0.5, margin=0.0, images=chosen)
    if inside is None:
        assert signer is None
        return
    assert signer.num_people == num_people
    assert signer.score > 0.8
    x0, y0, x1, y1 = signer.box
    assert x0 <= inside[0] < inside[2] <= x1
    assert y0 <= inside[1] < inside[3] <= y1
    area = (x1 - x0) * (y1 - y0) / (width * height)
    assert area < 0.7  # and it is no picture of everything
