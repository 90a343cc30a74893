"""One file from the network to the disk: the only place of the package that opens a connection."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
import urllib3

from spacy_elmo.catalogue.content import check_start
from spacy_elmo.catalogue.entries import File
from spacy_elmo.catalogue.part import Part
from spacy_elmo.errors import DownloadError, ElmoError, problem

CHUNK = 1 << 16
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two pieces of an answer."""
TRIES = 5
TRIES_WITHOUT_ANSWER = 2
WAIT = 1.0
"""Seconds before the second try; twice as many before each further one."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class BrokenOff(DownloadError):
    """A download that the same command goes on with: what came is kept."""


class Progress(Protocol):
    """Whoever shows how far a download is."""

    def begin(self, name: str, total: int | None, done: int) -> None:
        """A file begins, or goes on.

        Args:
            name: Its name.
            total: Its size in bytes, where the server says.
            done: How much of it is here already.
        """
        ...

    def advance(self, size: int) -> None:
        """So many bytes more are here."""
        ...

    def say(self, line: str) -> None:
        """Tell something between two files."""
        ...


class _Passing(Exception):
    """Something that may be gone at the next try."""


@dataclass(frozen=True)
class _Answer:
    """Where an answer begins in the file, how long the file is, and what tells its version."""

    start: int
    total: int | None
    validator: str | None


def transfer(file: File, part: Part, progress: Progress) -> None:
    """Bring a file to the disk. What is there of an earlier try is gone on with where that is safe.

    Args:
        file: The file, with its address.
        part: Where it goes.
        progress: Told of every piece.

    Raises:
        BrokenOff: If the network or the disk gave up; what came is kept.
        DownloadError: If what the server has is not the file; nothing of it is kept.
    """
    if part.size and part.size == part.resumable(file) == part.total:
        return  # its writer was killed before it could say so
    tries, furthest, answered = 0, part.size, False
    with requests.Session() as session:
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": "spacy-elmo"})
        while True:
            try:
                with _answer(session, file, part) as (response, answer):
                    answered = True
                    _receive(response, answer, file, part, progress)
                    return
            except _Passing as error:
                tries = 1 if part.size > furthest else tries + 1
                furthest = max(furthest, part.size)
                if tries >= (TRIES if answered else TRIES_WITHOUT_ANSWER):
                    raise _gave_up(file, part, error) from error
            time.sleep(WAIT * 2 ** (tries - 1))


def _gave_up(file: File, part: Part, error: Exception) -> ElmoError:
    kept = f"{part.size:,} bytes are kept, and the same command goes on from there. "
    advice = (
        f"{kept if part.size else ''}Check the network and proxies (HTTPS_PROXY), or put the files "
        "there by hand: `spacy elmo info NAME` says which, and where"
    )
    return problem(f"{file.url}", f"could not be fetched: {error}", advice, error=BrokenOff)


@contextmanager
def _answer(session: Any, file: File, part: Part) -> Iterator[tuple[Any, _Answer]]:
    start = part.resumable(file)
    headers = {} if not start else {"Range": f"bytes={start}-"}
    if start and part.validator:
        headers["If-Range"] = part.validator
    try:
        response = session.get(file.url, headers=headers, stream=True, timeout=TIMEOUT)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _Passing(f"no connection ({error})") from error
    except (requests.RequestException, UnicodeError) as error:
        advice = "Correct the address"
        raise problem(f"{file.url}", f"failed ({error})", advice, error=DownloadError) from error
    with response:
        yield response, _check(response, file, part, start)


def _check(response: Any, file: File, part: Part, start: int) -> _Answer:
    """Check what the server says before its content is read."""
    status, headers = response.status_code, response.headers
    if status in _PASSING:
        raise _Passing(f"the server answered {status} {response.reason}")
    if status == 416 and start:
        part.clear()
        raise _Passing("the server has no more of the file than is here, so it has another one")
    if status not in (200, 206):
        advice = "It may have moved: look for it at the source of the model, and give its address"
        what = f"the server answered {status} {response.reason}"
        raise problem(f"{file.url}", what, advice, error=DownloadError)
    steps = [each.url for each in (*response.history, response)]
    plain = [url for url in steps if urlsplit(url).scheme != "https"]
    if urlsplit(file.url or "").scheme == "https" and plain:
        what = f"leads to {plain[0]}, which is not encrypted"
        raise problem(f"{file.url}", what, "Give that address if you trust it", error=DownloadError)
    start, total = _range(headers) if status == 206 else (0, _number(headers.get("Content-Length")))
    if start and (start != part.size or total != part.total):
        part.clear()
        raise _Passing("the file has changed on the server")
    if None not in (total, file.bytes) and total != file.bytes:
        part.clear()
        what = f"has {total:,} bytes on the server, expected {file.bytes:,}: it is another file"
        raise problem(f"{file.url}", what, "Nothing of it was kept", error=DownloadError)
    etag = headers.get("ETag", "")
    strong = etag if etag.startswith('"') else None
    return _Answer(start, total, strong or headers.get("Last-Modified"))


def _receive(response: Any, answer: _Answer, file: File, part: Part, progress: Progress) -> None:
    _check_room(part, file, answer)
    if not answer.start:
        part.begin(str(file.url), answer.total, answer.validator)
    progress.begin(file.name, answer.total, answer.start)
    checked = False
    most = file.bytes if answer.total is None else answer.total
    try:
        with part.open() as out:
            for piece in _pieces(response):
                _write(out, piece, part)
                progress.advance(len(piece))
                if not checked and part.size >= 512:
                    check_start(file, part.path)
                    checked = True
                if most is not None and part.size > most:
                    break
        if answer.total is None and most is not None and part.size > most:
            what = f"sends more than the {most:,} bytes expected: it is another file"
            raise problem(f"{file.url}", what, "Nothing of it was kept", error=DownloadError)
        if answer.total is not None and part.size != answer.total:
            if part.size < answer.total:
                raise _Passing(f"broke off after {part.size:,} of {answer.total:,} bytes")
            part.clear()
            raise _Passing("the server sent more than it said")
        check_start(file, part.path)
    except DownloadError as error:
        if not isinstance(error, BrokenOff):
            part.clear()
        raise


def _pieces(response: Any) -> Iterator[bytes]:
    try:
        # As it is stored: some servers call a .tar.gz a compressed .tar, which is to stay as it is.
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Passing(f"broke off ({error})") from error


def _write(out: Any, piece: bytes, part: Part) -> None:
    try:
        rest = memoryview(piece)
        while rest:  # a disk that fills up takes a part of them
            rest = rest[out.write(rest) :]
    except OSError as error:
        raise _no_room(part, f"cannot be written ({error})") from error


def _check_room(part: Part, file: File, answer: _Answer) -> None:
    needed = (answer.total or file.bytes or 0) - answer.start
    free = shutil.disk_usage(part.path.parent).free
    if needed > free:
        raise _no_room(part, f"needs {needed:,} bytes more, and there are {free:,} free")


def _no_room(part: Part, what: str) -> ElmoError:
    advice = (
        "Make room, or name another folder with --to or the environment variable SPACY_ELMO_HOME; "
        "the same command then goes on"
    )
    return problem(part.path, what, advice, error=BrokenOff)


def _range(headers: Any) -> tuple[int, int | None]:
    """First byte and size of the whole file, of a Content-Range; what is no such thing is none."""
    unit, _, rest = headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    start = _number(span.partition("-")[0])
    return (-1 if unit != "bytes" or start is None else start), _number(total)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
