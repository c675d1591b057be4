"""Windows of one video that show the same moment are one hit."""

from c2rl.retrieve.merge import Span, merge


def test_overlapping_windows_are_merged_into_the_best() -> None:
    found = merge([Span("a", 10, 25), Span("a", 20, 35), Span("b", 20, 35), Span("a", 0, 15)])
    assert found == [(0, [1, 3], 0, 35), (2, [], 20, 35)]


def test_what_overlaps_only_a_merged_window_stays_by_itself() -> None:
    found = merge([Span("a", 10, 25), Span("a", 20, 35), Span("a", 30, 45)])
    assert found == [(0, [1], 10, 35), (2, [], 30, 45)]


def test_clips_that_touch_or_hardly_overlap_stay_apart() -> None:
    spans = [Span("a", 0, 10), Span("a", 10, 20), Span("a", 9.5, 11)]
    assert [m.best for m in merge(spans[:2])] == [0, 1]
    assert [m.best for m in merge([Span("a", 0, 10), Span("a", 9.1, 20)])] == [0, 1]
    assert [m.best for m in merge([Span("a", 0, 10), Span("a", 8.9, 20)])] == [0]


def test_whole_videos_overlap_nothing() -> None:
    assert len(merge([Span("a", None, None), Span("a", None, None), Span("a", 0, 5)])) == 3
    assert merge([]) == []
