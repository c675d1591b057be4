"""Label files of other projects: made by hand, and where C2RL_REALDATA is set, the real ones."""

import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from c2rl.corpora import labels
from c2rl.corpora.labels import Label, RawBox

GFSLT = {
    f"dev/{name}": {
        "name": f"dev/{name}",
        "gloss": "REGEN",
        "text": text,
        "length": 42,
        "imgs_path": [f"dev/{name}/images0001.png"],
    }
    for name, text in (("11August_2010-2", "tiefer luftdruck"), ("11August_2010-3", " wolken  "))
}
NECCAM = [
    {
        "name": "train/11August_2010-1",
        "signer": "Signer08",
        "gloss": "JETZT",
        "text": "und nun die wettervorhersage .",
        "sign": torch.zeros(0, 1024),
        "num_frames": 86,
        "alignments": {"pami0": "0 0"},
    },
    {"name": "train/b", "signer": "Signer01", "gloss": "", "text": "ja .", "sign": torch.zeros(1)},
]
CSL = [{"name": "S000020_P0004_T00", "signer": 4, "gloss": "他", "text": "他今年四岁。", "sign": 0}]
OPENASL = "1nFdgokPwBw-00:00:14.100-00:00:17.266.mp4"
UNISIGN = {
    name: {"name": name, "gloss": "", "text": text, "video_path": name}
    for name, text in (
        (OPENASL, "Are you bored?"),
        ("-fZc_0-1-rgb_front.mp4", "you\u00e2\x80\x99re"),
    )
}
CICO = {
    "S7397": [
        {
            "video_name": f"S7397_P{n}",
            "ori_text": "厨师。",
            "text": "The chef.",
            "num_frames": 91 + n,
        }
        for n in range(2)
    ],
    "S0020": [{"video_name": "S0020_P4", "ori_text": "他。", "text": "He.", "num_frames": 52}],
}
CORRNET = {
    "prefix": "/disk1/PHOENIX",
    0: {
        "fileid": "a-2",
        "folder": "dev/a-2/*.png",
        "signer": "Signer08",
        "label": "DRUCK TIEF",
        "num_frames": 42,
        "original_info": "a-2|a-2/1/*.png|-1|-1|Signer08|DRUCK TIEF|tiefer luftdruck",
    },
}


