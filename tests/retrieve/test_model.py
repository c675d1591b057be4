"""The network around two encoders: first weights, scale, and what a stored configuration gives."""

import math

import pytest
import torch

from c2rl.language import encoders
from c2rl.nn.masks import mask_of, pad_tokens
from c2rl.nn.transformer import Encoder
from c2rl.retrieve.model import RetrieverNetwork

SIZES = {"width": 16, "layers": 1, "heads": 2, "feedforward": 32, "dropout": 0.2}
REST = {"feature_width": 8, "temperature": 0.07, "max_scale": 100.0}
SENTENCES = ["heute regen", "morgen sonne im norden"]


def build(name: str) -> encoders.Built:
    return encoders.build(
        name,
        "none",
        sentences=SENTENCES,
        language_code="de",
        tokenizer={"name": "corpus", "size": 60},
        input_scale="one",
        attention_dropout=0.1,
        **SIZES,
    )


def test_first_weights_are_drawn_for_signs_then_text_then_the_projection() -> None:
    """So the numbers of the committed default stay what they are."""
    torch.manual_seed(0)
    built = build("transformer")
    model = RetrieverNetwork(**REST, **built.config, first=built.encoders)
    torch.manual_seed(0)
    signs, text = Encoder(**SIZES), Encoder(**SIZES, vocabulary=built.tokenizer.size)
    projection = torch.nn.Linear(8, 16)
    expected = {
        **{f"sign_encoder.{k}": v for k, v in signs.state_dict().items()},
        **{f"text_encoder.{k}": v for k, v in text.state_dict().items()},
        **{f"projection.{k}": v for k, v in projection.state_dict().items()},
        "log_scale": torch.tensor(math.log(1 / 0.07)),
    }
    found = model.state_dict()
    assert set(found) == set(expected)
    assert all(torch.equal(found[key], expected[key]) for key in found)


def test_a_configuration_without_a_name_is_a_transformers() -> None:
    model = RetrieverNetwork(**REST, **SIZES, vocabulary=50)
    assert isinstance(model.sign_encoder, Encoder)
    assert model.max_tokens == 1024


@pytest.mark.parametrize("name", ["transformer", "mbart", "mt5"])
def test_the_configuration_and_the_weights_are_the_whole_network(name) -> None:
    built = build(name)
    one = RetrieverNetwork(**REST, **built.config, first=built.encoders).eval()
    other = RetrieverNetwork(**REST, **built.config).eval()
    other.load_state_dict(one.state_dict())
    features, mask = torch.cos(torch.arange(80.0)).reshape(2, 5, 8), mask_of(torch.tensor([5, 2]))
    tokens = pad_tokens([built.tokenizer.encode(sentence) for sentence in SENTENCES])
    with torch.no_grad():
        torch.testing.assert_close(
            one.encode_signs(features, mask), other.encode_signs(features, mask)
        )
        torch.testing.assert_close(one.encode_text(tokens), other.encode_text(tokens))


@pytest.mark.parametrize("name", ["transformer", "mbart", "mt5"])
def test_every_weight_learns(name) -> None:
    built = build(name)
    model = RetrieverNetwork(**REST, **built.config, first=built.encoders).eval()
    features, mask = torch.cos(torch.arange(80.0)).reshape(2, 5, 8), mask_of(torch.tensor([5, 2]))
    tokens = pad_tokens([built.tokenizer.encode(sentence) for sentence in SENTENCES])
    signs, text = model.encode_signs(features, mask), model.encode_text(tokens)
    ((signs**3).sum() + (text**3).sum() + model.scale).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_the_scale_never_exceeds_its_bound() -> None:
    model = RetrieverNetwork(**REST, **SIZES, vocabulary=50)
    assert float(model.scale.detach()) == pytest.approx(1 / 0.07)
    torch.nn.init.constant_(model.log_scale, 9.0)
    assert float(model.scale.detach()) == 100
