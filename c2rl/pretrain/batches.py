"""Batches of raw frames and sentences, each a pure function of (seed, epoch, clip).

Shape letters: B clips, T frames of the longest, S frames of all clips, R side of a crop.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from c2rl.language.tokenizer import Tokenizer
from c2rl.nn.masks import Tokens, mask_of, pad_tokens
from c2rl.store.frames import FrameStore
from c2rl.training.batching import plan, sentence_ids
from c2rl.video import transform
from c2rl.video.sample import generator


class FrameBatch(NamedTuple):
    """Clips of a batch; frames are packed, clip after clip, so none is padding."""

    frames: Tensor
    """(S, 3, R, R) uint8."""
    matrices: Tensor | None
    """(S, 2, 3) float32 augmentation of each frame; None at inference."""
    mask: Tensor
    """(B, T) bool, True where real; S of them."""
    tokens: Tokens
    sentence_ids: Tensor
    """(B,) int64; equal where the sentences are equal."""


class FrameBatches:
    """The batches of one split."""

    def __init__(
        self,
        store: FrameStore,
        split: str,
        tokenizer: Tokenizer,
        *,
        crop: int,
        keep: float,
        target_fps: float | None,
        cap: int | None,
        augment: str,
        batch_size: int,
        seed: int,
    ) -> None:
        """Prepare a split.

        Args:
            store: Frames of the corpus.
            split: train, dev or test.
            tokenizer: Built from the training sentences.
            crop: R.
            keep: Share of frames kept; k in the paper.
            target_fps: See `c2rl.video.sample.candidates`.
            cap: See `c2rl.video.sample.candidates`.
            augment: `paper`, `gfslt` or `strong`.
            batch_size: Clips a batch.
            seed: Of the training.

        Raises:
            ValueError: If the split has no clip.
        """
        self.store, self.numbers = store, store.split(split)
        if not self.numbers:
            raise ValueError(f"{store.path} has no readable clip in split {split}")
        self.sentences = [store.rows[n].clip.sentence for n in self.numbers]
        self._tokens = [tokenizer.encode(s) for s in self.sentences]
        self._sentence_ids = sentence_ids(self.sentences)
        self._view = {"side": crop, "keep": keep, "target_fps": target_fps, "cap": cap}
        self._augment, self.batch_size, self._seed = augment, batch_size, seed

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return -(-len(self.numbers) // self.batch_size)

    def epoch(self, epoch: int) -> Iterator[FrameBatch]:
        """Deal and augment the clips of a training epoch.

        Args:
            epoch: From 0.

        Yields:
            Batches; every clip exactly once.
        """
        for chosen in plan(len(self.numbers), self.batch_size, seed=self._seed, epoch=epoch):
            yield self._batch(chosen, epoch)

    def inference(self) -> Iterator[FrameBatch]:
        """Go through the split in order, without chance.

        Yields:
            Batches; every clip exactly once.
        """
        for start in range(0, len(self.numbers), self.batch_size):
            stop = min(start + self.batch_size, len(self.numbers))
            yield self._batch(range(start, stop), None)

    def _batch(self, chosen: Sequence[int], epoch: int | None) -> FrameBatch:
        clips, matrices = [], []
        for i in chosen:
            number = self.numbers[i]
            row = self.store.rows[number]
            rng = None if epoch is None else generator(self._seed, epoch, row.clip.id)
            clip = transform.view(
                self.store.reader(number),
                row.num_frames,
                row.fps,
                rng=rng,
                **self._view,  # type: ignore[arg-type]
            )
            if rng is not None and self._augment == "strong":
                clip = transform.tint(clip, rng)
            clips.append(clip)
            if rng is not None and self._augment != "paper":
                matrices.append(transform.affine(rng).expand(len(clip), 2, 3))
        return FrameBatch(
            torch.cat(clips),
            torch.cat(matrices) if matrices else None,
            mask_of(torch.tensor([len(c) for c in clips])),
            pad_tokens([self._tokens[i] for i in chosen]),
            torch.tensor([self._sentence_ids[i] for i in chosen]),
        )
