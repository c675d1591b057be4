import itertools

import cv2
import numpy as np
import pytest

from c2rl.video.boxes import (
    Person,
    draw,
    frame_numbers,
    iou,
    people,
    square,
    squared,
    steady,
)

PICTURE = {"width": 200, "height": 100, "least_score": 0.5, "margin": 0.0}


def at(x0, y0, x1, y1, score=0.9):
    return Person((x0, y0, x1, y1), score)


def test_frames_are_looked_at_in_the_middle_of_equal_parts():
    assert frame_numbers(10, 5) == [1, 3, 5, 7, 9]
    assert frame_numbers(47, 3) == [7, 23, 39]
    assert frame_numbers(1, 5) == [0]
    assert frame_numbers(3, 5) == [0, 1, 2]


def test_overlap_is_intersection_over_union():
    assert iou((0, 0, 4, 4), (0, 0, 4, 4)) == 1
    assert iou((0, 0, 4, 4), (2, 2, 6, 6)) == 4 / 28
    assert iou((0, 0, 4, 4), (4, 0, 8, 4)) == 0
    assert iou((1, 1, 1, 1), (1, 1, 1, 1)) == 0


def test_people_are_cut_off_at_the_border_and_sorted():
    boxes = np.array([[10, 10, 20, 20], [-5, 90, 30, 130], [210, 0, 220, 50], [1, 1, 9, 9]])
    scores = np.array([0.25, 0.5, 0.75, 0.03125])  # the third is outside, the fourth too unsure
    assert people(boxes, scores, width=200, height=100) == [
        at(0, 90, 30, 100, 0.5),
        at(10, 10, 20, 20, 0.25),
    ]


def test_the_box_holds_the_signer_in_every_frame():
    found = [[at(50, 20, 90, 100, 0.8)], [at(40.4, 20, 90, 100, 1.0)], [at(50, 10, 99.2, 90, 0.6)]]
    signer = steady(found, **PICTURE)
    assert signer.box == (40, 10, 100, 100)
    assert signer.score == pytest.approx(0.8)
    assert signer.num_people == 1


def test_hands_stretched_out_in_one_frame_are_not_cut_off():
    arms_down, arms_out = at(80, 20, 120, 100), at(50, 20, 150, 100)
    signer = steady([[arms_down]] * 4 + [[arms_out]], **PICTURE)
    assert iou(arms_down.box, arms_out.box) == 0.4
    assert signer.box == (50, 20, 150, 100)


def test_the_margin_is_a_share_of_the_box_and_ends_at_the_border():
    found = [[at(60, 30, 100, 80)]]
    assert steady(found, **PICTURE | {"margin": 0.1}).box == (56, 25, 104, 85)
    assert steady(found, **PICTURE | {"margin": 1.0}).box == (20, 0, 140, 100)
    border = [[at(0, 0, 200, 100)]]
    assert steady(border, **PICTURE | {"margin": 0.1}).box == (0, 0, 200, 100)


def test_of_two_people_the_larger_signs():
    speaker, signer = at(20, 40, 50, 90, 0.99), at(120, 20, 170, 100, 0.7)
    found = [[speaker, signer], [signer, speaker], [speaker, signer]]
    assert steady(found, **PICTURE) == ((120, 20, 170, 100), pytest.approx(0.7), 2)


def test_of_two_people_of_like_size_the_one_who_moves_signs():
    speaker, signer = at(20, 20, 70, 100, 0.99), at(120, 20, 165, 100, 0.7)
    images = [np.full((100, 200, 3), 90, np.uint8) for _ in range(3)]
    images[1][30:60, 125:160] = 200  # her hands
    found = [[speaker, signer]] * 3
    assert steady(found, **PICTURE, images=images).box == (120, 20, 165, 100)
    assert steady(found, **PICTURE, images=images[::-1]).box == (120, 20, 165, 100)
    assert steady(found, **PICTURE).box == (20, 20, 70, 100)
    still = [images[0]] * 3
    assert steady(found, **PICTURE, images=still).box == (20, 20, 70, 100)


def test_a_little_movement_in_a_small_box_does_not_make_a_signer():
    signer, screen = at(20, 0, 120, 100), at(150, 0, 160, 20)
    images = [np.full((100, 200, 3), 90, np.uint8) for _ in range(2)]
    images[1][40:60, 30:110] += 60  # 16 % of the box, by 60: 9.6 on average
    images[1][0:20, 150:160] += 100
    found = [[signer, screen]] * 2
    assert steady(found, **PICTURE, images=images).box == (20, 0, 120, 100)


def test_a_signer_whom_the_detector_misses_once_is_still_the_signer():
    bystander, signer = at(0, 50, 20, 90), at(120, 20, 170, 100)
    found = [[bystander, signer], [bystander], [bystander, signer], [bystander, signer]]
    assert steady(found, **PICTURE) == ((120, 20, 170, 100), pytest.approx(0.9 * 3 / 4), 2)


