"""How fast a translator learns and searches beside the usual ways.

    c2rl bench translate [--rounds 5] [--device cuda] [--backbone mbart] [--json figures.json]

One process, about six minutes on two idle cores. Rounds, ratios and `again` (the first row's code
once more) are those of `tests/benchmarks/pretrain.py`, which tells of them.

Table 1, training on cached features of clips that are as long as PHOENIX14T's training clips at
keep 0.25 (their ventiles), with sizes and batches of the paper's preset: 128 clips a step, 16 at a
time (as many as each of its 8 GPUs has), forward, backward and Adam:
    longest    16 at random, padded to their longest clip and sentence, as peers do
    buckets    ours with `translate.bucket: 8`: 16 of like length
`useful` is the share of feature rows and tokens that are real. Every clip is seen once by each row.
The goal is 1.6 times as many useful rows and tokens a second.

Table 2, beam search over 16 clips, five beams, sentences of up to 30 tokens:
    plain      the loop that computes the whole sentence so far at every step
    cache      ours: keys and values of the steps so far are kept
That both find sentences of the same scores is asserted. No goal: the longer, the more it gains.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from c2rl.language import backbones
from c2rl.language.backbones import Backbone
from c2rl.language.tokenizer import END, START
from c2rl.nn.masks import pad_tokens
from c2rl.nn.search import beam_search
from c2rl.objectives.language import language_loss
from c2rl.store.loaded import Loaded
from c2rl.training.batching import Step
from c2rl.training.features import FeatureBatch, feature_batches
from c2rl.translate.model import TranslatorNetwork

sys.path.insert(0, str(Path(__file__).parent.parent))
from racing import Bench, bf16_flags, closing, opening, race, tell

GOAL = 1.6
BATCH = 128
VENTILES = (16, 43, 55, 66, 75, 83, 90, 96, 101, 106, 112, 117, 123, 129, 136, 144, 154, 167, 182)
VENTILES = (*VENTILES, 208, 475)
"""Frames of PHOENIX14T's training clips, from the shortest to the longest."""
KEEP, TOKENS_A_FRAME, FEATURES = 0.25, 0.14, 512
WORDS = [f"{a}{b}{c}" for a, b, c in itertools.product("bdfgklmnprst", "aeiou", "lmnrst")]
SIZES = {"width": 512, "layers": 3, "heads": 8, "feedforward": 2048, "dropout": 0.3}


class Corpus(NamedTuple):
    """Clips of like lengths as a real corpus, of features that say nothing; see `Clips`."""

    ids: list[str]
    lengths: list[int]
    sentences: list[str]
    tokens: list[list[int]]
    features: list[np.ndarray[Any, np.dtype[np.float16]]]
    num_views: int = 1
    width: int = FEATURES

    def view(self, clip: int, number: int, /) -> np.ndarray[Any, np.dtype[np.float16]]:
        """Give a clip."""
        assert number == 0
        return self.features[clip]

    def load(self, device: torch.device | str | None = None, *, view: int = 0) -> Loaded:
        """Give all clips."""
        assert view == 0
        ends = torch.tensor([0, *itertools.accumulate(self.lengths)])
        return Loaded(torch.from_numpy(np.concatenate(self.features)).to(device), ends)


def corpus(clips: int, vocabulary: int) -> Corpus:
    """Draw clips whose lengths spread as PHOENIX14T's, sentences as long as theirs."""
    rng = np.random.default_rng(0)
    places = (np.arange(clips) + 0.5) / clips * (len(VENTILES) - 1)
    frames = rng.permutation(np.interp(places, range(len(VENTILES)), VENTILES))
    lengths = [max(1, round(KEEP * f)) for f in frames]
    said = [max(3, round(TOKENS_A_FRAME * f * rng.uniform(0.7, 1.3))) for f in frames]
    tokens = [[*rng.integers(4, vocabulary, n - 1).tolist(), END] for n in said]
    features = [rng.standard_normal((n, FEATURES)).astype(np.float16) for n in lengths]
    ids = [f"clip{n}" for n in range(clips)]
    return Corpus(ids, lengths, ids, tokens, features)


def build(bench: Bench, name: backbones.Name) -> TranslatorNetwork:
    """Make a translator with first weights of its own."""
    torch.manual_seed(0)
    built = backbones.build(
        name,
        "none",
        sentences=[" ".join(WORDS)],
        language_code="de",
        tokenizer={"name": "corpus", "size": 1000},
        input_scale="one",
        attention_dropout=0.1,
        **SIZES,
    )
    return TranslatorNetwork(built.backbone, feature_width=FEATURES).to(bench.device)


def padding(bench: Bench, name: backbones.Name, clips: int) -> dict[str, Any]:
    """Measure table 1."""
    model = build(bench, name).train()
    vocabulary = model(*_one(bench)).shape[-1]
    held = corpus(clips, vocabulary)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True)
    real = sum(held.lengths) + sum(map(len, held.tokens))

    def learn(steps: Iterator[Step[FeatureBatch]]) -> None:
        for step in steps:
            optimizer.zero_grad(set_to_none=True)
            for batch in step.micro_batches:
                with bench.autocast(enabled=bench.has_bf16):
                    logits = model(batch.features, batch.mask, batch.tokens)
                loss = language_loss(logits, *batch.tokens, smoothing=0.2)
                loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    ways = {
        bucket: feature_batches(held, held.tokens, batch_size=BATCH, seed=0, bucket=bucket)
        for bucket in (1, 8)
    }
    useful = {bucket: real / _size(batches(0, 0)) for bucket, batches in ways.items()}
    rows = {
        "longest": lambda: learn(ways[1](0, 0)),
        "buckets": lambda: learn(ways[8](0, 0)),
        "again": lambda: learn(ways[1](0, 0)),
    }
    lines = race(bench, rows, real)
    shares = {"longest": useful[1], "buckets": useful[8], "again": useful[1]}
    lines = [line._replace(more=f"useful {shares[line.name]:.2f}") for line in lines]
    title = f"1. Learning of {name}, {bench.precision}, {clips} clips"
    return tell(title, lines, GOAL, "", unit="rows + tokens") | {"useful": shares}


