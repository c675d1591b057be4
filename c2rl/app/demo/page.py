"""The page, in Gradio: three tabs over a session. It is served to this machine alone."""

import contextlib
import importlib.util
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from c2rl.app.demo import views
from c2rl.app.demo.guard import Guard
from c2rl.app.demo.session import MAX_BYTES, Session
from c2rl.extract.windows import LONGEST_S

HOST = "127.0.0.1"
EXAMPLES = 4
LISTED = 2000
"""Ids of a split that are offered; any other may be typed."""
KEPT_S = 900
"""Seconds after which a clip that nobody asks to translate is removed."""
CAMERA = {"video": {"width": {"ideal": 640}, "height": {"ideal": 480}}}
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "Consolas", "monospace")


def serve(
    data: Path,
    dataset: str,
    port: int,
    *,
    tell: Callable[[str], Any],
    retriever: Path | None = None,
) -> None:
    """Show the page until it is interrupted.

    Args:
        data: Folder of all artefacts.
        dataset: Name of the corpus.
        port: Of this machine; 0: any that is free.
        tell: Given the page's address as soon as it is there.
        retriever: See `Session`.

    Raises:
        OSError: If the port is taken.
        FileNotFoundError: If an artefact is absent or incomplete.
        ValueError: If Gradio is not installed, or artefacts do not belong together.
    """
    _require()
    import uvicorn

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError:
            raise OSError(
                f"port {port} of this machine is taken: choose another one by --port."
            ) from None
        listening.listen()  # who comes as soon as the address is told waits for the server
        # what ends the server is told again to whom it would have been told: the folder must go
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with (
            contextlib.suppress(KeyboardInterrupt),
            _handed_over() as folder,
            Session(data, dataset, retriever=retriever) as session,
        ):
            app = Guard(build(session, dataset, folder), MAX_BYTES)
            tell(f"{dataset}: http://{HOST}:{listening.getsockname()[1]} (Ctrl+C ends it)")
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
            server.run(sockets=[listening])


def build(session: Session, dataset: str, folder: Path) -> Any:
    """Lay the page out.

    Args:
        session: What it shows.
        dataset: Name of the corpus.
        folder: Where what is handed over lies until it is answered.

    Returns:
        An ASGI application.
    """
    import fastapi
    import gradio as gr
    from fastapi.responses import FileResponse

    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def clip(id_: str) -> FileResponse:
        with contextlib.suppress(ValueError):
            if (video := session.clips.video(id_)) is not None:
                return FileResponse(video)
        raise fastapi.HTTPException(404, "There is no video of this clip.")

    app.add_api_route("/clip/{id_:path}", clip, response_model=None)
    with gr.Blocks(
        title=f"c2rl: {dataset}", analytics_enabled=False, delete_cache=(300, KEPT_S)
    ) as blocks:
        gr.HTML(
            f'<div class="c2rl-head"><h1>Sign language, translated and found</h1>'
            f"<p>Models of {views.escape(dataset)}. Everything happens on this machine, and"
            " nothing that you hand over is kept.</p></div>"
        )
        with gr.Tab("Translate"):
            _translate_tab(gr, session, folder)
        with gr.Tab("Search"):
            _search_tab(gr, session)
        with gr.Tab("Inspect"):
            _inspect_tab(gr, session)
    return gr.mount_gradio_app(
        app,
        blocks,
        "",
        server_name=HOST,
        footer_links=[],
        run_history=False,
        max_file_size=MAX_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        show_error=False,
        theme=gr.themes.Default(primary_hue="blue", font=FONT, font_mono=MONO),
        css=views.asset("page.css"),
        head=f"<script>{views.asset('page.js')}</script>",
    )


