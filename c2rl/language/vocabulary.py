"""The tokenizer of a pretrained model, as SentencePiece itself splits, and cut to some pieces.

The classes of transformers 5 are not asked: they rebuild MBart's tokenizer without its Unicode
normalisation, so that every full-width comma would become `<unk>`, and cannot read some others.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
_FAIRSEQ = ("<s>", "<pad>", "</s>", "<unk>")

_CODES = (
    "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT"
    " lv_LV my_MM ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN"
    " af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF"
    " pt_XX sv_SE sw_KE ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI"
)
LANGUAGES = {code[:2]: code for code in _CODES.split()}
"""ISO 639-1 to MBart's code, in the order of their ids; cc25 has the first 25, mBART-50 all."""

SENTENCEPIECE = (
    "sentencepiece.bpe.model",
    "spiece.model",
    "sentencepiece.model",
    "tokenizer.model",
)
FILES = ("tokenizer.json", *SENTENCEPIECE)
_CC25 = 25
_TAILS = {"MBart": _CC25, "MBart50": len(LANGUAGES), "XLMRoberta": 0}
_USER_DEFINED, _CONTROL = 4, 3  # kinds of piece in a SentencePiece model
_MARK = "▁"


def read(folder: Path) -> tokenizers.Tokenizer | None:
    """Read the tokenizer in a folder of the hub's format.

    Args:
        folder: Holds `tokenizer.json`, or a SentencePiece model beside its `config.json` or
            `tokenizer_config.json`.

    Returns:
        It, without padding and truncation; None where the folder holds neither.

    Raises:
        ValueError: If a file is damaged, or its ids cannot be told.
    """
    for name in FILES:
        file = folder / name
        if file.is_file():
            reader: Callable[[Path], tokenizers.Tokenizer] = (
                _read_json if name == "tokenizer.json" else _read_sentencepiece
            )
            backend = reader(file)
            backend.no_padding()
            backend.no_truncation()
            return backend
    return None


def unknown_id(backend: tokenizers.Tokenizer) -> int | None:
    """Find the token that stands for what a tokenizer does not know.

    Args:
        backend: Any tokenizer.

    Returns:
        Its id, where there is one.
    """
    found = getattr(backend.model, "unk_id", None)
    if found is None:
        name = getattr(backend.model, "unk_token", None)
        found = backend.token_to_id(name or SPECIAL[3])
    return None if found is None else int(found)


def registered_ids(backend: tokenizers.Tokenizer) -> set[int]:
    """Find the tokens that a tokenizer itself says are special.

    Args:
        backend: Any tokenizer.

    Returns:
        Their ids.
    """
    return {i for i, token in backend.get_added_tokens_decoder().items() if token.special}


def special_ids(backend: tokenizers.Tokenizer) -> set[int]:
    """Find the tokens that stand for no text, registered as such or not.

    Args:
        backend: Any tokenizer.

    Returns:
        Ids of its special tokens, MBart's language codes and T5's sentinels.
    """
    sentinels = [f"{mark}<extra_id_{n}>" for n in range(100) for mark in ("", _MARK)]
    named = (backend.token_to_id(t) for t in (*SPECIAL, "<mask>", *LANGUAGES.values(), *sentinels))
    return registered_ids(backend) | {i for i in (*named, unknown_id(backend)) if i is not None}


def letters(backend: tokenizers.Tokenizer, sentences: Sequence[str]) -> set[int]:
    """Find the pieces that spell the characters of some sentences one by one.

    Args:
        backend: Any tokenizer.
        sentences: Any texts.

    Returns:
        Ids: of each character, as it is and as the tokenizer normalises it, its own piece, or else
        its bytes; and of the mark of a space.
    """
    normal = backend.normalizer
    seen = {c for sentence in sentences for c in sentence if not c.isspace()}
    if normal is not None:
        seen |= {c for sentence in sentences for c in normal.normalize_str(sentence)}
    found: set[int] = set()
    for text in sorted({_MARK, *seen}):
        own = backend.token_to_id(text)
        if own is not None:
            found.add(own)
        elif text != _MARK:
            found.update(backend.encode(text, add_special_tokens=False).ids)
    return found


