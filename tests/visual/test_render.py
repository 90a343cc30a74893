"""`render` and `serve`: what all styles share, and displaCy's conventions."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

import spacy_elmo
from spacy_elmo import ElmoError, visual
from spacy_elmo.visual.display import STYLES
from spacy_elmo.visual.options import read_options
from spacy_elmo.visual.text import escape

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</script><script>alert(1)</script> \"' & <b onclick=x>bank</b> <!-- bank ]]>"
OPTIONS: dict[str, dict[str, Any]] = {"senses": {"word": "bank"}}


@pytest.fixture
def shown(docs: list[Doc], log: Path, weights: Path) -> dict[str, Any]:
    """What each style shows."""
    return {
        **dict.fromkeys(("similarity", "senses", "surprisal", "explorer"), docs),
        "curves": log,
        "layers": listening(weights),
    }


def listening(weights: Path) -> Language:
    """A pipeline of a tagger that listens, trained as little as can be."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}})
    listener = {"@architectures": "spacy-elmo.ElmoListener.v1", "projection": 8}
    tagger = nlp.add_pipe("tagger", config={"model": {"tok2vec": listener}})
    tagger.add_label("A")
    nlp.initialize()
    return nlp


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_the_same_bytes_each_time_and_a_name_and_a_background(
    shown: dict[str, Any], style: str, theme: str
) -> None:
    options = {**OPTIONS.get(style, {}), "theme": theme}
    markup = visual.render(shown[style], style=style, options=options)
    assert markup == visual.render(shown[style], style=style, options=options)
    assert markup is not None
    assert re.search(r"<title|aria-label", markup)
    assert "paper" in markup
    assert ("prefers-color-scheme" in markup) == (theme == "auto")
    assert not re.search(r"(src|href)\s*=|@import|url\(|http://(?!www\.w3\.org)|https://", markup)


@pytest.mark.parametrize("style", ["similarity", "senses", "layers", "curves"])
def test_pictures_are_svg_with_a_text_alternative(shown: dict[str, Any], style: str) -> None:
    root = ElementTree.fromstring(
        str(visual.render(shown[style], style=style, options=OPTIONS.get(style)))
    )
    assert root.tag == f"{SVG}svg"
    assert root.get("role") in ("img", "group")
    assert len(root.findtext(f"{SVG}desc", "")) > 30


@pytest.mark.parametrize("style", STYLES)
def test_pages_and_minified_ones(shown: dict[str, Any], style: str) -> None:
    options = OPTIONS.get(style)
    page = str(visual.render(shown[style], style=style, page=True, options=options))
    assert page.startswith("<!DOCTYPE html>")
    assert '<meta charset="utf-8">' in page
    small = str(visual.render(shown[style], style=style, page=True, minify=True, options=options))
    assert len(small) < len(page)
    assert re.sub(r"\s", "", small) == re.sub(r"\s", "", page)


@pytest.mark.parametrize("style", ["similarity", "senses", "surprisal", "explorer"])
def test_html_in_a_text_stays_text(nlp: Language, style: str) -> None:
    doc = Doc(nlp.vocab, words=[*HOSTILE.split(), "bank", "bank"])
    nlp.get_pipe("elmo")(doc)
    doc.user_data["title"] = HOSTILE
    options = {**OPTIONS.get(style, {}), "title": HOSTILE}
    markup = str(visual.render(doc, style=style, options=options))
    assert "<b onclick" not in markup
    assert "<script>alert" not in markup
    assert "<!-- bank" not in markup
    assert markup.count("</script>") == (3 if style == "explorer" else 0)


