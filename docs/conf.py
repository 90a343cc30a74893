"""The documentation site: Sphinx reads the Markdown of this folder (`make docs`).

Sphinx, because it reads the docstrings from the objects themselves, checks links between pages and
their anchors, can turn each warning into an error, and brings a search that needs no server.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import spacy_elmo  # noqa: E402

project = "spacy-elmo"
copyright = "spacy-elmo contributors, MIT licence"  # noqa: A001
version = release = spacy_elmo.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "commands",
    "docstrings",
    "pages",
    "settings",
]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_ext", "**/.ipynb_checkpoints"]
smartquotes = False  # quotes in docstrings are code

# Markdown: anchors of headings as on code hosting sites, so that links work in both places.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

# Notebooks are stored with their outputs (`make notebooks`): they are shown, not executed.
nb_execution_mode = "off"

# Docstrings are in Google style, with code in single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"spacy-elmo {version}"
html_show_sourcelink = False
html_copy_source = False
html_last_updated_fmt = None  # the same input gives the same bytes
html_theme_options = {"navigation_with_keys": True}
