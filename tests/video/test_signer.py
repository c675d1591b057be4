"""Where the signer is: the steps in their order, each with what it records."""

import numpy as np
import pytest

from c2rl.corpora.clip import Clip
from c2rl.video import signer
from c2rl.video.boxes import Person
from c2rl.video.files import ClipError
from c2rl.video.signer import Cropping, Place, place

CLIP = Clip("a", "train", "a sentence", "en", "a.mp4")
HERE = Person((10.0, 20.0, 50.0, 90.0), 0.8)


def find(clip: Clip, *steps: str, **options: object) -> Place:
    asked = []

    def look(numbers):
        asked.append(list(numbers))
        return [np.zeros((100, 200, 3), np.uint8) for _ in numbers]

    cropping = Cropping(steps, "file.onnx", frames=2, margin=0.0)
    found = place(clip, cropping, num_frames=40, width=200, height=100, look=look, **options)
    assert asked == ([[10, 30]] if found.was_searched else [])
    return found


@pytest.fixture
def people(monkeypatch):
    """Say whom the detector sees in every frame."""
    seen: list[Person] = []
    monkeypatch.setattr(signer, "_detector", lambda weights: lambda image: list(seen))
    return seen


def test_an_annotated_box_is_taken_without_a_look():
    boxed = CLIP._replace(box=(1, 2, 30, 40))
    assert find(boxed, "box", "detector", "square") == Place((1, 2, 30, 40), "box")


def test_shares_become_a_square_around_their_centre():
    boxed = CLIP._replace(relative_box=(0.25, 0.5, 0.75, 1.0))  # 50, 50, 150, 100 pixels
    assert find(boxed, "box") == Place((50, 25, 150, 125), "box")


def test_without_a_box_the_detector_looks_at_a_few_frames(people):
    people.append(HERE)
    found = find(CLIP, "box", "detector", "square")
    assert found == Place((10, 20, 50, 90), "detector", 0.8, 1, True)


def test_where_nobody_is_found_the_next_step_is_taken_and_the_look_recorded(people):
    assert find(CLIP, "box", "detector", "square") == Place((50, 0, 150, 100), "square", 0, 0, True)
    assert find(CLIP, "detector", "whole") == Place(None, "whole", 0, 0, True)
    people.append(HERE._replace(score=0.4))
    assert find(CLIP, "detector", "square").by == "square"


def test_steps_that_find_nothing_are_an_error_in_words(people):
    with pytest.raises(ClipError, match=r"no_signer: no box by box, detector"):
        find(CLIP, "box", "detector")


def test_a_box_beside_the_picture_is_a_bad_box():
    with pytest.raises(ClipError, match=r"bad_box"):
        find(CLIP._replace(relative_box=(1.2, 0.1, 1.4, 0.3)), "box")


def test_a_detector_that_is_not_there_is_told_before_anything_is_decoded(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"person\.onnx"):
        signer.ready(Cropping(("detector",), str(tmp_path / "person.onnx")))
    assert signer.ready(Cropping(("box", "square"), "none")) == ""
