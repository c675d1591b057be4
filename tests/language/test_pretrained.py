"""Weights in the hub's format are loaded whole, in float32, or refused by name."""

import json
from pathlib import Path

import hub_models
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from c2rl.language import pretrained
from c2rl.language.tokenizer import END, PAD, START

SENTENCES = ["heute kauft die frau ein haus.", "morgen kauft der mann die tür, und ein buch?"] * 3
SIZES = {"width": 16, "layers": 2, "heads": 2, "feedforward": 32}


@pytest.fixture(params=["mbart", "mt5"])
def folder(request, tmp_path) -> Path:
    return hub_models.save(tmp_path / request.param, request.param, SENTENCES)


def load(folder: Path, language: str = "de") -> pretrained.Loaded:
    return pretrained.load(folder.name, str(folder), language)


def edit(file: Path, **changes: object) -> None:
    told = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(told | changes), encoding="utf-8")


def test_weights_are_those_of_the_file(folder) -> None:
    model, backend = load(folder)
    own = model.state_dict()
    for name, tensor in load_file(folder / "model.safetensors").items():
        assert torch.equal(own[name], tensor), name
    assert backend.token_to_id("</s>") == model.config.eos_token_id
    assert 0 <= len(model.get_input_embeddings().weight) - backend.get_vocab_size() <= 12


def test_what_was_saved_in_half_precision_is_loaded_in_float32(folder) -> None:
    file = folder / "model.safetensors"
    save_file({k: v.half() for k, v in load_file(file).items()}, file, metadata={"format": "pt"})
    edit(folder / "config.json", dtype="float16")
    assert {p.dtype for p in load(folder).model.parameters()} == {torch.float32}


def test_a_folder_with_a_bin_alone_loads(folder) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    torch.save(weights, folder / "pytorch_model.bin")
    file.unlink()
    own = load(folder).model.state_dict()
    assert all(torch.equal(own[k], v) for k, v in weights.items())


def test_weights_that_do_not_fit_are_named(folder) -> None:
    file = folder / "model.safetensors"
    whole = load_file(file)
    norm = next(k for k in sorted(whole) if "norm" in k)
    for name, changed in {
        rf"1 missing \({norm}\)": {k: v for k, v in whole.items() if k != norm},
        r"1 unexpected \(extra\)": whole | {"extra": torch.zeros(2)},
        rf"1 of another shape \({norm}\)": whole | {norm: torch.zeros(3)},
    }.items():
        save_file(changed, file, metadata={"format": "pt"})
        with pytest.raises(ValueError, match=name):
            load(folder)


def test_damaged_weights_are_named(folder) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"the weights of .* cannot be read"):
        load(folder)
    file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match=r"the weights of .* cannot be read"):
        load(folder)


def test_a_pickle_that_runs_code_is_not_run(tmp_path) -> None:
    folder = hub_models.save(tmp_path / "mt5", "mt5", SENTENCES)
    (folder / "model.safetensors").unlink()
    trap = tmp_path / "trap"
    torch.save({"shared.weight": Trap(trap)}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot be read"):
        load(folder)
    assert not trap.exists()


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_another_model_is_refused(folder) -> None:
    other = {"mbart": "mt5", "mt5": "mbart"}[folder.name]
    with pytest.raises(ValueError, match=rf"holds a {folder.name} model, .* to {folder.name}"):
        pretrained.load(other, str(folder), "de")
    for model_type in ("bart", "t5", "umt5"):
        edit(folder / "config.json", model_type=model_type)
        with pytest.raises(ValueError, match=f"holds a {model_type} model.*no backbone of ours"):
            load(folder)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"config\.json describes no model"):
        load(folder)


def test_a_language_that_mbart_does_not_know_is_refused_before_weights_are_read(tmp_path) -> None:
    folder = hub_models.save(tmp_path / "mbart", "mbart", SENTENCES)
    (folder / "model.safetensors").write_bytes(b"never looked at")
    with pytest.raises(ValueError, match=r"no code for language 'sw' \(sw_KE\).* it has ar_AR"):
        load(folder, "sw")


def test_a_tokenizer_that_is_too_large_is_refused(folder) -> None:
    rows = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    edit(folder / "config.json", vocab_size=20)
    expected = "make.* tokens with MBart's" if folder.name == "mbart" else r"config\.json says 20"
    with pytest.raises(ValueError, match=expected):
        load(folder)
    edit(folder / "config.json", vocab_size=rows + 1)
    with pytest.raises(ValueError, match=r"tokens with MBart's|are not of its config\.json"):
        load(folder)


