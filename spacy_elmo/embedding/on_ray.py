"""Folders of rows to folders of rows with vectors, on a cluster of Ray's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spacy_elmo.embedding.batches import BatchEmbedder
from spacy_elmo.embedding.layers import choose_layers
from spacy_elmo.embedding.source import open_source
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.files import expanded, new_directory, write_json

DESCRIPTION = "_spacy_elmo.json"
"""Says what the vectors of a folder are; readers of Parquet pass over such names."""
_KINDS = {"parquet": (".parquet",), "json": (".jsonl", ".ndjson", ".jsonl.gz")}


def embed_on_ray(
    weights: str | Path,
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    column: str = "text",
    layers: str | int | Sequence[int] = "average",
    dtype: str = "float32",
    pool: str | None = None,
    compression: str | None = None,
    lang: str = "en",
    tokenized: bool = False,
    precision: str | None = None,
    address: str | None = None,
    actors: int | None = None,
    cpus: int = 1,
    batch_size: int = 256,
    force: bool = False,
) -> int:
    """Add vectors to the rows of Parquet or JSONL folders, see `BatchEmbedder`.

    The output appears when it is complete. A process that dies on the way is started again by Ray,
    and its batches are computed anew; the result is the same.

    Args:
        weights: Name or path of weights or of a saved pipeline, which must be there on each
            machine.
        inputs: Folders or files, all of them Parquet or all JSONL.
        output: Folder to make, of Parquet files; on several machines one that they share.
        column: The column of texts. The other columns are carried along.
        layers: As for `embed`.
        dtype: As for `embed`.
        pool: As for `embed`.
        compression: Of the Parquet files; None: Ray's default.
        lang: As for `embed`.
        tokenized: As for `embed`.
        precision: As for `embed`.
        address: Of a cluster ("auto", "ray://..."); None: the one this process is connected to, or
            a new one on this machine.
        actors: Processes that compute; None: as many as there are CPUs for, but one, which reads.
        cpus: CPUs of each, and its threads.
        batch_size: Rows that are computed together.
        force: Replace a folder that holds Parquet files.

    Returns:
        The number of rows.

    Raises:
        EmbeddingError: If Ray is missing, or there is nothing to read.
        FileExistsError: If the output is there already.
        WeightsError: If there are no such weights.
        ValueError: For unusable options.
    """
    for name, value in (("actors", actors), ("cpus", cpus), ("batch_size", batch_size)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}: expected at least 1")
    ray = import_ray()
    kind, files = _files(inputs)
    output = Path(output).absolute()
    _check_output(output, force)
    if expanded(weights).exists():  # others stand in another folder
        weights = expanded(weights).absolute()
    how: dict[str, Any] = {
        "column": column,
        "layers": layers,
        "dtype": dtype,
        "pool": pool,
        "lang": lang,
        "tokenized": tokenized,
        "precision": precision,
    }
    BatchEmbedder(weights, **how)  # checks what can be checked here
    spec = _spec(weights, how)
    with _session(ray, address):
        if actors is None:
            actors = max(1, (int(ray.cluster_resources().get("CPU", 2)) - 1) // cpus)
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        rows = ray.data.read_parquet(files) if kind == "parquet" else ray.data.read_json(files)
        names = rows.schema().names
        if column not in names:
            raise EmbeddingError(f"no column {column!r}, only {', '.join(map(repr, names))}")
        embedded = rows.map_batches(
            BatchEmbedder,
            fn_constructor_args=(str(weights),),
            fn_constructor_kwargs=how,
            batch_format="pyarrow",
            batch_size=batch_size,
            num_cpus=cpus,
            compute=ray.data.ActorPoolStrategy(size=actors),
        )
        options = {} if compression is None else {"compression": compression}
        with new_directory(output, (), DESCRIPTION) as aside:
            embedded.write_parquet(str(aside), **options)
            written = _count(aside)
            values = {"format": "spacy-elmo vectors", "n_rows": written, **spec.to_dict()}
            write_json(aside / DESCRIPTION, values)
    return written


def import_ray() -> Any:
    """Import Ray with its data library.

    Raises:
        EmbeddingError: If it cannot be imported.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EmbeddingError(
            f'this needs Ray, which cannot be imported ({error}): pip install "spacy-elmo[ray]"'
        ) from error
    return ray


def _spec(weights: str | Path, how: dict[str, Any]) -> Spec:
    names = ("lang", "tokenized", "precision")
    source = open_source(weights, **{name: how[name] for name in names})
    choice = choose_layers(how["layers"], source.lm.config.n_outputs)
    return source.spec(choice, how["dtype"], how["pool"])


def _files(inputs: Sequence[str | Path]) -> tuple[str, list[str]]:
    """The files to read, and of which kind they are."""
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for each in map(Path, inputs):
        if not each.exists():
            raise FileNotFoundError(f"no such file or folder: {each}")
        paths = sorted(each.rglob("*")) if each.is_dir() else [each]
        for path in paths:
            for kind, suffixes in _KINDS.items():
                if path.is_file() and path.name.lower().endswith(suffixes):
                    found[kind].append(str(path.absolute()))
    kinds = [kind for kind, files in found.items() if files]
    if len(kinds) != 1:
        what = "both Parquet and JSONL files" if kinds else "no .parquet and no .jsonl file"
        raise EmbeddingError(f"{', '.join(map(str, inputs))}: {what}; give folders of one kind")
    return kinds[0], found[kinds[0]]


def _check_output(output: Path, force: bool) -> None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not force:
        raise FileExistsError(f"{output} exists already: give another name, or force to replace it")
    if not (output / DESCRIPTION).is_file():
        raise FileExistsError(f"{output} exists and holds no vectors, so it is not replaced")


@contextmanager
def _session(ray: Any, address: str | None) -> Iterator[None]:
    """Within this context Ray can be used; a session that was there stays."""
    if ray.is_initialized():
        yield
        return
    ray.init(include_dashboard=False) if address is None else ray.init(address)
    try:
        yield
    finally:
        ray.shutdown()


def _count(folder: Path) -> int:
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(path).num_rows) for path in folder.glob("*.parquet"))
