"""The sections of `params.yaml`: name, type, limits and meaning of every parameter.

No field has a default: each number is written in `params.yaml`, so none hides outside the cache's
key. Where the paper is silent, the row of the ambiguity register that decides is named.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=8, le=4096)]
Share = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A part of `params.yaml`: unknown keys, strings for numbers and infinities are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    def kwargs(self, *names: str) -> dict[str, Any]:
        """Give the section as plain keyword arguments.

        Args:
            names: Fields to give; all when empty.

        Returns:
            Field name to value.
        """
        values = self.model_dump()
        return {name: values[name] for name in names} if names else values


class SynthSign(Section):
    """The embedded corpus (`dataset: synthsign`)."""

    size: Literal["nano", "tiny", "small", "paper"]
    """24/8/8 (to test the pipeline itself), 400/64/64, 2,000/200/300 or 7,096/519/642 clips."""
    language: Literal["de", "en", "zh"]
    """Language of the sentences, hence the metric profile."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of the generator; belongs to stage prepare alone."""
    vocabulary: Annotated[int, Field(ge=28)]
    """Number of signs."""
    signers: Annotated[int, Field(ge=3)]
    """Number of signers; the last two sign dev and test and nothing else."""
    reordering: Probability
    """Share of sentences whose signs do not follow the order of the words."""
    noise: Annotated[float, Field(ge=0, le=3)]
    """Strength of jitter, background and sensor noise; 1 is normal."""


class Prepare(Section):
    """How a release is read (stage prepare)."""

    labels: Literal[
        "release", "original", "video_map", "gfslt", "neccam", "unisign", "cico", "corrnet"
    ]
    """Whose annotation files: the release's own, or label files that peers published; `original` is
    How2Sign before the re-alignment, `video_map` the other text of CSL-Daily."""
    repair_text: bool
    """Mend sentences whose UTF-8 was once read as Latin-1 (one copy of How2Sign's tables)."""


class Crop(Section):
    """What of the picture is kept: the signer (Sec. IV-A a, Fast R-CNN on How2Sign)."""

    method: Literal["corpus", "none", "box", "detector", "square"]
    """`corpus`: as the corpus's module says (How2Sign and OpenASL: annotated box, else detector,
    else centre square; PHOENIX-2014T and CSL-Daily: the whole frame). `none`: the whole frame;
    `box`: annotated box, else centre square; `detector`: else centre square; `square`: centre."""
    weights: str
    """Person detector: `torchvision` (Faster R-CNN on COCO), the path of its state dict, the path
    of an ONNX file, or none: then `corpus` goes without one."""
    box: Literal["extent", "corners"]
    """CiCo's boxes of How2Sign: x1, y1, w, h as its code crops, or x1, y1, x2, y2."""
    frames: Count
    """Frames of a clip that the detector looks at."""
    score: Annotated[float, Field(gt=0, le=1)]
    """Least score of a person."""
    margin: Annotated[float, Field(ge=0, le=1)]
    """Room around the detected box on each side, as a share of its size."""

    @model_validator(mode="after")
    def _has_weights(self) -> Self:
        if self.method == "detector" and self.weights == "none":
            raise ValueError("method is detector, but weights is none: name the detector")
        return self


class StoredFrames(Section):
    """How frames are stored."""

    size: Size
    """Width and height in pixels; the aspect ratio is not kept (register row 16). Paper: 256."""
    codec: Literal["jpeg", "png"]
    """Compression of the frame store; png loses nothing and takes about six times the space."""
    quality: Annotated[int, Field(ge=1, le=100)]
    """JPEG quality, always 4:4:4; png ignores it."""


class SampledFrames(Section):
    """Which stored frames the encoder sees, and how."""

    crop: Size
    """Side of the random (training) or centre (inference) crop in pixels. Paper: 224."""
    keep: Share
    """Share of frames kept; k in the paper, 0.25."""
    target_fps: Rate | None
    """Bring every clip to this rate before sampling; null keeps the native rate (row 14)."""
    cap: Count | None
    """Most frames of a clip before sampling, spread evenly; null: no cap (row 13)."""
    augment: Literal["paper", "gfslt", "strong"]
    """Training views: `paper` crops only; `gfslt` also rotates, scales and shifts (row 15);
    `strong` changes the colours as well."""


class Frames(StoredFrames, SampledFrames):
    """The whole section `frames`."""

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop > self.size:
            raise ValueError(f"crop {self.crop} is larger than size {self.size}")
        return self


class Encoder(Section):
    """The sign encoder of Table I, and the text encoder and decoder that teach it."""

    weights: str
    """First weights of the ResNet: imagenet, none, or the path of a torchvision state dict."""
    channels: Annotated[int, Field(ge=8, multiple_of=8)]
    """Channels of ResNet's first stage; 64 is ResNet-18, less is a narrower one."""
    width: Annotated[int, Field(ge=8)]
    """Hidden size of the transformer blocks and width C of the features. Paper: 512."""
    layers: Count
    heads: Count
    feedforward: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Tokenizer(Section):
    """How sentences become tokens."""

    name: str
    """`corpus` learns pieces from the training sentences; else a tokenizer's hub id or folder,
    trimmed to the pieces of the training sentences (row 20)."""
    size: Annotated[int, Field(ge=100)]
    """Most pieces that `corpus` learns."""


