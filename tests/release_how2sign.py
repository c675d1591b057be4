"""How2Sign in miniature: long recordings, sentences as seconds within them, boxes by CiCo."""

import csv
import io
import math
import pickle
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from films import Film, write_video
from release_films import HEIGHT as SMALL_HEIGHT
from release_films import WIDTH as SMALL_WIDTH
from release_films import Expected, Filmed, Release, again, framed, of_split, write_text

HOME = "How2Sign"
HEADER = "VIDEO_ID VIDEO_NAME SENTENCE_ID SENTENCE_NAME START_REALIGNED END_REALIGNED SENTENCE"
FPS = (24, 25, 30, 50)
WIDTH, HEIGHT = 320, 180
NATIVE = {"train": "train", "dev": "val", "test": "test"}
_LABELS = ("8", "9", "25_26_27", "30")  # in time; rows are ordered by them as strings
_PAUSE = 5  # frames
_BEHIND, _SHORT = "31", "12"

Box = dict[str, int]


class Row(NamedTuple):
    """A sentence of a recording."""

    sentence_id: str
    start_s: str
    """As written: two decimals at most."""
    end_s: str
    sentence: str


class Recording(NamedTuple):
    """A video of several sentences."""

    video_id: str
    name: str
    split: str
    fps: int
    left: int
    """Pixels left of the signer."""
    frames: Film
    rows: list[Row]
    """In the order of time."""


def how2sign(
    root: Path,
    clips: Sequence[Filmed],
    *,
    mojibake: bool = False,
    boxes: bool = True,
    sentence_clips: bool = False,
) -> Release:
    """Write the release.

    Segments overlap, two begin behind the end of their recording, two have two frames, and one
    goes on behind the end. The first sentences of test are signed by two signers.

    Args:
        root: Folder that gets `How2Sign`, and the boxes beside it.
        clips: English clips.
        mojibake: Apostrophes as in the copy of the annotations that was decoded wrongly.
        boxes: Whether CiCo's boxes of train and test are there; of val there are none.
        sentence_clips: Whether the misaligned clips of the first release are there, too.

    Returns:
        What is there; frames are counted from floor(start * fps) up to, without, ceil(end * fps).
    """
    told, files = [], {}
    for split, recordings in _recordings(clips, mojibake).items():
        native = NATIVE[split]
        found = _boxes(recordings) if boxes and split != "dev" else {}
        for one in recordings:
            _film(root, one, sentence_clips)
            told += _expected(one, found)
        text = f"{HOME}/sentence_level/{native}/text/en/raw_text"
        files[split] = f"{text}/re_aligned/how2sign_realigned_{native}.csv"
        files[f"misaligned {split}"] = f"{text}/how2sign_{native}.csv"
        write_text(root, files[split], _table(HEADER, recordings))
        misaligned = [_misaligned(one) for one in recordings]
        write_text(
            root,
            files[f"misaligned {split}"],
            _table(HEADER.replace("_REALIGNED", ""), misaligned),
        )
        if found:
            files[f"boxes {split}"] = f"bounding_box_coco_{native}.pkl"
            (root / files[f"boxes {split}"]).write_bytes(pickle.dumps(found, protocol=3))
    return Release(root, files, told, [])


