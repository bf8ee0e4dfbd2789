"""No source runs what it reads, calls a shell, loads pickles or opens a connection; and the check would see it."""

from __future__ import annotations

import pytest

from reliability.foreign_code import ALLOWED, found_in, sources
from reliability.promises import ROOT

BAD = {
    "eval": "x = eval(text)",
    "eval by another name": "read = eval\nread(text)",
    "exec": "exec('pass')",
    "compile": "compile(text, '', 'exec')",
    "__import__": "__import__(name)",
    "builtins": "from builtins import eval as parse",
    "pickle": "import pickle",
    "pickle within a function": "def f(b):\n    from pickle import loads\n    return loads(b)",
    "a module by a computed name": "import importlib\nimportlib.import_module(name)",
    "pickle by its name": "from importlib import import_module\nimport_module('pickle').loads(b)",
    "marshal": "import marshal as m",
    "shelve": "import shelve",
    "dill": "import dill",
    "joblib": "from joblib import load",
    "allow_pickle": "import numpy as np\nnp.save(f, a, allow_pickle=True)",
    "allow_pickle by a variable": "import numpy as np\nnp.load(f, allow_pickle=trusted)",
    "np.load that says nothing": "import numpy as np\nnp.load(f)",
    "torch.load": "import torch\ntorch.load(f)",
    "torch.load of anything": "import torch\ntorch.load(f, weights_only=False)",
    "read_pickle": "import pandas as pd\npd.read_pickle(f)",
    "a table's eval": "frame.eval(text)",
    "a table's query": "frame.query(f'a > {x}')",
    "shell": "run(words, shell=True)",
    "shell by a variable": "run(words, shell=on)",
    "subprocess": "import subprocess",
    "os.system": "import os\nos.system('ls')",
    "system": "from os import system",
    "os.popen": "import os as o\no.popen('ls')",
    "os.execv": "import os\nos.execv(p, [])",
    "os.posix_spawn": "import os\nos.posix_spawn(p, [], {})",
    "yaml.load": "import yaml\nyaml.load(text)",
    "yaml.load with a full loader": "import yaml\nyaml.load(text, Loader=yaml.FullLoader)",
    "yaml.unsafe_load": "import yaml\nyaml.unsafe_load(text)",
    "yaml.full_load": "from yaml import full_load\nfull_load(text)",
    "a loader of YAML": "import yaml\nclass Ours(yaml.UnsafeLoader): pass",
    "mktemp": "import tempfile\ntempfile.mktemp()",
    "extractall": "archive.extractall(folder)",
    "socket": "import socket",
    "http.server": "from http.server import HTTPServer",
    "urlopen": "from urllib.request import urlopen",
    "urllib.request": "import urllib.request",
    "requests": "import requests",
    "start_server": "import asyncio\nasyncio.start_server(f)",
    "ctypes": "import ctypes",
    "multiprocessing": "import multiprocessing.connection",
}  # fmt: skip
DECENT = {
    "a model's eval": "model.eval()",
    "a query that the source says": "frame.query('a > 1')",
    "a regular expression": "import re\nre.compile('x')",
    "a method of that name": "kernel.compile((a,))",
    "arrays alone": "import numpy as np\nnp.load(f, allow_pickle=False)",
    "weights alone": "import torch\ntorch.load(f, weights_only=True)",
    "safe YAML": "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)\nyaml.safe_load(text)\nyaml.parse(text)",
    "no shell": "run(words, shell=False)",
    "quoting URLs": "from urllib.parse import quote",
    "a temporary file": "import tempfile\ntempfile.mkstemp()",
    "a module of its own": "from . import pickle_jar",
    "a package by its name": "from importlib import import_module\nimport_module('optuna')",
}


@pytest.mark.parametrize("case", BAD)
def test_the_check_sees(case: str) -> None:
    assert found_in(BAD[case])


@pytest.mark.parametrize("case", DECENT)
def test_the_check_lets_through(case: str) -> None:
    assert found_in(DECENT[case]) == []


def test_no_source_runs_or_loads_what_it_reads_or_opens_a_connection() -> None:
    files = list(sources())
    assert len(files) > 300
    found = {
        (path.relative_to(ROOT).as_posix(), name): f"line {line}: {name}: {what}"
        for path in files
        for line, name, what in found_in(path.read_text(encoding="utf-8"))
    }
    assert {place: told for place, told in found.items() if place not in ALLOWED} == {}
    assert set(ALLOWED) == set(found), "an exception that is needed no more"
