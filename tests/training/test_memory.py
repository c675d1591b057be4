"""How many feature rows' graphs fit: what the rule says against what torch really holds."""

import pytest
import torch
from saved import saved_bytes
from torch import nn

from c2rl.language import encoders
from c2rl.training import memory

SIZES = {"width": 128, "layers": 3, "heads": 8, "feedforward": 512, "dropout": 0.1}
ROWS = 128


def encoder(name: str) -> nn.Module:
    return encoders.build(
        name,
        "none",
        sentences=["regen im norden"],
        language_code="de",
        tokenizer={"name": "corpus", "size": 40},
        input_scale="one",
        attention_dropout=0.1,
        **SIZES,
    ).encoders.signs


def held(network: nn.Module) -> float:
    """Bytes that an encoder holds for the way back, a row."""
    batch, mask = torch.ones(2, ROWS, SIZES["width"]), torch.ones(2, ROWS, dtype=torch.bool)
    return saved_bytes(network, lambda: network.train()(batch, mask)) / (2 * ROWS)


@pytest.mark.parametrize("name", ["transformer", "mbart", "mt5"])
def test_no_encoder_holds_more_than_the_rule_says_and_none_half_of_it(name: str) -> None:
    network = encoder(name)
    weights = sum(p.numel() for p in network.parameters())
    expected = memory.BYTES * weights / SIZES["width"]
    assert expected / 2 < held(network) <= 1.1 * expected


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Linear(8, 8)
    monkeypatch.setenv("C2RL_FEATURES", "480")
    assert memory.room(network, 8) == 480
    monkeypatch.setenv("C2RL_FEATURES", "lots")
    with pytest.raises(ValueError, match="C2RL_FEATURES is 'lots', expected a number of feature"):
        memory.room(network, 8)


def test_more_weights_leave_less_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("C2RL_FEATURES", raising=False)
    one, two = (nn.Linear(8, width, bias=False) for width in (8, 16))
    assert memory.room(one, 8) == 2 * memory.room(two, 8)
