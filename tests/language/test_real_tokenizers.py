"""Real tokenizers, which are not in the repository: set C2RL_REALDATA to their folder.

Sentences are made up, or those of real annotations. The sizes are the measured ones.
"""

import json
import os
from functools import cache
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
import torch
from transformers import MBartConfig, MBartForConditionalGeneration

from c2rl.corpora import labels
from c2rl.language import pretrained, tokenizer, trim, vocabulary
from c2rl.language.tokenizer import END, SPECIAL, START, UNKNOWN, Tokenizer

ROOT = Path(os.environ.get("C2RL_REALDATA", "absent"))
FOLDERS = {
    "gfslt": "zhoubenjia+GFSLT-VLP/pretrain_models/MBart_trimmed",
    "speech": "SignLanguage2Speech+Translation_model/tokenizer",
    "indian": "divij30bajaj+indian-sl/pretrain_models/MBart_trimmed",
    "t5": "pytorch+torchtune/tests/assets",
    "barthez": "BARThez",
    "glofe": "HenryLittle+GloFE/notebooks/how2sign/how2sign-bpe25000-tokenizer-uncased",
}
UNIGRAM = ["gfslt", "speech", "indian", "t5"]
WEATHER = "am tag zehn grad im süden und regen im norden"

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="C2RL_REALDATA is not set")


@cache
def backend_of(name: str) -> tokenizers.Tokenizer:
    found = vocabulary.read(ROOT / "tokenizers" / FOLDERS[name])
    assert found is not None
    return found


@cache
def sentences(name: str) -> list[str]:
    kind, file = {
        "phoenix14t": ("gfslt", "zhoubenjia+GFSLT-VLP/data/Phonexi-2014T/labels.train"),
        "how2sign": ("unisign", "ZechengLi19+Uni-Sign/data/How2Sign/labels.train"),
        "csl_daily": ("unisign", "ZechengLi19+Uni-Sign/data/CSL_Daily/labels.train"),
    }[name]
    found = labels.read(ROOT / "annotations" / file, kind, split="train")
    return [label.sentence for label in found]


@cache
def cut(name: str, corpus: str) -> Tokenizer:
    return tokenizer.cut(backend_of(name), sentences(corpus))


@pytest.mark.parametrize("corpus", ["phoenix14t", "how2sign", "csl_daily"])
@pytest.mark.parametrize("name", UNIGRAM)
def test_real_sentences_are_split_as_sentencepiece_does(name, corpus) -> None:
    (file,) = (ROOT / "tokenizers" / FOLDERS[name]).glob("*.model")
    reference = sentencepiece.SentencePieceProcessor(model_file=str(file))
    backend = backend_of(name)
    unknown = vocabulary.unknown_id(backend)
    for sentence in sentences(corpus)[::7]:
        ids = backend.encode(sentence, add_special_tokens=False).ids
        found = ["<unk>" if i == unknown else backend.id_to_token(i) for i in ids]
        expected = [
            "<unk>" if i == reference.unk_id() else reference.id_to_piece(i)
            for i in reference.encode(sentence)
        ]
        assert found == expected


def test_the_trimmed_mbart_of_gfslt_has_the_ids_of_its_model() -> None:
    backend = backend_of("gfslt")
    assert backend.get_vocab_size() == 2427 + 1 + 25 + 1
    assert [backend.id_to_token(i) for i in range(4)] == ["<s>", "<pad>", "</s>", "<unk>"]
    assert backend.token_to_id("de_DE") == 2430
    assert backend.token_to_id("<mask>") == 2453
    assert backend.encode("heute", add_special_tokens=False).ids == [863]


@pytest.mark.parametrize(("name", "size"), [("gfslt", 2151), ("speech", 2154), ("t5", 1705)])
def test_phoenix_is_cut_to_few_pieces_and_survives(name, size) -> None:
    small = cut(name, "phoenix14t")
    assert small.size == size
    backend = backend_of(name)
    for sentence in sentences("phoenix14t")[::5]:
        tokens = small.encode(sentence)
        whole = backend.encode(sentence, add_special_tokens=False).ids
        assert [small.original[t - len(SPECIAL)] for t in tokens[:-1]] == whole
        assert small.decode(tokens) == " ".join(sentence.split())
    assert small.unknown(sentences("phoenix14t"))["covered"] == 100.0