def restrict(backend: tokenizers.Tokenizer, kept: Sequence[int]) -> tokenizers.Tokenizer | None:
    """Cut a Unigram tokenizer down to some pieces.

    A text that the whole tokenizer splits into kept pieces alone is split as before: the scores,
    and the price of the unknown, stay. Any other is split into kept pieces as well as they can.

    Args:
        backend: A tokenizer.
        kept: Ids that stay.

    Returns:
        A tokenizer with ids 0 to 3 as `SPECIAL` and then `kept`; None where it is no Unigram.
    """
    layout = json.loads(backend.to_str())
    model = layout["model"]
    if model["type"] != "Unigram":
        return None
    specials = special_ids(backend)
    lowest = min(score for _, score in model["vocab"])
    vocabulary = [[name, lowest] for name in SPECIAL]
    names = list(SPECIAL)
    for old in kept:
        name, score = model["vocab"][old]
        if old in specials:
            name, score = "<bos>" if name == SPECIAL[1] else name, lowest
            names.append(name)
        vocabulary.append([name, score])
    model["vocab"], model["unk_id"] = vocabulary, SPECIAL.index("<unk>")
    ids = {name: new for new, (name, _) in enumerate(vocabulary)}
    plain = [a for a in layout["added_tokens"] if a["content"] in ids and not a["special"]]
    layout["added_tokens"] = [{**a, "id": ids[a["content"]]} for a in plain]
    layout["post_processor"] = layout["padding"] = layout["truncation"] = None
    cut = tokenizers.Tokenizer.from_str(json.dumps(layout))
    cut.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names])
    return cut


def _read_json(file: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare ones
        raise ValueError(f"{file} is not a readable tokenizer: {_short(error)}") from None


def _read_sentencepiece(file: Path) -> tokenizers.Tokenizer:
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2
    proto = messages.ModelProto()
    try:
        proto.ParseFromString(file.read_bytes())
    except Exception as error:  # protobuf's own, whose class depends on its backend
        raise ValueError(f"{file} is not a SentencePiece model: {_short(error)}") from None
    trainer, text = proto.trainer_spec, proto.normalizer_spec
    if trainer.model_type != trainer.UNIGRAM or not proto.pieces:
        raise ValueError(
            f"{file} is no Unigram model of SentencePiece: put its tokenizer.json beside it"
        )
    pieces, unknown = _number(file, [(p.piece, p.score) for p in proto.pieces], trainer.unk_id)
    backend = tokenizers.Tokenizer(
        models.Unigram(pieces, unk_id=unknown, byte_fallback=trainer.byte_fallback)
    )
    steps: list[Any] = []
    if text.precompiled_charsmap:
        steps.append(normalizers.Precompiled(text.precompiled_charsmap))
    if text.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    backend.normalizer = normalizers.Sequence(steps)
    prefix = "always" if text.add_dummy_prefix else "never"
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prefix)
    backend.decoder = decoders.Metaspace(prepend_scheme=prefix)
    if trainer.byte_fallback:
        backend.decoder = decoders.Sequence(
            [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=prefix), decoders.Fuse()]
        )
    own = {p.piece for p in proto.pieces if p.type == _USER_DEFINED}
    control = {p.piece for p in proto.pieces if p.type == _CONTROL} | {pieces[unknown][0]}
    control |= {*SPECIAL, "<mask>", *LANGUAGES.values()} & {name for name, _ in pieces}
    backend.add_tokens([AddedToken(t, normalized=False) for t in sorted(own - control)])
    backend.add_special_tokens(
        [AddedToken(t, normalized=False, special=True) for t in sorted(control)]
    )
    return backend


def _number(
    file: Path, pieces: list[tuple[str, float]], unknown: int
) -> tuple[list[tuple[str, float]], int]:
    """Put pieces in the order of a model's rows; MBart's differs from SentencePiece's."""
    if file.name != SENTENCEPIECE[0] or [name for name, _ in pieces[:3]] != [
        "<unk>",
        "<s>",
        "</s>",
    ]:
        return pieces, unknown
    own = [*((name, 0.0) for name in _FAIRSEQ), *pieces[3:]]
    rows = _fact(file.parent / "config.json", "vocab_size")
    kind = str(_fact(file.parent / "tokenizer_config.json", "tokenizer_class"))
    kind = kind.removesuffix("Fast").removesuffix("Tokenizer")
    tails = {len(own) + tail + 1: tail for tail in _TAILS.values()}
    tail = tails.get(rows) if rows is not None else _TAILS.get(kind)
    if tail is None:
        raise ValueError(
            f"{file} has {len(pieces)} pieces, which make {' or '.join(map(str, sorted(tails)))}"
            f" tokens with MBart's languages, but its config.json says {rows} and its"
            f" tokenizer_config.json {kind or 'nothing'}: put the model's own files beside it"
        )
    codes = list(LANGUAGES.values())[:tail]
    return [*own, *((code, 0.0) for code in codes), ("<mask>", 0.0)], _FAIRSEQ.index("<unk>")


def _fact(file: Path, key: str) -> Any:
    return json.loads(file.read_text(encoding="utf-8")).get(key) if file.is_file() else None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
