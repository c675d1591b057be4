import cv2
import numpy as np
import pytest
from films import LOSSLESS, film, read_all, write_video

from c2rl.video import source
from c2rl.video.files import ClipError, safe_path
from c2rl.video.probe import probe

CODECS = {
    "h264.mp4": {"codec": "libx264"},
    "h264_444.mp4": {"codec": "libx264", "pixels": "yuv444p"},
    "h264.mkv": {"codec": "libx264"},
    "rgb.mp4": LOSSLESS,
    "hevc.mp4": {"codec": "libx265", "x265-params": "log-level=none:pools=none"},
    "vp8.webm": {"codec": "libvpx", "cpu-used": "8"},
    "vp9.webm": {"codec": "libvpx-vp9", "cpu-used": "8"},
}


@pytest.mark.parametrize("name", CODECS)
def test_both_decoders_give_equal_frames(tmp_path, name):
    path = write_video(tmp_path / name, film(), **CODECS[name])
    quick = source.read_frames(path)
    assert (quick.decoder, quick.fps) == ("decord", 25)
    slow = source.read_frames(path, use_decord=False)
    assert slow.decoder == "pyav"
    np.testing.assert_array_equal(np.stack(list(quick.images)), np.stack(list(slow.images)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mpeg4.mp4", {"codec": "mpeg4"}),
        ("mjpeg.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
        ("moving.gif", {"codec": "gif", "pixels": "rgb8"}),
        ("deep.mp4", {"codec": "libx264", "pixels": "yuv420p10le"}),
        ("varying.mp4", {"steps": [0, 1, 2, 5, 6, 9, 10, 11, 15, 16, 17, 18]}),
    ],
)
def test_what_decord_reads_otherwise_or_not_at_all_is_read_by_pyav(tmp_path, name, options):
    path = write_video(tmp_path / name, film(), **options)
    frames = source.read_frames(path)
    assert frames.decoder == "pyav"
    assert len(list(frames.images)) == 12


def test_a_folder_of_frames_equals_the_lossless_video_of_it(tmp_path):
    images = film(11)  # the tenth and the second frame would be swapped by a sort of the names
    path = write_video(tmp_path / "clip.mp4", images, **LOSSLESS)
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"images{number}.png"), image[..., ::-1])
    (folder / "readme.txt").write_text("no frame")
    np.testing.assert_array_equal(read_all(folder), images)
    np.testing.assert_array_equal(read_all(path), images)
    np.testing.assert_array_equal(read_all(path, use_decord=False), images)
    assert source.read_frames(folder).decoder == "frames"


@pytest.mark.parametrize("use_decord", [True, False])
@pytest.mark.parametrize(
    ("start_s", "end_s", "first", "end"),
    [
        (None, 0.2, 0, 5),
        (0.2, 0.4, 5, 10),  # 0.4 * 25 is exactly frame 10, which is no longer in
        (0.21, 0.39, 5, 10),
        (0.44, 9.0, 11, 12),
        (0.2, 0.2001, 5, 6),
    ],
)
def test_seconds_become_frames(tmp_path, start_s, end_s, first, end, use_decord):
    images = film()
    path = write_video(tmp_path / "a.mp4", images, **LOSSLESS)
    read = read_all(path, start_s=start_s, end_s=end_s, use_decord=use_decord)
    np.testing.assert_array_equal(read, images[first:end])


def test_pyav_seeks_to_the_same_frames_that_it_counts_to(tmp_path):
    images = film(260, 16, 32)
    path = write_video(tmp_path / "long.mp4", images, g="25", bf="2", **LOSSLESS)
    for start in (200, 224, 225, 226, 251):
        read = read_all(path, start_s=start / 25, end_s=(start + 4) / 25, use_decord=False)
        np.testing.assert_array_equal(read, images[start : start + 4])


def test_segments_of_a_varying_rate_go_by_time(tmp_path):
    images = film(6)
    path = write_video(tmp_path / "v.mp4", images, steps=[0, 1, 2, 10, 11, 12], **LOSSLESS)
    np.testing.assert_array_equal(read_all(path, start_s=0.2, end_s=0.44), images[2:4])


