"""``elmo download``: published weights to this machine. The one command that uses the network."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import typer

if TYPE_CHECKING:
    from spacy_elmo.catalogue.entries import Entry, File
    from spacy_elmo.pretraining.report.meter import Meter


def download(
    sources: list[str] = typer.Argument(
        None,
        metavar="NAME|URL...",
        help="Name of a published model (see --list), or the addresses of one model's files.",
        show_default=False,
    ),
    name: str | None = typer.Option(
        None,
        "--name",
        "-n",
        help="Name to load it by. Left out: its own, or one from the URL.",
    ),
    sha256: list[str] = typer.Option(
        [],
        "--sha256",
        help="The sha256 that the weights must have; or one for each URL, in order.",
    ),
    to: Path | None = typer.Option(
        None, "--to", help="Folder to make, and to load it by. Left out: one in the cache folder."
    ),
    show: bool = typer.Option(False, "--list", help="List the published models."),
    lang: str | None = typer.Option(None, "--lang", "-l", help="List only those of a language."),
    force: bool = typer.Option(
        False, "--force", "-f", help="Fetch it anew. Files must have the hashes they had before."
    ),
) -> None:
    """Download published weights, check them, and keep them in the cache folder.

    A download that broke off is gone on with by the same command. A model that is there already is
    checked.
    """
    from wasabi import msg

    from spacy_elmo.catalogue import entry_of_url, find
    from spacy_elmo.catalogue.cache import folder_of
    from spacy_elmo.catalogue.download import download as run
    from spacy_elmo.catalogue.record import facts_of, rows

    if show or lang is not None:
        if sources:
            raise ValueError("--list and --lang name models, and download none: leave out the rest")
        _list(lang)
        return
    if not sources:
        raise ValueError("give the name of a published model (--list names them), or a URL")
    known = None if _is_url(sources[0]) else find(sources[0])
    if known is None and len(sources) == 1:
        known = entry_of_url(sources[0])
    if known is not None and len(sources) > 1:
        raise ValueError("one name at a time, or the URLs of one model's files")
    files = known.files if known is not None else _files(sources)
    name = _check_name(name or (known.name if known is not None else _stem(files)), known)
    digests = _digests(files, sha256)
    with closing(_Bars()) as bars:
        found = run(
            name,
            files,
            {} if known is None else facts_of(known),
            to if to is not None else folder_of(name),
            progress=bars,
            sha256=digests,
            force=force,
        )
    for file in found.files:
        typer.echo(f"{file.name}: {file.bytes:,} bytes, sha256 {(file.hashes or {})['sha256']}")
    if found.facts:
        msg.table(rows(found.facts), divider=False)
    msg.good(f"{found.name} is in {found.folder}")
    typer.echo(f"Load it as weights = {str(to) if to is not None else name!r}")


def _list(lang: str | None) -> None:
    from spacy_elmo.catalogue import models, unreadable
    from spacy_elmo.catalogue.cache import folder_of
    from spacy_elmo.languages import same_language

    rows = []
    for entry in sorted(models().values(), key=lambda entry: (entry.lang or "", entry.name)):
        if lang is None or (entry.lang is not None and same_language(entry.lang, lang)):
            here = "here" if folder_of(entry.name).is_dir() else ""
            size = "" if entry.bytes is None else f"{entry.bytes / 1e6:,.0f} MB"
            rows.append((entry.name, entry.lang or "", entry.tokenisation or "", size, here))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())
    for known in unreadable().values():
        if lang is None or (known.lang is not None and same_language(known.lang, lang)):
            typer.echo(f"Not readable: {known.name}: {known.reason}")
    if not rows:
        typer.echo(f"No model of the catalogue is known to be for {lang!r}.")


def _is_url(source: str) -> bool:
    return "://" in source


def _files(urls: list[str]) -> tuple[File, ...]:
    """The files of addresses: what each is to the model is seen by its name."""
    from spacy_elmo.catalogue.entries import File

    names = [unquote(PurePosixPath(urlsplit(url).path).name) for url in urls]
    _check_names(names)
    roles = [_role(name) for name in names] if len(urls) > 1 else ["weights"]
    if roles.count("weights") != 1:  # a folder of several: a checkpoint, say
        roles = ["part" if role == "weights" else role for role in roles]
    return tuple(
        File(name=name, role=role, url=url)
        for name, role, url in zip(names, roles, urls, strict=True)
    )


def _check_names(names: list[str]) -> None:
    from spacy_elmo.catalogue.record import CARD, RECORD

    kept = {RECORD.casefold(), CARD.casefold()}
    seen: set[str] = set()
    for name in names:
        folded = name.casefold()
        if folded in kept:
            raise ValueError(f"a file named {name!r} has no place: what is kept of a download is")
        if folded in seen:
            raise ValueError(
                f"two of the URLs are of a file named {name!r}: give those of one model"
            )
        seen.add(folded)


def _role(name: str) -> str:
    lower = name.lower()
    if lower.endswith(".json") and "options" in lower:
        return "options"
    return "vocab" if "vocab" in lower and ".txt" in lower else "weights"


def _stem(files: tuple[File, ...]) -> str:
    name = next((file for file in files if file.role == "weights"), files[0]).name
    return name.partition(".")[0].removesuffix("_weights")


def _check_name(name: str, known: Entry | None) -> str:
    from spacy_elmo.catalogue import PACKAGED, models, unreadable
    from spacy_elmo.catalogue.cache import is_name

    if not is_name(name):
        raise ValueError(
            f"{name!r} is no name for a model: give --name with letters, digits, '.', '_' and '-'"
        )
    of_another = known is None or known.name != name
    if name in PACKAGED or (of_another and name in {*models(), *unreadable()}):
        raise ValueError(f"{name!r} is the name of another model: give --name with one of your own")
    return name


def _digests(files: tuple[File, ...], given: list[str]) -> dict[str, str]:
    from spacy_elmo.catalogue.entries import check_hash

    if not given:
        return {}
    weights = [file for file in files if file.role == "weights"]
    targets = weights if len(given) == 1 and weights else list(files)
    if len(targets) != len(given):
        raise ValueError(f"{len(given)} times --sha256 for {len(targets)} files: give one for each")
    return {
        file.name: check_hash("sha256", digest) for file, digest in zip(targets, given, strict=True)
    }


class _Bars:
    """A bar, or a line now and then, for each file; to be closed, also after an error."""

    def __init__(self) -> None:
        self.meter: Meter | None = None

    def close(self) -> None:
        if self.meter is not None:
            self.meter.close()
            self.meter = None

    def begin(self, name: str, total: int | None, done: int) -> None:
        from spacy_elmo.pretraining.report.meter import Meter

        size = "" if total is None else f", {total:,} bytes"
        self.say(f"{name}{size}{f', going on after {done:,}' if done else ''}")
        self.meter = Meter(total)
        if done:
            self.meter.advance(done)

    def advance(self, size: int) -> None:
        if self.meter is not None:
            self.meter.advance(size)

    def say(self, line: str) -> None:
        self.close()
        typer.echo(line, err=True)
