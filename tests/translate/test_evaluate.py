"""`c2rl evaluate` on files of every kind, as a person types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from c2rl.cli.evaluate import evaluate as verb
from c2rl.translate.evaluate import Files, evaluate
from c2rl.translate.profiles import PROFILES

app = typer.Typer()
app.command()(verb)

SAID = ["der mann sieht einen hund", "die frau geht nach hause", "es regnet im norden stark"]
MEANT = ["der mann sieht den hund", "die frau geht nach hause", "es regnet im norden"]
IDS = ["a-1", "a-2", "b-1"]


@pytest.fixture
def write(tmp_path):
    def written(name: str, content: list) -> str:
        rows = [row if isinstance(row, str) else json.dumps(row) for row in content]
        (tmp_path / name).write_text("\n".join(rows) + "\n")
        return str(tmp_path / name)

    return written


@pytest.fixture
def lines(write) -> tuple[str, str]:
    return write("hyp.txt", SAID), write("ref.txt", MEANT)


def ran(*arguments: str) -> dict:
    done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_two_text_files_are_scored_by_line(lines) -> None:
    found = ran(*lines, "--language", "de", "--resamples", "0")
    assert list(found["scores"]) == ["phoenix.gfslt"]
    # 4/5 + 5/5 + 4/5 words
    assert found["scores"]["phoenix.gfslt"]["bleu1"] == round(100 * 13 / 15, 2)
    assert found["scores"]["phoenix.gfslt"]["n"] == 3
    assert found["watch"]["num_distinct"] == 3
    assert found["notes"] == []


def test_our_predictions_are_given_alone(write) -> None:
    rows = zip(IDS, SAID, MEANT, strict=True)
    path = write("p.jsonl", [{"id": i, "hypothesis": h, "reference": r} for i, h, r in rows])
    found = ran(path, "--profile", "phoenix.slrt", "--resamples", "0")
    assert found["references"] == path
    assert found["scores"]["phoenix.slrt"]["bleu1"] == round(100 * 16 / 18, 2)


def test_kinds_of_files_may_be_mixed_and_ids_decide(write, lines) -> None:
    ours = write("h.tsv", ["id\thyp", *(f"{i}\t{s}" for i, s in zip(IDS, SAID, strict=True))])
    rows = list(zip(IDS, MEANT, strict=True))[::-1]
    theirs = write("r.txt", [f"sample: {i}.mp4, ground-truth: {s}" for i, s in rows])
    found = ran(ours, theirs, "--language", "de", "--resamples", "0")
    by_line = ran(*lines, "--language", "de", "--resamples", "0")
    keys = [f"bleu{n}" for n in range(1, 5)]
    assert [found["scores"]["phoenix.gfslt"][k] for k in keys] == [
        by_line["scores"]["phoenix.gfslt"][k] for k in keys
    ]
    assert found["notes"] == [
        f"{theirs}: 'sample: ..., prediction: ...' labels were taken off 3 lines"
    ]


def test_all_profiles_are_those_that_fit(lines) -> None:
    found = ran(*lines, "--profile", "en.glofe", "--all-profiles", "--resamples", "0")
    words = [name for name, own in PROFILES.items() if not own.characters]
    assert list(found["scores"]) == ["en.glofe", *(n for n in words if n != "en.glofe")]


def test_chinese_is_known_by_its_script(write) -> None:
    ours, theirs = write("h.txt", ["他今年四岁?"]), write("r.txt", ["他今年四岁？"])
    found = ran(ours, theirs, "--all-profiles", "--resamples", "0")
    assert list(found["scores"]) == ["csl.char", "csl.mmtlb", "csl.unisign"]
    assert found["scores"]["csl.char"]["bleu4"] == 100.0


def test_the_data_sets_strings_are_scored_against_and_differences_told(write) -> None:
    ours = write("h.txt", [f"{i}|{s}" for i, s in zip(IDS, SAID, strict=True)])
    worn = write(
        "r.txt", ["a-1|der mann den hund", "a-2|die  frau geht nach hause", f"b-1|{MEANT[2]}"]
    )
    rows = zip([*IDS, "c"], [*MEANT, "x"], ["dev", "dev", "dev", "test"], strict=True)
    dataset = write("m.jsonl", [{"id": i, "sentence": s, "split": p} for i, s, p in rows])
    found = ran(ours, worn, "--language", "de", "--dataset-refs", dataset, "--resamples", "0")
    assert found["references"] == dataset
    assert found["scores"]["phoenix.gfslt"]["bleu1"] == round(100 * 13 / 15, 2)
    assert found["scores_of_file"]["phoenix.gfslt"]["bleu1"] == round(100 * 12 / 15, 2)
    assert found["differences"]["counts"] == {"spacing": 1, "nfkc": 0, "case": 0, "text": 1}
    assert found["differences"]["examples"][0] == {
        "id": "a-1",
        "kind": "text",
        "found": "der mann den hund",
        "expected": MEANT[0],
    }
    assert not any("no hypothesis" in note for note in found["notes"])
    told = (
        CliRunner().invoke(app, [ours, worn, "--language", "de", "--dataset-refs", dataset]).stdout
    )
    assert "2 of 3 references differ from the data set's: 1 in spacing, 1 in text" in told
    assert "  a-1 (text): 'der mann den hund', data set 'der mann sieht den hund'" in told


def test_the_data_set_alone_is_enough(write) -> None:
    ours = write("h.txt", [f"{i}|{s}" for i, s in zip(IDS[:2], SAID[:2], strict=True)])
    dataset = write("d.csv", ["name|translation", *map("|".join, zip(IDS, MEANT, strict=True))])
    found = ran(ours, "--language", "de", "--dataset-refs", dataset, "--resamples", "0")
    assert found["scores_of_file"] == {}
    assert found["scores"]["phoenix.gfslt"]["n"] == 2
    assert (
        f"1 of 3 clips of {dataset} have no hypothesis (b-1): the score is of the others"
        in (found["notes"])
    )


def test_another_system_is_tested_against(lines, write) -> None:
    other = write("other.txt", ["x"] * 3)
    found = ran(*lines, "--language", "de", "--against", other, "--resamples", "99")
    assert found["against"]["file"] == other
    assert (found["against"]["other"], found["against"]["bleu4"]) == (
        0.0,
        found["scores"]["phoenix.gfslt"]["bleu4"],
    )
    assert 0 < found["against"]["p_value"] <= 1
    assert ran(*lines, "--language", "de", "--against", lines[0])["against"]["p_value"] == 1.0


def test_a_person_reads_a_table_warnings_and_signatures(lines, write) -> None:
    training = write("t.txt", ["guten abend", *MEANT[:2]])
    same = write("same.txt", [MEANT[1]] * 3)
    done = CliRunner().invoke(app, [same, lines[1], "--language", "de", "--training", training])
    text = done.stdout.splitlines()
    assert text[0] == f"{same}: 3 clips against {lines[1]}"
    heads = " ".join(text[1].split())
    assert heads == "profile BLEU-1 BLEU-2 BLEU-3 BLEU-4 +-95% ROUGE-L chrF2 chrF++"
    assert text[2].startswith("phoenix.gfslt ")
    assert "1 distinct hypotheses (33.3 %; references 100.0 %)" in done.stdout
    assert "copied 100.0 % (references 66.7 %)" in done.stdout
    assert text[-1].startswith("phoenix.gfslt|tok:none|")
    assert "warning: only 1 distinct hypotheses for 3 clips" in done.stderr


def test_reduced_bleu_is_shown_where_its_words_are_given(lines, write) -> None:
    words = write("words.txt", ["der", "die"])
    options = ("--profile", "en.tarres", "--frequent-words", words)
    assert ran(*lines, *options)["scores"]["en.tarres"]["rbleu"] > 0
    assert "rBLEU" in CliRunner().invoke(app, [*lines, *options]).stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "script is that of many languages. Give --language"),
        ({"language": "german"}, "'german' is no ISO 639-1 code"),
        ({"language": "zh"}, "said to be 'zh'"),
        ({"profile": "bleu"}, "'bleu' is unknown. Known: phoenix.gfslt"),
        ({"profile": "csl.char"}, "counts characters"),
        ({"language": "de", "bleurt": Path("none")}, "BLEURT is not installed|none is no folder"),
    ],
)
def test_what_cannot_be_chosen_is_told(lines, options, message) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        evaluate(Files(*map(Path, lines)), **options)


def test_what_does_not_go_together_is_told(lines, write) -> None:
    ours, theirs = map(Path, lines)
    short = Path(write("short.txt", MEANT[:2]))
    with pytest.raises(ValueError, match=r"holds no references. Give a file of them"):
        evaluate(Files(ours), language="de")
    with pytest.raises(ValueError, match=r"3 lines, but .* has 2"):
        evaluate(Files(ours, short), language="de")
    with pytest.raises(ValueError, match=r"2 lines, but .* has 3"):
        evaluate(Files(ours, theirs, against=short), language="de")


def test_an_empty_hypothesis_counts_and_an_empty_reference_does_not(write, lines) -> None:
    blank = write("blank.txt", [SAID[0], "", SAID[2]])
    found = ran(blank, lines[1], "--language", "de", "--resamples", "0")
    assert found["scores"]["phoenix.gfslt"]["n"] == 3
    assert found["watch"]["warnings"] == ["33.3 % of the hypotheses are empty"]
    with pytest.raises(ValueError, match=r"1 of 3 references are empty \(line 2\)"):
        evaluate(Files(Path(lines[0]), Path(blank)), language="de")


def test_scoring_needs_no_torch() -> None:
    code = (
        "import sys; import c2rl.translate.evaluate;"
        "print([m for m in ('torch', 'transformers', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_verb_itself_imports_nothing_heavy_and_names_every_profile() -> None:
    code = (
        "import sys; import c2rl.cli.evaluate;"
        "print([m for m in ('torch', 'sacrebleu', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    source = Path(sys.modules[verb.__module__].__file__).read_text()
    assert all(name in source for name in PROFILES)
