"""Which charts the page draws of the trainings and of the held-out clips."""

from c2rl.report import plots, words
from c2rl.report.inputs import Inputs
from c2rl.report.pictures import Picture
from c2rl.report.plots import Curve

_LOSS = (Curve("train", "loss"), Curve("dev", "dev_loss"))
_PARTS = (
    Curve("contrastive, train", "contrastive"),
    Curve("contrastive, dev", "dev_contrastive"),
    Curve("language, train", "language"),
    Curve("language, dev", "dev_language"),
)
_PROBES = (Curve("clips matched (recall)", "dev_recall"), Curve("words right", "dev_words"))
_READS = (
    Curve("inside their sign", "dev_alignment"),
    Curve("all signed frames alike", "dev_alignment_signing"),
    Curve("all frames alike", "dev_alignment_chance"),
)


def curves(found: Inputs) -> list[Picture]:
    """Draw the histories of all trainings.

    Args:
        found: The other stages' artefacts.

    Returns:
        Charts; those that a history has nothing for are left out.
    """
    pretrain, translate = found.encoder.history, found.translator.history
    retrieve = found.retriever.history
    charts = [
        plots.curves(pretrain, "Pretraining: loss", "loss", _LOSS),
        plots.curves(pretrain, "Pretraining: parts of the loss", "loss", _PARTS),
        plots.curves(pretrain, "Pretraining: dev probes", "per cent", _PROBES),
        plots.curves(pretrain, "Pretraining: what words read, dev", "per cent", _READS),
        plots.curves(translate, "Translation: train loss", "loss", _LOSS),
        plots.curves(translate, "Translation: dev BLEU-4", "BLEU-4", [Curve("dev", "dev_bleu4")]),
        plots.curves(retrieve, "Retrieval: train loss", "loss", _LOSS),
        plots.curves(retrieve, "Retrieval: dev R@1", "per cent", [Curve("dev", "dev_r1")]),
    ]
    return [chart for chart in charts if chart is not None]


def recall(found: Inputs) -> Picture | None:
    """Draw R@K of the split that is shown.

    Args:
        found: The other stages' artefacts.

    Returns:
        The chart; None where nothing was ranked.
    """
    ranked = found.metrics["retrieve"].get(found.split, {})
    rows = plots.recall_rows(ranked)
    return plots.recall_bars(rows, ranked["grouped"]["pool"]) if rows else None


def lengths(found: Inputs) -> Picture | None:
    """Draw the lengths of the translations that are shown.

    Args:
        found: The other stages' artefacts.

    Returns:
        The chart; None where nothing was translated.
    """
    return plots.lengths(
        [
            (len(words.split(row["reference"])), len(words.split(row["hypothesis"])))
            for row in found.predictions
        ]
    )
