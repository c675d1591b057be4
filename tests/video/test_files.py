import pytest

from c2rl.video import files


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_videos_and_folders_of_frames_are_found_at_any_depth(tmp_path):
    touch(tmp_path, "b.mp4", "x/a.MKV", "x/notes.txt", "y/clip7/0001.png", "y/clip7/0002.png")
    found = files.find_clips([tmp_path])
    assert [c.id for c in found] == ["b", "a", "clip7"]
    assert [c.source for c in found] == [
        str(tmp_path / name) for name in ("b.mp4", "x/a.MKV", "y/clip7")
    ]
    assert {(c.split, c.sentence) for c in found} == {("clips", "")}


def test_a_path_given_twice_is_one_clip(tmp_path):
    touch(tmp_path, "a.mp4")
    assert len(files.find_clips([tmp_path, tmp_path / "a.mp4"])) == 1


def test_equal_names_are_told_apart_by_their_paths(tmp_path, monkeypatch):
    touch(tmp_path, "x/a.mp4", "y/a.mp4", "y/b.mp4")
    monkeypatch.chdir(tmp_path)
    found = files.find_clips([files.Path("x"), files.Path("y")])
    assert [c.id for c in found] == ["x/a.mp4", "y/a.mp4", "b"]


def test_nothing_to_read_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no video"):
        files.find_clips([tmp_path])
    with pytest.raises(FileNotFoundError, match=r"does not exist"):
        files.find_clips([tmp_path / "absent.mp4"])
