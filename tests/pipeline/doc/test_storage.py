"""Vectors stay with their words: retokenizing, cutting, joining, saving."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_elmo.pipeline.doc import attributes, storage

TEXT = "They sat on the river bank.  The bank raised its rates."
Make = Callable[..., Language]
VOCAB = spacy.blank("en").vocab


@pytest.fixture
def doc(make_nlp: Make) -> Doc:
    return make_nlp(keep_layers=True)(TEXT)


@pytest.mark.parametrize("setting", ["context", "keep_layers"])
def test_a_doc_keeps_nothing_else_alive(make_nlp: Make, setting: str) -> None:
    """Arrays that are cut out of others would keep these."""
    rows = storage.read(make_nlp(**{setting: True})("The bank raised its rates."), "elmo")
    assert rows is not None
    vectors = rows["vectors"]
    assert vectors.base is None or vectors.base.nbytes == vectors.nbytes


def numbered(
    vocab: Vocab, words: list[str], first: int, *, spaces: list[bool] | None = None
) -> Doc:
    """A Doc whose rows are [first], [first + 1] ..."""
    attributes.register_attributes("elmo")
    doc = Doc(vocab, words=words, spaces=spaces)
    rows = np.arange(first, first + len(words), dtype=np.float32)[:, None]
    rows[[token.is_space for token in doc]] = 0
    sentences = np.array([-1 if token.is_space else 0 for token in doc], dtype=np.int32)
    storage.write(doc, "elmo", rows, sentences)
    return doc


def numbers(doc: Doc) -> list[float] | None:
    rows = doc._.elmo_vectors
    assert rows is None or not rows.flags.writeable
    return None if rows is None else rows[:, 0].tolist()


def test_the_doc_owns_one_array(doc: Doc) -> None:
    assert len(doc.user_data) == 1
    (rows,) = doc.user_data.values()
    for name in ("vectors", "layers"):
        array = rows[name]
        owner = array if array.base is None else array.base
        assert owner.nbytes == array.nbytes, "no view of something larger"


def test_a_merged_token_has_the_mean_of_its_words(doc: Doc) -> None:
    before = doc._.elmo_vectors.copy()
    layers = doc._.elmo_layers.copy()
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:6])
        retokenizer.merge(doc[6:10])  # ".", white space, "The", "bank"
    assert len(doc) == len(before) - 5
    np.testing.assert_array_equal(doc._.elmo_vectors[:3], before[:3])
    np.testing.assert_allclose(doc[3]._.elmo, before[3:6].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(doc[4]._.elmo, before[[6, 8, 9]].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(doc._.elmo_vectors[5:], before[10:])
    np.testing.assert_allclose(doc._.elmo_vectors[4], doc[4]._.elmo)
    np.testing.assert_allclose(doc[4]._.elmo_layers, layers[:, [6, 8, 9]].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(doc[3:5]._.elmo_layers[:, 0], doc[3]._.elmo_layers)


def test_a_split_token_has_the_wholes_row(doc: Doc) -> None:
    before = doc._.elmo_vectors.copy()
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[4], ["ri", "ver"], heads=[doc[4], doc[4]])
    np.testing.assert_array_equal(doc[4]._.elmo, before[4])
    np.testing.assert_array_equal(doc[5]._.elmo, before[4])
    np.testing.assert_array_equal(doc._.elmo_vectors[6:], before[5:])


def test_merging_and_splitting_back_gives_the_rows_again(doc: Doc) -> None:
    before = doc._.elmo_vectors.copy()
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[5:7])
    assert doc[5].text == "bank."
    assert not np.array_equal(doc[5]._.elmo, before[5])
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[5], ["bank", "."], heads=[doc[5], doc[5]])
    np.testing.assert_array_equal(doc._.elmo_vectors, before)


@given(
    cuts=st.lists(st.integers(0, 14), min_size=2, max_size=8, unique=True).map(sorted),
    split=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_rows_follow_their_characters(cuts: list[int], split: bool) -> None:
    words = ["ab", "c", "def", "gh", " ", "ij", "k", "lm", "nop", "q", "rs", "tu", "v", "wx"]
    doc = numbered(VOCAB, words, 1)
    owner = {}
    for number, token in enumerate(doc, 1):
        owner.update(dict.fromkeys(range(token.idx, token.idx + len(token)), number))
    with doc.retokenize() as retokenizer:
        for start, end in zip(cuts[::2], cuts[1::2], strict=False):
            retokenizer.merge(doc[start:end])
    if split:
        longest = max(doc, key=len)
        if not longest.is_space:
            middle = len(longest) // 2
            parts = [longest.text[:middle], longest.text[middle:]]
            with doc.retokenize() as retokenizer:
                retokenizer.split(longest, parts, heads=[longest, longest])
    rows = doc._.elmo_vectors
    for token in doc:
        pieces = {owner[c] for c in range(token.idx, token.idx + len(token)) if c in owner} - {5}
        expected = 0.0 if token.is_space else sum(pieces) / len(pieces)
        assert rows[token.i, 0] == pytest.approx(expected)
        assert token._.elmo[0] == pytest.approx(expected)


def test_as_doc_keeps_vectors(doc: Doc) -> None:
    part = doc[4:11].as_doc(copy_user_data=True)
    np.testing.assert_array_equal(part[0]._.elmo, doc[4]._.elmo)
    np.testing.assert_array_equal(part._.elmo_vectors, doc._.elmo_vectors[4:11])
    np.testing.assert_array_equal(part._.elmo_layers, doc._.elmo_layers[:, 4:11])
    np.testing.assert_allclose(part._.elmo, doc[4:11]._.elmo)
    again = part[2:5].as_doc(copy_user_data=True)
    np.testing.assert_array_equal(again._.elmo_vectors, doc._.elmo_vectors[6:9])
    assert doc[4:11].as_doc()._.elmo is None
    (rows,) = again.user_data.values()
    assert len(rows["vectors"]) == 3, "the rows that were cut off are not kept alive"


def test_from_docs_keeps_vectors(make_nlp: Make) -> None:
    nlp = make_nlp(keep_layers=True)
    docs = [nlp(text) for text in ("The river bank.", "", "  ", "A bank raised rates", "x")]
    joined = Doc.from_docs(docs)
    assert joined is not None
    words = [token for doc in docs for token in doc]
    assert [token.text for token in joined] == [token.text for token in words]
    for token, original in zip(joined, words, strict=True):
        np.testing.assert_array_equal(token._.elmo, original._.elmo)
    assert joined._.elmo_layers.shape[1] == len(words)
    assert len(joined.user_data) == 1


def test_from_docs_with_a_doc_that_never_ran(nlp: Language) -> None:
    docs = [nlp("The bank"), nlp.make_doc("was"), nlp("closed")]
    joined = Doc.from_docs(docs)
    assert joined is not None
    assert joined._.elmo_vectors is None
    assert joined._.elmo is None
    assert joined[2]._.elmo is None
    np.testing.assert_array_equal(joined[1]._.elmo, docs[0][1]._.elmo)
    np.testing.assert_array_equal(joined[3]._.elmo, docs[2][0]._.elmo)
    np.testing.assert_allclose(joined[0:2]._.elmo, docs[0]._.elmo, atol=1e-6)


def test_parts_of_other_docs_are_not_confused() -> None:
    vocab = VOCAB
    one = numbered(vocab, ["the", "cat", "sat", "down"], 1)
    two = numbered(vocab, ["my", "dogs", "ran", "upon"], 11)
    # Cut so that both arrays begin at the same character of the joined text.
    head, tail = one[:2].as_doc(copy_user_data=True), two[2:].as_doc(copy_user_data=True)
    joined = Doc.from_docs([head, tail])
    assert joined is not None
    assert [token.text for token in joined] == ["the", "cat", "ran", "upon"]
    assert numbers(joined) == [1, 2, 13, 14]


def test_a_cut_off_row_does_not_stand_in_for_a_word_without_vectors() -> None:
    vocab = VOCAB
    one = numbered(vocab, ["the", "cat", "sat"], 1)
    joined = Doc.from_docs([one[:2].as_doc(copy_user_data=True), Doc(vocab, words=["ran"])])
    assert joined is not None
    assert joined[2]._.elmo is None
    assert numbers(joined) is None
    assert joined[1]._.elmo[0] == 2


@given(
    texts=st.lists(
        st.lists(st.sampled_from(["a", "bb", "the", "cat", "."]), max_size=5), max_size=5
    ),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_joining_whole_docs_gives_their_rows(texts: list[list[str]], data: st.DataObject) -> None:
    vocab = VOCAB
    spaces = [[data.draw(st.booleans()) for _ in words] for words in texts]
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    docs = [
        numbered(vocab, words, first + 1, spaces=gaps)
        for words, first, gaps in zip(texts, starts, spaces, strict=False)
    ]
    ensure = data.draw(st.booleans())
    joined = Doc.from_docs(docs, ensure_whitespace=ensure)
    if joined is None:
        return
    assert numbers(joined) == list(range(1, len(joined) + 1))
    if len(joined) > 1:
        start = data.draw(st.integers(0, len(joined) - 1))
        end = data.draw(st.integers(start + 1, len(joined)))
        part = joined[start:end].as_doc(copy_user_data=True)
        assert numbers(part) == list(range(start + 1, end + 1))


def test_docs_of_other_models_do_not_join() -> None:
    vocab = VOCAB
    one, two = numbered(vocab, ["a"], 1), numbered(vocab, ["b"], 2)
    other = np.zeros((1, 3), dtype=np.float32)
    storage.write(two, "elmo", other, np.zeros(1, dtype=np.int32))
    joined = Doc.from_docs([one, two])
    assert joined is not None
    with pytest.raises(ValueError, match=r"different widths \[1, 3\]"):
        _ = joined._.elmo


def test_bytes_docbin_copies_and_pickles(doc: Doc) -> None:
    vocab = doc.vocab
    binary = DocBin(store_user_data=True, docs=[doc, doc])
    others = [
        Doc(vocab).from_bytes(doc.to_bytes()),
        *DocBin().from_bytes(binary.to_bytes()).get_docs(vocab),
        doc.copy(),
        pickle.loads(pickle.dumps(doc)),
    ]
    for other in others:
        np.testing.assert_array_equal(other._.elmo_vectors, doc._.elmo_vectors)
        np.testing.assert_array_equal(other._.elmo_layers, doc._.elmo_layers)
        np.testing.assert_array_equal(other[5]._.elmo, doc[5]._.elmo)
        with other.retokenize() as retokenizer:
            retokenizer.merge(other[3:6])
        assert other._.elmo_vectors.shape[0] == len(other)
    plain = DocBin(docs=[doc])
    assert next(plain.get_docs(vocab))._.elmo is None


def test_two_names_do_not_meet(make_nlp: Make, weights: str) -> None:
    nlp = make_nlp()
    model = {"weights": str(weights), "layer_weights": [0, 0, 1]}
    nlp.add_pipe("elmo", name="top", config={"model": model, "attribute": "top"})
    doc = nlp(TEXT)
    assert not np.allclose(doc._.elmo, doc._.top)
    part = doc[2:5].as_doc(copy_user_data=True)
    np.testing.assert_array_equal(part._.top_vectors, doc._.top_vectors[2:5])
    part._.elmo_vectors = None
    assert part._.top is not None
    assert part._.elmo is None
