"""Models of AllenNLP that are damaged, others than they seem, or mean harm."""

from __future__ import annotations

import errno
import os
import pickle
import re
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_elmo.formats import WeightsError, load
from spacy_elmo.formats.state_dict import read_state_dict
from tests.formats.allennlp.make import MODULE, elmo_state, write_model
from tests.formats.allennlp.test_reading import OPTIONS, weights_of
from tests.formats.archives.make import assert_refused, pack
from tests.formats.models import assert_same

BILM = f"{MODULE}._elmo_lstm."
pytestmark = pytest.mark.filterwarnings("ignore:.*its options are neither")


def state() -> dict[str, Any]:
    return elmo_state(weights_of(OPTIONS))


def refused(folder: Path, file: str = "weights.th") -> str:
    """The message by which a folder, and an archive of it, is refused."""
    with pytest.raises(WeightsError) as caught:
        load(folder)
    message = str(caught.value)
    assert str(folder / file) in message
    archive = pack(folder, folder.parent / "m.tar.gz")
    with pytest.raises(WeightsError) as caught:
        load(archive)
    assert f"{archive}: member {file}" in str(caught.value)
    assert not Path(os.environ["SPACY_ELMO_HOME"]).exists()
    return message


class Trap:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("kind", ["new", "old", "bare"])
def test_a_pickle_that_runs_code(tmp_path: Path, kind: str) -> None:
    evil = {**state(), "x": Trap(tmp_path / "sprung")}
    write_model(tmp_path / "m", evil, _use_new_zipfile_serialization=kind == "new")
    if kind == "bare":
        (tmp_path / "m/weights.th").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    refused(tmp_path / "m")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04", b"\x80\x02}.", b"x" * 4000])
def test_no_state_dict(tmp_path: Path, content: bytes) -> None:
    write_model(tmp_path / "m", state())
    (tmp_path / "m/weights.th").write_bytes(content)
    message = refused(tmp_path / "m")
    assert "is no state dict" in message or "is damaged" in message or "is empty" in message


