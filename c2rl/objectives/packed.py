"""CLCL on packed sequences: the matrices of `clcl` without padding and without the 4-D tensor.

Source: CiCo (Cheng et al., CVPR 2023), adopted by C2RL Sec. III-B a; register rows 2, 3, 5, 6. The
same equations stand in `c2rl.objectives.similarity.clcl`, in a form that is easier to read. The
idea of keeping one tile and computing it again on the way back: FlashAttention (Dao et al., 2022).

The matrix of all cosines is cut into tiles of a few whole videos against all tokens. One matrix
product and one exponential serve both directions; what is left are sums over the frames of a video
and over the tokens of a sentence. No tile outlives its turn, in neither pass.

Shape letters: V videos, S sentences; F frames of all videos, P tokens of all sentences, packed;
f, v frames and videos of one tile; D embedding width.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from c2rl.objectives.similarity import Similarity, unit_vectors

SHARPEST = 0.03
"""Least `sharpness`. Cosines lie in [-1, 1], so a weight exp((s - 1) / sharpness) lies between
exp(-2 / 0.03) = 1e-29 and 1, far from where float32 ends (1e-38): no running maximum is needed."""

TILE = {"cpu": 2**20, "cuda": 2**25}
"""Cosines of a tile. At most six such matrices live at once: in float32, 24 MiB on the CPU, where
smaller tiles stay in its cache but cost more calls, and 768 MiB on a GPU."""


def clcl_packed(
    frames: Tensor,
    frame_lengths: Tensor | Sequence[int],
    tokens: Tensor,
    token_lengths: Tensor | Sequence[int],
    *,
    sharpness: float = 0.07,
    tile: int | None = None,
) -> Similarity:
    """Score all video-sentence pairs by soft frame-token matching, as `clcl` defines it.

    Args:
        frames: (F, D) float. Sign features, clip after clip; need not be normalised. float64 stays
            float64, half precision is raised to float32, inside `torch.autocast` too.
        frame_lengths: (V,) int64, frames of each clip, at least 1. A list or a tensor on the CPU
            saves waiting for the GPU.
        tokens: (P, D) float. Text features, sentence after sentence, likewise.
        token_lengths: (S,) int64, tokens of each sentence, likewise.
        sharpness: Temperature of the matching softmax; fixed, unlike tau in eq. (1).
        tile: Cosines computed at a time, at least those of one video; None: what suits the device.
            Changes time and memory, not the scores.

    Returns:
        Cosine-scale scores in [-1, 1], before division by tau. Differentiable once.

    Raises:
        ValueError: A side is empty, lengths do not fit, or `sharpness` is below 0.03.

    Example:
        >>> import torch
        >>> clcl_packed(torch.eye(2), [1, 1], torch.eye(2), [1, 1]).video_to_text.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if sharpness < SHARPEST:
        raise ValueError(f"sharpness is {sharpness}, expected {SHARPEST} or more: weights vanish")
    clips = _packing(frame_lengths, frames, "frames")
    sentences = _packing(token_lengths, tokens, "tokens")
    if tile is None:
        tile = TILE["cpu" if frames.device.type == "cpu" else "cuda"]
    setting = _Setting(clips, sentences, sharpness, most=tile // len(tokens))
    with torch.autocast(frames.device.type, enabled=False):
        frames, tokens = unit_vectors(frames, tokens)
        return Similarity(*_Matching.apply(frames, tokens, setting))


class _Packing(NamedTuple):
    """How packed rows fall into sequences: clips, or sentences."""

    lengths: list[int]
    sizes: Tensor
    """(sequences,) int64, the lengths once more."""
    starts: Tensor
    """(sequences + 1,) int64, first row of each, then the number of rows."""
    owner: Tensor
    """(rows,) int64, the sequence that a row belongs to."""

    def sum(self, values: Tensor) -> Tensor:
        """Add the rows of each sequence: (rows, n) to (sequences, n).

        A bag of embeddings is the fastest ragged sum that torch has on the CPU (measured: twenty
        times `segment_reduce`), and it adds in a fixed order, on a GPU too, unlike `index_add`.
        """
        own = torch.arange(len(values), device=values.device)
        return F.embedding_bag(own, values, self.starts, mode="sum", include_last_offset=True)


def _packing(lengths: Tensor | Sequence[int], rows: Tensor, name: str) -> _Packing:
    lengths = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    if not lengths or min(lengths) < 1:
        found = f"a length of {min(lengths)}" if lengths else "no sequence"
        raise ValueError(f"{name}: {found}, expected one sequence or more, each of 1 or more")
    if sum(lengths) != len(rows):
        raise ValueError(f"{name}: {len(rows)} rows, expected {sum(lengths)}, the lengths' sum")
    sizes = torch.tensor(lengths, device=rows.device)
    numbers = torch.arange(len(lengths), device=rows.device)
    return _Packing(
        lengths=lengths,
        sizes=sizes,
        starts=F.pad(sizes.cumsum(0), (1, 0)),
        owner=numbers.repeat_interleave(sizes, output_size=len(rows)),
    )


class _Setting(NamedTuple):
    """What is the same for all tiles of a call."""

    clips: _Packing
    sentences: _Packing
    sharpness: float
    most: int
    """Frames of a tile, unless one clip has more."""

    def cuts(self) -> Iterator[tuple[slice, slice]]:
        """Cut the clips into tiles: their rows of `frames`, and their numbers."""
        row = first = size = 0
        for number, length in enumerate(self.clips.lengths):
            if size and size + length > self.most:
                yield slice(row, row + size), slice(first, number)
                row, first, size = row + size, number, 0
            size += length
        yield slice(row, row + size), slice(first, len(self.clips.lengths))


class _Tile(NamedTuple):
    """A few videos against all tokens, with every sum that either pass needs."""

    cosine: Tensor
    """(P, f)."""
    weight: Tensor
    """(P, f): exp((cosine - 1) / sharpness), the numerator of both softmaxes."""
    member: Tensor
    """(f, v) float, 1 where a frame is one of the video's: multiplying by it adds up frames."""
    frame_total: Tensor
    """(S, f): denominator of the softmax over a sentence's tokens."""
    frame_score: Tensor
    """(S, f): what a frame reads from a sentence, the mean cosine under that softmax."""
    token_total: Tensor
    """(P, v): denominator of the softmax over a video's frames."""
    token_score: Tensor
    """(P, v): what a token reads from a video."""


def _tile(frames: Tensor, tokens: Tensor, rows: slice, videos: slice, setting: _Setting) -> _Tile:
    add_tokens = setting.sentences.sum
    numbers = torch.arange(videos.start, videos.stop, device=frames.device)
    member = (setting.clips.owner[rows, None] == numbers).to(frames.dtype)
    cosine = tokens @ frames[rows].T
    weight = (cosine - 1).div_(setting.sharpness).exp_()
    weighted = weight * cosine
    frame_total, token_total = add_tokens(weight), weight @ member
    return _Tile(
        cosine=cosine,
        weight=weight,
        member=member,
        frame_total=frame_total,
        frame_score=add_tokens(weighted) / frame_total,
        token_total=token_total,
        token_score=weighted @ member / token_total,
    )


class _Matching(torch.autograd.Function):
    """Both matrices from unit vectors; keeps no more than these for the way back."""

    @staticmethod
    def forward(
        ctx: Any, frames: Tensor, tokens: Tensor, setting: _Setting
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(frames, tokens)
        ctx.setting = setting
        clips, sentences = setting.clips, setting.sentences
        v2t = frames.new_empty(len(clips.lengths), len(sentences.lengths))
        t2v = torch.empty_like(v2t)
        for rows, videos in setting.cuts():
            tile = _tile(frames, tokens, rows, videos, setting)
            v2t[videos] = (tile.frame_score @ tile.member).T
            t2v[videos] = sentences.sum(tile.token_score).T
            del tile  # before the next one is made
        return v2t / clips.sizes[:, None], t2v / sentences.sizes

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_v2t: Tensor, grad_t2v: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None]:
        frames, tokens = ctx.saved_tensors
        setting: _Setting = ctx.setting
        need_frames, need_tokens, _ = ctx.needs_input_grad
        grad_frames = torch.empty_like(frames) if need_frames else None
        grad_tokens = torch.zeros_like(tokens) if need_tokens else None
        by_frame = grad_v2t.T / setting.clips.sizes  # (S, V)
        by_token = grad_t2v.T / setting.sentences.sizes[:, None]  # (S, V)
        with torch.autocast(frames.device.type, enabled=False):
            for rows, videos in setting.cuts():
                tile = _tile(frames, tokens, rows, videos, setting)
                grad = _grad_cosine(tile, by_frame[:, videos], by_token[:, videos], setting)
                if grad_frames is not None:
                    grad_frames[rows] = grad.T @ tokens
                if grad_tokens is not None:
                    grad_tokens.addmm_(grad, frames[rows])
                del tile, grad
        return grad_frames, grad_tokens, None


def _grad_cosine(tile: _Tile, by_frame: Tensor, by_token: Tensor, setting: _Setting) -> Tensor:
    """Send gradients back through both softmaxes.

    With weights w_j = exp((s_j - 1) / sharpness) and their sum W, a score r = sum_j w_j s_j / W has
    dr / ds_j = w_j / W * (1 + (s_j - r) / sharpness). A cosine has part in one score of its frame
    and in one of its token: `pull` adds up g / W of the two, `offset` g / W * r.

    Args:
        tile: (P, f) cosines.
        by_frame: (S, v) gradient of each frame's score: the same for all frames of a video.
        by_token: (S, v) gradient of each token's score: the same for all tokens of a sentence.
        setting: As for the tile.

    Returns:
        (P, f) gradient of the cosines.
    """
    spread, owner = tile.member.T, setting.sentences.owner
    of_frame = by_frame @ spread / tile.frame_total  # (S, f)
    of_token = by_token[owner] / tile.token_total  # (P, v)
    pull = of_frame.index_select(0, owner).addmm_(of_token, spread)  # (P, f)
    offset = (of_frame * tile.frame_score).index_select(0, owner)  # (P, f)
    offset.addmm_(of_token * tile.token_score, spread)
    grad = (tile.cosine / setting.sharpness).add_(1).mul_(pull)
    return grad.sub_(offset, alpha=1 / setting.sharpness).mul_(tile.weight)
