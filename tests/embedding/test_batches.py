"""`BatchEmbedder` on batches of every kind, and on a real cluster of Ray's."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo import BiLM, EmbeddingError, embed
from spacy_elmo.embedding.batches import BatchEmbedder
from tests.embedding.conftest import TEXTS
from tests.embedding.outputs import read


@pytest.fixture(scope="module")
def expected(lm: BiLM, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    out = tmp_path_factory.mktemp("expected") / "x.npy"
    embed(lm, TEXTS, out, layers="average")
    return read(out)


def texts() -> np.ndarray:
    array = np.array(TEXTS, dtype=object)
    array.flags.writeable = False  # as Ray hands them out
    return array


def check(found: list[Any], expected: list[np.ndarray]) -> None:
    for rows, each in zip(found, expected, strict=True):
        rows = np.array(list(map(list, rows)), dtype=np.float32).reshape(each.shape)
        np.testing.assert_allclose(rows, each, atol=1e-5)


def test_arrays(weights: Path, expected: list[np.ndarray]) -> None:
    ids = np.arange(len(TEXTS))
    batch = BatchEmbedder(weights)({"id": ids, "text": texts()})
    assert batch["id"] is ids
    check(list(batch["vectors"]), expected)
    assert batch["tokens"][0] == ["The", "bank", " ", "raised", "its", "rates", "."]
    for text, words, starts, ends in zip(
        TEXTS, batch["tokens"], batch["start"], batch["end"], strict=True
    ):
        assert words == [text[a:b] for a, b in zip(starts, ends, strict=True)]
    pooled = BatchEmbedder(weights, pool="mean", layers="all", dtype="float16")({"text": texts()})
    assert set(pooled) == {"text", "layer_0", "layer_1", "layer_2"}
    assert pooled["layer_1"].shape == (len(TEXTS), expected[0].shape[1])
    assert pooled["layer_1"].dtype == np.float16


def test_tables_and_frames(weights: Path, expected: list[np.ndarray]) -> None:
    pa = pytest.importorskip("pyarrow", reason="tables of pyarrow")
    pandas = pytest.importorskip("pandas", reason="data frames")
    table = BatchEmbedder(weights, column="body")(pa.table({"n": range(8), "body": TEXTS}))
    width = expected[0].shape[1]
    assert table.schema.field("vectors").type == pa.list_(pa.list_(pa.float32(), width))
    check(table["vectors"].to_pylist(), expected)
    assert table["n"].to_pylist() == list(range(8))
    frame = BatchEmbedder(weights)(pandas.DataFrame({"text": TEXTS}, index=range(3, 11)))
    check(frame["vectors"].tolist(), expected)
    assert list(frame.index) == list(range(3, 11))
    pooled = BatchEmbedder(weights, pool="mean", dtype="float16")(pa.table({"text": TEXTS}))
    assert pooled.schema.field("vector").type == pa.list_(pa.float16(), width)
    empty = BatchEmbedder(weights)(pa.table({"text": pa.array([], pa.string())}))
    assert empty.schema == BatchEmbedder(weights)(pa.table({"text": ["a"]})).schema
    assert empty.num_rows == 0


def test_it_is_sent_as_a_name(weights: Path, expected: list[np.ndarray], one_thread: None) -> None:
    embedder = BatchEmbedder(weights, threads=1)
    embedder({"text": texts()})
    data = pickle.dumps(embedder)
    assert len(data) < 1000
    check(list(pickle.loads(data)({"text": texts()})["vectors"]), expected)
    assert torch.get_num_threads() == 1


def test_mistakes(lm: BiLM, weights: Path) -> None:
    with pytest.raises(ValueError, match="a name or path, which can be sent"):
        BatchEmbedder(lm)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pool is 'max'"):
        BatchEmbedder(weights, pool="max")
    for batch, message in (
        ({"body": texts()}, "no column 'text', only 'body'"),
        ({"text": texts(), "vectors": texts()}, "have a column 'vectors' already"),
        ({"text": np.array(["a", None], dtype=object)}, "entry 1 is None"),
        ([1], "the batch is a list"),
    ):
        with pytest.raises(ValueError, match=message):
            BatchEmbedder(weights)(batch)


def write_rows(folder: Path, n: int) -> None:
    folder.mkdir()
    for part in range(8):
        rows = [{"id": k, "text": f"the bank {k} raised its rates " * 5} for k in range(part, n, 8)]
        lines = "\n".join(map(json.dumps, rows))
        (folder / f"{part}.jsonl").write_text(lines + "\n", encoding="utf8")


def test_mistakes_before_a_cluster_starts(weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray.data", reason="Ray is not installed")
    from spacy_elmo.embedding.on_ray import embed_on_ray

    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        embed_on_ray(weights, [tmp_path / "no"], tmp_path / "out")
    with pytest.raises(EmbeddingError, match=r"no \.parquet and no \.jsonl file"):
        embed_on_ray(weights, [tmp_path], tmp_path / "out")
    write_rows(tmp_path / "in", 4)
    with pytest.raises(ValueError, match="layers is '7'"):
        embed_on_ray(weights, [tmp_path / "in"], tmp_path / "out", layers="7")
    with pytest.raises(ValueError, match="actors is 0"):
        embed_on_ray(weights, [tmp_path / "in"], tmp_path / "out", actors=0)
    with pytest.raises(FileExistsError, match="exists already"):
        embed_on_ray(weights, [tmp_path / "in"], tmp_path / "in")
    with pytest.raises(FileExistsError, match="holds no vectors"):
        embed_on_ray(weights, [tmp_path / "in"], tmp_path / "in", force=True)
    assert not (tmp_path / "out").exists()


def title(pid: int) -> str:
    """What a process calls itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def descendants() -> list[int]:
    """The processes that this one started, and those that they started."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = []
    for pid in parents:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() != pid:
            found.append(pid)
    return found


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for workers in /proc")
def test_a_cluster_one_of_whose_workers_is_killed(weights: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    pytest.importorskip("ray.data", reason="Ray Data is not installed")
    import pyarrow.parquet as pq

    from spacy_elmo.embedding.on_ray import embed_on_ray

    n = 800
    write_rows(tmp_path / "in", n)
    killed: list[int] = []
    is_over = threading.Event()

    def kill_one() -> None:
        while not is_over.wait(0.02):
            if not list(tmp_path.glob(".out.*.tmp/out/*.parquet")):
                continue  # nothing is written yet
            titles = {pid: title(pid) for pid in descendants()}
            workers = [pid for pid, name in titles.items() if "ray::" in name and "Map" in name]
            if workers:
                killed.append(workers[-1])
                os.kill(workers[-1], signal.SIGKILL)
                return

    # The pool of actors must leave CPUs to those who read and write.
    ray.init(num_cpus=4, include_dashboard=False)
    try:
        thread = threading.Thread(target=kill_one)
        thread.start()
        rows = embed_on_ray(weights, [tmp_path / "in"], tmp_path / "out", actors=2, batch_size=16)
    finally:
        is_over.set()
        thread.join()
        ray.shutdown()
    assert killed
    assert rows == n
    table = pq.read_table(tmp_path / "out").sort_by("id")
    assert table["id"].to_pylist() == list(range(n))
    assert json.loads((tmp_path / "out" / "_spacy_elmo.json").read_text())["n_rows"] == n
    embed(weights, table["text"].to_pylist(), tmp_path / "one.npy", layers="average")
    check(table["vectors"].to_pylist(), read(tmp_path / "one.npy"))
