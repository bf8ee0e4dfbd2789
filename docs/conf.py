"""The site: `make docs` builds it, with warnings as errors.

Sphinx's source folder is the root of the project, so that links between documents (MODEL.md, traces/README.md,
notebooks/*.py) lead to the same pages on the site as in the repository; which files are pages says `include_patterns`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]

from traces.version import __version__  # noqa: E402 - it lies in ROOT

project = "Skipstone"
author = "The Skipstone founders"
project_copyright = "The Skipstone founders, Apache-2.0"
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "written_pages",
    "repository_links",
]

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.py",
    "notebooks/study/*.md",
    "MODEL.md",
    "DEVIATIONS.md",
    "CHANGELOG.md",
    "BENCHMARKS.md",
    "traces/README.md",
    "traces/samples/README.md",
]
exclude_patterns = [".*", "build", "dist", "out", "tests", "simulator", "**/__pycache__", "docs/_*"]
nitpicky = True
default_role = "code"

# --- Markdown and notebooks ---------------------------------------------------------------------------------------

source_suffix = {".md": "myst-nb", ".py": "myst-nb"}
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
# The tests execute the notebooks. `make docs EXECUTE=cache` does so here, too, and keeps the outputs in build/docs.
nb_execution_mode = os.environ.get("SKIPSTONE_DOCS_EXECUTE", "off")
nb_execution_cache_path = str(ROOT / "build" / "docs" / "executed")
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_merge_streams = True

# --- Docstrings ---------------------------------------------------------------------------------------------------

autodoc_mock_imports = ["torch", "optuna", "dask", "distributed"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = True
napoleon_use_ivar = True
# Types are words for people ("path-like", "int64 [rows, columns]"): no word of them must be, or be only one, target.
nitpick_ignore_regex = [("py:.*", ".*")]
suppress_warnings = ["ref.python"]


def setup(app: Sphinx) -> None:
    """Leave out what pydantic says of every model."""
    app.connect("autodoc-skip-member", lambda app, what, name, obj, skip, options: skip or name == "model_config")


# --- HTML ---------------------------------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"Skipstone {release}"
html_extra_path = ["_root"]
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
