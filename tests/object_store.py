"""An S3 server on this machine that notes what it is asked and refuses what it is told to."""

import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import fsspec
import pytest
from fsspec.asyn import sync

BUCKET = "features"
_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class ObjectStore:
    """moto's S3 behind a door that counts."""

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log_request(self, *_):
                pass

        self.asked: list[str] = []
        """Method and path below the bucket, as in `GET x.zarr/meta.json`."""
        self.refuses: Callable[[str], bool] = lambda asked: False
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"].removeprefix(f"/{BUCKET}").lstrip("/")
        asked = f"{environ['REQUEST_METHOD']} {path}"
        self.asked.append(asked)
        if self.refuses(asked):
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [_DENIED]
        return self._s3(environ, start_response)

    def count(self, asked):
        """How many requests began so."""
        return sum(one.startswith(asked) for one in self.asked)

    def stop(self):
        """Answer no more; may be called twice."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """Serve an empty bucket, with the environment that leads s3fs to it and nowhere else."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    server = ObjectStore()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        _empty(server)
        fsspec.filesystem("s3").mkdir(BUCKET)
        server.asked.clear()
        yield server
    finally:
        _forget_drivers()
        server.stop()


def _empty(server):
    """Forget what another test left: moto keeps its buckets for as long as the process lives."""
    request = urllib.request.Request(f"{server.url}/moto-api/reset", method="POST")
    urllib.request.urlopen(request).close()


def _forget_drivers():
    """Close what s3fs keeps open, for it would go on with an endpoint that is gone."""
    kind = fsspec.get_filesystem_class("s3")
    for files in kind._cache.values():
        if files._s3 is not None:
            sync(files.loop, files._s3.__aexit__, None, None, None, timeout=30)
    kind.clear_instance_cache()
