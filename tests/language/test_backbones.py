"""Three models behind one signature: padding, batch mates and caches change nothing; search is
`transformers`' own; what is saved is what is restored."""

import math

import pytest
import torch
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

from c2rl.language import backbones
from c2rl.language.backbones import generate
from c2rl.language.tokenizer import END, PAD, START, UNKNOWN
from c2rl.nn.masks import mask_of, pad_tokens

SENTENCES = ["heute kauft die frau ein haus", "morgen kauft der mann die tür", "sie tanzt nicht"]
SIZES = {"width": 16, "layers": 2, "heads": 4, "feedforward": 32, "dropout": 0.1}
NAMES = ["transformer", "mbart", "mt5"]

FEATURES = torch.cos(torch.arange(3 * 7 * 16) * 0.3).reshape(3, 7, 16)
MASK = mask_of(torch.tensor([7, 4, 1]))


def build(name: str, *, input_scale: str = "one"):
    torch.manual_seed(0)
    return backbones.build(
        name,
        "none",
        sentences=SENTENCES,
        language_code="de",
        tokenizer={"name": "corpus", "size": 60},
        input_scale=input_scale,
        attention_dropout=0.1,
        **SIZES,
    )


def loud(name: str):
    """A model whose logits differ from token to token: fresh ones say nearly the same of all."""
    built = build(name)
    for number, parameter in enumerate(built.backbone.parameters()):
        if parameter.ndim > 1:
            wave = torch.sin(torch.arange(parameter.numel()) * 0.37 + number)
            parameter.data = (wave * 0.5).reshape(parameter.shape)
    built.backbone.eval().requires_grad_(False)
    return built


@pytest.fixture(params=NAMES)
def built(request):
    return loud(request.param)


def tokens_of(built):
    return pad_tokens([built.tokenizer.encode(sentence) for sentence in SENTENCES])


def test_what_lies_in_the_padding_changes_nothing(built) -> None:
    tokens = tokens_of(built)
    changed = FEATURES.clone()
    changed[~MASK] = 5.0
    one, other = (built.backbone(f, MASK, tokens) for f in (FEATURES, changed))
    torch.testing.assert_close(one[tokens.mask], other[tokens.mask], atol=1e-5, rtol=1e-5)


def test_a_clip_alone_has_the_logits_that_it_has_in_a_batch(built) -> None:
    tokens = tokens_of(built)
    together = built.backbone(FEATURES, MASK, tokens)
    for clip in range(3):
        own = pad_tokens([built.tokenizer.encode(SENTENCES[clip])])
        alone = built.backbone(
            FEATURES[clip : clip + 1, MASK[clip]], MASK[clip : clip + 1, MASK[clip]], own
        )
        expected = together[clip, tokens.mask[clip]]
        torch.testing.assert_close(alone[0], expected, atol=1e-5, rtol=1e-5)


def test_a_token_sees_only_those_before_it(built) -> None:
    tokens = tokens_of(built)
    other = tokens._replace(ids=tokens.ids.clone())
    other.ids[0, 3] = UNKNOWN
    one, two = (built.backbone(FEATURES, MASK, t)[0] for t in (tokens, other))
    torch.testing.assert_close(one[:4], two[:4], atol=1e-6, rtol=1e-6)
    assert not torch.allclose(one[4], two[4], atol=1e-3)


