"""What is text is read, whatever it is called; what is none is refused before work is done."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacy_elmo.errors import CorpusError
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.text import opening, reading

WORDS = ["die Größe zählt .", "日本 語 🙂 !"]
TEXT = "\n".join(WORDS) + "\n"
SENTENCES = [line.split() for line in WORDS]


def run(path: Path, **options: Any) -> Corpus:
    out = path.parent / "out"
    prepare([path], out, force=True, **{"tokenized": True, "min_count": 1, **options})
    return Corpus(out)


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
@pytest.mark.parametrize("first_bytes", [7, 1 << 16])
def test_other_encodings_with_their_mark(
    encoding: str, mark: bytes, first_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "FIRST_BYTES", first_bytes)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 5)  # within characters, too
    path = tmp_path / "text.txt"
    path.write_bytes(mark + TEXT.encode(encoding))
    words = [word for sentence in run(path).words() for word in sentence]
    assert "".join(words) == "".join(TEXT.split())
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1000)
    assert list(run(path).words()) == SENTENCES
    path.write_bytes(mark + TEXT.encode(encoding)[:-1])
    with pytest.raises(CorpusError, match=r"text.txt begins like UTF-.., but is none"):
        run(path)


def test_records_of_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "text.jsonl"
    path.write_text("".join(json.dumps({"tokens": words}) + "\n" for words in SENTENCES), "utf-16")
    assert list(run(path).words()) == SENTENCES


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["text.txt", "text", "text.en"])
def test_compressed_whatever_the_name(
    compress: Callable[[bytes], bytes], name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(compress(TEXT.encode("utf8")))
    assert list(run(path).words()) == SENTENCES


CONLLU = """\
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
2.1\tnada\t_\t_\t_\t_\t_\t_\t_\t_
3\tal mar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_

# sent_id = 2
1\t#\t#\tSYM\t_\t_\t0\troot\t_\t_
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [40, 1000])
def test_conllu(end: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", block)
    path = tmp_path / "tree.conllu"
    expected = [["vamos", "nos", "al mar"], ["#"]]
    path.write_bytes(((CONLLU + "\n") * 3).replace("\n", end).encode())
    assert list(run(path).words()) == expected * 3
    path.write_bytes(CONLLU.replace("3\tal", "3 al").replace("\n", end).encode())
    with pytest.raises(CorpusError, match=r"tree.conllu, line 6: expected the 10 columns"):
        run(path)


def test_the_text_of_records_whose_tokens_are_objects(tmp_path: Path) -> None:
    path = tmp_path / "text.jsonl"
    record = {"text": "So what?\nNo", "tokens": [{"text": "So", "id": 0}], "spans": []}
    path.write_text(json.dumps(record) + "\n" + json.dumps({"text": "x", "tokens": []}))
    assert list(run(path).words()) == [["So", "what", "?"], ["No"], ["x"]]


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", TEXT)
    return file.getvalue()


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(TEXT.encode())
        archive.addfile(entry, io.BytesIO(TEXT.encode()))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", b'["a"]', r"a \.json file is no plain text: write one object per line"),
        ("x.CSV", b"a,b\n", r"a \.csv file is no plain text: write its column of text"),
        ("x.html.gz", gzip.compress(b"<p>a", mtime=0), r"a \.html file is no plain text"),
        ("x.zst", b"\x28\xb5\x2f\xfd", r"a \.zst file is no plain text: decompress it first"),
        ("x.tar.gz", gzip.compress(_tar()), r"a \.tar file is no plain text: unpack it"),
        ("x.txt", _tar(), "is a tar archive: unpack it"),
        ("x.txt.gz", gzip.compress(_tar()), "is a tar archive: unpack it"),
        ("x.txt", _zip(), r"is a zip archive .*: unpack it"),
        ("x.tokens", b"PAR1" + bytes(10), "is a Parquet file"),
        ("x.en", b"\n <!DOCTYPE HTML><p>a", "is a file of markup: extract its text"),
        ("x.en", (TEXT * 20).encode("utf-16-le"), "it holds many zero bytes"),
        ("x.txt", ("это по-русски " * 20).encode("cp1251"), "bytes that are none: convert it"),
        ("x.dat", np.random.default_rng(0).bytes(2000), "is no text in UTF-8"),
        ("x.jsonl", _zip(), "is a zip archive"),
        ("x.spacy", b"words", r"is no readable .spacy file: it begins otherwise"),
        ("x.spacy", b"", r"is no readable .spacy file: it begins otherwise"),
    ],
)
def test_what_is_no_text_is_refused_before_work_is_done(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (tmp_path / "good.txt").write_text("a b\n")
    with pytest.raises(CorpusError, match=message) as raised:
        reading.check_inputs([tmp_path / "good.txt", path], tokenized=False)
    assert str(path) in str(raised.value)
    with pytest.raises(CorpusError, match=message):
        run(path)
    assert not (tmp_path / "out").exists()


def test_some_bytes_that_are_no_text_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"caf\xe9 au lait\n" * 90)
    assert run(path).meta["undecodable_bytes"] == 90
    path.write_bytes(b"caf\xe9 au lait\n" * 110 + b"only ASCII from here on\n" * 2000)
    assert run(path).meta["undecodable_bytes"] == 110


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_pipe(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """It is opened once and cannot seek."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = TEXT * 5000
    writer = threading.Thread(target=lambda: path.write_bytes(compress(text.encode())), daemon=True)
    writer.start()
    read: list[int] = []
    prepare([path], tmp_path / "out", tokenized=True, min_count=1, advance=read.append)
    writer.join(60)
    assert list(Corpus(tmp_path / "out").words()) == SENTENCES * 5000
    assert sum(read) == len(compress(text.encode()))
    assert reading.total_bytes([(str(path), "tokens")]) is None


def test_the_command_reads_the_standard_input_by_its_path(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spacy_elmo", "prepare", "--tokenized", "--min-count", "1"]
    done = subprocess.run(
        [*command, "/dev/stdin", str(tmp_path / "out")],
        input=TEXT.encode(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert list(Corpus(tmp_path / "out").words()) == SENTENCES
