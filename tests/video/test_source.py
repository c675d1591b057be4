import contextlib
import json
import struct
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import PictureType
from films import LOSSLESS, film, read_all, write_video

from c2rl.video import source
from c2rl.video.files import ClipError, safe_path
from c2rl.video.probe import probe

CODECS = {
    "h264.mp4": {"codec": "libx264"},
    "h264_444.mp4": {"codec": "libx264", "pixels": "yuv444p"},
    "h264.mkv": {"codec": "libx264"},
    "rgb.mp4": LOSSLESS,
}


@pytest.mark.parametrize("name", CODECS)
def test_both_decoders_give_equal_frames(tmp_path, name):
    path = write_video(tmp_path / name, film(), **CODECS[name])
    quick = source.read_frames(path, use_decord=True)
    assert (quick.decoder, quick.fps) == ("decord", 25)
    slow = source.read_frames(path)
    assert slow.decoder == "pyav"
    np.testing.assert_array_equal(np.stack(list(quick.images)), np.stack(list(slow.images)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mpeg4.mp4", {"codec": "mpeg4"}),
        ("mjpeg.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
        ("moving.gif", {"codec": "gif", "pixels": "rgb8"}),
        ("hevc.mp4", {"codec": "libx265", "x265-params": "log-level=none:pools=none"}),
        ("vp8.webm", {"codec": "libvpx", "cpu-used": "8"}),
        ("vp9.webm", {"codec": "libvpx-vp9", "cpu-used": "8"}),
        ("deep.mp4", {"codec": "libx264", "pixels": "yuv420p10le"}),
        ("varying.mp4", {"steps": [0, 1, 2, 5, 6, 9, 10, 11, 15, 16, 17, 18]}),
    ],
)
def test_what_decord_reads_otherwise_or_not_at_all_is_read_by_pyav(tmp_path, name, options):
    path = write_video(tmp_path / name, film(), **options)
    frames = source.read_frames(path, use_decord=True)
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
    np.testing.assert_array_equal(read_all(path, use_decord=True), images)
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
    assert source.read_frames(path, use_decord=True).decoder == "pyav"
    assert source.read_frames(path, end_s=0.4, use_decord=True).decoder == "decord"


def test_pyav_steps_in_when_decord_fails(tmp_path, monkeypatch):
    decord = pytest.importorskip("decord")
    path = write_video(tmp_path / "a.mp4", film())

    def fail(*_: object, **__: object) -> None:
        raise decord.DECORDError("no")

    monkeypatch.setattr(decord, "VideoReader", fail)
    assert source.read_frames(path, use_decord=True).decoder == "pyav"


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


HEVC = {"codec": "libx265", "x265-params": "log-level=none:pools=none:keyint=20"}
KEPT = {
    "h264.mp4": {"bf": "3", "g": "20"},
    "open.mkv": {"x264-params": "open-gop=1:bframes=3:keyint=20"},
    "refresh.mp4": {"x264-params": "intra-refresh=1:keyint=20"},
    "interlaced.mp4": {"x264-params": "interlaced=1:bframes=3:keyint=20"},
    "deep.mp4": {"pixels": "yuv420p10le", "bf": "3"},
    "guessed.avi": {"bf": "3"},  # AVI stores no presentation times
    "h264.ts": {"bf": "3", "g": "20"},
    "hevc.mp4": HEVC,
    "layers.mp4": {**HEVC, "x265-params": HEVC["x265-params"] + ":temporal-layers=3:bframes=4"},
    "vp8.webm": {"codec": "libvpx", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "9"},
    "vp9.webm": {"codec": "libvpx-vp9", "cpu-used": "8", "lag-in-frames": "9"},
    "mpeg4.avi": {"codec": "mpeg4", "bf": "2"},
    "moving.gif": {"codec": "gif", "pixels": "rgb8"},
    "varying.mp4": {"steps": [n + n // 7 for n in range(60)], "bf": "3"},
}


@pytest.mark.parametrize("name", KEPT)
def test_frames_to_keep_are_those_of_the_whole(tmp_path, monkeypatch, name):
    monkeypatch.setattr(source, "_SEEK_FROM", 25)  # so that this short film is sought in
    path = write_video(tmp_path / name, film(60), **KEPT[name])
    with av.open(str(path)) as file:  # every packet through the decoder, without any short cut
        whole = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
    assert len(whole) == 60
    for use_decord in (True, False):
        for keep in ([0], [59], [3, 4, 21, 58], range(1, 60, 4), range(26, 60, 4), range(30, 41)):
            read = read_all(path, keep=list(keep), use_decord=use_decord)
            np.testing.assert_array_equal(read, whole[keep], err_msg=f"{list(keep)}")
        np.testing.assert_array_equal(read_all(path, use_decord=use_decord), whole)


def test_frames_to_keep_are_numbered_within_the_segment(tmp_path):
    images = film(30)
    path = write_video(tmp_path / "a.mp4", images, bf="3", **LOSSLESS)
    for use_decord in (True, False):
        read = read_all(path, start_s=0.4, end_s=0.8, keep=[0, 3, 9], use_decord=use_decord)
        np.testing.assert_array_equal(read, images[[10, 13, 19]])
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number}.png"), image[..., ::-1])
    read = read_all(folder, start_s=0.4, end_s=0.8, fps=25, keep=[0, 3, 9])
    np.testing.assert_array_equal(read, images[[10, 13, 19]])


def test_a_folder_is_read_no_further_than_its_kept_frames(tmp_path):
    for number, image in enumerate(film(3)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image[..., ::-1])
    (tmp_path / "1.png").write_bytes(b"damaged")
    np.testing.assert_array_equal(read_all(tmp_path, keep=[0, 2]), film(3)[[0, 2]])


@pytest.mark.parametrize("change", ["cut", "turned"])
def test_edit_lists_and_rotation_hold_for_kept_frames(tmp_path, change):
    path = write_video(tmp_path / "a.mp4", film(40), bf="2")
    plain = read_all(path)
    edit = _hide_the_first_half if change == "cut" else _turn_upside_down
    path.write_bytes(edit(path.read_bytes()))
    whole = read_all(path)
    np.testing.assert_array_equal(whole, plain[20:] if change == "cut" else plain[:, ::-1, ::-1])
    found = source.read_frames(path, keep=[2, 11])
    assert found.decoder == "pyav"
    assert found.video["has_edit_list"] == (change == "cut")
    assert found.video["rotation"] == (180 if change == "turned" else 0)
    np.testing.assert_array_equal(np.stack(list(found.images)), whole[[2, 11]])


def test_frames_that_no_other_refers_to_are_not_decoded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", film(40), bf="3", g="40")
    decoded = []
    upright = source._upright
    monkeypatch.setattr(source, "_upright", lambda f, p: decoded.append(f.pts) or upright(f, p))
    read_all(path, keep=[8, 39])
    assert len(decoded) == 2  # no picture is converted that is not wanted
    with av.open(str(path)) as file:
        kinds = [PictureType(frame.pict_type) for frame in file.decode(video=0)]
    assert kinds.count(PictureType.B) > 10  # here is what can be skipped
    sent = []
    quick = source._decode_quickly
    monkeypatch.setattr(source, "_decode_quickly", lambda *a: sent.append(a) or quick(*a))
    monkeypatch.setattr(source, "_decode_plainly", lambda *_: pytest.fail("the quick way failed"))
    read_all(path, keep=[8, 39])
    assert len(sent) == 1


@pytest.mark.parametrize("keep", [[], [3, 3], [4, 2], [-1, 2], [11, 12]])
def test_numbers_that_are_no_choice_of_frames_are_refused(tmp_path, keep):
    path = write_video(tmp_path / "a.mp4", film())
    with pytest.raises(ValueError, match=r"expected increasing numbers from 0 to 11"):
        source.read_frames(path, keep=keep)


def test_kept_frames_that_do_not_decode_are_told(tmp_path):
    path = write_video(tmp_path / "a.mp4", film(50), bf="0", g="5", **LOSSLESS)
    table = _packets(path)
    data = bytearray(path.read_bytes())
    start, size = table[30]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    assert len(read_all(path, keep=[3, 24])) == 2
    with pytest.raises(ClipError, match=r"decode_error: 1 of 2 frames decode"):
        read_all(path, keep=[3, 30])


def test_short_clips_are_refused_by_the_number_that_remains(tmp_path):
    path = write_video(tmp_path / "a.mp4", film())
    folder = tmp_path / "folder"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), film(1)[0])
    assert len(read_all(path, least_frames=12)) == 12
    for options, told in (
        ({"least_frames": 13}, "12 frames remain, at least 13 are needed"),
        ({"least_frames": 4, "start_s": 0.4}, "2 frames remain, at least 4 are needed"),
    ):
        with pytest.raises(ClipError, match=f"too_short: {told}"):
            source.read_frames(path, **options)
        with pytest.raises(ClipError, match=f"too_short: {told}"):
            source.span(path, **options)
    with pytest.raises(ClipError, match=r"too_short: 1 frames remain"):
        source.read_frames(folder, least_frames=2)


