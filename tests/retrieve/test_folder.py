"""An index in its folder: it grows, shrinks, survives and refuses."""

import os
import shutil

import numpy as np
import planted
import pytest
import small_store

from c2rl.retrieve import folder
from c2rl.retrieve.rerank import Query

MADE_FROM = {"retriever": "r", "encoder": "e", "sharpness": 0.07, "mix": 0.3}
CLIPS = planted.clips(30)
TEXT = planted.texts(1)[0]


def writer(clips, name, **more):
    return lambda path: planted.write_part(path, clips, planted.rows_of(len(clips), name), **more)


@pytest.fixture
def index(tmp_path):
    path = tmp_path / "index"
    folder.add(path, writer(CLIPS[:20], "a"), made_from=MADE_FROM, is_new=True)
    return path


def ids(path, top=30):
    opened = folder.open_index(path)
    query = Query(TEXT, planted.SHARPNESS, planted.MIX)
    return [opened.item(hit).id for hit in opened.search(query, top=top, mode="exact").hits]


def test_an_index_grows_and_leaves_what_is_there_alone(index) -> None:
    before = {p: p.stat().st_mtime_ns for p in (index / "parts").rglob("*") if p.is_file()}
    state = folder.add(index, writer(CLIPS[20:], "b"), made_from=MADE_FROM, is_new=False)
    assert (state.num_clips, state.parts) == (30, {"0001": 20, "0002": 10})
    assert all(p.stat().st_mtime_ns == time for p, time in before.items())
    names = [f"a{i}" for i in range(20)] + [f"b{i}" for i in range(10)]
    order = np.argsort(-planted.brute(CLIPS, TEXT), kind="stable")
    assert ids(index) == [names[i] for i in order]


def test_removed_clips_are_gone_and_may_come_back(index) -> None:
    first = ids(index)[0]
    assert folder.remove(index, [first]).num_clips == 19
    assert first not in ids(index)
    with pytest.raises(KeyError, match=f"{first}: not in"):
        folder.remove(index, [first])
    clip = [CLIPS[int(first[1:])]]
    write = lambda path: planted.write_part(path, clip, [planted.row(first)])  # noqa: E731
    folder.add(index, write, made_from=MADE_FROM, is_new=False)
    assert ids(index)[0] == first


def test_an_id_added_twice_is_one_line_and_changes_nothing(index) -> None:
    before = (index / "meta.json").read_bytes()
    with pytest.raises(ValueError, match=r"a0, a1, a2 and 2 more: already in .* Nothing was added"):
        folder.add(index, writer(CLIPS[:5], "a"), made_from=MADE_FROM, is_new=False)
    assert (index / "meta.json").read_bytes() == before
    assert [p.name for p in (index / "parts").iterdir() if p.is_dir()] == ["0001"]


def test_an_id_twice_in_one_addition_is_refused_too(tmp_path) -> None:
    rows = [planted.row("same"), planted.row("same")]
    write = lambda path: planted.write_part(path, CLIPS[:2], rows)  # noqa: E731
    with pytest.raises(ValueError, match="same: already in"):
        folder.add(tmp_path / "i", write, made_from=MADE_FROM, is_new=True)
    with pytest.raises(FileNotFoundError, match="no complete index"):
        folder.open_index(tmp_path / "i")


@pytest.mark.parametrize("what", ["retriever", "encoder"])
def test_anothers_vectors_are_refused(index, what) -> None:
    other = MADE_FROM | {what: "other"}
    with pytest.raises(
        ValueError, match=f"index of {what} {MADE_FROM[what]}, but this one is other"
    ):
        folder.add(index, writer(CLIPS[20:], "b"), made_from=other, is_new=False)


def test_a_kill_before_the_commit_leaves_the_index_and_its_leftover_is_swept(index) -> None:
    class Killed(BaseException):
        pass

    before = ids(index)
    shutil.copytree(index / "parts/0001", index / "parts/0002")  # as a kill leaves it
    assert ids(index) == before
    state = folder.add(index, writer(CLIPS[20:], "b"), made_from=MADE_FROM, is_new=False)
    assert state.parts == {"0001": 20, "0002": 10}

    def dies(path):
        writer(CLIPS[:3], "c")(path)
        raise Killed

    with pytest.raises(Killed):
        folder.add(index, dies, made_from=MADE_FROM, is_new=False)
    assert folder.read_state(index).parts == state.parts


def test_an_index_is_not_built_over_another_and_absent_ones_are_not_added_to(index) -> None:
    with pytest.raises(FileExistsError, match="c2rl index add"):
        folder.add(index, writer(CLIPS[20:], "b"), made_from=MADE_FROM, is_new=True)
    absent = index.parent / "absent"
    with pytest.raises(FileNotFoundError, match="`c2rl index build` makes one"):
        folder.add(absent, writer(CLIPS[20:], "b"), made_from=MADE_FROM, is_new=False)


def test_a_deleted_token_store_is_one_line(index) -> None:
    shutil.rmtree(index / "parts/0001/embeddings.zarr")
    with pytest.raises(ValueError, match=r"parts/0001/embeddings.zarr/.* is missing") as error:
        folder.open_index(index)
    assert "\n" not in str(error.value)
    assert any("embeddings.zarr" in line for line in folder.damage(index))


def files(path):
    return [p for p in sorted(path.rglob("*")) if p.is_file() and p.suffix != ".lock"]


def is_refused(index) -> bool:
    query = Query(TEXT, planted.SHARPNESS, planted.MIX)
    try:
        opened = folder.open_index(index)
        hits = opened.search(query, top=3, mode="certified").hits
        _ = [opened.item(hit) for hit in hits]
    except (ValueError, KeyError) as error:
        return "\n" not in str(error)
    return False


def test_every_flipped_bit_is_refused_or_named(index) -> None:
    for file in files(index):
        for bit in (0, 4 * file.stat().st_size, 8 * file.stat().st_size - 1):
            stamp = file.stat()
            small_store.flip(file, bit)
            assert is_refused(index) or list(folder.damage(index)), (file, bit)
            small_store.flip(file, bit)
            os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert list(folder.damage(index)) == []
    assert len(ids(index)) == 20


def test_flipped_bits_of_the_index_file_are_one_line(index) -> None:
    small_store.flip(index / "parts/0001/index.faiss", 800)
    query = Query(TEXT, planted.SHARPNESS, planted.MIX)
    with pytest.raises(ValueError, match=r"damaged: index\.faiss is not what was written") as error:
        folder.open_index(index).search(query, top=1, mode="fast")
    assert "\n" not in str(error.value)
    assert list(folder.damage(index)) == ["parts/0001/index.faiss: is not what was written"]


def test_an_index_tells_what_it_is(index) -> None:
    folder.remove(index, ["a3"])
    told = folder.describe(index)
    assert (told["clips"], told["removed"], told["parts"]) == (19, 1, {"0001": 20})
    assert (told["retriever"], told["encoder"], told["fast"]) == ("r", "e", None)
