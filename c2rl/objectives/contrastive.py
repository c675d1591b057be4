"""Implicit content learning: InfoNCE on CLCL similarities, eq. (1).

Source: Sec. III-B a, eq. (1); register rows 4, 7, 8, 9; P10 for equal sentences.

Shape letters: N clips in the batch, clip i signs sentence i.
"""

from typing import Literal

import torch
from torch import Tensor

from c2rl.objectives.similarity import Similarity


def info_nce(
    similarity: Similarity,
    scale: Tensor,
    *,
    sentence_ids: Tensor,
    negatives: Literal["global"] | int = "global",
    duplicate_text: Literal["ignore", "mask", "positive"] = "ignore",
    directions: Literal["sum", "mean"] = "sum",
    dual_mix: float = 1.0,
) -> Tensor:
    """Pull a clip towards its sentence and push it from the others, in both directions.

    Args:
        similarity: Both (N, N) matrices; rows are videos.
        scale: () float, 1 / tau.
        sentence_ids: (N,) int64; equal where the sentences are equal.
        negatives: Contrast over the batch, or over consecutive groups of this size: 8 is one of
            the paper's GPUs without gathering.
        duplicate_text: Equal sentences are negatives (`ignore`, the paper), left out of the
            denominator (`mask`), or further positives that share the target (`positive`).
        directions: Eq. (1) adds the two directions; `mean` halves them.
        dual_mix: Share of eq. (1)'s axis; the rest contrasts each matrix along its other axis.

    Returns:
        () float loss.

    Source: eq. (1): rows of Z_V2T, columns of Z_T2V as both are stored [video, text].
    """
    if negatives != "global":
        groups = [
            info_nce(
                Similarity(*(z[g, g] for z in similarity)),
                scale,
                sentence_ids=sentence_ids[g],
                duplicate_text=duplicate_text,
                directions=directions,
                dual_mix=dual_mix,
            )
            * (len(sentence_ids[g]) / len(sentence_ids))
            for g in (slice(i, i + negatives) for i in range(0, len(sentence_ids), negatives))
        ]
        return torch.stack(groups).sum()
    v2t, t2v = similarity.video_to_text * scale, similarity.text_to_video * scale
    same = sentence_ids[:, None] == sentence_ids[None, :]
    by_video = _cross_entropy(v2t, same, duplicate_text)
    by_text = _cross_entropy(t2v.T, same, duplicate_text)
    if dual_mix < 1:
        by_video = dual_mix * by_video + (1 - dual_mix) * _cross_entropy(
            v2t.T, same, duplicate_text
        )
        by_text = dual_mix * by_text + (1 - dual_mix) * _cross_entropy(t2v, same, duplicate_text)
    loss = by_video + by_text
    return loss / 2 if directions == "mean" else loss


def _cross_entropy(logits: Tensor, same: Tensor, duplicate_text: str) -> Tensor:
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    if duplicate_text == "mask":
        logits = logits.masked_fill(same & ~own, -torch.inf)
    log_p = logits.log_softmax(dim=1)
    if duplicate_text == "positive":
        target = same / same.sum(dim=1, keepdim=True)
        return -(target * log_p).sum(dim=1).mean()
    return -log_p.diagonal().mean()
