"""DVC stage `retrieve`: features to ranks (Sec. III-C b)."""

from pathlib import Path

from c2rl import command, config
from c2rl.retrieve import run


def main(features: Path, encoder: Path, retriever: Path, metrics: Path) -> None:
    """Learn from the FEATURES store, that ENCODER made; write the RETRIEVER folder."""
    params = config.load(config.RetrieveParams)
    run.retrieve(params, features=features, encoder=encoder, retriever=retriever, metrics=metrics)


if __name__ == "__main__":
    command.script(main)
