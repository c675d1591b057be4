"""DVC stage `report`: everything on one page."""

from pathlib import Path

from c2rl import command, config
from c2rl.report import run


def main(
    frames: Path, encoder: Path, translator: Path, retriever: Path, metrics: Path, report: Path
) -> None:
    """Write the REPORT folder from all the others."""
    inputs = {"frames": frames, "encoder": encoder, "translator": translator}
    run.report(
        config.load(config.ReportParams),
        **inputs,
        retriever=retriever,
        metrics=metrics,
        report=report,
    )


if __name__ == "__main__":
    command.script(main)
