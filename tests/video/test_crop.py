import cv2
import numpy as np
import pytest
from films import LOSSLESS, film, unpack, write_video

from c2rl.corpora.clip import Clip
from c2rl.video.crop import crop, decode_clip, pack
from c2rl.video.files import ClipError

CLIP = Clip("a", "train", "a sentence", "en", "a.mp4")

IMAGE = film(1)[0]  # (48, 64, 3)


def test_the_box_is_cut_out_and_clamped():
    np.testing.assert_array_equal(crop(IMAGE, size=16, box=(8, 4, 24, 20)), IMAGE[4:20, 8:24])
    np.testing.assert_array_equal(crop(IMAGE, size=16, box=(-9, -9, 16, 16)), IMAGE[:16, :16])
    with pytest.raises(ClipError, match=r"bad_box"):
        crop(IMAGE, size=16, box=(64, 0, 80, 48))


def test_shrinking_averages_areas():
    shrunk = crop(IMAGE[:48, :48], size=24).astype(float)
    naive = IMAGE[:48, :48].reshape(24, 2, 24, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - naive).max() <= 0.5


def test_one_side_shrinks_while_the_other_grows():
    image = np.repeat(IMAGE[:16, :1], 64, axis=1)  # constant along its width
    grown = crop(image, size=32)
    assert grown.shape == (32, 32, 3)
    assert (grown == grown[:, :1]).all()


def test_png_keeps_every_pixel_and_the_order_of_colours():
    np.testing.assert_array_equal(unpack([pack(IMAGE, codec="png", quality=1)])[0], IMAGE)


def test_jpeg_keeps_colour_at_full_resolution():
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 255  # red and blue, one pixel wide
    data = pack(stripes, codec="jpeg", quality=95)
    assert np.abs(unpack([data])[0].astype(int) - stripes).max() < 24
    start = bytes(data).index(b"\xff\xc0")
    assert bytes(data)[start + 11 :: 3][:1] == b"\x11"  # luma is sampled 1x1, so nothing is halved


def test_a_clip_is_decoded_cropped_and_packed(tmp_path):
    images = film(5)
    path = write_video(tmp_path / "a.mp4", images, **LOSSLESS)
    decoded = decode_clip(path, CLIP._replace(box=(8, 0, 56, 48)), size=24, codec="png", quality=95)
    assert (decoded.fps, decoded.decoder) == (25, "pyav")
    expected = [cv2.resize(i[:, 8:56], (24, 24), interpolation=cv2.INTER_AREA) for i in images]
    np.testing.assert_array_equal(unpack(decoded.frames), np.stack(expected))
