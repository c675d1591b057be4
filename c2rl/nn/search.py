"""Beam search over any step-by-step decoder.

Shape letters: B clips, K beams, W tokens in the vocabulary.
"""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class Hypothesis(NamedTuple):
    """A finished sentence."""

    tokens: list[int]
    """Token ids without start and end."""
    score: float
    """Log probability divided by length ** penalty."""


class StepDecoder(Protocol):
    """What the search asks of a decoder; the state is the decoder's own affair."""

    def begin(self, source: Tensor, mask: Tensor, /) -> Any:
        """Prepare for (R, T, C) float sources, True in the (R, T) bool mask where real."""
        ...

    def step(self, tokens: Tensor, state: Any, /) -> tuple[Tensor, Any]:
        """Take the newest token of each row, (R,) int64; score the next: (R, W) float logits."""
        ...

    def reorder(self, state: Any, rows: Tensor, /) -> Any:
        """Let row i go on from what row `rows[i]` has said; both have the same source."""
        ...


@torch.no_grad()
def beam_search(
    decoder: StepDecoder,
    source: Tensor,
    mask: Tensor,
    *,
    start: int,
    end: int,
    beams: int,
    max_length: int,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """Find the best sentences for each clip; beams = 1 is greedy search.

    Args:
        decoder: In evaluation mode.
        source: (B, T, C) float sign features.
        mask: (B, T) bool, True where real.
        start: Token every sentence begins with.
        end: Token every sentence ends with.
        beams: K.
        max_length: Most tokens, the end token included.
        length_penalty: Scores are log probability / length ** penalty.

    Returns:
        For each clip its K best hypotheses, best first.
    """
    batch, device = len(source), source.device
    state = decoder.begin(source.repeat_interleave(beams, 0), mask.repeat_interleave(beams, 0))
    tokens = torch.full((batch * beams,), start, device=device)
    history = torch.empty(batch * beams, 0, dtype=torch.int64, device=device)
    scores = torch.full((batch, beams), -torch.inf, device=device)
    scores[:, 0] = 0  # all beams start equal: only the first may branch
    done: list[list[Hypothesis]] = [[] for _ in range(batch)]
    for length in range(1, max_length + 1):
        logits, state = decoder.step(tokens, state)
        step_scores = scores[:, :, None] + logits.log_softmax(-1).reshape(batch, beams, -1)
        if length == max_length:  # what has not ended ends now, as MBart's own search does
            others = torch.arange(logits.shape[1], device=device) != end
            step_scores = step_scores.masked_fill(others, -torch.inf)
        # 2 K candidates: at most K of them end, so K go on.
        best, index = step_scores.flatten(1).topk(min(2 * beams, step_scores[0].numel()), dim=1)
        rows, words = index // logits.shape[1], index % logits.shape[1]
        scores, kept_rows, kept_words = _advance(
            best, rows, words, history, done, end, beams, length, length_penalty
        )
        flat = (torch.arange(batch, device=device)[:, None] * beams + kept_rows).flatten()
        tokens = kept_words.flatten()
        history = torch.cat([history[flat], tokens[:, None]], dim=1)
        state = decoder.reorder(state, flat)
        if all(
            _settled(done[b], float(scores[b, 0]), beams, length, length_penalty, max_length)
            for b in range(batch)
        ):
            break
    return [sorted(found, key=lambda h: -h.score)[:beams] for found in done]


def _advance(
    best: Tensor,
    rows: Tensor,
    words: Tensor,
    history: Tensor,
    done: list[list[Hypothesis]],
    end: int,
    beams: int,
    length: int,
    penalty: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Move the beams on: ended candidates among the best K are stored, K others go on."""
    is_end = words == end
    for b, k in torch.nonzero(is_end[:, :beams] & best[:, :beams].isfinite()).tolist():
        row = b * beams + int(rows[b, k])
        done[b].append(Hypothesis(history[row].tolist(), float(best[b, k]) / length**penalty))
    going = best.masked_fill(is_end, -torch.inf)
    scores, order = going.topk(beams, dim=1)
    return scores, rows.gather(1, order), words.gather(1, order)


def _settled(
    done: list[Hypothesis], open_score: float, beams: int, length: int, penalty: float, longest: int
) -> bool:
    """Tell whether no open beam can still enter the K best."""
    if len(done) < beams:
        return False
    worst = sorted(h.score for h in done)[-beams]
    # A positive penalty favours long sentences: the best an open beam can do is to end at once at
    # no cost, as late as possible.
    reach = longest if penalty > 0 else length
    return bool(open_score / reach**penalty <= worst)
