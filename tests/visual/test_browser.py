"""Pages in a real browser: what a reader types, points at and clicks, and what then is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo import visual
from spacy_elmo.visual.display import STYLES
from tests.visual.test_render import HOSTILE, OPTIONS, listening

Opener = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Opener]:
    """Opens markup as a file; at the end nothing may have gone wrong, nor been asked for."""
    problems: list[str] = []
    asked: list[str] = []
    allowed: set[str] = set()
    contexts: list[Any] = []

    def open_it(markup: str, *, dark: bool = False, name: str = "page.html") -> Any:
        path = tmp_path / name
        path.write_text(markup, "utf8")
        context = browser.new_context(color_scheme="dark" if dark else "light")
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
        allowed.add(path.as_uri())
        page.goto(path.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert problems == []
    assert set(asked) == allowed


def test_exploring(docs: list[Doc], open_page: Opener) -> None:
    page = open_page(str(visual.render(docs, style="explorer", options={"word": "the"})))
    assert page.locator("#map-title").text_content() == "“the” in context"

    page.fill("#word", "ban")  # a word is typed
    assert page.locator("#matches li").all_text_contents() == ["bank8"]
    page.press("#word", "Enter")
    assert page.locator("#told").text_content().startswith("8 occurrences")
    assert page.locator("#map .point").count() == page.locator("#uses .line").count() == 8
    assert page.url.endswith("#bank")

    page.locator("#map .point").nth(5).hover()  # a point is pointed at
    assert page.locator("#hovered").text_content() == docs[5].text

    page.locator("#uses .line", has_text="a loan").click()  # an occurrence is clicked
    assert page.locator("#chosen").text_content() == docs[1].text
    neighbours = page.locator("#neighbours li")
    assert neighbours.count() == 15
    token = docs[1][3]
    others = [each for doc in docs for each in doc if each.text != "." and each != token]
    cosines = sorted((token._.elmo_similarity(each) for each in others), reverse=True)
    shown = [float(text) for text in page.locator("#neighbours .cosine").all_text_contents()]
    assert shown == pytest.approx(cosines[:15], abs=0.02)

    page.check("#others")
    words = page.locator("#neighbours b").all_text_contents()
    assert len(words) == 15
    assert "bank" not in words

    word = words[0]
    neighbours.first.locator("button").click()  # a neighbour is clicked
    assert page.locator("#map-title bdi").text_content().lower() == word.lower()
    assert page.locator("#chosen b").text_content() == word

    page.fill("#word", "zebra")
    assert page.locator("#told").text_content() == "“zebra” does not occur"


def test_exploring_by_keys(labelled: list[Doc], open_page: Opener) -> None:
    page = open_page(str(visual.render(labelled, style="explorer", options={"word": "bank"})))
    assert page.locator("#uses h3 bdi").all_text_contents() == ["money", "shore"]
    page.locator("#map .point").nth(2).focus()
    assert page.locator("#hovered").text_content() == labelled[2].text
    page.keyboard.press("Enter")
    assert page.locator("#chosen").text_content() == labelled[2].text
    page.fill("#word", "r")
    page.press("#word", "ArrowDown")
    page.press("#word", "ArrowDown")
    second = page.locator("#matches [aria-selected=true] bdi").text_content()
    page.press("#word", "Enter")
    assert page.locator("#map-title bdi").text_content() == second


def test_a_hostile_text_does_nothing(nlp: Language, open_page: Opener) -> None:
    doc = Doc(nlp.vocab, words=[*HOSTILE.split(), "bank", "\x00"])
    nlp.get_pipe("elmo")(doc)
    options = {"word": "bank", "title": HOSTILE}
    page = open_page(str(visual.render(doc, style="explorer", minify=True, options=options)))
    page.locator("#uses .line").first.click()
    assert page.locator("h1").text_content() == HOSTILE
    assert "<!-- bank ]]>" in page.locator("#chosen").text_content()
    assert page.locator("#chosen b").count() == 1


def test_right_to_left(make_nlp: Callable[..., Language], open_page: Opener) -> None:
    nlp = make_nlp("ar")
    docs = [nlp("جلسوا على ضفة النهر"), nlp("ضفة النهر")]
    page = open_page(str(visual.render(docs, style="explorer", options={"word": "ضفة"})))
    line = page.locator("#uses .line").first
    assert line.get_attribute("dir") == "rtl"
    places = {
        part: line.locator(selector).bounding_box()["x"]
        for part, selector in (("before", ".before"), ("word", "b"), ("after", ".after"))
    }
    assert places["before"] > places["word"] > places["after"]


def test_a_map_tells_contexts(labelled: list[Doc], open_page: Opener) -> None:
    page = open_page(
        str(visual.render(labelled, style="senses", page=True, options={"word": "bank"}))
    )
    tips = page.locator(".elmo-tip")
    assert not any(tips.nth(k).is_visible() for k in range(8))
    page.locator(".elmo-point").nth(3).locator(".elmo-mark").hover()
    assert [k for k in range(8) if tips.nth(k).is_visible()] == [3]
    assert tips.nth(3).text_content() == labelled[3].text
    page.mouse.move(0, 0)
    page.locator(".elmo-point").nth(6).focus()
    assert [k for k in range(8) if tips.nth(k).is_visible()] == [6]


@pytest.mark.parametrize("style", STYLES)
def test_every_page_is_dark_where_that_is_wanted(
    style: str,
    labelled: list[Doc],
    log: Path,
    weights: Path,
    open_page: Opener,
) -> None:
    shown = {"curves": log, "layers": listening(weights)}.get(style, labelled)
    markup = str(visual.render(shown, style=style, page=True, options=OPTIONS.get(style)))
    page = open_page(markup, dark=True)
    colour = "element => getComputedStyle(element).backgroundColor"
    assert page.locator("body").evaluate(colour) == "rgb(18, 22, 28)"
    assert open_page(markup).locator("body").evaluate(colour) == "rgb(255, 255, 255)"
    # What is wider than the window makes it scroll, and is looked at by nobody.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("style", ["similarity", "senses", "layers", "curves"])
def test_a_picture_alone_is_drawn(
    style: str, docs: list[Doc], log: Path, weights: Path, open_page: Opener
) -> None:
    shown = {"curves": log, "layers": listening(weights)}.get(style, docs)
    markup = str(visual.render(shown, style=style, options=OPTIONS.get(style)))
    page = open_page(markup, name="picture.svg")
    box = "document.documentElement.getBBox()"
    viewed = page.evaluate(f"[{box}.width, {box}.height]")
    size = page.evaluate("['width', 'height'].map(k => document.documentElement[k].baseVal.value)")
    # Nothing sticks out of the picture.
    assert viewed == pytest.approx(size, abs=1)