def test_nothing_is_loaded_from_a_folder_without_a_tokenizer(folder) -> None:
    (folder / hub_models.FILE[folder.name]).unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks tokenizer\.json or sentencepiece"):
        load(folder)


@pytest.mark.parametrize("backbone", ["mbart", "mt5"])
def test_a_fresh_model_has_our_tokens_and_sizes(backbone) -> None:
    model = pretrained.fresh(backbone, vocabulary=30, dropout=0.3, attention_dropout=0.1, **SIZES)
    for holder in (model.config, model.generation_config):
        assert holder.pad_token_id == PAD
        assert holder.eos_token_id == END
        assert holder.decoder_start_token_id == START
    assert model.get_input_embeddings().weight.shape == (30, 16)
    is_tied = model.lm_head.weight is model.get_input_embeddings().weight
    assert is_tied == (backbone == "mbart")
    if backbone == "mbart":
        assert model.get_input_embeddings().embed_scale == 4.0  # the root of the width
        assert model.config.max_position_embeddings == 1024
    ids = torch.tensor([[4, 5, END]])
    logits = model.eval()(input_ids=ids, decoder_input_ids=ids).logits
    assert logits.shape == (1, 3, 30)
    assert logits.std() < 3


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="width 16 cannot be divided among 3 heads"):
        pretrained.fresh(
            "mt5", vocabulary=9, dropout=0, attention_dropout=0, **(SIZES | {"heads": 3})
        )


def test_a_rebuilt_model_is_the_same_one(folder) -> None:
    model = load(folder).model
    pretrained.set_dropout(model, 0.25, 0.125)
    told = json.loads(json.dumps(pretrained.config_of(model)))
    assert str(folder) not in json.dumps(told)
    again = pretrained.rebuild(told)
    again.load_state_dict(model.state_dict())
    assert pretrained.config_of(again) == told
    assert rates(again) == rates(model)
    assert again.generation_config.to_dict().keys() == model.generation_config.to_dict().keys()
    assert [n for n, _ in again.named_parameters()] == [n for n, _ in model.named_parameters()]


def rates(model: nn.Module) -> list[tuple[str, float]]:
    """Every dropout of a model, by module."""
    found = []
    for name, module in model.named_modules():
        own = module.p if isinstance(module, nn.Dropout) else getattr(module, "dropout", None)
        if isinstance(own, int | float):
            found.append((name, float(own)))
    return found


@pytest.mark.parametrize("backbone", ["mbart", "mt5"])
def test_setting_dropout_changes_every_module(backbone) -> None:
    model = pretrained.fresh(backbone, vocabulary=30, dropout=0.5, attention_dropout=0.5, **SIZES)
    pretrained.set_dropout(model, 0.0, 0.25)
    found = rates(model)
    attention = {n for n, rate in found if rate == 0.25}
    assert {rate for n, rate in found if n not in attention} == {0.0}
    assert all(n.endswith(("attn", "Attention")) for n in attention)
    assert len(attention) == 6  # two layers: one each of the encoder's, two of the decoder's


@pytest.mark.parametrize("backbone", ["mbart", "mt5"])
@pytest.mark.parametrize(("dropout", "attention"), [(0.5, 0.0), (0.0, 0.5), (0.0, 0.0)])
def test_dropout_is_what_training_does(backbone, dropout, attention) -> None:
    model = pretrained.fresh(backbone, vocabulary=30, dropout=0.9, attention_dropout=0.9, **SIZES)
    pretrained.set_dropout(model, dropout, attention)
    ids = torch.arange(4, 20)[None]
    with torch.no_grad():
        first, second = (
            model.train()(input_ids=ids, decoder_input_ids=ids).logits for _ in range(2)
        )
    assert torch.equal(first, second) == (dropout == attention == 0.0)


def test_a_damaged_configuration_is_refused() -> None:
    model = pretrained.fresh("mt5", vocabulary=9, dropout=0, attention_dropout=0, **SIZES)
    told = pretrained.config_of(model)
    for wrong in ({}, told | {"config": told["config"] | {"model_type": "bert"}}):
        with pytest.raises(ValueError, match="configuration of the backbone is damaged"):
            pretrained.rebuild(wrong)
