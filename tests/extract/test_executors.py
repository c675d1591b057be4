import json
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import executed
import pytest

from c2rl.extract.executors import lease
from c2rl.extract.executors.rank import Rank, rank_of

SQUARES = [["square", n] for n in range(7)]
RAY = pytest.param("ray", marks=pytest.mark.processes)
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux offers it")


def array(number, *, first, count, step=1):
    """Say what SLURM says to a task of an array."""
    told = {"ID": number, "MIN": first, "COUNT": count, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in told.items()}


@pytest.fixture(params=["local", "rank", RAY])
def executor(request, monkeypatch):
    if request.param == "ray":
        request.getfixturevalue("_ray_cluster")
    monkeypatch.setenv("C2RL_RANK", "0")
    monkeypatch.setenv("C2RL_RANKS", "1")
    return request.param


@pytest.fixture(scope="module")
def _ray_cluster():
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=2 * 10**8)
        yield
        assert ray.is_initialized(), "an executor shut down a cluster that it did not start"
        ray.shutdown()


@pytest.mark.parametrize("workers", [1, 2])
def test_all_shards_are_done_whatever_the_executor_and_the_number_of_workers(
    executor, workers, tmp_path
):
    found = dict(executed.work(executor, tmp_path, SQUARES, workers=workers))
    assert found == {n: n * n for n in range(7)}


def test_nothing_to_do_is_done(executor, tmp_path):
    assert list(executed.work(executor, tmp_path, [])) == []


@pytest.mark.parametrize("executor", ["local", RAY], indirect=True)
def test_shards_come_as_they_finish(executor, tmp_path):
    tasks = [["sleep", 1.0], ["sleep", 0]]
    found = executed.work(executor, tmp_path, tasks, workers=2)
    assert [number for number, _ in found] == [1, 0]


def test_a_worker_begins_once(executor, tmp_path):
    found = [value for _, value in executed.work(executor, tmp_path, [["begun"]] * 3)]
    assert found[0][0] == "setup"
    assert found == [found[0]] * 3
    assert found[0][1] != os.getpid()


def test_a_shard_whose_process_dies_is_done_again(executor, tmp_path):
    tasks = [["square", 3], ["die once", str(tmp_path / "mark")], ["square", 4]]
    found = dict(executed.work(executor, tmp_path, tasks))
    assert found == {0: 9, 1: "recovered", 2: 16}


@ON_LINUX
def test_a_shard_that_hangs_is_killed_at_its_deadline_and_done_again(executor, tmp_path):
    mark = tmp_path / "mark"
    start = time.monotonic()
    tasks = [["hang once", str(mark)], ["square", 4]]
    found = dict(executed.work(executor, tmp_path, tasks, timeout_s=2.0))
    assert found == {0: "recovered", 1: 16}
    assert time.monotonic() - start < 40
    assert end(int(mark.read_text()))


@pytest.mark.parametrize(
    ("task", "timeout_s", "kind", "reason"),
    [
        (["die"], 60.0, ChildProcessError, "took its process with it"),
        (["sleep", 50], 1.0, TimeoutError, "did not finish within 1 s"),
    ],
    ids=["dies", "hangs"],
)
def test_a_shard_that_fails_twice_ends_the_work_and_keeps_what_is_finished(
    executor, task, timeout_s, kind, reason, tmp_path
):
    tasks = [*SQUARES[:2], task, *SQUARES[3:]]
    with pytest.raises(kind, match=rf"^shard 2 {reason}, twice\. What is finished is kept.*again"):
        list(executed.work(executor, tmp_path, tasks, timeout_s=timeout_s))
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["0.json", "1.json"]


def test_errors_a_person_can_mend_keep_their_kind_and_text(executor, tmp_path):
    for kind, arguments, text in [
        (ValueError, ["no such box"], "no such box"),
        (OSError, [28, "No space left on device"], "[Errno 28] No space left on device"),
        (FileNotFoundError, [2, "No such file", "a.mp4"], "[Errno 2] No such file: 'a.mp4'"),
        (KeyError, ["no clip 'a'"], "no clip 'a'"),
        (ValueError, [], "ValueError"),
    ]:
        with pytest.raises(kind) as caught:
            list(executed.work(executor, tmp_path, [["raise", kind.__name__, *arguments]]))
        assert type(caught.value) is kind
        assert caught.value.args == (text,)


def test_a_worker_that_cannot_begin_tells_why(executor, tmp_path):
    options = {"begin": executed.begin_without_checkpoint}
    with pytest.raises(FileNotFoundError, match=r"^setup does not exist. Run: dvc repro pretrain$"):
        list(executed.work(executor, tmp_path, SQUARES, **options))
    with pytest.raises(RuntimeError, match=r"AttributeError: 'str' object has no .*undefined"):
        list(executed.work(executor, tmp_path, SQUARES, begin=executed.begin_with_a_bug))


