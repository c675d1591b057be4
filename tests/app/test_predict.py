"""Videos of every kind become sentences; what cannot be read says why and stops nothing."""

import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from films import film, write_video
from typer.testing import CliRunner

from c2rl.app import decoding, predict
from c2rl.app.predict import Predictor
from c2rl.app.predictions import Translation
from c2rl.cli import app
from c2rl.extract.windows import Windows, cut
from c2rl.store.features import FeatureStore


@pytest.fixture(scope="module")
def predictor(world):
    with Predictor(world.path("encoders"), world.path("translators"), device="cpu") as made:
        yield made


@pytest.fixture(scope="module")
def videos(world) -> list[Path]:
    return sorted((world.folder / "raw/synthsign").glob("*/videos/test/*.mp4"))


@pytest.fixture(scope="module")
def hour(tmp_path_factory) -> Path:
    """64 seconds that change all the time; an hour is the same, longer."""
    path = tmp_path_factory.mktemp("long") / "hour.mp4"
    return write_video(path, film(320, 32, 32), fps=5)


def with_sound(path: Path) -> Path:
    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = file.add_stream("aac", rate=16000)
        for image in film():
            file.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(picture.encode())
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 16000), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate, silence.pts = 16000, 0
        silence.time_base = Fraction(1, 16000)
        for packet in (*sound.encode(silence), *sound.encode()):
            file.mux(packet)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    for number, image in enumerate(film(8)):
        cv2.imwrite(str(path / f"{number:03}.png"), image[..., ::-1])
    return path


def test_a_clip_gets_the_sentences_of_its_stored_features(world, predictor, videos) -> None:
    stored = FeatureStore(world.path("features"))["test"]
    found = list(predictor.predict(videos))
    assert [one.source for one in found] == [str(video) for video in videos]
    for one, video in zip(found, videos, strict=True):
        assert one.n_best == predictor.translator.translate(stored[video.stem])
        assert one.failure == ""
        assert one.windows[0].start_s == 0
        assert one.windows[0].end_s == pytest.approx(stored[video.stem].shape[0] * 4 / 25, abs=0.1)


def test_every_format_of_phones_and_browsers_goes_through(predictor, tmp_path) -> None:
    made = [
        write_video(tmp_path / "h264.mp4", film()),
        write_video(
            tmp_path / "hevc.mov", film(), codec="libx265",
            **{"x265-params": "log-level=none:pools=none"},
        ),
        write_video(tmp_path / "vp8.webm", film(), codec="libvpx", **{"cpu-used": "8"}),
        write_video(tmp_path / "vp9.webm", film(), codec="libvpx-vp9", **{"cpu-used": "8"}),
        write_video(tmp_path / "mpeg4.mp4", film(), codec="mpeg4"),
        write_video(tmp_path / "varying.mp4", film(6), steps=[0, 1, 2, 10, 11, 12]),
        write_video(tmp_path / "odd.gif", film(12, 37, 51), codec="gif", pixels="rgb8"),
        write_video(tmp_path / "12:30 Gebärde.mp4", film()),
        with_sound(tmp_path / "sound.mp4"),
        folder(tmp_path / "frames"),
    ]  # fmt: skip
    found = list(predictor.predict(made, best=1))
    assert [one.failure for one in found] == [""] * len(made)
    assert all(len(one.n_best) == 1 for one in found)


