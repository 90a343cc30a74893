"""``python -m spacy_elmo COMMAND``: the same commands as ``spacy elmo COMMAND``."""

from typer.main import get_command

from spacy_elmo.cli.app import app

if __name__ == "__main__":
    get_command(app)(prog_name="python -m spacy_elmo")
