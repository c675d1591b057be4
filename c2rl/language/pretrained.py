"""MBart and mT5 of `transformers`: read in the hub's format, made fresh, or rebuilt.

Source: Sec. IV-B c (MBart), Table IX (mT5), Fig. 3 (MBart with and without pre-training).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import tokenizers
import torch
from torch import nn

from c2rl.language import hub, trim
from c2rl.language.tokenizer import END, PAD, START
from c2rl.language.vocabulary import read

if TYPE_CHECKING:
    from transformers import MBartForConditionalGeneration, MT5ForConditionalGeneration

    Model: TypeAlias = MBartForConditionalGeneration | MT5ForConditionalGeneration

Backbone = Literal["mbart", "mt5"]
BACKBONES: tuple[Backbone, ...] = ("mbart", "mt5")

_HEAD = "lm_head.weight"
_OF_A_FILE = {
    *("transformers_version", "_name_or_path", "_from_model_config", "architectures", "dtype"),
    *("id2label", "label2id", "task_specific_params"),
}


class Loaded(NamedTuple):
    """A pretrained model with its own tokenizer, neither of them cut."""

    model: "Model"
    """float32, in evaluation mode; its dropout is that of the file."""
    backend: tokenizers.Tokenizer
    """Its ids are the rows of `model`."""


def load(backbone: Backbone, weights: str, language: str) -> Loaded:
    """Read a pretrained model and its tokenizer.

    Args:
        backbone: What the weights should be of.
        weights: A hub id, or a folder of the hub's format: `config.json`, `model.safetensors` or
            `pytorch_model.bin`, and `tokenizer.json` or SentencePiece's model.
        language: Of the sentences, ISO 639-1; MBart must know it.

    Returns:
        Both. To train it, cut it with `tokenizer.cut`, `trim.old_ids` and `trim.trim`.

    Raises:
        FileNotFoundError: If the files cannot be had.
        ValueError: If they are of another model, damaged or incomplete: nothing is ever filled in
            with random weights; or if MBart's tokenizer has no code for the language.
    """
    folder = hub.find(weights, weights=True)
    config = _read_config(folder, backbone, weights)
    backend = read(folder)
    if backend is None:
        raise FileNotFoundError(f"{weights} has no tokenizer.json: put it into {folder}")
    rows, ids = config["vocab_size"], backend.get_vocab_size()
    if ids > rows:
        raise ValueError(
            f"the tokenizer of {weights} has {ids} tokens, but its config.json says {rows}: they do"
            " not belong together"
        )
    trim.start_id(backend, backbone, config.get("pad_token_id", 0), language)  # before gigabytes
    return Loaded(_read_weights(folder, backbone, weights), backend)


def fresh(
    backbone: Backbone,
    *,
    vocabulary: int,
    width: int,
    layers: int,
    heads: int,
    feedforward: int,
    dropout: float,
    attention_dropout: float,
) -> "Model":
    """Make a model with first weights; its tokens are those of `Tokenizer`.

    Args:
        backbone: Which.
        vocabulary: Number of tokens.
        width: Hidden size; a multiple of `heads`.
        layers: Blocks of the encoder, and of the decoder.
        heads: Attention heads.
        feedforward: Hidden units of each block's network.
        dropout: On states and inside the blocks' networks.
        attention_dropout: On attention weights.

    Returns:
        MBart with scaled embeddings and 1024 positions, or mT5 with a head of its own.

    Raises:
        ValueError: If the width cannot be divided among the heads.
    """
    if width % heads:
        raise ValueError(f"width {width} cannot be divided among {heads} heads")
    ids: dict[str, Any] = {
        "vocab_size": vocabulary,
        "pad_token_id": PAD,
        "eos_token_id": END,
        "decoder_start_token_id": START,
    }
    if backbone == "mbart":
        config = ids | {
            "bos_token_id": START,
            "forced_eos_token_id": END,
            "d_model": width,
            **dict.fromkeys(("encoder_layers", "decoder_layers"), layers),
            **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), heads),
            **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), feedforward),
            "max_position_embeddings": 1024,
            "scale_embedding": True,
        }
    else:
        config = ids | {
            "d_model": width,
            "d_kv": width // heads,
            "num_heads": heads,
            **dict.fromkeys(("num_layers", "num_decoder_layers"), layers),
            "d_ff": feedforward,
            "feed_forward_proj": "gated-gelu",
        }
    model = _build(backbone, config)
    if backbone == "mt5":
        _untie(model)
        nn.init.normal_(model.lm_head.weight, std=width**-0.5)  # logits of about unit size
    set_dropout(model, dropout, attention_dropout)
    return model


def set_dropout(model: "Model", dropout: float, attention_dropout: float) -> None:
    """Set the dropout of every module; the configuration alone would change nothing.

    Args:
        model: Any.
        dropout: On states; in mT5 also inside the blocks' networks.
        attention_dropout: On attention weights.
    """
    config: Any = model.config
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
        elif isinstance(getattr(module, "dropout", None), int | float):
            holder: Any = module
            holder.dropout = attention_dropout if _is_attention(module) else dropout
    if config.model_type == "mbart":
        config.dropout, config.attention_dropout = dropout, attention_dropout
    else:
        config.dropout_rate = dropout


def config_of(model: "Model") -> dict[str, Any]:
    """Describe a model, so that `rebuild` makes one that takes its weights.

    Args:
        model: Trimmed or not.

    Returns:
        What JSON can hold; no path of this machine.
    """
    attention: Any = next(filter(_is_attention, model.modules()))
    generation: dict[str, Any] = model.generation_config.to_diff_dict()
    return {
        "config": {k: v for k, v in model.config.to_dict().items() if k not in _OF_A_FILE},
        "generation": {k: v for k, v in generation.items() if k not in _OF_A_FILE},
        "tied_head": model.lm_head.weight is model.get_input_embeddings().weight,
        "attention_dropout": float(attention.dropout),
    }


def rebuild(config: dict[str, Any]) -> "Model":
    """Make a model that takes the weights of another one.

    Args:
        config: What `config_of` gave.

    Returns:
        A model of the same class, sizes, ties and dropout. Its weights are what the memory held
        (first ones would cost MBart-large 7 s), so load those of the other.

    Raises:
        ValueError: If the configuration is none of ours.
    """
    from transformers import GenerationConfig
    from transformers.initialization import no_init_weights

    try:
        settings = dict(config["config"])
        backbone: Backbone = BACKBONES[BACKBONES.index(settings.pop("model_type"))]
        with no_init_weights():
            model = _build(backbone, settings)
        model.tie_weights()  # which is part of what was left out
        if not config["tied_head"]:
            _untie(model)
        rate = settings["dropout" if backbone == "mbart" else "dropout_rate"]
        set_dropout(model, rate, config["attention_dropout"])
        model.generation_config = GenerationConfig.from_dict(config["generation"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"the configuration of the backbone is damaged ({type(error).__name__}: {error});"
            " train the translator again, or take it from where it was copied"
        ) from None
    return model


def _classes(backbone: Backbone) -> tuple[Any, Any]:
    import transformers

    if backbone == "mbart":
        return transformers.MBartConfig, transformers.MBartForConditionalGeneration
    return transformers.MT5Config, transformers.MT5ForConditionalGeneration


def _build(backbone: Backbone, settings: dict[str, Any]) -> "Model":
    config_class, model_class = _classes(backbone)
    model: Model = model_class(config_class(**settings))
    return model


def _is_attention(module: nn.Module) -> bool:
    """Tell what drops attention weights, not what wraps it (and has a module for the states)."""
    own = getattr(module, "dropout", None)
    return type(module).__name__.endswith("Attention") and isinstance(own, int | float)


def _untie(model: "Model") -> None:
    """Give a model a head of its own; mT5's configuration cannot say so."""
    tied: Any = model.all_tied_weights_keys
    tied.pop(_HEAD, None)
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())


