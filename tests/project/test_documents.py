"""Documents that a reader can follow, and files that know nothing of the machine they were written on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import simulate
from simulator.explore import enumerate_grid, load_space
from simulator.explore.evaluate import evaluate
from simulator.explore.measures import said
from simulator.report.terminal import render

ROOT = Path(__file__).resolve().parents[2]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# A file or folder of the project named in running text, such as `simulator/arch/` or `MODEL.md`.
NAMED = re.compile(r"`((?:simulator|traces|arch_configs|notebooks|tests)/[\w./-]*|[A-Z]{4,}\.md)`")

OURS_ALONE = {
    "a path of one machine": re.compile(r"(?<![\w.])/(work|farm|root|tmp/bash_jobs|home/\w)/"),
    "a registry of one site": re.compile(r"index-url|PIP_(EXTRA_)?INDEX|find-links", re.IGNORECASE),
    "a host of one site": re.compile(r"://(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)"),
}


def files() -> Iterator[Path]:
    """Walk the project's own files: no hidden folders but .ci, no virtual environment, nothing built."""
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.is_symlink():
                continue
            if not path.is_dir():
                yield path
            elif (path.name == ".ci" or not path.name.startswith(".")) and not (
                path.name in {"__pycache__", "build", "dist", "out"} or (path / "pyvenv.cfg").exists()
            ):
                folders.append(path)


def texts() -> Iterator[tuple[Path, str]]:
    for path in files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


DOCUMENTS = [path for path in files() if path.suffix == ".md"]


def test_the_documents_are_there() -> None:
    names = {str(path.relative_to(ROOT)) for path in DOCUMENTS}
    assert {"README.md", "MODEL.md", "DEVIATIONS.md", "CHANGELOG.md", "traces/README.md"} <= names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    linked = [target.partition("#")[0] for target in LINK.findall(text) if "://" not in target]
    missing = [t for t in linked if t.partition("#")[0] and not (document.parent / t.partition("#")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_the_text_exist(document: Path) -> None:
    named = NAMED.findall(document.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_a_document_lead_to_a_heading(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert [t for t in LINK.findall(text) if t.startswith("#") and t[1:] not in headings] == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}: {line.strip()[:100]}"
        for path, text in texts()
        if path != Path(__file__)
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in OURS_ALONE.items()
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        f"see /{'work'}/x",
        f"cd '/{'root'}/a'",
        "--index-url https://x",
        "http://10.0.0.1/simple",
        "http://localhost:80",
    ],
)
def test_the_patterns_see_what_they_should(line: str) -> None:
    assert any(pattern.search(line) for pattern in OURS_ALONE.values())


@pytest.mark.parametrize("line", ["./work/x", "network/", "https://pypi.org/project/x", "a framework/root/x"])
def test_the_patterns_leave_the_rest(line: str) -> None:
    assert not any(pattern.search(line) for pattern in OURS_ALONE.values())


@pytest.mark.parametrize("machine", ["edge", "training_card", "gpu_lockstep"])
def test_the_page_on_three_machines_says_of_each_what_its_report_says(machine: str) -> None:
    report = simulate(machine, ROOT / "traces" / "samples" / "charlm_t1e-6.npz")
    page = ROOT / "docs" / "explanation" / "three-machines.md"
    told = " ".join(page.read_text(encoding="utf-8").split())
    sentences = report.explain()
    assert f"`{machine}`" in told
    assert " ".join(sentences[0].split()) in told
    limit = next(s for s in sentences if s.startswith("Largest limit"))
    assert " ".join(limit.split()) in told


def test_the_guide_says_of_the_thousand_machines_what_their_rows_say() -> None:
    space = load_space("thousand_machines")
    points = {tuple(str(cell) for _, cell in point.settings): point for point in enumerate_grid(space).points}
    page = ROOT / "docs" / "how-to" / "sweep.md"
    shown = page.read_text(encoding="utf-8").split("frontier thousand/results.csv")[1].split("```")[1]
    _, head, _, *lines = shown.removeprefix("text\n").splitlines()
    rows = [line.split() for line in lines[: lines.index("(and 48 more)")]]
    assert len(head.split()) == len(rows[0]) == 1 + len(space.axes) + 2
    for _, *settings, cycles, area in rows:  # keys change with every key that a machine gets
        row = evaluate(points[tuple(settings)])
        assert [said(name, float(row[name] or 0)) for name in ("cycles_total", "area_mm2")] == [cycles, area]
    assert f"{len(rows) + 48} of {len(points)} rows, which no other one beats" in lines[-1]


def test_readme_shows_what_the_demo_prints() -> None:
    report = simulate("zero_skip", ROOT / "traces" / "samples" / "charlm_t1e-6.npz")
    shown = (ROOT / "README.md").read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    printed = render(report, width=80, color=False)
    for paragraph in shown.split("\n\n"):
        if not paragraph.startswith("(and"):
            assert paragraph.strip() in printed, "paste the output of `make demo` into README.md"
