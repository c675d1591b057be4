import os
import time

import pytest

from c2rl.video import pool

EXIT = "__import__('os')._exit(3)"
SLEEP = "__import__('time').sleep(60)"


def run(tasks, **options):
    # `eval` is importable everywhere, which a test's own function is not
    options = {"workers": 1, "timeout_s": lambda _: 30.0} | options
    return sorted(pool.run(eval, tasks, **options))


def test_every_task_gets_one_outcome_whatever_the_number_of_workers():
    tasks = [f"{n} * {n}" for n in range(7)]
    expected = [(n, "", n * n) for n in range(7)]
    assert run(tasks) == expected
    assert run(tasks, workers=3) == expected
    assert run([]) == []


def test_a_dead_worker_is_replaced():
    assert run(["1", EXIT, "2"]) == [(0, "", 1), (1, "crash", None), (2, "", 2)]


def test_a_hanging_worker_is_killed_and_replaced():
    start = time.monotonic()
    outcomes = run([SLEEP, "2"], timeout_s=lambda task: 0.3 if task == SLEEP else 30.0)
    assert outcomes == [(0, "timeout", None), (1, "", 2)]
    assert time.monotonic() - start < 20


def test_a_failed_task_may_be_tried_another_way():
    assert run([EXIT, "2"], retry=lambda task: "7" if task == EXIT else None) == [
        (0, "", 7),
        (1, "", 2),
    ]


def test_an_unexpected_exception_is_told_with_its_traceback():
    with pytest.raises(RuntimeError, match=r"ZeroDivisionError"):
        run(["1 / 0"])


def test_no_process_is_left_behind():
    pids = [value for _, _, value in run(["__import__('os').getpid()"] * 3, workers=2)]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_start_without_torch():
    code = "sorted(m for m in __import__('sys').modules if m in ('torch', 'transformers'))"
    (outcome,) = pool.run(_loaded, [code], workers=1, timeout_s=lambda _: 30.0)
    assert outcome.value == []


def test_the_number_of_workers_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("C2RL_WORKERS", "3")
    assert pool.num_workers() == 3
    monkeypatch.setenv("C2RL_WORKERS", "many")
    with pytest.raises(ValueError, match=r"C2RL_WORKERS is 'many'"):
        pool.num_workers()


def _loaded(code):
    import c2rl.video.decode  # noqa: F401 -- what a worker of stage prepare imports

    return eval(code)
