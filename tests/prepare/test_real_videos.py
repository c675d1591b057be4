"""Odd videos of other projects, which are not in the repository: set C2RL_REALDATA to their folder.

The numbers are those that PyAV and decord gave in NOTES.md, section 2, of that folder.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from films import read_all

from c2rl.video import source
from c2rl.video.files import ClipError
from c2rl.video.probe import probe

ROOT = Path(os.environ.get("C2RL_REALDATA", "absent"))
DECORD = "odd_videos/dmlc+decord/tests/resources"
TORCHCODEC = "odd_videos/pytorch+torchcodec/test"
POSE = "videos/sign-language-processing+pose"
SIGNBANK = "videos/Signbank+Global-signbank"

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="C2RL_REALDATA is not set")


@pytest.mark.parametrize(
    ("name", "num_frames", "decoder", "what"),
    [
        (f"{DECORD}/video_0.mov", 3, "decord", {"rotation": 0, "width": 568}),
        (f"{DECORD}/video_90.mov", 3, "pyav", {"rotation": 270, "width": 320}),
        (f"{DECORD}/video_180.mov", 3, "pyav", {"rotation": 180, "width": 568}),
        (f"{DECORD}/video_270.mov", 3, "pyav", {"rotation": 90, "width": 320}),
        (f"{DECORD}/unordered.mov", 4, "decord", {}),
        (f"{TORCHCODEC}/decoders/resources/nasa_13013.mp4", 325, "pyav", {"num_streams": 2}),
        (f"{TORCHCODEC}/resources/av1_video.mkv", 125, "pyav", {"codec": "av1"}),
        (f"{TORCHCODEC}/resources/h264_10bits.mp4", 30, "pyav", {"pixel_format": "yuv420p10le"}),
        (f"{TORCHCODEC}/resources/bt709_full_range.mp4", 30, "decord", {}),
        (f"{TORCHCODEC}/resources/var_fps_video.mp4", 300, "pyav", {"is_constant_rate": False}),
        (f"{POSE}/videos/FOOTBALL.mp4", 62, "pyav", {"has_edit_list": True}),
        (f"{POSE}/src/python/tests/data/test_video.mp4", 58, "decord", {"height": 720}),
        (f"{SIGNBANK}/signbank/video/testmedia/video.mp4", 99, "pyav", {"has_edit_list": True}),
        (f"{SIGNBANK}/media/numbersigns/ns_010.mp4", 19, "decord", {"fps": 12}),
        ("videos/midusi+LSA-T/docs/assets/clip2.gif", 24, "pyav", {"codec": "gif"}),
    ],
)
def test_odd_videos_are_read_as_they_are(name, num_frames, decoder, what):
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"{name} is not there")
    found = probe(path)
    assert {key: getattr(found, key) for key in what} == what
    frames = source.read_frames(path)
    assert frames.decoder == decoder
    images = np.stack(list(frames.images))
    assert images.shape == (num_frames, found.height, found.width, 3)
    np.testing.assert_array_equal(images, read_all(path, use_decord=False))


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotated_videos_stand_upright_as_decord_turns_them(angle):
    import decord

    path = ROOT / DECORD / f"video_{angle}.mov"
    reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    np.testing.assert_array_equal(read_all(path), reader.get_batch([0, 1, 2]).asnumpy())


def test_a_corrupted_video_tells_how_many_frames_decode():
    with pytest.raises(ClipError, match=r"28 of 50 frames decode"):
        read_all(ROOT / DECORD / "corrupted.mp4")
