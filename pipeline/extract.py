"""DVC stage `extract`: frames and sign encoder to feature store."""

from pathlib import Path

from c2rl import command, config
from c2rl.extract import run


def main(frames: Path, encoder: Path, features: Path, metrics: Path) -> None:
    """Encode the FRAMES store with ENCODER; write the FEATURES store."""
    params = config.load(config.ExtractParams)
    run.extract(params, frames=frames, encoder=encoder, features=features, metrics=metrics)


if __name__ == "__main__":
    command.script(main)
