"""The documentation site: it builds without a warning, always the same, and leaves nothing out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from typer.main import get_command

import spacy_elmo
from spacy_elmo.cli.app import app
from spacy_elmo.pipeline.factory import DEFAULT_CONFIG
from tests.docs.snippets import ROOT

for tool in ("sphinx", "myst_nb"):
    pytest.importorskip(tool, reason="the site is built with Sphinx and MyST-NB (the extra `docs`)")
OUTSIDE = ("https://fonts.", "//cdn.", '<script src="http')


def build(out: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    command += ["--builder", "html", "--doctree-dir", str(out / "trees"), str(ROOT / "docs")]
    done = subprocess.run(
        [*command, str(out / "site")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs")
    build(out)
    return out / "site"


def text_of(site: Path, pattern: str) -> str:
    return "\n".join(page.read_text(encoding="utf8") for page in sorted(site.glob(pattern)))


@pytest.mark.soak
def test_twice_the_same_bytes(site: Path, tmp_path: Path) -> None:
    build(tmp_path)
    for page in sorted(site.rglob("*")):
        if page.is_file() and page.name not in ("objects.inv", ".buildinfo"):
            assert page.read_bytes() == (tmp_path / "site" / page.relative_to(site)).read_bytes()


def test_every_public_name(site: Path) -> None:
    text = text_of(site, "reference-*.html")
    for name in spacy_elmo.__all__:
        if name != "__version__":
            where = getattr(spacy_elmo, name)
            kind = "module-" if isinstance(where, ModuleType) else ""
            assert f'id="{kind}spacy_elmo.{name}"' in text, (
                f"{name} ({where}) is in no reference page"
            )


def test_every_setting(site: Path) -> None:
    text = text_of(site, "reference-settings.html")
    for name in [*DEFAULT_CONFIG, *DEFAULT_CONFIG["model"]]:
        if name not in ("model", "@architectures"):
            assert f">{name}<" in text, f"{name} is not among the settings"


def test_every_command_and_option(site: Path) -> None:
    text = text_of(site, "reference-commands.html")
    group = get_command(app)
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert f"spacy elmo {name} " in text.replace("\n", " ")
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else []:
                assert f">{option}<" in text, f"{name} {option}"


def test_nothing_from_outside(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf8")
        assert not [each for each in OUTSIDE if each in text], page


def test_each_page_says_what_it_is_for(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        lines = [line for line in page.read_text(encoding="utf8").splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith("<!--")]
        assert lines[0].startswith("# "), page
        assert not lines[1].startswith(("#", "|", "```", "-")), page


def test_the_entry_for_the_spacy_universe() -> None:
    entry = json.loads((ROOT / "docs/universe.json").read_text(encoding="utf8"))
    assert entry["id"] == "spacy-elmo"
    assert set(entry["category"]) <= {"pipeline", "training", "research"}
    exec("\n".join(entry["code_example"]), {})


def test_the_citation_names_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf8")
    assert f"\nversion: {spacy_elmo.__version__}\n" in text
