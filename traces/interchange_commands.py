"""`skipstone import` and `skipstone export`: matrices and trace folders of other programs."""

from __future__ import annotations

from pathlib import Path

import click

from traces.completion import complete_trace
from traces.program import say


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The trace to write (.npz).")
@click.option("--columns", type=int, default=None, help="Of a matrix: columns N of the other operand.  [default: 64]")
@click.option("--layer", "layers", multiple=True, help="Of a DNNsim folder: only this layer; may be repeated.")
@click.option(
    "--params",
    type=click.Path(path_type=Path),
    default=None,
    help="Of a DNNsim folder: its trace_params.csv.  [default: in the folder, or in ../../models/NET]",
)
@click.option("--force", is_flag=True, help="Replace an existing trace at --out.")
@click.option("--quiet", is_flag=True, help="Do not tell what the trace holds.")
def import_data(
    source: Path, out: Path, columns: int | None, layers: tuple[str, ...], params: Path | None, force: bool, quiet: bool
) -> None:
    """Make a trace of SOURCE, so that all else works on it.

    SOURCE is a matrix (.npy; .mtx or scipy sparse .npz with scipy installed), whose product is the trace's dx: rows on
    lanes, K = its columns. Or it is a trace folder of DNNsim, the TensorDash group's simulator: net_traces/NET with
    input, outGrad and trace_params.csv.
    """
    from traces.dnnsim import import_dnnsim
    from traces.errors import InputError
    from traces.interchange import DEFAULT_COLUMNS, import_matrix
    from traces.statistics import total, trace_rows
    from traces.trace import Trace

    if out.exists() and not force:
        raise InputError.of(str(out), "an existing file", "a new one", "--force replaces it")
    if source.is_dir():
        if columns is not None:
            raise InputError.of("--columns", f"{columns} with a folder", "--columns with a matrix alone")
        import_dnnsim(source, out, layers, params)
    else:
        if layers or params is not None:
            given = "--layer" if layers else "--params"
            raise InputError.of(given, "this option with a matrix", f"{given} with a DNNsim folder alone")
        import_matrix(source, out, DEFAULT_COLUMNS if columns is None else columns)
    if quiet:
        return
    with Trace(out) as trace:
        zeros = total(trace_rows(trace))["sparsity"]
        counts = f"{_count(len(trace.layers), 'layer')}, {_count(len(trace), 'step')}"
        rows = f"{trace.sequence_length} x {trace.batch_size} rows"
    say(f"{out}: {counts}, {rows}, {100 * zeros:.1f} % zeros in the gradients")


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path), shell_complete=complete_trace)
@click.option("--step", type=int, default=None, help="The recorded step; may be left out where there is one.")
@click.option("--layer", required=True, help="The layer.")
@click.option("--product", required=True, help="gates_x, gates_h, dh, dx, dW or dU; of a linear layer y, dx or dW.")
@click.option("--time", type=int, default=None, help="Of gates_h and dh: one time step.  [default: all of them]")
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="A file that ends in .npy, .mtx or .npz (scipy sparse); any other name is a DNNsim folder.",
)
@click.option("--force", is_flag=True, help="Replace an existing file at --to.")
@click.option("--quiet", is_flag=True, help="Do not tell the file's name.")
def export_data(
    file: Path, step: int | None, layer: str, product: str, time: int | None, to: Path, force: bool, quiet: bool
) -> None:
    """Write the mask of a product's skip operand, of the trace FILE, for another program.

    As a matrix it is M x K, with the rows as they lie on lanes. A DNNsim folder holds both operands of the layer, with
    dense ones as ones; other layers and steps in it stay.
    """
    from traces.dnnsim import export_dnnsim
    from traces.errors import InputError
    from traces.interchange import export_matrix
    from traces.matrix_files import MATRIX_SUFFIXES
    from traces.trace import Trace

    with Trace(file) as trace:
        if step is None:
            if len(trace) != 1:
                steps = ", ".join(map(str, trace.steps[:8])) + (", ..." if len(trace) > 8 else "")
                raise InputError.of("--step", "nothing", f"one of the recorded steps of {file}: {steps or 'none'}")
            (step,) = trace.steps
        if to.suffix in MATRIX_SUFFIXES:
            if to.exists() and not force:
                raise InputError.of(str(to), "an existing file", "a new one", "--force replaces it")
            export_matrix(trace, step, layer, product, to, time)
        else:
            if time is not None:
                raise InputError.of("--time", f"{time} with a DNNsim folder", "--time with a matrix file alone")
            export_dnnsim(trace, step, layer, product, to)
    if not quiet:
        say(str(to))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