def test_a_notebook_is_shown_the_picture(docs: list[Doc], monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display", reason="no IPython")
    seen: list[Any] = []
    monkeypatch.setattr(display, "display", seen.append)
    assert visual.render(docs, jupyter=True) is None
    assert str(visual.render(docs, jupyter=False)) in seen[0].data
    assert visual.render(docs, style="explorer", jupyter=True) is None
    (frame,) = ElementTree.fromstring(seen[1].data.replace("<iframe", "<iframe x=''")).iter(
        "iframe"
    )
    assert frame.get("srcdoc") == visual.render(docs, style="explorer")


def test_errors_name_what_there_is(docs: list[Doc]) -> None:
    with pytest.raises(ElmoError, match="unknown style 'dep': expected one of 'similarity'"):
        visual.render(docs, style="dep")
    for options, message in (
        ({"wrod": "bank"}, "'senses' has no option 'wrod': it has .*word"),
        ({"word": 7}, "word is 7: expected"),
        ({"color": "red"}, "color is 'red': expected one of None, 'sense', 'cluster'"),
        ({"theme": None}, "theme is None: expected one of 'auto'"),
        ({"max_points": 0}, "max_points is 0: expected 1 or more"),
    ):
        with pytest.raises(ElmoError, match=message):
            visual.render(docs, style="senses", options=options)
    with pytest.raises(ElmoError, match="max_bits"):
        visual.render(docs, style="surprisal", options={"max_bits": 0.0})


@pytest.mark.parametrize("style", ["senses", "surprisal", "explorer"])
@pytest.mark.parametrize("given", [[], "a text", 7, [3]])
def test_what_is_no_doc(style: str, given: Any) -> None:
    with pytest.raises(ElmoError, match=rf"'{style}'"):
        visual.render(given, style=style, options=OPTIONS.get(style))


@pytest.mark.parametrize("style", ["similarity", "senses", "surprisal", "explorer"])
def test_an_empty_text(nlp: Language, style: str) -> None:
    with pytest.raises(ElmoError):
        visual.render(nlp(""), style=style, options=OPTIONS.get(style))


@pytest.mark.parametrize("style", ["similarity", "senses", "explorer"])
def test_docs_without_vectors(style: str) -> None:
    spacy_elmo.register_attributes()
    doc = spacy.blank("en")("the bank of the bank")
    with pytest.raises(ValueError, match="has no ELMo vectors: run a pipeline"):
        visual.render(doc, style=style, options=OPTIONS.get(style))


def test_every_option_has_a_default() -> None:
    for name, style in STYLES.items():
        assert read_options(style.options, {}, name) == style.options()


SERVE = """
import sys, spacy
from spacy_elmo import visual
nlp = spacy.blank("en")
nlp.add_pipe("elmo", config={"model": {"weights": sys.argv[1]}})
visual.serve(nlp("the bank <b>"), port=int(sys.argv[2]), auto_select_port=False)
"""


def test_serving(weights: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, str(weights), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        try:
            assert it.stdout is not None
            lines = [it.stdout.readline() for _ in range(3)]
            assert f"http://127.0.0.1:{port}" in "".join(lines)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=30) as answer:
                assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
                page = answer.read().decode()
        finally:
            it.terminate()
    assert page.startswith("<!DOCTYPE html>")
    assert escape("<b>")[:4] in page


def test_the_package_offers_it_when_asked(tmp_path: Path) -> None:
    code = (
        "import sys, spacy_elmo\n"
        "assert 'spacy' not in sys.modules and 'visual' in dir(spacy_elmo)\n"
        "print(spacy_elmo.visual.render.__module__)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.stdout == "spacy_elmo.visual.display\n", result.stderr


def test_right_to_left_and_chinese(make_nlp: Callable[..., Language]) -> None:
    arabic = make_nlp("ar")("جلسوا على ضفة النهر")
    markup = str(visual.render(arabic, style="surprisal"))
    assert 'lang="ar" dir="rtl"' in markup
    markup = str(visual.render([arabic[2], arabic[3]], style="similarity"))
    (label, *_) = [each for each in markup.splitlines() if 'direction="rtl"' in each]
    assert label.index("على") < label.index("ضفة") < label.index("النهر")  # as they are read
    nlp = make_nlp("xx")
    chinese = Doc(nlp.vocab, words=list("我们坐在河岸上"), spaces=[False] * 7)
    nlp.get_pipe("elmo")(chinese)
    markup = str(visual.render(chinese, style="senses", options={"word": "河"}))
    assert '我们坐在<tspan font-weight="700">河</tspan>岸上' in markup
