"""Links to files of the repository that are no pages: their names stay, as code, and a missing one is a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform


class RepositoryLinks(SphinxPostTransform):
    """Write links to sources and folders as the names they have; there is no host that they could lead to.

    Before references are resolved, so that pages keep their links and whatever leads nowhere is still a warning.
    """

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace what leads to a file or folder of the repository that is no page."""
        root = Path(self.env.srcdir)
        here = (root / self.env.doc2path(self.env.docname, base=False)).parent
        for node in list(self.document.findall(lambda n: isinstance(n, (download_reference, pending_xref)))):
            target = str(node.get("reftarget", "")).partition("#")[0]
            if not target or node.get("refdomain") not in (None, "", "doc"):
                continue
            path = (root / target.lstrip("/")) if target.startswith("/") else here / target
            if path.exists() and not self._is_page(path, root):
                node.replace_self(nodes.literal("", node.astext()))

    def _is_page(self, path: Path, root: Path) -> bool:
        name = path.resolve().relative_to(root.resolve()).as_posix()
        return self.env.path2doc(name) in self.env.all_docs if path.is_file() else False


def _without_downloads(app: Sphinx, env: BuildEnvironment) -> None:
    """Copy none of the files that links name: they are in the repository."""
    env.dlfiles.clear()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_post_transform(RepositoryLinks)
    app.connect("env-updated", lambda app, env: _without_downloads(app, env))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
