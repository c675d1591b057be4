"""Alignment of words with signs: arithmetic by hand, and what is left out."""

import math

import pytest
import torch
from torch import Tensor

from c2rl.corpora.clip import Clip
from c2rl.corpora.synthsign import plan
from c2rl.language import tokenizer as language
from c2rl.language.tokenizer import Tokenizer
from c2rl.pretrain.alignment import Alignment, Tally, alignment_score, tally
from c2rl.store.manifest import Row

SENTENCES = ["das haus brennt", "rot", "haustür"]
SAMPLING = {"keep": 0.5, "target_fps": None, "cap": None}
FRAMES = torch.eye(4)
"""Native frames 0, 2, 4 and 6 of eight: four that have nothing in common."""
FIRST, LAST = FRAMES[:2].mean(0), FRAMES[2:].mean(0)
ANY = torch.tensor([0.1, -0.2, 0.9, 0.3])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    found = language.build("corpus", 200, SENTENCES)
    assert found.pieces(found.encode(SENTENCES[0])) == ["▁das", "▁haus", "▁brennt", "</s>"]
    return found


def clip(**truth: object) -> Row:
    """Eight frames of "das haus brennt"; HAUS is signed in the first half, BRENNEN in the last."""
    told = {
        "gloss": ("HAUS", "BRENNEN"),
        "gloss_spans": ((0, 4), (4, 8)),
        "gloss_words": ((4, 8), (9, 15)),
    } | truth
    return Row(Clip("a", "dev", SENTENCES[0], "de", "a.mp4", **told), "ok", "", 8, 25.0)  # type: ignore[arg-type]


def score(
    row: Row, tokens: list[Tensor], tokenizer: Tokenizer, sharpness: float = 0.01, **changes: object
) -> Tally:
    options = {**SAMPLING, **changes}
    return tally(row, FRAMES, torch.stack(tokens), tokenizer, sharpness=sharpness, **options)  # type: ignore[arg-type]


def test_words_that_are_their_signs_read_them_alone(tokenizer: Tokenizer) -> None:
    found = score(clip(), [ANY, FIRST, LAST, ANY], tokenizer)
    assert found == Tally(
        mass=pytest.approx(2.0), chance=pytest.approx(1.0), signing=pytest.approx(1.0), signs=2
    )
    assert alignment_score([found]) == Alignment(
        pytest.approx(100), pytest.approx(50), pytest.approx(50), 2, 0, 0
    )


def test_words_in_the_wrong_order_read_nothing_of_their_signs(tokenizer: Tokenizer) -> None:
    found = score(clip(), [ANY, LAST, FIRST, ANY], tokenizer)
    assert found.mass == pytest.approx(0, abs=1e-6)
    assert found.chance == pytest.approx(1.0)


def test_words_that_are_all_alike_give_chance(tokenizer: Tokenizer) -> None:
    row = clip(gloss_spans=((0, 1), (2, 8)))  # one and three of the four kept frames
    options = {"sharpness": 0.07, **SAMPLING}
    alike = tally(row, torch.ones(4, 3), torch.ones(4, 3), tokenizer, **options)  # type: ignore[arg-type]
    assert alike == Tally(
        mass=pytest.approx(1.0),
        chance=pytest.approx(0.25 + 0.75),
        signing=pytest.approx(0.25 + 0.75),
        signs=2,
    )


def test_the_share_is_clcl_s_inner_softmax(tokenizer: Tokenizer) -> None:
    # The cosine of a word with each of its two frames is 1 / sqrt(2), with the other two it is 0.
    inside = 2 * math.exp(math.sqrt(0.5) / 0.5)
    found = score(clip(), [ANY, FIRST, LAST, ANY], tokenizer, sharpness=0.5)
    assert found.mass == pytest.approx(2 * inside / (inside + 2))


def test_a_token_outside_all_words_is_not_asked(tokenizer: Tokenizer) -> None:
    tokens = [ANY, FIRST, LAST, ANY]
    expected = score(clip(), tokens, tokenizer)
    assert score(clip(), [FIRST, *tokens[1:3], -LAST], tokenizer) == expected
    assert score(clip(), [ANY, LAST, LAST, ANY], tokenizer) != expected


def test_chinese_words_that_adjoin_have_their_own_tokens() -> None:
    characters = language.build("corpus", 200, ["门开了"])
    assert characters.pieces(characters.encode("门开了")) == ["▁", "门", "开", "了", "</s>"]
    row = clip(gloss=("TUER", "OEFFNEN"), gloss_words=((0, 1), (1, 2)))
    row = row._replace(clip=row.clip._replace(sentence="门开了"))
    found = score(row, [LAST, FIRST, LAST, FIRST, ANY], characters)
    assert found == Tally(
        mass=pytest.approx(2.0), chance=pytest.approx(1.0), signing=pytest.approx(1.0), signs=2
    )


def test_a_sign_counts_once_however_its_word_is_split() -> None:
    letters = language.build("corpus", 5, SENTENCES)  # learns next to nothing
    row = clip(gloss_words=((4, 8), None), gloss_spans=((0, 4), (4, 8)))
    assert len(letters.encode("haus")) == 6  # a mark, four letters, the end
    tokens = [ANY] * len(letters.encode(SENTENCES[0]))
    start = len(letters.encode("das"))  # a mark and "das", and the mark of "haus" for its end
    tokens[start : start + 4] = [FIRST, FIRST, FIRST, LAST]
    found = score(row, tokens, letters)
    assert found == Tally(
        mass=pytest.approx(0.75), chance=pytest.approx(0.5), signing=pytest.approx(0.5), signs=1
    )


