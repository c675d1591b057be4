"""params.yaml: every wrong key at once, numbers that are numbers, and only what a stage may see."""

from pathlib import Path

import pytest

from c2rl import config

ROOT = Path(__file__).parent.parent


def edited(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = (ROOT / "params.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_the_committed_file_is_valid() -> None:
    assert config.load(config.Params, ROOT / "params.yaml").dataset == "synthsign"


def test_dvcs_exponents_are_floats(tmp_path: Path) -> None:
    path = edited(tmp_path, ("alpha: 1.0", "alpha: 2e-05"))
    assert config.load(config.PretrainParams, path).loss.alpha == 2e-5


def test_a_whole_number_is_a_float_where_a_float_is_due(tmp_path: Path) -> None:
    path = edited(tmp_path, ("alpha: 1.0", "alpha: 2"))
    assert config.load(config.PretrainParams, path).loss.alpha == 2.0


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    path = edited(
        tmp_path,
        ("alpha: 1.0", "alhpa: 1.0"),
        ("optimizer: adamw", "optimizer: adm"),
        ("heads: 8", "heads: fast"),
    )
    with pytest.raises(ValueError) as caught:
        config.load(config.PrepareParams, path)
    text = str(caught.value)
    assert "loss.alhpa" in text
    assert "loss.alpha: Field required" in text
    assert "pretrain.optimizer" in text
    assert "got 'adm'" in text
    assert "encoder.heads" in text
    assert "got 'fast'" in text


def test_a_typo_in_one_stages_section_stops_every_stage(tmp_path: Path) -> None:
    path = edited(tmp_path, ("mix: 0.5", "mixx: 0.5"))
    with pytest.raises(ValueError, match=r"retrieve\.mixx"):
        config.load(config.PrepareParams, path)


@pytest.mark.parametrize("value", [".nan", ".inf", "'1'", "yes"])
def test_a_number_must_be_a_finite_number(tmp_path: Path, value: str) -> None:
    path = edited(tmp_path, ("beta: 1.0", f"beta: {value}"))
    with pytest.raises(ValueError, match=r"loss\.beta"):
        config.load(config.PretrainParams, path)


def test_nothing_to_learn_is_refused(tmp_path: Path) -> None:
    path = edited(tmp_path, ("alpha: 1.0", "alpha: 0"), ("beta: 1.0", "beta: 0"))
    with pytest.raises(ValueError, match="nothing is left to learn"):
        config.load(config.PretrainParams, path)


def test_a_stage_sees_only_its_own_parameters() -> None:
    params = config.load(config.PrepareParams, ROOT / "params.yaml")
    assert not hasattr(params, "loss")
    assert not hasattr(params.frames, "keep")


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="project's folder"):
        config.load(config.Params, tmp_path / "params.yaml")
