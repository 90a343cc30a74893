"""What the meta of a pipeline says of the weights in it: where they come from, their licences."""

from __future__ import annotations

from collections.abc import Mapping

from spacy.language import Language


def note_licences(
    nlp: Language, name: str, weights: str | None, papers: Mapping[str, bytes]
) -> None:
    """Name the weights of a component among the sources of its pipeline.

    Their licence becomes that of the pipeline too, if it has none yet, as the hub of Hugging Face
    writes it: `spacy huggingface-hub push` takes it from there. Several are "other", and stand with
    the source. Both go into `meta.json`, and with `spacy package` into the package.

    Args:
        nlp: The pipeline.
        name: Of the component.
        weights: Where its weights come from.
        papers: Their card and licences; without any, nothing is noted.
    """
    if not papers:
        return
    from spacy_elmo.formats.front_matter import hub_licence
    from spacy_elmo.formats.papers import licences

    names = licences(papers)
    found = ", ".join(names)
    told = f"weights of {name}: {weights}" + (f" ({found})" if found else "")
    meta = nlp.meta
    sources = list(meta.get("sources") or [])
    as_text = bool(sources) and isinstance(sources[0], str)
    new = told if as_text else {"name": told, "url": "", "license": found}
    start = f"weights of {name}: "
    kept = [
        each
        for each in sources
        if not str(each if as_text else each.get("name", "")).startswith(start)
    ]
    meta["sources"] = [*kept, new]
    if names and not meta.get("license"):
        meta["license"] = hub_licence(names)
