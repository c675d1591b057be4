"""A full-size MBart-large, 611 million parameters, loaded and cut: time, memory, and equal logits.

    python tests/benchmarks/trim.py [--folder DIR] [--json figures.json]

The real class with facebook/mbart-large-cc25's sizes: 12 and 12 layers, width 1024, 250,027 tokens;
first weights, a logit bias that is not zero. Its tokenizer is the real one of GFSLT (2427 pieces,
in $C2RL_REALDATA), or a small one learned here, with filler pieces up to 250,000. Written once in
the hub's format, 2.5 GB, into a temporary folder, or into --folder, which is kept. Linux only,
about a minute on two quiet cores.

Loading and cutting run in a fresh process, so that the peak of resident memory is theirs; pages of
the file that are mapped count too, although the system may drop them.

    load   `pretrained.load`: tokenizer, weights and checks; and one look at every weight, as the
           file is only mapped until then
    cut    `tokenizer.cut` to the sentences, `trim.old_ids`, `trim.trim`, after the loading; and the
           ratio of its time to the loading's
    peak   of the process that did both, with the goal: 12 GB
    equal  whole and cut logits at the kept tokens; goal: a difference of 1e-5 of the largest
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from sentencepiece import sentencepiece_model_pb2
from transformers import MBartConfig, MBartForConditionalGeneration

from c2rl.language import pretrained, tokenizer, trim
from c2rl.language.tokenizer import END, START

sys.path.insert(0, str(Path(__file__).parent.parent))
import hub_models

PIECES, TOKENS, PEAK_GOAL, EQUAL_GOAL = 250_000, 250_027, 12e9, 1e-5
GFSLT = "tokenizers/zhoubenjia+GFSLT-VLP/pretrain_models/MBart_trimmed"
SENTENCES = [
    "am tag zehn grad im süden und regen im norden",
    "heute nacht ist es meist klar, morgen scheint die sonne",
    "in den nächsten tagen bleibt es freundlich und trocken",
]


def write(folder: Path) -> str:
    """Write the model; says whose tokenizer it has."""
    real = Path(os.environ.get("C2RL_REALDATA", "absent")) / GFSLT / "sentencepiece.bpe.model"
    file = folder / "sentencepiece.bpe.model"
    hub_models.write_tokenizer(folder, "mbart", SENTENCES * 5)
    if real.is_file():
        shutil.copyfile(real, file)
        file.chmod(0o644)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(file.read_bytes())
    own = len(proto.pieces)
    for number in range(PIECES - own):
        proto.pieces.add(piece=f"▁q{number}x", score=-15.0 - number * 1e-5)
    file.write_bytes(proto.SerializeToString())
    model = MBartForConditionalGeneration(MBartConfig(vocab_size=TOKENS, scale_embedding=True))
    model.final_logits_bias += torch.linspace(-1, 1, TOKENS)
    model.save_pretrained(folder)
    return f"{'GFSLT' if real.is_file() else 'a learned one'}, {own} pieces and {PIECES - own} more"


def load_and_cut(folder: Path) -> dict[str, float]:
    """Do both; gives seconds, bytes and the number of tokens."""
    idle, start = peak(), time.perf_counter()
    model, backend = pretrained.load("mbart", str(folder), "de")
    mapped = time.perf_counter()
    largest = max(float(p.detach().abs().max()) for p in model.parameters())
    assert 0 < largest < 10
    loaded, loaded_peak = time.perf_counter(), peak()
    small = tokenizer.cut(backend, SENTENCES)
    trim.trim(model, trim.old_ids(small, backend, model, "de"))
    return {
        "map": mapped - start,
        "load": loaded - start,
        "cut": time.perf_counter() - loaded,
        "idle_peak": idle,
        "load_peak": loaded_peak,
        "peak": peak(),
        "tokens": small.size,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def difference(folder: Path) -> float:
    """Compare logits of the whole and the cut model, relative to the largest."""
    model, backend = pretrained.load("mbart", str(folder), "de")
    small = tokenizer.cut(backend, SENTENCES)
    kept = trim.old_ids(small, backend, model, "de")
    old, source = torch.tensor(kept), torch.tensor([small.encode(SENTENCES[0])])
    target = torch.tensor([[START, *small.encode(SENTENCES[1])]])
    assert source[0, -1] == END
    with torch.inference_mode():
        whole = model(input_ids=old[source], decoder_input_ids=old[target]).logits[..., old]
        trim.trim(model, kept)
        cut = model(input_ids=source, decoder_input_ids=target).logits
    return float((whole - cut).abs().max() / whole.abs().max())


def peak() -> float:
    """Give the peak of this process's resident memory in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return 1024.0 * int(line.split()[1])


def fresh_process() -> ProcessPoolExecutor:
    """Start one."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def measure(folder: Path) -> dict[str, float]:
    """Measure and print."""
    with fresh_process() as pool:
        found = pool.submit(load_and_cut, folder).result()
    with fresh_process() as pool:
        found["difference"] = pool.submit(difference, folder).result()
    size = (folder / "model.safetensors").stat().st_size
    print(
        f"load   {found['load']:8.1f} s   {size / 1e9:.2f} GB of weights, of which"
        f" {found['map']:.1f} s until they are mapped"
    )
    print(
        f"cut    {found['cut']:8.1f} s   {found['cut'] / found['load']:.2f} of loading;"
        f" {TOKENS} tokens to {found['tokens']:.0f},"
        f" {found['parameters'] / 1e6:.0f} million parameters are left"
    )
    print(
        f"peak   {found['peak'] / 1e9:8.2f} GB  ({found['idle_peak'] / 1e9:.2f} before,"
        f" {found['load_peak'] / 1e9:.2f} after loading)   {verdict(found['peak'], PEAK_GOAL)}"
    )
    print(f"equal  {found['difference']:8.1e}      {verdict(found['difference'], EQUAL_GOAL)}")
    return found


def verdict(figure: float, goal: float) -> str:
    """Say whether a goal was held."""
    return "held" if figure <= goal else "MISSED"


def main() -> None:
    """Write, load and cut."""
    parser = argparse.ArgumentParser(description="A full-size MBart-large, loaded and cut.")
    parser.add_argument("--folder", type=Path, help="keep the model there, or take it from there")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "model.safetensors").is_file():
            with fresh_process() as pool:
                print(f"tokenizer of {pool.submit(write, folder).result()}", flush=True)
        found = measure(folder)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
