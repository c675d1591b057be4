"""What denoising text first is worth to a small MBart: the contrast of Fig. 3, on any features.

    c2rl bench denoising data/features/synthsign.zarr data/encoders/synthsign [--seeds 3]

Some ten minutes on two cores for three seeds. A small MBart of the real classes learns to restore
the training sentences of the store, of which spans of words were masked, as MBart-large learned
from the web. It and its twin of random weights are saved in the hub's format; stage translate takes
both by `translate.weights: <folder>`, with everything else alike. No other text is looked at.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ruamel.yaml import YAML
from torch.nn import functional as F
from transformers import AutoTokenizer, MBartConfig, MBartForConditionalGeneration

from c2rl import config
from c2rl.store.features import FeatureStore
from c2rl.translate.run import translate

sys.path.insert(0, str(Path(__file__).parent.parent))
import hub_models

PAD = 1
"""Of MBart."""
LANGUAGES = {"de": "de_DE", "en": "en_XX", "zh": "zh_CN"}
MASKED, LONGEST_SPAN = 0.35, 3
"""Share of words, as in BART's infilling, and most words of a span, which is one mask."""


def twin(folder: Path, sentences: list[str]) -> Path:
    """Save a small MBart of random weights, with a tokenizer of the sentences."""
    tokens = hub_models.write_tokenizer(folder, "mbart", sentences, pieces=1000)
    torch.manual_seed(0)
    sizes = MBartConfig(
        vocab_size=tokens,
        d_model=128,
        encoder_layers=3,
        decoder_layers=3,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=512,
        decoder_ffn_dim=512,
        max_position_embeddings=1024,
        scale_embedding=True,
        dropout=0.1,
    )
    MBartForConditionalGeneration(sizes).save_pretrained(folder)
    return folder


def masked(words: list[str], rng: np.random.Generator) -> list[str]:
    """Replace spans of words by one mask each."""
    found: list[str] = []
    place = 0
    while place < len(words):
        if rng.random() < 2 * MASKED / (1 + LONGEST_SPAN):
            found.append("<mask>")
            place += int(rng.integers(1, LONGEST_SPAN + 1))
        else:
            found.append(words[place])
            place += 1
    return found


def denoise(source: Path, folder: Path, sentences: list[str], language: str, steps: int) -> Path:
    """Train a saved model to restore sentences, and save it elsewhere."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.src_lang = tokenizer.tgt_lang = LANGUAGES[language]
    model = MBartForConditionalGeneration.from_pretrained(source, dtype=torch.float32).train()
    start = tokenizer.convert_tokens_to_ids(LANGUAGES[language])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    rng, losses = np.random.default_rng(0), []
    join = "" if language == "zh" else " "
    for _ in range(steps):
        chosen = [sentences[i] for i in rng.integers(len(sentences), size=32)]
        parts = [list(s) if language == "zh" else s.split() for s in chosen]
        broken = tokenizer(
            [join.join(masked(words, rng)) for words in parts], padding=True, return_tensors="pt"
        )
        whole = tokenizer(chosen, padding=True, return_tensors="pt")["input_ids"]
        whole = whole.masked_fill(whole == start, PAD)  # a sentence ends with </s> here
        before = torch.cat([torch.full_like(whole[:, :1], start), whole[:, :-1]], dim=1)
        logits = model(**broken, decoder_input_ids=before).logits
        loss = F.cross_entropy(logits.flatten(0, 1), whole.flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss))
    print(
        f"denoising: loss {statistics.mean(losses[:20]):.2f} -> {statistics.mean(losses[-20:]):.2f}"
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def run(options: argparse.Namespace, weights: Path, seed: int, place: Path) -> dict[str, Any]:
    """Run stage translate once."""
    content = YAML(typ="safe", pure=True).load(Path("params.yaml"))
    content["seed"] = seed
    content["translate"] |= {"backbone": "mbart", "weights": str(weights), "lr": options.lr}
    if options.epochs:
        content["translate"]["epochs"] = options.epochs
    params = place / "params.yaml"
    YAML(typ="safe", pure=True).dump(content, params)
    os.environ["C2RL_SCRATCH"] = str(place / "scratch")
    with contextlib.redirect_stdout(sys.stderr):
        translate(
            config.load(config.TranslateParams, params),
            features=options.features,
            encoder=options.encoder,
            translator=place / f"{weights.name}-{seed}",
            metrics=place / "metrics.json",
        )
    return dict(json.loads((place / "metrics.json").read_text(encoding="utf-8")))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="A small MBart with and without pre-training.")
    parser.add_argument("features", type=Path, help="feature store")
    parser.add_argument("encoder", type=Path, help="the encoder that made it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500, help="of denoising")
    parser.add_argument("--lr", type=float, default=5e-4, help="translate.lr of both")
    parser.add_argument("--epochs", type=int, help="translate.epochs of both")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    return parser.parse_args()


def main() -> None:
    """Train both twins under every seed."""
    options = arguments()
    train = FeatureStore(options.features)["train"]
    language = train.rows[0].clip.language
    told: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        random = twin(place / "random", train.sentences)
        pretrained = denoise(random, place / "pretrained", train.sentences, language, options.steps)
        for weights in (random, pretrained):
            own = [run(options, weights, seed, place) for seed in range(options.seeds)]
            told[weights.name] = own
            for split in ("dev", "test"):
                found = [metrics[split]["bleu4"] for metrics in own]
                spread = statistics.stdev(found) if len(found) > 1 else float("nan")
                blind = max(m[split][f"bleu4_{k}"] for m in own for k in ("shuffled", "constant"))
                print(
                    f"{weights.name:11}{split:5}BLEU-4 {statistics.mean(found):5.1f} ± {spread:.1f}"
                    f"   without looking {blind:.1f}",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
