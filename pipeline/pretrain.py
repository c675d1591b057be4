"""DVC stage `pretrain`: frames to sign encoder, by ICL and ECL (Sec. III-B)."""

from pathlib import Path

from c2rl import command, config
from c2rl.pretrain import run


def main(frames: Path, encoder: Path, metrics: Path) -> None:
    """Learn from the FRAMES store; write the ENCODER folder."""
    params = config.load(config.PretrainParams)
    run.pretrain(params, frames=frames, encoder=encoder, metrics=metrics)


if __name__ == "__main__":
    command.script(main)
