"""The page as a browser shows it; skipped where none is installed."""

import chromium
import pytest

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium is installed")

IMAGES = """Array.from(document.images, image => [image.alt, image.naturalWidth])"""
INLINE = """Array.from(document.querySelectorAll('svg image'), image => image.href.baseVal)"""
WIDE = """document.documentElement.scrollWidth - document.documentElement.clientWidth"""
DIM = """
(() => {
  const channel = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const c = parse(getComputedStyle(node).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  for (const node of document.querySelectorAll('body *:not(svg *)')) {
    const own = Array.from(node.childNodes).some(n => n.nodeType === 3 && n.data.trim());
    if (!own) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.add(node.tagName + '.' + node.className + ' ' + contrast.toFixed(2));
  }
  return Array.from(found);
})()
"""


@pytest.fixture(scope="module", params=[1280, 390])
def shown(request, finished, tmp_path_factory):
    """A finished report, open at the width of a desk or of a phone."""
    with chromium.page(tmp_path_factory.mktemp("profile")) as page:
        page.open(finished[0].root / "report" / "report.html", width=request.param)
        yield page


def test_the_console_stays_empty(shown):
    told = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
    assert [event for event in shown.events if event[0] in told] == []


def test_no_request_leaves_the_page(shown):
    asked = [e["request"]["url"] for name, e in shown.events if name == "Network.requestWillBeSent"]
    assert [url.partition(":")[0] for url in asked if not url.startswith("data:")] == ["file"]


def test_every_picture_is_present(shown):
    images = shown.evaluate(IMAGES)
    assert len(images) == 7 + 6 + 3
    assert all(width > 0 for _, width in images), images
    for source in shown.evaluate(INLINE):
        script = "new Promise(done => {{const i = new Image(); i.onload = () => done(true); " \
                 "i.onerror = () => done(false); i.src = '{}'}})"  # fmt: skip
        assert shown.evaluate(script.format(source))


def test_the_page_itself_never_scrolls_sideways(shown):
    assert shown.evaluate(WIDE) == 0


def test_every_text_stands_out_from_its_ground(shown):
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1."""
    assert shown.evaluate(DIM) == []


def test_what_scrolls_can_be_reached_by_keyboard(shown):
    script = "Array.from(document.querySelectorAll('.scroll'), n => [n.tabIndex, n.ariaLabel])"
    regions = shown.evaluate(script)
    assert len(regions) > 10
    assert all(index == 0 and label for index, label in regions)
