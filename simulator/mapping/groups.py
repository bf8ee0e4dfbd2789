"""What of a workload is mapped together: the products that are alike, whatever the machine."""

from __future__ import annotations

from collections import Counter

from simulator.mapping.program import ProgramOrder
from simulator.workload import Product, Workload

Name = tuple[str, str]
"""Layer and name of a product."""


class ProductGroups:
    """A workload's products, those that differ in their time step alone together.

    What a chain makes by rows has no time step, so that a product which reads such rows is alone.

    Attributes
    ----------
    workload : Workload
    groups : list of (indices, products)
    group_of : dict
        The group of a product, by its index.
    typical : dict
        By layer and name, the product that stands for all time steps when tilings are compared, so that they share
        tiles: a member of the chain, where there is one.
    most_rows : Counter
        By layer and name, the rows of the largest time step, which may be the first and no member of the chain.
    alike : dict
        By layer and name, the products of each group.
    uses : Counter
        How many products read a shared operand, by its name.
    order : ProgramOrder
    """

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        products = workload.products
        indices_of: dict[tuple[object, ...], list[int]] = {}
        for index, p in enumerate(products):
            indices_of.setdefault((p.layer, p.name, p.m, p.mask is None, p.in_chain), []).append(index)
        self.groups = [(indices, [products[i] for i in indices]) for indices in indices_of.values()]
        self.group_of = {index: group for group, (indices, _) in enumerate(self.groups) for index in indices}
        self.typical: dict[Name, Product] = {}
        self.most_rows: Counter[Name] = Counter()
        self.alike: dict[Name, list[list[Product]]] = {}
        self.uses: Counter[str] = Counter()
        for _, members in self.groups:
            product = members[0]
            key = (product.layer, product.name)
            self.alike.setdefault(key, []).append(members)
            typical = self.typical.setdefault(key, product)
            if (product.in_chain, product.m) > (typical.in_chain, typical.m):
                self.typical[key] = product
            self.most_rows[key] = max(self.most_rows[key], product.m)
            if product.k:
                self.uses[product.shared_operand] += len(members)
        self.order = ProgramOrder(products)
