"""`render` and `serve`, which do what displaCy's do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from spacy.util import find_available_port, is_in_jupyter

from spacy_elmo.errors import ElmoError
from spacy_elmo.visual import curves, explorer, layers, senses, similarity, surprisal
from spacy_elmo.visual import markup as frames
from spacy_elmo.visual.markup import Picture
from spacy_elmo.visual.options import (
    CurvesOptions,
    ExplorerOptions,
    LayersOptions,
    Options,
    SensesOptions,
    SimilarityOptions,
    SurprisalOptions,
    read_options,
)
from spacy_elmo.visual.text import escape


class Style(NamedTuple):
    """A style: the class of its options, and what draws it with them."""

    options: type[Options]
    draw: Callable[[Any, Any], list[Picture]]


STYLES: dict[str, Style] = {
    "similarity": Style(SimilarityOptions, similarity.draw),
    "senses": Style(SensesOptions, senses.draw),
    "surprisal": Style(SurprisalOptions, surprisal.draw),
    "layers": Style(LayersOptions, layers.draw),
    "curves": Style(CurvesOptions, curves.draw),
    "explorer": Style(ExplorerOptions, explorer.draw),
}

_FRAME = "width:100%;height:720px;border:0"


def render(
    docs: Any,
    style: str = "similarity",
    page: bool = False,
    minify: bool = False,
    jupyter: bool | None = None,
    options: Mapping[str, Any] | None = None,
) -> str | None:
    """Draw a picture. In a notebook it is shown.

    Args:
        docs: What to show. `similarity`: a Doc or Span (its tokens), or a list of tokens, spans or
            docs. `senses`: Docs and a `word` among the options, or a list of tokens or spans.
            `surprisal`, `explorer`: one Doc or several. `layers`: a trained pipeline. `curves`: the
            folder of a training.
        style: "similarity", "senses", "surprisal", "layers", "curves" or "explorer".
        page: Make a whole HTML page. `explorer` is always one.
        minify: Leave out line breaks between elements.
        jupyter: Whether to show it in a notebook, and return nothing; None: in one, yes.
        options: Of the style, see docs/pictures.md.

    Returns:
        SVG, or HTML; None if it was shown in a notebook.

    Raises:
        ElmoError: For an unknown style or option, and where there is nothing to show.
    """
    markup = draw(docs, style, page=page, minified=minify, options=options)
    if jupyter or (jupyter is None and is_in_jupyter()):
        display: Any = import_module("IPython.display")  # which has no types

        if style == "explorer":  # a page of its own, which must not meet the notebook's styles
            markup = f'<iframe srcdoc="{escape(markup)}" style="{_FRAME}"></iframe>'
        # As displaCy: the class keeps MathJax away.
        display.display(display.HTML(f'<span class="tex2jax_ignore">{markup}</span>'))
        return None
    return markup


def serve(
    docs: Any,
    style: str = "similarity",
    page: bool = True,
    minify: bool = False,
    options: Mapping[str, Any] | None = None,
    port: int = 5000,
    host: str = "127.0.0.1",
    auto_select_port: bool = False,
) -> None:
    """Draw a picture and serve it by HTTP until Ctrl+C.

    Only this machine can open it, unlike with displaCy: `host="0.0.0.0"` lets others.

    Args:
        docs: As for `render`.
        style: Likewise.
        page: Likewise.
        minify: Likewise.
        options: Likewise.
        port: To serve at.
        host: Address to serve at.
        auto_select_port: Take the next free port if this one is in use.

    Raises:
        ElmoError: As `render`.
        ValueError: If the port is in use.
    """
    from wsgiref import simple_server

    if is_in_jupyter():
        warnings.warn("in a notebook, render shows the picture without a server", stacklevel=2)
    body = draw(docs, style, page=page, minified=minify, options=options).encode()
    port = find_available_port(port, host, auto_select_port)

    def app(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [body]

    server = simple_server.make_server(host, port, app)
    print(f"\nUsing the {style!r} visualizer\nServing on http://{host}:{port} ...\n", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print(f"Shutting down server on port {port}.")
    finally:
        server.server_close()


def draw(
    docs: Any,
    style: str,
    *,
    page: bool = False,
    minified: bool = False,
    options: Mapping[str, Any] | None = None,
) -> str:
    """The markup of a picture, wherever it is called; see `render`."""
    if style not in STYLES:
        known = ", ".join(map(repr, STYLES))
        raise ElmoError(f"unknown style {style!r}: expected one of {known}")
    read = read_options(STYLES[style].options, dict(options or {}), style)
    pictures = STYLES[style].draw(docs, read)
    if page and not pictures[0].is_page:
        markup = frames.page(pictures, read.theme)
    else:
        markup = "\n".join(picture.markup for picture in pictures)
    return frames.minify(markup) if minified else markup
