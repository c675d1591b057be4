"""Two encoders that share nothing, fed as they were pretrained, and restored as they were."""

import hub_models
import pytest
import torch
from torch import Tensor
from transformers import MBartForConditionalGeneration, MT5ForConditionalGeneration

from c2rl.language import encoders, trim
from c2rl.language.tokenizer import END
from c2rl.language.vocabulary import read
from c2rl.nn.masks import mask_of, pad_tokens

SENTENCES = ["heute kauft die frau ein haus", "morgen kauft der mann die tür", "sie tanzt nicht"]
SIZES = {"width": 16, "layers": 2, "heads": 2, "feedforward": 32, "dropout": 0.1}
NAMES = ["transformer", "mbart", "mt5"]
CLASSES = {"mbart": MBartForConditionalGeneration, "mt5": MT5ForConditionalGeneration}

FEATURES = torch.cos(torch.arange(3 * 7 * 16) * 0.3).reshape(3, 7, 16)
MASK = mask_of(torch.tensor([7, 4, 1]))


def build(name: str, weights: str = "none", **changes: object) -> encoders.Built:
    torch.manual_seed(0)
    options = {"language_code": "de", "input_scale": "one", "attention_dropout": 0.1, **SIZES}
    return encoders.build(
        name,
        weights,
        sentences=SENTENCES,
        tokenizer={"name": "corpus", "size": 60},
        **options | changes,
    )


def quiet(built: encoders.Built) -> encoders.Built:
    for side in built.encoders[:2]:
        side.eval().requires_grad_(False)
    return built


@pytest.fixture(params=NAMES)
def built(request):
    return quiet(build(request.param))


@pytest.fixture(params=["mbart", "mt5"])
def hub(request, tmp_path):
    """A whole model in the hub's format; its sentences have words that ours have not."""
    extra = ["völlig andere wörter", "und zwei bücher"]
    return request.param, hub_models.save(tmp_path / "hub", request.param, [*SENTENCES, *extra])


def tokens_of(built: encoders.Built):
    return pad_tokens([built.tokenizer.encode(sentence) for sentence in SENTENCES])


def both(built: encoders.Built) -> tuple[Tensor, Tensor]:
    return built.encoders.signs(FEATURES, MASK), built.encoders.text(*tokens_of(built))


def test_padding_is_zero_and_what_lies_in_it_changes_nothing(built) -> None:
    tokens = tokens_of(built)
    changed, other = FEATURES.clone(), tokens.ids.clone()
    changed[~MASK], other[~tokens.mask] = 5.0, END
    signs, text = both(built)
    assert signs.shape == (3, 7, 16)
    assert text.shape == (*tokens.ids.shape, 16)
    assert not signs[~MASK].any()
    assert not text[~tokens.mask].any()
    torch.testing.assert_close(built.encoders.signs(changed, MASK), signs)
    torch.testing.assert_close(built.encoders.text(other, tokens.mask), text)


def test_a_clip_and_a_sentence_alone_are_what_they_are_in_a_batch(built) -> None:
    signs, text = both(built)
    mask = tokens_of(built).mask
    for i, sentence in enumerate(SENTENCES):
        real = MASK[i]
        alone = built.encoders.signs(FEATURES[i : i + 1, real], MASK[i : i + 1, real])
        torch.testing.assert_close(alone[0], signs[i, real], atol=1e-5, rtol=1e-5)
        own = built.encoders.text(*pad_tokens([built.tokenizer.encode(sentence)]))
        torch.testing.assert_close(own[0], text[i, mask[i]], atol=1e-5, rtol=1e-5)


def test_the_two_encoders_share_no_weight(built, hub) -> None:
    for one in (built, build(hub[0], str(hub[1]))):
        signs, text = ({p.data_ptr() for p in side.parameters()} for side in one.encoders[:2])
        assert not signs & text


def test_fresh_encoders_begin_apart_and_pretrained_ones_alike(hub) -> None:
    name, folder = hub
    for weights, alike in (("none", False), (str(folder), True)):
        signs, text = (s.state_dict() for s in build(name, weights).encoders[:2])
        matrices = [key for key, value in signs.items() if value.ndim == 2]
        assert set(text) - set(signs) == {"encoder.embed_tokens.weight"}
        assert all(torch.equal(signs[key], text[key]) == alike for key in matrices)