def _recordings(clips: Sequence[Filmed], mojibake: bool) -> dict[str, list[Recording]]:
    train, dev, test = (of_split(clips, split) for split in ("train", "dev", "test"))
    train[0] = train[0]._replace(sentence=f'"{train[0].sentence[:-1]}", says "my" friend.')
    train[2] = train[2]._replace(sentence=f'They call it "{train[2].sentence}"')
    made: dict[str, list[Recording]] = {
        "train": [
            _recording(f"-syn_Th0{i:03d}", 1 + i, "train", FPS[i], train[4 * i : 4 * i + 4])
            for i in range(4)
        ],
        "dev": [
            _recording(f"_synTh-1{i:03d}", 3, "dev", FPS[1 + i], dev[3 * i : 3 * i + 3])
            for i in range(2)
        ],
        "test": [
            _recording("Gsyn-Th2000", 5, "test", 30, test[:3]),
            _recording("Gsyn-Th2000", 8, "test", 24, [again(clip, "test") for clip in test[:2]]),
            _recording("Gsyn_Th2001", 2, "test", 50, test[3:]),
        ],
    }
    made["train"][0] = _overlapping(made["train"][0])
    made["train"][1] = _short(made["train"][1])
    made["train"][2] = _longer(made["train"][2])
    made["train"][3] = _behind(made["train"][3])
    made["dev"][0] = _short(made["dev"][0])
    made["test"][2] = _behind(made["test"][2])
    return {split: [_worded(one, mojibake) for one in ones] for split, ones in made.items()}


def _recording(
    video_id: str, signer: int, split: str, fps: int, clips: Sequence[Filmed]
) -> Recording:
    left = 60 + 9 * signer
    shown: list[Film] = []
    rows = []
    first = 0
    for label, clip in zip(_LABELS, clips, strict=False):
        rest = np.repeat(clip.frames[-1:], _PAUSE, axis=0)
        end = first + len(clip.frames)
        rows.append(
            Row(f"{video_id}_{label}", _seconds(first, fps), _seconds(end, fps), clip.sentence)
        )
        shown += [clip.frames, rest]
        first = end + _PAUSE
    frames = framed(np.concatenate(shown), WIDTH, HEIGHT, left=left)
    return Recording(video_id, f"{video_id}-{signer}-rgb_front", split, fps, left, frames, rows)


def _seconds(frames: float, fps: int) -> str:
    return f"{round(frames / fps, 2)}"


def _overlapping(one: Recording) -> Recording:
    """Let the first sentence end when the second has begun."""
    first, second, *others = one.rows
    end = f"{round(float(second.start_s) + 0.2, 2)}"
    return one._replace(rows=[first._replace(end_s=end), second, *others])


def _behind(one: Recording) -> Recording:
    """Add a sentence that begins behind the end."""
    start, end = (_seconds(len(one.frames) + s * one.fps, one.fps) for s in (1, 3))
    row = Row(f"{one.video_id}_{_BEHIND}", start, end, "I have come late.")
    return one._replace(rows=[*one.rows, row])


def _longer(one: Recording) -> Recording:
    """Let the last sentence end half a second behind the end."""
    *others, last = one.rows
    end = _seconds(len(one.frames) + one.fps / 2, one.fps)
    return one._replace(rows=[*others, last._replace(end_s=end)])


def _short(one: Recording) -> Recording:
    """Add two frames as a sentence, between the first and the second."""
    first, *others = one.rows
    assert (one.fps, first.start_s) == (25, "0.0")  # so that both ends are whole frames
    row = Row(f"{one.video_id}_{_SHORT}", _seconds(5, 25), _seconds(7, 25), "Okay.")
    return one._replace(rows=[first, row, *others])


def _worded(one: Recording, mojibake: bool) -> Recording:
    """Contract negations, for their apostrophes."""
    # a typographic apostrophe in UTF-8, read as Latin-1
    mark = "\N{RIGHT SINGLE QUOTATION MARK}".encode().decode("latin-1") if mojibake else "'"
    rows = [
        row._replace(sentence=row.sentence.replace("s not ", f"sn{mark}t ")) for row in one.rows
    ]
    return one._replace(rows=rows)


def _sentence_name(one: Recording, row: Row) -> str:
    return row.sentence_id + one.name.removeprefix(one.video_id)


