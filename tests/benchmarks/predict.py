"""`c2rl predict` on films that nobody has seen, and its time beside that of its parts.

    c2rl bench predict [--data data] [--clips 20] [--rounds 15] [--films FOLDER] [--json FILE]

Needs what `dvc repro` makes of the embedded corpus. Films are drawn anew: sentences that the corpus
has not, by two people whom training never saw. About a minute on two idle cores.

1. Sentences, from film to text in one process, as `c2rl predict` does:
    test signer    the corpus's, other takes. The goal is 30 % word for word, and BLEU-4 20
    new person     of a corpus of another seed: other body, colours and tempo. No goal

2. Time of a film of 5 seconds, models loaded: `Predictor.predict`, whose decoder is another
   process, beside decoding, encoding and beam search one after the other in this one. The goal is
   at most 1.3 times as long; `again` is the parts' code once more. The first call is told apart: it
   starts the decoders.

3. With `--films`: time, peak memory of this process and of a decoder, and the sentence or reason of
   every film in a folder. Linux only.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from c2rl.app import decoding

decoding.share_cores()  # as the command does, before torch is loaded

import torch  # noqa: E402
from racing import Bench, closing, opening  # noqa: E402

from c2rl.app.predict import Predictor  # noqa: E402
from c2rl.corpora.synthsign import film  # noqa: E402
from c2rl.corpora.synthsign.plan import Knobs, Scene, scenes  # noqa: E402
from c2rl.corpora.synthsign.release import film_clip  # noqa: E402
from c2rl.extract.encoder import reader  # noqa: E402
from c2rl.translate import score  # noqa: E402
from c2rl.video.decode import read_clip  # noqa: E402
from c2rl.video.files import find_clips  # noqa: E402

EXACT_GOAL, BLEU_GOAL, TIME_GOAL = 30.0, 20.0, 1.3
SEEDS = {"test signer": 202, "new person": 101}
FPS, SECONDS = 25, 5


def plan(knobs: Knobs, who: str, count: int) -> list[Scene]:
    """Choose sentences that the corpus has not, and who signs them."""
    own = scenes(knobs)
    known = {scene.sentence.text for scene in own}
    drawn = [s for s in scenes(knobs._replace(seed=SEEDS[who])) if s.split == "test"]
    new = [scene for scene in drawn if scene.sentence.text not in known][:count]
    if len(new) < count:
        raise SystemExit(f"--clips {count}: only {len(new)} sentences are new. Ask for fewer.")
    if who == "test signer":
        new = [scene._replace(signer=own[-1].signer) for scene in new]
    return [scene._replace(source=f"{n:03}.mp4") for n, scene in enumerate(new)]


def sentences(predictor: Predictor, knobs: Knobs, who: str, count: int) -> dict[str, Any]:
    """Measure table 1 for one person."""
    wanted = plan(knobs, who, count)
    with tempfile.TemporaryDirectory() as folder:
        for scene in wanted:
            film_clip(scene, root=Path(folder), size=knobs.size, noise=knobs.noise)
        found = [one.n_best[0].sentence for one in predictor.predict([folder], best=1)]
    references = [scene.sentence.text for scene in wanted]
    profile = score.profile_of(knobs.language)
    exact = sum(a == b for a, b in zip(found, references, strict=True))
    told = {"who": who, "clips": count, "exact": exact, "profile": profile}
    return told | {"bleu4": round(score.bleu(found, references, profile), 1)}


def latency(predictor: Predictor, clip: Path, rounds: int) -> dict[str, Any]:
    """Measure table 2."""
    (listed,) = find_clips([clip])
    task = predictor.task(listed)

    def whole() -> str:
        (found,) = predictor.predict([clip])
        return found.n_best[0].sentence

    def parts() -> str:
        result = read_clip(clip, task)
        read = reader(result.numbers, result.frames)
        view = predictor.encoder.look(read, result.num_frames, result.fps)
        (features,) = predictor.encoder.encode_batch([view])
        return predictor.translator.translate(features)[0].sentence

    first = timed(whole)
    assert whole() == parts(), "predict and its parts give different sentences"
    rows: dict[str, Callable[[], object]] = {"parts": parts, "predict": whole, "again": parts}
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(rounds):
        for name in rows if number % 2 else reversed(rows):
            seconds[name].append(timed(rows[name]))
    median = {name: statistics.median(own) for name, own in seconds.items()}
    told = {"first": first, "seconds": seconds, "ratio": median["predict"] / median["parts"]}
    return told | {"same_code": median["again"] / median["parts"], "median": median}


def films(predictor: Predictor, folder: Path) -> list[dict[str, Any]]:
    """Measure table 3."""
    rows = []
    print("\n3. films          s     MB  decoder's MB")
    for clip in find_clips([folder]):
        here, *decoders = [os.getpid(), *(child.pid for child in active_children())]
        for process in (here, *decoders):
            Path(f"/proc/{process}/clear_refs").write_text("5", encoding="ascii")
        begin = time.perf_counter()
        (found,) = predictor.predict([clip.source], best=1)
        row = {"film": clip.source, "seconds": time.perf_counter() - begin, "memory": peak(here)}
        row["decoder"] = max((peak(child.pid or 0) for child in active_children()), default=0.0)
        row["told"] = found.failure or found.windows[0].n_best[0].sentence
        rows.append(row)
        name, told = Path(clip.source).name, str(row["told"])
        told = f"{row['seconds']:6.2f} {row['memory']:6.0f} {row['decoder']:6.0f}  {told}"
        print(f"    {name[:24]:25}{told[:90]}")
    return rows


def peak(process: int) -> float:
    """Give the peak of a process's resident memory in MB; 0 if it is gone."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM:"))


