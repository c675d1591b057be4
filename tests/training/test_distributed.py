"""Several processes compute what one computes; killed or stopped together, they go on together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from small import small_params

from c2rl.training import distributed, launch
from c2rl.training.checkpoint import load_weights

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "tests/tiny_training.py"


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **changes}


def run(folder: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, folder, *arguments],
        env=environment(**changes), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def last_line(done: subprocess.CompletedProcess[str]) -> tuple[str, float]:
    assert done.returncode == 0, done.stderr
    sha, loss = done.stdout.splitlines()[-1].split()
    return sha, float(loss)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float, Path]:
    folder = tmp_path_factory.mktemp("two") / "run"
    return *last_line(run(folder, C2RL_DEVICES="2")), folder


def test_two_processes_train_what_one_trains(two, tmp_path: Path) -> None:
    _, loss = last_line(run(tmp_path / "run"))
    assert loss == pytest.approx(two[1], rel=1e-6)
    one, other = (
        load_weights(sorted(folder.glob("state-*"))[-1] / "model.safetensors")
        for folder in (tmp_path / "run", two[2])
    )
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-6)


@pytest.mark.processes
def test_two_processes_that_are_stopped_go_on_as_if_they_had_not_been(two, tmp_path) -> None:
    stopped = run(tmp_path / "run", "term", "7", C2RL_DEVICES="2")
    assert stopped.returncode == 128 + signal.SIGTERM, stopped.stderr
    assert "SIGTERM came: saved" in stopped.stdout
    assert last_line(run(tmp_path / "run", C2RL_DEVICES="2"))[0] == two[0]


@pytest.mark.processes
def test_two_processes_of_which_one_is_killed_go_on_as_if_they_had_not_been(two, tmp_path) -> None:
    killed = run(tmp_path / "run", "kill", "7", C2RL_DEVICES="2")
    assert killed.returncode != 0
    assert last_line(run(tmp_path / "run", C2RL_DEVICES="2"))[0] == two[0]


@pytest.mark.processes
def test_torchrun_may_start_the_processes(two, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, SCRIPT, tmp_path / "run"],
        env=environment(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split()[0] == two[0]


@pytest.mark.processes
def test_a_signal_to_the_parent_reaches_all_processes(two, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(tmp_path / "run")],
        env=environment(C2RL_DEVICES="2", PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}"),
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        next(line for line in process.stdout if "dev_error" in line)
        process.send_signal(signal.SIGUSR1)
        rest = process.stdout.read()
    assert process.returncode == 128 + signal.SIGUSR1
    assert "SIGUSR1 came: saved" in rest
    assert last_line(run(tmp_path / "run", C2RL_DEVICES="2"))[0] == two[0]


@pytest.mark.processes
def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(tmp_path / "run")],
        env=environment(PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}"), stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        next(line for line in process.stdout if "dev_error" in line)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)  # the step takes 0.5 s
        process.send_signal(signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM


_SLOW = """
import sys, time
from pathlib import Path
import slow_training
from c2rl.training import launch
if __name__ == "__main__":
    launch.run(slow_training.work, Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("value", "message"),
    [("0", "expected a number of processes, 1 or more"), ("two", "C2RL_DEVICES is 'two'")],
)
def test_a_wrong_number_of_devices_is_told(monkeypatch, value: str, message: str) -> None:
    monkeypatch.setenv("C2RL_DEVICES", value)
    with pytest.raises(ValueError, match=message):
        launch.run(print)


def test_more_processes_than_micro_batches_are_not_started(monkeypatch, capsys) -> None:
    monkeypatch.setenv("C2RL_DEVICES", "4")
    launch.run(print, "alone", most=1)
    heard = capsys.readouterr().out.splitlines()
    assert heard == ["C2RL_DEVICES is 4, but a batch has 1 micro-batches: 1 will do", "alone"]


def test_synchronised_batch_norm_on_cpus_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("c2rl.training.distributed.size", lambda: 2)
    with pytest.raises(ValueError, match="global over several processes needs GPUs"):
        distributed.synchronise_batch_norm(torch.nn.Sequential(torch.nn.BatchNorm2d(3)))


def test_slurm_tells_torch_where_the_others_are() -> None:
    told = {
        "SLURM_PROCID": "5",
        "SLURM_NTASKS": "16",
        "SLURM_LOCALID": "1",
        "SLURM_JOB_ID": "1234567",
        "SLURM_JOB_NODELIST": "gpu[007-009,012],fat01",
    }
    assert launch.from_slurm(told) == {
        "RANK": "5",
        "WORLD_SIZE": "16",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "gpu007",
        "MASTER_PORT": "34567",
    }
    assert launch.from_slurm({**told, "SLURM_JOB_NODELIST": "a-1,b-2"})["MASTER_ADDR"] == "a-1"


def pretrained(world, folder: Path, devices: str) -> tuple[list[dict[str, float]], dict]:
    """Run the stage's script as DVC does."""
    folder.mkdir()
    small_params(folder / "params.yaml", pretrain={"epochs": 2, "batch_size": 8, "batch_norm": 4})
    done = subprocess.run(
        [sys.executable, ROOT / "pipeline/pretrain.py", world.path("frames"), "encoder", "m.json"],
        cwd=folder, env=environment(C2RL_DEVICES=devices, C2RL_SCRATCH=str(folder / "scratch")),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = (folder / "encoder/history.jsonl").read_text().splitlines()
    return [json.loads(x) for x in lines], load_weights(folder / "encoder/last.safetensors")


def test_pretraining_in_two_processes_is_that_in_one(world, tmp_path: Path) -> None:
    """Dropout, augmentation and batch norm included."""
    one, weights = pretrained(world, tmp_path / "one", "1")
    two, others = pretrained(world, tmp_path / "two", "2")
    for a, b in zip(one, two, strict=True):
        for name in ("loss", "contrastive", "language"):
            assert a[name] == pytest.approx(b[name], rel=1e-4)
    assert one[0]["loss"] == pytest.approx(two[0]["loss"], rel=1e-5)
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], rtol=1e-2, atol=2e-4, msg=name)


def _gathered(rank: int, size: int, port: int, results) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=size)
    own = torch.arange(3.0 if rank else 2.0).reshape(-1, 1) + 10 * rank
    own.requires_grad_()
    whole = distributed.gather(own, [2, 3])
    # Each process's share of the loss weighs all rows by its own factor.
    (whole.square().sum() * (rank + 1)).backward()
    results.put((rank, whole.detach().flatten().tolist(), own.grad.flatten().tolist()))
    time.sleep(0.2)
    dist.destroy_process_group()


def test_gathering_is_exact_and_so_are_its_gradients() -> None:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    port = 20000 + os.getpid() % 20000
    processes = [context.Process(target=_gathered, args=(r, 2, port, results)) for r in (0, 1)]
    for process in processes:
        process.start()
    told = [results.get(timeout=60) for _ in processes]
    found = {rank: (whole, grad) for rank, whole, grad in told}
    for process in processes:
        process.join()
    rows = [0.0, 1.0, 10.0, 11.0, 12.0]
    assert found[0][0] == found[1][0] == rows
    # d/dx of (1 + 2) * x ** 2, whichever process holds x
    assert found[0][1] == [6 * x for x in rows[:2]]
    assert found[1][1] == [6 * x for x in rows[2:]]
