"""The paired test where its outcome can be told without it."""

import pytest

from c2rl.translate.significance import compare

NAME = "en.sacre13a"
REFERENCES = {f"{n:02}": f"clip number {n} is about {n} dogs" for n in range(20)}
WRONG = dict.fromkeys(REFERENCES, "x y z")


def test_a_better_system_has_the_smallest_p_value_there_is() -> None:
    # all 99 resamples differ by 100 as the whole does, so none by more than it: (0 + 1) / (99 + 1)
    found = compare(REFERENCES, WRONG, REFERENCES, NAME, resamples=99)
    assert found[:3] == (100.0, 0.0, 0.01)
    assert found.signature.endswith("|test:paired-bootstrap|bs:99|seed:12345")
    assert compare(WRONG, REFERENCES, REFERENCES, NAME, resamples=99)[:3] == (0.0, 100.0, 0.01)


def test_a_system_does_not_differ_from_itself() -> None:
    assert compare(WRONG, WRONG, REFERENCES, NAME, resamples=99).p_value == 1.0


def test_one_right_clip_more_is_chance() -> None:
    more = WRONG | {"07": REFERENCES["07"]}
    assert compare(more, WRONG, REFERENCES, NAME, resamples=99).p_value > 0.05


def test_the_seed_is_our_own(monkeypatch) -> None:
    half = WRONG | {id_: REFERENCES[id_] for id_ in list(REFERENCES)[:10]}
    found = compare(half, WRONG, REFERENCES, NAME, resamples=50)
    monkeypatch.setenv("SACREBLEU_SEED", "none")
    assert compare(half, WRONG, REFERENCES, NAME, resamples=50) == found


def test_other_clips_are_an_error() -> None:
    with pytest.raises(ValueError, match="19 differ"):
        compare(REFERENCES, {"00": "x"}, REFERENCES, NAME)