def _size(steps: Iterator[Step[FeatureBatch]]) -> int:
    """Count feature rows and tokens, padded ones too."""
    batches = [batch for step in steps for batch in step.micro_batches]
    return sum(batch.mask.numel() + batch.tokens.mask.numel() for batch in batches)


def _one(bench: Bench) -> tuple[Any, ...]:
    """Make the smallest input."""
    ids, mask = (t.to(bench.device) for t in pad_tokens([[END]]))
    ones = torch.ones(1, 1, device=bench.device)
    return ones[..., None].expand(1, 1, FEATURES), ones > 0, type(pad_tokens([[END]]))(ids, mask)


class Plain(NamedTuple):
    """A decoder that computes the whole sentence so far at every step; see `StepDecoder`."""

    decode: Any
    """Takes (R, U) tokens, (R, T, C) source and (R, T) mask; gives (R, U, W) logits."""

    def begin(self, source: Tensor, mask: Tensor) -> Any:
        """Keep the source."""
        return source, mask, mask.new_zeros(len(mask), 0, dtype=torch.int64)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Compute all steps, and give the last."""
        source, mask, before = state
        said = torch.cat([before, tokens[:, None]], dim=1)
        return self.decode(said, source, mask)[:, -1], (source, mask, said)

    def reorder(self, state: Any, rows: Tensor) -> Any:
        """Change the order of the rows."""
        source, mask, said = state
        return source, mask, said[rows]


def plain(backbone: Backbone) -> Plain:
    """Strip a backbone of its cache."""
    if isinstance(backbone, backbones.SmallTransformer):
        return Plain(backbone.decoder)
    from transformers.modeling_outputs import BaseModelOutput

    model = getattr(backbone, "model")  # noqa: B009

    def decode(said: Tensor, source: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = model(
            encoder_outputs=BaseModelOutput(last_hidden_state=source),
            attention_mask=mask.long(),
            decoder_input_ids=said,
            use_cache=False,
        ).logits
        return logits

    return Plain(decode)


def search(bench: Bench, name: backbones.Name) -> dict[str, Any]:
    """Measure table 2."""
    network = build(bench, name).eval().requires_grad_(False)
    backbone = network.backbone
    for number, table in enumerate(_matrices(network)):  # or all tokens would be alike
        wave = torch.sin(torch.arange(table.numel(), device=table.device) * 0.37 + number)
        table.data = (wave / table.shape[1] ** 0.5).reshape(table.shape)
    mask = torch.ones(16, 30, dtype=torch.bool, device=bench.device)
    mask[8:, 20:] = False
    wave = torch.cos(torch.arange(16 * 30 * SIZES["width"], device=bench.device) * 0.3)
    source = backbone.encode(wave.reshape(16, 30, -1), mask)
    options = {"start": START, "end": END, "beams": 5, "max_length": 30}
    slow = plain(backbone)
    found = [beam_search(way, source, mask, **options) for way in (slow, backbone)]
    scores = [torch.tensor([[h.score for h in own] for own in way]) for way in found]
    torch.testing.assert_close(*scores, atol=1e-3, rtol=1e-3)
    rows = {
        "plain": lambda: beam_search(slow, source, mask, **options),
        "cache": lambda: beam_search(backbone, source, mask, **options),
        "again": lambda: beam_search(slow, source, mask, **options),
    }
    tokens = sum(len(own[0].tokens) + 1 for own in found[0])
    lines = race(bench, rows, tokens)
    return tell(f"2. Beam search of {name}, float32", lines, None, "", unit="tokens")


def _matrices(network: nn.Module) -> list[nn.Parameter]:
    return [p for p in network.parameters() if p.ndim == 2]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Learning and searching beside the usual ways.")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds; at least 3")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--backbone", choices=["transformer", "mbart", "mt5"], default="mbart")
    parser.add_argument("--clips", type=int, default=512, help="of table 1")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error(f"--rounds is {options.rounds}, expected 3 or more: the best of fewer is luck")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU")
    return options


def main() -> None:
    """Measure both tables."""
    options = arguments()
    if options.device == "cpu":
        os.environ["C2RL_DEVICE"] = "cpu"
    has_bf16 = options.device == "cuda" or bool(bf16_flags())
    device = torch.device(options.device)
    bench = Bench(device, options.rounds, 16, has_bf16, clock=time.perf_counter)
    told, load = opening(bench)
    print(f"load average {load:.1f} before; wall-clock time, best of {bench.rounds} rounds")
    tables = [padding(bench, options.backbone, options.clips)]
    with torch.inference_mode():
        tables.append(search(bench, options.backbone))
    closing(options.json, machine=told, load=load, tables=tables)


if __name__ == "__main__":
    main()