def test_a_span_is_told_without_decoding_it(tmp_path):
    path = write_video(tmp_path / "a.mp4", film())
    assert source.span(path) == (12, 25, 64, 48, True)
    assert source.span(path, start_s=0.2, end_s=0.4)[:2] == (5, 25)
    path = write_video(tmp_path / "a.gif", film(), codec="gif", pixels="rgb8")
    assert not source.span(path).is_counted


def test_facts_of_the_source_are_kept_with_its_frames(tmp_path):
    video = source.read_frames(write_video(tmp_path / "a.mp4", film())).video
    assert json.loads(json.dumps(video)) == {
        "codec": "h264",
        "container": "mp4",
        "pixel_format": "yuv420p",
        "width": 64,
        "height": 48,
        "rotation": 0,
        "is_constant_rate": True,
        "has_edit_list": False,
        "num_streams": 1,
    }
    cv2.imwrite(str(tmp_path / "1.png"), film(1)[0])
    folder = source.read_frames(tmp_path).video
    assert (folder["codec"], folder["width"], folder["height"]) == ("png", 64, 48)


@pytest.mark.parametrize(
    ("options", "decoder"),
    [
        ({}, "decord"),
        ({"end_s": 1.2}, "decord"),
        ({"keep": range(30)}, "decord"),
        ({"keep": [2, 30]}, "pyav"),
        ({"start_s": 1.0}, "pyav"),
    ],
)
def test_decord_reads_only_where_it_need_not_seek(tmp_path, options, decoder):
    path = write_video(tmp_path / "a.mp4", film(40), **{"x264-params": "open-gop=1:keyint=12"})
    assert source.read_frames(path, use_decord=True, **options).decoder == decoder


