"""Actors of a Ray cluster, one a GPU: of the cluster `RAY_ADDRESS` names, or of this machine."""

import contextlib
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

from c2rl.extract.executors.contract import SecondTry, Shard, failure, guarded, opened
from c2rl.video.worker import Begin

_AHEAD = 2  # shards an actor has been given: one to do, one to go on with at once
_START_S = 300.0  # for a cold network disk with all libraries on it
_MAX_STARTS = 3  # actors that die one after the other before their first shard


def run(
    begin: Begin, setup: Any, shards: Sequence[Shard], *, workers: int
) -> Iterator[tuple[int, Any]]:
    """Do shards, see `executors.run`.

    Each actor takes a GPU where the cluster has any, or else a CPU. Those for which there is no
    room wait until there is, while the others work.

    Args:
        begin: See `executors.run`; importable on all machines, or here where it is only this one.
        setup: Its argument.
        shards: What to do.
        workers: Number of actors.

    Yields:
        Number and value of a shard.

    Raises:
        ValueError: If Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ValueError("executor ray needs Ray. Run: pip install 'c2rl[ray]'") from None
    with _cluster(ray):
        hire = _hirer(ray, begin, setup)
        crew = [hire() for _ in range(min(workers, len(shards)))]
        try:
            yield from _results(ray, hire, crew, deque(shards))
        finally:
            for actor in crew:
                ray.kill(actor.handle)


@contextlib.contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call home
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # it would warn
    ray.init(include_dashboard=False)
    try:
        yield
    finally:
        ray.shutdown()


class _Call(NamedTuple):
    """What an actor was asked."""

    shard: Shard | None
    """None: to begin."""
    answer: Any
    timeout_s: float


class _Hired:
    """An actor, and what it was asked: it does the first of its calls, then the next."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.deadline = math.inf  # for as long as the cluster has no place for it
        self.calls = [
            _Call(None, handle.is_placed.remote(), math.inf),
            _Call(None, handle.begin.remote(), _START_S),
        ]

    def give(self, shard: Shard) -> None:
        """Ask it to do a shard after those that it has."""
        self.calls.append(_Call(shard, self.handle.do.remote(shard), shard.timeout_s))
        if len(self.calls) == 1:
            self.deadline = monotonic() + shard.timeout_s

    def turn_to_next(self) -> None:
        """Let the time of the next call run."""
        del self.calls[0]
        if self.calls:
            self.deadline = monotonic() + self.calls[0].timeout_s

    def is_ready(self) -> bool:
        """Tell whether it has begun."""
        return all(call.shard for call in self.calls)

    def has_shards(self) -> bool:
        """Tell whether an answer is to come."""
        return any(call.shard for call in self.calls)


class _Actor:
    """Runs in another process."""

    def __init__(self, begin: Begin, setup: Any) -> None:
        self._begun_by = (begin, setup)

    def is_placed(self) -> None:
        """Answer as soon as there is a process."""

    def begin(self) -> None:
        """Load what it takes; what goes wrong is told by the first shard."""
        # Its decoding processes would import Ray's own main module, and all of Ray with it.
        sys.modules["__main__"].__file__ = None
        self._function = guarded(self._begun_by)

    def do(self, shard: Shard) -> Any:
        return self._function(shard)


def _hirer(ray: Any, begin: Begin, setup: Any) -> Callable[[], _Hired]:
    """Make what makes actors."""
    place = {"num_gpus": 1} if ray.cluster_resources().get("GPU") else {"num_cpus": 1}
    paths = os.pathsep.join(path for path in sys.path if path)
    actor = ray.remote(_Actor).options(**place, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    return lambda: _Hired(actor.remote(begin, setup))


def _results(
    ray: Any, hire: Callable[[], _Hired], crew: list[_Hired], todo: deque[Shard]
) -> Iterator[tuple[int, Any]]:
    retry = SecondTry()
    failed_starts = 0
    while todo or any(actor.has_shards() for actor in crew):
        _hand_out(todo, crew)
        place, reason, value = _await(ray, crew)
        actor = crew[place]
        shard = actor.calls[0].shard
        if reason:
            ray.kill(actor.handle)
            crew[place] = hire()
            failed_starts = 0 if shard else failed_starts + 1
            if failed_starts > _MAX_STARTS:
                raise RuntimeError("the Ray actors die as they start, or hang; see Ray's log.")
            todo.extendleft(call.shard for call in reversed(actor.calls[1:]) if call.shard)
            if shard:
                again = retry(shard)
                if again is None:
                    raise failure(shard, reason)
                todo.appendleft(again)
        else:
            actor.turn_to_next()
            if shard:
                yield shard.number, opened(value)


def _hand_out(todo: deque[Shard], crew: list[_Hired]) -> None:
    for size in range(_AHEAD):
        kept = size * (len(crew) - 1)  # a second one only where the others have one to do as well
        for actor in crew:
            if len(todo) > kept and actor.is_ready() and len(actor.calls) <= size:
                actor.give(todo.popleft())


def _await(ray: Any, crew: list[_Hired]) -> tuple[int, str, Any]:
    """Wait for the first answer, death or deadline: whose, what is wrong, the value."""
    busy = [place for place, actor in enumerate(crew) if actor.calls]
    answers = {crew[place].calls[0].answer: place for place in busy}
    latest = min(busy, key=lambda place: crew[place].deadline)
    left = crew[latest].deadline - monotonic()
    ready, _ = ray.wait(list(answers), timeout=None if math.isinf(left) else max(0.0, left))
    if not ready:
        return latest, "timeout", None
    try:
        return answers[ready[0]], "", ray.get(ready[0])
    except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError):
        return answers[ready[0]], "crash", None
