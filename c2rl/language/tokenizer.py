"""Sentences to tokens and back, with a vocabulary cut to the training sentences.

Token ids are our own: four special ones, then the kept pieces. So a tokenizer learned from a small
corpus and MBart's 250,000 pieces look the same to a model (register row 20).

Source: Sec. IV-B a (the standard MBart tokenizer), Sec. IV-B c (trimmed with the training text).
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from c2rl.language import hub, vocabulary
from c2rl.language.vocabulary import SPECIAL

PAD, START, END, UNKNOWN = range(4)

_ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{P}]"
"""Pieces never join these: scripts without spaces, and punctuation."""


class Tokenizer:
    """A `tokenizers` tokenizer and the pieces of it that are kept."""

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        kept: Sequence[int],
        original: Sequence[int] | None = None,
    ) -> None:
        """Wrap a tokenizer.

        Args:
            backend: Splits sentences into pieces.
            kept: Its ids that stay, in the order of our ids 4, 5, ...; special ones among them are
                never found in a sentence.
            original: The ids of `kept` in the whole tokenizer, where `backend` was cut from it.
        """
        self._backend = backend
        self._kept = list(kept)
        self._original = None if original is None else list(original)
        self._specials = vocabulary.registered_ids(backend)
        self._unknown = vocabulary.unknown_id(backend)
        self._ours = {
            old: new
            for new, old in enumerate(self._kept, start=len(SPECIAL))
            if old not in self._specials
        }

    @property
    def size(self) -> int:
        """Number of tokens, the special ones included."""
        return len(SPECIAL) + len(self._kept)

    @property
    def original(self) -> list[int]:
        """Id of each kept piece, our ids 4, 5, ..., in the whole tokenizer it was cut from."""
        return list(self._kept if self._original is None else self._original)

    def encode(self, sentence: str) -> list[int]:
        """Turn a sentence into tokens.

        Args:
            sentence: Any text.

        Returns:
            Token ids with `END` last; pieces that were not kept become `UNKNOWN`.
        """
        ids = self._backend.encode(sentence, add_special_tokens=False).ids
        return [*(self._ours.get(i, UNKNOWN) for i in ids), END]

    def offsets(self, sentence: str) -> list[tuple[int, int]] | None:
        """Locate the tokens of a sentence in it.

        Args:
            sentence: Any text.

        Returns:
            [first, end) character of each token of `encode`, without the space before a word;
            (0, 0) of tokens that stand for no character: `END`, and marks of spaces. None where the
            backend is wrong about a kept piece, as it can be where it normalises the sentence.
        """
        encoded = self._backend.encode(sentence, add_special_tokens=False)
        spans: list[tuple[int, int]] = []
        for piece, (first, end) in zip(encoded.ids, encoded.offsets, strict=True):
            text = self._backend.decode([piece]).strip()
            if not text and piece not in self._specials:
                spans.append((0, 0))  # a lone mark claims the first letter of the word behind it
                continue
            if piece in self._ours and not _is_same(text, sentence[first:end]):
                return None
            spans.append((end - len(sentence[first:end].lstrip()), end))
        located = {place for span in spans for place in range(*span)}
        if any(place not in located and not c.isspace() for place, c in enumerate(sentence)):
            return None
        return [*spans, (0, 0)]

    def decode(self, tokens: Iterable[int]) -> str:
        """Turn tokens into a sentence.

        Args:
            tokens: Token ids; special ones are dropped.

        Returns:
            The sentence.
        """
        known = [self._kept[t - len(SPECIAL)] for t in tokens if t >= len(SPECIAL)]
        return str(self._backend.decode(known)).strip()

    def pieces(self, tokens: Iterable[int]) -> list[str]:
        """Name tokens for a person.

        Args:
            tokens: Token ids.

        Returns:
            One string a token.
        """
        return [
            SPECIAL[t] if t < len(SPECIAL) else str(self._backend.id_to_token(self._kept[t - 4]))
            for t in tokens
        ]

    def unknown(self, sentences: Iterable[str]) -> dict[str, Any]:
        """Measure how much of some sentences the vocabulary covers.

        Args:
            sentences: For instance those of the dev split.

        Returns:
            `tokens`, `unknown` tokens, `covered` in per cent, and `unknown_pieces`: the most
            frequent 20 pieces that were not kept and characters that there is no piece for.
        """
        total, unknown, pieces = 0, 0, Counter[str]()
        for sentence in sentences:
            encoded = self._backend.encode(sentence, add_special_tokens=False)
            total += len(encoded.ids)
            for piece, (first, end) in zip(encoded.ids, encoded.offsets, strict=True):
                if piece in self._ours:
                    continue
                unknown += 1
                if piece == self._unknown:
                    pieces.update("".join(sentence[first:end].split()))
                else:
                    text = self._backend.decode([piece]).strip()
                    pieces[text or str(self._backend.id_to_token(piece))] += 1
        return {
            "tokens": total,
            "unknown": unknown,
            "covered": round(100 * (1 - unknown / max(1, total)), 2),
            "unknown_pieces": sorted(pieces, key=lambda piece: (-pieces[piece], piece))[:20],
        }

    def dumps(self) -> str:
        """Serialise to JSON; the counterpart of `loads`."""
        parts = {"backend": json.loads(self._backend.to_str()), "kept": self._kept}
        return json.dumps(parts if self._original is None else parts | {"original": self._original})


def loads(text: str) -> Tokenizer:
    """Read a tokenizer back.

    Args:
        text: What `Tokenizer.dumps` gave.

    Returns:
        An equal tokenizer.
    """
    found = json.loads(text)
    backend = tokenizers.Tokenizer.from_str(json.dumps(found["backend"]))
    return Tokenizer(backend, found["kept"], found.get("original"))


def build(name: str, size: int, sentences: Sequence[str]) -> Tokenizer:
    """Make the tokenizer of a training.

    Args:
        name: `corpus`, or the hub id or folder of a pretrained tokenizer.
        size: Most pieces that `corpus` learns.
        sentences: Training sentences; no other split is ever looked at.

    Returns:
        A tokenizer whose pieces are those of the training sentences and their single characters.

    Raises:
        FileNotFoundError: If the pretrained tokenizer is not at hand.
    """
    if name != "corpus":
        return cut(_pretrained(name), sentences)
    backend = _learn(size, sentences)
    used = {i for s in sentences for i in backend.encode(s, add_special_tokens=False).ids}
    letters = {character for sentence in sentences for character in sentence}
    used |= {i for c in letters if (i := backend.token_to_id(c)) is not None}
    return Tokenizer(backend, sorted(used - vocabulary.registered_ids(backend)))


def cut(backend: tokenizers.Tokenizer, sentences: Sequence[str]) -> Tokenizer:
    """Cut the tokenizer of a pretrained model to some sentences.

    A Unigram tokenizer (MBart, mT5) splits other sentences into what was kept, as one that had been
    made of these pieces would; another gives `UNKNOWN` for a piece that was not kept.

    Args:
        backend: The whole tokenizer.
        sentences: Training sentences; no other split is ever looked at.

    Returns:
        A tokenizer whose pieces are those of the sentences, their single characters and the mark of
        a space, in the order of their ids; then `<s>` and `<mask>` where there are such. Characters
        with the mark of a space in one piece are not added: they can be spelt, and rows that
        no training sentence uses would only be there to be wrong.
    """
    used = {i for s in sentences for i in backend.encode(s, add_special_tokens=False).ids}
    used |= vocabulary.letters(backend, sentences)
    extra = [i for t in ("<s>", "<mask>") if (i := backend.token_to_id(t)) is not None]
    kept = [*sorted(used - vocabulary.special_ids(backend)), *extra]
    small = vocabulary.restrict(backend, kept)
    if small is None:
        return Tokenizer(backend, kept)
    first = len(SPECIAL)
    return Tokenizer(small, range(first, first + len(kept)), kept)


def _is_same(piece: str, text: str) -> bool:
    """Compare what a piece says with the characters it claims, which may be normalised."""
    if "\N{REPLACEMENT CHARACTER}" in piece:  # some bytes of a character, which say nothing alone
        return True
    one, other = (unicodedata.normalize("NFKC", t).strip().casefold() for t in (piece, text))
    return one == other


def _learn(size: int, sentences: Sequence[str]) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(tokenizers.Regex(_ALONE), behavior="isolated"),
        ]
    )
    backend.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[SPECIAL[UNKNOWN]], show_progress=False
    )
    backend.train_from_iterator(sentences, trainer)
    return backend


def _pretrained(name: str) -> tokenizers.Tokenizer:
    try:
        folder = hub.find(name, weights=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"tokenizer {error}") from None
    backend = vocabulary.read(folder)
    if backend is not None:
        return backend
    import transformers

    try:
        loaded = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        found: tokenizers.Tokenizer = loaded.backend_tokenizer
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"tokenizer {name} cannot be read ({type(error).__name__}); put its tokenizer.json into"
            f" {folder}"
        ) from None
    return found
