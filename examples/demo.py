"""Contextual vectors tell the senses of a word apart.

    python examples/demo.py [WEIGHTS] [FOLDER]

Reads sentences with the word "bank" in four senses, and finds for each occurrence the other one
with the most similar vector. A static vector cannot do that: to it, all of them are the same.
Then writes a page on which these and some other words of several senses can be looked up, each
occurrence with its neighbours. WEIGHTS is a name or a path; left out, it is the packaged English
model. FOLDER is where the page is written to; left out, it is build/demo.
"""

from __future__ import annotations

import sys
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Token
from wasabi import msg

from spacy_elmo import WeightsError, visual

ROOT = Path(__file__).parents[1]

WORD = "bank"
SENTENCES = {
    "money": (
        "She opened an account at the bank in her first week at work.",
        "The bank raised its interest rates again in March.",
        "He asked the bank for a loan to buy the house.",
        "The bank lost two million dollars when the company failed.",
        "My brother works as a clerk in a bank in London.",
        "The government said that no bank would be allowed to fail.",
        "They put the money in the bank and waited.",
    ),
    "shore": (
        "We sat down on the bank and watched the river go by.",
        "The boat came slowly to the left bank of the river.",
        "Trees grew along the bank on both sides of the stream.",
        "He swam across and climbed up the muddy bank.",
        "The village stands on the north bank of the Thames.",
        "Cattle came down to the bank to drink from the water.",
    ),
    "heap": (
        "A dark bank of clouds rose in the west before the storm.",
        "The sun sank behind a bank of cloud.",
        "A thick bank of fog lay over the hills all morning.",
        "The car slid off the road into a bank of snow.",
    ),
    "rely": (
        "You can bank on him to be there on time.",
        "I would not bank on good weather in April.",
        "Do not bank on getting the job, she said.",
    ),
}


def main(weights: str = "en_elmo_sm", folder: str = str(ROOT / "build" / "demo")) -> None:
    """Print the nearest other occurrence of each occurrence, and write a page to look around on."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": weights}})
    senses = [sense for sense, texts in SENTENCES.items() for _ in texts]
    docs = nlp.pipe(text for texts in SENTENCES.values() for text in texts)
    tokens = [next(token for token in doc if token.lower_ == WORD) for doc in docs]

    print(f"Each '{WORD}' and the other one whose vector is most similar ({weights}):\n")
    rows, same = [], 0
    for i, token in enumerate(tokens):
        others = [j for j in range(len(tokens)) if j != i]
        cosines = {j: token._.elmo_similarity(tokens[j]) for j in others}
        nearest = max(others, key=cosines.__getitem__)
        agree = senses[i] == senses[nearest]
        same += agree
        cells = (snippet(token), snippet(tokens[nearest]), f"{cosines[nearest]:.3f}")
        rows.append((senses[i], *cells, senses[nearest] if agree else f"{senses[nearest]} (!)"))
    header = ("sense", "occurrence", "nearest other occurrence", "cosine", "its sense")
    msg.table(rows, header=header, divider=True, max_col=60)
    pairs = len(tokens) * (len(tokens) - 1)
    chance = sum(len(texts) * (len(texts) - 1) for texts in SENTENCES.values()) / pairs
    print(
        f"{same} of {len(tokens)} have their nearest in the same sense "
        f"({same / len(tokens):.0%}; by chance {chance:.0%})."
    )
    page = write_page(nlp, Path(folder))
    print(f"\nA page to look up words, their meanings and their neighbours on:\n{page}")


def write_page(nlp: Language, folder: Path) -> Path:
    """Write the explorer of all example sentences, and say where."""
    lines = (Path(__file__).parent / "senses.tsv").read_text(encoding="utf8").splitlines()
    texts = [text for each in SENTENCES.values() for text in each]
    texts += [line.split("\t")[2] for line in lines]
    options = {"word": WORD, "title": "Words of several senses"}
    page = visual.render(nlp.pipe(texts), style="explorer", jupyter=False, options=options)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "words.html"
    path.write_text(str(page), encoding="utf8")
    return path.resolve()


def snippet(token: Token, before: int = 24, after: int = 20) -> str:
    """The token with the words around it, cut to a width."""
    text, start = token.doc.text, token.idx
    left, right = text[:start], text[start + len(token) :]
    if len(left) > before:
        left = "…" + left[-before:].partition(" ")[2]
    if len(right) > after:
        right = right[:after].rpartition(" ")[0] + "…"
    return f"{left:>{before}}{token.text}{right:<{after}}"


if __name__ == "__main__":
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    if len(sys.argv) > 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except WeightsError as error:
        msg.fail("The demo needs weights", str(error), exits=1)