@pytest.mark.parametrize("value", [[1, 2], torch.zeros(3), "x", {"model": {"a": 1}}])
def test_other_things_that_pytorch_saves(tmp_path: Path, value: object) -> None:
    write_model(tmp_path / "m", state())
    torch.save(value, tmp_path / "m/weights.th")
    message = refused(tmp_path / "m")
    assert "expected tensors by name" in message or "holds no ELMo" in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"_token_embedder._projection.weight": None}, "_projection.weight': is missing"),
        ({"_elmo_lstm.backward_layer_1.state_linearity.bias": None}, "is missing"),
        ({"_elmo_lstm.backward_layer_0.input_linearity.weight": None}, "is missing"),
        ({"_token_embedder.char_conv_0.weight": None}, "char_conv_0.weight': is missing"),
        ({"_token_embedder.char_conv_1.bias": torch.zeros(6)}, r"has shape \(6,\), expected"),
        ({"_token_embedder._highways._layers.0.weight": torch.zeros(7, 7)}, "has shape"),
        ({"_token_embedder._char_embedding_weights": torch.zeros(262)}, "expected 2 axes"),
        ({"_token_embedder._char_embedding_weights": torch.zeros(100, 3)}, "make no network"),
        ({"_token_embedder.char_conv_0.weight": torch.zeros(2, 3, 60)}, "make no network"),
        ({"_token_embedder.char_conv_9.weight": torch.zeros(2, 3, 1)}, "is missing"),
        ({"_token_embedder.char_conv_9999.weight": torch.zeros(2, 3, 1)}, "is missing"),
        ({"_token_embedder.extra": torch.zeros(2)}, "extra': is unknown"),
        ({"_elmo_lstm.forward_layer_2.state_projection.weight": torch.zeros(2)}, "is unknown"),
        ({"_elmo_lstm.forward_layer_0.state_projection.weight": torch.zeros(0, 6)}, ""),
        ({"_token_embedder._projection.bias": torch.full((4,), torch.nan)}, "NaN or infinite"),
        ({"_elmo_lstm.forward_layer_0.state_linearity.weight": torch.full((24, 4), 1e400)}, "NaN"),
        ({"_token_embedder._projection.bias": torch.zeros(4, dtype=torch.int32)}, "int32 values"),
        ({"_token_embedder._projection.bias": torch.zeros(4, dtype=torch.bfloat16)}, "bfloat16"),
        *(
            (
                {f"_elmo_lstm.forward_layer_0.state_linearity.{name}": torch.zeros(shape).to(kind)},
                f"state_linearity.{name}': holds {str(kind).removeprefix('torch.')} values",
            )
            for name, shape in (("bias", 24), ("weight", (24, 4)))
            for kind in (torch.int64, torch.bool, torch.float8_e4m3fn)
        ),
        ({"_token_embedder._projection.bias": torch.zeros(4).to_sparse()}, "no plain array"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    tensors = state()
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[BILM + name]
        else:
            tensors[BILM + name] = tensor
    write_model(tmp_path / "m", tensors)
    message = refused(tmp_path / "m")
    assert re.search(expected, message), message
    assert BILM in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scalar_mix_0.gamma": None}, "expected gamma and the numbers of 3 layers"),
        ({"scalar_mix_0.scalar_parameters.1": None}, "expected gamma and the numbers"),
        ({"scalar_mix_0.scalar_parameters.3": torch.zeros(1)}, "expected gamma and the numbers"),
        ({"scalar_mix_0.gamma": torch.zeros(2)}, "is no finite number"),
        ({"scalar_mix_0.gamma": torch.tensor([torch.nan])}, "is no finite number"),
    ],
)
def test_half_a_mix(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    tensors = state()
    for name, tensor in changes.items():
        tensors[f"{MODULE}.{name}"] = tensor
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    write_model(tmp_path / "m", tensors)
    assert expected in refused(tmp_path / "m")


def test_a_state_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_model(tmp_path / "m", state())
    opened = Path.open

    def refusing(path: Path, *how: Any, **named: Any) -> Any:
        if path.suffix == ".th":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *how, **named)

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(WeightsError, match=r"weights\.th: cannot be read .*Permission denied"):
        read_state_dict(folder / "weights.th")


def test_a_tensor_larger_than_the_file(tmp_path: Path) -> None:
    """Nothing repeated a million times, which takes no room until it is used."""
    tensors = state()
    huge = torch.zeros(1, 1).expand(2**20, 2**20)
    tensors[f"{BILM}_token_embedder._char_embedding_weights"] = huge
    write_model(tmp_path / "m", tensors)
    assert "more than the whole file" in refused(tmp_path / "m")


def test_a_bomb_inside_the_state(tmp_path: Path) -> None:
    write_model(tmp_path / "m", state())
    path = tmp_path / "m/weights.th"
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for method, extra in ((ZIP_DEFLATED, b""), (ZIP_DEFLATED, bytes(2**22))):
        with ZipFile(path, "w", ZIP_STORED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            archive.writestr("archive/data/999", extra, method)
        assert "has a compressed part, 'archive/data/999'" in refused(tmp_path / "m")


def test_no_elmo(tmp_path: Path) -> None:
    characters = "b._token_embedder._char_embedding_weights"
    tensors = {"a.weight": torch.zeros(1), characters: torch.ones(1)}
    write_model(tmp_path / "m", tensors)
    assert "holds no ELMo: no tensor's name ends in" in refused(tmp_path / "m")
    assert "(found the modules a, b)" in refused(tmp_path / "m")


def test_a_transformer(tmp_path: Path) -> None:
    module = "text_field_embedder.token_embedder_elmo._lm._contextualizer"
    name = f"{module}._forward_transformer.layers.0.feed_forward.w_1.weight"
    write_model(tmp_path / "m", {name: torch.zeros(1)})
    message = refused(tmp_path / "m")
    assert f"holds a transformer language model at '{module}'" in message
    assert "bidirectional_language_model_transformer" in message


@pytest.mark.parametrize("missing", ["weights.th", "config.json"])
def test_missing_members(tmp_path: Path, missing: str) -> None:
    write_model(tmp_path / "m", state())
    (tmp_path / "m" / missing).unlink()
    assert "is missing" in refused(tmp_path / "m", missing)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"model": NaN}', "[" * 100_000])