def test_a_compound_is_shared_by_its_two_signs(tokenizer: Tokenizer) -> None:
    row = clip(gloss=("HAUS", "TUER"), gloss_words=((0, 7), (0, 7)))
    row = row._replace(clip=row.clip._replace(sentence=SENTENCES[2]))
    word = FRAMES[0] + FRAMES[3]  # reads one frame of each sign
    found = tally(row, FRAMES, torch.stack([word, ANY]), tokenizer, sharpness=0.01, **SAMPLING)  # type: ignore[arg-type]
    assert found == Tally(
        mass=pytest.approx(1.0), chance=pytest.approx(1.0), signing=pytest.approx(1.0), signs=2
    )
    found = tally(row, FRAMES, torch.stack([FIRST, ANY]), tokenizer, sharpness=0.01, **SAMPLING)  # type: ignore[arg-type]
    assert found.mass == pytest.approx(1.0)  # all of HAUS, nothing of TUER


def test_frames_between_signs_are_told_apart_from_frames_of_other_signs(
    tokenizer: Tokenizer,
) -> None:
    row = clip(gloss_spans=((0, 1), (6, 8)))  # frame 0 and frame 6; 2 and 4 lie between
    found = score(row, [ANY, FRAMES[0], FRAMES[3], ANY], tokenizer)
    expected = {"mass": 2.0, "chance": 0.25 + 0.25, "signing": 0.5 + 0.5}
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected)


def test_a_sign_without_kept_frame_is_left_out_and_counted(tokenizer: Tokenizer) -> None:
    row = clip(gloss_spans=((1, 2), (2, 8)))
    found = score(row, [ANY, FIRST, LAST, ANY], tokenizer)
    assert found == Tally(
        mass=pytest.approx(1.0),
        chance=pytest.approx(0.75),
        signing=pytest.approx(1.0),
        signs=1,
        unseen=1,
    )


@pytest.mark.parametrize(
    "changes",
    [{"keep": 1.0, "target_fps": 12.5}, {"keep": 1.0, "cap": 4}],
    ids=["target_fps", "cap"],
)
def test_frames_are_those_of_inference(changes: dict[str, object], tokenizer: Tokenizer) -> None:
    row, tokens = clip(gloss_spans=((0, 1), (2, 8))), [ANY, FRAMES[0], FRAMES[3], ANY]
    assert score(row, tokens, tokenizer, **changes) == score(row, tokens, tokenizer)
    with pytest.raises(ValueError, match=r"clip a came with 4 frames and 4 tokens, but .* 8 and 4"):
        score(row, tokens, tokenizer, keep=1.0)


def test_padding_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"4 frames and 5 tokens, but .* 4 and 4"):
        score(clip(), [ANY, FIRST, LAST, ANY, ANY], tokenizer)


@pytest.mark.parametrize("absent", [{"gloss_words": None}, {"gloss_spans": None}], ids=str)
def test_a_clip_without_truth_is_skipped(absent: dict[str, None], tokenizer: Tokenizer) -> None:
    nothing = score(clip(**absent), [ANY, FIRST, LAST, ANY], tokenizer)
    assert nothing == Tally()
    assert alignment_score([nothing, nothing]) is None
    assert alignment_score([]) is None


def test_a_clip_whose_tokens_are_not_located_is_skipped_and_counted(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [ANY, FIRST, LAST, ANY]
    found = score(clip(), tokens, tokenizer)
    monkeypatch.setattr(Tokenizer, "offsets", lambda self, sentence: None)
    lost = score(clip(), tokens, tokenizer)
    assert lost == Tally(unlocated=1)
    assert alignment_score([lost, found]) == Alignment(
        pytest.approx(100), pytest.approx(50), pytest.approx(50), 2, 0, 1
    )


def test_the_average_is_over_signs_not_clips() -> None:
    found = alignment_score(
        [Tally(1.0, 0.5, 1, signing=0.6), Tally(0.0, 0.9, 3, 2, signing=1.0), Tally(unlocated=1)]
    )
    assert found == Alignment(pytest.approx(25), pytest.approx(35), pytest.approx(40), 4, 2, 1)


@pytest.mark.parametrize("spoken", ["de", "en", "zh"])
def test_the_tokens_of_each_sign_of_synthsign_spell_its_words(spoken: str) -> None:
    scenes = plan.scenes(plan.Knobs("tiny", spoken, 0, 36, 8, 1.0, 1.0))
    sentences = [scene.sentence.text for scene in scenes if scene.split == "train"]
    tokenizer = language.build("corpus", 120, sentences)  # few pieces, so that words are split
    for scene in scenes[::4]:
        text = scene.sentence.text
        tokens, places = tokenizer.encode(text), tokenizer.offsets(text)
        assert places is not None
        for words in scene.sentence.words:
            assert words is not None
            own = [
                token
                for token, (first, end) in zip(tokens, places, strict=True)
                if first < words[1] and words[0] < end
            ]
            assert tokenizer.decode(own) == text[slice(*words)]
