"""Words of a sentence, their moments, and scripts."""

import pytest
import torch

from c2rl.app import words
from c2rl.app.words import Stretch
from c2rl.language import tokenizer as language

GERMAN = language.build("corpus", 60, ["regen im norden", "regenbogen"])
CHINESE = language.build("corpus", 60, ["明天 下雨", "今天"])


@pytest.mark.parametrize("sentence", ["regen im norden", "regenbogen, im norden!"])
def test_tokens_are_put_together_to_words(sentence) -> None:
    found = words.group(GERMAN, sentence)
    assert "".join(name for name, _ in found) == sentence.replace(" ", "")
    letters = [name for name, _ in found if name.isalnum()]
    assert letters == [w.strip(",!") for w in sentence.split()]
    tokens = [place for _, own in found for place in own]
    assert len(set(tokens)) == len(tokens) < len(GERMAN.encode(sentence))


def test_each_token_of_chinese_is_a_word() -> None:
    found = words.group(CHINESE, "今天下雨")
    assert "".join(name for name, _ in found) == "今天下雨"
    assert len(found) > 1


def test_the_moment_of_a_word_by_hand() -> None:
    # four steps of a clip at 10 to 18 s; the word's token is step 2 itself, and step 3 half
    signs = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    text = torch.tensor([[0.0, 0, 1], [0, 1, 0]])
    found = words.align(
        signs, text, [("regen", [0]), ("norden", [1]), ("!", [1])], Stretch(10, 8), sharpness=0.1
    )
    assert [word.text for word in found] == ["regen", "norden"]
    regen, norden = found
    assert (regen.start_s, regen.end_s, regen.at_s, regen.share) == (14, 18, 15, 0.625)
    assert (norden.start_s, norden.end_s, norden.at_s, norden.share) == (12, 14, 13, 0.375)
    assert regen.weight == pytest.approx(1, abs=1e-3)


def test_without_a_length_there_are_shares_and_no_seconds() -> None:
    found = words.align(
        torch.eye(2), torch.eye(2)[:1], [("a", [0])], Stretch(0, None), sharpness=0.1
    )
    assert (found[0].share, found[0].at_s, found[0].start_s) == (0.25, None, None)


def test_scripts_of_a_query() -> None:
    assert words.warnings(GERMAN, "regen im norden") == []
    assert "CJK" in words.warnings(GERMAN, "明天 regen 下雨明天下雨")[0]
    assert words.warnings(CHINESE, "明天下雨") == []
    assert "Latin" in words.warnings(CHINESE, "regen")[0]
    assert "knows" in words.warnings(GERMAN, "xyzzy qqq")[0]
