"""The miniature releases are what the real ones are, as far as a loader can tell."""

import csv
import io
import itertools
import json
import os
import pickle
import pickletools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
import release_csl_daily
import release_damage as damage
import release_how2sign
import release_openasl
import release_phoenix14t
from release_films import COUNTS, Release

from c2rl.video import source
from c2rl.video.files import ClipError, safe_path

REAL = Path(os.environ.get("C2RL_REALDATA", "/nowhere"))
real = pytest.mark.skipif(not REAL.is_dir(), reason="C2RL_REALDATA is not set")
SIGN_AVATARS = "annotations/ZhengdiYu+SignAvatars/datasets/language2motion/text"

NAMES = ("phoenix14t", "csl_daily", "how2sign", "openasl")

Row = dict[str, str]


@pytest.fixture(scope="module")
def made(miniature: Callable[..., Release]) -> dict[str, Release]:
    return {name: miniature(name) for name in NAMES}


def read(release: Release, name: str) -> str:
    return (release.root / release.files[name]).read_bytes().decode("utf-8")


def unquoted(text: str, delimiter: str) -> list[Row]:
    header, *lines = text.removesuffix("\n").split("\n")
    names = header.split(delimiter)
    return [dict(zip(names, line.split(delimiter), strict=True)) for line in lines]


