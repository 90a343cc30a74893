"""Style `surprisal`: a text whose words are shaded by how surprising they are."""

from __future__ import annotations

from typing import Any

from spacy.tokens import Doc, Token

from spacy_elmo.errors import ElmoError
from spacy_elmo.visual.markup import Picture
from spacy_elmo.visual.occurrences import as_docs
from spacy_elmo.visual.options import SurprisalOptions
from spacy_elmo.visual.text import escape
from spacy_elmo.visual.theme import FONT, LEVELS, level, style_sheet


def draw(docs: Any, options: SurprisalOptions) -> list[Picture]:
    """A figure per Doc.

    Raises:
        ElmoError: For a Doc without words, or without scores.
    """
    return [_figure(doc, options) for doc in as_docs(docs, "surprisal")]


def scores(doc: Doc, options: SurprisalOptions) -> list[float]:
    """Surprisal of each token in bits; 0.0 for white space.

    Raises:
        ElmoError: If the Doc carries no scores.
    """
    name = f"{options.attribute}_surprisal"
    if options.direction == "backward":
        name += "_backward"
    found: list[Any] = [
        getattr(token._, name) if Token.has_extension(name) else None for token in doc
    ]
    if not all(isinstance(value, float | int) for value in found):
        raise ElmoError(
            f"{doc[:8].text!r} has no surprisal (`token._.{name}`): set score = true in the config "
            'of the component, nlp.add_pipe("elmo", config={"score": True}), with weights that '
            "have a softmax, and run it over the Doc"
        )
    return [float(value) for value in found]


def _figure(doc: Doc, options: SurprisalOptions) -> Picture:
    words = [token for token in doc if not token.is_space]
    if not words:
        raise ElmoError("style 'surprisal': a Doc has no words to show")
    bits = scores(doc, options)
    shown = doc[: options.max_tokens]
    mean = sum(bits[token.i] for token in words) / len(words)
    title = options.title if options.title is not None else doc.user_data.get("title")
    name = str(title) if title else "Surprisal of each word"
    direction = doc.vocab.writing_system.get("direction", "ltr")

    marked = "\n".join(_mark(token, bits[token.i], options.max_bits) for token in shown)
    heading = (
        f'<h2 class="elmo-ink" style="margin:0 0 .6rem;font-size:1.15rem">{escape(name)}</h2>\n'
        if title
        else ""
    )
    given = "the words before" if options.direction == "forward" else "the words after"
    note = f"Mean {mean:.1f} bits a word ({len(words):,} words), given {given}."
    if len(shown) < len(doc):
        note += f" The first {len(shown):,} of {len(doc):,} tokens are shown."
    markup = (
        f'<div class="elmo elmo-{options.theme} elmo-paper" role="group" '
        f'aria-label="{escape(f"{name}. {note}")}" '
        f'style="padding:1.25rem;border-radius:.5rem;font-family:{FONT}">\n'
        f"<style>{style_sheet(options.theme, scale='warm')}</style>\n{heading}"
        f'<div class="elmo-ink" lang="{escape(doc.lang_)}" dir="{escape(direction)}" '
        f'style="line-height:2.1;font-size:1.05rem">\n{marked}\n</div>\n'
        f"{_legend(options.max_bits)}\n"
        f'<p class="elmo-soft" style="margin:.4rem 0;font-size:.85rem">{escape(note)}</p>\n'
        f"{_table(shown, bits)}\n</div>"
    )
    return Picture(markup, name)


def _mark(token: Token, bits: float, most: float) -> str:
    if token.is_space:
        return "<br>" if "\n" in token.text else escape(token.text)
    # The space after it is inside the line of markup, so that minifying leaves it.
    space = " " if token.whitespace_ else "&#8203;"
    return (
        f'<span class="elmo-v{level(bits / most)}" title="{escape(token.text)}: {bits:.1f} bits" '
        'style="padding:.2em .18em;border-radius:.25em">'
        f"{escape(token.text)}</span><span>{space}</span>"
    )


def _legend(most: float) -> str:
    steps = "".join(
        f'<span class="elmo-v{k}" style="display:inline-block;width:8px;height:14px"></span>'
        for k in range(LEVELS)
    )
    return (
        '<p class="elmo-soft" style="margin:1rem 0 0;font-size:.85rem" dir="ltr" '
        'aria-hidden="true">0 bits <span class="elmo-line" style="display:inline-block;'
        f'line-height:0;border-width:1px;border-style:solid;vertical-align:middle">{steps}</span> '
        f"{most:g} bits and more</p>"
    )


def _table(tokens: Any, bits: list[float]) -> str:
    """The numbers, for those who do not see the colours."""
    rows = "\n".join(
        f"<tr><td>{escape(token.text)}</td>"
        f'<td style="text-align:right">{bits[token.i]:.2f}</td></tr>'
        for token in tokens
        if not token.is_space
    )
    return (
        '<details class="elmo-soft" style="font-size:.85rem"><summary>The numbers</summary>\n'
        '<table style="border-spacing:1em 0"><thead><tr><th>word</th><th>bits</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></details>"
    )
