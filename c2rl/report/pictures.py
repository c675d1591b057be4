"""Images that lie inside the page."""

import base64
from typing import Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

QUALITY = 80
"""Of JPEG."""


class Picture(NamedTuple):
    """An image that lies inside the page."""

    uri: str
    """data: address."""
    alt: str
    """What it shows, in words."""
    width: int = 0
    height: int = 0


def data_uri(kind: str, content: bytes) -> str:
    """Pack a file into an address.

    Args:
        kind: MIME type.
        content: The file.

    Returns:
        A data: address.
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def encode(image: npt.NDArray[np.uint8], kind: Literal["jpeg", "png"]) -> str:
    """Compress an image.

    Args:
        image: (height, width, 3) uint8; blue, green, red, as OpenCV has them.
        kind: Format.

    Returns:
        A data: address.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if kind == "jpeg" else []
    return data_uri(f"image/{kind}", cv2.imencode(f".{kind}", image, quality)[1].tobytes())