def quoted(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", strict=True))


def opcodes(data: bytes) -> set[str]:
    return {operation.name for operation, _, _ in pickletools.genops(data)}


CALLS = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD"}


# what holds for all of them


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_finds_exactly_the_frames_that_were_told(made, name):
    release = made[name]
    for clip in release.clips + release.unlisted:
        where = {"start_s": clip.start_s, "end_s": clip.end_s, "fps": clip.fps}
        path = safe_path(release.root, clip.source)
        if clip.status == "ok":
            frames = source.read_frames(path, **where)
            assert frames.fps == clip.fps
            assert len(list(frames.images)) == clip.num_frames > 2, clip
        elif not clip.reason.startswith("2 frames"):
            with pytest.raises(ClipError) as caught:
                source.read_frames(path, **where)
            assert caught.value.status == clip.status


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_unique_and_boxes_lie_in_the_frame(made, name):
    release = made[name]
    ids = [clip.id for clip in release.clips + release.unlisted]
    assert len(ids) == len(set(ids))
    for clip in release.clips:
        x0, y0, x1, y1 = clip.box or (0, 0, 1, 1)
        assert 0 <= x0 < x1 <= 320
        assert 0 <= y0 < y1 <= 180
    assert {s: len(release.ids(s)) for s in COUNTS} == {
        "phoenix14t": {"train": 16, "dev": 6, "test": 6},
        "csl_daily": {"train": 16, "dev": 6, "test": 6},
        "how2sign": {"train": 16, "dev": 6, "test": 8},
        "openasl": {"train": 14, "dev": 6, "test": 6},
    }[name]


def test_the_miniatures_are_small(made):
    sizes = [p.stat().st_size for r in made.values() for p in r.root.rglob("*") if p.is_file()]
    assert sum(sizes) < 30e6


# PHOENIX-2014-T


@real
@pytest.mark.parametrize(
    "name",
    [
        f"{SIGN_AVATARS}/PHOENIX-2014-T.train.corpus.csv",
        f"{SIGN_AVATARS}/PHOENIX-2014-T.test.corpus.csv",
        "derived/PHOENIX-2014-T.dev.corpus.csv",
    ],
)
def test_phoenix_has_the_header_and_row_shape_of_the_real_files(name):
    check_phoenix_table((REAL / name).read_bytes().decode("utf-8"))


def check_phoenix_table(text: str) -> None:
    assert text.startswith(release_phoenix14t.HEADER + "\n")
    assert text.endswith("\n")
    assert "\r" not in text
    for row in unquoted(text, "|"):
        assert row["video"] == f"{row['name']}/1/*.png"
        assert (row["start"], row["end"]) == ("-1", "-1")
        assert row["speaker"].startswith("Signer0")
        assert row["translation"] == row["translation"].lower()
        assert not row["translation"].endswith((".", "\n", " "))


def test_phoenix_annotations_are_as_told(made):
    release = made["phoenix14t"]
    for split in COUNTS:
        text = read(release, split)
        check_phoenix_table(text)
        rows = unquoted(text, "|")
        assert [row["name"] for row in rows] == release.ids(split)
        assert [row["translation"] for row in rows] == [
            release.clip(row["name"]).sentence for row in rows
        ]


def test_phoenix_frames_are_not_where_the_video_column_says(made):
    release = made["phoenix14t"]
    for clip in release.clips:
        folder = release.root / clip.source
        assert not (folder / "1").exists()
        assert folder.parent.name == clip.split
        names = sorted(path.name for path in folder.iterdir())
        assert names == [f"images{i:04d}.png" for i in range(1, clip.num_frames + 1)]
    assert cv2.imread(str(folder / names[0])).shape == (260, 210, 3)


def test_phoenix_repeats_sentences_within_train_and_from_train_in_test(made):
    sentences = {s: [] for s in COUNTS}
    for clip in made["phoenix14t"].clips:
        sentences[clip.split].append(clip.sentence)
    assert len(set(sentences["train"])) == 15
    assert set(sentences["train"]) & set(sentences["test"]) == {sentences["train"][0]}


def test_phoenix_quotation_marks_are_lost_by_a_reader_that_unquotes(made):
    text = read(made["phoenix14t"], "train")
    (marked,) = [row for row in unquoted(text, "|") if '"' in row["translation"]]
    assert marked["translation"] == '"arbeitet" der lehrer heute'
    damaged = {row["translation"] for row in csv.DictReader(io.StringIO(text), delimiter="|")}
    assert marked["translation"] not in damaged


def test_phoenix_has_the_complex_annotation_as_a_decoy(made):
    release = made["phoenix14t"]
    assert release.files["decoy"].endswith("PHOENIX-2014-T.train-complex-annotation.corpus.csv")
    decoy, train = (unquoted(read(release, name), "|") for name in ("decoy", "train"))
    assert [row["name"] for row in decoy] == [row["name"] for row in train]
    assert not {row["translation"] for row in decoy} & {row["translation"] for row in train}


def test_phoenix_may_have_the_inner_folder_and_numbers_without_zeros(miniature):
    release = miniature("phoenix14t", inner_folder=True, plain_numbers=True)
    clip = release.clips[0]
    names = [path.name for path in (release.root / clip.source / "1").iterdir()]
    assert [path.name for path in (release.root / clip.source).iterdir()] == ["1"]
    assert set(names) == {f"images{i}.png" for i in range(1, clip.num_frames + 1)}
    assert sorted(names)[1] == "images10.png"  # not the second frame


# CSL-Daily


@real
def test_csl_has_the_headers_and_ends_of_the_real_files():
    text = (REAL / "annotations/hulianyuyy+CorrNet/preprocess/CSL-Daily/split_1.txt").read_text()
    check_csl_split(text)
    derived = (REAL / "derived/csl_daily.video_map.dev+test.txt").read_text("utf-8")
    header = release_csl_daily.MAP_HEADER.removeprefix("index|")  # the derived copy lost it
    assert derived.startswith(header + "\n")
    for row in unquoted(derived, "|"):
        check_csl_map_row(row)


def check_csl_split(text: str) -> None:
    assert text.startswith(release_csl_daily.SPLIT_HEADER + "\n")
    assert not text.endswith("\n")
    rows = unquoted(text, "|")
    assert Counter(row["split"] for row in rows).keys() == set(COUNTS)
    split = {row["name"]: row["split"] for row in rows}
    assert split["S000005_P0004_T00"] == "train"
    assert "S000007_P0003_T00" not in split
    sentences = {s: {n[:7] for n, where in split.items() if where == s} for s in COUNTS}
    assert not sentences["train"] & (sentences["dev"] | sentences["test"])
    assert len(sentences["dev"] & sentences["test"]) >= 5
    performers = {s: {n[:13] for n, where in split.items() if where == s} for s in COUNTS}
    assert not performers["dev"] & performers["test"]


def check_csl_map_row(row: Row) -> None:
    assert row["char"].replace(" ", "") == row["word"].replace(" ", "")
    assert all(len(character) == 1 for character in row["char"].split(" "))
    assert row["char"][-1] in "。？！"
    assert row["length"].isdecimal()


def test_csl_annotations_are_as_told(made):
    release = made["csl_daily"]
    check_csl_split(read(release, "split"))
    rows = unquoted(read(release, "split"), "|")
    for split in COUNTS:
        named = [row["name"] for row in rows if row["split"] == split]
        assert named == release.ids(split, status=None)
    lengths = {}
    for one in pickle.loads((release.root / release.files["pickle"]).read_bytes())["info"]:
        told = release.clip(one["name"])
        assert "".join(one["label_char"]) == "".join(one["label_word"]) == told.sentence
        assert one["length"] == told.num_frames
        assert told.signer == told.id.split("_")[1] == f"P{one['signer']:04d}"
        lengths[told.id] = one["length"]
    assert set(lengths) == {*[c.id for c in release.clips if c.status == "ok"], "S000007_P0003_T00"}


def test_csl_lists_a_clip_that_is_nowhere_and_does_not_list_one_that_is_there(made):
    release = made["csl_daily"]
    missing = release.clip("S000005_P0004_T00")
    assert missing.status == "missing_file"
    assert not (release.root / missing.source).exists()
    (unlisted,) = release.unlisted
    assert len(list((release.root / unlisted.source).iterdir())) == unlisted.num_frames
    for name in ("map", "split"):
        assert ("S000005_P0004_T00" in read(release, name)) == (name == "split")
        assert ("S000007_P0003_T00" in read(release, name)) == (name == "map")


def test_csl_pickle_is_plain(made):
    path = made["csl_daily"].root / made["csl_daily"].files["pickle"]
    assert path.name == "csl2020ct_v2.pkl"
    assert not opcodes(path.read_bytes()) & CALLS
    content = pickle.loads(path.read_bytes())
    assert {"info", "gloss_map", "char_map", "word_map"} <= set(content)
    labels = {f"label_{kind}" for kind in ("gloss", "char", "word", "postag")}
    assert set(content["info"][0]) == {"name", "length", *labels, "signer", "time"}
    assert "，" in content["char_map"]  # full width


def test_csl_video_map_has_another_text_for_one_clip(made):
    release = made["csl_daily"]
    text = read(release, "map")
    assert text.startswith("index|name|length|gloss|char|word|postag\n")
    rows = unquoted(text, "|")
    assert [row["index"] for row in rows] == [str(i) for i in range(len(rows))]
    for row in rows:
        check_csl_map_row(row)
    told = {row["name"]: row["char"].replace(" ", "") for row in rows}
    (other,) = [name for name, text in told.items() if text != release.clip(name).sentence]
    assert release.clip(other).split == "dev"


def test_csl_dev_and_test_say_the_same_by_other_people(made):
    release = made["csl_daily"]
    dev, test = ({c.group: c for c in release.clips if c.split == s} for s in ("dev", "test"))
    shared = set(dev) & set(test)
    assert len(shared) == 5
    for group in shared:
        assert dev[group].sentence == test[group].sentence
        assert dev[group].signer != test[group].signer
    train = Counter(c.group for c in release.clips if c.split == "train")
    assert max(train.values()) == 2


@pytest.mark.parametrize("layout", release_csl_daily.LAYOUTS[1:])
def test_csl_has_other_layouts(miniature, layout):
    release = miniature("csl_daily", layout=layout)
    clip = release.clips[0]
    assert clip.source.startswith(f"{layout}/S000000_P")
    frames = list(source.read_frames(release.root / clip.source).images)
    assert len(frames) == clip.num_frames
    assert frames[0].shape == (512, 512, 3)
    if layout != "sentence-crop":
        assert (release.root / clip.source / "000000.jpg").is_file()


# How2Sign


@real
@pytest.mark.parametrize("split", ["val", "test"])
def test_how2sign_has_the_header_and_row_shape_of_the_real_files(split):
    text = (REAL / SIGN_AVATARS / f"how2sign_realigned_{split}.csv").read_bytes().decode("utf-8")
    assert text == rewritten(check_how2sign_table(text))


def rewritten(rows: list[Row]) -> str:
    """Write rows the way the release does."""
    text = io.StringIO(newline="")
    out = csv.writer(text, delimiter="\t", lineterminator="\n")
    out.writerows([list(rows[0]), *(list(row.values()) for row in rows)])
    return text.getvalue()


def check_how2sign_table(text: str) -> list[Row]:
    assert text.startswith(release_how2sign.HEADER.replace(" ", "\t") + "\n")
    assert text.endswith("\n")
    assert "\r" not in text
    rows = quoted(text)
    for row in rows:
        assert len(row["VIDEO_ID"]) == 11
        assert row["VIDEO_NAME"].startswith(row["VIDEO_ID"] + "-")
        assert row["VIDEO_NAME"].endswith("-rgb_front")
        assert row["SENTENCE_NAME"] == row["SENTENCE_ID"] + row["VIDEO_NAME"][11:]
        assert all(part.isdecimal() for part in row["SENTENCE_ID"][12:].split("_"))
        assert float(row["START_REALIGNED"]) < float(row["END_REALIGNED"])
        assert str(float(row["START_REALIGNED"])) == row["START_REALIGNED"]
    starts: dict[str, list[float]] = {}
    for row in rows:
        starts.setdefault(row["VIDEO_NAME"], []).append(float(row["START_REALIGNED"]))
    assert any(times != sorted(times) for times in starts.values())
    assert any("_" in row["SENTENCE_ID"][12:] for row in rows)  # merged
    return rows


@pytest.mark.parametrize(("split", "native"), release_how2sign.NATIVE.items())
def test_how2sign_annotations_are_as_told(made, split, native):
    release = made["how2sign"]
    assert release.files[split] == (
        f"How2Sign/sentence_level/{native}/text/en/raw_text/re_aligned/how2sign_realigned_{native}.csv"
    )
    text = read(release, split)
    rows = check_how2sign_table(text)
    assert text == rewritten(rows)
    assert [row["SENTENCE_NAME"] for row in rows] == release.ids(split, status=None)
    for row in rows:
        told = release.clip(row["SENTENCE_NAME"])
        assert told.sentence == row["SENTENCE"]
        assert told.group == row["SENTENCE_ID"]
        assert told.signer == row["VIDEO_NAME"][12:].split("-")[0]
        assert told.start_s == float(row["START_REALIGNED"])
        assert told.end_s == float(row["END_REALIGNED"])
        assert (release.root / told.source).name == f"{row['VIDEO_NAME']}.mp4"
    native_rows = quoted(read(release, f"misaligned {split}"))
    assert [row["SENTENCE_NAME"] for row in native_rows] == [row["SENTENCE_NAME"] for row in rows]
    assert any(a["START"] != b["START_REALIGNED"] for a, b in zip(native_rows, rows, strict=True))


def test_how2sign_quoting_matters_and_a_count_of_rows_does_not_show_it(made):
    text = read(made["how2sign"], "train")
    plain, right = unquoted(text, "\t"), quoted(text)
    assert len(plain) == len(right)
    differing = [
        (a["SENTENCE"], b["SENTENCE"]) for a, b in zip(plain, right, strict=True) if a != b
    ]
    assert len(differing) == 2
    raw, text = '"""The man dances"", says ""my"" friend."', '"The man dances", says "my" friend.'
    assert (raw, text) in differing


def test_how2sign_ids_begin_and_continue_as_they_like(made):
    ids = [clip.id for clip in made["how2sign"].clips]
    assert any(name.startswith("-") for name in ids)
    assert any(name.startswith("_") for name in ids)
    assert any("-" in name[1:11] and "_" in name[:11] for name in ids)
    assert any("_25_26_27-" in name for name in ids)


def test_how2sign_sentences_are_signed_by_two(made):
    test = [clip for clip in made["how2sign"].clips if clip.split == "test"]
    twice = [group for group, count in Counter(c.group for c in test).items() if count == 2]
    assert len(twice) == 2
    for group in twice:
        five, eight = sorted((c for c in test if c.group == group), key=lambda c: c.signer)
        assert (five.signer, eight.signer) == ("5", "8")
        assert five.sentence == eight.sentence
        assert five.source != eight.source
        assert eight.id.endswith("-8-rgb_front")


def test_how2sign_segments_overlap_begin_too_late_and_are_too_short(made):
    clips = made["how2sign"].clips
    assert Counter(clip.reason[:8] for clip in clips if clip.status == "bad_segment") == {
        "starts a": 2,
        "2 frames": 2,
    }
    assert {clip.fps for clip in clips} == {24, 25, 30, 50}
    segments = sorted((c.source, c.start_s, c.end_s) for c in clips)
    pairs = itertools.pairwise(segments)
    assert any(a[0] == b[0] and b[1] < a[2] < b[2] for a, b in pairs)
    ends = {c.id: c.num_frames - (c.end_s - c.start_s) * c.fps for c in clips if c.status == "ok"}
    assert [name for name, more in ends.items() if more < -5] == ["-syn_Th0002_30-3-rgb_front"]


def check_boxes(data: bytes, height: int) -> dict[str, dict[str, int]]:
    assert not opcodes(data) & CALLS
    assert next(iter(pickletools.genops(data)))[1] == 3  # the protocol
    boxes: dict[str, dict[str, int]] = pickle.loads(data)
    for box in boxes.values():
        assert set(box) == {"x1", "x2", "y1", "y2", "w", "h"}
        assert all(type(value) is int for value in box.values())
    assert sum(box["h"] != box["y2"] - box["y1"] for box in boxes.values()) > 0.9 * len(boxes)
    assert sum(box["y1"] + box["h"] > height for box in boxes.values()) > 0.9 * len(boxes)
    assert any(box["w"] != box["x2"] - box["x1"] for box in boxes.values())
    return boxes


@real
def test_how2sign_boxes_are_like_the_real_ones():
    folder = "annotations/FangyunWei+SLRT/CiCo/data_preparation"
    boxes = check_boxes((REAL / folder / "bounding_box_coco_test.pkl").read_bytes(), 720)
    assert all("-rgb_front_clip" in name and name.endswith(".mp4") for name in boxes)


def test_how2sign_boxes_are_numbered_in_time_and_leave_the_frame(made):
    release = made["how2sign"]
    assert not list(release.root.rglob("*coco_val*"))
    for split in ("train", "test"):
        path = release.root / release.files[f"boxes {split}"]
        boxes = check_boxes(path.read_bytes(), 180)
        assert len(boxes) == len(release.ids(split))
        for clip in (c for c in release.clips if c.split == split and c.status == "ok"):
            same = [c for c in release.clips if c.source == clip.source]
            number = sum(c.start_s < clip.start_s for c in same)
            box = boxes[f"{Path(clip.source).stem}_clip{number}.mp4"]
            right, bottom = box["x1"] + box["w"], min(box["y1"] + box["h"], 180)
            assert clip.box == (box["x1"], box["y1"], right, bottom)
    train = pickle.loads((release.root / release.files["boxes train"]).read_bytes())
    numbers = [name[-5] for name in train if name.startswith("-syn_Th0001")]
    assert numbers == ["0", "2", "3", "4"]  # what was dropped counts
    assert all(clip.box is None for clip in release.clips if clip.split == "dev")


def test_how2sign_may_have_the_wrongly_decoded_copy_and_no_boxes(miniature, made):
    copy = miniature("how2sign", mojibake=True, boxes=False)
    clean = made["how2sign"].clips
    pairs = [(a.sentence, b.sentence) for a, b in zip(copy.clips, clean, strict=True)]
    differing = [(wrong, right) for wrong, right in pairs if wrong != right]
    assert ("The woman doesnâ\x80\x99t buy a car.", "The woman doesn't buy a car.") in differing
    assert all(a.encode("latin-1").decode("utf-8").replace("’", "'") == b for a, b in differing)
    assert not [name for name in copy.files if name.startswith("boxes")]
    assert all(clip.box is None for clip in copy.clips)


def test_how2sign_may_have_the_misaligned_clips(miniature, made):
    release = miniature("how2sign", sentence_clips=True)
    assert release.clips == made["how2sign"].clips
    folder = release.root / "How2Sign/sentence_level/test/rgb_front/raw_videos"
    assert {path.stem for path in folder.iterdir()} == set(release.ids("test"))
    assert not (made["how2sign"].root / "How2Sign/sentence_level/test/rgb_front").exists()


# OpenASL


def test_openasl_annotations_are_as_told(made):
    release = made["openasl"]
    text = read(release, "table")
    assert text.startswith("vid\tyid\tstart\tend\traw-text\ttokenized-text\tgloss\tsplit\n")
    rows = unquoted(text, "\t")
    assert rows == [dict(row) for row in csv.DictReader(io.StringIO(text), delimiter="\t")]
    assert {row["split"] for row in rows[:5]} == {"train", "valid", "test"}
    for row in rows:
        told = release.clip(row["vid"])
        assert row["vid"] == f"{row['yid']}-{row['start']}-{row['end']}"
        assert len(row["yid"]) == 11
        assert seconds(row["start"]) == told.start_s
        assert seconds(row["end"]) == told.end_s
        assert told.sentence == row["raw-text"]
        assert told.split == row["split"].replace("valid", "dev")
        assert told.source == f"videos/{row['yid']}.mp4"
    assert {row["vid"] for row in rows} == {clip.id for clip in release.clips}
    assert any("-" in row["yid"][1:] for row in rows)
    assert any(row["yid"].startswith("-") for row in rows)
    assert any("“" in row["raw-text"] and "’" in row["raw-text"] for row in rows)
    assert release_openasl.HEADER.split(" ") == list(rows[0])


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    assert (len(hours), len(minutes), len(rest)) == (2, 2, 6)
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_openasl_boxes_are_shares_of_the_frame_and_not_all_right(made):
    release = made["openasl"]
    boxes = json.loads(read(release, "boxes"))
    (missing,) = {clip.id for clip in release.clips} - set(boxes)
    assert release.clip(missing).box is None
    (outside,) = [name for name, box in boxes.items() if min(box) < 0 or max(box) > 1]
    assert release.clip(outside).box == (0, 18, 320, 180)
    for name, (x0, y0, x1, y1) in boxes.items():
        clamped = [min(max(share, 0.0), 1.0) for share in (x0, y0, x1, y1)]
        pixels = [share * size for share, size in zip(clamped, (320, 180) * 2, strict=True)]
        assert release.clip(name).box == pytest.approx(tuple(pixels))


def test_openasl_lacks_a_video(made):
    release = made["openasl"]
    gone = [clip for clip in release.clips if clip.status == "missing_file"]
    assert {clip.source for clip in gone} == {"videos/zsynASLgone.mp4"}
    assert read(release, "missing") == "zsynASLgone\n"
    assert len(gone) == 2


# damage


@pytest.fixture
def phoenix(made, tmp_path) -> Release:
    return damage.copied(made["phoenix14t"], tmp_path / "phoenix14t")


@pytest.fixture
def how2sign(made, tmp_path) -> Release:
    return damage.copied(made["how2sign"], tmp_path / "how2sign")


def status(release: Release, name: str) -> str:
    try:
        return f"{len(list(source.read_frames(safe_path(release.root, name)).images))} frames"
    except ClipError as error:
        return error.status


def test_a_copy_can_be_damaged_and_the_original_is_as_it_was(made, phoenix):
    lost = damage.lose(phoenix.root, phoenix.files["dev"])
    assert not lost.exists()
    assert (made["phoenix14t"].root / phoenix.files["dev"]).is_file()
    assert phoenix.clips == made["phoenix14t"].clips


def test_frames_are_lost_emptied_or_led_outside(phoenix, tmp_path):
    first, second, third, fourth = (clip.source for clip in phoenix.clips[:4])
    damage.lose(phoenix.root, first)
    damage.empty(phoenix.root, second)
    damage.link_out(phoenix.root, third, tmp_path / "elsewhere")
    lost = damage.lose_frame(phoenix.root, fourth, 9)
    assert lost.name == "images0010.png"
    assert status(phoenix, first) == "missing_file"
    assert status(phoenix, second) == "empty_video"
    assert status(phoenix, third) == "unsafe_path"
    assert len(list((phoenix.root / fourth).iterdir())) == phoenix.clips[3].num_frames - 1


def test_videos_are_truncated_emptied_or_a_web_page(how2sign):
    first, second, third = sorted({clip.source for clip in how2sign.clips})[:3]
    damage.truncate(how2sign.root, first)
    damage.empty(how2sign.root, second)
    page = damage.html(how2sign.root, third)
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    assert [status(how2sign, name) for name in (first, second, third)] == [
        "decode_error",
        "empty_video",
        "decode_error",
    ]


def test_annotations_are_renamed_repeated_and_recoded(phoenix, how2sign):
    table = phoenix.files["test"]
    damage.rename(phoenix.root, table, "|", ",")
    assert read(phoenix, "test").startswith("name,video,start")
    damage.repeat(phoenix.root, phoenix.files["dev"])
    names = [row["name"] for row in unquoted(read(phoenix, "dev"), "|")]
    assert [name for name, count in Counter(names).items() if count == 2] == [names[-1]]
    path = damage.recode(phoenix.root, phoenix.files["train"])
    with pytest.raises(UnicodeDecodeError):
        path.read_text("utf-8")
    with pytest.raises(AssertionError, match="no letter"):
        damage.recode(how2sign.root, how2sign.files["train"])  # is ASCII


@pytest.mark.parametrize("outside", damage.OUTSIDE)
def test_names_lead_outside(phoenix, outside):
    clip = phoenix.clips[0]
    damage.rename(phoenix.root, phoenix.files["train"], clip.id, outside)
    assert unquoted(read(phoenix, "train"), "|")[0]["name"] == outside
    with pytest.raises(ClipError, match="unsafe_path"):
        safe_path(phoenix.root, outside)


def test_pickles_are_renamed_repeated_and_made_to_act(made, tmp_path):
    release = damage.copied(made["csl_daily"], tmp_path / "csl_daily")
    name, clip = release.files["pickle"], release.clips[0]

    def content() -> Any:
        return pickle.loads((release.root / name).read_bytes())

    damage.rename(release.root, name, clip.id, damage.OUTSIDE[0])
    assert content()["info"][0]["name"] == damage.OUTSIDE[0]
    damage.repeat(release.root, name)
    assert content()["info"][-1]["name"] == content()["info"][-2]["name"]
    damage.recode(release.root, release.files["map"], "gb18030")
    marker = tmp_path / "marker"
    path = damage.bomb(release.root, name, marker)
    assert opcodes(path.read_bytes()) & CALLS
    assert not marker.exists()
    content()
    assert marker.is_dir()
