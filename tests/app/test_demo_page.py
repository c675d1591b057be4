"""The demo in a real browser: what a person does on the page, by mouse and by keyboard."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import chromium
import pytest
from films import film, write_video

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("gradio", "playwright"))
        or chromium.find() is None,
        reason="needs gradio, playwright and a chromium",
    ),
]

SERVER = """
import sys
from pathlib import Path
from c2rl.app.demo import page
from c2rl.app.predictions import Translation
from c2rl.app.translator import Translator

def say(self, features, **options):  # a model that learned for an epoch says nothing
    return [Translation("der mann tanzt", -0.25), Translation("regen", -0.5)]

if __name__ == "__main__":
    Translator.translate = say
    page.MAX_BYTES = 2**20
    page.serve(Path(sys.argv[1]), "synthsign", 0, tell=lambda line: print(line, flush=True))
"""
PATIENCE = 30_000
"""Milliseconds."""


class Served(NamedTuple):
    """The demo, running."""

    url: str
    temporary: Path
    process: subprocess.Popen


def kept(served: Served) -> list[str]:
    """Files that anybody handed over and that are still there."""
    return [file.name for file in served.temporary.rglob("*") if file.suffix in (".mp4", ".webm")]


@pytest.fixture(scope="module")
def served(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    temporary = folder / "tmp"
    temporary.mkdir()
    script = folder / "server.py"
    script.write_text(SERVER)
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, str(script), str(world.folder / "data")],
        env=os.environ | {"C2RL_DATA": str(world.folder / "raw"), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    told = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", told)
    assert found, (folder / "log").read_text()
    yield Served(found.group(), temporary, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.stdout.close()
    log.close()
    assert "Traceback" not in (folder / "log").read_text()
    assert [*temporary.glob("c2rl-demo-*")] == []


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        opened = driver.chromium.launch(executable_path=chromium.find(), args=alone + camera)
        yield opened
        opened.close()


@pytest.fixture(params=[1280, 390])
def page(request, browser, served):
    """The page in a fresh profile; whatever it asks elsewhere or complains of fails the test."""
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    made = context.new_page()
    made.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    made.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    own = (served.url, "data:", "blob:")
    made.on("request", lambda r: None if r.url.startswith(own) else wrong.append(r.url))
    made.on("websocket", lambda socket: wrong.append(socket.url))
    made.goto(served.url)
    made.wait_for_selector("#handed-over input[type=file]", state="attached")
    made.wrong = wrong
    yield made
    assert made.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
    assert made.wrong == []


@pytest.fixture(scope="module")
def video(world) -> Path:
    return sorted((world.folder / "raw/synthsign").glob("*/videos/test/*.mp4"))[0]


def hand_over(page, file: Path) -> None:
    page.set_input_files("#handed-over input[type=file]", file)
    page.wait_for_selector("#handed-over video")
    page.get_by_role("button", name="Translate", exact=True).click()


def plays(page, place: str) -> bool:
    """Press the last word's button below a place; tell whether the clip plays from there."""
    button = page.locator(f"{place} .c2rl-play").last
    video = f"document.querySelector('{place} .c2rl-clip:has(.c2rl-play) video')"
    if place == "#hits":
        video = "[...document.querySelectorAll('#hits video')].at(-1)"
    page.wait_for_function(f"{video}.readyState >= 1")
    page.evaluate(
        f"window.played = []; {video}.onplay = (e) => played.push(e.target.currentTime); null"
    )
    button.click()
    page.wait_for_function("window.played.length > 0")
    at = float(button.get_attribute("data-at"))
    return page.evaluate("played[0]") == pytest.approx(at, abs=0.15)


def test_a_clip_is_handed_over_translated_played_and_removed(page, video, served) -> None:
    hand_over(page, video)
    page.wait_for_selector("#translation .c2rl-sentence")
    assert page.inner_text("#translation .c2rl-sentence") == "der mann tanzt"
    assert page.locator("#translation .c2rl-map tbody th").all_inner_texts() == [
        *("der", "mann", "tanzt"),
    ]
    scores = page.locator("#translation .c2rl-list").first.locator("tbody .c2rl-score")
    assert scores.all_inner_texts() == ["-0.250", "-0.500"]
    assert page.locator("#translation .c2rl-list").last.locator("tbody tr").count() == 5
    assert page.get_attribute("#translation video", "src").startswith("blob:")
    assert plays(page, "#translation")
    assert kept(served) == []
    assert page.locator("#handed-over video").count() == 0


