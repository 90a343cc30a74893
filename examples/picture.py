"""The README's picture: how alike the occurrences of one word are, as an SVG heat map.

python examples/picture.py docs/bank.svg [WEIGHTS]
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

import spacy
from demo import SENTENCES, WORD, snippet

CELL = 22
LABEL = 330
SENSES = ("money", "shore", "rely")
PER_SENSE = 4


def main(target: str, weights: str = "en_elmo_sm") -> None:
    """Write the picture."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": weights}})
    texts = [text for sense in SENSES for text in SENTENCES[sense][:PER_SENSE]]
    tokens = [next(t for t in doc if t.lower_ == WORD) for doc in nlp.pipe(texts)]
    cosines = [[a._.elmo_similarity(b) for b in tokens] for a in tokens]
    apart = [cosine for i, row in enumerate(cosines) for cosine in row[:i]]
    low, high = min(apart), max(apart)
    parts = []
    for i, token in enumerate(tokens):
        middle = i * CELL + CELL / 2 + 5
        parts.append(f'<text x="{LABEL - 10}" y="{middle}">{escape(snippet(token).strip())}</text>')
        for j, cosine in enumerate(cosines[i]):
            share = 1.0 if i == j else (cosine - low) / (high - low)
            parts.append(
                f'<rect x="{LABEL + j * CELL}" y="{i * CELL}" width="{CELL - 1}" '
                f'height="{CELL - 1}" fill="{_colour(share)}"><title>{cosine:.2f}</title></rect>'
            )
    width, height = LABEL + len(tokens) * CELL, len(tokens) * CELL + 30
    caption = f"cosine: white {low:.2f}, dark {high:.2f} and above"
    parts.append(f'<text x="{width}" y="{height - 8}" fill="#666">{caption}</text>')
    Path(target).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13" text-anchor="end">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n",
        encoding="utf8",
    )


def _colour(share: float) -> str:
    """From white to dark blue."""
    return "#" + "".join(f"{round(255 + share * (c - 255)):02x}" for c in (20, 60, 120))


if __name__ == "__main__":
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
