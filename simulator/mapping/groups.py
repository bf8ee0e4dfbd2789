"""What of a workload is mapped together: the products that are alike, whatever the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from simulator.mapping.program import ProgramOrder
from simulator.workload import Product, Workload

Name = tuple[str, str]
"""Layer and name of a product."""


class Alike:
    """Which products of a structure are alike: those that differ in their time step alone.

    What a chain makes by rows has no time step, so that a product which reads such rows is alone.

    Attributes
    ----------
    groups : list of list of int
        Indices of products that are alike, each list ascending.
    group_of : dict
        The group of a product, by its index.
    names : list of (layer, name)
        Of each group.
    typical : dict
        By layer and name, the product that stands for all time steps when tilings are compared, so that they share
        tiles: a member of the chain, where there is one.
    most_rows : Counter
        By layer and name, the rows of the largest time step, which may be the first and no member of the chain.
    of_name : dict
        By layer and name, the groups.
    uses : Counter
        How many products read a shared operand, by its name.
    order : ProgramOrder
    """

    def __init__(self, products: Sequence[Product]) -> None:
        indices_of: dict[tuple[object, ...], list[int]] = {}
        for index, p in enumerate(products):
            indices_of.setdefault((p.layer, p.name, p.m, p.mask is None, p.in_chain), []).append(index)
        self.groups = list(indices_of.values())
        self.group_of = {index: group for group, indices in enumerate(self.groups) for index in indices}
        self.names: list[Name] = []
        self.typical: dict[Name, int] = {}
        self.most_rows: Counter[Name] = Counter()
        self.of_name: dict[Name, list[int]] = {}
        self.uses: Counter[str] = Counter()
        for group, indices in enumerate(self.groups):
            product = products[indices[0]]
            name = (product.layer, product.name)
            self.names.append(name)
            self.of_name.setdefault(name, []).append(group)
            typical = products[self.typical.setdefault(name, indices[0])]
            if (product.in_chain, product.m) > (typical.in_chain, typical.m):
                self.typical[name] = indices[0]
            self.most_rows[name] = max(self.most_rows[name], product.m)
            if product.k:
                self.uses[product.shared_operand] += len(indices)
        self.order = ProgramOrder(products)


def alike(workload: Workload) -> Alike:
    """Say which products are alike; known for all workloads of the structure, once it is for one."""
    return workload.structure.kept(Alike, lambda: Alike(workload.products))
