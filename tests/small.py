"""params.yaml in its smallest useful form."""

from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent

SMALL = {
    "synthsign": {"size": "nano"},
    "frames": {"size": 32, "crop": 28},
    "encoder": {"channels": 8, "width": 16, "layers": 1, "heads": 2, "feedforward": 32},
    "pretrain": {"epochs": 1, "batch_size": 8, "evaluate_every": 1, "probe_clips": 2},
    "extract": {"point": "after_transformer", "views": 1},  # the paper's
    "translate": {"width": 16, "layers": 1, "heads": 2, "feedforward": 32, "epochs": 1, "beams": 2},
    "retrieve": {"width": 16, "layers": 1, "heads": 2, "feedforward": 32, "epochs": 1},
}


def small_params(path: Path, **changes: dict[str, object]) -> Path:
    yaml = YAML(typ="safe", pure=True)
    content = yaml.load(ROOT / "params.yaml")
    for part in (SMALL, changes):
        for section, values in part.items():
            content[section].update(values)
    yaml.dump(content, path)
    return path
