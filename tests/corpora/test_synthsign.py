"""The embedded corpus: pure, language-like, distinct to the eye, and complete or absent."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import sacrebleu

from c2rl.corpora import synthsign
from c2rl.corpora.synthsign import film, plan, release
from c2rl.corpora.synthsign.draw import Image
from c2rl.corpora.synthsign.grammar import sentences
from c2rl.corpora.synthsign.lexicon import COMPOUNDS, MAXIMUM, MINIMUM, SIGNS, Sign, vocabulary
from c2rl.corpora.synthsign.motion import PLACES, SHAPES, moved
from c2rl.corpora.synthsign.wording import Clause, punctuated, spoken, word_spans

DEFAULT = plan.Knobs("tiny", "de", 0, 36, 8, 1.0, 1.0)
BY = {sign.gloss: sign for sign in SIGNS}
LANGUAGES = ("de", "en", "zh")
PHRASES = """
HEUTE heute today 今天, GESTERN gestern yesterday 昨天, MORGEN morgen tomorrow 明天,
ABEND abend tonight 今晚, JETZT jetzt now 现在, WINTER winter winter 冬天,
GARTEN garten garden 花园, SCHULE schule school 学校, ZUHAUSE hause home 家,
BAHNHOF bahnhof station 车站, DRAUSSEN draußen outside 外面, KUECHE küche kitchen 厨房,
FRAU frau woman 女人, MANN mann man 男人, KIND kind child 孩子, LEHRER lehrer teacher 老师,
FREUND freund friend 朋友, MUTTER mutter mother 妈妈, ARZT arzt doctor 医生,
NACHBAR nachbar neighbour 邻居"""
"""Signs whose words begin with something that is not signed, or are one word, and that word."""


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plan.SIZES, "nano", plan.Size((2, 1, 1), 80, 96, False))
        yield


@pytest.fixture(scope="module")
def nano(_small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthsign.make(tmp_path_factory.mktemp("nano"), size="nano", workers=1)


@pytest.fixture(scope="module")
def default() -> list[plan.Scene]:
    return plan.scenes(DEFAULT)


def _digest(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def _texts(scenes: list[plan.Scene], split: str) -> list[str]:
    return [scene.sentence.text for scene in scenes if scene.split == split]


def _say(
    language: str, said: dict[str, str], *, question: bool = False, negated: bool = False
) -> str:
    compounds = {"+".join(c.glosses): c for c in COMPOUNDS}
    names = ("time", "place", "person", "object", "adjective", "verb")
    slots = [said.get(name) for name in names]
    fillers = [None if x is None else compounds.get(x) or BY[x] for x in slots]
    clause = Clause(*fillers, negated, question)  # type: ignore[arg-type, call-arg]
    return punctuated([spoken(clause, language)], question, language)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    nano: Path, tmp_path: Path
) -> None:
    same = synthsign.make(tmp_path / "same", size="nano", workers=1)
    other = synthsign.make(tmp_path / "other", size="nano", seed=1, workers=1)
    assert _digest(same) == _digest(nano)
    assert not set(_digest(other).values()) & set(_digest(nano).values())


def test_what_memory_held_before_does_not_reach_the_film(tmp_path: Path) -> None:
    """x264 reads memory that it never set, unless it is told not to."""
    code = (
        "import sys; from pathlib import Path;"
        "from c2rl.corpora.synthsign import plan, release;"
        "scene = plan.scenes(plan.Knobs('tiny', 'de', 0, 28, 8, 1.0, 1.0))[0];"
        "release.film_clip(scene._replace(source=sys.argv[2]), root=Path(sys.argv[1]),"
        " size='tiny', noise=1.0)"
    )
    films = []
    for filler in ("0", "1"):
        environment = os.environ | {"MALLOC_PERTURB_": filler}  # glibc fills fresh memory with it
        call = [sys.executable, "-c", code, tmp_path, f"{filler}.mp4"]
        subprocess.run(call, env=environment, check=True)
        films.append((tmp_path / f"{filler}.mp4").read_bytes())
    assert films[0] == films[1]


def test_spawned_workers_give_the_same_bytes_as_none(tmp_path: Path) -> None:
    # The spawned processes do not see the size `nano`, so they are asked for single clips.
    scenes = plan.scenes(DEFAULT)[:3]
    for name, workers in (("one", 1), ("two", 2)):
        list(release._film_all(tmp_path / name, scenes, DEFAULT, workers))
    one, two = _digest(tmp_path / "one"), _digest(tmp_path / "two")
    assert len(one) == 3
    assert one == two


def test_the_default_has_distinct_sentences_and_none_in_two_splits(
    default: list[plan.Scene],
) -> None:
    texts = [scene.sentence.text for scene in default]
    assert [len(_texts(default, s)) for s in ("train", "dev", "test")] == [400, 64, 64]
    assert len(set(texts)) == 528
    assert len({scene.id for scene in default}) == 528


def test_no_signer_is_seen_in_two_splits(default: list[plan.Scene]) -> None:
    cast = {s: {x.signer.name for x in default if x.split == s} for s in ("train", "dev", "test")}
    assert {split: len(names) for split, names in cast.items()} == {"train": 6, "dev": 1, "test": 1}
    assert len(set.union(*cast.values())) == 8


def test_every_word_and_sign_of_test_is_in_train(default: list[plan.Scene]) -> None:
    words = {w for text in _texts(default, "train") for w in text.split()}
    assert {w for text in _texts(default, "test") for w in text.split()} <= words
    signs = {g for x in default if x.split == "train" for g in x.sentence.gloss}
    assert len(signs) == 36


def test_sentences_have_two_to_five_signs_and_about_three_and_a_half(
    default: list[plan.Scene],
) -> None:
    counts = [len(scene.sentence.gloss) for scene in default]
    assert (min(counts), max(counts)) == (2, 5)
    assert 3.2 < np.mean(counts) < 3.8


def test_any_two_signs_differ_in_two_parameters() -> None:
    for a, b in itertools.combinations(SIGNS, 2):
        differing = sum(x != y for x, y in zip(a.form, b.form, strict=True))
        assert differing >= 2, (a.gloss, b.gloss)


def test_the_smallest_vocabulary_has_every_category() -> None:
    assert MINIMUM == 28
    assert all(len(signs) >= 2 for signs in vocabulary(MINIMUM))
    assert len({sign.gloss for sign in SIGNS}) == MAXIMUM >= 36


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.gloss)
def test_every_movement_and_handshape_is_drawable(sign: Sign) -> None:
    assert moved(sign.form.movement, np.linspace(0, 1, 5), 1.0).shape == (5, 3)
    assert sign.form.handshape in SHAPES
    assert sign.form.location in PLACES


def test_shuffled_and_constant_sentences_score_low(default: list[plan.Scene]) -> None:
    test, rng = _texts(default, "test"), np.random.default_rng(0)
    scores: list[float] = []
    while len(scores) < 10:
        order = rng.permutation(64)
        if (order != np.arange(64)).all():
            scores.append(sacrebleu.corpus_bleu([test[i] for i in order], [test]).score)
    assert np.mean(scores) <= 5
    constants = _texts(default, "train")[::4]
    assert max(sacrebleu.corpus_bleu([text] * 64, [test]).score for text in constants) <= 6


def test_german_agrees_and_inverts() -> None:
    said = {"time": "GESTERN", "person": "FRAU", "object": "HAUS+TUER", "verb": "MITBRINGEN"}
    assert _say("de", said) == "gestern brachte die frau eine haustür mit"
    assert _say("de", said | {"adjective": "ROT"}, negated=True) == (
        "gestern brachte die frau keine rote haustür mit"
    )
    assert _say("de", said | {"place": "GARTEN"}, question=True) == (
        "brachte die frau gestern im garten eine haustür mit"
    )
    there = {"place": "SCHULE", "person": "KIND", "verb": "SEHEN"}
    assert _say("de", there | {"object": "APFEL", "adjective": "NEU"}) == (
        "in der schule sieht das kind einen neuen apfel"
    )
    alone = {"time": "HEUTE", "place": "ZUHAUSE", "person": "MANN", "verb": "ARBEITEN"}
    assert _say("de", alone, negated=True) == "heute arbeitet der mann nicht zu hause"


def test_english_and_chinese_have_their_own_order() -> None:
    said = {"time": "GESTERN", "place": "GARTEN", "person": "FRAU", "object": "APFEL"}
    bought = said | {"verb": "KAUFEN"}
    assert _say("en", bought) == "Yesterday the woman bought an apple in the garden."
    assert _say("en", bought, question=True) == (
        "Did the woman buy an apple in the garden yesterday?"
    )
    waits = {"person": "MANN", "verb": "WARTEN"}
    assert _say("en", waits, negated=True) == "The man does not wait."
    assert _say("zh", bought) == "昨天女人在花园买了苹果。"
    assert _say("zh", bought, negated=True) == "昨天女人没在花园买苹果。"
    assert _say("zh", bought, question=True) == "昨天女人在花园买了苹果吗？"


def _words(sign: Sign, language: str) -> set[str]:
    """All ways in which a sign alone is put into words, capitals aside."""
    phrases = {gloss: words for gloss, *words in map(str.split, PHRASES.split(","))}
    if sign.gloss in phrases:
        return {phrases[sign.gloss][LANGUAGES.index(language)]}
    forms: tuple[str, ...] = getattr(sign, language)
    if language == "de" and sign.category == "adjective":
        return {forms[0] + ending for ending in ("en", "e", "es")}
    is_verb = sign.category in ("transitive", "intransitive")
    return set(forms[: {"de": 2, "en": 3, "zh": 1}[language] if is_verb else 1])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reordering", [0.0, 1.0])
def test_every_sign_knows_its_words_in_the_sentence(language: str, reordering: float) -> None:
    compounds = {c.glosses: getattr(c, language)[0] for c in COMPOUNDS}
    met = set[str]()
    options = {"language": language, "vocabulary_size": MAXIMUM, "reordering": reordering}
    for said in sentences(clauses=[1, 2, 3] * 150, **options):  # type: ignore[arg-type]
        places = [words for words in said.words if words is not None]
        assert len(places) == len(said.gloss)
        said_words = [said.text[slice(*words)].lower() for words in places]
        pairs = zip(said.gloss, said.gloss[1:], strict=False)
        parts = dict[int, str]()
        for i, pair in enumerate(pairs):
            if pair in compounds:
                parts |= dict.fromkeys((i, i + 1), compounds[pair])
                assert places[i] == places[i + 1]
        for i, gloss in enumerate(said.gloss):
            assert said_words[i] in ({parts[i]} if i in parts else _words(BY[gloss], language))
        own = sorted(set(places))
        assert len(own) == len(places) - len(parts) // 2  # a word said twice has two places
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(own))
        met |= set(said.gloss)
    assert met == set(BY)


def test_articles_particles_and_auxiliaries_belong_to_no_sign() -> None:
    clause = Clause(
        BY["GESTERN"], BY["SCHULE"], BY["FRAU"], COMPOUNDS[0], BY["ROT"], BY["MITBRINGEN"],
        negated=True, question=False,
    )  # fmt: skip
    expected = {
        "de": {"keine", "mit", "die", "in", "der"},
        "en": {"did", "not", "a", "along", "the", "at"},
    }
    for language, unsigned in expected.items():
        said = spoken(clause, language)
        text = list(punctuated([said], False, language).rstrip("."))
        (spans,) = word_spans([said], language)
        assert set(spans) == {"time", "place", "person", "object", "adjective", "verb"}
        for span in spans.values():
            text[slice(*span)] = " " * (span[1] - span[0])
        assert set("".join(text).split()) == unsigned


def test_negation_and_questions_have_no_sign_but_a_mark(default: list[plan.Scene]) -> None:
    said = [scene.sentence for scene in default]
    assert all(any(s.negated) == ("nicht" in s.text or " kein" in s.text) for s in said)
    asked = [s for s in said if s.question]
    assert 0.1 < len(asked) / len(said) < 0.3
    assert 0.1 < sum(any(s.negated) for s in said) / len(said) < 0.3
    assert all(s.text.split()[0] in {v for x in SIGNS for v in x.de[:2]} for s in asked)


@pytest.mark.parametrize("language", ["de", "en", "zh"])
def test_signed_order_is_the_spoken_one_only_without_reordering(language: str) -> None:
    signed = sentences(clauses=[1] * 40, language=language, reordering=1.0)
    follows = sentences(clauses=[1] * 40, language=language, reordering=0.0)
    assert [s.text for s in signed] == [s.text for s in follows]
    assert sum(a.gloss != b.gloss for a, b in zip(signed, follows, strict=True)) > 20


def test_head_shakes_over_a_negation_and_tilts_over_a_question(default: list[plan.Scene]) -> None:
    for scene in default[:80]:
        poses = plan.shoot(scene, noise=1.0).motion
        assert (np.abs(poses.head[:, 0]).max() > 0.6) == any(scene.sentence.negated)
        assert (poses.head[:, 1].max() > 0.15) == scene.sentence.question


def test_spans_are_ordered_and_inside_the_clip(default: list[plan.Scene]) -> None:
    lengths = []
    for scene in default[::8]:
        poses = plan.shoot(scene, noise=1.0).motion
        lengths.append(len(poses.hands))
        edges = [edge for span in poses.spans for edge in span]
        assert len(poses.spans) == len(scene.sentence.gloss)
        assert edges == sorted(edges)
        assert all(first < end for first, end in poses.spans)
        assert edges[0] >= 0
        assert edges[-1] <= len(poses.hands)
    assert 50 <= np.mean(lengths) <= 75


def test_the_annotation_tells_what_the_video_holds(tmp_path: Path) -> None:
    synthsign.make(tmp_path, size="nano", language="en", workers=1)
    clips = synthsign.clips(tmp_path)
    lines = (tmp_path / "annotations.jsonl").read_text("utf-8").splitlines()
    assert [clip.split for clip in clips] == ["train", "train", "dev", "test"]
    for clip, line in zip(clips, lines, strict=True):
        path = tmp_path / clip.source
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            decoded = sum(1 for _ in container.decode(stream))
            assert stream.codec_context.name == "h264"
            assert stream.average_rate == 25
        assert decoded == stream.frames == json.loads(line)["num_frames"]
        assert b"elst" not in path.read_bytes()
        assert clip.gloss is not None
        assert clip.gloss_spans is not None
        assert clip.gloss_spans[-1][1] <= decoded
        assert clip.gloss_words is not None
        assert len(clip.gloss_words) == len(clip.gloss) == len(clip.gloss_spans)
        verb = clip.sentence[slice(*clip.gloss_words[-1])]  # type: ignore[misc]
        assert verb in BY[clip.gloss[-1]].en
        assert (clip.language, clip.group, clip.signer is None) == ("en", None, False)


def test_a_killed_run_goes_on_where_it_was(
    nano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = tmp_path / "torn"

    def die(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthsign.make(torn, size="nano", workers=1, report=die)
    with pytest.raises(FileNotFoundError, match="no complete SynthSign release"):
        synthsign.clips(torn)
    (torn / "videos" / "train" / ".torn.mp4.1.tmp").write_bytes(b"half")
    written: list[Path] = []
    write = film.write

    def watched(path: Path, images: Iterator[Image], *, width: int, height: int) -> None:
        written.append(path)
        write(path, images, width=width, height=height)

    monkeypatch.setattr(film, "write", watched)
    synthsign.make(torn, size="nano", workers=1)
    assert len(written) == 2
    assert _digest(torn) == _digest(nano)


def test_an_old_release_is_given_the_words_of_its_signs_and_keeps_its_videos(
    nano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    shutil.copytree(nano, old)
    path = old / "annotations.jsonl"
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for entry in entries:
        del entry["gloss_words"]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
    with pytest.raises(ValueError, match="has no gloss_words; an earlier version wrote it"):
        synthsign.clips(old)
    monkeypatch.delattr(film, "write")
    synthsign.make(old, size="nano", workers=1)
    assert _digest(old) == _digest(nano)


def test_a_folder_of_other_knobs_is_replaced_and_a_stranger_s_is_not(
    nano: Path, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    shutil.copytree(nano, ours)
    before = _digest(ours)
    synthsign.make(ours, size="nano", noise=0.0, workers=1)
    assert not set(before.values()) & set(_digest(ours).values())
    (theirs / "videos").mkdir(parents=True)
    with pytest.raises(ValueError, match="not SynthSign's"):
        synthsign.make(theirs, size="nano", workers=1)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"size": "huge"}, "synthsign.size 'huge' is unknown. Known: nano, tiny, small, paper"),
        ({"language": "fr"}, "synthsign.language 'fr' is unknown. Known: de, en, zh"),
        ({"vocabulary": 12}, "synthsign.vocabulary is 12, but the lexicon gives 28 to"),
        ({"vocabulary": 999}, "synthsign.vocabulary is 999, but"),
        ({"signers": 2}, "synthsign.signers is 2, but train, dev and test need one each"),
        ({"reordering": 1.5}, "synthsign.reordering is 1.5, but it is a probability"),
        ({"noise": -1.0}, "synthsign.noise is -1.0"),
        ({"seed": -1}, "synthsign.seed is -1"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_a_bad_knob_is_named_with_its_range(
    tmp_path: Path, knobs: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        synthsign.make(tmp_path / "out", **knobs)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_source_outside_the_folder_is_refused(nano: Path, tmp_path: Path) -> None:
    path = tmp_path / "annotations.jsonl"
    path.write_text((nano / path.name).read_text("utf-8").replace("videos/", "../videos/"), "utf-8")
    with pytest.raises(ValueError, match="outside its folder"):
        synthsign.clips(tmp_path)


def test_the_paper_size_has_phoenix_s_lengths() -> None:
    frames = plan.lengths(seed=0, count=8257)
    assert min(frames) >= 16
    assert max(frames) <= 475
    assert abs(np.median(frames) - 112) < 3
    assert abs(np.mean(frames) - 116.6) < 3


def test_a_wanted_length_is_met_exactly() -> None:
    scene = plan.scenes(DEFAULT)[0]
    for wanted in (16, 112, 475):
        poses = plan.shoot(scene._replace(num_frames=wanted), noise=1.0).motion
        assert len(poses.hands) == wanted
        assert all(first < end <= wanted for first, end in poses.spans)
