"""Which instruction sets there are, and which one is used."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from spacy_elmo.bilm.inference.lstm import FastLayer
from spacy_elmo.bilm.kernels import loader, lstm_cell, lstm_output
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.errors import ElmoError

FOLDER = Path(loader.__file__).parent
BUILT = [path for path in FOLDER.glob("_kernels*") if path.suffix in (".so", ".pyd")]
CPUINFO = Path("/proc/cpuinfo")
NEEDS = {
    "avx2": {"avx2", "fma"},
    "avx512": {"avx2", "fma", "avx512f", "avx512vl", "avx512bw", "avx512dq"},
}
# Names of the registers that a set's machine code must have.
REGISTERS = {"baseline": "xmm", "avx2": "ymm", "avx512": "zmm"}
# An arithmetic instruction that a kernel must do in them: of whole registers, not of one number.
ARITHMETIC = {
    "lstm_cell": "divps",
    "lstm_cell_bf16": "divps",
    "lstm_output": "minps",
    "lstm_output_bf16": "minps",
    "lstm_forward": "divps",
    "lstm_forward_bf16": "divps",
    "lstm_backward": "divps",
    "lstm_backward_bf16": "divps",
    "sampled_softmax": "mulps",
    "sampled_softmax_bf16": "mulps",
    "char_cnn": "addps",
}


def test_what_was_built_is_found() -> None:
    assert bool(loader.offered()) == bool(BUILT)


@pytest.mark.skipif(not BUILT, reason="the kernels were not built")
@pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPUINFO.exists(), reason="not Linux on x86-64"
)
def test_every_set_of_the_processor_is_offered() -> None:
    line = re.search(r"^flags\s*:(.*)$", CPUINFO.read_text("utf8"), re.M)
    assert line is not None
    flags = set(line[1].split())
    expected = [name for name, needed in NEEDS.items() if needed <= flags]
    assert loader.offered() == ("baseline", *expected)


@pytest.mark.skipif(shutil.which("objdump") is None, reason="no objdump here")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="registers of x86-64")
@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.name)
def test_each_set_is_compiled_for_its_registers(path: Path) -> None:
    printed = subprocess.run(["objdump", "-d", str(path)], capture_output=True, text=True)
    found = re.findall(r"<(\w+)_(baseline|avx2|avx512)>:\n(.*?)\n\n", printed.stdout + "\n\n", re.S)
    functions = {(kernel, name): code for kernel, name, code in found if kernel in ARITHMETIC}
    if not functions:
        pytest.skip("names of functions are stripped")
    assert set(functions) == {(kernel, name) for kernel in ARITHMETIC for name in REGISTERS}
    for (kernel, name), code in functions.items():
        register = REGISTERS[name]
        assert re.search(rf"\sv?{ARITHMETIC[kernel]}\s.*%{register}", code), (kernel, name)
        for other in {"ymm", "zmm"} if name == "baseline" else ():
            assert other not in code


def test_the_best_set_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", "1"):
        if value is None:
            monkeypatch.delenv(loader.VARIABLE, raising=False)
        else:
            monkeypatch.setenv(loader.VARIABLE, value)
        if len(loader.offered()) > 1:
            assert loader.in_use() == loader.offered()[-1]


@pytest.mark.parametrize("name", [*loader.offered(), "0"])
def test_the_environment_forces_a_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(loader.VARIABLE, name)
    assert loader.in_use() == (None if name == "0" else name)


def test_a_set_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(loader.VARIABLE, "avx1024")
    with pytest.raises(ElmoError, match=r"SPACY_ELMO_KERNELS is 'avx1024': expected 0 \(off\)"):
        loader.in_use()
    with pytest.raises(ElmoError, match="avx1024"), loader.use("avx1024"):
        pass
    with loader.use("0"):
        assert loader.in_use() is None
    if loader.extension is not None:
        with pytest.raises(ValueError, match="avx1024"):
            loader.extension.lstm_cell("avx1024", False, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1.0)


def test_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    monkeypatch.setattr(loader, "offered", lambda: ())
    assert loader.in_use() is None
    cell = lstm_cell.lstm_cell(torch.float32, torch.float32, torch.device("cpu"))
    assert cell is lstm_cell.by_pytorch
    monkeypatch.setenv(loader.VARIABLE, "avx2")
    with pytest.raises(ElmoError, match="the kernels were not built"):
        loader.in_use()


def test_a_build_of_one_slow_set_leaves_the_work_to_pytorch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    for offered, capability, expected in [
        (("baseline",), "AVX2", None),
        (("baseline",), "AVX512", None),
        (("baseline",), "DEFAULT", "baseline"),
        (("baseline", "avx2"), "AVX2", "avx2"),
    ]:
        loader._best.cache_clear()
        monkeypatch.setattr(loader, "offered", lambda offered=offered: offered)
        monkeypatch.setattr(
            torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability
        )
        assert loader.in_use() == expected
    loader._best.cache_clear()


@pytest.mark.parametrize("module", [lstm_cell, lstm_output], ids=["cell", "output"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", [*loader.offered(), "0"])
def test_a_layer_uses_the_set_in_use(
    monkeypatch: pytest.MonkeyPatch, name: str, dtype: torch.dtype, module: ModuleType
) -> None:
    by_pytorch, compiled = [], []
    calls = module.by_pytorch, module._Compiled.__call__

    def spy(*given: Any) -> None:
        by_pytorch.append(given)
        calls[0](*given)

    def compiled_spy(self: Any, *given: Any) -> None:
        compiled.append(self.instruction_set)
        calls[1](self, *given)

    monkeypatch.setattr(module, "by_pytorch", spy)
    monkeypatch.setattr(module._Compiled, "__call__", compiled_spy)
    inputs, rows = torch.ones(3, 5), torch.arange(3)
    start = torch.zeros(1, 5), torch.zeros(1, 7)
    with loader.use(name), torch.no_grad():
        layer = FastLayer.of(LSTMLayer(7, 5), dtype)
        layer.run(inputs, torch.empty(3, 5), rows, [2, 1], *start, add_inputs=False)
    n_calls = 2 if module is lstm_cell else 3  # and one before the first step
    assert len(by_pytorch) == (n_calls if name == "0" else 0)
    assert compiled == ([] if name == "0" else [name] * n_calls)
