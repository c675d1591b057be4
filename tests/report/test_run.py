import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from c2rl import provenance
from c2rl.report import plot_data

HOSTILE = "</text><script>alert(1)</script> & regen"
CHINESE = "明天北方下雨。"


class Page(HTMLParser):
    """The tags of a page, and what must hold of every page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]


def test_the_page_needs_no_network(finished):
    page = Page(finished[1])
    for _, attributes in page.tags:
        for name in ("src", "href", "action", "data", "srcset", "poster", "xlink:href"):
            assert attributes.get(name, "#").startswith(("data:", "#"))
    assert not page.all("script", "link", "iframe", "object", "embed")
    assert not re.search(r"https?://|url\(|@import", finished[1])


def test_the_page_is_small(finished):
    assert len(finished[1].encode()) < 5_000_000


def test_every_picture_has_words(finished):
    page = Page(finished[1])
    images = page.all("img")
    assert len(images) == 7 + 6 + 3  # charts, strips; lengths, similarity and recall
    assert all(len(image["alt"]) > 20 for image in images)
    drawn = [own["aria-label"] for own in page.all("svg")]
    assert sum("Each token reads most: " in told for told in drawn) == 3
    assert sum("how often they were missing" in told for told in drawn) == 1


def test_headings_and_anchors_are_in_order(finished):
    page = Page(finished[1])
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.all("a")} <= set(ids)


def test_wide_things_scroll_by_themselves(finished):
    assert finished[1].count("<table>") == finished[1].count("<caption>")
    assert not re.search(r"(?<!>\n)<table", finished[1])


def test_two_runs_give_the_same_bytes(finished):
    run, first = finished
    assert run.report(out="again") == first
    folders = (run.root / "report", run.root / "again")
    first, again = (provenance.read_meta(f, "report", made_by="report") for f in folders)
    assert first == again
    assert (
        first.made_from["retriever"]
        == provenance.read_meta(run.root / "retriever", "retriever", made_by="retrieve").fingerprint
    )


def test_plots_are_written_for_dvc(finished):
    folder = finished[0].root / "report" / "plots"
    curves = {name: (folder / f"{name}.csv").read_text().splitlines() for name in plot_data.CURVES}
    assert curves["pretrain"][:2] == ["epoch,loss,contrastive,language", "1,9.0,5.0,4.0"]
    assert curves["pretrain_dev"] == ["epoch,dev_loss,dev_recall,dev_words", "3,4.0,50.0,20.0"]
    assert curves["translate"] == ["epoch,loss", "1,3.0", "2,2.0"]
    assert curves["translate_dev"] == ["epoch,dev_bleu4", "2,11.5"]
    assert curves["retrieve_dev"] == ["epoch,dev_r1", "1,20.0"]
    assert not any(",," in line or line.endswith(",") for own in curves.values() for line in own)
    recall = (folder / "recall.csv").read_text()
    assert recall.splitlines()[:2] == ["query,recall,low,high", "t2v R@ 1,25.0,5.0,45.0"]
    assert recall.splitlines()[2] == "t2v R@ 5,75.0,,"
    assert recall.splitlines()[-1] == "guess R@10,100.0,,"
    confusion = (folder / "confusion.csv").read_text().splitlines()
    assert confusion[0] == "actual,predicted"
    assert "regen,(left out)" in confusion


def test_signs_are_drawn_above_the_map(finished):
    page = finished[1]
    assert page.count(">REGEN</text>") == 3
    assert "The bars above a map are the true signs" in page


def test_without_gloss_and_signers_the_rest_is_there(make_run):
    page = make_run(gloss=False, signer=False).report()
    assert "Alignment map of test-8" in page
    assert "REGEN" not in page
    assert "true signs" not in page


def test_without_test_the_dev_split_is_shown(make_run):
    page = make_run(splits={"train": 4, "dev": 4}).report()
    assert "Clips of the dev split" in page
    assert "Alignment map of dev-3" in page


def test_without_held_out_clips_it_says_so(make_run):
    run = make_run(splits={"train": 5})
    page = run.report()
    assert "No held-out clip was translated." in page
    assert "No held-out clip was ranked." in page
    assert (run.root / "report/plots/recall.csv").read_text() == "query,recall,low,high\n"


def test_one_clip_and_no_metrics_suffice(make_run):
    run = make_run(splits={"train": 5, "test": 1})
    for file in (run.root / "metrics").iterdir():
        file.unlink()
    page = run.report(examples=1)
    assert 'class="number">–</dd>' in page
    assert "Best: test-0" in page


def test_sentences_of_any_script_are_shown_and_escaped(make_run):
    odd = {
        f"{split}-{i}": (HOSTILE, CHINESE)[i % 2] for split in ("train", "test") for i in range(4)
    }
    text = make_run(splits={"train": 4, "dev": 2, "test": 4}, sentences=odd).report()
    page = Page(text)
    assert not page.all("script")
    assert HOSTILE in page.words
    assert CHINESE in page.words
    assert re.search(r">\w*雨</text>", text)


def test_left_out_clips_are_named_with_their_reason(finished):
    assert "Clips left out: 1 decode_error" in finished[1]
    assert "moov atom not found" in finished[1]


def test_artefacts_of_two_runs_are_refused(make_run, tmp_path):
    run = make_run()
    config = run.root / "retriever" / "config.json"
    text = config.read_text()
    own = re.search(r'"encoder": "(\w+)"', text)[1]
    config.write_text(text.replace(own, own[::-1]))
    with pytest.raises(ValueError, match=r"retriever was made from encoder .*dvc repro retrieve"):
        run.report()
    assert not (tmp_path / "report").exists()


def test_an_absent_artefact_is_told(make_run):
    run = make_run()
    (run.root / "translator" / "meta.json").unlink()
    with pytest.raises(FileNotFoundError, match="dvc repro translate"):
        run.report()


def test_scores_stand_with_their_intervals_and_signatures(finished):
    page = finished[1]
    assert "95 % interval 9.5 to 14.5" in page  # 12.0 minus and plus 2.5
    assert "95 % interval 5.0 to 45.0" in page
    for signature in ("some|signature", "other|signature", "ranks|signature"):
        assert f"<code>{signature}</code>" in page
    assert "<td>13.50</td>" in page


def test_what_words_read_is_told_beside_what_blind_reading_gives(finished):
    assert "40.2 % from the frames of their own sign" in finished[1]
    assert "30.0 % would be reading all signed frames alike, 20.0 % all frames" in finished[1]


def test_kept_tables_are_shown(finished):
    page = finished[1]
    assert "<caption><span>Dataset table, seeds 0, 1, 2.</span></caption>" in page
    assert '31.3 ± 2.0<br><span class="note">n = 3, [26.19]</span>' in page
    assert "One row never ran." in page
    assert "No table was kept" not in page


@pytest.mark.parametrize("is_there", [True, False])
def test_without_kept_tables_the_commands_are_told(make_run, is_there):
    run = make_run(splits={"train": 4, "test": 3})
    (run.root / "suites" / "loss_weights.json").unlink()
    (run.root / "suites" / "README.md").write_text("How to keep one.")
    if not is_there:
        (run.root / "suites" / "README.md").unlink()
        (run.root / "suites").rmdir()
    page = run.report()
    assert "No table was kept." in page
    assert "python pipeline/suite.py show NAME --keep" in page
