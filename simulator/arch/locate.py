"""Where the shipped machines and tables are: inside the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

import simulator


def config_root() -> Path:
    """Find `arch_configs`.

    A wheel carries it as ``simulator/arch_configs``; an editable install does not, so that the checkout's own
    folder beside the package is looked at next.

    Raises
    ------
    FileNotFoundError
        If neither is there, which is a broken installation and no mistake of the user's.
    """
    package = Path(simulator.__file__).resolve().parent
    for folder in (package / "arch_configs", package.parent / "arch_configs"):
        if (folder / "machines").is_dir():
            return folder
    raise FileNotFoundError(f"arch_configs is neither in {package} nor beside it: reinstall skipstone")


def may_be_there(path: Path) -> bool:
    """Whether something stands at a path, or whoever opens it shall tell why that cannot be known (a name too long)."""
    try:
        return path.exists()
    except OSError:
        return True


def arch_names() -> list[str]:
    """List the shipped machines by file name, sorted."""
    return sorted(path.stem for path in (config_root() / "machines").glob("*.yaml"))


def energy_table_names() -> list[str]:
    """List the shipped energy tables by file name, sorted."""
    return sorted(path.stem for path in (config_root() / "energy").glob("*.yaml"))
