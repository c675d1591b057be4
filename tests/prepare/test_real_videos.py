"""Real videos of other projects, not in the repository: set C2RL_REALDATA to their folder.

What must come out was measured by PyAV when they were collected: `probe.json` and NOTES.md,
section 2, of that folder.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from films import read_all

from c2rl.corpora.clip import Clip
from c2rl.store.manifest import OK
from c2rl.video import decode, source
from c2rl.video.files import ClipError
from c2rl.video.probe import probe

ROOT = Path(os.environ.get("C2RL_REALDATA", "absent"))
LISTED = ROOT / "probe.json"
FILES = json.loads(LISTED.read_text(encoding="utf-8")) if LISTED.is_file() else {}
DECORD = "odd_videos/dmlc+decord/tests/resources"
TORCHCODEC = "odd_videos/pytorch+torchcodec/test"
POSE = "videos/sign-language-processing+pose"
SIGNBANK = "videos/Signbank+Global-signbank"
MOSAICS = "videos/how2sign+how2sign.github.io/static/videos/04x04_"

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="C2RL_REALDATA is not set")


def decode_one(name: str, **clip: object) -> decode.Result:
    return decode.decode_one(
        decode.Task(
            root=ROOT,
            clip=Clip(id=name, split="clips", sentence="", language="", source=name, **clip),
            size=32,
            codec="jpeg",
            quality=90,
            needs_sentence=False,
        )
    )


@pytest.mark.parametrize("name", FILES)
def test_every_listed_file_gives_the_frames_that_were_counted_or_a_reason(name):
    facts = FILES[name]
    result = decode_one(name)
    if facts["err"]:
        assert result.status == "decode_error"
        assert f"{facts['decoded']} of {facts['nb']} frames decode" in result.reason
        assert len(result.frames) == 0
        return
    assert (result.status, result.reason) == (OK, "")
    assert len(result.frames) == facts["decoded"]
    video = result.video
    size = (facts["fw"], facts["fh"])
    assert (video["width"], video["height"]) == (size[::-1] if facts["rot"] % 180 else size)
    assert video["rotation"] == facts["rot"] % 360
    assert video["codec"] == {"libdav1d": "av1"}.get(facts["codec"], facts["codec"])
    assert video["pixel_format"] == facts["pix"]
    assert video["has_edit_list"] == (facts["decoded"] < facts["nb"])
    assert result.fps == pytest.approx(1 / facts["dmin"], rel=0.05) or not video["is_constant_rate"]


@pytest.mark.parametrize("name", [n for n in FILES if "04x04" not in n and not FILES[n]["err"]])
def test_both_decoders_and_every_short_cut_give_equal_frames(name):
    """The mosaics, 1.7 GB each in raw pixels, are too much for this."""
    path = ROOT / name
    whole = read_all(path)
    if source.read_frames(path, use_decord=True).decoder == "decord":
        np.testing.assert_array_equal(read_all(path, use_decord=True), whole)
    count = len(whole)
    keep = list(range(1, count, 4))
    np.testing.assert_array_equal(read_all(path, keep=keep), whole[keep])
    if probe(path).is_constant_rate:
        fps = probe(path).fps
        middle = read_all(path, start_s=count // 2 / fps, end_s=(count // 2 + 1) / fps)
        np.testing.assert_array_equal(middle, whole[count // 2 : count // 2 + 1])


def test_the_same_film_in_three_codecs_gives_the_same_pictures():
    names = [n for n in FILES if n.startswith(MOSAICS)]
    assert {FILES[n]["codec"] for n in names} == {"h264", "hevc", "vp9"}
    keep = list(range(0, 121, 30))
    films = [np.stack(list(source.read_frames(ROOT / n, keep=keep).images)) for n in names]
    first = films[0].astype(float)
    for other in films[1:]:
        assert other.shape == first.shape
        assert np.abs(other.mean(axis=0) - first.mean(axis=0)).mean() < 3
        assert np.abs(other - first).mean(axis=(1, 2, 3)).max() < 5  # no picture is another's


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
    frames = source.read_frames(path, use_decord=True)
    assert frames.decoder == decoder
    shapes = [image.shape for image in frames.images]
    assert shapes == [(found.height, found.width, 3)] * num_frames


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotated_videos_stand_upright_as_decord_turns_them(angle):
    import decord

    path = ROOT / DECORD / f"video_{angle}.mov"
    reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    np.testing.assert_array_equal(read_all(path), reader.get_batch([0, 1, 2]).asnumpy())


def test_a_corrupted_video_tells_how_many_frames_decode():
    with pytest.raises(ClipError, match=r"28 of 50 frames decode"):
        read_all(ROOT / DECORD / "corrupted.mp4")
