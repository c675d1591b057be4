"""Stands where `c2rl demo` stands in a page: it is started, answers, and is stopped."""

import importlib.util
import re
import signal
import subprocess
import sys
import urllib.request

if importlib.util.find_spec("gradio") is None:
    sys.exit("extra `demo` is not installed")
call = [sys.executable, "-c", "from c2rl.cli import main; main()", "demo", "--port", "0"]
started = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
assert started.stdout is not None
for line in started.stdout:
    if found := re.search(r"http://127\.0\.0\.1:\d+", line):
        with urllib.request.urlopen(found.group()) as page:
            assert b"<html" in page.read()
        break
started.send_signal(signal.SIGINT)
started.wait(60)
