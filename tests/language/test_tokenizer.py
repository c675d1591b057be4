"""Tokens and back, trimmed to the training sentences; nothing of dev or test is looked at."""

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from c2rl.language import tokenizer as language
from c2rl.language.tokenizer import END, UNKNOWN, Tokenizer

GERMAN = ["heute kauft die frau ein haus", "morgen kauft der mann die tür", "die frau tanzt nicht"]
CHINESE = ["女人今天买房子。", "男人明天买门吗？"]


@pytest.mark.parametrize("sentences", [GERMAN, CHINESE], ids=["de", "zh"])
def test_a_training_sentence_survives(sentences: list[str]) -> None:
    tokenizer = language.build("corpus", 200, sentences)
    for sentence in sentences:
        tokens = tokenizer.encode(sentence)
        assert tokens[-1] == END
        assert UNKNOWN not in tokens
        assert tokenizer.decode(tokens) == sentence


def test_it_survives_saving() -> None:
    tokenizer = language.build("corpus", 200, GERMAN)
    again = language.loads(tokenizer.dumps())
    assert again.size == tokenizer.size
    assert again.encode(GERMAN[1]) == tokenizer.encode(GERMAN[1])


def test_it_is_the_same_every_time() -> None:
    first, second = (language.build("corpus", 200, GERMAN).dumps() for _ in range(2))
    assert first == second


def test_unknown_characters_are_counted() -> None:
    tokenizer = language.build("corpus", 200, GERMAN)
    assert UNKNOWN in tokenizer.encode("xyz")
    assert tokenizer.unknown(GERMAN)["covered"] == 100.0
    assert tokenizer.unknown(["xyz"])["unknown"] > 0


def test_a_pretrained_tokenizer_is_cut_to_the_training_pieces(tmp_path, monkeypatch) -> None:
    words = ["<unk>", "heute", "kauft", "die", "frau", "ein", "haus", "nie", "je", "n"]
    backend = tokenizers.Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.decoder = decoders.Fuse()
    monkeypatch.setattr(language, "_pretrained", lambda name: backend)
    tokenizer = language.build("some/model", 0, ["heute kauft die frau nie"])
    assert isinstance(tokenizer, Tokenizer)
    assert tokenizer.pieces(tokenizer.encode("heute je")) == ["heute", "<unk>", "</s>"]


def test_a_tokenizer_that_is_not_at_hand_is_named(monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"tokenizer /nowhere is not at hand"):
        language.build("/nowhere", 0, GERMAN)