def test_an_unexpected_error_is_told_with_its_traceback(executor, tmp_path):
    with pytest.raises(RuntimeError, match=r"executed\.py(.|\n)*ZeroDivisionError: oops"):
        list(executed.work(executor, tmp_path, [["raise", "ZeroDivisionError", "oops"]]))


def test_a_worker_may_start_processes_which_load_only_what_they_need(executor, tmp_path):
    tasks = [["decode", "1 + 1", "'ray' in __import__('sys').modules", "2 + 2"]]
    assert list(executed.work(executor, tmp_path, tasks)) == [(0, [2, False, 4])]


def test_work_waits_for_a_caller_who_is_slow_to_save(executor, tmp_path):
    tasks = [["touch", str(tmp_path / f"{n}.begun")] for n in range(6)]
    found = executed.work(executor, tmp_path, tasks)
    next(found)
    time.sleep(0.5)
    assert len(list(tmp_path.glob("*.begun"))) <= 2
    assert len(list(found)) == 5


def test_work_that_is_given_up_leaves_no_process(executor, tmp_path):
    found = executed.work(executor, tmp_path, [["begun"], ["sleep", 50]])
    _, (_, pid) = next(found)
    assert is_running(pid)
    found.close()
    assert end(pid)


@ON_LINUX
def test_no_process_outlives_a_parent_that_is_killed(executor, tmp_path):
    members = tmp_path / "family"
    members.mkdir()
    parent = start(executor, tmp_path, [["family", str(members)]])
    wait_for(lambda: len(list(members.iterdir())) == 2)
    pids = [int(path.name) for path in members.iterdir()]
    assert all(is_running(pid) for pid in pids)
    parent.kill()
    parent.communicate()
    assert [pid for pid in pids if not end(pid)] == []


def test_an_unknown_executor_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"executor is 'spark', expected local, rank or ray\."):
        executed.work("spark", tmp_path, SQUARES).send(None)


def test_a_missing_ray_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'c2rl\[ray\]'"):
        list(executed.work("ray", tmp_path, SQUARES))


def test_executors_start_without_torch():
    code = (
        "import sys\n"
        "from c2rl.extract.executors import local, rank, ray\n"
        "assert not {'torch', 'ray'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_decoding_processes_start_without_torch():
    from c2rl.extract import worker

    sent = pickle.dumps(worker.decoder)
    code = f"import pickle, sys; pickle.loads({sent!r}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.processes
def test_ray_is_started_and_stopped_where_there_is_none(tmp_path):
    pytest.importorskip("ray")
    process = start("ray", tmp_path, SQUARES)
    told, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert sorted(map(json.loads, told.splitlines())) == [[n, n * n] for n in range(7)]


def test_two_ranks_share_the_shards_and_do_each_once(tmp_path):
    tasks = [["sleep", 0.05 + n * 1e-6] for n in range(12)]
    ranks = [start("rank", tmp_path, tasks, rank=rank) for rank in range(2)]
    told = [json.loads(line) for p in ranks for line in p.communicate(timeout=60)[0].splitlines()]
    assert [p.returncode for p in ranks] == [0, 0]
    assert sorted(told) == [[n, 0.05 + n * 1e-6] for n in range(12)]
    assert list(tmp_path.glob("*.lease")) == []


def test_a_rank_does_its_own_shards_first_then_the_others_from_their_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("C2RL_RANK", "1")
    monkeypatch.setenv("C2RL_RANKS", "3")
    found = [number for number, _ in executed.work("rank", tmp_path, SQUARES)]
    assert found == [1, 4, 5, 2, 6, 3, 0]


@ON_LINUX
@pytest.mark.processes
def test_the_shards_of_a_rank_that_dies_are_done_by_another_and_of_one_that_lives_are_not(
    tmp_path, monkeypatch
):
    mark = tmp_path / "mark"
    tasks = [["hang once", str(mark)], *SQUARES[1:]]
    other = start("rank", tmp_path, tasks, rank=0, heartbeat_s=0.1)
    wait_for(mark.exists)
    monkeypatch.setenv("C2RL_RANK", "1")
    monkeypatch.setenv("C2RL_RANKS", "2")
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.1)  # dead after a second
    time.sleep(1.2)
    assert sorted(n for n, _ in executed.work("rank", tmp_path, tasks)) == [1, 2, 3, 4, 5, 6]
    assert [p.name for p in tmp_path.glob("*.lease")] == ["000000.0.lease"]
    assert "rank 0 of 2, process" in (tmp_path / "000000.0.lease").read_text()
    other.kill()
    other.communicate()
    time.sleep(1.2)
    assert list(executed.work("rank", tmp_path, tasks)) == [(0, "recovered")]
    assert list(tmp_path.glob("*.lease")) == []


def test_a_shard_that_another_rank_finishes_meanwhile_is_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setenv("C2RL_RANK", "0")
    monkeypatch.setenv("C2RL_RANKS", "1")
    found = executed.work("rank", tmp_path, SQUARES[:3])
    assert next(found) == (0, 0)
    (tmp_path / "1.json").write_text("1")
    assert list(found) == [(2, 4)]


