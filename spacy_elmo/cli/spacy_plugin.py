"""What the ``spacy_cli`` entry point loads: mounts our commands as ``spacy elmo``.

spaCy imports every entry point of that group before any command of its own runs and leaves the
mounting to them, on an app that it keeps in a private module. Should that module move, an
ImportError here would break the whole ``spacy`` command, so it only costs ours.
"""

from __future__ import annotations

import warnings

from spacy_elmo.cli.app import app

try:
    from spacy.cli._util import app as spacy_app
except ImportError as error:
    warnings.warn(
        f"`spacy elmo` could not be added to this version of spaCy ({error}); "
        "use `python -m spacy_elmo` instead",
        stacklevel=2,
    )
else:
    spacy_app.add_typer(app, name="elmo")

__all__ = ["app"]
