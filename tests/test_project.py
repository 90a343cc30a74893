"""The project of `project.yml`: its smoke workflow in real processes, its package, its assets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.util import load_config
from weasel.cli.assets import project_assets
from weasel.cli.document import project_document
from weasel.cli.run import project_run
from weasel.util import load_project_config

from spacy_elmo import BiLM
from spacy_elmo.formats.front_matter import split_card
from tests.test_packaging import dist, wheel  # noqa: F401  (fixtures)

ROOT = Path(__file__).parents[1]
# Nothing may come from a network.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "OMP_NUM_THREADS": "1"}

# Of the variables: those that are no file a command could check beforehand, and those that name one
# the project neither fetches nor makes.
SETTINGS = {"lang", "text", "weights", "gpu", "seed", "package_name", "package_version"}
INPUTS = {"${vars.heldout}", "${vars.pretrain_config}"}


def run(*command: object, cwd: Path) -> str:
    """Run a command; returns what it printed, and fails with it."""
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**os.environ, **OFFLINE},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def spacy_cli(*arguments: object, cwd: Path) -> str:
    return run(sys.executable, "-m", "spacy", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project alone, where the smoke workflow has run."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy2(ROOT / "project.yml", folder)
    for part in ("configs", "scripts", "tests/smoke"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignore)
    printed = spacy_cli("project", "run", "smoke", ".", cwd=folder)
    assert "Perplexity" in printed
    return folder


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_smoke_makes_every_product(project: Path) -> None:
    built = project / "build" / "smoke"
    lm = BiLM.from_pretrained(built / "bilm")
    assert lm.softmax is not None
    scores = json.loads((built / "scores.json").read_text())
    nlp = spacy.load(built / "training" / "model-best")
    gold = list(DocBin().from_disk(built / "data" / "dev.spacy").get_docs(nlp.vocab))
    tags = Counter(token.tag_ for doc in gold for token in doc)
    (_, most_frequent), *_ = tags.most_common(1)
    assert scores["tag_acc"] > 1.5 * most_frequent / tags.total()
    # The trained pipeline carries the weights it was trained on.
    doc = nlp("The dog sleeps .")
    (layers,) = lm.encode([["The", "dog", "sleeps", "."]])
    assert abs(doc._.elmo_vectors - layers.mean(axis=0)).max() < 1e-5


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_nothing_is_made_twice(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    project_run(project, "smoke")
    printed = capfd.readouterr().out
    for command in ("smoke-pretrain", "smoke-train", "smoke-package"):
        assert f"Skipping '{command}'" in printed


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_spacys_other_tools_need_no_code(project: Path) -> None:
    config = project / "build" / "smoke" / "config.cfg"
    data = project / "build" / "smoke" / "data"
    partial = load_config(config)
    del partial["components"]["elmo"]["frozen"]
    del partial["components"]["tagger"]["model"]["tok2vec"]["embed"]["elmo"]["layer_norm"]
    partial.to_disk(project / "partial.cfg")
    spacy_cli("init", "fill-config", "partial.cfg", "filled.cfg", cwd=project)
    assert load_config(project / "filled.cfg") == load_config(config)
    paths = ("--paths.train", data / "train.spacy", "--paths.dev", data / "dev.spacy")
    printed = spacy_cli("debug", "config", "filled.cfg", *paths, cwd=project)
    assert "Config validation" in printed
    # Pipes that learn labels cannot be assembled, ours or not: `elmo` alone.
    spacy_cli("assemble", "filled.cfg", "assembled", "--nlp.pipeline", '["elmo"]', cwd=project)
    assert spacy.load(project / "assembled")("It works")._.elmo_vectors.shape == (2, 64)
    places = {
        "BiLM.v1": "model/bilm",
        "ElmoEmbed.v1": "listening/embed",
        "ElmoListener.v1": "listening/listener",
    }
    for name, module in places.items():
        printed = spacy_cli(
            "find-function", f"spacy-elmo.{name}", "-r", "architectures", cwd=project
        )
        assert f"spacy_elmo/pipeline/{module}.py" in printed.replace("\n", "").replace("\\", "/")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_package_runs_beside_our_wheel(project: Path, wheel: Path, tmp_path: Path) -> None:  # noqa: F811
    (package,) = (project / "build" / "smoke" / "packages").glob("*.whl")
    with zipfile.ZipFile(package) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = archive.read(name).decode("utf8")
    assert "Requires-Dist: spacy-elmo" in metadata
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps")
    run(*pip, wheel, package, cwd=tmp_path)
    # Everything else (spaCy, PyTorch) from the environment of the tests. A path in a .pth file does
    # not carry that environment's own .pth files along, so not the editable install of ours.
    (site,) = (tmp_path / "venv").rglob("site-packages")
    (site / "rest.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    code = (
        "import en_elmo_smoke, spacy, spacy_elmo\n"
        "nlp = en_elmo_smoke.load()\n"
        "doc = nlp('The dog sleeps .')\n"
        "print(spacy_elmo.__file__)\n"
        "print(doc[1].tag_, doc[1]._.elmo.shape, spacy.load('en_elmo_smoke').pipe_names)\n"
    )
    printed = run(python, "-I", "-c", code, cwd=tmp_path).splitlines()
    assert printed[-2].startswith(str(tmp_path / "venv"))
    assert printed[-1].endswith(" (64,) ['elmo', 'tagger']")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_package_can_go_to_the_hub(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`spacy huggingface-hub push`, with a folder in the hub's place."""
    push = pytest.importorskip(
        "spacy_huggingface_hub.push", reason="spacy-huggingface-hub is not installed"
    )
    (package,) = (project / "build" / "smoke" / "packages").glob("*.whl")
    address, hub = "https://example.org/me/en_elmo_smoke", tmp_path / "hub"

    def upload_folder(*, folder_path: Path, repo_id: str, **others: object) -> str:
        assert repo_id == "me/en_elmo_smoke"
        shutil.copytree(folder_path, hub)
        return f"{address}/tree/main/"

    class Api:
        def create_repo(self, **others: object) -> None:
            pass

    monkeypatch.setattr(push, "HfApi", Api)
    monkeypatch.setattr(push, "whoami", lambda: {"name": "me"})
    monkeypatch.setattr(push, "upload_folder", upload_folder)
    wheel_there = "en_elmo_smoke-any-py3-none-any.whl"
    assert push.push(package) == {
        "url": address,
        "whl_url": f"{address}/resolve/main/{wheel_there}",
    }
    assert (hub / wheel_there).read_bytes() == package.read_bytes()

    meta = srsly.read_json(hub / "meta.json")
    assert {"lang", "license", "components", "performance", "labels", "vectors"} <= meta.keys()
    block, text = split_card((hub / "README.md").read_text("utf8"))
    told = srsly.yaml_loads(block.strip().strip("-"))
    assert told["tags"] == ["spacy", "token-classification"]
    assert told["language"] == ["en"]
    # What the hub has no identifier for, it does not take.
    assert told["license"] == "mit" == meta["license"]
    (results,) = told["model-index"]
    found = {result["task"]["name"]: result["metrics"][0]["value"] for result in results["results"]}
    assert found["TAG"] == meta["performance"]["tag_acc"]
    assert split_card(text) == ("", text)  # spaCy's own text has no second block
    assert "weights of elmo" in text
    # The repository is a pipeline too.
    doc = spacy.load(hub)("The dog sleeps .")
    assert doc._.elmo_vectors.shape == (4, 64)
    assert doc[1].tag_