@pytest.mark.parametrize(
    ("start_s", "end_s", "told"),
    [(0.5, 0.9, "has 0.48 s"), (0.3, 0.2, "no stretch"), (-1.0, 0.2, "no stretch")],
)
def test_a_segment_outside_the_video_is_told(tmp_path, start_s, end_s, told):
    path = write_video(tmp_path / "a.mp4", film())
    with pytest.raises(ClipError, match=f"bad_segment.*{told}"):
        source.read_frames(path, start_s=start_s, end_s=end_s)


def test_a_long_clip_is_streamed_instead_of_held(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", film())
    monkeypatch.setattr(source, "BATCH_BYTES", 11 * 48 * 64 * 3)
    assert source.read_frames(path).decoder == "pyav"
    assert source.read_frames(path, end_s=0.4).decoder == "decord"


def test_pyav_steps_in_when_decord_fails(tmp_path, monkeypatch):
    decord = pytest.importorskip("decord")
    path = write_video(tmp_path / "a.mp4", film())

    def fail(*_: object, **__: object) -> None:
        raise decord.DECORDError("no")

    monkeypatch.setattr(decord, "VideoReader", fail)
    assert source.read_frames(path).decoder == "pyav"


def test_one_frame_is_a_clip(tmp_path):
    path = write_video(tmp_path / "one.mp4", film(1))
    assert read_all(path).shape == (1, 48, 64, 3)


def test_a_truncated_file_tells_how_much_is_there(tmp_path):
    path = write_video(tmp_path / "a.mp4", film(50), container={"movflags": "faststart"}, g="5")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(ClipError, match=r"decode_error.* \d+ of 50 frames"):
        read_all(path)
    assert len(read_all(path, end_s=0.2)) == 5  # the segment itself is whole


def test_a_truncated_webm_tells_how_much_is_there(tmp_path):
    path = write_video(tmp_path / "a.webm", film(50), codec="libvpx-vp9", **{"cpu-used": "8"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(ClipError, match=r"decode_error.* \d+ of 50 frames"):
        read_all(path)


def test_what_is_no_video_is_told(tmp_path):
    text, empty, folder = tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "folder"
    text.write_text("this is no video\n" * 100)
    empty.touch()
    folder.mkdir()
    for path, status in (
        (text, "decode_error"),
        (empty, "empty_video"),
        (folder, "empty_video"),
        (tmp_path / "absent.mp4", "missing_file"),
    ):
        with pytest.raises(ClipError) as caught:
            source.read_frames(path)
        assert caught.value.status == status
        assert "\n" not in caught.value.reason


def test_a_damaged_image_in_a_folder_is_told(tmp_path):
    cv2.imwrite(str(tmp_path / "f1.png"), film(1)[0])
    (tmp_path / "f2.png").write_bytes(b"")
    with pytest.raises(ClipError, match=r"f2.png is no image; 1 of 2 frames decode"):
        read_all(tmp_path)


def test_too_large_clips_are_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", film())
    monkeypatch.setattr(source, "MAX_FRAMES", 11)
    with pytest.raises(ClipError, match=r"too_large: 12 frames"):
        source.read_frames(path)
    monkeypatch.setattr(source, "MAX_PIXELS", 100)
    with pytest.raises(ClipError, match=r"too_large: 64x48 pixels"):
        source.read_frames(path)


def test_a_probe_tells_what_is_there(tmp_path):
    found = probe(write_video(tmp_path / "a.mp4", film(), fps=30))
    assert (found.kind, found.codec, found.container) == ("video", "h264", "mp4")
    assert (found.fps, found.width, found.height, found.num_frames) == (30, 64, 48, 12)
    assert found.is_constant_rate
    assert not found.has_edit_list


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../a.mp4", "a/../../b.mp4", "C:/a.mp4", "", "a\0b"]
)
def test_a_path_cannot_leave_its_corpus(tmp_path, path):
    with pytest.raises(ClipError, match=r"unsafe_path"):
        safe_path(tmp_path, path)


def test_a_link_cannot_leave_its_corpus(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with pytest.raises(ClipError, match=r"unsafe_path"):
        safe_path(root, "link/a.mp4")
    assert safe_path(root, "a b/c:d.mp4") == root / "a b/c:d.mp4"
