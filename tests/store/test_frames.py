import numpy as np
import pytest

from c2rl.corpora.clip import Clip
from c2rl.store import ragged
from c2rl.store.frames import EncodedClip, FrameStore, write_frame_store
from c2rl.store.manifest import Row

MADE_FROM = {"frames": {"codec": "jpeg", "size": 8, "quality": 95}}
LENGTHS = [[3, 5], [], [4, 1, 7], [2]]  # bytes of each frame; the second clip failed


def content():
    rows, clips = [], []
    for number, sizes in enumerate(LENGTHS):
        clip = Clip(f"clip{number}", "train" if number else "dev", "s", "en", "a.mp4", fps=25.0)
        status = "ok" if sizes else "decode_error"
        rows.append(Row(clip, status, "" if sizes else "why", len(sizes), 25.0, "decord"))
        if sizes:
            data = (np.arange(sum(sizes)) + 100 * number).astype(np.uint8)
            clips.append(EncodedClip(data, np.array(sizes, np.int64)))
    return rows, clips


def write(path):
    rows, clips = content()
    sizes = [clip.sizes for clip in clips]
    write_frame_store(path, rows, iter(clips), sizes=sizes, made_from=MADE_FROM, counts={})
    return rows, clips


@pytest.mark.parametrize("chunk", [1, 5, 8 * 2**20])
def test_every_frame_is_read_back(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(ragged, "CHUNK_BYTES", chunk)
    rows, clips = write(tmp_path / "store")
    store = FrameStore(tmp_path / "store")
    assert store.manifest == rows
    assert [row.clip.id for row in store.rows] == ["clip0", "clip2", "clip3"]
    for number, clip in enumerate(clips):
        parts = np.split(clip.data, np.cumsum(clip.sizes)[:-1])
        read = store.read(number, range(len(parts)))
        assert [frame.tolist() for frame in read] == [part.tolist() for part in parts]
    assert store.split("train") == [1, 2]


def test_a_frame_outside_the_clip_is_refused(tmp_path):
    write(tmp_path / "store")
    with pytest.raises(IndexError, match=r"clip0 has 2 frames, asked for 2"):
        FrameStore(tmp_path / "store").read(0, [2])


def test_clips_that_contradict_the_manifest_are_refused(tmp_path):
    rows, clips = content()
    with pytest.raises(ValueError, match=r"frame counts differ"):
        write_frame_store(
            tmp_path / "s", rows, clips, sizes=[clips[0].sizes], made_from=MADE_FROM, counts={}
        )
    sizes = [clip.sizes for clip in clips]
    with pytest.raises(ValueError, match=r"promised"):
        write_frame_store(
            tmp_path / "s", rows, clips[:2], sizes=sizes, made_from=MADE_FROM, counts={}
        )
    assert not list(tmp_path.iterdir())


def test_a_store_without_meta_is_refused(tmp_path):
    write(tmp_path / "store")
    (tmp_path / "store/meta.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no meta.json.*dvc repro prepare"):
        FrameStore(tmp_path / "store")


def test_a_damaged_store_is_refused(tmp_path):
    write(tmp_path / "store")
    chunk = tmp_path / "store/frames.zarr/jpeg/c/0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"damaged: frames.zarr/jpeg/c/0 missing or"):
        FrameStore(tmp_path / "store")
    chunk.unlink()
    with pytest.raises(ValueError, match=r"damaged"):
        FrameStore(tmp_path / "store")
