"""docs/corpora.md, run: commands in their order, then the Python, which reads what they wrote."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_elmo.cli.app import app
from tests.docs import snippets

PAGE = snippets.ROOT / "docs" / "corpora.md"


def test_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    pytest.importorskip("pyarrow", reason="the page writes Parquet")
    pandas = pytest.importorskip("pandas", reason="the page's Spark example reads data frames")
    monkeypatch.chdir(tmp_path)
    lines = ["The bank raised its rates.", "They sat on the river bank.", ""]
    Path("text.txt").write_text("\n".join(lines * 5), encoding="utf8")
    for command in snippets.commands(PAGE):
        words = shlex.split(command)
        # Those on Ray and of spaCy's own run in tests of their own: test_batches, test_distill.
        if words[:2] == ["spacy", "elmo"] and "--ray" not in words:
            done = CliRunner().invoke(app, words[2:])
            assert done.exit_code == 0, done.output
    names = snippets.run_python(PAGE)
    assert len(names["second"]) == 7
    frames = [pandas.DataFrame({"id": [0, 1], "text": lines[:2]})]
    (frame,) = names["vectors_of"](frames)
    assert list(frame.columns) == ["id", "text", "vector"]
    assert all(isinstance(value, float) for value in frame["vector"][0])


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = pytest.importorskip("pyspark.sql", reason="Spark is not installed")
    monkeypatch.chdir(tmp_path)
    # The function is sent by its name, as from a module that the workers have, too.
    parts = [code for code in snippets.blocks(PAGE, "python") if "mapInPandas" in code]
    Path("on_spark_example.py").write_text("\n".join(parts), encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    path = os.pathsep.join([str(tmp_path), str(snippets.ROOT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    import on_spark_example  # type: ignore[import-not-found]

    try:
        spark = sql.SparkSession.builder.master("local[2]").getOrCreate()
    except Exception as error:
        pytest.skip(f"Spark does not start here: {error}")
    try:
        rows = spark.createDataFrame([(k, f"the bank {k}") for k in range(20)], ["id", "text"])
        found = on_spark_example.on_spark(rows).collect()
    finally:
        spark.stop()
    assert sorted(row["id"] for row in found) == list(range(20))
    assert {len(row["vector"]) for row in found} == {256}