def raw_commands() -> dict[str, dict[str, Any]]:
    """The commands by name, their variables not filled in."""
    return {each["name"]: each for each in srsly.read_yaml(ROOT / "project.yml")["commands"]}


def made(command: dict[str, Any]) -> set[str]:
    return {*command.get("outputs", []), *command.get("outputs_no_cache", [])}


def inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


@pytest.mark.parametrize("name", raw_commands())
def test_commands_check_their_inputs_beforehand(name: str) -> None:
    command = raw_commands()[name]
    checked = {*command.get("deps", []), *made(command)}
    words = {word for line in command["script"] for word in line.split()}
    paths = {word for word in words if word.startswith("${vars.")}
    paths -= {f"${{vars.{setting}}}" for setting in SETTINGS}
    assert {
        path
        for path in paths
        if not any(inside(path, other) or inside(other, path) for other in checked)
    } == set()


@pytest.mark.parametrize("name", raw_commands())
def test_commands_run_again_where_a_change_goes_unseen(name: str) -> None:
    command = raw_commands()[name]
    unseen = any(var in " ".join(command["script"]) for var in ("${vars.text}", "${vars.weights}"))
    # weasel never skips a command without outputs.
    assert command.get("no_skip", False) == (unseen and bool(made(command)))


def test_modules_it_runs_exist() -> None:
    lines = [line for command in raw_commands().values() for line in command["script"]]
    found = {name for line in lines for name in re.findall(r"-m (evaluation\.\w+)", line)}
    assert len(found) >= 6
    assert all(find_spec(name) for name in found)


