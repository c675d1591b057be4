"""DVC stage `prepare`: corpus -> frame store."""

from pathlib import Path

from c2rl import command, config
from c2rl.prepare import run


def main(release: Path, frames: Path, metrics: Path) -> None:
    """Decode the corpus of the RELEASE fingerprint into the FRAMES store; write METRICS."""
    run.prepare(config.load(config.PrepareParams), release=release, frames=frames, metrics=metrics)


if __name__ == "__main__":
    command.script(main)
