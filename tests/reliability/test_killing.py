"""What `make faults` relies on: processes die when they are told to, and what is damaged is seen; and a few kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reliability import killing
from reliability.dying import Death
from reliability.killing import MOMENTS, Killer
from reliability.processes import forked, of_session
from reliability.promises import ROOT
from reliability.victims import VICTIMS
from reliability.wholeness import content_of, damages, differences, unfinished
from traces import synthetic_trace

WRITER = """\
import os, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from reliability.dying import prepare
prepare()
path = Path(sys.argv[1])
Path("elsewhere").write_text("does not count")
(path / "folder").mkdir()
with (path / "new").open("wb") as file:
    file.write(b"x" * 10_000)
    file.flush()
    os.fsync(file.fileno())
(path / "new").rename(path / "old")
(path / "old").unlink()
"""
LEFT = [[], ["folder"], ["folder", "new"], ["folder", "new"], ["folder", "old"], ["folder"]]
"""What is there after a death before each file event: folder, file, sync, rename, removal; and after none."""


def written_by(death: Death, folder: Path) -> int:
    program = WRITER.format(root=str(ROOT), tests=str(ROOT / "tests"))
    words = [sys.executable, "-c", program, death.folder]
    return subprocess.run(words, cwd=folder, env={**os.environ, **death.environment()}, check=False).returncode


@pytest.mark.parametrize("event", range(1, 7))
def test_a_process_dies_before_the_file_event_that_it_is_told(tmp_path: Path, event: int) -> None:
    out, tally = tmp_path / "out", tmp_path / "tally"
    out.mkdir()
    code = written_by(Death(str(out), event=event, tally=str(tally)), tmp_path)
    assert code == (-signal.SIGKILL if event < 6 else 0)
    assert sorted(path.name for path in out.iterdir()) == LEFT[event - 1]
    assert tally.read_text() == str(min(event, 5))


def test_a_process_dies_in_the_midst_of_a_write(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert written_by(Death(str(out), largest_bytes=4321), tmp_path) == -signal.SIGXFSZ
    assert (out / "new").stat().st_size == 4321


def test_what_lives_on_is_found() -> None:
    script = "sleep 60 & sleep 60 & echo begun; exec sleep 60"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begun\n"
        assert len(of_session(parent.pid)) == 3
        parent.kill()
        parent.wait()
        orphans = of_session(parent.pid)
        assert len(orphans) == 2
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)


def test_a_forked_command_says_what_a_command_line_does(tmp_path: Path) -> None:
    said = tmp_path / "said"
    process = forked(["inspect", "no-such.npz"], tmp_path, Death(str(tmp_path)).environment(), said)
    assert process.wait() == 2
    assert said.read_text() == "error: no-such.npz: found no such file; expected a trace file (.npz)\n"


def test_damage_is_seen_and_what_is_whole_is_not_called_damaged(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "now"
    for home in (whole, folder):
        (home / "store").mkdir(parents=True)
        (home / "results.csv").write_text("a,b\n1,2\n3,4\n")
        (home / "page.html").write_text("<html>")
        (home / "store" / "x.jsonl").write_text('{"key": "1"}\n{"key": "2"}\n')
        synthetic_trace(
            home / "run.npz",
            layers=1,
            hidden_size=4,
            input_size=3,
            sequence_length=2,
            batch_size=2,
            sparsity=0.5,
            steps=[1],
        )
    final, before = content_of(whole), {"page.html": b"<old>"}
    assert damages(folder, before, final) == differences(folder, final) == []
    (folder / ".results.csv.0123.partial").write_text("a,")
    (folder / "store" / "x.jsonl").write_text('{"key": "2"}\n{"ke')
    (folder / "page.html").write_text("<old>")
    assert damages(folder, before, final) == []
    assert unfinished(content_of(folder)) == [".results.csv.0123.partial"]
    assert differences(folder, final) == ["page.html: other bytes", "store/x.jsonl: other bytes"]
    for name, content, wrong in (
        ("results.csv", b"a,b\n1,", "results.csv: 6 bytes that are neither old nor whole"),
        ("store/x.jsonl", b'{"key": "2"}\n{"key": "2"}\n', "store/x.jsonl: a line that is there twice"),
        ("store/x.jsonl", b'{"key": "3"}\n', "store/x.jsonl: a line that no undisturbed run writes"),
        ("run.npz", final["run.npz"][:-9], "run.npz: InputError"),
        ("page.html", None, "page.html: gone"),
    ):
        path = folder / name
        kept = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)
        found = damages(folder, before, final)
        assert len(found) == 1
        assert found[0].startswith(wrong)
        path.write_bytes(kept)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS[1:3])
def test_a_round_of_kills_leaves_no_damage(tmp_path: Path, moment: str) -> None:
    killer = Killer(tmp_path, seed=1)
    victims = [victim for victim in VICTIMS if victim.kind in ("recording", "sweep", "search by journal")]
    for victim in victims:
        killer.kill(victim, moment, over_old=False)
    assert killer.violations == []
    assert killer.kills.total() + killer.ended_before == len(victims) == 3
    assert killer.resumed == killer.kills.total() > 0
    assert killing.figures_of(killer)["violations"] == 0