def write(path: Path, value: object, protocol: int = 4) -> Path:
    """Write as the projects do: `.pkl` plain, `.npy` by numpy, all else gzipped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, np.array(value), allow_pickle=True)
        return path
    data = pickle.dumps(value, protocol)
    path.write_bytes(data if path.suffix == ".pkl" else gzip.compress(data))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_gfslt_labels_lose_the_split_of_their_names(tmp_path, protocol):
    path = write(tmp_path / "labels.dev", GFSLT, protocol)
    assert labels.read(path, "gfslt") == [
        Label("11August_2010-2", "tiefer luftdruck", "dev", 42),
        Label("11August_2010-3", " wolken  ", "dev", 42),
    ]
    assert labels.read(path, "gfslt", split="dev") == labels.read(path, "gfslt")


@pytest.mark.parametrize("protocol", range(6))
def test_neccam_labels_keep_their_full_stop_and_need_no_tensors(tmp_path, protocol):
    path = write(tmp_path / "phoenix14t.train", NECCAM, protocol)
    assert labels.read(path, "neccam") == [
        Label("11August_2010-1", "und nun die wettervorhersage .", "train", 86, "Signer08"),
        Label("b", "ja .", "train", None, "Signer01"),
    ]
    path = write(tmp_path / "csl-daily.test", CSL, protocol)
    assert labels.read(path, "neccam", split="test") == [
        Label("S000020_P0004_T00", "他今年四岁。", "test", None, "4")
    ]


@pytest.mark.parametrize("protocol", range(6))
def test_unisign_labels_lose_their_suffix_and_keep_their_mojibake(tmp_path, protocol):
    path = write(tmp_path / "labels.dev", UNISIGN, protocol)
    assert labels.read(path, "unisign") == [
        Label(OPENASL.removesuffix(".mp4"), "Are you bored?"),
        Label("-fZc_0-1-rgb_front", "you\u00e2\x80\x99re"),
    ]


@pytest.mark.parametrize("protocol", range(6))
def test_cico_labels_are_the_untranslated_text_grouped_by_sentence(tmp_path, protocol):
    path = write(tmp_path / "test.pkl", CICO, protocol)
    assert labels.read(path, "cico", split="test") == [
        Label("S7397_P0", "厨师。", "test", 91, group="S7397"),
        Label("S7397_P1", "厨师。", "test", 92, group="S7397"),
        Label("S0020_P4", "他。", "test", 52, group="S0020"),
    ]
    english = {"-fZc_0": [{"video_name": "-fZc-1-rgb_front_clip0", "text": "Hi!"}]}
    assert labels.read(write(path, english), "cico") == [
        Label("-fZc-1-rgb_front_clip0", "Hi!", group="-fZc_0")
    ]


def test_cico_s_dev_file_holds_train_too_which_is_left_out(tmp_path):
    def entries(*names):
        return {n: {"video_name": n, "ori_text": n, "text": "x", "num_frames": 9} for n in names}

    write(tmp_path / "train.pkl", entries("a", "b"))
    path = write(tmp_path / "dev.pkl", entries("a", "c", "b", "d"))
    assert [label.name for label in labels.read(path, "cico", split="dev")] == ["c", "d"]
    assert len(labels.read(path, "cico")) == 4
    write(tmp_path / "train.pkl", entries("a", "b", "c", "d"))
    with pytest.raises(ValueError, match=r"dev.pkl has no clips of dev\.$"):
        labels.read(path, "cico", split="dev")
    (tmp_path / "train.pkl").unlink()
    with pytest.raises(FileNotFoundError, match=r"train.pkl is not there"):
        labels.read(path, "cico", split="dev")


def test_corrnet_labels_are_the_last_column_of_the_release_s_line(tmp_path):
    path = write(tmp_path / "dev_info.npy", CORRNET)
    assert labels.read(path, "corrnet") == [Label("a-2", "tiefer luftdruck", "dev", 42, "Signer08")]


def changed(value, **fields):
    """Copy a label file's content with one entry changed; None takes a field away."""
    key = next(key for key in value if key != "prefix") if isinstance(value, dict) else 0
    entry = value[key][0] if isinstance(value[key], list) else value[key]
    entry = {k: v for k, v in {**entry, **fields}.items() if v is not None}
    if isinstance(value, list):
        return [entry, *value[1:]]
    return {**value, key: [entry] if isinstance(value[key], list) else entry}


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("gfslt", [1], "holds a list; expected a dict of entries"),
        ("gfslt", {}, "has no clips"),
        ("gfslt", {1: {}}, "has the key 1; expected names for keys"),
        ("gfslt", {"dev/a": []}, "entry 'dev/a' is of type list; expected a dictionary"),
        ("gfslt", {"dev/a": None}, "entry 'dev/a' is of type nothing; expected a dictionary"),
        ("gfslt", changed(GFSLT, text=7), "has a text of type int; expected text"),
        ("gfslt", changed(GFSLT, text=None), "has a text of type nothing; expected text"),
        ("gfslt", changed(GFSLT, text="\ud800"), "has a text with half a character"),
        ("gfslt", changed(GFSLT, length="42"), "has a length of type str; expected a number"),
        ("gfslt", changed(GFSLT, length=True), "has a length of type bool; expected a number"),
        ("gfslt", changed(GFSLT, length=-1), "has a length out of range; expected 0 to"),
        ("gfslt", changed(GFSLT, length=1 << 40000), "has a length out of range"),
        ("gfslt", changed(GFSLT, name="dev/b"), "has another name; expected that of its key"),
        ("gfslt", UNISIGN, "has a length of type nothing"),
        ("unisign", GFSLT, "has a video_path of type nothing"),
        ("neccam", GFSLT, "holds a dict; expected a list of entries"),
        ("neccam", ["a"], "entry 0 is of type str; expected a dictionary"),
        ("neccam", [torch.zeros(1)], "entry 0 is of type Opaque; expected a dictionary"),
        ("neccam", changed(NECCAM, signer=None), "has a signer of type nothing"),
        ("neccam", changed(NECCAM, signer=-1), "has a signer out of range"),
        ("neccam", changed(NECCAM, num_frames=8.6), "has a num_frames of type float"),
        ("neccam", changed(NECCAM, name="train/b"), "b is there twice; expected once"),
        ("neccam", changed(NECCAM, name="val/a"), "begins with neither train/, dev/ nor test/"),
        ("neccam", changed(NECCAM, name="/etc/passwd"), "begins with neither train/"),
        ("neccam", changed(NECCAM, name="../a"), "begins with neither train/"),
        ("neccam", changed(NECCAM, name="train/.."), "has a name that cannot be a file's"),
        ("neccam", changed(NECCAM, name="train/"), "has a name that cannot be a file's"),
        ("neccam", changed(NECCAM, name="..\\a"), "has a name that cannot be a file's"),
        ("neccam", changed(NECCAM, name="a\0"), "has a name that cannot be a file's"),
        ("cico", {"a": 3}, "entry 'a' is of type int; expected a dictionary"),
        ("cico", {"a": [[]]}, "entry 'a' is of type list; expected a dictionary"),
        ("cico", {"a\nb" * 99: [3]}, "is of type int; expected a dictionary"),
        ("cico", changed(CICO, video_name=None), "has a video_name of type nothing"),
        ("cico", changed(CICO, num_frames="9"), "has a num_frames of type str"),
        (
            "corrnet",
            changed(CORRNET, original_info="a|b|c|d"),
            "has 4 columns; expected PHOENIX-2014T's seven",
        ),
        ("corrnet", changed(CORRNET, fileid="dev/../a"), "begins with neither"),
        ("corrnet", [1], "holds an array of numbers or of several objects; expected one"),
    ],
)
def test_an_entry_of_another_shape_is_told_in_one_line(tmp_path, kind, value, message):
    path = write(tmp_path / ("a.npy" if kind == "corrnet" else "labels.dev"), value)
    with pytest.raises(ValueError) as raised:
        labels.read(path, kind)
    assert message in str(raised.value)
    assert str(raised.value).startswith(str(path))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < len(str(path)) + 200


