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

from collections import deque
from collections.abc import Callable, Sequence

from simulator.mapping.jobs import ProductJobs
from simulator.mapping.plan import PlannedProduct
from simulator.workload import Product

Writer = Callable[[int], ProductJobs]


class ProgramOrder:
    """The order in which the jobs of a workload's products are written.

    Parameters
    ----------
    products : sequence of Product
        In program order, each waiting only for earlier ones.
    """

    def __init__(self, products: Sequence[Product]) -> None:
        self._products = products
        awaited = {a.product for p in products for a in p.after}
        # Pauses: the products of a chain that wait for the one before, by the first product of the chain.
        self._chain_of: dict[int, int] = {}
        self._pauses: dict[int, list[int]] = {}
        for index, product in enumerate(products):
            for after in product.after:
                if after.on_chip:
                    chain = self._chain_of.get(after.product, after.product)
                    self._chain_of[after.product] = chain
                    self._chain_of[index] = chain
                    self._pauses.setdefault(chain, []).append(index)
        self._by_rows = {
            self._chain_of[int(p.made_by[0])]: i
            for i, p in enumerate(products)
            if p.made_by is not None and int(p.made_by[0]) in self._chain_of
        }
        busy = awaited | self._chain_of.keys() | set(self._by_rows.values())
        self._puts_off = {i for i, p in enumerate(products) if p.k and i not in busy}
        self._index = {id(p): i for i, p in enumerate(products)}

    def descends(self, index: int) -> bool:
        """Whether the chain makes the last rows of the product first."""
        made_by = self._products[index].made_by
        return made_by is not None and bool(made_by[0] > made_by[-1])

    def pauses_for(self, product: Product) -> tuple[Sequence[int], bool]:
        """The products before which a product may fill the pause, and whether it does so by its tiles of rows.

        Products that share the pauses of a chain get an equal part of them.
        """
        index = self._index[id(product)]
        for first, by_rows in self._by_rows.items():
            if by_rows == index:
                return self._pauses.get(first, ()), True
        chain = self._chain_after(index) if index in self._puts_off else None
        if chain is None:
            return (), False
        pauses = self._pauses[chain]
        sharing = sum(self._chain_after(i) == chain for i in self._puts_off)
        return pauses[: len(pauses) // sharing], False

    def _chain_after(self, index: int) -> int | None:
        """The chain whose pauses a product that was put off may fill."""
        later = [chain for chain in self._pauses if chain > index]
        # A product that reads what the chain makes comes first; the pauses of other chains are free.
        return next((chain for chain in later if chain not in self._by_rows), later[0] if later else None)

    def write(
        self,
        writer: Writer,
        writers: dict[int, ProductJobs],
        pause_cycles: Callable[[int], int] | None,
        crowded: Callable[[int], bool],
    ) -> list[PlannedProduct]:
        """Write the jobs of all products.

        Parameters
        ----------
        writer : callable
            Gives the writer of a product's jobs.
        writers : dict
            Those in use, by product; filled here, for writers read it.
        pause_cycles : callable or None
            About how many cycles the array waits before a product of a chain; None: products are not mixed.
        crowded : callable
            Whether a chain's product leaves no room in the buffers for a tile of another product.
        """
        put_off: deque[int] = deque()
        by_rows: int | None = None
        credit_cycles = 0

        def open_writer(index: int) -> ProductJobs:
            if index not in writers:
                writers[index] = writer(index)
            return writers[index]

        def write(index: int, one: bool = False) -> None:
            """Write a product's jobs: all that are left, or one."""
            jobs = open_writer(index)
            if one:
                jobs.write()
            else:
                jobs.write_rest()

        def kept() -> int | None:
            """The product in the pauses that keeps a tile between its jobs."""
            for index in (by_rows, put_off[0] if put_off else None):
                if index is not None and index in writers and writers[index].keeps_a_tile:
                    return index
            return None

        def ready_rows(newest: int) -> int | None:
            """The product whose next tile of rows the chain made before what is only just on its way."""
            if by_rows is None:
                return None
            jobs = open_writer(by_rows)
            ready = jobs.rows_in_order and jobs.jobs_left > 0 and jobs.next_maker < newest
            return by_rows if ready else None

        def fill(index: int, pause: int) -> None:
            """Put jobs into the pause before a product of a chain."""
            nonlocal credit_cycles
            credit_cycles += pause
            newest = next(a.product for a in self._products[index].after)
            while True:
                keeper = kept()
                ready = ready_rows(newest) if keeper in (None, by_rows) else None
                if ready is None and put_off and keeper in (None, put_off[0]):
                    ready = put_off[0]
                if ready is None:
                    credit_cycles = min(credit_cycles, pause)
                    return
                jobs = open_writer(ready)
                cost = (jobs.array_cycles + jobs.feed_cycles) // jobs.jobs
                if cost > 2 * credit_cycles:
                    return
                write(ready, one=True)
                credit_cycles -= cost
                if put_off and ready == put_off[0] and not jobs.jobs_left:
                    put_off.popleft()

        for index in range(len(self._products)):
            if pause_cycles is not None and index in self._puts_off:
                put_off.append(index)
                continue
            chain = self._chain_of.get(index)
            if pause_cycles is not None and chain is not None:
                by_rows = self._by_rows.get(chain)
                if crowded(index):
                    if (keeper := kept()) is not None:
                        write(keeper)
                        put_off.popleft()
                elif index != chain:
                    fill(index, pause_cycles(index))
            write(index)
            if by_rows == index:
                by_rows = None
        for index in put_off:
            write(index)
        return [writers[index].planned() for index in range(len(self._products))]
