"""Speed and operations, by arithmetic."""

import torch
from torch import nn

from c2rl.training.meter import Meter, flops


def test_operations_are_those_of_the_products() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5)
    )
    convolution, product = 2 * 8 * 3 * 9 * 16, 2 * 8 * 16 * 5
    assert flops(net, torch.zeros(1, 3, 4, 4)) == convolution + product


def test_counting_leaves_the_module_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    flops(net, torch.ones(2, 3, 4, 4))
    assert net.training
    assert int(net[1].num_batches_tracked) == 0


def test_figures_are_shares_of_time_and_rows(monkeypatch) -> None:
    now = iter([100.0, 110.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    meter = Meter(flops_per_row=3.0, rate=60.0, unit="frames")
    meter.add(clips=4, rows=80, padded=100, waited=1.0)
    meter.add(clips=6, rows=40, padded=60, waited=0.5)
    expected = {"frames_per_s": 12.0, "clips_per_s": 1.0, "padding": 0.25}
    found = meter.figures()
    assert {name: found[name] for name in expected} == expected
    assert found["data_wait"] == 0.15
    assert found["mfu"] == 3.0 * 12 / 60
