"""What a user gets: the built wheel and sdist, the entry points, the cheap import."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import Parser
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging import tags
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import spacy_elmo
from tests.installed import python_of, run_first_snippet

ROOT = Path(__file__).parents[1]
BUILT = (
    *("setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md"),
    *("constraints.txt", "Makefile"),
)
# Files of a model folder; the folder itself is made up, so that its packing is tested whatever
# models the checkout holds.
MODEL_FILES = ("config.json", "weights.safetensors", "vocab.txt", "README.md")
# Required, but of no use to most commands, and known to fail on import where its library is broken.
FRAGILE = ("h5py", "ray", "pyarrow", "matplotlib")
# Public names that are for spaCy's objects.
OF_SPACY = {"register_attributes", "set_hooks", "similarity_matrix", "trim", "visual"}
OURS = sorted(
    (point.group, point.name, point.value) for point in distribution("spacy-elmo").entry_points
)


def python(code: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def sources() -> set[str]:
    """The C source of the kernels."""
    paths = (ROOT / "spacy_elmo").rglob("*.[ch]")
    return {str(path.relative_to(ROOT)) for path in paths}


def assets() -> set[str]:
    """Files of the pages that pictures are written into."""
    paths = (ROOT / "spacy_elmo" / "visual" / "assets").iterdir()
    return {str(path.relative_to(ROOT)) for path in paths}


def compiled(names: set[str]) -> set[str]:
    """Of the names of files, those of a compiled extension."""
    return {name for name in names if name.endswith((".so", ".pyd"))}


def modules() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / "spacy_elmo").rglob("*.py")}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist, and a wheel built from it and not from the checkout."""
    pytest.importorskip("build")
    source = tmp_path_factory.mktemp("source")
    for name in BUILT:
        shutil.copy2(ROOT / name, source)
    for name in ("spacy_elmo", "tests"):
        # What is built in place must be built anew, or be no part of what is packed.
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so", "*.pyd")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    probe = source / "spacy_elmo" / "models" / "en_probe"
    probe.mkdir(parents=True)
    for name in MODEL_FILES:
        (probe / name).write_text("{}")
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return target


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf8"))


def test_wheel_contents(wheel):
    (tag,) = tags.parse_tag(wheel.name.removesuffix(".whl").split("-", 2)[2])
    assert wheel.name == f"spacy_elmo-{spacy_elmo.__version__}-{tag}.whl"
    assert tag in set(tags.sys_tags())
    # One wheel for every version of Python; a platform's own, since it may hold compiled kernels.
    assert (tag.interpreter, tag.abi) == ("cp310", "abi3")
    assert tag.platform != "any"
    assert wheel.stat().st_size < 90e6  # the Python Package Index takes 100 MB
    names = set(zipfile.ZipFile(wheel).namelist())
    assert modules() <= names
    assert sources() <= names
    assert assets() <= names
    assert "spacy_elmo/bilm/kernels/_kernels.pyi" in names
    assert {"spacy_elmo/py.typed", "spacy_elmo/catalogue/models.json"} <= names
    for path in (ROOT / "spacy_elmo" / "models").rglob("*"):
        assert path.is_dir() or str(path.relative_to(ROOT)) in names
    assert {f"spacy_elmo/models/en_probe/{name}" for name in MODEL_FILES} <= names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"spacy_elmo"}
    assert any(name.endswith("LICENSE") for name in names)


def test_sdist_contents(dist):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert modules() <= names
    assert sources() <= names
    assert assets() <= names
    assert "spacy_elmo/bilm/kernels/_kernels.pyi" in names
    assert not compiled(names)
    assert "spacy_elmo/catalogue/models.json" in names
    assert {*BUILT, "spacy_elmo/py.typed", "tests/test_packaging.py"} <= names
    assert {f"spacy_elmo/models/en_probe/{name}" for name in MODEL_FILES} <= names


def test_metadata(metadata):
    assert SpecifierSet(metadata["Requires-Python"]) == SpecifierSet(">=3.10,<3.15")
    assert metadata["License-Expression"] == "MIT"
    assert {"ray", "parquet", "plot"} <= set(metadata.get_all("Provides-Extra"))


def test_an_index_shows_the_readme(metadata, dist):
    assert metadata["Description-Content-Type"] == "text/markdown"
    shown, ours = (
        re.sub(r"\]\([^)]*\)", "]()", text.strip())  # links lead elsewhere there, see below
        for text in (metadata.get_payload(), (ROOT / "README.md").read_text("utf8"))
    )
    assert shown == ours
    pytest.importorskip("twine", reason="twine is not installed: `make wheel` installs it")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir())]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout


