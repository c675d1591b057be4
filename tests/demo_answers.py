"""Stands where `c2rl demo` stands in a page: it is started, answers, and is stopped."""

import importlib.util
import re
import subprocess
import sys
import urllib.request

COMMAND = [sys.executable, "-c", "from c2rl.cli import main; main()", "demo", "--port", "0"]


def main() -> None:
    """Ask it for its page once."""
    if importlib.util.find_spec("gradio") is None:
        sys.exit("extra `demo` is not installed")
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            told = next((line for line in started.stdout if "http://" in line), "")
            address = re.search(r"http://127\.0\.0\.1:\d+", told)
            assert address is not None, "the demo ended without an address"
            with urllib.request.urlopen(address.group(), timeout=60) as page:
                assert b"<html" in page.read()
        finally:
            started.kill()  # how it ends by itself is tested with the page


if __name__ == "__main__":
    main()
