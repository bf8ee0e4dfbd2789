"""The finished rows of a sweep: read from its store when they are asked for, so that memory need not hold them all."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import overload

from simulator.explore.evaluate import Row
from simulator.explore.listing import Listing
from simulator.explore.space import Space
from simulator.explore.store import Store


class Finished(Sequence[Row]):
    """Rows of a listing that need not be evaluated any more, in its order: what cannot be, and what the store has.

    Rows that the store does not keep, or all where there is none, are kept here. Equal to another sequence of the same
    rows.

    Parameters
    ----------
    space : Space
    listing : Listing
    store : Store or None
    """

    def __init__(self, space: Space, listing: Listing, store: Store | None) -> None:
        self._space, self._listing, self._store = space, listing, store
        self._here: dict[int, Row] = {}
        self._there = bytearray(len(listing))
        for place in range(len(listing)):
            self._there[place] = listing.reason(place) is not None or (
                store is not None and listing.key(place) in store
            )

    def add(self, place: int, row: Row) -> None:
        """Take a row that was evaluated, and kept by the store if it has a key."""
        self._there[place] = True
        if self._store is None or row.get("key") is None:
            self._here[place] = row

    @property
    def left(self) -> list[int]:
        """The places of the points that are to be evaluated."""
        return [place for place, there in enumerate(self._there) if not there]

    def __len__(self) -> int:
        return self._there.count(True)

    def __iter__(self) -> Iterator[Row]:
        return (self._row(place) for place, there in enumerate(self._there) if there)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        places = [place for place, there in enumerate(self._there) if there]
        if isinstance(index, slice):
            return [self._row(place) for place in places[index]]
        return self._row(places[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]  # a sequence that grows

    def _row(self, place: int) -> Row:
        row = self._here.get(place) or self._listing.told(place)
        if self._store is not None and place not in self._here and self._listing.reason(place) is None:
            row = {**row, **self._store.outcome(self._listing.key(place))}
        return with_quality(self._space, row)


def with_quality(space: Space, row: Row) -> Row:
    """Give a row with the quality of its trace's training, where the space knows it."""
    return row if space.quality is None else space.quality.joined(row)
