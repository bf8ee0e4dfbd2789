"""The other side of a comparison: one step of ``torch.nn.LSTM`` for every line on stdin, its seconds on stdout.

Run by an interpreter that has PyTorch, as ``torch_steps.py layers hidden T B threads``; it needs nothing else.
The first line on stdout says which PyTorch it is.
"""

from __future__ import annotations

import sys
import time

import torch


def serve(layers: int, hidden: int, T: int, B: int, threads: int) -> None:
    """Answer requests until stdin ends."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(hidden, hidden, layers)
    x = torch.randn(T, B, hidden, requires_grad=True)
    d_hidden = torch.randn(T, B, hidden)
    print(f"PyTorch {torch.__version__}", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        lstm(x)[0].backward(d_hidden)
        print(time.perf_counter() - begin, flush=True)
        x.grad = None
        lstm.zero_grad(set_to_none=True)


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:]))
