"""DVC stage `translate`: features to sentences (Sec. III-C a)."""

from pathlib import Path

from c2rl import command, config
from c2rl.translate import run


def main(features: Path, encoder: Path, translator: Path, metrics: Path) -> None:
    """Learn from the FEATURES store, that ENCODER made; write the TRANSLATOR folder."""
    params = config.load(config.TranslateParams)
    run.translate(
        params, features=features, encoder=encoder, translator=translator, metrics=metrics
    )


if __name__ == "__main__":
    command.script(main)