def test_examples_are_there_at_first_start(page) -> None:
    page.locator("button:has-text('synthsign-test-')").first.click()
    page.wait_for_selector("#translation .c2rl-sentence")
    assert "/clip/synthsign-test-" in page.get_attribute("#translation video", "src")
    assert plays(page, "#translation")


def test_clips_are_found_and_play_at_the_matching_moment(page) -> None:
    page.get_by_role("tab", name="Search").click()
    page.fill("#query textarea, #query input", "der mann tanzt")
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_selector("#hits .c2rl-hits")
    assert page.locator("#hits video").count() == 5
    assert "clips scored exactly" in page.inner_text("#hits .c2rl-how")
    page.wait_for_function(
        "[...document.querySelectorAll('#hits video')].every((video) => video.readyState >= 1"
        " && Math.abs(video.currentTime - Number(video.dataset.start)) < .05)"
    )
    assert plays(page, "#hits")


def test_a_clip_is_looked_into(page) -> None:
    page.get_by_role("tab", name="Inspect").click()
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_selector("#inspected .c2rl-clip")
    assert page.evaluate("document.querySelector('.c2rl-features').naturalHeight") > 1
    assert "frames" in page.inner_text("#inspected .c2rl-facts")
    assert plays(page, "#inspected")


def test_what_goes_wrong_is_a_sentence(page, tmp_path, served) -> None:
    translate = page.get_by_role("button", name="Translate", exact=True)
    translate.click()
    alert = page.locator("#translation [role=alert]")
    alert.wait_for()
    assert alert.inner_text().startswith("There is no clip yet: upload or record one")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video")
    hand_over(page, broken)
    page.wait_for_selector("#translation [role=alert]:has-text('The video cannot be read')")
    hand_over(page, write_video(tmp_path / "long.mp4", film(320, 32, 32), fps=5))
    page.wait_for_selector("#translation [role=alert]:has-text('is 64 s long, this page takes')")
    assert kept(served) == []
    page.get_by_role("tab", name="Search").click()
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_selector("#hits [role=alert]:has-text('The query is empty')")


def test_what_is_too_large_is_told(page, tmp_path, served) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(4 * 2**20))
    page.set_input_files("#handed-over input[type=file]", large)
    page.wait_for_selector("text=/exceed the maximum allowed size of 1.0 Mb/")  # Gradio's words
    assert kept(served) == []


def test_texts_are_no_html_and_no_template(page) -> None:
    page.get_by_role("tab", name="Search").click()
    evil = "<img src=x onerror=\"document.title='broken'\"> ${document.title='broken'} {{7*7}}"
    page.fill("#query textarea, #query input", evil)
    page.keyboard.press("Enter")
    page.wait_for_selector("#hits .c2rl-hits")
    assert page.locator("#hits img[src=x]").count() == 0
    assert page.title() == "c2rl: synthsign"


def test_the_keyboard_is_enough(page) -> None:
    page.get_by_role("tab", name="Search").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#query textarea, #query input", state="visible")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('#query')"):
            break
    page.keyboard.type("der mann tanzt")
    page.keyboard.press("Enter")
    page.wait_for_selector("#hits .c2rl-play")
    page.evaluate("document.addEventListener('play', (e) => window.playing = e.target, true)")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className.includes('c2rl-play')"):
            break
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) != "none"
    page.keyboard.press("Enter")
    page.wait_for_function("window.playing !== undefined")


def test_a_recording_of_the_camera_is_translated(page, served) -> None:
    page.get_by_role("button", name="Capture from camera").click()
    page.get_by_role("button", name="Click to Access Webcam").click()
    page.get_by_role("button", name="start recording").click()
    page.wait_for_timeout(5000)  # a slow machine films a few frames a second
    page.get_by_role("button", name="start recording").click()  # it says Stop by now
    page.get_by_role("button", name="Clear").wait_for()
    page.get_by_role("button", name="Translate", exact=True).click()
    page.wait_for_selector("#translation .c2rl-sentence, #translation [role=alert]")
    assert page.locator("#translation [role=alert]").all_inner_texts() == []
    assert kept(served) == []


def test_other_hosts_get_nothing(served) -> None:
    import urllib.error
    import urllib.request

    asked = urllib.request.Request(served.url, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    assert refused.value.code == 403
    refused.value.close()
