"""The README's picture: how alike the occurrences of one word are, as an SVG heat map.

python examples/picture.py docs/bank.svg [WEIGHTS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import spacy
from demo import SENTENCES, WORD

from spacy_elmo import visual

SENSES = ("money", "shore", "rely")
PER_SENSE = 4


def main(target: str, weights: str = "en_elmo_sm") -> None:
    """Write the picture."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": weights}})
    pairs = [(sense, text) for sense in SENSES for text in SENTENCES[sense][:PER_SENSE]]
    docs = nlp.pipe(text for _, text in pairs)
    tokens = [next(token for token in doc if token.lower_ == WORD) for doc in docs]
    picture = visual.render(
        tokens, style="similarity", jupyter=False, options={"groups": [sense for sense, _ in pairs]}
    )
    Path(target).write_text(f"{picture}\n", encoding="utf8")


if __name__ == "__main__":
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
