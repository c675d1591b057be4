"""The real annotation files, which are not in the repository: set C2RL_REALDATA to their folder.

A release is laid out from links to them; there are no videos. The counts are the measured ones.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from c2rl.corpora import files, how2sign, labels
from c2rl.corpora.clip import Annotations, Choice
from c2rl.corpora.find import corpus
from c2rl.prepare import check

ROOT = Path(os.environ.get("C2RL_REALDATA", "absent"))
SLRT, UNISIGN = "annotations/FangyunWei+SLRT", "annotations/ZechengLi19+Uni-Sign/data"
AVATARS = "annotations/ZhengdiYu+SignAvatars/datasets/language2motion/text"
PLACES = {
    "phoenix14t": {
        "annotations/manual": (f"{AVATARS}/PHOENIX*.csv", "derived/PHOENIX*.csv"),
        "gfslt": ("annotations/zhoubenjia+GFSLT-VLP/data/Phonexi-2014T/labels.*",),
        "neccam": (f"{SLRT}/TwoStreamNetwork/data/phoenix-2014t/phoenix-2014t.*",),
        "cico": (f"{SLRT}/CiCo/CLCL/data_ph/*.pkl",),
    },
    "csl_daily": {
        "sentence_label": ("annotations/hulianyuyy+CorrNet/preprocess/CSL-Daily/split_1.txt",),
        "unisign": (f"{UNISIGN}/CSL_Daily/labels.*",),
        "neccam": (f"{SLRT}/TwoStreamNetwork/data/csl-daily/csl-daily.*",),
        "cico": (f"{SLRT}/CiCo/CLCL/data_csl/*.pkl",),
    },
    "how2sign": {
        ".": (f"{AVATARS}/how2sign*.csv", f"{SLRT}/CiCo/data_preparation/bounding*.pkl"),
        "unisign": (f"{UNISIGN}/How2Sign/labels.*",),
    },
    "openasl": {"unisign": (f"{UNISIGN}/OpenASL/labels.*",)},
}

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="C2RL_REALDATA is not set")


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    for name, folders in PLACES.items():
        for folder, patterns in folders.items():
            (root / name / folder).mkdir(parents=True, exist_ok=True)
            for path in (path for pattern in patterns for path in ROOT.glob(pattern)):
                (root / name / folder / path.name).symlink_to(path)
    text = ROOT / "derived/csl_daily.video_map.dev+test.txt"
    (root / "csl_daily/sentence_label/video_map.txt").symlink_to(text)
    return root


def read(root: Path, name: str, kind: str = "release") -> Annotations:
    return corpus(name).read(root / name, Choice(labels=kind))


def per_split(found: Annotations, what) -> dict[str, int]:
    values = {e.clip.split: set() for e in found.entries}
    for entry in found.entries:
        if entry.status != "known_defect":
            values[entry.clip.split].add(what(entry.clip))
    return {split: len(own) for split, own in values.items()}


@pytest.mark.parametrize("kind", ["release", "gfslt", "neccam"])
def test_phoenix14t_has_its_counted_clips_and_texts(releases, kind):
    found = read(releases, "phoenix14t", kind)
    assert Counter(e.clip.split for e in found.entries) == {"train": 7096, "dev": 519, "test": 642}
    texts = {"train": 6853, "dev": 509, "test": 630}
    assert per_split(found, lambda clip: clip.sentence) == texts
    ours = {e.clip.id: e.clip.sentence for e in read(releases, "phoenix14t").entries}
    theirs = {e.clip.id: e.clip.sentence for e in found.entries}
    end = " ." if kind == "neccam" else ""
    assert theirs == {id_: sentence + end for id_, sentence in ours.items()}


def test_cicos_phoenix14t_has_no_dev_file_of_its_own(releases):
    found = read(releases, "phoenix14t", "cico")
    assert Counter(e.clip.split for e in found.entries) == {"train": 7096, "test": 642}
    assert list(found.absent) == ["dev: no cico labels"]


@pytest.mark.parametrize("kind", ["video_map", "unisign", "neccam", "cico"])
def test_csl_daily_has_its_counted_clips_and_groups(releases, kind):
    found = read(releases, "csl_daily", kind)
    clips = {"train": 18401, "dev": 1077, "test": 1176}
    groups = {"train": 6598, "dev": 797, "test": 798}
    if kind == "cico":
        del clips["dev"], groups["dev"]
    assert Counter(e.clip.split for e in found.entries) == clips
    assert per_split(found, lambda clip: clip.group) == groups
    if kind != "video_map":  # ours has dev and test only
        assert per_split(found, lambda clip: clip.sentence) == groups | {"train": 6578}
    assert [e.clip.id for e in found.entries if e.status == "known_defect"] == ["S000005_P0004_T00"]


def test_the_two_texts_of_csl_daily_differ_where_they_are_known_to(releases):
    one = {e.clip.id: e.clip for e in read(releases, "csl_daily", "unisign").entries}
    other = read(releases, "csl_daily", "video_map").entries
    differ = Counter(
        e.clip.split
        for e in other
        if e.clip.sentence and e.clip.sentence != one[e.clip.id].sentence
    )
    assert differ == {"dev": 41, "test": 49}


def test_how2sign_has_its_counted_rows_valid_clips_and_groups(releases):
    found = read(releases, "how2sign")
    assert Counter(e.clip.split for e in found.entries) == {"dev": 1741, "test": 2357}
    invalid = {e.clip.id: e.reason for e in found.entries if e.status}
    assert set(invalid) == set(how2sign.INVALID)
    assert all(e.clip.split == "test" for e in found.entries if e.status)
    assert sum("begins after" in reason for reason in invalid.values()) == 8
    valid = [e.clip for e in found.entries if e.clip.split == "test" and not e.status]
    assert len(valid) == 2348
    assert len({clip.group for clip in valid}) == 1969
    assert len({clip.sentence for clip in valid}) == 1930
    assert all(clip.box is not None for clip in valid)  # CiCo's boxes are matched one to one


def test_cicos_box_files_hold_the_papers_valid_clips(releases):
    for split, count in (("train", 31085), ("test", 2348)):
        path = releases / f"how2sign/bounding_box_coco_{split}.pkl"
        assert len(labels.boxes(path)) == count


def test_the_two_copies_of_the_how2sign_text_are_told_apart_and_mended_on_request(releases):
    good = {e.clip.id: e.clip.sentence for e in read(releases, "how2sign").entries}
    bad = [e.clip for e in read(releases, "how2sign", "unisign").entries if e.clip.split == "test"]
    wrong = [clip for clip in bad if files.is_mojibake(clip.sentence)]
    assert len(bad) == 2349
    assert len(wrong) == 23
    assert {clip.id[:11] for clip in wrong} == {
        *("G2T2WCuU39Y", "G3OMdQo1zjY", "fzDHRCKr7wU", "fzXgYPSnaDs"),
    }
    assert not [id_ for id_, text in good.items() if "test" in id_ and files.is_mojibake(text)]
    assert all(clip.sentence == good[clip.id] for clip in bad if clip not in wrong)
    mended = how2sign.read(releases / "how2sign", Choice("unisign", repair_text=True))
    texts = {e.clip.id: e.clip.sentence for e in mended.entries if e.clip.split == "test"}
    plain = str.maketrans("‘’“”", "''\"\"")
    for clip in wrong:
        assert texts[clip.id].translate(plain) == good[clip.id].translate(plain)


def test_how2sign_rows_with_quotes_are_read_as_csv(releases):
    table = releases / "how2sign/how2sign_realigned_test.csv"
    options = {"delimiter": "\t", "columns": ("SENTENCE",)}
    quoted = [r.values["SENTENCE"] for r in files.read_table(table, quoted=True, **options)]
    bare = [r.values["SENTENCE"] for r in files.read_table(table, quoted=False, **options)]
    assert len(quoted) == len(bare) == 2357
    assert sum(a != b for a, b in zip(quoted, bare, strict=True)) == 13


def test_openasl_has_its_counted_clips_where_a_file_exists(releases):
    found = read(releases, "openasl", "unisign")
    assert Counter(e.clip.split for e in found.entries) == {"dev": 967}
    assert all(":" in e.clip.id and ":" not in e.clip.source for e in found.entries)


@pytest.mark.parametrize(
    ("name", "kind", "valid", "leaks"),
    [
        ("phoenix14t", "release", {"train": 7096, "dev": 519, "test": 642}, ("train", 32, "clips")),
        (
            "csl_daily",
            "unisign",
            {"train": 18400, "dev": 1077, "test": 1176},
            ("dev", 795, "sentences"),
        ),
        ("how2sign", "release", {"train": 0, "dev": 1741, "test": 2348}, ("dev", 14, "sentences")),
    ],
)
def test_the_check_tells_the_counts_and_leaks(releases, name, kind, valid, leaks):
    report, _ = check.examine(name, releases / name, Choice(labels=kind))
    assert {split: row["valid"] for split, row in report["splits"].items()} == valid
    into_test = {p["from"]: p for p in report["shared_sentences"] if p["to"] == "test"}
    assert into_test[leaks[0]][leaks[2]] == leaks[1]
    assert not report["complete"]  # no videos
    dropped = [row for row in report["left_out"] if row["status"] == "known_defect"]
    assert all(row["reason"] for row in dropped)
