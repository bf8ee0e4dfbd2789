"""Values for a step's operands: recorded ones where the trace has them, seeded ones on the recorded masks otherwise.

Seeded values are integers from 1 to `LARGEST` with either sign, so that their products and sums are exact in float64
(below 2^53 for any K up to 2^47) and any order of additions gives the same bits.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.workload import OperandMask, Product
from traces.bitmask import BitMask
from traces.errors import InputError
from traces.trace import Step

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LARGEST = 8


class StepValues:
    """Gives the operands of a step's products their values; the same trace gives the same values.

    Parameters
    ----------
    step : Step
    where : str
        Names the trace in messages.
    """

    def __init__(self, step: Step, where: str) -> None:
        self.step, self.where = step, where
        self._tensors: dict[tuple[str, str], tuple[Floats, bool]] = {}

    def skip(self, product: Product) -> tuple[Floats, bool]:
        """Give S: float64 [M, K], and whether its values were recorded."""
        if product.mask is None:
            return self._seeded(f"{product.layer}.{product.name}.{product.time}", (product.m, product.k)), False
        return self._rows(product.mask)

    def shared(self, product: Product, arch: Architecture) -> tuple[Floats, Bools | None]:
        """Give the shared operand: float64 [K, N], and bool [K, N] where its zeros are known to the machine."""
        shape = (product.k, product.n)
        if product.shared_mask is not None:
            return self._rows(product.shared_mask)[0].T, unpacked(product.shared_mask).T
        values = self._seeded(product.shared_operand, shape)
        mechanism = arch.skipping
        if not isinstance(mechanism, TileMechanism) or mechanism.weights is None:
            return values, None
        packed = mechanism.weights.mask(product.shared_operand, *shape, arch.folder)
        if packed is None:
            return values, None
        mask = np.unpackbits(packed, axis=1, count=product.n, bitorder="little").view(np.bool_)
        return np.where(mask, values, 0.0), mask

    def _rows(self, mask: OperandMask) -> tuple[Floats, bool]:
        """Take the rows (t, b) that are not padding of a tensor of the trace, as the operand lays them."""
        layer, tensor, *time = mask.key
        values, recorded = self._tensor(layer, tensor)
        valid = np.ones(values.shape[:2], dtype=bool)
        real = self.step.valid_steps_of(layer)
        if real is not None:
            valid = np.arange(len(values))[:, None] < real[None, :]
        if time:
            values, valid = values[int(time[0])], valid[int(time[0])]
        rows = values[valid]
        return (rows if mask.lanes_hold == "rows" else rows.T), recorded

    def _tensor(self, layer: str, tensor: str) -> tuple[Floats, bool]:
        """Give a recorded tensor's values, float64 [T, B, bits]; zero exactly where its mask is 0, if seeded."""
        if (layer, tensor) not in self._tensors:
            record = self.step.layers[layer]
            packed = record.tensors[tensor]
            assert isinstance(packed, BitMask), "operands are named after masks"
            mask = packed.unpack()
            recorded = tensor == "gate_gradient" and record.values is not None
            if recorded:
                assert record.values is not None
                if not np.isfinite(record.values).all():
                    raise InputError.of(
                        f"{self.where}: steps/{self.step.number:06d}/{layer}/gate_gradient_values",
                        "a value that is not finite",
                        "finite values, to multiply with",
                        "leave out --check-values: cycles depend on the masks alone",
                    )
                values = np.zeros(mask.shape)
                values[mask] = record.values
            else:
                values = np.where(mask, self._seeded(f"{layer}.{tensor}", mask.shape), 0.0)
            self._tensors[layer, tensor] = values, recorded
        return self._tensors[layer, tensor]

    def _seeded(self, name: str, shape: tuple[int, ...]) -> Floats:
        """Draw integers from 1 to `LARGEST` with either sign: a stream for each step and operand."""
        rng = np.random.default_rng([self.step.number, zlib.crc32(name.encode())])
        magnitude = rng.integers(1, LARGEST, size=shape, endpoint=True, dtype=np.int8)
        signs = rng.integers(0, 1, size=shape, endpoint=True, dtype=np.int8)
        return (magnitude * (1 - 2 * signs)).astype(np.float64)


def unpacked(mask: OperandMask) -> Bools:
    """Give the mask of an operand: bool [M, K]."""
    rows = np.unpackbits(mask.packed, axis=1, count=mask.bits, bitorder="little").view(np.bool_)
    return rows if mask.lanes_hold == "rows" else rows.T
