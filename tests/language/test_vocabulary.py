"""Tokenizers of the hub's formats split as SentencePiece does, whole and cut."""

import json
from pathlib import Path

import hub_models
import pytest
import sentencepiece
import tokenizers

from c2rl.language import tokenizer, vocabulary
from c2rl.language.tokenizer import END, UNKNOWN

LEARNED = [
    "heute kauft die frau ein haus.",
    "morgen kauft der mann die tür, und ein buch?",
    "(die frau) tanzt nicht! 1234 ABC",
    "女人今天买房子。男人明天买门吗?",
] * 3
ODD = [
    *LEARNED[:4],
    "",
    " ",
    "  die   frau\ttanzt \n nicht ",
    "ＡＢＣ１２，买门？！…",
    "ﬁ ½ tu\u0308r",
    "zwölf Ω xyz",
    "die\u200bfrau\u00a0tanzt",
]


@pytest.fixture(params=["mbart", "mt5"])
def folder(request, tmp_path) -> Path:
    tokens = hub_models.write_tokenizer(tmp_path / request.param, request.param, LEARNED)
    told = json.dumps({"vocab_size": tokens})
    (tmp_path / request.param / "config.json").write_text(told, encoding="utf-8")
    return tmp_path / request.param


def read(folder: Path) -> tokenizers.Tokenizer:
    backend = vocabulary.read(folder)
    assert backend is not None
    return backend


def sentencepiece_of(folder: Path) -> sentencepiece.SentencePieceProcessor:
    (file,) = folder.glob("*.model")
    return sentencepiece.SentencePieceProcessor(model_file=str(file))


@pytest.mark.parametrize("sentence", ODD)
def test_it_splits_as_sentencepiece_does(folder, sentence) -> None:
    backend, reference = read(folder), sentencepiece_of(folder)
    expected = [
        "<unk>" if i == reference.unk_id() else reference.id_to_piece(i)
        for i in reference.encode(sentence)
    ]
    found = backend.encode(sentence, add_special_tokens=False)
    unknown = vocabulary.unknown_id(backend)
    pieces = ["<unk>" if i == unknown else backend.id_to_token(i) for i in found.ids]
    assert pieces == expected
    if unknown not in found.ids:
        assert backend.decode(found.ids).strip() == reference.decode(reference.encode(sentence))


def test_full_width_forms_become_ascii_but_not_all(folder) -> None:
    backend = read(folder)
    pieces = backend.encode("，？！（）：…１Ａ。、“”", add_special_tokens=False).tokens
    assert "".join(pieces).lstrip("▁").startswith(",?!()")
    small = tokenizer.cut(backend, ["买，门"])
    assert UNKNOWN not in small.encode("买，门")
    assert small.decode(small.encode("买，门")) == "买,门"


def test_ids_are_the_rows_of_the_model(tmp_path) -> None:
    fairseq = hub_models.write_tokenizer(tmp_path / "mbart", "mbart", LEARNED)
    backend = read(tmp_path / "mbart")
    assert backend.get_vocab_size() == fairseq
    first = ["<s>", "<pad>", "</s>", "<unk>", sentencepiece_of(tmp_path / "mbart").id_to_piece(3)]
    assert [backend.id_to_token(i) for i in range(5)] == first
    last = [backend.id_to_token(fairseq - n) for n in (27, 26, 2, 1)]
    assert last[1:] == ["ar_AR", "zh_CN", "<mask>"]
    reference = sentencepiece_of(tmp_path / "mbart")
    assert last[0] == reference.id_to_piece(reference.vocab_size() - 1)
    plain = hub_models.write_tokenizer(tmp_path / "mt5", "mt5", LEARNED)
    reference = sentencepiece_of(tmp_path / "mt5")
    backend = read(tmp_path / "mt5")
    pieces = [reference.id_to_piece(i) for i in range(plain)]
    assert [backend.id_to_token(i) for i in range(plain)] == pieces


def test_the_rows_of_mbart_tell_which_languages_it_has(tmp_path) -> None:
    tokens = hub_models.write_tokenizer(tmp_path, "mbart", LEARNED)
    for rows, languages in ((tokens, 25), (tokens + 27, 52), (tokens - 25, 0)):
        (tmp_path / "config.json").write_text(json.dumps({"vocab_size": rows}), encoding="utf-8")
        backend = read(tmp_path)
        codes = [c for c in vocabulary.LANGUAGES.values() if backend.token_to_id(c) is not None]
        assert len(codes) == languages
        assert backend.token_to_id("<mask>") == rows - 1
    (tmp_path / "config.json").write_text('{"vocab_size": 77}', encoding="utf-8")
    with pytest.raises(
        ValueError, match=rf"make {tokens - 25} or {tokens} or {tokens + 27} tokens"
    ):
        read(tmp_path)