def test_interlaced_film_is_read_by_pyav(tmp_path):
    path = write_video(tmp_path / "a.mp4", film(), **{"x264-params": "interlaced=1"})
    assert source.read_frames(path, use_decord=True).decoder == "pyav"


@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mp4", "vp8.webm"])
def test_a_frame_that_does_not_decode_is_not_replaced_by_another(tmp_path, name):
    options = {"h264.mp4": LOSSLESS, "hevc.mp4": HEVC, "vp8.webm": {"codec": "libvpx"}}[name]
    path = write_video(tmp_path / name, film(50), **options)
    data = bytearray(path.read_bytes())
    start, size = _packets(path)[30]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    for use_decord in (True, False):
        with pytest.raises(ClipError, match=r"decode_error: \d+ of 50 frames decode"):
            read_all(path, use_decord=use_decord)


def test_a_frame_that_decord_replaces_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_DECORD_CODECS", {"hevc"})  # in which it is easily provoked
    path = write_video(tmp_path / "a.mp4", film(50), **HEVC)
    data = path.read_bytes()
    start, _ = _packets(path)[30]
    path.write_bytes(data[: start + 4] + b"\xff" + data[start + 5 :])  # no kind of packet
    assert source.read_frames(path, use_decord=True).decoder == "pyav"
    monkeypatch.setattr(source, "_STRICT", -1)
    assert source.read_frames(path, use_decord=True).decoder == "decord"