def _table(header: str, recordings: Sequence[Recording]) -> str:
    text = io.StringIO(newline="")
    out = csv.writer(text, delimiter="\t", lineterminator="\n")
    out.writerow(header.split(" "))
    for one in recordings:
        for row in sorted(one.rows):  # as strings, so not in the order of time
            names = (one.video_id, one.name, row.sentence_id, _sentence_name(one, row))
            out.writerow([*names, row.start_s, row.end_s, row.sentence])
    return text.getvalue()


def _span(one: Recording, row: Row) -> range:
    """Count a sentence's frames from what is written, exactly."""
    first = math.floor(Fraction(row.start_s) * one.fps)
    end = math.ceil(Fraction(row.end_s) * one.fps)
    return range(first, min(end, len(one.frames)))


def _boxes(recordings: Sequence[Recording]) -> dict[str, Box]:
    """Give CiCo's boxes: numbered in time within a recording; clips that it dropped have none."""
    wide = round(HEIGHT * SMALL_WIDTH / SMALL_HEIGHT)
    found = {}
    for one in recordings:
        in_time = sorted(one.rows, key=lambda row: float(row.start_s))
        for number, row in enumerate(in_time):
            if len(_span(one, row)) < 3:
                continue
            x1, y1 = one.left + number, 16 + number
            box = {"x1": x1, "x2": x1 + wide, "y1": y1, "y2": HEIGHT}
            # the width is not that of the corners, and the height leaves the frame
            size = {"w": wide - 2 * (number % 2), "h": HEIGHT - y1 + 15}
            found[f"{one.name}_clip{number}.mp4"] = box | size
    return found


def _expected(one: Recording, boxes: dict[str, Box]) -> list[Expected]:
    in_time = sorted(one.rows, key=lambda row: float(row.start_s))
    told = []
    for row in sorted(one.rows):
        span = _span(one, row)
        box = boxes.get(f"{one.name}_clip{in_time.index(row)}.mp4")
        reason = ""
        if not span:
            length = len(one.frames) / one.fps
            reason = f"starts at {row.start_s} s, but the recording has {length:.2f} s"
        elif len(span) < 3:
            reason = f"{len(span)} frames, fewer than 3"
        told.append(
            Expected(
                id=_sentence_name(one, row),
                split=one.split,
                sentence=row.sentence,
                source=_video(one),
                num_frames=0 if reason else len(span),
                fps=one.fps,
                signer=one.name.removeprefix(one.video_id).split("-")[1],
                group=row.sentence_id,
                start_s=float(row.start_s),
                end_s=float(row.end_s),
                box=_inside(box) if box else None,
                status="bad_segment" if reason else "ok",
                reason=reason,
            )
        )
    return told


def _inside(box: Box) -> tuple[int, int, int, int]:
    x1, y1 = box["x1"], box["y1"]
    return x1, y1, min(x1 + box["w"], WIDTH), min(y1 + box["h"], HEIGHT)


def _video(one: Recording) -> str:
    return f"{HOME}/video_level/{NATIVE[one.split]}/rgb_front/raw_videos/{one.name}.mp4"


def _misaligned(one: Recording) -> Recording:
    """Say when the speech was, some frames before the signs."""
    rows = [
        row._replace(
            start_s=_seconds(max(0, float(row.start_s) * one.fps - 4), one.fps),
            end_s=_seconds(float(row.end_s) * one.fps - 4, one.fps),
        )
        for row in one.rows
    ]
    return one._replace(rows=rows)


def _film(root: Path, one: Recording, sentence_clips: bool) -> None:
    path = root / _video(one)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, one.frames, fps=one.fps, preset="veryfast")
    folder = root / f"{HOME}/sentence_level/{NATIVE[one.split]}/rgb_front/raw_videos"
    for row in _misaligned(one).rows if sentence_clips else ():
        span = _span(one, row)
        if len(span) > 0:
            folder.mkdir(parents=True, exist_ok=True)
            clip = one.frames[span.start : span.stop]
            name = _sentence_name(one, row)
            write_video(folder / f"{name}.mp4", clip, fps=one.fps, preset="veryfast")
