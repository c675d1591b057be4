"""A pretrained model cut to the tokens of a `Tokenizer`: what is left computes the same.

A multilingual vocabulary has 250,000 entries; a corpus uses a few thousand. Row i of the cut model
is row `old_ids[i]` of the whole one, so that the logits of the kept tokens stay what they were.

Source: Sec. IV-B c (trimmed with the training text); `peers.md` 2.8 (the id map), register row 20.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tokenizers
import torch
from torch import nn

from c2rl.language import vocabulary
from c2rl.language.tokenizer import END, PAD, START, UNKNOWN, Tokenizer
from c2rl.language.vocabulary import SPECIAL

if TYPE_CHECKING:
    from c2rl.language.pretrained import Model

_MATRICES = {"shared", "embed_tokens", "lm_head"}
_LISTS = {"suppress_tokens", "begin_suppress_tokens"}
_LISTS_OF_LISTS = {"bad_words_ids", "force_words_ids"}
_BOUND_TO_OLD_IDS = {"sequence_bias", "forced_decoder_ids"}


def start_id(backend: tokenizers.Tokenizer, model_type: str, pad: int, language: str) -> int:
    """Find the token that a decoder begins a sentence with.

    Args:
        backend: The model's whole tokenizer.
        model_type: `mbart` or `mt5`.
        pad: Its padding token.
        language: ISO 639-1, as `Clip.language`.

    Returns:
        MBart: the code of the language. mT5: `pad`, as it has always been trained.

    Raises:
        ValueError: If the tokenizer lacks the language's code.
    """
    if model_type == "mt5":
        return pad
    code = vocabulary.LANGUAGES.get(language)
    found = None if code is None else backend.token_to_id(code)
    if found is None:
        known = [c for c in vocabulary.LANGUAGES.values() if backend.token_to_id(c) is not None]
        raise ValueError(
            f"the tokenizer has no code for language {language!r}"
            f"{f' ({code})' if code else ''}, and mbart begins every sentence with one; it has"
            f" {', '.join(known) or 'none at all'}. Choose weights of MBart that know the language"
        )
    return int(found)


def old_ids(
    tokenizer: Tokenizer, backend: tokenizers.Tokenizer, model: Model, language: str
) -> list[int]:
    """Say which row of the whole model each of our tokens takes.

    Args:
        tokenizer: Cut from `backend` by `tokenizer.cut`.
        backend: The model's whole tokenizer.
        model: Not trimmed.
        language: ISO 639-1, as `Clip.language`.

    Returns:
        Old id of each token, [vocabulary of `tokenizer`]. mT5's padding is there twice.

    Raises:
        ValueError: If tokenizer and model do not belong together, or the language has no code.
    """
    config: Any = model.config
    specials = {PAD: config.pad_token_id, END: config.eos_token_id}
    for ours, token in specials.items():
        if backend.token_to_id(SPECIAL[ours]) != token:
            raise ValueError(
                f"the model's token {token} should be {SPECIAL[ours]}, but the tokenizer has it at"
                f" {backend.token_to_id(SPECIAL[ours])}: they do not belong together"
            )
    specials[START] = start_id(backend, config.model_type, config.pad_token_id, language)
    specials[UNKNOWN] = vocabulary.unknown_id(backend)
    found = [*(specials[ours] for ours in range(len(SPECIAL))), *tokenizer.original]
    if max(found) >= config.vocab_size:
        raise ValueError(
            f"the tokenizer has token {max(found)}, but the model's vocabulary ends at"
            f" {config.vocab_size - 1}: they do not belong together"
        )
    return found


def trim(model: Model, kept: Sequence[int]) -> None:
    """Cut a model to some of its tokens, in place.

    Tied matrices stay tied and untied ones untied; MBart's embedding keeps its scale. Nothing
    beyond the new, small matrices is allocated.

    Args:
        model: A whole model.
        kept: Old id of each new token, as `old_ids` gives; the first four are `PAD`, `START`, `END`
            and `UNKNOWN`.

    Raises:
        ValueError: If an id is outside the vocabulary, or is there twice (but padding as `START`).
    """
    size = int(model.config.vocab_size)
    _check(kept, size)
    cut: dict[int, nn.Parameter] = {}
    for name, module in model.named_modules():
        if name.rpartition(".")[2] not in _MATRICES:
            continue
        assert isinstance(module, nn.Embedding | nn.Linear)
        whole = module.weight
        if id(whole) not in cut:
            rows = torch.tensor(list(kept), device=whole.device)
            cut[id(whole)] = nn.Parameter(whole.detach()[rows], requires_grad=whole.requires_grad)
        _put(module, cut[id(whole)])
    bias = getattr(model, "final_logits_bias", None)
    if bias is not None:
        model.final_logits_bias = bias[:, torch.tensor(list(kept), device=bias.device)]
    _renumber(model, {old: new for new, old in reversed(list(enumerate(kept)))}, len(kept))


def _check(kept: Sequence[int], size: int) -> None:
    wrong = [old for old in kept if not 0 <= old < size]
    if wrong:
        raise ValueError(f"token {wrong[0]} is not in the model's vocabulary of {size}")
    apart = [old for new, old in enumerate(kept) if new != START]
    if len(set(apart)) < len(apart) or kept[START] in apart[1:]:
        raise ValueError("a token is kept twice; only padding may be, as the start of a sentence")


def _put(module: nn.Embedding | nn.Linear, weight: nn.Parameter) -> None:
    module.weight = weight
    if isinstance(module, nn.Linear):
        module.out_features = len(weight)
        return
    module.num_embeddings = len(weight)
    if module.padding_idx is not None:
        module.padding_idx = PAD


def _renumber(model: Model, new: dict[int, int], size: int) -> None:
    """Bring every number of a token up to date, in all the configurations that a model holds."""
    parts: list[Any] = list(model.modules())
    for part in parts:
        if getattr(part, "padding_idx", None) is not None:
            part.padding_idx = PAD
    holders = {id(part.config): part.config for part in parts if hasattr(part, "config")}
    for config in holders.values():
        _renumber_values(vars(config), new)
        config.vocab_size = size
        _set_specials(config)
    if model.generation_config is not None:
        _renumber_values(vars(model.generation_config), new)
        _set_specials(model.generation_config)


def _set_specials(holder: Any) -> None:
    holder.pad_token_id, holder.decoder_start_token_id = PAD, START
    holder.eos_token_id = END
    if getattr(holder, "forced_bos_token_id", None) is not None:
        holder.forced_bos_token_id = None  # the start is the language's code already


def _renumber_values(values: dict[str, Any], new: dict[int, int]) -> None:
    """Replace old ids; what stands for a token that is gone is dropped."""
    for key, value in values.items():
        if value is None:
            continue
        if key in _BOUND_TO_OLD_IDS:
            values[key] = None
        elif key.endswith(("_token_id", "_token_ids")) or key in _LISTS:
            is_one = isinstance(value, int)
            left = [new[old] for old in ([value] if is_one else value) if old in new]
            values[key] = (left[0] if is_one else left) if left else None
        elif key in _LISTS_OF_LISTS:
            whole = [words for words in value if all(old in new for old in words)]
            values[key] = [[new[old] for old in words] for words in whole] or None
        elif key == "task_specific_params":
            for task in value.values():
                _renumber_values(task, new)