def test_damaged_film_looks_the_same_whichever_frames_are_kept(tmp_path):
    path = write_video(tmp_path / "a.mp4", film(24), bf="3", g="12")
    data = path.read_bytes()
    start, size = _packets(path)[13]  # the one behind the second key frame
    keep = list(range(1, 24, 4))
    concealed = 0
    for place in range(start + 6, start + size, 5):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        with contextlib.suppress(ClipError):
            whole = read_all(path)  # damage is concealed by the frames around it
            concealed += 1
            np.testing.assert_array_equal(read_all(path, keep=keep), whole[keep])
    assert concealed > 10


def test_a_title_in_another_encoding_is_no_damage(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "Gebaerde"
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        for image in film():
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    data = path.read_bytes()
    assert data.count(b"Gebaerde") == 1
    path.write_bytes(data.replace(b"Gebaerde", b"Geb\xe4rde!"))
    assert len(read_all(path, use_decord=False)) == 12


def test_a_name_like_a_protocol_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_video(tmp_path / "a.mp4", film()).rename(tmp_path / "id-00:01:02.5.mp4")
    for use_decord in (True, False):
        assert len(read_all(Path(path.name), use_decord=use_decord)) == 12


def test_a_codec_without_decoder_is_told(tmp_path):
    path = write_video(tmp_path / "a.avi", film(), codec="mjpeg", pixels="yuvj420p")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"ZZZZ"))
    with pytest.raises(ClipError, match=r"decode_error: a.avi is in a codec that has no decoder"):
        source.read_frames(path)


def test_giant_dimensions_in_a_header_are_refused_before_decoding(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.gif", film(), codec="gif", pixels="rgb8")
    data = path.read_bytes()
    assert struct.unpack("<HH", data[6:10]) == (64, 48)
    path.write_bytes(data[:6] + struct.pack("<HH", 9000, 9000) + data[10:])
    monkeypatch.setattr("c2rl.video.probe._first_frame", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ClipError, match=r"too_large: 9000x9000 pixels"):
        source.read_frames(path)


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


def _packets(path):
    """Tell where each frame's bytes lie in a file: (start, size), in the order of decoding."""
    data = path.read_bytes()
    with av.open(str(path)) as file:
        packets = [bytes(p) for p in file.demux(video=0) if p.size]
    return [(data.index(packet), len(packet)) for packet in packets]


def _hide_the_first_half(data):
    """Let the edit list of an mp4 file of 40 frames begin at the twentieth."""
    place = data.index(b"elst") + 4
    flags, count, length, start = struct.unpack(">IIIi", data[place : place + 16])
    assert (flags, count, length) == (0, 1, 1600)  # one part of 1.6 s
    later = struct.pack(">IIIi", flags, count, length // 2, start + 20 * 512)
    return data[:place] + later + data[place + 16 :]


def _turn_upside_down(data):
    """Negate both axes in the matrix of an mp4 file's track."""
    place = data.index(b"tkhd") + 44
    matrix = bytearray(data[place : place + 36])
    assert matrix[0:4] == matrix[16:20] == b"\x00\x01\x00\x00"
    matrix[0:4] = matrix[16:20] = b"\xff\xff\x00\x00"
    return data[:place] + matrix + data[place + 36 :]
