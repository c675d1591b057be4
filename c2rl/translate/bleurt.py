"""BLEURT, which needs TensorFlow and a checkpoint of its authors; the only door to `bleurt`.

Source: GloFE and Uni-Sign report BLEURT-20 beside BLEU for How2Sign and OpenASL.
"""

from collections.abc import Mapping
from pathlib import Path

INSTALL = 'pip install "bleurt @ git+https://github.com/google-research/bleurt.git"'
"""What the extra `bleurt` installs: its authors have it in no registry."""


def bleurt(
    hypotheses: Mapping[str, str], references: Mapping[str, str], checkpoint: Path
) -> tuple[float, str]:
    """Score a split by a learned metric.

    Args:
        hypotheses: Clip id to sentence, as it was said.
        references: Clip id to the data set's sentence.
        checkpoint: Folder of a checkpoint, such as BLEURT-20.

    Returns:
        The mean over clips, times 100 as every score here, and its signature.

    Raises:
        FileNotFoundError: If there is no such folder; nothing is downloaded.
        ValueError: If the package is not installed.
    """
    try:
        from bleurt import score as scorer
    except ImportError:
        raise ValueError(f"BLEURT is not installed. Run `{INSTALL}`, or leave it out.") from None
    if not checkpoint.is_dir():
        raise FileNotFoundError(
            f"{checkpoint} is no folder; expected an unpacked BLEURT checkpoint, such as BLEURT-20."
        )
    ids = sorted(references)
    found = scorer.BleurtScorer(str(checkpoint)).score(
        references=[references[i] for i in ids], candidates=[hypotheses[i] for i in ids]
    )
    return round(100 * sum(found) / len(ids), 2), f"bleurt:{checkpoint.name}|text:as-is|x100"
