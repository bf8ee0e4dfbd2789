"""Program order: which jobs stand in the pauses of a serial chain.

A serial chain (gates_h, dh) pauses the array after each time step until the vector unit has made what the next one
reads. Two kinds of products can stand there:

* those that nobody waits for (dW, dU): they are put off until a chain pauses;
* those that read what the chain makes, row by row (dx, and gates_x of the layer above): a tile of their rows runs as
  soon as the chain has made it.

The order is fixed before any time passes; no scheduler looks at the clock. Each pause is worth a number of cycles by
estimate, and jobs are put there as long as they cost no more. At most one product has some of its jobs behind it and
others ahead while a tile of it is kept, so that two halves of a buffer are always enough.
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.workload import Product


class ProgramOrder:
    """What of a workload's products may stand in which pauses; `writer_kernels` puts it there.

    Parameters
    ----------
    products : sequence of Product
        In program order, each waiting only for earlier ones.

    Attributes
    ----------
    chain_of : dict
        The first product of the serial chain that a product belongs to.
    pauses : dict
        By the first product of a chain: its products that wait for the one before.
    by_rows : dict
        By the first product of a chain: the product that reads what it makes, row by row.
    puts_off : set
        Products that nobody waits for.
    """

    def __init__(self, products: Sequence[Product]) -> None:
        awaited = {a.product for p in products for a in p.after}
        # Pauses: the products of a chain that wait for the one before, by the first product of the chain.
        self.chain_of: dict[int, int] = {}
        self.pauses: dict[int, list[int]] = {}
        for index, product in enumerate(products):
            for after in product.after:
                if after.on_chip:
                    chain = self.chain_of.get(after.product, after.product)
                    self.chain_of[after.product] = chain
                    self.chain_of[index] = chain
                    self.pauses.setdefault(chain, []).append(index)
        self.by_rows = {
            self.chain_of[int(p.made_by[0])]: i
            for i, p in enumerate(products)
            if p.made_by is not None and int(p.made_by[0]) in self.chain_of
        }
        busy = awaited | self.chain_of.keys() | set(self.by_rows.values())
        self.puts_off = {i for i, p in enumerate(products) if p.k and i not in busy}
        self._descending = {
            i for i, p in enumerate(products) if p.made_by is not None and bool(p.made_by[0] > p.made_by[-1])
        }

    def descends(self, index: int) -> bool:
        """Whether the chain makes the last rows of the product first."""
        return index in self._descending

    def pauses_for(self, index: int) -> tuple[Sequence[int], bool]:
        """The products before which a product may fill the pause, and whether it does so by its tiles of rows.

        Products that share the pauses of a chain get an equal part of them.
        """
        for first, filler in self.by_rows.items():
            if filler == index:
                return self.pauses.get(first, ()), True
        chain = self._chain_after(index) if index in self.puts_off else None
        if chain is None:
            return (), False
        pauses = self.pauses[chain]
        sharing = sum(self._chain_after(i) == chain for i in self.puts_off)
        return pauses[: len(pauses) // sharing], False

    def _chain_after(self, index: int) -> int | None:
        """The chain whose pauses a product that was put off may fill."""
        later = [chain for chain in self.pauses if chain > index]
        # A product that reads what the chain makes comes first; the pauses of other chains are free.
        return next((chain for chain in later if chain not in self.by_rows), later[0] if later else None)
