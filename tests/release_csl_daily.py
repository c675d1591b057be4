"""CSL-Daily in miniature: frames as JPEG in folders or videos, annotations in a pickle."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from films import write_video
from release_films import (
    Expected,
    Filmed,
    Release,
    again,
    framed,
    of_split,
    write_images,
    write_text,
)

LAYOUTS = (
    "sentence/frames_512x512",
    "sentence_frames-512x512",
    "sentence_frames-512x512/frames_512x512",
    "sentence-crop",
)
LISTED_ONLY, UNLISTED = "S000005_P0004_T00", "S000007_P0003_T00"
SPLIT_HEADER = "name|split"
MAP_HEADER = "index|name|length|gloss|char|word|postag"
_LABELS = "sentence_label"
_SIDE, _TOP, _LEFT = 512, 80, 82  # the signer stands below a strip of wall


class _Named(NamedTuple):
    name: str
    clip: Filmed


def csl_daily(root: Path, clips: Sequence[Filmed], *, layout: str = LAYOUTS[0]) -> Release:
    """Write the release.

    `split_1.txt` lists S000005_P0004_T00, which is nowhere else, and does not list
    S000007_P0003_T00, which is annotated and on disk. All sentences of test but the last are those
    of dev, by other performers. The first sentence of dev reads otherwise in `video_map.txt`.

    Args:
        root: Folder that gets `sentence_label` and the frames.
        clips: Chinese clips.
        layout: One of `LAYOUTS`: the folder of the frames; `sentence-crop` holds videos.

    Returns:
        What is there.
    """
    named = _named(clips)
    told, rows = [], []
    for split, ones in named.items():
        for name, clip in ones:
            told.append(_expected(name, split, clip, layout))
            rows.append(f"{name}|{split}")
            _write(root / told[-1].source, clip)
    missing = f"{layout}/{LISTED_ONLY}" + ".mp4" * (layout == "sentence-crop")
    place = next(i for i, one in enumerate(told) if one.id > LISTED_ONLY)
    told.insert(place, _absent(missing))
    rows.insert(place, f"{LISTED_ONLY}|train")
    extra = _Named(UNLISTED, again(named["train"][-1].clip, "")._replace(signer=3))
    unlisted = _expected(extra.name, "", extra.clip, layout)
    _write(root / unlisted.source, extra.clip)
    everything = sorted([one for ones in named.values() for one in ones] + [extra])
    files = {
        "split": f"{_LABELS}/split_1.txt",
        "pickle": f"{_LABELS}/csl2020ct_v2.pkl",
        "map": f"{_LABELS}/video_map.txt",
    }
    write_text(root, files["split"], "\n".join([SPLIT_HEADER, *rows]))  # no newline at its end
    (root / files["pickle"]).write_bytes(pickle.dumps(_content(everything)))
    write_text(root, files["map"], _map(everything, named["dev"][0].name))
    return Release(root, files, told, [unlisted])


def _named(clips: Sequence[Filmed]) -> dict[str, list[_Named]]:
    """Number the sentences; some of train, and those of dev and test, have two performers."""
    train, dev, test = (of_split(clips, split) for split in ("train", "dev", "test"))
    train[1] = train[1]._replace(sentence=f"{train[1].sentence[:2]}，{train[1].sentence[2:]}")
    train[3] = again(train[2], "train")
    numbers = {clip.sentence: number for number, clip in enumerate(train) if number < 5}
    for clip in [*train[5:], *dev, test[-1]]:
        numbers.setdefault(clip.sentence, 10 * len(numbers) + 20)
    shared = [again(clip, "test") for clip in dev[:-1]] + [test[-1]]
    return {
        split: sorted(_Named(_name(numbers[c.sentence], c), c) for c in ones)
        for split, ones in (("train", train), ("dev", dev), ("test", shared))
    }


def _name(number: int, clip: Filmed) -> str:
    return f"S{number:06d}_P{clip.signer:04d}_T00"


def _expected(name: str, split: str, clip: Filmed, layout: str) -> Expected:
    source = f"{layout}/{name}" + ".mp4" * (layout == "sentence-crop")
    signer, group = name[8:13], name[:7]
    return Expected(name, split, clip.sentence, source, len(clip.frames), 30, signer, group)


def _absent(source: str) -> Expected:
    reason, group = "in split_1.txt, but not annotated and not on disk", LISTED_ONLY[:7]
    return Expected(
        LISTED_ONLY,
        "train",
        "",
        source,
        0,
        30,
        signer=LISTED_ONLY[8:13],
        group=group,
        status="missing_file",
        reason=reason,
    )


def _write(path: Path, clip: Filmed) -> None:
    frames = framed(clip.frames, _SIDE, _SIDE, left=_LEFT, top=_TOP)
    if path.suffix == ".mp4":
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, frames, fps=30, preset="ultrafast")
    else:
        write_images(path, frames, [f"{number:06d}.jpg" for number in range(len(frames))])


def _words(sentence: str) -> list[str]:
    text, end = sentence[:-1], sentence[-1]
    return [*(text[i : i + 2] for i in range(0, len(text), 2)), end]


def _content(everything: list[_Named]) -> dict[str, Any]:
    info = [
        {
            "name": name,
            "length": len(clip.frames),
            "label_gloss": list(clip.gloss),
            "label_char": list(clip.sentence),
            "label_word": _words(clip.sentence),
            "label_postag": ["n"] * (len(_words(clip.sentence)) - 1),
            "signer": clip.signer,
            "time": 0,
        }
        for name, clip in everything
    ]
    kinds = ("gloss", "char", "word", "postag")
    maps = {
        f"{kind}_map": sorted({str(x) for one in info for x in list(one[f"label_{kind}"])})  # type: ignore[call-overload]
        for kind in kinds
    }
    return {"info": info, **maps}


def _map(everything: list[_Named], differing: str) -> str:
    lines = [MAP_HEADER]
    for index, (name, clip) in enumerate(everything):
        text = clip.sentence if name != differing else f"她说{clip.sentence}"
        columns = (
            str(index),
            name,
            str(len(clip.frames)),
            " ".join(clip.gloss),
            " ".join(text),
            " ".join(_words(text)),
            " ".join("n" for _ in _words(text)[:-1]),
        )
        lines.append("|".join(columns))
    return "".join(f"{line}\n" for line in lines)