def _translate_tab(gr: Any, session: Session, folder: Path) -> None:
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            video = gr.Video(
                label=f"A clip, up to {LONGEST_S:.0f} s and {MAX_BYTES // 2**20} MB",
                sources=["upload", "webcam"],
                include_audio=True,  # else FFmpeg would read the file in this process
                webcam_options=gr.WebcamOptions(mirror=False, constraints=CAMERA),
                buttons=[],
                height=310,
                elem_id="handed-over",
            )
            start = gr.Button("Translate", variant="primary")
            gr.HTML('<p class="c2rl-note">Or a clip of the corpus:</p>')
            examples = session.clips.examples(EXAMPLES)
            buttons = [gr.Button(f"{one.id}: {one.about}", size="sm") for one in examples]
        with gr.Column(scale=3, min_width=300):
            answer = gr.HTML(
                '<p class="c2rl-note">The sentence appears here.</p>', elem_id="translation"
            )

    def translate(handed_over: str | None) -> tuple[str, None]:
        return _told(lambda: _translation(session, folder, handed_over)), None

    done = start.click(translate, video, [answer, video], js="c2rlKeep", api_visibility="private")
    done.then(None, js="c2rlShow", api_visibility="private")
    for button, one in zip(buttons, examples, strict=True):
        done = button.click(
            lambda id_=one.id: _told(lambda: _stored(session, id_)),
            None,
            answer,
            api_visibility="private",
        )
        done.then(None, js="c2rlShow", api_visibility="private")


def _search_tab(gr: Any, session: Session) -> None:
    with gr.Row():
        query = gr.Textbox(
            label="What is signed",
            placeholder="A sentence or a few words",
            scale=4,
            elem_id="query",
        )
        find = gr.Button(
            "Search", variant="primary", scale=1, min_width=120, elem_classes="c2rl-low"
        )
    sentences = [session.clips.row(one.id).clip.sentence for one in session.clips.examples(3)]
    with gr.Row():
        buttons = [gr.Button(sentence, size="sm") for sentence in sentences]
    answer = gr.HTML(elem_id="hits")

    def search(text: str) -> str:
        return _told(lambda: views.searched(session.search(text)))

    gr.on([find.click, query.submit], search, query, answer, api_visibility="private")
    for button, sentence in zip(buttons, sentences, strict=True):
        button.click(
            lambda text=sentence: (text, search(text)),
            None,
            [query, answer],
            api_visibility="private",
        )


def _inspect_tab(gr: Any, session: Session) -> None:
    splits = session.clips.splits
    with gr.Row():
        split = gr.Dropdown(splits, value=splits[-1], label="Split", scale=1, min_width=120)
        first = session.clips.ids(splits[-1])[:LISTED]
        clip = gr.Dropdown(
            first,
            value=first[0] if first else None,
            label="Clip",
            allow_custom_value=True,
            scale=3,
            min_width=240,
            elem_id="clip",
        )
        show = gr.Button("Show", variant="primary", scale=1, min_width=120, elem_classes="c2rl-low")
    answer = gr.HTML(elem_id="inspected")

    def inspect(id_: str | None) -> str:
        return _told(lambda: views.inspected(session.inspect(id_ or "")))

    def choose(name: str) -> Any:
        ids = session.clips.ids(name)[:LISTED]
        return gr.Dropdown(choices=ids, value=ids[0] if ids else None)

    split.change(choose, split, clip, api_visibility="private")
    gr.on([show.click, clip.select], inspect, clip, answer, api_visibility="private")


def _translation(session: Session, folder: Path, handed_over: str | None) -> str:
    if not handed_over:
        raise ValueError("There is no clip yet: upload or record one, or choose an example.")
    video = Path(handed_over).resolve()
    if not video.is_relative_to(folder.resolve()):
        raise ValueError("That clip was not handed over here: upload it.")
    if not video.is_file():
        raise ValueError("That clip is no longer here: upload it again.")
    try:
        return views.translated(session.translate(video), has_video=True)
    finally:
        with contextlib.suppress(OSError):
            video.parent.rmdir()  # Gradio gives each file a folder


def _stored(session: Session, id_: str) -> str:
    has_video = session.clips.video(id_) is not None
    return views.translated(session.translate_stored(id_), has_video=has_video)


def _told(work: Callable[[], str]) -> str:
    """Give what was computed, or a sentence that tells why not."""
    try:
        return work()
    except (OSError, ValueError, KeyError, MemoryError, RuntimeError) as error:
        return views.failure(views.sentence(error))


@contextlib.contextmanager
def _handed_over() -> Iterator[Path]:
    """Give what is handed over a folder of its own, which is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="c2rl-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield Path(folder)


def _require() -> None:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    if importlib.util.find_spec("gradio") is None:
        raise ValueError("`c2rl demo` needs Gradio. Run: pip install 'c2rl[demo]'")
