"""The directive `elmo-commands`: every command of `spacy elmo`, from its own help."""

from __future__ import annotations

from typing import Any

import click
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command

from spacy_elmo.cli.app import app


def markdown() -> list[str]:
    """Lines of Markdown: a section per command, with tables of its arguments and options."""
    group = get_command(app)
    context = click.Context(group, info_name="spacy elmo")
    lines: list[str] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        lines += _command(name, command, click.Context(command, parent=context, info_name=name))
    return lines


def _command(name: str, command: Any, context: click.Context) -> list[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {name}", "", "```text", f"spacy elmo {name} {usage}", "```", ""]
    lines += [*_paragraphs(command.help), ""]
    for kind, title in (("argument", "Argument"), ("option", "Option")):
        parameters = [each for each in command.params if each.param_type_name == kind]
        if parameters:
            lines += [f"| {title} | Default | |", "|---|---|---|"]
            lines += [_row(each) for each in parameters] + [""]
    return lines


def _paragraphs(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines()]


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":
        names = f"`{(parameter.metavar or parameter.name)}`"
    default = parameter.default
    shown = "" if default in (None, (), [], False) or callable(default) else f"`{default}`"
    if parameter.required:
        shown = "required"
    text = " ".join((parameter.help or "").split()).replace("|", "\\|").replace("<", "&lt;")
    return f"| {names} | {shown} | {text} |"


class Commands(SphinxDirective):
    """Parses the Markdown where the directive stands."""

    def run(self) -> list[nodes.Node]:
        """The sections of all commands."""
        node = nodes.section()
        node.document = self.state.document
        self.state.nested_parse(StringList(markdown(), source="commands"), 0, node, match_titles=1)
        return node.children


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("elmo-commands", Commands)
    return {"parallel_read_safe": True}
