"""Tokens and back, trimmed to the training sentences; nothing of dev or test is looked at."""

import json

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

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


def test_what_is_unknown_is_listed_most_frequent_first() -> None:
    tokenizer = language.build("corpus", 200, GERMAN)
    told = tokenizer.unknown(["y die x", "x frau", "ß"])
    assert told["unknown"] == 8  # no training word begins with a letter that is alone
    assert told["unknown_pieces"] == ["▁", "x", "y", "ß"]
    assert tokenizer.unknown([])["covered"] == 100.0


def test_saved_tokenizers_hold_what_they_always_held() -> None:
    corpus = language.build("corpus", 200, GERMAN)
    assert list(json.loads(corpus.dumps())) == ["backend", "kept"]
    assert corpus.original == json.loads(corpus.dumps())["kept"]


def test_a_tokenizer_that_was_cut_remembers_where_its_pieces_were(monkeypatch) -> None:
    backend = sentencepiece_like()
    tokenizer = language.cut(backend, ["die tür"])
    again = language.loads(tokenizer.dumps())
    names = ["▁", "d", "e", "i", "r", "t", "ü", "▁die"]
    assert sorted(backend.id_to_token(i) for i in again.original) == sorted(names)
    assert again.original == sorted(again.original)
    assert again.dumps() == tokenizer.dumps()
    for sentence in ("die tür", "tue es", "女 tür"):
        assert again.encode(sentence) == tokenizer.encode(sentence)


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


def parts(tokenizer: Tokenizer, sentence: str) -> list[str]:
    """The characters that each token of a sentence claims."""
    places = tokenizer.offsets(sentence)
    assert places is not None
    assert len(places) == len(tokenizer.encode(sentence))
    return [sentence[first:end] for first, end in places]


def test_tokens_are_located_in_their_sentence() -> None:
    words = language.build("corpus", 200, GERMAN)
    assert parts(words, GERMAN[1]) == ["morgen", "kauft", "der", "mann", "die", "tür", ""]
    assert words.offsets("die tür")[1:] == [(4, 7), (0, 0)]
    assert "".join(parts(words, "mann  türkauft die")) == "manntürkauftdie"


def test_a_mark_before_the_first_chinese_word_claims_none_of_it() -> None:
    tokenizer = language.build("corpus", 200, CHINESE)
    tokens = tokenizer.encode(CHINESE[0])
    assert tokenizer.pieces(tokens)[:3] == ["▁", "女", "人"]
    assert parts(tokenizer, CHINESE[0]) == ["", *CHINESE[0], ""]


def test_unknown_tokens_are_located_too() -> None:
    tokenizer = language.build("corpus", 200, GERMAN)
    assert UNKNOWN in tokenizer.encode("die ß tür")
    assert parts(tokenizer, "die ß tür")[-3:] == ["ß", "tür", ""]


def test_letters_that_are_composed_by_the_tokenizer_are_located() -> None:
    tokenizer = language.build("corpus", 200, GERMAN)
    assert parts(tokenizer, "die tu\u0308r") == ["die", "tu\u0308r", ""]


SPELT = ["die offene tür", "女人买门，在家。", "die größe"]


def sentencepiece_like() -> tokenizers.Tokenizer:
    """Normalises and marks spaces as MBart's and mT5's tokenizers do; knows letters alone."""
    letters = sorted({*"▁,", *"".join(SPELT).replace(" ", "")})
    pieces = [("<unk>", 0.0), *((letter, -1.0) for letter in letters), ("▁die", -1.0)]
    backend = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=0))
    backend.add_special_tokens(["<unk>"])
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return backend


def test_a_normalising_tokenizer_is_followed_or_gives_no_places(monkeypatch) -> None:
    monkeypatch.setattr(language, "_pretrained", lambda name: sentencepiece_like())
    tokenizer = language.build("some/model", 0, SPELT)
    assert parts(tokenizer, "die  tür") == ["die", "", "t", "ü", "r", ""]
    assert parts(tokenizer, "买门，在家。") == ["", *"买门，在家。", ""]
    assert "," in tokenizer.pieces(tokenizer.encode("买门，在家。"))
    assert parts(tokenizer, "die xyö tür")[1:4] == ["", "xy", "ö"]
    assert tokenizer.offsets("die o\N{LATIN SMALL LIGATURE FF}ene tür") is None
    assert tokenizer.offsets("die tu\u0308r") is None


def test_pieces_of_bytes_claim_the_character_they_belong_to(monkeypatch) -> None:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), vocab_size=256, show_progress=False
    )
    backend.train_from_iterator(GERMAN, trainer)
    monkeypatch.setattr(language, "_pretrained", lambda name: backend)
    tokenizer = language.build("some/model", 0, [*GERMAN, "tür 门"])
    assert parts(tokenizer, "tür") == ["", "t", "ü", "ü", "r", ""]
    assert parts(tokenizer, "门") == ["", "门", "门", "门", ""]


def test_a_tokenizer_that_is_not_at_hand_is_named(monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"tokenizer /nowhere is not at hand"):
        language.build("/nowhere", 0, GERMAN)
