import gc
import math
import os
import resource
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from c2rl.video import pool, worker

EXIT = "__import__('os')._exit(3)"
SLEEP = "__import__('time').sleep(60)"
HANG_IN_C = "__import__('ctypes').PyDLL(None).sleep(60)"  # holds the interpreter's lock
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux offers it")


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


def test_a_worker_that_hangs_in_c_is_killed_and_replaced():
    outcomes = run([HANG_IN_C, "2"], timeout_s=lambda task: 0.3 if task == HANG_IN_C else 30.0)
    assert outcomes == [(0, "timeout", None), (1, "", 2)]


def test_all_workers_may_fail_again_and_again():
    tasks = [EXIT, EXIT, EXIT, "1"] * 3
    expected = [(n, "", 1) if n % 4 == 3 else (n, "crash", None) for n in range(12)]
    assert run(tasks, workers=2) == expected


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x03\xe8half",  # 1000 bytes are announced
        b"\xff\xff\xff\xff" + b"\x10" * 8,  # a billion gigabytes are
        b"\x00\x00\x00\x04junk",
        b"\x00",
    ],
    ids=["half", "endless", "junk", "cut"],
)
def test_a_worker_that_dies_while_it_answers_is_replaced(sent):
    tasks = [(sent, False), (b"", False)]
    outcomes = sorted(pool.run(_send, tasks, workers=1, timeout_s=lambda _: 30.0))
    assert outcomes == [(0, "crash", None), (1, "", 7)]


def test_a_worker_that_stops_half_way_through_its_answer_is_replaced(monkeypatch):
    monkeypatch.setattr(worker, "_GRACE_S", 0.2)
    tasks = [(b"\x00\x00\x03\xe8half", True), (b"", False)]
    outcomes = sorted(
        pool.run(_send, tasks, workers=1, timeout_s=lambda task: 1.0 if task[1] else 30.0)
    )
    assert outcomes == [(0, "crash", None), (1, "", 7)]


def test_an_answer_that_cannot_be_sent_is_told():
    with pytest.raises(RuntimeError, match=r"cannot pickle|Can't pickle"):
        run(["lambda: 1"])


@ON_LINUX
def test_a_memory_bomb_takes_its_own_worker_only():
    bomb = "bytearray(3 * 10**9)"
    modest = "len(bytearray(10**8))"
    outcomes = run([bomb, modest], memory_bytes=10**9)
    assert outcomes == [(0, "crash", None), (1, "", 10**8)]


@ON_LINUX
def test_a_function_may_survive_a_lack_of_memory():
    tasks = [3 * 10**9, 10**8]
    outcomes = pool.run(_reserve, tasks, workers=1, timeout_s=lambda _: 30.0, memory_bytes=10**9)
    assert sorted(outcomes) == [(0, "", "too much"), (1, "", "enough")]


@ON_LINUX
def test_the_limit_of_memory_comes_from_the_environment(monkeypatch):
    limit = f"__import__('resource').getrlimit({resource.RLIMIT_DATA})[0]"
    assert run([limit]) == [(0, "", 4 * 10**9)]
    monkeypatch.setenv("C2RL_DECODE_MEMORY", "1.5")
    assert run([limit]) == [(0, "", 15 * 10**8)]
    for wrong in ("much", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("C2RL_DECODE_MEMORY", wrong)
        with pytest.raises(ValueError, match=f"C2RL_DECODE_MEMORY is '{wrong}', expected GB"):
            run(["1"])


def test_workers_that_die_as_they_start_end_the_run_with_advice(tmp_path, monkeypatch):
    _use_module(tmp_path, monkeypatch, "dies_at_start", "os._exit(3)")
    with pytest.raises(RuntimeError, match=r"die as they start.*__main__"):
        run_of("dies_at_start", ["1"])


def test_a_worker_that_dies_once_as_it_starts_is_replaced(tmp_path, monkeypatch):
    once = f"open({str(tmp_path / 'been')!r}, 'x')"  # raises the second time
    body = f"try:\n        {once}\n    except FileExistsError: pass\n    else: os._exit(3)"
    _use_module(tmp_path, monkeypatch, "dies_once", body)
    assert run_of("dies_once", ["3", "4"]) == [(0, "", 3), (1, "", 4)]


def test_a_worker_that_hangs_as_it_starts_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "_START_S", 1.0)
    monkeypatch.setattr(pool, "_MAX_STARTS", 1)
    _use_module(tmp_path, monkeypatch, "hangs_at_start", "__import__('time').sleep(60)")
    with pytest.raises(RuntimeError, match=r"die as they start"):
        run_of("hangs_at_start", ["1"])