def _read_config(folder: Path, backbone: Backbone, weights: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found, rows = str(config["model_type"]), config["vocab_size"]
        assert isinstance(rows, int)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ValueError(
            f"{folder / 'config.json'} describes no model ({type(error).__name__}: {error})"
        ) from None
    if found != backbone:
        fits = f"set the backbone to {found}" if found in BACKBONES else "no backbone of ours fits"
        raise ValueError(f"{weights} holds a {found} model, but the backbone is {backbone}: {fits}")
    return config


def _read_weights(folder: Path, backbone: Backbone, weights: str) -> "Model":
    _, model_class = _classes(backbone)
    with _quiet():
        try:
            model, told = model_class.from_pretrained(
                str(folder),
                dtype=torch.float32,  # else as saved, and half of the updates would round away
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # refused below, by name
            )
        except Exception as error:  # of safetensors, torch, transformers, by the kind of damage
            raise ValueError(
                f"the weights of {weights} cannot be read, or are not of its config.json"
                f" ({type(error).__name__}: {' '.join(str(error).split())[:200]}). Fetch {folder}"
                " again"
            ) from None
    wrong = {
        "missing": sorted(told["missing_keys"]),
        "unexpected": sorted(told["unexpected_keys"]),
        "of another shape": sorted(str(key[0]) for key in told["mismatched_keys"]),
        "in error": sorted(map(str, told["error_msgs"])),
    }
    said = [
        f"{len(keys)} {kind} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for kind, keys in wrong.items()
        if keys
    ]
    if said:
        raise ValueError(
            f"the weights of {weights} do not fit its config.json: {'; '.join(said)}. Fetch a whole"
            f" {model_class.__name__}"
        )
    found: Model = model
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reporting what is checked here anyway."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    verbosity, shows_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shows_bars:
            logging.enable_progress_bar()
