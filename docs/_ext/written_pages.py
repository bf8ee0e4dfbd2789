"""Directives for what is written by code: each puts the Markdown of a function into a page, headings too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from click_reference import command_line
from docutils import nodes
from shipped_tables import SHIPPED
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WRITTEN: dict[str, Callable[[], Iterator[str]]] = {"click-commands": command_line, **SHIPPED}


def _directive(write: Callable[[], Iterator[str]]) -> type[SphinxDirective]:
    class Written(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes("\n".join(write()), allow_section_headings=True)

    return Written


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    for name, write in WRITTEN.items():
        app.add_directive(name, _directive(write))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