@ON_LINUX
@pytest.mark.parametrize("deed", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent_however_that_ends(tmp_path, deed):
    script = tmp_path / "parent.py"
    script.write_text(_PARENT.format(hang=HANG_IN_C))
    parent = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(_is_running(pid) for pid in workers)
    if deed == signal.SIGINT:
        os.killpg(parent.pid, deed)  # Ctrl-C reaches all processes of a terminal
    else:
        os.kill(parent.pid, deed)
    _, told = parent.communicate(timeout=30)
    assert parent.returncode == -deed, told
    assert told.count("Traceback") == (1 if deed == signal.SIGINT else 0), told
    deadline = time.monotonic() + 10
    while any(_is_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_is_running(pid) for pid in workers)


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


PID = "__import__('os').getpid()"


def test_a_crew_stays_for_many_runs():
    with pool.Pool(_adder, 3, workers=2) as crew:
        first = [outcome.value for outcome in crew.run([1, 2, 3], timeout_s=lambda _: 30.0)]
        again = [outcome.value for outcome in crew.run([4] * 9, timeout_s=lambda _: 30.0)]
        assert list(crew.run([], timeout_s=lambda _: 30.0)) == []
    assert sorted(total for _, total in first) == [4, 5, 6]
    assert [total for _, total in again] == [7] * 9
    pids = {pid for pid, _ in [*first, *again]}
    assert len(pids) <= 2
    assert not any(_is_running(pid) for pid in pids)


def test_a_run_that_is_given_up_leaves_nothing_to_the_next():
    with pool.Pool(_evaluator, None, workers=2) as crew:
        begun = crew.run([PID, SLEEP, SLEEP], timeout_s=lambda _: 30.0)
        assert next(begun).number == 0
        begun.close()
        assert [o.value for o in crew.run(["5"], timeout_s=lambda _: 30.0)] == [5]


@ON_LINUX
def test_a_worker_that_died_idle_costs_no_task():
    with pool.Pool(_evaluator, None, workers=1) as crew:
        (before,) = crew.run([PID], timeout_s=lambda _: 30.0)
        os.kill(before.value, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while _is_running(before.value) and time.monotonic() < deadline:
            time.sleep(0.01)
        (after,) = crew.run([PID], timeout_s=lambda _: 30.0)
    assert (after.failure, after.value != before.value) == ("", True)


def test_the_next_task_is_done_while_the_caller_works(tmp_path):
    touch = f"__import__('pathlib').Path({str(tmp_path / 'begun')!r}).touch()"
    with pool.Pool(_evaluator, None, workers=1) as crew:
        outcomes = crew.run(["1", touch], timeout_s=lambda _: 30.0)
        next(outcomes)
        deadline = time.monotonic() + 10
        while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / "begun").exists()
        assert next(outcomes).number == 1


def test_a_caller_may_finish_with_an_outcome_before_its_worker_goes_on(tmp_path):
    touch = f"__import__('pathlib').Path({str(tmp_path / 'begun')!r}).touch()"
    with pool.Pool(_evaluator, None, workers=2) as crew:
        outcomes = crew.run(["1", PID, touch], timeout_s=lambda _: 30.0, is_ahead=False)
        assert next(outcomes).failure == ""
        time.sleep(0.5)
        assert not (tmp_path / "begun").exists()
        assert len([*outcomes]) == 2
        assert (tmp_path / "begun").exists()


def test_a_worker_that_cannot_begin_tells_why():
    with pool.Pool(_missing, "best.safetensors", workers=2) as crew:
        outcomes = crew.run([1, 2], timeout_s=lambda _: 30.0)
        with pytest.raises(RuntimeError, match=r"FileNotFoundError: no best\.safetensors"):
            next(outcomes)


def test_workers_know_their_number(monkeypatch):
    number = "(__import__('time').sleep(0.3), __import__('os').environ['LOCAL_RANK'])[1]"
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert {o.value for o in run([number] * 4, workers=2)} == {"0", "1"}
    monkeypatch.setenv("LOCAL_RANK", "5")
    assert run([number]) == [(0, "", "5")]


@ON_LINUX
def test_a_worker_without_a_limit_has_all_memory():
    limit = f"__import__('resource').getrlimit({resource.RLIMIT_DATA})"
    before = resource.getrlimit(resource.RLIMIT_DATA)
    assert run([limit], memory_bytes=math.inf) == [(0, "", before)]


@ON_LINUX
def test_the_children_of_a_worker_die_with_it(tmp_path):
    (outcome,) = pool.run(_die_with_child, [tmp_path], workers=1, timeout_s=lambda _: 60.0)
    assert outcome.failure == "crash"
    (child,) = [int(path.name) for path in tmp_path.iterdir()]
    deadline = time.monotonic() + 10
    while _is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(child)


def test_the_number_of_workers_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("C2RL_WORKERS", "3")
    assert pool.num_workers() == 3
    monkeypatch.setenv("C2RL_WORKERS", "many")
    with pytest.raises(ValueError, match=r"C2RL_WORKERS is 'many'"):
        pool.num_workers()


def _adder(first):
    return lambda second: (os.getpid(), first + second)


def _evaluator(_):
    return eval


def _missing(name):
    raise FileNotFoundError(f"no {name}")


def _die_with_child(folder):
    outcomes = pool.run(eval, [PID, HANG_IN_C], workers=1, timeout_s=lambda _: 60.0)
    (folder / str(next(outcomes).value)).touch()
    os.kill(os.getpid(), signal.SIGKILL)


def _loaded(code):
    import c2rl.video.decode  # noqa: F401 -- what a worker of stage prepare imports

    return eval(code)


def run_of(module, tasks):
    function = __import__(module).function
    return sorted(pool.run(function, tasks, workers=1, timeout_s=lambda _: 30.0))


def _use_module(folder, monkeypatch, name, body):
    """Write a module that does something as a worker, and only a worker, imports it."""
    text = f"import os\nif os.getpid() != {os.getpid()}:\n    {body}\nfunction = eval\n"
    text = text.replace("function = eval", "def function(task):\n    return eval(task)")
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)


def _send(task):
    """Write raw bytes into the pipe of this worker, then die or stop."""
    sent, stops = task
    if not sent:
        return 7
    (pipe,) = [o for o in gc.get_objects() if isinstance(o, Connection)]
    os.write(pipe.fileno(), sent)
    if stops:
        os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(3)


def _reserve(num_bytes):
    try:
        return "enough" if bytearray(num_bytes) else ""
    except MemoryError:
        return "too much"


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


_PARENT = """
import signal

from c2rl.video import pool

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    pid = "__import__('os').getpid()"
    tasks = [pid, pid] + ["{hang}"] * 2
    for outcome in pool.run(eval, tasks, workers=2, timeout_s=lambda _: 60.0):
        print(outcome.value, flush=True)
"""
