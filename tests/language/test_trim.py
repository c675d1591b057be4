"""A trimmed model computes what the whole one did; real classes, arbitrary weights and biases."""

from pathlib import Path

import hub_models
import pytest
import torch
from torch import Tensor

from c2rl.language import pretrained, tokenizer, trim
from c2rl.language.tokenizer import END, PAD, START, UNKNOWN

SENTENCES = [
    "heute kauft die frau ein haus.",
    "morgen kauft der mann die tür, und ein buch?",
    "die frau tanzt nicht",
]
MORE = ["Quer über Xylophone jagen zwölf Boxkämpfer VW Typ 123!", "ЖЗИ abc ЖЗИ %&", *SENTENCES]
KINDS = [("mbart", False), ("mt5", False), ("mt5", True)]
NAMES = ["mbart", "mt5", "mt5-tied"]

SOURCE = torch.tensor([[5, 6, 7, UNKNOWN, END], [9, 8, END, PAD, PAD]])
TARGET = torch.tensor([[START, 4, 10, 6], [START, 11, 5, PAD]])


@pytest.fixture(params=KINDS, ids=NAMES)
def case(request, tmp_path):
    backbone, tied = request.param
    folder = hub_models.save(tmp_path / "hub", backbone, MORE * 3, tied=tied)
    loaded = pretrained.load(backbone, str(folder), "de")
    small = tokenizer.cut(loaded.backend, SENTENCES[:2])
    return loaded, small, trim.old_ids(small, loaded.backend, loaded.model, "de")


def logits(model, source: Tensor, target: Tensor, pad: int) -> Tensor:
    with torch.no_grad():
        found = model(
            input_ids=source,
            attention_mask=(source != pad).long(),
            decoder_input_ids=target,
        )
    return found.logits


def whole_logits(model, kept: list[int]) -> Tensor:
    """Of the whole model, at the kept tokens; MBart's padding is 1, mT5's 0."""
    old = torch.tensor(kept)
    return logits(model, old[SOURCE], old[TARGET], kept[PAD])[..., old]


def test_the_logits_of_kept_tokens_are_the_same_bits(case) -> None:
    (model, backend), small, kept = case
    assert len(kept) == small.size < backend.get_vocab_size()
    before = whole_logits(model, kept)
    assert before.std() > 0.01
    trim.trim(model, kept)
    assert logits(model, SOURCE, TARGET, PAD).shape == (2, 4, small.size)
    assert torch.equal(logits(model, SOURCE, TARGET, PAD), before)


def test_they_are_still_after_saving_in_either_format(case, tmp_path) -> None:
    (model, _), _, kept = case
    before = whole_logits(model, kept)
    trim.trim(model, kept)
    model.save_pretrained(tmp_path / "again")
    with pretrained._quiet():
        again = type(model).from_pretrained(tmp_path / "again", dtype=torch.float32)
    ours = pretrained.rebuild(pretrained.config_of(model))
    ours.load_state_dict(model.state_dict())
    for other in (again.eval(), ours.eval()):
        assert torch.equal(logits(other, SOURCE, TARGET, PAD), before)
        assert is_tied(other) == is_tied(model)
        assert other.generation_config.decoder_start_token_id == START


def is_tied(model) -> bool:
    return model.lm_head.weight is model.get_input_embeddings().weight


def test_what_was_tied_stays_tied_and_what_was_not_does_not(case, request) -> None:
    (model, _), _, kept = case
    trim.trim(model, kept)
    assert is_tied(model) == ("mt5-tied" in request.node.name or "mbart" in request.node.name)
    first = model.get_input_embeddings().weight
    for part in (model.get_encoder(), model.get_decoder()):
        assert part.embed_tokens.weight is first
        assert part.embed_tokens.num_embeddings == len(kept)
    assert model.lm_head.out_features == len(kept)


def test_every_number_of_a_token_is_the_new_one(case) -> None:
    (model, _), _, kept = case
    gone = min(set(range(40)) - set(kept))
    model.generation_config.suppress_tokens = [kept[4], gone]
    model.generation_config.bad_words_ids = [[kept[5], kept[6]], [gone]]
    model.generation_config.eos_token_id = [kept[END]]
    model.generation_config.forced_bos_token_id = kept[4]
    model.config.task_specific_params = {"to_ro": {"decoder_start_token_id": 47, "eos_token_id": 2}}
    trim.trim(model, kept)
    told = model.generation_config
    assert told.suppress_tokens == [4]
    assert told.bad_words_ids == [[5, 6]]
    assert told.forced_bos_token_id is None
    for holder in (told, model.config, model.get_encoder().config, model.get_decoder().config):
        values = holder.to_dict()
        assert values["pad_token_id"] == PAD
        assert values["eos_token_id"] == END
        assert values["decoder_start_token_id"] == START
        assert values.get("vocab_size", len(kept)) == len(kept)
        for key, value in values.items():
            if key.endswith("_token_id") and value is not None:
                assert value < len(kept), key
    assert model.config.task_specific_params["to_ro"]["decoder_start_token_id"] is None


