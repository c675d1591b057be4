"""The demo answers the browser of its own machine, and sends it nowhere else."""

import asyncio

import pytest

from c2rl.app.demo.guard import Guard

LIMIT = 5 * 2**20


def ask(path: str = "/", **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text that a request gets."""
    sent = []

    async def page(scope, receive, send):
        start = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}
        await send(start)
        await send({"type": "http.response.body", "body": b"the page"})

    async def send(message):
        sent.append(message)

    own = {"host": "127.0.0.1:7860"} | {k.replace("_", "-"): v for k, v in headers.items()}
    encoded = [(name.encode(), value.encode()) for name, value in own.items()]
    scope = {"type": "http", "path": path, "headers": encoded}
    asyncio.run(Guard(page, LIMIT)(scope, None, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, sent[1]["body"].decode()


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "localhost"])
def test_the_own_browser_gets_the_page_with_a_policy(host) -> None:
    status, headers, text = ask(host=host, origin="http://127.0.0.1:7860")
    assert (status, text, headers["x"]) == (200, "the page", "y")
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:7860"},
        {"host": ""},
        {"host": "["},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1@evil.example"},
    ],
)
def test_other_pages_and_names_are_refused(headers) -> None:
    status, _, text = ask(**headers)
    assert status == 403
    assert text == "This page answers the browser of its own machine only."


def test_what_would_decode_outside_the_sandbox_is_closed() -> None:
    assert ask("/gradio_api/process_recording")[0] == 404
    assert ask("/gradio_api/proxy=https://evil.example")[0] == 404
    assert ask("/gradio_api/upload")[0] == 200


def test_an_upload_that_tells_it_is_too_large_is_refused_before_it_comes() -> None:
    status, _, text = ask("/gradio_api/upload", content_length=str(7 * 2**20))
    assert (status, text) == (
        413,
        "The video has 7 MB, this page takes 5 MB at most: cut it, or run `c2rl predict`.",
    )
    assert ask("/gradio_api/upload", content_length=str(5 * 2**20 + 500))[0] == 200


def test_anything_but_http_goes_through() -> None:
    seen = []

    async def page(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(Guard(page, LIMIT)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
