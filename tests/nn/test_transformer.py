"""Encoder, decoder and beam search: masks, causality, and step by step equals all at once."""

import itertools
import math

import pytest
import torch

from c2rl.nn.decoder import Decoder
from c2rl.nn.masks import mask_of
from c2rl.nn.search import beam_search
from c2rl.nn.transformer import MAX_POSITIONS, Encoder

BLOCKS = {"width": 16, "layers": 2, "heads": 4, "feedforward": 32, "dropout": 0.0}


def fixed(module: torch.nn.Module) -> torch.nn.Module:
    """Set all weights by arithmetic."""
    module.requires_grad_(False)
    for i, parameter in enumerate(module.parameters()):
        values = torch.sin(torch.arange(parameter.numel()) * 0.7 + i) * 0.4
        parameter.data = values.reshape(parameter.shape)
    return module.eval()


SOURCE = torch.cos(torch.arange(2 * 6 * 16) * 0.3).reshape(2, 6, 16)
MASK = mask_of(torch.tensor([6, 4]))


def test_padding_is_invisible_to_the_encoder() -> None:
    encoder = fixed(Encoder(**BLOCKS))
    changed = SOURCE.clone()
    changed[~MASK] = 50.0
    torch.testing.assert_close(encoder(SOURCE, MASK), encoder(changed, MASK))


def test_too_long_a_sequence_says_what_to_change() -> None:
    encoder = Encoder(**BLOCKS)
    with pytest.raises(ValueError, match=r"frames\.keep"):
        encoder(torch.zeros(1, MAX_POSITIONS + 1, 16), torch.ones(1, MAX_POSITIONS + 1) > 0)


def test_width_must_be_a_multiple_of_heads() -> None:
    with pytest.raises(ValueError, match=r"width \(10\) must be a multiple of heads \(4\)"):
        Encoder(**BLOCKS | {"width": 10})


def test_the_decoder_does_not_see_the_future() -> None:
    decoder = fixed(Decoder(vocabulary=9, **BLOCKS))
    a = torch.tensor([[1, 5, 6, 7]])
    b = torch.tensor([[1, 5, 8, 8]])
    first, second = (decoder(t, SOURCE[:1], MASK[:1]) for t in (a, b))
    torch.testing.assert_close(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 2:], second[:, 2:])


def test_step_by_step_equals_all_at_once() -> None:
    decoder = fixed(Decoder(vocabulary=9, **BLOCKS))
    tokens = torch.tensor([[1, 5, 6, 7], [1, 4, 4, 8]])
    whole = decoder(tokens, SOURCE, MASK)
    state = decoder.begin(SOURCE, MASK)
    for u in range(4):
        logits, state = decoder.step(tokens[:, u], state)
        torch.testing.assert_close(logits, whole[:, u], atol=1e-5, rtol=1e-5)


def all_sentences(decoder: Decoder, penalty: float, longest: int) -> dict[tuple[int, ...], float]:
    """Every sentence that ends (token 2) within `longest`, scored by the whole-sentence decoder."""
    scores = {}
    for n in range(longest):
        for words in itertools.product([0, 1, 3, 4], repeat=n):
            inputs = torch.tensor([[1, *words]])
            log_p = decoder(inputs, SOURCE[:1], MASK[:1]).log_softmax(-1)[0]
            total = sum(float(log_p[u, w]) for u, w in enumerate([*words, 2]))
            scores[words] = total / (n + 1) ** penalty
    return scores


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_sentence(penalty: float) -> None:
    decoder = fixed(Decoder(vocabulary=5, **BLOCKS))
    scores = all_sentences(decoder, penalty, 3)
    best = max(scores, key=lambda words: scores[words])
    found = beam_search(
        decoder, SOURCE[:1], MASK[:1],
        start=1, end=2, beams=20, max_length=3, length_penalty=penalty,
    )[0]  # fmt: skip
    assert tuple(found[0].tokens) == best
    assert math.isclose(found[0].score, scores[best], rel_tol=1e-4)


def test_a_clip_alone_and_in_a_batch_is_translated_equally() -> None:
    decoder = fixed(Decoder(vocabulary=9, **BLOCKS))
    search = {"start": 1, "end": 2, "beams": 3, "max_length": 6}
    together = beam_search(decoder, SOURCE, MASK, **search)
    alone = beam_search(decoder, SOURCE[1:, :4], MASK[1:, :4], **search)
    assert [h.tokens for h in together[1]] == [h.tokens for h in alone[0]]