def test_a_config_that_is_none(tmp_path: Path, content: str) -> None:
    write_model(tmp_path / "m", state())
    (tmp_path / "m/config.json").write_text(content)
    refused(tmp_path / "m", "config.json")


@pytest.mark.parametrize("model", [None, 1, [], [{"options_file": 1}], {"a": [[{"b": {}}]] * 3}])
def test_a_config_that_describes_nothing(tmp_path: Path, model: object) -> None:
    write_model(tmp_path / "m", state(), described={"model": model})
    assert load(tmp_path / "m").notes


def test_a_vocabulary_is_no_part_of_it(tmp_path: Path) -> None:
    write_model(tmp_path / "m", state())
    with pytest.raises(WeightsError, match=r"reads characters, but .* was given"):
        load(tmp_path / "m", vocab=tmp_path / "m/vocabulary/tokens.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["weights.th", "config.json"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    write_model(tmp_path / "m", state())
    (tmp_path / "m" / name).unlink()
    os.mkfifo(tmp_path / "m" / name)
    with pytest.raises(WeightsError, match=f"{name}: is missing, or is no file"):
        load(tmp_path / "m")


@pytest.mark.parametrize("legacy", [False, True])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_anywhere(tmp_path: Path, legacy: bool, data: st.DataObject) -> None:
    """Cut, or with a byte changed: an error that names the file, or the same values; what PyTorch
    wrote before 1.6 has no checksums, so numbers may be others there."""
    expected = load(write_model(tmp_path / "m", state()))
    folder = write_model(tmp_path / "m", state(), _use_new_zipfile_serialization=not legacy)
    path = folder / "weights.th"
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        damaged = bytearray(whole)
        damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(damaged)
    try:
        lm = load(folder)
    except WeightsError as error:
        message = str(error)
    else:
        message = str(path)
        assert lm.config == expected.config
        if not legacy:
            assert_same(lm, expected)
    assert str(path) in message


# Those that others made


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hostile/traversal_parent", "member '../ELMO_FIXTURE_ESCAPED_parent' has a name that"),
        ("hostile/traversal_absolute", "has an absolute name"),
        ("hostile/traversal_symlink", "member 'out' is a link to '/tmp'"),
        ("hostile/fta_traversal", "has a name that leads out"),
        ("hostile/config_is_symlink", "member 'config.json' is a link"),
        ("hostile/weights_is_hardlink_outside", "member 'weights.th' is a link"),
        ("hostile/weights_is_fifo", "member 'weights.th' is a pipe"),
        ("hostile/bomb_sparse_gnu", "member 'weights.th' is a file with holes"),
        ("hostile/bomb_declared_5GB", "member 'weights.th' says that it has 5,000,000,000 bytes"),
        ("hostile/bomb_gzip_100MB", "member 'weights.th' says that it has 100,000,000 bytes"),
        ("hostile/truncated", "is damaged or truncated after or in member 'weights.th'"),
        ("hostile/malicious_pickle_legacy", "member weights.th: holds something else than tensors"),
        ("hostile/malicious_pickle_zipped", "member weights.th: holds something else than tensors"),
        ("no_elmo_v2", "member weights.th: holds no ELMo"),
        ("transformer_elmo_v0", "holds a transformer language model at '_contextualizer'"),
    ],
)
def test_published_archives(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = shared / "fixtures/published/allennlp" / f"{name}.tar.gz"
    assert_refused(archive, expected)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("config_points_outside", "small_v2"),
        ("fta_missing_points_outside", "small_v0_fta"),
        ("sound_legacy_pickle", "small_v2"),
    ],
)
def test_published_archives_that_are_sound(shared: Path, name: str, base: str) -> None:
    folder = shared / "fixtures/published/allennlp"
    lm = load(folder / f"hostile/{name}.tar.gz")
    assert_same(lm, load(folder / f"{base}.tar.gz"))
    assert lm.notes
