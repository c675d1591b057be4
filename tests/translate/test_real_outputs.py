"""Published outputs, which are not in the repository: set C2RL_REALDATA to their folder.

The expected figures are those that the projects published, or that were measured with their own
scorers on the same files.
"""

import os
from pathlib import Path

import pytest

from c2rl.corpora import labels
from c2rl.translate import outputs, rouge, score
from c2rl.translate.evaluate import Files, evaluate
from c2rl.translate.profiles import treat

ROOT = Path(os.environ.get("C2RL_REALDATA", "absent"))
UNISIGN = ROOT / "outputs/ZechengLi19+Uni-Sign/out"
WMT = ROOT / "outputs/WMT-SLT+wmt-slt22/automatic_evaluation"
ANNOTATIONS = ROOT / "annotations/ZechengLi19+Uni-Sign/data"
SYSTEMS = sorted(path.name for path in (WMT / "txt").glob("*.txt") if "REFERENCE" not in path.name)

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="C2RL_REALDATA is not set")


def unisign(name: str) -> outputs.Pairs:
    folder, split = name.split("/")
    ours, theirs = (
        outputs.read(UNISIGN / f"eval_{folder}_pose_only" / f"{split}_tmp_{side}.txt", role)
        for side, role in (("pres", "hypothesis"), ("refs", "reference"))
    )
    return outputs.pair(ours, theirs)


@pytest.mark.parametrize(
    ("name", "profile", "clips", "expected"),
    [
        ("how2sign/test", "en.sacre13a", 2349, (39.38, 26.44, 19.22, 14.50, 32.01)),
        ("how2sign/test", "en.tarres", 2349, (39.38, 26.44, 19.22, 14.50, 32.01)),
        ("how2sign/test", "en.glofe", 2349, (35.33, None, None, 13.51, 36.23)),
        ("csl_daily/dev", "csl.char", 1077, (None, None, None, 25.27, None)),
        ("csl_daily/test", "csl.char", 1176, (None, None, None, 25.70, None)),
        ("csl_daily/dev", "csl.unisign", 1077, (None, None, None, 25.27, None)),
        ("csl_daily/test", "csl.unisign", 1176, (None, None, None, 25.70, None)),
    ],
)
def test_unisigns_outputs_score_what_was_published(name, profile, clips, expected) -> None:
    found = score.score(*unisign(name), profile)
    assert found["n"] == clips
    keys = ("bleu1", "bleu2", "bleu3", "bleu4", "rouge_l")
    assert all(found[k] == v for k, v in zip(keys, expected, strict=True) if v is not None)


@pytest.mark.parametrize(
    ("name", "lower", "coco", "tf", "package"),
    [
        ("how2sign/test", False, 32.01, 31.01, 34.51),
        ("how2sign/test", True, 33.45, 32.34, 36.23),
        ("csl_daily/test", False, 53.29, None, None),
    ],
)
def test_each_rouge_gives_its_projects_figure(name, lower, coco, tf, package) -> None:
    ours, theirs = unisign(name)
    pairs = [(ours[id_], theirs[id_]) for id_ in ours]
    if lower:
        pairs = [(h.lower(), r.lower()) for h, r in pairs]
    split = [(h.split(), r.split()) for h, r in pairs]

    def mean(values) -> float:
        return round(sum(values) / len(pairs), 2)

    assert mean(rouge.rouge_l(*pair) for pair in split) == coco
    if tf is not None:
        assert mean(rouge.rouge_l_tf(*pair) for pair in split) == tf
        assert mean(rouge.rouge_l_pypi(*pair) for pair in pairs) == package


def test_the_release_has_full_width_marks_that_only_nfkc_meets() -> None:
    ours, theirs = unisign("csl_daily/test")
    found = labels.read(ANNOTATIONS / "CSL_Daily/labels.test", "unisign")
    strings = {label.name: label.sentence for label in found}
    raw = score.score(ours, strings, "csl.mmtlb")
    assert raw["bleu4"] == 22.59
    assert score.score(ours, strings, "csl.char")["bleu4"] == 25.70
    assert score.score(ours, strings, "csl.unisign")["bleu4"] == 25.70
    kinds = {one.kind for one in outputs.differences(theirs, strings)}
    assert kinds == {"spacing", "nfkc"}
    coco = [
        rouge.rouge_l(
            treat(ours[id_], "csl.mmtlb", is_reference=False).split(),
            treat(strings[id_], "csl.mmtlb", is_reference=True).split(),
        )
        for id_ in ours
    ]
    assert round(sum(coco) / len(coco), 2) == 50.69


def test_references_of_another_edition_are_found_and_both_numbers_shown() -> None:
    folder = UNISIGN / "eval_csl_daily_pose_only"
    found = evaluate(
        Files(
            folder / "test_tmp_pres.txt",
            folder / "test_tmp_refs.txt",
            dataset=ROOT / "derived/csl_daily.video_map.dev+test.txt",
        ),
        resamples=0,
    )
    assert list(found.scores) == ["csl.char"]
    assert found.scores_of_file["csl.char"]["bleu4"] == 25.70
    assert found.scores["csl.char"]["bleu4"] == 26.00
    assert sum(one.kind == "text" for one in found.differences) == 49
    assert found.watch.warnings == ()


@pytest.mark.parametrize("name", SYSTEMS)
def test_shared_task_systems_score_the_official_figures(name) -> None:
    """Official BLEU is the mean of 1000 resamples with sacrebleu's seed, so ours is equal to it.

    Official chrF is such a mean too, of up to 0.54 around it; ours is of the whole, 0.01 beside it.
    """
    ours, theirs = (
        outputs.read(WMT / "txt" / file, role)
        for file, role in (
            (name, "hypothesis"),
            ("slttest2022.dsgs-de.dsgs-de.REFERENCE.txt", "reference"),
        )
    )
    found = score.score(*outputs.pair(ours, theirs), "en.sacre13a", resamples=1000)
    system = name.removeprefix("slttest2022.dsgs-de.dsgs-de.").removesuffix(".txt")
    bleu, plus = official("automatic.csv", system)
    assert (found["bleu4_mean"], found["bleu4_ci"]) == bleu
    assert found["chrf_pp"] == pytest.approx(plus[0], abs=0.0101)
    assert found["chrf"] == pytest.approx(official("automaticCHRF.csv", system)[1][0], abs=0.0101)


def official(file: str, system: str) -> tuple[tuple[float, float], tuple[float, float]]:
    for line in (WMT / "scores" / file).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if cells[0] == system:
            bleu, chrf = (tuple(map(float, cells[n].split(" ± "))) for n in (1, 4))
            return bleu, chrf
    raise AssertionError(f"{system} is not in {file}")