def test_mbart_keeps_its_scale_its_bias_and_its_padding_row(tmp_path) -> None:
    folder = hub_models.save(tmp_path, "mbart", MORE * 3, width=16)
    model, backend = pretrained.load("mbart", str(folder), "en")
    kept = trim.old_ids(tokenizer.cut(backend, SENTENCES), backend, model, "en")
    bias = model.final_logits_bias.clone()
    trim.trim(model, kept)
    assert backend.id_to_token(kept[START]) == "en_XX"
    assert model.get_input_embeddings().embed_scale == 4.0  # the root of the width
    assert torch.equal(model.final_logits_bias, bias[:, kept])
    assert bias.abs().min() > 0
    assert "final_logits_bias" in model.state_dict()
    for part in (model.get_input_embeddings(), model.get_encoder(), model.get_decoder()):
        assert part.padding_idx == PAD


def test_the_gradient_of_a_loss_reaches_the_kept_rows(case) -> None:
    (model, _), _, kept = case
    trim.trim(model, kept)
    found = model(input_ids=SOURCE, decoder_input_ids=TARGET).logits
    found.logsumexp(dim=-1).sum().backward()
    for weight in {model.get_input_embeddings().weight, model.lm_head.weight}:
        reached = weight.grad.abs().sum(dim=1) > 0
        used = sorted({*SOURCE.flatten().tolist(), *TARGET.flatten().tolist()} - {PAD})
        assert reached[used].all()
        assert weight.grad.shape == (len(kept), 16)
    assert (model.lm_head.weight.grad.abs().sum(dim=1) > 0).all()


def test_generating_begins_with_the_language_and_ends(case) -> None:
    (model, _), _, kept = case
    trim.trim(model, kept)
    with torch.no_grad():
        found = model.generate(input_ids=SOURCE, max_new_tokens=5, do_sample=False)
    assert (found[:, 0] == START).all()
    assert found.max() < len(kept)


def test_mt5_begins_with_padding_of_which_it_keeps_two_rows(tmp_path) -> None:
    folder = hub_models.save(tmp_path, "mt5", MORE * 3)
    model, backend = pretrained.load("mt5", str(folder), "any")
    kept = trim.old_ids(tokenizer.cut(backend, SENTENCES), backend, model, "any")
    assert kept[:4] == [0, 0, 1, 2]
    trim.trim(model, kept)
    rows = model.get_input_embeddings().weight
    assert torch.equal(rows[PAD], rows[START])


def test_tokens_that_do_not_fit_are_refused(case) -> None:
    (model, _), _, kept = case
    rows = model.config.vocab_size
    with pytest.raises(
        ValueError, match=f"token {rows} is not in the model's vocabulary of {rows}"
    ):
        trim.trim(model, [*kept, rows])
    with pytest.raises(ValueError, match="kept twice"):
        trim.trim(model, [*kept, kept[6]])
    assert len(model.get_input_embeddings().weight) == rows


def test_a_tokenizer_of_another_model_is_refused(tmp_path) -> None:
    mbart = hub_models.save(tmp_path / "mbart", "mbart", MORE * 3)
    mt5 = hub_models.save(tmp_path / "mt5", "mt5", MORE * 3)
    model, backend = pretrained.load("mbart", str(mbart), "de")
    other = pretrained.load("mt5", str(mt5), "de").backend
    small = tokenizer.cut(other, SENTENCES)
    with pytest.raises(ValueError, match="should be <pad>, but the tokenizer has it at 0"):
        trim.old_ids(small, other, model, "de")
    with pytest.raises(ValueError, match=r"no code for language 'xx'.*it has ar_AR, .*zh_CN\. "):
        trim.old_ids(tokenizer.cut(backend, SENTENCES), backend, model, "xx")
    with pytest.raises(ValueError, match=r"no code for language 'pl' \(pl_PL\)"):
        trim.old_ids(tokenizer.cut(backend, SENTENCES), backend, model, "pl")


def test_a_larger_tokenizer_than_the_model_is_refused(tmp_path: Path) -> None:
    folder = hub_models.save(tmp_path, "mt5", MORE * 3)
    model, backend = pretrained.load("mt5", str(folder), "de")
    small = tokenizer.cut(backend, SENTENCES)
    model.config.vocab_size = 20
    with pytest.raises(ValueError, match="but the model's vocabulary ends at 19"):
        trim.old_ids(small, backend, model, "de")
