"""DVC stage `report`: everything on one page."""

from pathlib import Path

from c2rl import command, config
from c2rl.report import run


def main(
    frames: Path, encoder: Path, translator: Path, retriever: Path, metrics: Path, page: Path
) -> None:
    """Write the PAGE folder from all the others."""
    run.report(
        config.load(config.ReportParams), frames, encoder, translator, retriever, metrics, page
    )


if __name__ == "__main__":
    command.script(main)
