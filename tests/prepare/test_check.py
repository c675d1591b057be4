"""`c2rl corpus check` on complete and damaged miniatures: right report, right exit code."""

import json
import os
from pathlib import Path

import pytest
import release_damage as damage
from release_csl_daily import LISTED_ONLY
from releases import Release, copied
from typer.testing import CliRunner

from c2rl.cli import app
from c2rl.corpora.clip import Choice
from c2rl.prepare import check, release, summary

NAMES = ("phoenix14t", "csl_daily", "how2sign", "openasl")
COMPLETE = ("phoenix14t", "csl_daily", "how2sign")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("C2RL_WORKERS", "1")
    monkeypatch.delenv("C2RL_DATA", raising=False)


@pytest.fixture
def damaged(miniature, tmp_path):
    def copy(name: str) -> Release:
        return copied(miniature(name), tmp_path / "release")

    return copy


def run(name: str, root: Path, *options: str) -> tuple[int, dict, str]:
    """Exit code, report and error of the command, as a program sees them."""
    call = ["corpus", "check", name, "--root", str(root), "--json", *options]
    done = CliRunner().invoke(app, call)
    report = json.loads(done.stdout) if done.stdout else {}
    return done.exit_code, report, "" if done.exception is None else str(done.exception)


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_release_is_complete(miniature, name):
    code, report, _ = run(name, miniature(name).root)
    assert (code, report["complete"], report["missing"]) == (0, True, [])
    found = miniature(name).clips
    counts = {s: sum(c.split == s for c in found) for s in ("train", "dev", "test")}
    assert {s: row["clips"] for s, row in report["splits"].items()} == counts
    assert Path(f"data/corpora/{name}.json").is_file()


def test_published_numbers_are_compared_and_strict_insists_on_them(miniature):
    root = miniature("phoenix14t").root
    code, report, _ = run("phoenix14t", root, "--strict")
    assert code == 1
    row = report["splits"]["train"]
    assert (row["published"], row["difference"], row["paper"]) == (7096, 16 - 7096, 7098)
    assert "train has -7080 clips against the published number" in "\n".join(summary.told(report))


def test_a_video_that_is_gone_makes_the_release_incomplete_but_usable(miniature):
    made = miniature("openasl")
    code, report, _ = run("openasl", made.root)
    gone = made.ids("train", "missing_file")
    assert code == 1
    assert [row["id"] for row in report["left_out"]] == gone
    assert report["missing"] == [f"{len(gone)} clips: missing_file"]
    assert Path("data/corpora/openasl.json").is_file()


def test_deep_finds_the_segments_that_only_the_videos_tell(miniature):
    made = miniature("how2sign", boxes=False)
    _, quick, _ = run("how2sign", made.root)
    code, deep, _ = run("how2sign", made.root, "--deep")
    assert quick["left_out"] == []
    assert code == 0  # the annotations are to blame, not the copy
    assert {row["id"] for row in deep["left_out"]} == {c.id for c in made.clips if c.status != "ok"}
    assert {row["status"] for row in deep["left_out"]} == {"bad_segment", "too_short"}
    assert deep["frames"] == sum(c.num_frames for c in made.clips)
    assert quick["fps"] == {}
    assert set(deep["fps"]) == {"24", "25", "30", "50"}


def test_what_leaks_between_splits_is_counted(miniature):
    _, report, _ = run("csl_daily", miniature("csl_daily").root)
    shared = {(p["from"], p["to"]): p["sentences"] for p in report["shared_sentences"]}
    assert shared["dev", "test"] == 5
    _, report, _ = run("phoenix14t", miniature("phoenix14t").root)
    shared = {(p["from"], p["to"]): p["clips"] for p in report["shared_sentences"]}
    assert shared["train", "test"] == 1


def test_hours_frames_and_size_are_projected_from_folders(miniature):
    made = miniature("phoenix14t")
    _, report, _ = run("phoenix14t", made.root)
    frames = sum(c.num_frames for c in made.clips)
    assert report["frames"] == frames
    assert report["fps"] == {"25": len(made.clips)}
    assert sum(r["hours"] for r in report["splits"].values()) == pytest.approx(
        frames / 25 / 3600, abs=2e-3
    )
    assert report["store_megabytes"] == pytest.approx(frames * 0.3 * 256**2 / 1e6, abs=0.1)


def test_a_clip_without_frames_is_missing(damaged):
    made = damaged("phoenix14t")
    one, other = made.clips[0], made.clips[1]
    damage.lose(made.root, one.source)
    damage.empty(made.root, other.source)
    code, report, _ = run("phoenix14t", made.root)
    assert code == 1
    assert {row["id"]: row["status"] for row in report["left_out"]} == {
        one.id: "missing_file",
        other.id: "empty_video",
    }


@pytest.mark.parametrize("name", ["phoenix14t", "csl_daily"])
def test_a_lost_frame_is_found_by_the_gap_in_the_numbers(damaged, name):
    made = damaged(name)
    one = made.clips[0]
    damage.lose_frame(made.root, one.source, 4)
    code, report, _ = run(name, made.root)
    assert code == 1
    (row,) = (row for row in report["left_out"] if row["id"] == one.id)
    assert row["status"] == "missing_frames"
    assert f"{one.num_frames - 1} of {one.num_frames} frames" in row["reason"]