def test_one_token_at_a_time_from_the_cache_gives_the_logits_of_all_at_once(built) -> None:
    tokens = tokens_of(built)
    whole = built.backbone(FEATURES, MASK, tokens)
    state = built.backbone.begin(built.backbone.encode(FEATURES, MASK), MASK)
    before = torch.cat([torch.full((3, 1), START), tokens.ids[:, :-1]], dim=1)
    for step in range(before.shape[1]):
        logits, state = built.backbone.step(before[:, step], state)
        torch.testing.assert_close(logits, whole[:, step], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("beams", [1, 4])
def test_a_clip_alone_and_in_a_padded_batch_is_translated_by_the_same_tokens(built, beams) -> None:
    search = {"beams": beams, "length_penalty": 1.0, "max_length": 9}
    together = generate(built.backbone, FEATURES, MASK, **search)
    for clip in range(3):
        own = MASK[clip]
        alone = generate(
            built.backbone, FEATURES[clip : clip + 1, own], MASK[clip : clip + 1, own], **search
        )
        assert [h.tokens for h in alone[0]] == [h.tokens for h in together[clip]]
        for one, other in zip(alone[0], together[clip], strict=True):
            assert math.isclose(one.score, other.score, rel_tol=1e-4)
        assert len(together[clip]) == beams


def test_greedy_search_is_the_plain_loop_without_a_cache(built) -> None:
    found = generate(built.backbone, FEATURES, MASK, beams=1, length_penalty=0.0, max_length=8)
    for clip in range(3):
        own, said, total = MASK[clip : clip + 1], [], 0.0
        for length in range(1, 9):
            # The loop asks for one token more, whose logits it looks at.
            tokens = pad_tokens([[*said, END]])
            logits = built.backbone(FEATURES[clip : clip + 1], own, tokens)[0, -1].log_softmax(-1)
            word = END if length == 8 else int(logits.argmax())
            total += float(logits[word])
            if word == END:
                break
            said.append(word)
        assert found[clip][0].tokens == said
        assert math.isclose(found[clip][0].score, total, rel_tol=1e-4)


class EndsAt:
    """What has not ended by the last token ends there, at the cost that the model gives it."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, tokens, scores):
        if tokens.shape[1] == self.length:
            others = torch.arange(scores.shape[1]) != END
            scores = scores.masked_fill(others, -torch.inf)
        return scores


@pytest.mark.parametrize("name", ["mbart", "mt5"])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beam_search_finds_what_the_search_of_transformers_finds(name, penalty) -> None:
    built, beams, longest = loud(name), 4, 7
    search = {"beams": beams, "length_penalty": penalty, "max_length": longest}
    own = generate(built.backbone, FEATURES, MASK, **search)
    settings = GenerationConfig(
        num_beams=beams,
        num_return_sequences=beams,
        length_penalty=penalty,
        max_length=longest + 1,  # theirs counts the start token
        early_stopping="never",
        eos_token_id=END,
        pad_token_id=PAD,
        decoder_start_token_id=START,
        return_dict_in_generate=True,
        output_scores=True,
    )
    model = built.backbone.model
    model.generation_config.forced_eos_token_id = None  # which MBart has, and it costs nothing
    theirs = model.generate(
        encoder_outputs=BaseModelOutput(built.backbone.encode(FEATURES, MASK)),
        attention_mask=MASK.long(),
        generation_config=settings,
        logits_processor=[EndsAt(longest)],
    )
    rows = zip(theirs.sequences.tolist(), theirs.sequences_scores.tolist(), strict=True)
    for ours, (row, score) in zip([h for found in own for h in found], rows, strict=True):
        assert ours.tokens == row[1 : row.index(END, 1)]
        assert math.isclose(ours.score, score, rel_tol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_restored_from_the_configuration_computes_the_same(name) -> None:
    built = loud(name)
    again = backbones.restore(built.config)
    again.load_state_dict(built.backbone.state_dict())
    again.eval()
    tokens = tokens_of(built)
    one, other = (b(FEATURES, MASK, tokens) for b in (built.backbone, again))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["mbart", "mt5"])
def test_features_are_scaled_as_words_are_where_asked(name) -> None:
    plain, scaled = build(name), build(name, input_scale="sqrt_width")
    assert scaled.backbone.input_scale == 4.0  # the root of 16
    for model in (plain, scaled):
        model.backbone.eval()
    one = plain.backbone.encode(4 * FEATURES, MASK)
    torch.testing.assert_close(one, scaled.backbone.encode(FEATURES, MASK))


def test_only_mbart_and_the_transformer_have_positions_that_end() -> None:
    found = {name: build(name).backbone.max_positions for name in NAMES}
    assert found == {"transformer": 1024, "mbart": 1024, "mt5": None}


@pytest.mark.parametrize("name", ["mbart", "mt5"])
def test_dropout_is_what_was_asked_for(name) -> None:
    model = build(name).backbone.model
    ps = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
    ps |= {m.dropout for m in model.modules() if isinstance(getattr(m, "dropout", None), float)}
    assert ps == {0.1}
