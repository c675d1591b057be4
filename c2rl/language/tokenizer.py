"""Sentences to tokens and back, with a vocabulary cut to the training sentences.

Token ids are our own: four special ones, then the kept pieces. So a tokenizer learned from a small
corpus and MBart's 250,000 pieces look the same to a model (register row 20).

Source: Sec. IV-B a (the standard MBart tokenizer), Sec. IV-B c (trimmed with the training text).
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")

_ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{P}]"
"""Pieces never join these: scripts without spaces, and punctuation."""


class Tokenizer:
    """A `tokenizers` tokenizer and the pieces of it that are kept."""

    def __init__(self, backend: tokenizers.Tokenizer, kept: Sequence[int]) -> None:
        """Wrap a tokenizer.

        Args:
            backend: Splits sentences into pieces; its special tokens are not used.
            kept: Its ids that stay, in the order of our ids 4, 5, ...
        """
        self._backend = backend
        self._kept = list(kept)
        self._ours = {old: new for new, old in enumerate(self._kept, start=len(SPECIAL))}
        self._specials = _specials(backend)

    @property
    def size(self) -> int:
        """Number of tokens, the special ones included."""
        return len(SPECIAL) + len(self._kept)

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

    def unknown(self, sentences: Iterable[str]) -> dict[str, int | float]:
        """Measure how much of some sentences the vocabulary covers.

        Args:
            sentences: For instance those of the dev split.

        Returns:
            `tokens`, `unknown` tokens and `covered` in per cent.
        """
        encoded = [self.encode(sentence)[:-1] for sentence in sentences]
        total = sum(map(len, encoded))
        unknown = sum(tokens.count(UNKNOWN) for tokens in encoded)
        return {
            "tokens": total,
            "unknown": unknown,
            "covered": round(100 * (1 - unknown / max(1, total)), 2),
        }

    def dumps(self) -> str:
        """Serialise to JSON; the counterpart of `loads`."""
        return json.dumps({"backend": json.loads(self._backend.to_str()), "kept": self._kept})


def loads(text: str) -> Tokenizer:
    """Read a tokenizer back.

    Args:
        text: What `Tokenizer.dumps` gave.

    Returns:
        An equal tokenizer.
    """
    found = json.loads(text)
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(found["backend"])), found["kept"])


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
    backend = _learn(size, sentences) if name == "corpus" else _pretrained(name)
    used = {i for s in sentences for i in backend.encode(s, add_special_tokens=False).ids}
    letters = {character for sentence in sentences for character in sentence}
    used |= {i for c in letters if (i := backend.token_to_id(c)) is not None}
    return Tokenizer(backend, sorted(used - _specials(backend)))


def _specials(backend: tokenizers.Tokenizer) -> set[int]:
    return {i for i, token in backend.get_added_tokens_decoder().items() if token.special}


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
    import transformers

    try:
        loaded = transformers.AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"tokenizer {name} is not at hand ({type(error).__name__}). Give tokenizer.name a"
            " folder that holds its tokenizer.json, or fetch it into the Hugging Face cache."
        ) from None
    backend: tokenizers.Tokenizer = loaded.backend_tokenizer
    return backend
