"""What weights of other kinds look like, to name them where they cannot be read.

Nothing is looked at but names and first bytes.
"""

from __future__ import annotations

from pathlib import Path

# First bytes, and what such a file is.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive, or what PyTorch and numpy save as one"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x93NUMPY", "a numpy array"),
    (b"GGUF", "a GGUF model"),
    (b"\x80\x02", "a pickle, perhaps saved by PyTorch, which can run any code"),
    (b"\x80\x03", "a pickle, perhaps saved by PyTorch, which can run any code"),
    (b"\x80\x04", "a pickle, perhaps saved by PyTorch, which can run any code"),
    (b"\x80\x05", "a pickle, perhaps saved by PyTorch, which can run any code"),
)
_TAR = (257, b"ustar")
_UNPACK = "Unpack it, and give the path of the weights in it"
_TENSORFLOW = "Give the path of its .index, with its files .data-... beside it"
_SAVED_MODEL = (
    "Only modules of the network of bilm-tf can be read, with their files in variables/ and their "
    "options given as `options`"
)
# Parts of models that are folders.
_PARTS = frozenset(
    {"config.json", "weights.safetensors", "softmax.safetensors", "vocab.txt"}
    | {"encoder.pkl", "token_embedder.pkl", "char.dic", "word.dic"}
)
_BYTES = 512

# Endings of what other libraries save: no directory is to bear one by mistake.
FOREIGN_SUFFIXES = (
    *(".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".npz", ".npy", ".onnx", ".gguf", ".pb"),
    *(".safetensors", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".json", ".txt"),
)


def describe(path: Path) -> tuple[str, str]:
    """What a path that holds no weights of ours is.

    Args:
        path: A file or folder.

    Returns:
        What it is, or what is in it, and what to do about it, "" if nothing special.
    """
    return _folder(path) if path.is_dir() else _file(path)


def _folder(path: Path) -> tuple[str, str]:
    names = sorted(file.name for file in path.iterdir())
    there = set(names)
    if any(".data-" in name or name.endswith((".meta", ".index")) for name in names):
        return "a checkpoint of TensorFlow", _TENSORFLOW
    if "saved_model.pb" in there or "tfhub_module.pb" in there:
        return "a saved model of TensorFlow", _SAVED_MODEL
    if there & {"config.cfg"} and "meta.json" in there:
        return "a pipeline of spaCy", (
            "Load it with `spacy.load`, or give the folder of its component: elmo/model"
        )
    if "corpus.json" in there or "tokens.npy" in there:
        return "a prepared corpus", "Train weights on it with `spacy elmo pretrain`"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"found {', '.join(names[:8]) or 'nothing'}{more}", ""


def _file(path: Path) -> tuple[str, str]:
    if not path.is_file():
        return "a file of an unknown kind", ""  # a pipe or device is not looked into
    if path.name in _PARTS:
        return f"a part of a model, {path.name}", "Give the path of the folder that it is in"
    if path.suffix in (".index", ".meta") or ".data-" in path.name or path.suffix == ".ckpt":
        return "a part of a checkpoint of TensorFlow", _TENSORFLOW
    if path.suffix.lower() == ".json":
        return "a JSON file", "Give the path of the weights beside it, or of their folder"
    with path.open("rb") as file:
        first = file.read(_BYTES)
    for signature, what in _SIGNATURES:
        if first.startswith(signature):
            packed = "archive" in what or what.endswith(" file")
            return what, _UNPACK if packed else ""
    if first[_TAR[0] :].startswith(_TAR[1]):
        return "a tar archive", _UNPACK
    return "a file of an unknown kind", ""
