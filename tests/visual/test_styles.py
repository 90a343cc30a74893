"""What each style shows, against what the vectors and scores say."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, Token

from spacy_elmo import ElmoError, similarity_matrix, visual
from spacy_elmo.visual.clusters import cluster, keywords, silhouette
from spacy_elmo.visual.projection import pca
from spacy_elmo.visual.rows import rows_in_context, unit_rows
from tests.visual.test_render import listening

SVG = "{http://www.w3.org/2000/svg}"


def draw(docs: Any, style: str, **options: Any) -> str:
    return str(visual.render(docs, style=style, jupyter=False, options=options))


def banks(docs: list[Doc]) -> list[Token]:
    return [next(token for token in doc if token.text == "bank") for doc in docs]


# similarity


def cells(markup: str) -> list[float]:
    """The cosines written into the tooltips of the cells, row by row."""
    root = ElementTree.fromstring(markup)
    found = [rect.findtext(f"{SVG}title") for rect in root.iter(f"{SVG}rect")]
    return [float(tip.partition("\n")[0]) for tip in found if tip]


def test_a_heat_map_has_the_cosines_of_elmo_similarity(docs: list[Doc]) -> None:
    tokens = banks(docs)
    expected = [
        a._.elmo_similarity(b) for i, a in enumerate(tokens) for j, b in enumerate(tokens) if i != j
    ]
    np.testing.assert_allclose(cells(draw(tokens, "similarity")), expected, atol=5.1e-4)
    np.testing.assert_allclose(
        cells(draw(docs[0], "similarity")),
        similarity_matrix(docs[0])[~np.eye(7, dtype=bool)],
        atol=5.1e-4,
    )
    assert len(cells(draw([docs[0], docs[1][1:3], docs[2][1]], "similarity"))) == 6


def test_groups_stand_together_under_their_names(labelled: list[Doc]) -> None:
    spans = [doc.spans["senses"][0] for doc in labelled]
    mixed = [spans[0], spans[4], spans[1], spans[5]]
    markup = draw(mixed, "similarity")  # by the labels of the spans
    root = ElementTree.fromstring(markup)
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts.index("money") < texts.index("shore")
    expected = similarity_matrix([mixed[k] for k in (0, 2, 1, 3)])
    np.testing.assert_allclose(cells(markup), expected[~np.eye(4, dtype=bool)], atol=5.1e-4)
    assert "Mean cosine within a group" in root.findtext(f"{SVG}desc", "")
    assert draw([span[0] for span in mixed], "similarity", groups=["money", "shore"] * 2) == markup


def test_a_large_heat_map_says_what_it_leaves_out(nlp: Language) -> None:
    doc = nlp(" ".join(f"w{k}" for k in range(500)))
    markup = draw(doc, "similarity", max_items=20)
    assert len(cells(markup)) == 20 * 19
    assert "20 of 500 shown" in markup
    assert len(draw(doc, "similarity")) < 4_000_000


def test_what_cannot_be_compared(docs: list[Doc]) -> None:
    for given, message in (
        (docs[0][0], "give a Doc, for its tokens, or a list of several, not a Token"),
        ([docs[0]], "two tokens, spans or docs at least, not 1"),
        ([docs[0], "bank"], "not a str"),
    ):
        with pytest.raises(ElmoError, match=message):
            draw(given, "similarity")
    with pytest.raises(ElmoError, match="labels has 1 entries for 8 things"):
        draw(docs, "similarity", labels=["one"])


# senses


def test_every_occurrence_is_a_point_with_its_context(labelled: list[Doc]) -> None:
    markup = draw(labelled, "senses", word="BANK")
    root = ElementTree.fromstring(markup)
    points = [g for g in root.iter(f"{SVG}g") if g.get("class") == "elmo-point"]
    assert len(points) == 8
    labels = [point.get("aria-label", "") for point in points]
    assert labels[0] == "money: The bank raised its rates again ."
    assert all(point.get("tabindex") == "0" for point in points)
    assert "money: 4; shore: 4" in root.findtext(f"{SVG}desc", "")
    looks = {point[0].get("class", "") for point in points}
    assert looks == {"elmo-k0 elmo-mark", "elmo-k1 elmo-mark"}


def test_senses_or_clusters(docs: list[Doc], labelled: list[Doc]) -> None:
    del docs
    del labelled[7].spans["senses"]
    assert "no sense given: 1" in draw(labelled, "senses", word="bank")
    assert "shore: 3" not in draw(labelled, "senses", word="bank", color="cluster")
    for doc in labelled[:7]:
        del doc.spans["senses"]
    with pytest.raises(ElmoError, match=r"\['senses'\] holds no labelled span.*elmo_senses"):
        draw(labelled, "senses", word="bank", color="sense")
    markup = draw(labelled, "senses", word="bank", n_clusters=2)
    assert len(set(re.findall(r'class="elmo-k(\d) elmo-mark"', markup))) == 2


def test_a_word_that_does_not_occur(docs: list[Doc]) -> None:
    with pytest.raises(ElmoError, match=r"'bnak' does not occur in these 8 Docs; similar.*bank"):
        draw(docs, "senses", word="bnak")
    with pytest.raises(ElmoError, match="name it in the option word"):
        draw(docs, "senses")
    with pytest.raises(ElmoError, match="leave it out"):
        draw(banks(docs), "senses", word="bank")


def test_a_hundred_thousand_points(nlp: Language) -> None:
    doc = nlp(" ".join(["bank"] * 100))
    markup = draw([token for _ in range(1000) for token in doc], "senses", max_points=300)
    assert "300 of 100,000 occurrences, evenly spread" in markup
    assert markup.count("elmo-point") < 320


def test_umap_where_it_is_installed(docs: list[Doc]) -> None:
    try:
        import umap  # noqa: F401
    except ImportError:
        with pytest.raises(ElmoError, match="needs the package umap-learn"):
            draw(docs, "senses", word="bank", projection="umap")
    else:
        assert "UMAP" in draw(docs, "senses", word="bank", projection="umap")


def test_pca_is_that_of_the_covariance() -> None:
    rows = np.random.default_rng(3).normal(size=(30, 5)) * [5, 3, 1, 1, 1]
    places, share = pca(rows)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    expected = (rows - rows.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-9)
    assert share == pytest.approx(values[::-1][:2].sum() / values.sum())
    assert (places[np.abs(places).argmax(axis=0), range(2)] > 0).all()
    flat, all_of_it = pca(np.ones((4, 3)))
    assert not flat.any()
    assert all_of_it == 1.0


def test_clusters_of_rows_that_are_apart() -> None:
    random = np.random.default_rng(0)
    kinds = random.permutation(np.repeat([0, 1, 2], (30, 20, 10)))
    rows = np.eye(8)[kinds] * 3 + random.normal(size=(60, 8)) * 0.2
    np.testing.assert_array_equal(cluster(rows), kinds)  # the largest first
    np.testing.assert_array_equal(cluster(rows), cluster(rows))
    assert silhouette(rows, kinds) > 0.7
    assert not cluster(np.ones((20, 4))).any()
    assert cluster(rows, n_clusters=2).max() == 1
    assert cluster(rows[:1]).tolist() == [0]


def test_the_silhouette_is_rousseeuws() -> None:
    places, clusters = np.array([[0.0], [1.0], [4.0], [6.0], [9.0]]), np.array([0, 0, 1, 1, 2])
    # By hand: (b - a) / max(a, b) of each, 0 for one that is alone.
    expected = [(5 - 1) / 5, (4 - 1) / 4, (3.5 - 2) / 3.5, (3 - 2) / 3, 0.0]
    assert silhouette(places, clusters) == pytest.approx(np.mean(expected))


def test_the_words_that_tell_clusters_apart(docs: list[Doc]) -> None:
    found = keywords(banks(docs), np.repeat([0, 1], 4))
    assert all("bank" not in words and 0 < len(words) <= 3 for words in found)
    assert {"rates", "raised", "loan"} & set(found[0])
    assert not set(found[0]) & set(found[1])


def test_the_words_around_are_the_content_words_mean(docs: list[Doc]) -> None:
    token = banks(docs)[0]  # The bank raised its rates again .
    own = unit_rows([token], "elmo")
    around = unit_rows([docs[0][2], docs[0][4]], "elmo").sum(axis=0)
    found = rows_in_context([token], own, "elmo", 2.0)
    expected = 2.0 * around / np.linalg.norm(around)
    np.testing.assert_allclose(found[0], np.concatenate([own[0], expected]), atol=1e-6)
    assert rows_in_context([token], own, "elmo", 0.0) is own


# surprisal


def test_words_are_shaded_by_their_bits(nlp: Language) -> None:
    doc = nlp("The bank raised\n\nits  extraordinary rates.")
    doc.user_data["title"] = "A <report>"
    markup = draw(doc, "surprisal", max_bits=6.0)
    marks = re.findall(r'class="elmo-v(\d+)" title="(.+?): ([\d.]+) bits"', markup)
    words = [token for token in doc if not token.is_space]
    bits = [token._.elmo_surprisal for token in words]
    assert [word for _, word, _ in marks] == [token.text for token in words]
    assert [shown for _, _, shown in marks] == [f"{value:.1f}" for value in bits]
    assert [int(step) for step, _, _ in marks] == [min(int(value / 6 * 24), 23) for value in bits]
    assert len({step for step, _, _ in marks}) > 1
    assert "<br>" in markup
    assert "A &lt;report&gt;" in markup
    assert f"Mean {np.mean(bits):.1f} bits a word (7" in markup
    assert markup.count("<tr><td>") == len(words)
    backward = draw(doc, "surprisal", direction="backward")
    assert f'>bank</td><td style="text-align:right">{doc[1]._.elmo_surprisal_backward:.2f}' in (
        backward
    )
    assert "given the words after" in backward
    assert "The first 3 of" in draw(doc, "surprisal", max_tokens=3)
    assert draw([doc, doc], "surprisal").count("<h2") == 2


def test_a_text_without_scores(make_nlp: Callable[..., Language]) -> None:
    with pytest.raises(ElmoError, match=r'no surprisal .*score = true.*"score": True.*softmax'):
        draw(make_nlp(score=False)("a bank"), "surprisal")


# layers


def test_the_layers_of_each_pipe(weights: Path) -> None:
    nlp = listening(weights)
    (listener,) = (
        node for node in nlp.get_pipe("tagger").model.walk() if node.name == "elmo-listener"
    )
    listener.set_param("layer_weights", np.log(np.array([1.0, 2.0, 7.0], dtype=np.float32)))
    listener.set_param("gamma", np.array([1.5], dtype=np.float32))
    markup = draw(nlp, "layers")
    desc = ElementTree.fromstring(markup).findtext(f"{SVG}desc")
    assert desc == "tagger: token layer 10%, LSTM layer 1 20%, LSTM layer 2 70%, gamma 1.50."
    widths = [float(each) for each in re.findall(r'width="([\d.]+)" height="28"', markup)]
    np.testing.assert_allclose(widths, [48, 96, 336], atol=0.1)


def test_a_mix_of_the_context_is_a_row_of_its_own(nlp: Language) -> None:
    listener = {"@architectures": "spacy-elmo.ElmoListener.v1", "projection": 8, "context": True}
    tagger = nlp.add_pipe("tagger", config={"model": {"tok2vec": listener}})
    tagger.add_label("A")
    nlp.initialize()
    desc = ElementTree.fromstring(draw(nlp, "layers")).findtext(f"{SVG}desc", "")
    assert "tagger: token layer 33%, LSTM layer 1 33%, LSTM layer 2 33%" in desc
    assert "tagger, context: token layer 0%, LSTM layer 1 50%, LSTM layer 2 50%" in desc


def test_pipelines_without_a_mix(nlp: Language, weights: Path) -> None:
    with pytest.raises(ElmoError, match="no pipe of this pipeline listens"):
        draw(nlp, "layers")
    with pytest.raises(ElmoError, match="shows a pipeline, not a str"):
        draw("nlp", "layers")
    listener = {"@architectures": "spacy-elmo.ElmoListener.v1"}
    nlp.add_pipe("tagger", config={"model": {"tok2vec": listener}})
    with pytest.raises(ElmoError, match="'tagger' has learned no mix yet"):
        draw(nlp, "layers")


# curves


def test_the_curves_of_a_training(log: Path) -> None:
    markup = draw(log, "curves")
    assert "my &lt;model&gt;: perplexity" in markup
    assert markup == draw(log / "training", "curves") == draw(log / "training/log.jsonl", "curves")
    assert "held-out, forward: from 90 to 90" in markup


def test_trainings_without_curves(tmp_path: Path, log: Path) -> None:
    for path, message in (
        (tmp_path / "absent", "does not exist"),
        (tmp_path, r"holds no training/log.jsonl.*spacy elmo pretrain"),
        (7, "not a int"),
    ):
        with pytest.raises(ElmoError, match=message):
            draw(path, "curves")
    file = log / "training" / "log.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], "{damaged", lines[2], ""]))
    assert "The log is damaged" in draw(log, "curves")
    file.write_text("")
    with pytest.raises(ElmoError, match="holds no figures yet"):
        draw(log, "curves")


# explorer


def contents(markup: str) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """The values and vectors of a page."""
    (values,) = re.findall(r'<script type="application/json" id="values">(.*?)</script>', markup)
    (vectors,) = re.findall(r'<script type="text/plain" id="vectors">(.*?)</script>', markup)
    read = json.loads(values)
    rows = np.frombuffer(base64.b64decode(vectors), dtype=np.int8)
    return read, rows.reshape(-1, read["width"]).astype(float)


def test_the_page_holds_the_vectors_in_eight_bits(docs: list[Doc]) -> None:
    values, rows = contents(draw(docs, "explorer"))
    assert sum(size for _, size, _ in values["words"]) == len(rows) == len(values["word"])
    assert values["words"][0] == ["bank", 8, values["words"][0][2]]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = similarity_matrix(banks(docs))
    np.testing.assert_allclose(unit[:8] @ unit[:8].T, expected, atol=0.02)
    assert values["before"][0] + values["word"][0] + values["after"][0] == docs[0].text
    assert min(values["places"]) >= 0
    assert max(values["places"]) <= 1000
    assert not any(word[0] == "." for word in values["words"])


def test_narrower_vectors_keep_most_of_a_cosine(nlp: Language) -> None:
    doc = nlp(" ".join(f"word{k}" for k in range(60)))
    values, rows = contents(draw(doc, "explorer", max_width=10))
    assert values["width"] == rows.shape[1] == 10
    order = {word: k for k, word in enumerate(values["word"])}
    rows = rows[[order[token.text] for token in doc]]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.corrcoef((unit @ unit.T).ravel(), similarity_matrix(doc).ravel())[0, 1] > 0.95


def test_the_explorer_groups_by_senses_where_there_are_some(labelled: list[Doc]) -> None:
    values, _ = contents(draw(labelled, "explorer", word="Bank"))
    assert values["words"][values["first"]][2] == ["money", "shore"]
    assert values["groups"][:8] == [0, 0, 0, 0, 1, 1, 1, 1]
    with pytest.raises(ElmoError, match="'zebra' is not among the"):
        draw(labelled, "explorer", word="zebra")


@pytest.mark.parametrize("most", [1, 7, 40, 150, 300])
def test_a_large_corpus_is_bounded_and_says_so(nlp: Language, most: int) -> None:
    words = [f"rare{k}" for k in range(60)] + ["the"] * 80 + ["bank"] * 90 + ["river"] * 30
    markup = draw(nlp(" ".join(words)), "explorer", max_occurrences=most)
    values, rows = contents(markup)
    sizes = {word: size for word, size, _ in values["words"]}
    assert len(rows) == sum(sizes.values()) <= most
    assert ("Left out" in markup) == (most < 260)
    if most < 260:
        assert f"Left out: {260 - len(rows):,} of 260 occurrences" in markup
    if most >= 40:  # function words lose first, words that occur often last
        assert sizes["bank"] >= sizes.get("the", 0)


# projector


def test_the_projectors_files(labelled: list[Doc], tmp_path: Path) -> None:
    labelled[0].user_data["x"] = 1
    folder = tmp_path / "logs"
    assert visual.write_projector(labelled, folder, word="bank") == 8
    rows = np.loadtxt(folder / "vectors.tsv", delimiter="\t")
    np.testing.assert_allclose(rows @ rows.T, similarity_matrix(banks(labelled)), atol=1e-4)
    lines = (folder / "metadata.tsv").read_text("utf8").splitlines()
    assert lines[0] == "word\tsense\tcontext"
    assert lines[1] == "bank\tmoney\tThe bank raised its rates again ."
    config = (folder / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "vectors.tsv"' in config
    assert 'metadata_path: "metadata.tsv"' in config
    doc = Doc(labelled[0].vocab, words=["a\tb\nc", "bank"])
    with pytest.raises(ElmoError, match="no ELMo vectors"):
        visual.write_projector(doc, folder)
    assert len((folder / "metadata.tsv").read_text("utf8").splitlines()) == 9  # as it was


def test_lines_of_the_metadata_are_whole(nlp: Language, tmp_path: Path) -> None:
    doc = Doc(nlp.vocab, words=["a\tb\nc", "bank", "\n"])
    nlp.get_pipe("elmo")(doc)
    assert visual.write_projector(doc, tmp_path) == 2
    lines = (tmp_path / "metadata.tsv").read_text("utf8").split("\n")
    assert lines[1:] == ["a b c\t\ta b c bank", "bank\t\ta b c bank", ""]


def test_spans_are_points_too(docs: list[Doc], tmp_path: Path) -> None:
    spans = [Span(docs[0], 0, 2, label="x"), Span(docs[1], 2, 4)]
    assert visual.write_projector(spans, tmp_path) == 2
    assert "x\tThe bank raised" in (tmp_path / "metadata.tsv").read_text("utf8")
    assert draw(spans, "senses").count('class="elmo-point"') == 2


def test_vectors_of_other_widths(docs: list[Doc], tmp_path: Path) -> None:
    from tests.tiny import tiny_lm

    tiny_lm(projection_dim=5).save(tmp_path / "other")
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(tmp_path / "other")}})
    with pytest.raises(ElmoError, match="differ in width"):
        draw([*docs, nlp("a bank")], "senses", word="bank")


def test_one_sentence_with_two_labels(nlp: Language) -> None:
    """Its groups do not differ, so the word tells nothing and is not shown first for it."""
    docs = list(nlp.pipe(["the bank", "the bank"]))
    for doc, label in zip(docs, ("a", "b"), strict=True):
        doc.spans["senses"] = [Span(doc, 1, 2, label)]
    values, _ = contents(draw(docs, "explorer"))
    (bank,) = (k for k, (word, _, _) in enumerate(values["words"]) if word == "bank")
    assert values["words"][bank][2] == ["a", "b"]
    assert bank not in values["telling"]


def test_labels_are_a_list(docs: list[Doc]) -> None:
    with pytest.raises(ElmoError, match=r"option labels is array\(.*: expected a list"):
        draw(docs, "similarity", labels=np.array(["a"] * len(docs)))
