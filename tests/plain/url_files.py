"""Files by URL, in fsspec's memory."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

fsspec = pytest.importorskip("fsspec", reason="needs skipstone[distributed]")


@contextmanager
def folder_in_memory() -> Iterator[str]:
    """Give the URL of a folder of its own, which is removed in the end."""
    folder = f"memory://{uuid.uuid4().hex}"
    yield folder
    fsspec.filesystem("memory").rm(folder, recursive=True)


def put(url: str, content: bytes) -> str:
    """Write a file; give its digest."""
    with fsspec.open(url, "wb") as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()