def test_a_file_of_another_split_is_refused(tmp_path):
    path = write(tmp_path / "labels.train", GFSLT)
    with pytest.raises(ValueError, match=r"11August_2010-2 is of dev; expected train\.$"):
        labels.read(path, "gfslt", split="train")


def test_a_list_that_holds_itself_ends_in_an_error(tmp_path):
    itself: list[object] = []
    itself.append(itself)
    with pytest.raises(ValueError, match="entry 0 is of type list; expected a dictionary"):
        labels.read(write(tmp_path / "phoenix14t.dev", itself), "neccam")
    with pytest.raises(ValueError, match="entry 'a' is of type list; expected a dictionary"):
        labels.read(write(tmp_path / "dev.pkl", {"a": itself}), "cico")
    deep: object = {}
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ValueError, match="has a text of type list; expected text"):
        labels.read(write(tmp_path / "labels.dev", changed(GFSLT, text=deep)), "gfslt")


def test_an_unknown_kind_is_told_with_the_known_ones(tmp_path):
    for look in (labels.find, labels.read):
        with pytest.raises(ValueError, match=r"kind 'spamo' are unknown\. Known: gfslt, unisign,"):
            look(tmp_path, "spamo")


def test_boxes_are_the_raw_numbers_by_clip(tmp_path):
    box = {"x1": 378, "x2": 978, "y1": 64, "y2": 720, "w": 600, "h": 721}
    path = write(tmp_path / "bounding_box_coco_test.pkl", {"-fZc-1-rgb_front_clip0.mp4": box}, 3)
    (found,) = labels.boxes(path).items()
    assert found == (
        "-fZc-1-rgb_front_clip0.mp4",
        RawBox(x1=378, y1=64, x2=978, y2=720, w=600, h=721),
    )
    write(path, {"a.mp4": {**box, "h": 7.5}})
    with pytest.raises(ValueError, match=r"entry 'a.mp4' has a h of type float; expected a number"):
        labels.boxes(path)
    write(path, {"a.mp4": [1, 2, 3, 4]})
    with pytest.raises(ValueError, match=r"entry 'a.mp4' is of type list; expected a dictionary"):
        labels.boxes(path)


