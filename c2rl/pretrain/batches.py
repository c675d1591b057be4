"""Batches of raw frames and sentences, each a pure function of (seed, epoch, clip).

Shape letters: B clips, T frames of the longest, S frames of all clips, R side of a crop.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from c2rl.language.tokenizer import Tokenizer
from c2rl.nn.masks import Tokens, mask_of, pad_tokens
from c2rl.store.frames import FrameStore
from c2rl.training import distributed
from c2rl.training.batching import Step, cut, plan, sentence_ids, share
from c2rl.training.prefetch import ahead, num_workers
from c2rl.video import transform
from c2rl.video.sample import count, generator


class FrameBatch(NamedTuple):
    """Clips of a micro-batch; frames are packed, clip after clip, so none is padding."""

    ids: list[str]
    frames: Tensor
    """(S, 3, R, R) uint8."""
    matrices: Tensor | None
    """(S, 2, 3) float32 augmentation of each frame; None at inference."""
    mask: Tensor
    """(B, T) bool, True where real; S of them."""
    tokens: Tokens
    sentence_ids: Tensor
    """(B,) int64; equal where the sentences are equal."""
    epoch: int
    """Of the training, from 0; 0 at inference."""


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
        batch_norm: Literal["global"] | int,
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
            batch_norm: Clips that share batch-norm statistics, and so a micro-batch.
            seed: Of the training.

        Raises:
            ValueError: If the split has no clip, or a batch fewer micro-batches than processes.
        """
        self.store, self.numbers = store, store.split(split)
        if not self.numbers:
            raise ValueError(f"{store.path} has no readable clip in split {split}")
        self.rows = [store.rows[n] for n in self.numbers]
        self.sentences = [row.clip.sentence for row in self.rows]
        self._tokens = [tokenizer.encode(s) for s in self.sentences]
        self._sentence_ids = sentence_ids(self.sentences)
        self.sampling: dict[str, Any] = {"keep": keep, "target_fps": target_fps, "cap": cap}
        self._side = crop
        self._augment, self.batch_size, self._seed = augment, batch_size, seed
        self._norm_clips = batch_norm
        self.lengths = [count(row.num_frames, row.fps, **self.sampling) for row in self.rows]
        self._facts = self.lengths, [len(t) for t in self._tokens], self._sentence_ids
        least = len(self.numbers) // len(self)
        if -(-least // self._cut_size(range(least))) < distributed.size():
            raise ValueError(
                f"a batch of {least} clips has fewer micro-batches of {batch_norm} clips than there"
                f" are processes ({distributed.size()}): lower C2RL_DEVICES or pretrain.batch_norm"
            )

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return -(-len(self.numbers) // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Step[FrameBatch]]:
        """Deal and augment the clips of a training epoch.

        Args:
            epoch: From 0.
            start: First batch wanted, from 0.

        Yields:
            This process's share of each batch; every clip exactly once over all processes.
        """
        shares = [
            share(cut(batch, self.lengths, self._cut_size(batch)), *self._facts)
            for batch in plan(len(self.numbers), self.batch_size, seed=self._seed, epoch=epoch)[
                start:
            ]
        ]
        micro_batches = ahead(
            lambda chosen: self._batch(chosen, epoch),
            (chosen for own, _ in shares for chosen in own),
            num_workers(),
        )
        for own, whole in shares:
            yield Step(list(islice(micro_batches, len(own))), whole)

    def inference(self) -> Iterator[FrameBatch]:
        """Go through the split in order, without chance.

        Yields:
            Batches; every clip exactly once.
        """
        starts = range(0, len(self.numbers), self.batch_size)
        chosen = (range(a, min(a + self.batch_size, len(self.numbers))) for a in starts)
        yield from ahead(lambda c: self._batch(c, None), chosen, num_workers())

    def _cut_size(self, batch: Sequence[int]) -> int:
        """Tell the most clips of a micro-batch: those that share batch-norm statistics."""
        if self._norm_clips == "global":
            return -(-len(batch) // distributed.size())
        return int(self._norm_clips)

    def _batch(self, chosen: Sequence[int], epoch: int | None) -> FrameBatch:
        clips, matrices = [], []
        for i in chosen:
            number = self.numbers[i]
            row = self.rows[i]
            rng = None if epoch is None else generator(self._seed, epoch, row.clip.id)
            try:
                clip = transform.view(
                    self.store.reader(number),
                    row.num_frames,
                    row.fps,
                    side=self._side,
                    rng=rng,
                    **self.sampling,
                )
            except ValueError as error:
                raise ValueError(
                    f"{self.store.path}: clip {row.clip.id}: {error}. Delete the store and run"
                    " `dvc repro prepare`."
                ) from None
            if rng is not None and self._augment == "strong":
                clip = transform.tint(clip, rng)
            clips.append(clip)
            if rng is not None and self._augment != "paper":
                matrices.append(transform.affine(rng).expand(len(clip), 2, 3))
        batch = FrameBatch(
            [self.rows[i].clip.id for i in chosen],
            transform.pack(clips),
            torch.cat(matrices) if matrices else None,
            mask_of(torch.tensor([len(c) for c in clips])),
            pad_tokens([self._tokens[i] for i in chosen]),
            torch.tensor([self._sentence_ids[i] for i in chosen]),
            0 if epoch is None else epoch,
        )
        return distributed.to_device(batch)
