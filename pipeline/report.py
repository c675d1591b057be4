"""DVC stage `report`: everything on one page."""

from pathlib import Path

from c2rl import command, config
from c2rl.report import run


def main(
    frames: Path, encoder: Path, translator: Path, retriever: Path, metrics: Path, suites: Path,
    page: Path,
) -> None:  # fmt: skip
    """Write the PAGE folder from all the others."""
    params = config.load(config.ReportParams)
    run.report(params, frames, encoder, translator, retriever, metrics, suites, page)


if __name__ == "__main__":
    command.script(main)