def test_what_is_broken_says_why_and_the_others_are_done_in_order(predictor, videos, tmp_path):
    whole = videos[0].read_bytes()
    broken = {
        "empty.mp4": b"",
        "text.mp4": b"this is no video",
        "cut.mp4": whole[: len(whole) // 2],
        "header.mp4": whole[:40],
        "zeros.webm": bytes(5000),
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "nothing").mkdir()
    sources = [tmp_path / name for name in (*broken, "nothing", "absent.mp4")]
    mixed = [source for bad in sources for source in (bad, videos[0])]
    found = list(predictor.predict(mixed))
    assert [one.source for one in found] == [str(source) for source in mixed]
    for bad, good in zip(found[::2], found[1::2], strict=True):
        assert bad.failure
        assert "\n" not in bad.failure
        assert Path(bad.source).name not in bad.failure
        assert not bad.windows
        assert good.failure == ""
        assert good.n_best == found[1].n_best


def test_a_folder_of_videos_is_all_of_them(predictor, videos) -> None:
    found = list(predictor.predict([videos[0].parent], best=1))
    assert [one.source for one in found] == [str(video) for video in videos]


def test_batches_end_where_they_end(predictor, videos, monkeypatch) -> None:
    monkeypatch.setattr(predict, "_TOGETHER", 3)
    taken = []
    sources = (taken.append(video) or video for video in videos)
    first = next(iter(predictor.predict(sources, best=1)))
    assert first.source == str(videos[0])
    assert taken == videos[:3]


def test_a_long_video_is_cut_as_extract_cuts_it(predictor, hour) -> None:
    (found,) = predictor.predict([hour], windows=Windows(20, 5), best=1)
    task = predictor.task(predict.find_clips([hour])[0])
    pieces = [piece.clip for piece in cut([task], Windows(20, 5))]
    assert [(w.start_s, w.end_s) for w in found.windows] == [(p.start_s, p.end_s) for p in pieces]
    assert [(w.start_s, w.end_s) for w in found.windows] == [(0, 20), (15, 35), (30, 50), (45, 64)]
    for window in found.windows:
        features = predictor.encoder.encode(hour, start_s=window.start_s, end_s=window.end_s)
        assert window.n_best == predictor.translator.translate(features, best=1)
    assert found.n_best == ()


def test_a_long_video_that_is_damaged_at_its_end_keeps_what_was_read(predictor, tmp_path) -> None:
    faststart = {"movflags": "+faststart"}  # the index comes first, and stays whole
    path = tmp_path / "a.mp4"
    write_video(path, film(320, 32, 32), fps=5, g="25", container=faststart)
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4 :] = bytes(len(content) - len(content) * 3 // 4)
    path.write_bytes(content)
    (found,) = predictor.predict([path], best=1)
    assert [bool(window.n_best) for window in found.windows] == [True] * 3 + [False] * 3
    assert found.failure.startswith("3 of 6 windows have no sentence; that from 0:30.0 on: ")


def test_windows_that_do_not_move_on_are_refused_before_any_work(predictor, videos) -> None:
    with pytest.raises(ValueError, match="expected an overlap of 0 or more"):
        next(predictor.predict(videos, windows=Windows(5, 5)))


def test_a_clip_that_is_too_much_for_a_model_fails_alone(predictor, videos, monkeypatch) -> None:
    monkeypatch.setattr("c2rl.extract.encoder.MAX_POSITIONS", 12)
    found = list(predictor.predict(videos, best=1))
    lengths = {one.source: one.windows[0].end_s for one in found if not one.failure}
    told = [one.failure for one in found if one.failure]
    assert told
    assert all("at most 12 can be: cut the video into windows" in line for line in told)
    assert all(end <= 12.5 * 4 / 25 for end in lengths.values())


def test_models_that_do_not_belong_together_are_refused(world, tmp_path) -> None:
    other = tmp_path / "translator"
    shutil.copytree(world.path("translators"), other)
    text = (other / "config.json").read_text()
    own = json.loads(text)["encoder"]
    (other / "config.json").write_text(text.replace(f'"{own}"', '"ffffffffffffffff"'))
    with pytest.raises(ValueError, match="was trained on features of encoder ffffffffffffffff"):
        Predictor(world.path("encoders"), other)
    (other / "config.json").write_text(text.replace(f'"{own}"', f"{'null':18}"))
    with pytest.raises(ValueError, match="was trained on imported features"):
        Predictor(world.path("encoders"), other)


@pytest.fixture(scope="module")
def command(predictor, world):
    """`c2rl predict` with the models that are loaded already."""

    def run(*arguments: object):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(predict, "Predictor", lambda *_: Kept())
            patch.setattr(decoding, "share_cores", lambda: None)
            models = (
                "--encoder",
                world.path("encoders"),
                "--translator",
                world.path("translators"),
            )
            call = ["predict", *map(str, (*arguments, *models))]
            return CliRunner().invoke(app, call)

    class Kept:
        def __enter__(self) -> Predictor:
            return predictor

        def __exit__(self, *_: object) -> None:
            pass

    return run


def test_the_command_prints_a_line_a_video_and_fails_for_those_it_could_not_read(
    command, videos, tmp_path
) -> None:
    done = command(*videos[:2], tmp_path / "absent.mp4")
    assert done.exit_code == 1
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == [str(video) for video in videos[:2]]
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"{tmp_path / 'absent.mp4'}: ")
    assert command(videos[0]).exit_code == 0


def test_best_and_json_show_scores(command, videos, tmp_path) -> None:
    rows = [line.split("\t") for line in command(videos[0], "--best", 2).stdout.splitlines()]
    assert len(rows) == 2
    assert float(rows[0][1]) >= float(rows[1][1])
    done = command(videos[0], tmp_path / "absent.mp4", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["clip"] for one in found] == [str(videos[0]), str(tmp_path / "absent.mp4")]
    assert [one["sentence"] for one in found[0]["n_best"]] == [row[2] for row in rows]
    assert "does not exist" in found[1]["error"]
    assert done.exit_code == 1


def test_subtitles_go_to_a_file_or_to_stdout(
    command, predictor, hour, tmp_path, monkeypatch
) -> None:
    said = [Translation("regen", -0.5)]  # a model that learned for an epoch says nothing
    monkeypatch.setattr(predictor.translator, "translate", lambda *_, **__: said)
    target = tmp_path / "hour.srt"
    cutting = ("--window", 20, "--overlap", 5)
    assert command(hour, "--srt", target, *cutting).exit_code == 0
    text = target.read_text(encoding="utf-8")
    assert text == "1\n00:00:00,000 --> 00:01:04,000\nregen\n"
    assert command(hour, "--srt", "-", *cutting).stdout.strip() == text.strip()


@pytest.mark.parametrize(("policy", "expected"), [(None, "3000"), ("active", None)])
def test_threads_that_wait_leave_the_cores_to_decoders(monkeypatch, policy, expected) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # put back after the test
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if policy:
        monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    decoding.share_cores()
    assert os.environ.get("GOMP_SPINCOUNT") == expected


@pytest.mark.parametrize(
    "wrong",
    [("--srt", "x.srt", "--json"), ("--srt", "x.srt", "--best", "2"), ("b.mp4", "--srt", "x.srt")],
)
def test_wrong_use_exits_with_2(command, wrong) -> None:
    assert command("a.mp4", *wrong).exit_code == 2
