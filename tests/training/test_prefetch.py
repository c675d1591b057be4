"""Work ahead of need: in order, bounded, and an error is the caller's."""

import threading
import time

import pytest

from c2rl.training.prefetch import ahead


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_items_come_in_the_order_of_their_keys(workers: int) -> None:
    def slow_first(key: int) -> int:
        time.sleep(0.02 if key % 3 == 0 else 0)
        return key * key

    assert list(ahead(slow_first, range(12), workers)) == [k * k for k in range(12)]


def test_no_more_than_two_a_thread_are_made_ahead() -> None:
    made: list[int] = []
    items = ahead(lambda key: made.append(key) or key, iter(range(100)), 2)  # type: ignore[func-returns-value]
    assert next(items) == 0
    time.sleep(0.1)
    assert len(made) <= 5  # four ahead, and one for that which was taken
    items.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_reaches_the_caller_and_no_thread_is_left(workers: int) -> None:
    def broken(key: int) -> int:
        if key == 3:
            raise OSError("disk gone")
        return key

    before, items = threading.active_count(), ahead(broken, range(9), workers)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="disk gone"):
        next(items)
    assert threading.active_count() == before
