"""Without PyTorch everything but its front-end works, and that says which package is missing."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
sys.modules["torch"] = None  # as if it were not installed
import traces, traces.cli, traces.char_lm
try:
    traces.sparsify
except traces.InputError as error:
    print(error)
"""


def test_the_missing_package_is_told_with_the_line_that_installs_it() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "traces.torch_frontend: found no PyTorch; expected the package torch "
        "(hint: pip install 'skipstone[torch]', or pip install torch)\n"
    )