def test_leases_that_a_dead_rank_left_on_finished_shards_are_swept(tmp_path, monkeypatch):
    monkeypatch.setenv("C2RL_RANK", "0")
    monkeypatch.setenv("C2RL_RANKS", "1")
    (tmp_path / "0.json").write_text("0")
    (tmp_path / "000000.0.lease").touch()
    (tmp_path / "000000.1.lease").touch()
    assert list(executed.work("rank", tmp_path, SQUARES[:1])) == []
    assert list(tmp_path.glob("*.lease")) == []


def test_a_shard_that_its_rank_gives_up_is_free_at_once(tmp_path):
    never = lambda _: False  # noqa: E731
    with lease.lease(tmp_path, 0, "a", never) as is_ours:
        assert is_ours
        with lease.lease(tmp_path, 0, "b", never) as is_theirs:
            assert not is_theirs
    with lease.lease(tmp_path, 0, "b", never) as is_theirs:
        assert is_theirs


def test_a_lease_on_a_finished_shard_is_not_ours_to_work_on(tmp_path):
    with lease.lease(tmp_path, 0, "a", lambda _: True) as is_ours:
        assert not is_ours
    assert list(tmp_path.iterdir()) == []


def test_a_beating_heart_keeps_a_lease_whatever_this_machines_clock_says(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    with lease.lease(tmp_path, 0, "a", lambda _: False) as is_ours:
        assert is_ours
        time.sleep(1.0)  # twice what counts as dead
        assert lease._take(tmp_path, 0, "b") is None


def test_of_many_who_find_a_dead_lease_one_has_it(tmp_path):
    for number in range(20):
        dead(tmp_path, number)
        barrier, found = threading.Barrier(8), []

        def take(number=number, barrier=barrier, found=found):
            barrier.wait()
            found.append(lease._take(tmp_path, number, "one of many"))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (file,) = [file for file in found if file is not None]
        os.close(file)


def test_who_is_slow_to_take_a_dead_lease_does_not_take_its_successor(tmp_path, monkeypatch):
    dead(tmp_path, 0)
    is_dead, rivals = lease._is_dead, []

    def slow(path):
        monkeypatch.setattr(lease, "_is_dead", is_dead)
        rivals.append(lease._take(tmp_path, 0, "quick"))
        return True

    monkeypatch.setattr(lease, "_is_dead", slow)
    assert lease._take(tmp_path, 0, "slow") is None
    (file,) = rivals
    os.close(file)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"C2RL_RANK": "2", "C2RL_RANKS": "4", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, (2, 4)),
        (array(7, first=7, count=3) | {"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, (0, 3)),
        (array(9, first=7, count=3), (2, 3)),
        (array(30, first=10, count=5, step=10), (2, 5)),
        (array(7, first=3, count=2), (0, 2)),  # --array=3,7
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, (3, 4)),
    ],
)
def test_the_rank_comes_from_the_environment(env, expected):
    assert rank_of(env) == Rank(*expected)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({}, "Set C2RL_RANK=0 and C2RL_RANKS=2"),
        ({"C2RL_RANK": "0"}, "C2RL_RANKS is '', expected a number"),
        ({"C2RL_RANKS": "2"}, "C2RL_RANK is '', expected a number"),
        ({"C2RL_RANK": "two", "C2RL_RANKS": "4"}, "C2RL_RANK is 'two'"),
        ({"C2RL_RANK": "-1", "C2RL_RANKS": "4"}, "C2RL_RANK is '-1'"),
        ({"C2RL_RANK": "4", "C2RL_RANKS": "4"}, "rank 4 of 4, but ranks count from 0"),
        ({"C2RL_RANK": "0", "C2RL_RANKS": "0"}, "rank 0 of 0"),
        ({"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is ''"),
        (array(2, first=3, count=2), "SLURM_ARRAY_TASK_ID is 2, below SLURM_ARRAY_TASK_MIN"),
        ({"SLURM_PROCID": "0"}, "SLURM_NTASKS is ''"),
    ],
)
def test_a_rank_that_is_not_known_is_told(env, told):
    with pytest.raises(ValueError, match=told):
        rank_of(env)


def start(executor, folder, tasks, *, rank=0, heartbeat_s=30.0):
    """Do work in a process of its own; of two ranks, where executor is rank."""
    return subprocess.Popen(
        [
            *(sys.executable, executed.__file__),
            *(executor, str(folder), json.dumps(tasks), str(heartbeat_s)),
        ],
        env=os.environ | {"C2RL_RANK": str(rank), "C2RL_RANKS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def dead(folder, number):
    """Leave the lease of a rank that died long ago."""
    path = folder / f"{number:06d}.0.lease"
    path.touch()
    os.utime(path, (0, 0))


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def end(pid, seconds=30):
    """Tell whether a process ends soon."""
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


def is_running(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
