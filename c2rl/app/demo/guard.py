"""What stands before the page: only this machine's own browser gets through, and only to this page.

Any web page that is open in the browser may send requests to this machine; the names of host and
origin tell them apart. The policy that goes with every answer lets the browser ask nobody else.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = {"127.0.0.1", "localhost"}
CLOSED = ("process_recording", "proxy=", "stream", "run_history")
"""Of Gradio's addresses, those that the page does not need, such as one that runs FFmpeg here."""
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:;"
    " style-src 'self' 'unsafe-inline'; script-src 'self' blob: 'unsafe-inline' 'unsafe-eval';"
    " worker-src 'self' blob:; connect-src 'self' blob:; font-src 'self' data:; object-src 'none';"
    " base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_ROOM = 2**20  # what a form adds to a file


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: App, max_bytes: int) -> None:
        """Stand before an application.

        Args:
            app: The page.
            max_bytes: Largest file that may be handed over.
        """
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, reason = self._refused(scope)
        if status:
            await _answer(send, status, reason)
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self._app(scope, receive, guarded)

    def _refused(self, scope: Scope) -> tuple[int, str]:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        named = [b"//" + headers.get(b"host", b""), *([origin] if origin else [])]
        if not all(_host(address) in LOCAL for address in named):
            return 403, "This page answers the browser of its own machine only."
        address = scope["path"].removeprefix("/gradio_api/")
        if address != scope["path"] and address.startswith(CLOSED):
            return 404, "There is nothing here."
        size = headers.get(b"content-length", b"0")
        if size.isdigit() and int(size) > self._max_bytes + _ROOM:
            return 413, too_large(int(size), self._max_bytes)
        return 0, ""


def _host(address: bytes) -> str:
    try:
        return urlsplit(address.decode("latin-1")).hostname or ""
    except ValueError:  # no address at all
        return ""


def too_large(num_bytes: int, most: int) -> str:
    """Say that a video is too large.

    Args:
        num_bytes: Its size.
        most: What is taken.
    """
    return (
        f"The video has {num_bytes / 2**20:.0f} MB, this page takes {most / 2**20:.0f} MB at most:"
        " cut it, or run `c2rl predict`."
    )


async def _answer(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
