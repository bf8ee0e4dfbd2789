"""The document around a page: style, script and data in one file, under a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from typing import Any

from simulator.report.html.elements import tag, text
from traces.version import __version__

PACKAGE = "simulator.report.html"
PACKAGES = ("numpy", "numba")  # those that a figure could depend on


@dataclass(frozen=True)
class Provenance:
    """Where a page comes from.

    Attributes
    ----------
    command : str
        The command line that made it; empty where none did.
    sources : tuple of (str, str)
        What it was made of: a label and a file.
    """

    command: str = ""
    sources: tuple[tuple[str, str], ...] = ()


def versions() -> list[tuple[str, str]]:
    """List what made the page: Skipstone, Python, and the packages that compute."""
    return [("Skipstone", __version__), ("Python", platform.python_version())] + [
        (name, metadata.version(name)) for name in PACKAGES
    ]


def read_asset(name: str, package: str = PACKAGE) -> str:
    """Read a style or script that the package ships."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def document(
    title: str,
    body: str,
    sections: Sequence[tuple[str, str]],
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Any = None,
) -> str:
    """Write a whole HTML file.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML of the sections.
    sections : sequence of (str, str)
        Anchor and name of each section, for the list of contents.
    styles, scripts : sequence of str
        More of them, after those of every page.
    data : any, optional
        Plain data for the scripts, which find it as JSON in the element ``page-data``.

    Returns
    -------
    str
        The page's Content-Security-Policy names its own style and script by their SHA-256 and allows nothing else, so
        that text which got through as markup could neither run nor fetch anything.
    """
    style = "\n".join([read_asset("page.css"), *styles])
    script = "\n".join([read_asset("page.js"), *scripts])
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    links = "".join(tag("a", text(name), href=f"#{anchor}") for anchor, name in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="Skipstone {text(__version__)}">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        '<a class="skip-link" href="#content">To the content</a>\n'
        '<header class="bar"><span class="word">Skipstone</span>'
        f'<nav aria-label="Sections">{links}</nav>'
        '<button type="button" id="theme" class="quiet-button" aria-label="Colours: as the system">'
        '<span aria-hidden="true" class="dial"></span><span class="theme-name">auto</span></button></header>\n'
        f'<main id="content">\n{body}\n</main>\n'
        f"<footer><p>Made by Skipstone {text(__version__)}. This file fetches nothing.</p></footer>\n"
        '<div id="tip" role="tooltip" hidden></div>\n'
        f'<script type="application/json" id="page-data">{as_data(data)}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def as_data(data: Any) -> str:
    """Write plain data as JSON that no text in it can end: ``<`` and its like stand as escapes."""
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return content.translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