@pytest.mark.parametrize("folder", ["", "neccam", "labels", "labels/neccam"])
@pytest.mark.parametrize("name", ["phoenix14t.pami0", "phoenix14t", "phoenix-2014t", "csl-daily"])
def test_labels_are_found_where_they_may_lie(tmp_path, folder, name):
    paths = {s: write(tmp_path / folder / f"{name}.{s}", []) for s in ("train", "dev", "test")}
    write(tmp_path / folder / "phoenix14t_old.train", [])
    found = labels.find(tmp_path, "neccam")
    assert found == paths
    assert list(found) == ["train", "dev", "test"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("gfslt", "labels.test"),
        ("unisign", "labels.test"),
        ("cico", "test.pkl"),
        ("corrnet", "test_info.npy"),
    ],
)
def test_each_kind_has_its_file_names(tmp_path, kind, name):
    (tmp_path / name).write_bytes(b"")
    assert labels.find(tmp_path, kind, splits=["test"]) == {"test": tmp_path / name}


def test_a_split_without_a_file_or_with_two_is_told(tmp_path):
    write(tmp_path / "train.pkl", {})
    with pytest.raises(FileNotFoundError) as raised:
        labels.find(tmp_path, "cico")
    assert str(raised.value) == (
        f"{tmp_path} holds no cico labels of dev: expected dev.pkl in it or in its folders cico,"
        " labels or labels/cico."
    )
    assert list(labels.find(tmp_path, "cico", splits=["train"])) == ["train"]
    write(tmp_path / "labels" / "cico" / "train.pkl", {})
    with pytest.raises(
        ValueError, match=r"holds train.pkl, labels/cico/train.pkl; expected one of"
    ):
        labels.find(tmp_path, "cico", splits=["train"])


def test_all_files_of_a_project_are_read_and_missing_splits_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no cico labels of train"):
        labels.read_all(tmp_path, "cico")
    test = write(tmp_path / "cico" / "test.pkl", CICO)
    train = write(tmp_path / "train.pkl", {"S0001": [{"video_name": "S0001_P0", "text": "hi"}]})
    found = labels.read_all(tmp_path, "cico")
    assert found.files == [train, test]
    assert found.absent == ["dev: no cico labels"]
    assert [(split, label.name) for split, label in found.rows] == [
        ("train", "S0001_P0"),
        ("test", "S7397_P0"),
        ("test", "S7397_P1"),
        ("test", "S0020_P4"),
    ]


REAL = Path(os.environ.get("C2RL_REALDATA", "absent")) / "annotations"
SLRT, UNI = "FangyunWei+SLRT", "ZechengLi19+Uni-Sign/data"
PHOENIX = f"{SLRT}/TwoStreamNetwork/data/phoenix-2014t/phoenix-2014t"
CSL_DAILY = f"{SLRT}/TwoStreamNetwork/data/csl-daily/csl-daily"
real = pytest.mark.skipif(not REAL.is_dir(), reason="C2RL_REALDATA is not set")


