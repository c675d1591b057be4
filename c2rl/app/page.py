"""A page of hits: film strips, and which moment matches which word; it needs no network."""

from pathlib import Path
from typing import Any

from c2rl.app import answers
from c2rl.app.answers import Answer, Found
from c2rl.report import strips, templates
from c2rl.report.pictures import Picture
from c2rl.store.frames import FrameStore


def render(answer: Answer, frames: Path | None) -> str:
    """Show what was found.

    Args:
        answer: Of a search.
        frames: Frame store of the clips; None: without film strips.

    Returns:
        The page, HTML; every text is escaped.

    Raises:
        FileNotFoundError: If the frame store is absent or incomplete.
        ValueError: If it is damaged.
    """
    environment = templates.environment("c2rl", "app")
    pictures = _strips(answer, frames)
    return environment.get_template("search.html.jinja").render(
        query=answer.query,
        wanted=answer.wanted,
        how=answers.how(answer),
        warnings=answer.warnings,
        hits=[_shown(hit, pictures.get(hit.id)) for hit in answer.hits],
        milliseconds=round(1e3 * sum(answer.seconds.values())),
    )


def _strips(answer: Answer, frames: Path | None) -> dict[str, Picture]:
    if frames is None:
        return {}
    store = FrameStore(frames)
    numbers = {row.clip.id: number for number, row in enumerate(store.rows)}
    known = [hit.id for hit in answer.hits if hit.id in numbers]
    return {id_: strips.strip(store, numbers[id_]) for id_ in known}


def _shown(hit: Found, strip: Picture | None) -> dict[str, Any]:
    time = ""
    if hit.start_s is not None and hit.end_s is not None:
        time = f"{answers.clock(hit.start_s)} to {answers.clock(hit.end_s)}"
    words = [
        {
            "text": word.text,
            "at": "" if word.at_s is None else answers.clock(word.at_s),
            "left": round(100 * word.start, 2),
            "width": round(100 * (word.end - word.start), 2),
            "peak": round(100 * word.share, 2),
        }
        for word in hit.words
    ]
    return {**hit._asdict(), "time": time, "strip": strip, "words": words}
