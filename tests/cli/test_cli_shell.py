"""The frame around the commands: both ways to call it, laziness, errors as one line."""

import subprocess
import sys
import warnings
from importlib import import_module, reload

import pytest
from typer.testing import CliRunner

from spacy_elmo import CheckpointError, CorpusError, TrainingError, WeightsError, __version__
from spacy_elmo.cli import app as shell

# The two ways users call the commands; both as real processes.
PROGRAMS = (("spacy_elmo",), ("spacy", "elmo"))


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_help_lists_every_command():
    listed = CliRunner().invoke(shell.app, ["--help"]).output.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line[2:3].strip()] == list(
        shell.COMMANDS
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_runs_a_command(program):
    result = run(*program, "info")
    assert result.returncode == 0, result.stderr
    assert "spacy-elmo" in result.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_bad_input_is_one_line_and_a_failure(program, tmp_path):
    result = run(*program, "info", str(tmp_path / "absent"))
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert "absent" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout


@pytest.mark.parametrize("name", shell.COMMANDS)
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(shell.app, [name, "--help"])
    assert result.exit_code == 0, result.output
    description = result.output.partition("\n\n")[2].lstrip()
    assert description
    assert not description.startswith("Options")


@pytest.mark.parametrize("name", shell.COMMANDS)
def test_command_files_import_nothing_heavy(name):
    code = (
        "import sys\n"
        f"import spacy_elmo.cli.app, spacy_elmo.cli.{name.replace('-', '_')}\n"
        "heavy = {'torch', 'spacy', 'thinc', 'numpy', 'h5py', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_unknown_command():
    result = CliRunner().invoke(shell.app, ["infoo"])
    assert result.exit_code == 2
    assert "infoo" in result.output


def test_traceback_on_request(tmp_path):
    result = CliRunner().invoke(shell.app, ["--traceback", "info", str(tmp_path / "absent")])
    assert isinstance(result.exception, (OSError, ValueError))


@pytest.mark.parametrize("error", [TrainingError, CheckpointError, CorpusError, WeightsError])
def test_errors_of_the_package_are_one_line(error, monkeypatch, tmp_path):
    def fail(*args, **options):
        raise error("wrong, in words")

    monkeypatch.setattr("spacy_elmo.pretraining.pretrain.stopped_by", fail)
    arguments = ["pretrain", str(tmp_path), str(tmp_path / "out"), "--tokens", "1"]
    result = CliRunner().invoke(shell.app, arguments)
    assert result.exit_code == 1
    assert result.stderr == "Error: wrong, in words\n"
    assert isinstance(CliRunner().invoke(shell.app, ["--traceback", *arguments]).exception, error)


def test_a_broken_command_is_felt_by_no_other(monkeypatch):
    monkeypatch.setattr(shell, "COMMANDS", (*shell.COMMANDS, "broken"))
    monkeypatch.setitem(sys.modules, "spacy_elmo.cli.broken", None)  # import raises
    assert CliRunner().invoke(shell.app, ["info"]).exit_code == 0
    assert isinstance(CliRunner().invoke(shell.app, ["broken"]).exception, ImportError)


def test_a_spacy_without_our_mounting_point_only_loses_our_commands(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plugin = import_module("spacy_elmo.cli.spacy_plugin")
    monkeypatch.setitem(sys.modules, "spacy.cli._util", None)  # import raises
    with pytest.warns(UserWarning, match="python -m spacy_elmo"):
        reload(plugin)
    assert plugin.app is shell.app


def test_version():
    result = CliRunner().invoke(shell.app, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"spacy-elmo {__version__}\n"