def test_links_of_the_readme_lead_to_the_address(tmp_path):
    """An index has no files that a relative link could lead to."""
    for name in ("setup.py", "README.md"):
        shutil.copy2(ROOT / name, tmp_path)
    (tmp_path / "spacy_elmo").mkdir()
    shutil.copy2(ROOT / "spacy_elmo" / "__init__.py", tmp_path / "spacy_elmo")
    address = "https://example.org/elmo"
    told = (ROOT / "pyproject.toml").read_text("utf8")
    told, n_places = re.subn(r'^address = ".*"$', f'address = "{address}/"', told, flags=re.M)
    assert n_places == 1
    (tmp_path / "pyproject.toml").write_text(told, "utf8")
    command = [sys.executable, "setup.py", "-q", "egg_info"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    info = (tmp_path / "spacy_elmo.egg-info" / "PKG-INFO").read_text("utf8")
    found = Parser().parsestr(info)
    assert address in (found["Home-page"], *found.get_all("Project-URL", []))
    targets = re.findall(r"\]\(([^)]*)\)", found.get_payload())
    assert len(targets) > 20
    assert [target for target in targets if not target.startswith("https://")] == []
    assert f"{address}/raw/main/docs/bank.svg" in targets
    ours = [target for target in targets if target.startswith(f"{address}/blob/main/")]
    for target in ours:
        path = target.removeprefix(f"{address}/blob/main/").partition("#")[0]
        assert (ROOT / path).exists(), target


def test_the_pinned_versions_are_ones_the_metadata_allows(metadata):
    lines = (ROOT / "constraints.txt").read_text("utf8").splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    required = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    required = [requirement for requirement in required if requirement.marker is None]
    assert {requirement.name for requirement in required} >= {"spacy", "torch", "numpy"}
    for requirement in required:
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_the_make_targets_install_only_pinned_tools():
    pins = (ROOT / "constraints.txt").read_text("utf8")
    tools = re.findall(
        r"^(?:TEST|WHEEL)_TOOLS = (.*)$", (ROOT / "Makefile").read_text("utf8"), re.M
    )
    assert len(tools) == 2
    for tool in ["setuptools", "wheel", *" ".join(tools).split()]:
        assert re.search(rf"^{re.escape(tool)}==", pins, re.M), tool


def test_an_installed_wheel_provides_the_entry_points(wheel, tmp_path):
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True, timeout=120)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from importlib.metadata import distributions\n"
        "(dist,) = distributions(name='spacy-elmo', path=[sys.argv[1]])\n"
        "for point in dist.entry_points:\n"
        "    point.load()\n"
        "    assert sys.modules[point.module].__file__.startswith(sys.argv[1]), point\n"
        "    print(point.group, point.name, point.value)\n"
    )
    result = python(code, str(target), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(tuple(line.split()) for line in result.stdout.splitlines()) == OURS


# Encodes with what was installed, and says which instruction sets there are.
ENCODE = """
import sys; sys.path.insert(0, sys.argv[1])
import spacy_elmo
from spacy_elmo.bilm.kernels import loader
assert spacy_elmo.__file__.startswith(sys.argv[1])
config = spacy_elmo.BiLMConfig(lstm_dim=6, projection_dim=4, char_cnn=None, n_words=4)
lm = spacy_elmo.BiLM(config, ["<S>", "</S>", "<UNK>", "bank"])
print(lm.encode([["the", "bank"]])[0].shape, *loader.offered())
"""


def test_the_wheel_has_the_kernels_where_they_can_be_compiled(wheel, tmp_path):
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if not shutil.which(compiler[0]) or subprocess.run([*compiler, "--version"]).returncode:
        pytest.skip(f"no C compiler: {compiler[0]}")
    (name,) = compiled(set(zipfile.ZipFile(wheel).namelist()))
    assert re.fullmatch(r"spacy_elmo/bilm/kernels/_kernels(\.abi3\.so|\.pyd)", name)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    result = python(ENCODE, str(tmp_path / "site"), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("(3, 2, 8) baseline")


@pytest.mark.soak
def test_the_wheel_runs_the_readmes_first_lines(wheel, tmp_path):
    """What `make wheel` does, but that what is required comes from the environment of the tests."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    pip = [sys.executable, "-m", "pip", "--python", python_of(environment), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, timeout=120)
    (site,) = environment.rglob("site-packages")
    paths = (path for path in sys.path if path.endswith("site-packages"))
    (site / "rest.pth").write_text("\n".join(paths) + "\n")
    run_first_snippet(environment, tmp_path)


@pytest.mark.soak
def test_an_installation_without_a_compiler(dist, tmp_path):
    (sdist,) = dist.glob("*.tar.gz")
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(site), str(sdist)],
        check=True,
        timeout=120,
        env={**os.environ, "CC": "/bin/false"},
    )
    assert not compiled({path.name for path in site.rglob("*")})
    result = python(ENCODE, str(site), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "(3, 2, 8)\n"


def test_the_registered_names():
    assert {(group, name) for group, name, _ in OURS} == {
        ("spacy_architectures", "spacy-elmo.BiLM.v1"),
        ("spacy_architectures", "spacy-elmo.ElmoEmbed.v1"),
        ("spacy_architectures", "spacy-elmo.ElmoListener.v1"),
        ("spacy_cli", "elmo"),
        ("spacy_factories", "elmo"),
        ("spacy_factories", "elmo_senses"),
    }


def test_no_fragile_library_can_break_spacy(tmp_path):
    # spaCy loads every entry point of every plugin in `spacy.blank`.
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({FRAGILE!r}))\n"
        "import spacy\n"
        "from importlib.metadata import distribution\n"
        "for point in distribution('spacy-elmo').entry_points: point.load()\n"
        "print(len(spacy.blank('en')('It works')))\n"
    )
    result = python(code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "2\n"


def test_the_package_alone_imports_nothing_heavy(tmp_path):
    code = (
        "import sys, spacy_elmo\n"
        "print({'torch', 'spacy', 'thinc', 'numpy', 'h5py'} & set(sys.modules))\n"
    )
    assert python(code, cwd=tmp_path).stdout == "set()\n"


def test_public_names_need_no_spacy(tmp_path):
    names = ", ".join(sorted({*spacy_elmo.__all__} - OF_SPACY))
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('spacy', 'thinc', 'h5py')))\n"
        f"from spacy_elmo import {names}\n"
    )
    result = python(code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_unknown_public_name():
    with pytest.raises(AttributeError, match="Bilm"):
        spacy_elmo.Bilm  # noqa: B018
    assert set(spacy_elmo.__all__) <= set(dir(spacy_elmo))


def test_version():
    assert version("spacy-elmo") == spacy_elmo.__version__
