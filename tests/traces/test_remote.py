"""Traces by URL: fetched once, known by their digest, and told where they are not what was meant."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plain.url_files import folder_in_memory, fsspec, put

from traces import InputError
from traces.remote import fetch, is_url, kept_at, local_file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "skipstone" / "traces"


@pytest.fixture
def memory() -> Iterator[str]:
    with folder_in_memory() as folder:
        yield folder


def test_a_file_lies_under_its_digest_once(memory: str, cache: Path) -> None:
    digest = put(f"{memory}/a.npz", b"x" * 3_000_000)
    put(f"{memory}/b.npz", b"x" * 3_000_000)
    for url in (f"{memory}/a.npz", f"{memory}/b.npz"):
        path = fetch(url)
        assert (path, path.read_bytes()) == (kept_at(digest), b"x" * 3_000_000)
    assert list(cache.iterdir()) == [cache / f"{digest}.npz"]


def test_what_is_there_is_not_fetched_again_unless_it_is_damaged(memory: str) -> None:
    digest = put(f"{memory}/a.npz", b"right")
    path = fetch(f"{memory}/a.npz", digest)
    fsspec.filesystem("memory").mv(f"{memory}/a.npz", f"{memory}/b.npz")
    assert fetch(f"{memory}/a.npz", digest) == path
    path.write_bytes(b"wrong")
    with pytest.raises(InputError, match="nothing that can be read"):
        fetch(f"{memory}/a.npz", digest)
    assert fetch(f"{memory}/b.npz", digest).read_bytes() == b"right"


def test_another_file_than_the_one_that_is_meant_is_refused_and_not_kept(memory: str, cache: Path) -> None:
    digest = put(f"{memory}/a.npz", b"new")
    with pytest.raises(
        InputError, match=f"a.npz: found a file of SHA-256 {digest}; expected the file of SHA-256 {'0' * 9}"
    ):
        fetch(f"{memory}/a.npz", "0" * 64)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["memory://nowhere/a.npz", "file:///nowhere/a.npz", "nothing://a.npz", "://", "memory://"]
)
def test_what_cannot_be_read_is_told(url: str, cache: Path) -> None:
    with pytest.raises(InputError, match=r"found nothing that can be read \(.+\); expected a trace file"):
        fetch(url)
    assert not cache.exists() or list(cache.iterdir()) == []


def test_a_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"pip install 'skipstone\[distributed\]'"):
        fetch("memory://a.npz")


def test_a_path_stays_a_path() -> None:
    assert local_file("a/b.npz") == Path("a/b.npz")
    assert [is_url(text) for text in ("a.npz", "sample:x", "/a:b", "s3://b/a.npz")] == [False, False, False, True]