def timed(call: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def knobs_of(data: Path) -> Knobs:
    """Read what the corpus was drawn from."""
    meta = data / "frames/synthsign/meta.json"
    if not meta.is_file():
        raise SystemExit(f"{meta} does not exist: run `dvc repro` first")
    return Knobs(**json.loads(meta.read_text(encoding="utf-8"))["made_from"]["synthsign"])


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Predict on films that nobody has seen.")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the artefacts")
    parser.add_argument("--clips", type=int, default=20, help="films of each person")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds; at least 3")
    parser.add_argument("--films", type=Path, help="folder of films for table 3")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    if options.rounds < 3 or options.clips < 1:
        parser.error("--rounds is at least 3, --clips at least 1")
    return options


def main() -> None:
    """Measure all tables."""
    options = arguments()
    bench = Bench(torch.device("cpu"), options.rounds, 1, has_bf16=False, clock=time.perf_counter)
    told, load = opening(bench)
    knobs = knobs_of(options.data)
    film.quiet()
    began = time.perf_counter()
    models = [options.data / kind / "synthsign" for kind in ("encoders", "translators")]
    with Predictor(*models, device="cpu") as predictor:
        print(f"models loaded in {time.perf_counter() - began:.1f} s")
        said = tell_sentences(predictor, knobs, options.clips)
        times = tell_latency(predictor, knobs, options.rounds)
        seen = films(predictor, options.films) if options.films else []
    closing(options.json, load=load, machine=told, sentences=said, latency=times, films=seen)


def tell_sentences(predictor: Predictor, knobs: Knobs, count: int) -> list[dict[str, Any]]:
    """Print table 1."""
    print("\n1. sentences       exact        BLEU-4")
    rows = [sentences(predictor, knobs, who, count) for who in SEEDS]
    for row in rows:
        exact = f"{row['exact']} of {row['clips']}"
        print(f"    {row['who']:15}{exact:12} {row['bleu4']:.1f}  ({row['profile']})")
    is_held = 100 * rows[0]["exact"] >= EXACT_GOAL * count and rows[0]["bleu4"] >= BLEU_GOAL
    print(f"goal {EXACT_GOAL:g} % and {BLEU_GOAL:g}: {'held' if is_held else 'MISSED'}")
    return rows


def tell_latency(predictor: Predictor, knobs: Knobs, rounds: int) -> dict[str, Any]:
    """Print table 2."""
    (scene,) = plan(knobs, "test signer", 1)
    with tempfile.TemporaryDirectory() as folder:
        scene = scene._replace(num_frames=FPS * SECONDS)
        film_clip(scene, root=Path(folder), size=knobs.size, noise=knobs.noise)
        times = latency(predictor, Path(folder) / scene.source, rounds)
    print(f"\n2. {SECONDS} s of film, ms, median of {rounds} rounds")
    print("    " + ", ".join(f"{name} {1000 * own:.0f}" for name, own in times["median"].items()))
    print(f"    the first call took {times['first']:.2f} s")
    verdict = "held" if times["ratio"] <= TIME_GOAL else "MISSED"
    print(f"predict takes {times['ratio']:.2f} x its parts; goal {TIME_GOAL:g} {verdict};", end=" ")
    print(f"the same code again: {times['same_code']:.2f}")
    return times


if __name__ == "__main__":
    main()