@pytest.mark.parametrize("name", ["gfslt", "t5"])
def test_single_characters_of_the_training_text_stay(name) -> None:
    small, backend = cut(name, "phoenix14t"), backend_of(name)
    kept = set(small.original)
    letters = {c for sentence in sentences("phoenix14t") for c in sentence} - {" "}
    own = {c for c in letters if backend.token_to_id(c) is not None}
    assert len(own) >= 25
    assert {backend.token_to_id(c) for c in own} <= kept
    assert backend.token_to_id("▁") in kept
    strange = small.encode("regenwolkenfrontverschiebung")
    assert UNKNOWN not in strange
    assert small.decode(strange) == "regenwolkenfrontverschiebung"


def test_an_unknown_letter_is_unknown_and_dropped() -> None:
    small = cut("gfslt", "phoenix14t")
    tokens = small.encode("regen 门 im norden")
    assert tokens.count(UNKNOWN) == 1
    assert " ".join(small.decode(tokens).split()) == "regen im norden"
    assert small.unknown(["regen 门 im norden"])["unknown_pieces"] == ["门"]


@pytest.mark.parametrize("name", ["gfslt", "speech", "t5"])
def test_full_width_punctuation_becomes_ascii_and_a_stop_does_not(name) -> None:
    normal = backend_of(name).normalizer
    assert normal is not None
    assert normal.normalize_str("，？！：（）１Ａ…") == ",?!:()1A..."
    assert normal.normalize_str("。、“”") == "。、“”"


@pytest.mark.parametrize("name", list(FOLDERS))
def test_names_of_special_tokens_in_a_text_are_never_special(name) -> None:
    small = cut(name, "phoenix14t")
    specials = {
        i
        for i, piece in enumerate(small.pieces(range(small.size)))
        if piece in {"<s>", "</s>", "<pad>", "<mask>", "<bos>", "de_DE"}
    }
    for text in ("<s>", "</s>", "<pad>", "<mask>", "de_DE", f"{WEATHER} <s> de_DE"):
        assert not specials & set(small.encode(text)[:-1])


def test_barthez_and_byte_level_pieces_survive() -> None:
    french = "il fait beau aujourd'hui, n'est-ce pas ?"
    small = tokenizer.cut(backend_of("barthez"), [french])
    assert small.decode(small.encode(french)) == french
    assert UNKNOWN not in small.encode(french)
    english = "and you're going to fold it, okay?"
    small = tokenizer.cut(backend_of("glofe"), [english])
    assert small.decode(small.encode(english)) == english


def test_mbart_without_languages_is_refused() -> None:
    config = json.loads((ROOT / "tokenizers/BARThez/config.json").read_text(encoding="utf-8"))
    assert config["vocab_size"] == backend_of("barthez").get_vocab_size()
    with pytest.raises(ValueError, match=r"no code for language 'fr'.* it has none at all"):
        trim.start_id(backend_of("barthez"), "mbart", 1, "fr")


def test_the_model_of_gfslt_is_cut_with_its_own_tokenizer(tmp_path) -> None:
    """Its weights are not published in the hub's format: these are arbitrary, its sizes smaller."""
    folder = ROOT / "tokenizers" / FOLDERS["gfslt"]
    config = MBartConfig.from_pretrained(folder)
    sizes = dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 16)
    config.update(sizes | dict.fromkeys(("encoder_layers", "decoder_layers"), 1))
    whole = MBartForConditionalGeneration(config)
    whole.final_logits_bias += torch.linspace(-1, 1, 2454)
    whole.save_pretrained(tmp_path)
    for file in (*folder.glob("*.model"), folder / "tokenizer_config.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model, backend = pretrained.load("mbart", str(tmp_path), "de")
    small = cut("gfslt", "phoenix14t")
    kept = trim.old_ids(small, backend, model, "de")
    assert kept[START] == 2430
    ids = torch.tensor([small.encode(WEATHER)])
    assert ids[0, -1] == END
    old = torch.tensor(kept)
    with torch.no_grad():
        before = model(input_ids=old[ids], decoder_input_ids=old[ids]).logits[..., old]
        trim.trim(model, kept)
        assert torch.equal(model(input_ids=ids, decoder_input_ids=ids).logits, before)