def test_a_lost_last_frame_is_found_by_the_annotated_length(damaged):
    made = damaged("csl_daily")
    one = made.clips[0]
    damage.lose_frame(made.root, one.source, one.num_frames - 1)
    code, report, _ = run("csl_daily", made.root)
    assert code == 0  # no gap: the annotation may be wrong as well
    assert [n for n in report["notes"] if one.id in n and "other numbers of frames" in n]
    assert run("csl_daily", made.root, "--strict")[0] == 1


def test_an_absent_split_is_told(damaged):
    made = damaged("how2sign")
    damage.lose(made.root, made.files["test"])
    code, report, _ = run("how2sign", made.root)
    assert code == 1
    assert any("how2sign_realigned_test.csv" in what for what in report["missing"])
    assert report["splits"]["test"]["clips"] == 0


def test_a_web_page_in_the_place_of_a_file_is_told(damaged):
    made = damaged("how2sign")
    damage.html(made.root, made.clips[0].source)
    damage.html(made.root, "train_raw_videos.zip")
    code, report, _ = run("how2sign", made.root)
    assert code == 1
    assert any("is a web page" in row["reason"] for row in report["left_out"])
    assert "train_raw_videos.zip is a web page: its download failed" in report["notes"]
    damage.html(made.root, made.files["dev"])
    code, _, error = run("how2sign", made.root)
    assert code == 1
    assert "is a web page, not an annotation file" in error


@pytest.mark.parametrize("outside", damage.OUTSIDE)
def test_a_path_that_leaves_the_release_is_not_followed(damaged, outside):
    made = damaged("phoenix14t")
    name = made.ids("train")[0]
    damage.rename(made.root, made.files["train"], f"{name}|", f"{outside}|")
    code, report, _ = run("phoenix14t", made.root)
    assert code == 1
    (row,) = report["left_out"]
    assert row["status"] in ("unsafe_path", "missing_file")
    assert row["id"] == outside


def test_a_link_out_of_the_release_is_not_followed(damaged, tmp_path):
    made = damaged("phoenix14t")
    damage.link_out(made.root, made.clips[0].source, tmp_path / "outside")
    code, report, _ = run("phoenix14t", made.root)
    assert (code, report["left_out"][0]["status"]) == (1, "unsafe_path")


def test_a_malicious_pickle_is_refused_and_not_run(damaged, tmp_path):
    marker = tmp_path / "marker"
    for name, key in (("csl_daily", "pickle"), ("how2sign", "boxes train")):
        made = copied(damaged(name), tmp_path / name)
        damage.bomb(made.root, made.files[key], marker)
        code, _, error = run(name, made.root)
        assert code == 1
        assert "mkdir" in error
        assert "\n" not in error
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "key", "old", "new"),
    [
        ("phoenix14t", "dev", "|", "\t"),
        ("how2sign", "dev", "\t", ","),
        ("openasl", "table", "\t", ","),
    ],
)
def test_a_wrong_delimiter_is_told_with_the_header(damaged, name, key, old, new):
    made = damaged(name)
    damage.rename(made.root, made.files[key], old, new)
    code, _, error = run(name, made.root)
    assert code == 1
    assert "columns missing" in error or "cells, expected" in error


@pytest.mark.parametrize(
    ("name", "key"), [("phoenix14t", "dev"), ("how2sign", "dev"), ("openasl", "table")]
)
def test_an_id_that_is_there_twice_is_told(damaged, name, key):
    made = damaged(name)
    damage.repeat(made.root, made.files[key])
    code, _, error = run(name, made.root)
    assert code == 1
    assert "1 ids appear more than once, first" in error


def test_the_known_defect_of_csl_daily_is_tolerated_unless_strict(miniature):
    root = miniature("csl_daily").root
    code, report, _ = run("csl_daily", root)
    assert code == 0
    (row,) = report["left_out"]
    assert (row["id"], row["status"]) == (LISTED_ONLY, "known_defect")
    assert run("csl_daily", root, "--strict")[0] == 1


def test_a_release_may_be_c2rl_data_itself_or_lie_in_it(miniature, tmp_path, monkeypatch):
    root = miniature("phoenix14t").root
    monkeypatch.setenv("C2RL_DATA", str(root))
    assert release.find_root("phoenix14t") == root
    (tmp_path / "phoenix14t").symlink_to(root)
    monkeypatch.setenv("C2RL_DATA", str(tmp_path))
    assert release.find_root("phoenix14t") == tmp_path / "phoenix14t"


def test_the_fingerprint_is_small_and_sees_a_changed_file(damaged):
    made = damaged("openasl")
    before = check.examine("openasl", made.root, Choice())[1]
    assert len(json.dumps(before)) < 1000
    assert check.examine("openasl", made.root, Choice())[1] == before
    video = made.root / made.clips[0].source
    os.utime(video, (1, 1))
    after = check.examine("openasl", made.root, Choice())[1]
    assert after["media"] != before["media"]
    assert after["annotations"] == before["annotations"]


def test_labels_that_a_corpus_has_not_are_refused(miniature):
    code, _, error = run("openasl", miniature("openasl").root, "--labels", "gfslt")
    assert (code, error) == (
        1,
        "prepare.labels is 'gfslt', but openasl can be read from release, unisign.",
    )
