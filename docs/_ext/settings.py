"""The directive `settings`: the parameters of a registered function or config, with defaults.

Its argument names a function or a dataclass; what each parameter means is read from the docstring.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

REQUIRED = object()


def markdown(path: str) -> list[str]:
    """Lines of Markdown: a table with name, default and meaning.

    Raises:
        ValueError: If the docstring leaves a parameter out.
    """
    module, name = path.rsplit(".", 1)
    target = getattr(importlib.import_module(module), name)
    defaults, texts = _defaults(target), _texts(inspect.getdoc(target) or "")
    missing = sorted(defaults.keys() - texts.keys())
    if missing:
        raise ValueError(f"the docstring of {path} does not say what these are: {missing}")
    lines = ["| setting | default | what it does |", "|---|---|---|"]
    for key, value in defaults.items():
        shown = "required" if value is REQUIRED else f"`{_config_value(value)}`"
        lines.append(f"| `{key}` | {shown} | {texts[key]} |")
    return lines


def _defaults(target: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(target):
        return {field.name: _default(field) for field in dataclasses.fields(target)}
    parameters = inspect.signature(target).parameters.items()
    return {
        name: REQUIRED if each.default is each.empty else each.default for name, each in parameters
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED


def _config_value(value: Any) -> str:
    """As a config file spells it."""
    if dataclasses.is_dataclass(value):
        return json.dumps(dataclasses.asdict(value))  # type: ignore[call-overload]
    return json.dumps(value)


def _texts(docstring: str) -> dict[str, str]:
    """Descriptions under `Args:` and `Attributes:`, by name."""
    texts: dict[str, str] = {}
    inside, name = False, ""
    for line in docstring.splitlines():
        if line in ("Args:", "Attributes:"):
            inside = True
        elif line and not line.startswith(" "):
            inside = False
        elif inside and (match := re.match(r"    (\w[\w, ]*): (.*)", line)):
            name = match[1]
            for each in name.split(", "):
                texts[each] = match[2]
        elif inside and name and line.strip():
            for each in name.split(", "):
                texts[each] += f" {line.strip()}"
    return {key: text.replace("|", "\\|") for key, text in texts.items()}


class Settings(SphinxDirective):
    """Parses the table where the directive stands."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table."""
        node = nodes.container()
        lines = markdown(self.arguments[0])
        self.state.nested_parse(StringList(lines, source=self.arguments[0]), 0, node)
        return node.children


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True}
