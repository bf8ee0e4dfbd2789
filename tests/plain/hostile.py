"""Names that somebody may put into a machine, a trace or a table, and what a page must not make of them."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from plain.cases import machine

from simulator.report import Report
from simulator.run import simulate
from traces import DenseLayer, Layer, synthetic_trace

ATTACK = "window.attacked=1"
MACHINE_NAME = f"</script><script>{ATTACK}</script>\"'<img src=x onerror={ATTACK}>\u202egnol\u2028&amp;\U0001f9ea"
# A layer's name may have no slash.
LAYER_NAMES = (f"<script>{ATTACK}<script>", f"\" onfocus={ATTACK} tabindex=1 x='", "]]> <!-- 中文 & ${x} `")
CELLS = (f"<img src=x onerror={ATTACK}>", '</script>"', "a,b\nc", "=1+1", '{"mechanism": "<i>", "x": "\'"}')
TEXTS = ("aria-", "data-", "title", "value")
"""Attributes that begin so are read, and never fetched."""


def hostile_report(folder: Path) -> Report:
    """Replay a trace on a machine where every name that can be chosen is hostile."""
    path = synthetic_trace(
        folder / "hostile.npz",
        layers=[Layer(LAYER_NAMES[0], "lstm", 4, 6), Layer(LAYER_NAMES[1], "lstm", 6, 6)],
        sequence_length=2,
        batch_size=3,
        steps=[1, 2],
        dense_layers=[DenseLayer(LAYER_NAMES[2], 6, 5)],
    )
    skipping = {"mechanism": "lookahead", "depth": 8, "refill": 4, "banks": 2}
    return simulate(machine(name=MACHINE_NAME, description=MACHINE_NAME, skipping=skipping, memory={}), path)


class Page(HTMLParser):
    """A page as a browser reads it: elements with their attributes, texts, and which elements were left open."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"{name} is never closed" for name in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.wrong.append(f"{tag} has an attribute twice: {attrs}")
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> closes another element")

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def inside(self, tag: str) -> list[str]:
        """List the texts directly in elements of a kind."""
        return [text for parent, text in self.texts if parent == tag]


def complaints(page: Page) -> list[str]:
    """Say what would make a page run, fetch or style anything that is not its own."""
    found = list(page.wrong)
    scripts = [attributes for name, attributes in page.elements if name == "script"]
    if [one.get("type") for one in scripts] != ["application/json", None]:
        found.append(f"scripts: {scripts}")
    for name, attributes in page.elements:
        if name in {"img", "iframe", "object", "embed", "form", "base", "audio", "video", "image", "use"}:
            found.append(f"an element {name}")
        for key, value in attributes.items():
            given: Any = value or ""
            if key.startswith("on") or key in {"style", "src", "srcset", "action", "formaction", "xlink:href"}:
                found.append(f"{name} has {key}={given}")
            if key == "href" and not given.startswith("#") and given != "data:,":
                found.append(f"{name} leads to {given}")
            if not key.startswith(TEXTS) and "url(" in given and not given.startswith("url(#"):
                found.append(f"{name} fetches {given}")
    return found
