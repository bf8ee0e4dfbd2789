"""From a recorded step to its matrix products.

The products, their shapes and their order are the table "Products of a layer" in MODEL.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.workload.product import After, Epilogue, OperandMask, Phase, Product, Structure, Workload
from traces.bitmask import BitMask
from traces.trace import DenseLayer, Layer, LayerRecord, Step, Trace

# Values of state that a layer saves for its backward pass, per hidden unit, beside its gates: h and c; h; none
# (the one gate of a plain recurrent layer is its h, and a linear layer has no state).
SAVED_STATES = {"lstm": 2, "gru": 1, "rnn": 0, "linear": 0}


def lower(trace: Trace, step: Step, known: Structure | None = None, batch_size: int | None = None) -> Workload:
    """List the products of a recorded step in program order.

    Forward: the recorded layers as the header lists them, then the dense layers. Backward: the reverse. Rows that
    ``valid_steps`` declares as padding are absent work: they appear in no product. Where a layer has other real rows
    than the one that it reads (a decoder and its encoder), it waits for all of them.

    Parameters
    ----------
    trace : Trace
        For its layers and shapes.
    step : Step
        One of its steps, or a share of one.
    known : Structure, optional
        Of another step's workload. Where that step is of this trace and has the same real rows, the workloads share the
        structure, and all but the masks is taken from it.
    batch_size : int, optional
        Sequences of the step; by default those of the trace.
    """
    T, B = trace.sequence_length, trace.batch_size if batch_size is None else batch_size
    if isinstance(known, _Lowered) and known.serves(trace, step, B):
        return known.workload(step)
    program = _Program(T, B, step)
    for layer in trace.layers:
        if program.enter(layer.name):
            program.forward(layer, step.layers[layer.name])
    for dense in trace.dense_layers:
        if program.enter(dense.name):
            program.dense_forward(dense)
    for dense in reversed(trace.dense_layers):
        if program.enter(dense.name):
            program.dense_backward(dense)
    for layer in reversed(trace.layers):
        if program.enter(layer.name):
            program.backward(layer, step.layers[layer.name])
    structure = _Lowered(trace, step, program)
    return Workload(step.number, tuple(program.products), program.rows, structure)


class _Source(NamedTuple):
    """Where a mask comes from: the recorded tensor of a layer, all of it or a time step, and which of its rows."""

    layer: str
    tensor: str
    time: int | None
    lanes_hold: Literal["rows", "bits"]
    valid: npt.NDArray[np.bool_] | None  # None: all
    key: tuple[str, ...]  # of the mask

    def of(self, step: Step) -> OperandMask:
        record: BitMask = getattr(step.layers[self.layer], self.tensor)
        packed = record.packed if self.time is None else record.packed[self.time]
        packed = packed.reshape(-1, packed.shape[-1]) if self.valid is None else packed[self.valid]
        return OperandMask(packed, record.bits, self.lanes_hold, self.key)


class _Lowered(Structure):
    """The structure of a lowered step: which masks its products take, for other steps of the same real rows."""

    def __init__(self, trace: Trace, step: Step, program: _Program) -> None:
        super().__init__()
        self._trace, self._recorded, self._valid_steps = trace, _recorded(trace, step), _valid_steps(trace, step)
        self._batch_size = program.B
        self._sources, self._rows = program.sources, program.rows
        number = {id(mask): n for n, mask in enumerate(program.masks)}
        none = len(program.masks)
        self._uses = [
            (index, *(none if mask is None else number[id(mask)] for mask in masks))
            for index, p in enumerate(program.products)
            if any(masks := (p.mask, p.epilogue.store_skip, p.shared_mask))
        ]
        self._products = [p.with_masks(None, None, None) for p in program.products]  # so that no step's masks are kept

    def serves(self, trace: Trace, step: Step, batch_size: int) -> bool:
        """Whether a step, or a share of one, of so many sequences has this structure."""
        if self._trace is not trace or self._batch_size != batch_size or self._recorded != _recorded(trace, step):
            return False
        return all(
            before is after if before is None or after is None else np.array_equal(before, after)
            for before, after in zip(self._valid_steps, _valid_steps(trace, step), strict=True)
        )

    def workload(self, step: Step) -> Workload:
        """Give the workload of a step that has this structure."""
        masks = [*(source.of(step) for source in self._sources), None]
        products = list(self._products)
        for index, mask, stored, shared in self._uses:
            products[index] = products[index].with_masks(masks[mask], masks[stored], masks[shared])
        return Workload(step.number, tuple(products), self._rows, self)


def _recorded(trace: Trace, step: Step) -> list[bool]:
    """Which of the tensors that a step may leave out it has."""
    records = [step.layers[layer.name] for layer in trace.layers]
    return [mask is not None for r in records for mask in (r.input, r.hidden, r.gate_gradient_hidden)]


def _valid_steps(trace: Trace, step: Step) -> list[npt.NDArray[np.int64] | None]:
    names = [layer.name for layer in trace.layers] + [layer.name for layer in trace.dense_layers]
    return [step.valid_steps_of(name) for name in names]


@dataclass
class _Program:
    """The products written so far, and the one whose stored result the next layer reads.

    `makers` are the products that made its rows where a serial chain did, one for each token (t, b). `aligned` says
    whether its rows are the tokens of the layer that was entered.
    """

    T: int
    B: int
    step: Step
    products: list[Product] = field(default_factory=list)
    masks: list[OperandMask] = field(default_factory=list)
    sources: list[_Source] = field(default_factory=list)  # of each mask
    previous: tuple[After, ...] = ()
    makers: npt.NDArray[np.int64] | None = None
    aligned: bool = True
    rows: bytes = b""  # the real time steps of each layer that was entered
    valid: npt.NDArray[np.bool_] = field(init=False)  # [T, B], of the layer that was entered
    rows_before: list[int] = field(init=False)  # tokens before each time step, and all of them
    _made_valid: npt.NDArray[np.bool_] | None = None  # whose rows the stored result has

    def enter(self, layer: str) -> bool:
        """Turn to the real rows of a layer; False where it has none, and so no work."""
        steps = self.step.valid_steps_of(layer)
        if steps is None:
            steps = np.full(self.B, self.T, dtype=np.int64)
        self.rows += steps.tobytes()
        valid = np.arange(self.T)[:, None] < steps[None, :]
        if not valid.any():
            return False
        self.valid = valid
        self.rows_before = [0, *np.cumsum(valid.sum(axis=1)).tolist()]
        self.aligned = self._made_valid is None or np.array_equal(self._made_valid, valid)
        if not self.aligned:
            self.makers = None
        return True

    # --- recorded layers ---------------------------------------------------------------------------------

    def forward(self, layer: Layer, record: LayerRecord) -> None:
        """gates_x = x W for all time steps at once, then gates_h = h U step by step."""
        G, D, H = layer.gates, layer.input_size, layer.hidden_size
        x = None if record.input is None else self._mask(layer, "input")
        if layer.kind == "linear":
            epilogue = Epilogue(store_operand_values=self.tokens * H)
            y = self._add(layer.name, "y", (self.tokens, D, H), x, "W", self.previous, epilogue, made_by=self.makers)
            self._made(y)
            return
        epilogue = Epilogue(store_accumulator_values=self.tokens * G * H)
        shape = (self.tokens, D, G * H)
        made = gates_x = self._add(layer.name, "gates_x", shape, x, "W", self.previous, epilogue, made_by=self.makers)
        made_at: dict[int, int] = {}
        for t in self._times(layer, "forward"):
            m = self.rows_before[t + 1] - self.rows_before[t]
            epilogue = Epilogue(
                load_accumulator_values=m * G * H,
                gate_forward_values=m * G * H,
                store_operand_values=m * H * (G + SAVED_STATES[layer.kind]),
            )
            h = None if record.hidden is None else self._mask(layer, "hidden", t)
            from_below = After(gates_x, on_chip=False, rows=self._rows(t))
            after = (After(made, on_chip=True), from_below) if made_at else (from_below,)
            made = self._add(layer.name, "gates_h", (m, H, G * H), h, "U", after, epilogue, time=t)
            made_at[t] = made
        self._made(made, made_at)

    def backward(self, layer: Layer, record: LayerRecord) -> None:
        """The serial chain dG -> dh -> dG, then dx, dW and dU from all of dG."""
        G, D, H = layer.gates, layer.input_size, layer.hidden_size
        hidden_name = "gate_gradient" if record.gate_gradient_hidden is None else "gate_gradient_hidden"
        if layer.kind == "linear":
            dG = self._mask(layer, hidden_name)
            self._made(self._gates_backward(layer, dG, None))
        else:
            self._chain(layer, hidden_name)
        after = self.previous
        if layer.input_needs_gradient:
            epilogue = Epilogue(store_operand_values=self.tokens * D)
            dG = self._mask(layer, "gate_gradient")
            shape = (self.tokens, G * H, D)
            self._made(self._add(layer.name, "dx", shape, dG, "W'", after, epilogue, made_by=self.makers))
        epilogue = Epilogue(store_accumulator_values=G * H * D)
        dG = self._mask(layer, "gate_gradient", lanes_hold="bits")
        x = None if record.input is None else self._mask(layer, "input", lanes_hold="bits")
        self._add(layer.name, "dW", (G * H, self.tokens, D), dG, "x", after, epilogue, shared_mask=x)
        if layer.kind != "linear":
            epilogue = Epilogue(store_accumulator_values=G * H * H)
            dG = self._mask(layer, hidden_name, lanes_hold="bits")
            h = None if record.hidden is None else self._mask(layer, "hidden", lanes_hold="bits")
            self._add(layer.name, "dU", (G * H, self.tokens, H), dG, "h", after, epilogue, shared_mask=h)

    def _chain(self, layer: Layer, hidden_name: str) -> None:
        """Add dh for every time step; what comes next reads all dG.

        The vector unit makes the first dG alone, for no dh of a later time step is behind it; each dh but the last
        is followed by the dG of the time step before.
        """
        times = self._times(layer, "backward")
        gradients = [self._mask(layer, hidden_name, t) for t in times]
        above = self.previous
        previous = self._gates_backward(layer, gradients[0], times[0])
        made_at = {times[0]: previous}
        for i, t in enumerate(times):
            epilogue = Epilogue()
            last = i + 1 == len(gradients)
            if not last:
                epilogue = self._gate_gradient(layer, gradients[i + 1])
            m, k = gradients[i].shape
            after: tuple[After, ...] = (After(previous, on_chip=True),)
            if not last:
                after += self._of_rows(above, times[i + 1])
            previous = self._add(
                layer.name, "dh", (m, k, layer.hidden_size), gradients[i], "U'", after, epilogue, time=t
            )
            if not last:
                made_at[times[i + 1]] = previous
        self._made(made_at[times[-1]], made_at)

    def _gates_backward(self, layer: Layer, dG: OperandMask, time: int | None) -> int:
        """Add the vector-unit task that makes a dG with no product before it."""
        shape = (dG.shape[0], 0, layer.hidden_size)
        epilogue = self._gate_gradient(layer, dG)
        after = self.previous if time is None else self._of_rows(self.previous, time)
        return self._add(layer.name, "gates_backward", shape, None, "", after, epilogue, time=time)

    @staticmethod
    def _gate_gradient(layer: Layer, dG: OperandMask) -> Epilogue:
        """Read saved gates, states and the gradient from above; make dG and store it."""
        rows, values = dG.shape
        saved = layer.gates + SAVED_STATES[layer.kind] + 1
        return Epilogue(
            load_operand_values=rows * layer.hidden_size * saved,
            gate_backward_values=rows * values,
            store_skip=dG,
        )

    # --- dense layers ------------------------------------------------------------------------------------

    def dense_forward(self, dense: DenseLayer) -> None:
        """Add y = x W of a layer without a record."""
        m, D, N = self._dense_rows(dense), dense.input_size, dense.output_size
        epilogue = Epilogue(store_operand_values=m * N)
        makers = self.makers if dense.per == "token" else None
        shape = (m, D, N)
        y = self._add(dense.name, "y", shape, None, "W", self.previous, epilogue, recorded=False, made_by=makers)
        self._made(y)

    def dense_backward(self, dense: DenseLayer) -> None:
        """Add dx = dy W' and dW = dy' x of a layer without a record."""
        m, D, N = self._dense_rows(dense), dense.input_size, dense.output_size
        after = self.previous
        epilogue = Epilogue(store_operand_values=m * D)
        dx = self._add(dense.name, "dx", (m, N, D), None, "W'", after, epilogue, recorded=False)
        epilogue = Epilogue(store_accumulator_values=N * D)
        self._add(dense.name, "dW", (N, m, D), None, "x", after, epilogue, recorded=False)
        self._made(dx)

    def _dense_rows(self, dense: DenseLayer) -> int:
        return self.tokens if dense.per == "token" else self.valid.shape[1]

    # --- parts -------------------------------------------------------------------------------------------

    def _made(self, product: int, made_at: dict[int, int] | None = None) -> None:
        """Note what the next layer reads: the result of a product, or of a chain that made each time step's rows."""
        self.previous, self.makers = (After(product, on_chip=False),), None
        self._made_valid, self.aligned = self.valid, True
        if made_at is not None:
            times = np.nonzero(self.valid)[0]  # of each token
            self.makers = np.array([made_at[t] for t in times.tolist()], dtype=np.int64)

    def _of_rows(self, after: tuple[After, ...], time: int) -> tuple[After, ...]:
        """Wait for the rows of one time step only, where the awaited result has one row a token."""
        if not self.aligned:
            return after
        return tuple(
            a._replace(rows=self._rows(time)) if self.products[a.product].m == self.tokens else a for a in after
        )

    def _rows(self, time: int) -> tuple[int, int]:
        """Rows (t, b) of a time step among the tokens."""
        return self.rows_before[time], self.rows_before[time + 1]

    @property
    def tokens(self) -> int:
        """Rows (t, b) that are not padding."""
        return self.rows_before[-1]

    def _times(self, layer: Layer, phase: Phase) -> list[int]:
        """Time steps with any valid row, in the order in which the phase walks them."""
        times = [t for t in range(self.valid.shape[0]) if self.rows_before[t + 1] > self.rows_before[t]]
        return times if (layer.direction == "forward") == (phase == "forward") else times[::-1]

    def _mask(
        self,
        layer: Layer,
        tensor: str,
        time: int | None = None,
        lanes_hold: Literal["rows", "bits"] = "rows",
    ) -> OperandMask:
        """Take the valid rows of a recorded mask: of one time step, or of all."""
        valid = self.valid if time is None else self.valid[time]
        key = (layer.name, tensor) if time is None else (layer.name, tensor, str(time))
        source = _Source(layer.name, tensor, time, lanes_hold, None if valid.all() else valid, key)
        mask = source.of(self.step)
        self.masks.append(mask)
        self.sources.append(source)
        return mask

    def _add(
        self,
        layer: str,
        name: str,
        shape: tuple[int, int, int],
        mask: OperandMask | None,
        shared_operand: str,
        after: tuple[After, ...],
        epilogue: Epilogue,
        *,
        time: int | None = None,
        recorded: bool = True,
        shared_mask: OperandMask | None = None,
        made_by: npt.NDArray[np.int64] | None = None,
    ) -> int:
        """Append a product and return its index."""
        phase: Phase = "forward" if name in ("gates_x", "gates_h", "y") else "backward"
        m, k, n = shape
        operand = f"{layer}.{shared_operand}"
        self.products.append(
            Product(layer, name, phase, time, m, k, n, mask, recorded, after, operand, epilogue, shared_mask, made_by)
        )
        return len(self.products) - 1
