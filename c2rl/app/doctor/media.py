"""Does each codec decode, with each reader: the frames, all of them, in their colours.

Runs in a worker.
"""

import tempfile
from pathlib import Path

from c2rl.app.doctor import clips
from c2rl.app.doctor.findings import Finding, Status

NAMES = (*(f"{name} by PyAV" for name in clips.NAMES), "h264.mp4 by decord")
"""What is tried. decord is the second reader, and only for H.264."""

_NEEDED = {"h264.mp4"}  # what every corpus is in; others come from browsers and phones
_TOLERANCE = 24  # levels of 255: codecs are lossy, swapped colours are off by 160
_MEND = "pip install --force-reinstall --no-deps {}"


def attempt(name: str) -> Finding:
    """Decode a clip.

    Args:
        name: One of `NAMES`.

    Returns:
        Whether it gave what it holds.
    """
    file, _, backend = name.partition(" by ")
    package = "av" if backend == "PyAV" else "decord"
    wrong = _wrong(file, use_decord=package == "decord")
    if not wrong:
        return Finding("video", name, "ok", f"{clips.NUM_FRAMES} frames as they were drawn")
    status: Status = "broken" if file in _NEEDED and package == "av" else "warning"
    return Finding("video", name, status, wrong, _MEND.format(package))


def _wrong(file: str, *, use_decord: bool) -> str:
    """Tell what is wrong with what is read; empty where nothing is."""
    try:
        import numpy as np

        from c2rl.video import source

        source.quiet()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file
            path.write_bytes(clips.content(file))
            read = source.read_frames(path, use_decord=use_decord)
            images = np.stack(list(read.images)).astype(np.int64)
    except Exception as error:  # whatever a library makes of it
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    wanted = "decord" if use_decord else "pyav"
    if read.decoder != wanted:
        return f"was read by {read.decoder}: {wanted} does not take it"
    if images.shape != (clips.NUM_FRAMES, clips.HEIGHT, clips.WIDTH, 3):
        return f"gives {images.shape}, expected {clips.NUM_FRAMES} frames of 64 x 48"
    half = clips.WIDTH // 2
    for colour, part in (
        (clips.RED, images[:, :, : half - 4]),
        (clips.BLUE, images[:, :, half + 4 :]),
    ):
        off = np.abs(part[:, clips.BAR + 4 :] - np.array(colour)).max()
        if off > _TOLERANCE:
            return f"gives colours that are off by {off} of 255"
    bar = images[:, : clips.BAR - 2].mean(axis=(1, 2, 3))
    if (np.diff(bar) < _TOLERANCE / 2).any():
        return "gives its frames in another order"
    return ""