class ContrastiveLoss(Section):
    """Eq. (1) on CLCL similarities."""

    temperature: Annotated[float, Field(ge=0.01, le=1)]
    """First value of the trainable tau (row 4)."""
    max_scale: Annotated[float, Field(ge=1)]
    """1/tau never exceeds this (row 4)."""
    sharpness: Annotated[float, Field(ge=0.03, le=1)]
    """Fixed temperature of CLCL's inner softmax (row 3)."""
    directions: Literal["sum", "mean"]
    """Eq. (1) adds the two directions; `mean` halves them (row 7)."""
    dual_mix: Probability
    """1: each similarity contrasts one axis as eq. (1) says; 0.5: both axes, as CiCo (row 8)."""
    duplicate_text: Literal["ignore", "mask", "positive"]
    """Equal sentences in a batch: negatives as in the paper, left out, or further positives."""
    negatives: Literal["global"] | Annotated[int, Field(ge=2)]
    """Contrast over the whole batch, or over groups of this size (row 9)."""


class Loss(ContrastiveLoss):
    """Joint objective L = alpha * L_con + beta * L_lm, eq. (3)."""

    alpha: Weight
    """Weight of implicit content learning (ICL), eq. (1)."""
    beta: Weight
    """Weight of explicit context learning (ECL), eq. (2)."""
    smoothing: Annotated[float, Field(ge=0, lt=1)]
    """Label smoothing of eq. (2) (row 11)."""
    lm_reduction: Literal["token_mean", "sentence_sum"]
    """Mean over tokens, or eq. (2)'s sum over tokens and mean over sentences (row 10)."""

    @model_validator(mode="after")
    def _has_objective(self) -> Self:
        if self.alpha == self.beta == 0:
            raise ValueError("alpha and beta are both 0: nothing is left to learn")
        return self


class Training(Section):
    """What every training needs."""

    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    """Clips a step over all processes."""
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: Rate
    """Highest learning rate; decays to 0 along a cosine."""
    warmup: Annotated[float, Field(ge=0, lt=1)]
    """Share of the steps during which the rate rises linearly."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Of SGD; ignored by Adam."""
    nesterov: bool
    weight_decay: Weight
    clip_norm: Rate | None
    """Largest gradient norm; null: no clipping."""
    evaluate_every: Count
    """Epochs between looks at the dev split; the last epoch is always looked at."""
    precision: Literal["float32", "bfloat16"]
    """Of the networks in training; weights, losses and evaluation stay float32."""


class Pretrain(Training):
    """Stage pretrain (Sec. III-B, IV-B b)."""

    objective: Literal["c2rl", "gfslt_vlp"]
    """Eq. (3), or the baseline's: a global CLIP loss and masked text (Fig. 3)."""
    mask_rate: Share
    """Share of a sentence's tokens that `gfslt_vlp` masks; `c2rl` masks none."""
    batch_norm: Literal["global"] | Annotated[int, Field(ge=2)]
    """Clips that share batch-norm statistics: a number, 8 as on one of the paper's GPUs, or all of
    the batch (SyncBN). With a number the result does not depend on how many GPUs there are."""
    probe_clips: Annotated[int, Field(ge=0)]
    """Dev clips translated greedily at each look; 0: none."""


class Extract(Section):
    """Stage extract."""

    which: Literal["best", "last"]
    """Encoder weights: lowest dev loss, or the last epoch's (row 23)."""
    point: Literal["after_transformer", "before_transformer"]
    """The sign encoder's output, or what its transformer blocks are given (end of Table I)."""
    precision: Literal["float32", "bfloat16", "float16"]
    """Of the ResNet, nearly all of the work; features are stored as float16 in any case."""
    views: Annotated[int, Field(ge=1, le=64)]
    """Samplings of each clip of train that are stored: the deterministic one and so many less one
    shifted by a frame each; 1/k of them see all frames. Downstream training draws one an epoch."""
    imported: str | None
    """Store made by `c2rl features import`, to take in place of the encoder's features (Fig. 3);
    below `C2RL_DATA`, or data/raw."""


class Transformer(Section):
    """A small transformer; ignored by pretrained backbones."""

    width: Annotated[int, Field(ge=8)]
    layers: Count
    heads: Count
    feedforward: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Translate(Training, Transformer):
    """Stage translate (Sec. III-C a)."""

    backbone: Literal["transformer", "mbart", "mt5"]
    weights: str
    """Of mbart and mt5: a hub id, a folder, or none. The transformer starts from none. Pretrained
    weights bring their tokenizer with them, and `tokenizer` is not looked at."""
    input_scale: Literal["one", "sqrt_width"]
    """What mbart and mt5 multiply features by: 1, or as MBart its words (row 26)."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)]
    """Of mbart's attention weights; mt5 and the transformer have one `dropout`."""
    bucket: Count
    """Batches among which clips are dealt by length, which saves padding; 1: batches at random."""
    projection_lr: Rate
    """Learning rate of the layer between features and backbone."""
    smoothing: Annotated[float, Field(ge=0, lt=1)]
    beams: Count
    length_penalty: float
    max_length: Count | None
    """Most tokens of a hypothesis; null: half as many again as the longest training sentence."""


class Retrieve(Training, Transformer):
    """Stage retrieve (Sec. III-C b)."""

    backbone: Literal["transformer", "mbart", "mt5"]
    """Whose encoders; the two share no weights."""
    weights: str
    """Of mbart and mt5: a hub id, a folder, or none, as for translate (row 28)."""
    input_scale: Literal["one", "sqrt_width"]
    """What mbart and mt5 multiply features by: 1, or as MBart its words (row 26)."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)]
    """Of mbart's attention weights; mt5 and the transformer have one `dropout`."""
    mix: Probability
    """Score at test time = mix * V2T + (1 - mix) * T2V (row 29)."""


class Report(Section):
    """Stage report."""

    examples: Annotated[int, Field(ge=1, le=50)]
    """Test clips shown as film strips."""
