"""Small MBart and mT5 models of the real classes, with real tokenizers, in the hub's format."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import sentencepiece
import torch
from torch import Tensor, nn
from transformers import (
    MBartConfig,
    MBartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
)

Backbone = Literal["mbart", "mt5"]

FILE = {"mbart": "sentencepiece.bpe.model", "mt5": "spiece.model"}
CLASS = {"mbart": "MBartTokenizer", "mt5": "T5Tokenizer"}
OWN_IDS = {
    "mbart": {},
    "mt5": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
}


def write_tokenizer(
    folder: Path, backbone: Backbone, sentences: Sequence[str], *, pieces: int = 200, **options: Any
) -> int:
    """Learn a SentencePiece model; gives the number of tokens that the real class makes of it."""
    folder.mkdir(parents=True, exist_ok=True)
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        vocab_size=pieces,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="nmt_nfkc",
        num_threads=1,
        minloglevel=2,
        **OWN_IDS[backbone],
        **options,
    )
    (folder / FILE[backbone]).write_bytes(written.getvalue())
    told = {"tokenizer_class": CLASS[backbone]}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    found = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()).vocab_size()
    return found + 27 if backbone == "mbart" else found  # an offset, 25 languages and a mask


def model(
    backbone: Backbone,
    tokens: int,
    *,
    width: int = 16,
    layers: int = 2,
    heads: int = 2,
    feedforward: int = 32,
    tied: bool = False,
) -> PreTrainedModel:
    """Make a model as the hub's: `<s> <pad> </s> <unk>` first in MBart, `<pad> </s> <unk>` in mT5.

    Args:
        backbone: Which.
        tokens: In its vocabulary.
        width: Hidden size.
        layers: Of encoder and decoder.
        heads: Attention heads.
        feedforward: Hidden units.
        tied: Of mT5 alone: whether its head shares the embedding, as T5's of old; MBart's does.

    Returns:
        The model; every weight and every bias is arbitrary, the bias of MBart's logits too.
    """
    found: PreTrainedModel
    if backbone == "mbart":
        found = MBartForConditionalGeneration(
            MBartConfig(
                vocab_size=tokens,
                d_model=width,
                encoder_layers=layers,
                decoder_layers=layers,
                encoder_attention_heads=heads,
                decoder_attention_heads=heads,
                encoder_ffn_dim=feedforward,
                decoder_ffn_dim=feedforward,
                max_position_embeddings=512,
                scale_embedding=True,
            )
        )
    else:
        found = MT5ForConditionalGeneration(
            MT5Config(
                vocab_size=tokens,
                d_model=width,
                d_kv=width // heads,
                d_ff=feedforward,
                num_layers=layers,
                num_heads=heads,
            )
        )
        if not tied:
            found.lm_head.weight = nn.Parameter(found.shared.weight.detach().clone())
            found.all_tied_weights_keys.pop("lm_head.weight")
    scramble(found)
    return found.eval()


def scramble(module: nn.Module) -> None:
    """Move every weight and every bias by arithmetic, so that none is 0 or like another."""
    tensors: list[Tensor] = [*module.parameters(), *module.buffers()]
    with torch.no_grad():
        for number, tensor in enumerate(tensors):
            if tensor.is_floating_point():
                steps = torch.arange(tensor.numel(), dtype=torch.float64) + 1000 * number
                tensor += 0.1 * torch.sin(steps * steps * 0.37).reshape(tensor.shape).float()


def save(
    folder: Path,
    backbone: Backbone,
    sentences: Sequence[str],
    *,
    pieces: int = 200,
    **sizes: Any,
) -> Path:
    """Write a whole hub folder; `sizes` as for `model`.

    Args:
        folder: Made where there is none.
        backbone: Which.
        sentences: The tokenizer is learned from these.
        pieces: At most, in the tokenizer.
        sizes: Keyword arguments of `model`.

    Returns:
        `folder`: config.json, generation_config.json, model.safetensors and a SentencePiece model.
    """
    tokens = write_tokenizer(folder, backbone, sentences, pieces=pieces)
    if backbone == "mt5":
        tokens += 12  # the hub's mT5 has 250,112 rows for 250,100 pieces
    model(backbone, tokens, **sizes).save_pretrained(folder)
    return folder
