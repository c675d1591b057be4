"""The code blocks of Markdown pages: fenced ones, and those indented by four spaces or more."""

import textwrap
from pathlib import Path
from typing import NamedTuple

PICTURE = "─►"
"""In a block that shows how artefacts flow, and is not code."""


class Block(NamedTuple):
    """One of them."""

    page: str
    line: int
    """Its first, from 1."""
    language: str
    """`sh` where the page names none."""
    code: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(root: Path, page: str) -> list[Block]:
    """Read the blocks of a page, in its order."""
    found: list[Block] = []
    fence: str | None = None
    run: list[str] = []

    def end(line: int, language: str) -> None:
        code = textwrap.dedent("\n".join(run)).strip("\n")
        if code and PICTURE not in code:
            found.append(Block(page, line - len(run), language, code))
        run.clear()

    lines = [*(root / page).read_text(encoding="utf-8").splitlines(), ""]
    for number, text in enumerate(lines, start=1):
        is_fence = text.lstrip().startswith("```")
        if fence is not None and is_fence:
            end(number, fence)
            fence = None
        elif is_fence:
            end(number, "sh")
            fence = text.strip().removeprefix("```") or "sh"
        elif fence is not None or text.startswith("    "):
            run.append(text)
        elif text.strip() or number == len(lines):
            while run and not run[-1].strip():
                run.pop()
                number -= 1
            end(number, "sh")
        elif run:
            run.append("")
    return found
