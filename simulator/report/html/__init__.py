"""The report as one HTML file: nothing is fetched, every text is escaped, and a browser runs only our own script.

`run_page` lays a run out; `shell` is the document around it, which the page of a sweep shares; `elements` writes tables
and marks; `charts`, `roofline` and `diagram` draw. Style and script are files beside them.
"""

from simulator.report.html.run_page import run_page
from simulator.report.html.shell import Provenance, document, read_asset, versions

__all__ = ["Provenance", "document", "read_asset", "run_page", "versions"]
