"""A headless Chromium, spoken to over its debugging pipe, so that no driver is needed."""

import itertools
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    *("--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic", "--mute-audio"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
PATIENCE = 60
"""Seconds."""


def find():
    """The browser's program; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page, and everything that it reported."""

    def __init__(self, to, came):
        self._to, self._from, self._numbers = to, came, itertools.count(1)
        self._session, self.events = None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        number = next(self._numbers)
        told = {"id": number, "method": method, "params": params}
        if self._session:
            told["sessionId"] = self._session
        self._to.write(json.dumps(told).encode() + b"\0")
        self._to.flush()
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _next(self):
        text = b"".join(iter(lambda: self._from.read(1), b"\0"))
        told = json.loads(text)
        if "method" in told:
            self.events.append((told["method"], told["params"]))
        return told

    def open(self, file, *, width, height=900):
        """Load a file, and wait until all is there."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        self.events.clear()
        self.call("Page.navigate", url=file.as_uri())
        until = time.monotonic() + PATIENCE
        while not any(name == "Page.loadEventFired" for name, _ in self.events):
            assert time.monotonic() < until, "the page did not load"
            self._next()

    def evaluate(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)  # fmt: skip
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")


@contextmanager
def page(profile):
    """Start a browser with an empty profile; it is gone afterwards."""
    read_here, written_there = os.pipe()
    read_there, written_here = os.pipe()
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    call = [find(), *OPTIONS, *alone, f"--user-data-dir={profile}"]
    script = f'exec "$@" 3<&{read_there} 4>&{written_there}'
    started = subprocess.Popen(
        ["bash", "-c", script, "bash", *call],
        pass_fds=(read_there, written_there),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_there)
    os.close(written_there)
    with os.fdopen(written_here, "wb") as to, os.fdopen(read_here, "rb") as came:
        try:
            yield Page(to, came)
        finally:
            started.terminate()
            started.wait(PATIENCE)