def test_a_passer_by_is_not_the_signer_however_near():
    signer, passer_by = at(120, 40, 150, 90), at(0, 0, 100, 100)
    found = [[signer], [passer_by, signer], [signer]]
    assert steady(found, **PICTURE) == ((120, 40, 150, 90), pytest.approx(0.9), 1)


def test_two_boxes_in_one_frame_are_two_people_even_where_they_overlap():
    left, right = at(50, 0, 110, 100), at(80, 0, 150, 100)
    assert iou(left.box, right.box) == 0.3
    signer = steady([[left, right], [right, left]], **PICTURE)
    assert signer == ((80, 0, 150, 100), pytest.approx(0.9), 2)


def test_a_person_who_moves_slowly_stays_one():
    steps = [at(x, 20, x + 40, 100) for x in (10, 20, 30, 40, 50)]
    assert iou(steps[0].box, steps[-1].box) == 0
    assert steady([[step] for step in steps], **PICTURE) == ((10, 20, 90, 100), 0.9, 1)


def test_the_order_of_frames_and_of_people_is_irrelevant():
    frames = [
        [at(50, 20, 90, 100, 0.5), at(120, 20, 170, 100, 0.75)],
        [at(45, 20, 90, 100, 0.75), at(125, 20, 170, 90, 0.75)],
        [at(118, 22, 172, 100, 0.5)],
        [at(60, 20, 95, 100, 0.75), at(70, 30, 130, 100, 0.5)],
    ]
    results = {steady(order, **PICTURE) for order in itertools.permutations(frames)}
    results.add(steady([frame[::-1] for frame in frames], **PICTURE))
    assert results == {((118, 20, 172, 100), 0.5, 2)}


def test_nobody_is_found_where_there_is_nobody():
    assert steady([], **PICTURE) is None
    assert steady([[], [], []], **PICTURE) is None
    assert steady([[at(50, 20, 90, 100, 0.4)]] * 3, **PICTURE) is None
    assert steady([[at(50, 20, 90, 100)], [], []], **PICTURE) is None  # in a third of the frames


def test_the_largest_square_lies_in_the_middle():
    assert square(1280, 720) == (280, 0, 1000, 720)
    assert square(210, 260) == (0, 25, 210, 235)
    assert square(5, 4) == (0, 0, 4, 4)


def test_the_short_side_grows_to_a_square_that_may_leave_the_picture():
    assert squared((0.25, 0.25, 0.75, 0.5), 100, 100) == (25, 12, 75, 62)  # 37.5 +- 25
    assert squared((0.0, 0.0, 0.2, 1.0), 100, 80) == (-30, 0, 50, 80)
    assert squared((0.0, 0.1, 1.0, 0.9), 160, 90) == (0, -35, 160, 125)
    assert squared((0.1, 0.1, 0.5, 0.5), 100, 100) == (10, 10, 50, 50)
    for empty in ((0.5, 0.1, 0.5, 0.5), (1.1, 0.0, 1.5, 0.5), (10, 10, 50, 50), (0, -0.5, 1, 0)):
        with pytest.raises(ValueError, match=r"is empty, expected shares of width and height"):
            squared(empty, 100, 100)


def shown(data):
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB).astype(int)


def test_the_outline_is_drawn_where_the_box_is_and_nowhere_else():
    image = np.full((640, 960, 3), 100, np.uint8)
    small = shown(draw(image, (288, 192, 768, 480), [(48, 48, 144, 144)]))  # to be thirds
    assert small.shape == (213, 320, 3)
    edge = [small[64, 96:256], small[159, 96:256], small[64:160, 96], small[64:160, 255]]
    for line in edge:
        assert np.abs(line - (0, 255, 0)).max() < 60
    person = [small[16, 16:48], small[47, 16:48], small[16:48, 16], small[16:48, 47]]
    for line in person:
        assert np.abs(line - 255).max() < 60
    near = np.zeros(small.shape[:2], bool)  # JPEG blurs no further than its blocks of 8
    for top, bottom, left, right in ((56, 168, 88, 264), (8, 56, 8, 56)):
        near[top:bottom, left:right] = True
    near[80:144, 112:240] = False
    near[24:40, 24:40] = False
    assert (small[~near] == 100).all()


def test_a_box_beyond_the_picture_is_drawn_as_far_as_it_is_seen():
    small = shown(draw(np.full((64, 96, 3), 100, np.uint8), (-40, 16, 200, 300)))
    assert small.shape == (64, 96, 3)
    assert np.abs(small[16] - (0, 255, 0)).max() < 60
    assert (small[:8] == 100).all()
    assert (small[24:] == 100).all()


def test_colours_keep_their_order():
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0] = 200
    np.testing.assert_allclose(shown(draw(image, (0, 0, 8, 8)))[40, 40], (200, 0, 0), atol=3)