def test_workflows_need_what_they_fetch_or_make() -> None:
    """No workflow needs a data set that is fetched only when asked for."""
    project, commands = srsly.read_yaml(ROOT / "project.yml"), raw_commands()
    fetched = {asset["dest"] for asset in project["assets"] if not asset.get("extra")}
    trained = set().union(*(made(commands[name]) for name in project["workflows"]["train"]))
    for workflow, names in project["workflows"].items():
        there = fetched | INPUTS
        if workflow in ("evaluate", "package"):
            there |= trained
        for name in names:
            for dep in commands[name].get("deps", []):
                local = "$" not in dep and not dep.startswith("build") and (ROOT / dep).exists()
                assert local or any(inside(path, dep) for path in there), (workflow, name, dep)
            there |= made(commands[name])


def test_senses_says_what_is_missing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy2(ROOT / "project.yml", tmp_path)
    for folder in ("wic", "coarsewsd20"):
        (tmp_path / "assets" / folder).mkdir(parents=True)
    with pytest.raises(SystemExit):
        project_run(tmp_path, "senses")
    assert "Missing dependency" in (printed := "".join(capfd.readouterr()))
    assert "assets/text/heldout.txt" in printed


def test_wic_is_unpacked_where_it_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy2(ROOT / "project.yml", tmp_path)
    (tmp_path / "assets").mkdir()
    with zipfile.ZipFile(tmp_path / "assets" / "wic.zip", "w") as archive:
        archive.writestr("dev/dev.gold.txt", "T\n")
    project_run(tmp_path, "unpack-wic")
    assert (tmp_path / "assets" / "wic" / "dev" / "dev.gold.txt").read_text() == "T\n"
    project_run(tmp_path, "unpack-wic")
    assert "Skipping 'unpack-wic'" in capfd.readouterr().out


def test_a_local_folder_has_all_the_data(shared: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = os.path.relpath(shared / "eval", ROOT)
    overrides = {"vars.data": data}
    config = load_project_config(ROOT, overrides=overrides)
    # Data sets at hand are unpacked.
    commands = [command for command in config["commands"] if command["name"] != "unpack-wic"]
    needed = [path for command in commands for path in command.get("deps", [])]
    ours = {path for path in needed if path.startswith(data)}
    assert ours
    assert {path for path in ours if not (ROOT / path).exists()} == set()
    for workflow in config["workflows"]:
        project_run(ROOT, workflow, overrides=overrides, dry=True)
    assert f"convert.py ewt {data}/ud-english-ewt" in capfd.readouterr().out


def test_assets_are_those_we_measured_with(
    shared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"tried to download {arguments}")

    monkeypatch.setattr("weasel.cli.assets.download_file", refuse)
    overrides = {"vars.data": os.path.relpath(shared / "eval", ROOT)}
    project_assets(ROOT, overrides=overrides)
    assert capsys.readouterr().out.count("Skipping download with matching checksum") == 6


def test_the_documentation_is_up_to_date(tmp_path: Path) -> None:
    fresh = tmp_path / "project.md"
    shutil.copy2(ROOT / "docs" / "project.md", fresh)
    project_document(ROOT, fresh, no_emoji=True)
    # The generator links as if the page stood beside project.yml.
    text = fresh.read_text("utf8").replace("](project.yml)", "](../project.yml)")
    assert text == (ROOT / "docs" / "project.md").read_text("utf8"), (
        "run: python -m spacy project document . --no-emoji --output docs/project.md, and "
        "set the link to ../project.yml"
    )


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf8"))
    files = [target for target in targets if "://" not in target]
    assert [target for target in files if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.cfg")), ids=lambda p: p.name)
def test_configs_are_complete(path: Path) -> None:
    config = load_config(path)
    assert spacy.util.load_model_from_config(config, auto_fill=False).config == config
