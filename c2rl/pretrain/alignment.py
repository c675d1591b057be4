"""Whether words read the signs that render them, on SynthSign, where the truth is known.

CLCL's inner softmax tells which frames each token reads. SynthSign knows which words render a sign
and during which frames it is signed, so the share of a word's softmax that falls inside its sign
can be measured. This is evaluation only: no training ever reads a gloss, its frames or its words.

Source: the inner softmax of CLCL, Sec. III-B a. The score is ours.

Shape letters: T frames that the encoder sees of a clip, U tokens of its sentence, D width.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from c2rl.language.tokenizer import Tokenizer
from c2rl.objectives.similarity import match
from c2rl.store.manifest import Row
from c2rl.video.sample import at_inference


class Tally(NamedTuple):
    """Sums over the signs of a clip; all 0 where its truth is unknown."""

    mass: float = 0.0
    """Sum over signs of the share that its words read inside it, 0 to 1 each."""
    chance: float = 0.0
    """Sum over signs of the share of frames inside it, 0 to 1 each."""
    signs: int = 0
    """Signs in both sums."""
    unseen: int = 0
    """Signs of which sampling left no frame; in no sum."""
    unlocated: int = 0
    """Clips whose tokens cannot be located in the sentence; their signs are in no sum."""
    signing: float = 0.0
    """Sum over signs of their share of all signed frames, 0 to 1 each."""


class Alignment(NamedTuple):
    """How well words read their signs; `mass / chance` is the lift over chance."""

    mass: float
    """Per cent of a word's softmax inside its sign, mean over signs. The two signs of a compound
    share a word, so they cannot both have all of it."""
    chance: float
    """Per cent that a word would have there if it read all frames alike, mean over signs."""
    signing: float
    """Per cent that a word would have there if it read all signed frames alike and no frame
    between signs: what can be had without knowing which sign is whose."""
    signs: int
    """Signs that were scored."""
    unseen: int
    """Signs of which sampling left no frame."""
    unlocated: int
    """Clips whose tokens cannot be located in the sentence."""


def tally(
    row: Row,
    frames: Tensor,
    tokens: Tensor,
    tokenizer: Tokenizer,
    *,
    keep: float,
    target_fps: float | None,
    cap: int | None,
    sharpness: float,
) -> Tally:
    """Sum up how well the words of one clip read their signs.

    A sign's words are all tokens that share a character with them. Their shares are averaged over
    the tokens, so that a sign counts once however its words are split.

    Args:
        row: The clip, with `gloss_spans` and `gloss_words` where the truth is known.
        frames: (T, D) float, its real frames.
        tokens: (U, D) float, the real tokens of its sentence, `END` included.
        tokenizer: Which gave the tokens.
        keep: Share of frames kept; k in the paper.
        target_fps: See `c2rl.video.sample.candidates`.
        cap: See `c2rl.video.sample.candidates`.
        sharpness: Temperature of the softmax, as in training.

    Returns:
        The sums.

    Raises:
        ValueError: If T or U is not what the sampling or the tokenizer gives.
    """
    clip = row.clip
    if clip.gloss_spans is None or clip.gloss_words is None:
        return Tally()
    places = tokenizer.offsets(clip.sentence)
    if places is None:
        return Tally(unlocated=1)
    chosen = at_inference(row.num_frames, row.fps, keep=keep, target_fps=target_fps, cap=cap)
    if (len(frames), len(tokens)) != (len(chosen), len(places)):
        raise ValueError(
            f"clip {clip.id} came with {len(frames)} frames and {len(tokens)} tokens, but sampling"
            f" and tokenizer give {len(chosen)} and {len(places)}. Pass inference's, unpadded."
        )
    reads = match(frames.detach().float(), tokens.detach().float(), sharpness=sharpness).cpu()
    moments = torch.tensor(chosen)
    spans = [(moments >= a) & (moments < b) for a, b in clip.gloss_spans]
    signed = torch.stack(spans).any(0) if spans else moments < 0
    mass = chance = signing = 0.0
    signs = unseen = 0
    for (first, end), words in zip(clip.gloss_spans, clip.gloss_words, strict=True):
        if words is None:
            continue
        inside = (moments >= first) & (moments < end)
        if not inside.any():
            unseen += 1
            continue
        own = [u for u, (start, stop) in enumerate(places) if start < words[1] and words[0] < stop]
        mass += float(reads[own][:, inside].sum(1).mean())
        chance += float(inside.float().mean())
        signing += float(inside.sum() / signed.sum())
        signs += 1
    return Tally(mass, chance, signs, unseen, signing=signing)


def alignment_score(tallies: Iterable[Tally]) -> Alignment | None:
    """Average over the signs of many clips.

    Args:
        tallies: One per clip, from `tally`.

    Returns:
        The averages; None where no sign could be scored, as in all corpora but SynthSign.
    """
    found = list(tallies)
    signs = sum(one.signs for one in found)
    if not signs:
        return None
    return Alignment(
        100 * sum(one.mass for one in found) / signs,
        100 * sum(one.chance for one in found) / signs,
        100 * sum(one.signing for one in found) / signs,
        signs,
        sum(one.unseen for one in found),
        sum(one.unlocated for one in found),
    )
