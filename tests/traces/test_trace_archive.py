"""The archive that the writer makes is a plain zip of plain `.npy` files, of any size."""

from __future__ import annotations

import zipfile

import numpy as np
from plain import plain_trace

from traces import archive, synthetic_trace


def test_more_members_than_a_plain_zip_can_count_use_zip64(tmp_path):
    path = tmp_path / "many.zip"
    member, data = archive.encode("m", np.arange(3, dtype=np.uint8))
    members = []
    with path.open("wb") as file:
        for index in range(65_536):
            named = archive.Member(f"m{index}", *list(vars(member).values())[1:])
            members.append(archive.append(file, named, data, file.tell()))
        file.write(archive.directory(members, file.tell()))
    with zipfile.ZipFile(path) as file:
        assert len(file.namelist()) == 65_536
        assert file.read("m65535.npy") == file.read("m0.npy")
    reader = archive.ArchiveReader(path)
    try:
        assert reader.read("m65535", "u", (3,), "three bytes").tolist() == [0, 1, 2]
    finally:
        reader.close()


def test_offsets_beyond_four_gibibytes_use_zip64(tmp_path):
    path = tmp_path / "far.npz"
    member, data = archive.encode("far", np.arange(3, dtype=np.uint8))
    start = 2**32 + 5
    with path.open("wb") as file:
        file.seek(start)  # a hole: the file takes no room
        far = archive.append(file, member, data, start)
        file.write(archive.directory([far], archive.end_of(far)))
    reader = archive.ArchiveReader(path)
    try:
        assert reader.read("far", "u", (3,), "three bytes").tolist() == [0, 1, 2]
        assert reader.copy("far") == (member, data)
    finally:
        reader.close()


def test_npy_bytes_are_those_of_numpy(tmp_path):
    path = synthetic_trace(
        tmp_path / "x.npz", input_size=3, hidden_size=5, sequence_length=4, batch_size=3, values=True
    )
    _, members = plain_trace.load(path)
    with zipfile.ZipFile(path) as file:
        for name, array in members.items():
            np.save(tmp_path / "one.npy", array)
            assert file.read(name + ".npy") == (tmp_path / "one.npy").read_bytes()
