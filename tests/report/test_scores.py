from c2rl.report import plots, scores

PREDICTIONS = [
    {"reference": "Es regnet", "hypothesis": "es regnet"},
    {"reference": "es  regnet", "hypothesis": "es regnet"},
    {"reference": "es schneit", "hypothesis": ""},
    {"reference": "die sonne scheint", "hypothesis": "es regnet"},
]


def test_the_watch_compares_with_the_references():
    own = {"distinct": 50.0, "commonest": 75.0, "length_ratio": 0.6, "empty": 25.0, "copied": 75.0}
    table = scores.watch(own, PREDICTIONS, ["ES REGNET", "es hagelt"])
    numbers = {row[0].split(",")[0]: row[2:] for row in table.rows}
    assert numbers == {
        "Distinct sentences": ["50.00", "75.00"],
        "Commonest sentence": ["75.00", "50.00"],
        "Length": ["0.60", "1.00"],
        "Empty": ["25.00", "0.00"],
        "Copies of training sentences": ["75.00", "50.00"],
    }


def test_without_a_watch_in_the_metrics_nothing_is_shown():
    assert scores.watch({"bleu4": 1.0}, PREDICTIONS, []) is None
    assert scores.watch({"distinct": 1.0}, [], []) is None


def test_both_protocols_stand_side_by_side():
    grouped = {"r1": 50.0, "r1_low": 25.0, "r1_high": 75.0, "mrr": 60.5, "ties": 1, "n": 8}
    paired = {"r1": 30.0, "n": 10}
    metrics = {"test": {
        "grouped": {"t2v": grouped, "pool": 8, "chance": 12.5},
        "paired": {"t2v": paired, "pool": 10, "chance": 10.0},
    }}  # fmt: skip
    first, second = scores.retrieval(metrics, "test")
    rows = {row[0]: row[1:] for row in first.rows}
    assert first.caption == "Text to video, test split"
    assert rows["R@1"] == ["50.00", "25.0 to 75.0", "30.00", "–"]
    assert rows["MRR"] == ["60.50", "–", "–", "–"]
    assert rows["Tied queries"] == ["1", "", "–", ""]
    assert rows["Pool"] == ["8", "", "10", ""]
    assert rows["R@1, guessing"] == ["12.50", "", "10.00", ""]
    assert {tuple(row[1:]) for row in second.rows[:6]} == {("–",) * 4}


def test_an_interval_stays_within_the_scale():
    headlines = scores.headlines(
        {"test": {"bleu4": 1.0, "bleu4_mean": 1.5, "bleu4_ci": 2.0}}, {}, "test"
    )
    assert [own.interval for own in headlines] == ["0.0 to 3.5", "", "", ""]


def test_lengths_are_told_in_words():
    picture = plots.lengths([(3, 3), (4, 2), (5, 4), (2, 5)])
    assert picture.alt.startswith("Scatter plot of words: 2 of 4 translations are shorter")
    assert "1 are longer. On average 3.5 words for 3.5." in picture.alt
    assert plots.lengths([]) is None