def test_the_class_of_the_tokenizer_tells_it_where_there_is_no_model(tmp_path) -> None:
    tokens = hub_models.write_tokenizer(tmp_path, "mbart", LEARNED)
    for name, rows in (
        ("MBartTokenizerFast", tokens),
        ("MBart50Tokenizer", tokens + 27),
        ("XLMRobertaTokenizer", tokens - 25),
    ):
        told = json.dumps({"tokenizer_class": name})
        (tmp_path / "tokenizer_config.json").write_text(told, encoding="utf-8")
        assert read(tmp_path).get_vocab_size() == rows
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(ValueError, match=r"tokenizer_config\.json None"):
        read(tmp_path)


def test_a_tokenizer_json_is_read_as_it_is_but_never_shortens(folder, tmp_path) -> None:
    backend = read(folder)
    backend.enable_truncation(3)
    backend.enable_padding(length=9)
    (tmp_path / "other").mkdir()
    backend.save(str(tmp_path / "other" / "tokenizer.json"))
    again = read(tmp_path / "other")
    for sentence in ODD:
        assert again.encode(sentence).ids == read(folder).encode(sentence).ids


def test_damaged_files_are_named(folder, tmp_path) -> None:
    (file,) = folder.glob("*.model")
    file.write_bytes(b"\xff" * 50)
    with pytest.raises(ValueError, match=rf"{file.name} is not a SentencePiece model"):
        read(folder)
    hub_models.write_tokenizer(folder, folder.name, LEARNED, model_type="bpe", pieces=100)
    with pytest.raises(ValueError, match=r"no Unigram model .* put its tokenizer\.json"):
        read(folder)
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer\.json is not a readable tokenizer"):
        read(folder)
    assert vocabulary.read(tmp_path) is None


def test_a_cut_tokenizer_splits_what_it_was_cut_for_as_before(folder) -> None:
    backend = read(folder)
    small = tokenizer.cut(backend, LEARNED[:2])
    assert small.size < backend.get_vocab_size()
    for sentence in LEARNED[:2]:
        whole = backend.encode(sentence, add_special_tokens=False).ids
        assert [small.original[i - 4] for i in small.encode(sentence)[:-1]] == whole
        assert small.decode(small.encode(sentence)) == sentence


def test_it_spells_other_words_of_the_same_letters(folder) -> None:
    small = tokenizer.cut(read(folder), ["die frau kauft ein haus.", "nicht!"])
    for word in ("kirche", "haft", "auch die"):
        tokens = small.encode(word)
        assert UNKNOWN not in tokens
        assert small.decode(tokens) == word
    told = small.unknown(["die tür", "ärger"])
    assert told["unknown_pieces"] == ["g", "ä", "ü"]
    assert told["covered"] < 100


def test_special_tokens_are_never_found_in_a_text(folder) -> None:
    small = tokenizer.cut(read(folder), [*LEARNED, "a <s> b </s> c <mask> d de_DE <pad> <unk>"])
    names = dict(enumerate(small.pieces(range(small.size))))
    specials = {i for i, name in names.items() if name in {"<bos>", "<mask>", "de_DE"}} | {0, 1, 2}
    for text in ("<s>", "</s>", "<pad>", "<mask>", "<bos>", "de_DE", "<extra_id_0>", "a <s> b"):
        tokens = small.encode(text)
        assert tokens[-1] == END
        assert not specials & set(tokens[:-1]), text
    assert small.pieces(small.encode("a <s> b"))[-2:] == ["▁b" if "▁b" in names else "b", "</s>"]


def test_the_kept_specials_are_last_and_say_nothing(folder) -> None:
    backend = read(folder)
    small = tokenizer.cut(backend, LEARNED)
    names = small.pieces(range(small.size))
    assert names[:4] == ["<pad>", "<s>", "</s>", "<unk>"]
    if folder.name == "mbart":
        assert names[-2:] == ["<bos>", "<mask>"]
        assert [backend.id_to_token(i) for i in small.original[-2:]] == ["<s>", "<mask>"]
        assert small.decode([small.size - 1, small.size - 2]) == ""
    assert not any(name.startswith("<extra_id") or name == "zh_CN" for name in names)


def test_bytes_stand_for_characters_that_have_no_piece(tmp_path) -> None:
    hub_models.write_tokenizer(tmp_path, "mt5", LEARNED[:3], byte_fallback=True, pieces=330)
    backend, reference = read(tmp_path), sentencepiece_of(tmp_path)
    for sentence in ("die 门 tür", "Ω"):
        ids = reference.encode(sentence)
        assert backend.encode(sentence, add_special_tokens=False).ids == ids
        assert backend.decode(ids).strip() == sentence
    small = tokenizer.cut(backend, ["die 门"])
    assert small.decode(small.encode("die 门 die")) == "die 门 die"
    assert UNKNOWN in small.encode("Ω")