@real
@pytest.mark.parametrize(
    ("kind", "name", "split", "num_clips", "num_texts"),
    [
        ("gfslt", "zhoubenjia+GFSLT-VLP/data/Phonexi-2014T/labels.train", "train", 7096, 6853),
        ("gfslt", "zhoubenjia+GFSLT-VLP/data/Phonexi-2014T/labels.dev", "dev", 519, 509),
        ("gfslt", "zhoubenjia+GFSLT-VLP/data/Phonexi-2014T/labels.test", "test", 642, 630),
        ("neccam", f"{PHOENIX}.train", "train", 7096, 6853),
        ("neccam", f"{PHOENIX}.dev", "dev", 519, 509),
        ("neccam", f"{PHOENIX}.test", "test", 642, 630),
        ("neccam", f"{CSL_DAILY}.train", "train", 18401, 6578),
        ("neccam", f"{CSL_DAILY}.dev", "dev", 1077, 797),
        ("neccam", f"{CSL_DAILY}.test", "test", 1176, 798),
        ("cico", f"{SLRT}/CiCo/CLCL/data_ph/train.pkl", "train", 7096, 6853),
        ("cico", f"{SLRT}/CiCo/CLCL/data_ph/test.pkl", "test", 642, 630),
        ("cico", f"{SLRT}/CiCo/CLCL/data_csl/train.pkl", "train", 18401, 6578),
        ("cico", f"{SLRT}/CiCo/CLCL/data_csl/test.pkl", "test", 1176, 798),
        ("unisign", f"{UNI}/CSL_Daily/labels.train", "train", 18401, 6578),
        ("unisign", f"{UNI}/CSL_Daily/labels.dev", "dev", 1077, 797),
        ("unisign", f"{UNI}/CSL_Daily/labels.test", "test", 1176, 798),
        ("unisign", f"{UNI}/How2Sign/labels.train", "train", 31086, 30042),
        ("unisign", f"{UNI}/How2Sign/labels.test", "test", 2349, 1930),
        ("unisign", f"{UNI}/OpenASL/labels.dev", "dev", 967, 920),
        ("corrnet", "hulianyuyy+CorrNet/preprocess/phoenix2014-T/dev_info.npy", "dev", 519, 509),
        ("corrnet", "hulianyuyy+CorrNet/preprocess/phoenix2014-T/test_info.npy", "test", 642, 630),
    ],
)
def test_real_files_hold_as_many_clips_as_were_counted(kind, name, split, num_clips, num_texts):
    found = labels.read(REAL / name, kind, split=split)
    assert (len(found), len({label.sentence for label in found})) == (num_clips, num_texts)
    assert {label.split for label in found} == {split}


@real
def test_projects_agree_on_phoenix_but_for_the_full_stop():
    folder = REAL / "zhoubenjia+GFSLT-VLP/data/Phonexi-2014T"
    ours = labels.read(folder / "labels.test", "gfslt")
    by_name = {label.name: label for label in labels.read(REAL / f"{PHOENIX}.test", "neccam")}
    others = labels.read(REAL / f"{SLRT}/CiCo/CLCL/data_ph/test.pkl", "cico")
    assert [label.name for label in ours] == [label.name for label in others]
    assert all(label.sentence + " ." == by_name[label.name].sentence for label in ours)
    assert all(label.num_frames == by_name[label.name].num_frames for label in ours)
    assert (
        sum(label.num_frames for label in labels.read(folder / "labels.train", "gfslt")) == 827354
    )


@real
def test_csl_daily_has_the_counted_groups():
    for split, num_groups in (("train", 6598), ("test", 798)):
        path = REAL / f"{SLRT}/CiCo/CLCL/data_csl/{split}.pkl"
        found = labels.read(path, "cico", split=split)
        assert len({label.group for label in found}) == num_groups
        assert all(label.name[:7] == label.group for label in found)


@real
def test_how2sign_s_boxes_and_frames_are_of_the_paper_s_clips():
    folder = REAL / SLRT / "CiCo"
    boxes = {
        split: labels.boxes(folder / f"data_preparation/bounding_box_coco_{split}.pkl")
        for split in ("train", "test")
    }
    assert {split: len(found) for split, found in boxes.items()} == {"train": 31085, "test": 2348}
    assert sum(box.x2 > 1280 for box in boxes["train"].values()) == 59
    everything = [*boxes["train"].values(), *boxes["test"].values()]
    assert sum(box.h == box.y2 - box.y1 for box in everything) == 1