def test_text_is_read_as_the_whole_model_reads_it(hub) -> None:
    """`X </s> LANG` for MBart, `X </s>` for mT5, by the untrimmed model under its own ids."""
    name, folder = hub
    built = quiet(build(name, str(folder)))
    whole = CLASSES[name].from_pretrained(folder).eval()
    backend = read(folder)
    old = trim.old_ids(built.tokenizer, backend, whole, "de")
    for sentence in SENTENCES:
        ids = built.tokenizer.encode(sentence)
        theirs = [old[i] for i in ids]
        assert theirs[-1] == whole.config.eos_token_id
        if name == "mbart":
            theirs.append(backend.token_to_id("de_DE"))
        with torch.no_grad():
            expected = whole.get_encoder()(input_ids=torch.tensor([theirs]))[0][0, : len(ids)]
        found = built.encoders.text(*pad_tokens([ids]))[0]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_features_take_the_place_of_embedded_words(hub) -> None:
    name, folder = hub
    built = quiet(build(name, str(folder)))
    whole = CLASSES[name].from_pretrained(folder).eval()
    with torch.no_grad():
        expected = whole.get_encoder()(inputs_embeds=FEATURES[:1])[0]
    torch.testing.assert_close(built.encoders.signs(FEATURES[:1], MASK[:1]), expected)


@pytest.mark.parametrize("name", ["mbart", "mt5"])
def test_features_are_scaled_as_words_are_where_asked(name) -> None:
    plain, scaled = (quiet(build(name, input_scale=scale)) for scale in ("one", "sqrt_width"))
    one = plain.encoders.signs(4 * FEATURES, MASK)
    torch.testing.assert_close(one, scaled.encoders.signs(FEATURES, MASK))  # the root of 16


def test_what_is_restored_from_the_configuration_computes_the_same(built) -> None:
    again = encoders.restore(built.config)
    for ours, theirs in zip(again[:2], built.encoders[:2], strict=True):
        ours.load_state_dict(theirs.state_dict())
        ours.eval()
    assert again[2:] == built.encoders[2:]
    restored = again.signs(FEATURES, MASK), again.text(*tokens_of(built))
    for one, other in zip(both(built), restored, strict=True):
        torch.testing.assert_close(one, other)


def test_a_restored_pretrained_model_has_no_decoder(hub) -> None:
    name, folder = hub
    config = build(name, str(folder)).config["model"]["config"]
    layers = {key: config[key] for key in config if key.endswith("decoder_layers")}
    assert list(layers.values()) == [0]
    assert encoders.restore(build(name, str(folder)).config).width == 16


def test_the_language_code_takes_one_of_mbarts_positions() -> None:
    found = {name: build(name).encoders[3:] for name in NAMES}
    assert found == {"transformer": (1024, 1024), "mbart": (1024, 1023), "mt5": (None, None)}


def test_the_longest_sentence_that_is_allowed_can_be_read() -> None:
    text = quiet(build("mbart")).encoders.text
    longest = pad_tokens([[5] * 1022 + [END]])
    assert text(*longest).shape == (1, 1023, 16)


@pytest.mark.parametrize("name", ["mbart", "mt5"])
def test_dropout_is_what_was_asked_for_after_restoring_too(name) -> None:
    built = build(name)
    for side in (*built.encoders[:2], *encoders.restore(built.config)[:2]):
        modules = list(side.modules())
        ps = {m.p for m in modules if isinstance(m, torch.nn.Dropout)}
        ps |= {m.dropout for m in modules if isinstance(getattr(m, "dropout", None), float)}
        assert ps == {0.1}


def test_weights_are_told_by_their_hash(hub) -> None:
    name, folder = hub
    first = build(name, str(folder)).weights
    assert first == build(name, str(folder)).weights
    assert build(name).weights is None
    model = CLASSES[name].from_pretrained(folder)
    with torch.no_grad():
        next(iter(model.get_encoder().parameters())).add_(1)
    model.save_pretrained(folder)
    assert build(name, str(folder)).weights != first
