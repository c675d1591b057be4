"""Predictions become lines, subtitles and JSON whose times add up."""

import json

import pytest

from c2rl.app.predictions import Cue, Prediction, Translation, Window, as_json, cues, srt, told


def said(start, end, *sentences):
    n_best = [Translation(s, -(n + 1) / 4) for n, s in enumerate(sentences)]
    return Window(start, end, n_best, "" if sentences else "broken")


def test_neighbours_halve_what_they_share() -> None:
    windows = [said(0, 15, "a"), said(10, 25, "b"), said(20, 32, "c")]
    assert cues(windows) == [Cue(0, 12.5, "a"), Cue(12.5, 22.5, "b"), Cue(22.5, 32, "c")]


def test_neighbours_that_say_the_same_are_one_cue() -> None:
    windows = [said(0, 15, "a"), said(10, 25, "a"), said(20, 35, "a"), said(30, 40, "b")]
    assert cues(windows) == [Cue(0, 32.5, "a"), Cue(32.5, 40, "b")]


def test_windows_without_overlap_touch() -> None:
    assert cues([said(0, 10, "a"), said(10, 20, "a"), said(20, 25, "b")]) == [
        Cue(0, 20, "a"),
        Cue(20, 25, "b"),
    ]


def test_what_could_not_be_read_is_a_gap_and_joins_nothing() -> None:
    # 15 to 20 is shown by the broken window alone
    assert cues([said(0, 15, "a"), said(10, 25), said(20, 35, "a")]) == [
        Cue(0, 15, "a"),
        Cue(20, 35, "a"),
    ]


def test_subtitles_are_subrip() -> None:
    windows = [said(0, 15, "regen", "sonne"), said(3595, 3601.2345, "schnee")]
    assert srt(Prediction("a.mp4", windows)) == (
        "1\n00:00:00,000 --> 00:00:15,000\nregen\n\n2\n00:59:55,000 --> 01:00:01,235\nschnee\n"
    )


def test_silence_has_no_subtitle_and_does_not_count() -> None:
    windows = [said(0, 5, ""), said(5, 10, "regen")]
    assert srt(Prediction("a.mp4", windows)).startswith("1\n00:00:05,000")
    assert srt(Prediction("a.mp4", reason="broken")) == ""


def test_frames_without_a_rate_have_no_subtitles() -> None:
    with pytest.raises(ValueError, match=r"folder: nothing tells how fast .* need a video"):
        srt(Prediction("folder", [said(0, None, "regen")]))


def test_a_short_video_is_a_line_and_its_n_best_are_lines_with_scores() -> None:
    found = Prediction("a.mp4", [said(0, 4, "regen", "sonne")])
    assert told(found, with_scores=False) == ["a.mp4\tregen"]
    assert told(found, with_scores=True) == ["a.mp4\t-0.250\tregen", "a.mp4\t-0.500\tsonne"]


def test_a_long_video_is_a_line_a_cue_or_all_that_each_window_says() -> None:
    found = Prediction("a.mp4", [said(0, 15, "x", "y"), said(10, 25, "x"), said(20, 61.5, "z")])
    assert told(found, with_scores=False) == [
        "a.mp4\t0:00.0-0:22.5\tx",
        "a.mp4\t0:22.5-1:01.5\tz",
    ]
    assert told(found, with_scores=True) == [
        "a.mp4\t0:00.0-0:15.0\t-0.250\tx",
        "a.mp4\t0:00.0-0:15.0\t-0.500\ty",
        "a.mp4\t0:10.0-0:25.0\t-0.250\tx",
        "a.mp4\t0:20.0-1:01.5\t-0.250\tz",
    ]


def test_what_failed_is_one_line() -> None:
    assert Prediction("a.mp4", reason="no image").failure == "no image"
    assert Prediction("a.mp4", [said(0, 4, "x")]).failure == ""
    found = Prediction("a.mp4", [said(0, 15, "x"), said(10, 25), said(20, 35)])
    assert found.failure == "2 of 3 windows have no sentence; that from 0:10.0 on: broken"


def test_json_holds_every_window_and_every_sentence() -> None:
    short = json.loads(json.dumps(as_json(Prediction("a.mp4", [said(0, 4, "x", "y")]))))
    assert short["n_best"] == [
        {"sentence": "x", "score": -0.25},
        {"sentence": "y", "score": -0.5},
    ]
    assert short["windows"] == [{"start_s": 0, "end_s": 4, "n_best": short["n_best"], "reason": ""}]
    assert short["error"] is None
    long = as_json(Prediction("b.mp4", [said(0, 15, "x"), said(10, 25)]))
    assert long["n_best"] == []
    assert [len(window["n_best"]) for window in long["windows"]] == [1, 0]
    assert long["error"] == "1 of 2 windows have no sentence; that from 0:10.0 on: broken"
    assert as_json(Prediction("c.mp4", reason="gone")) == {
        "clip": "c.mp4",
        "n_best": [],
        "windows": [],
        "error": "gone",
    }
