"""The rows that a sweep is to have: known before anything is evaluated, and small enough that there may be very many.

A point is a whole machine of some 10 KB. So a sweep keeps of each one which combination it is of, its key and what the
table says of it, some 150 bytes, and makes it again when it is evaluated.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import overload

from simulator.arch import Mechanism
from simulator.explore.evaluate import Row, refused, told_of
from simulator.explore.grid import Combinations, walk
from simulator.explore.order import Sharing, in_order
from simulator.explore.points import Point, Refusal, Settings
from simulator.explore.sampling import Numbers
from simulator.explore.space import Space
from traces.errors import InputError

DIGEST_BYTES = 32
"""Of SHA-256: of a point's key, and of its machine."""


class Listing:
    """The rows of a sweep, by their place: those of `enumerate_grid`, in its order.

    Parameters
    ----------
    space : Space

    Attributes
    ----------
    points : int
        Rows that can be evaluated.
    left_out : dict of str to int
        See `Grid`.
    mechanisms : list of type
        Of the machines, each once.

    Raises
    ------
    InputError
        As `enumerate_grid`.
    """

    def __init__(self, space: Space) -> None:
        self._every = Combinations(space)
        self._space = space
        self.points = 0
        self.left_out: dict[str, int] = {}
        self._combinations: list[int] = []
        self._keys, self._machines = bytearray(), bytearray()
        self._names: list[str] = []
        self._applied: list[int] = []  # a bit for each setting that is not None
        self._shared = tuple(array("q") for _ in range(3))
        self._reasons: dict[int, str] = {}
        mechanisms: dict[type[Mechanism], None] = {}
        sharing, texts = Sharing(), dict[str, str]()
        for numbers, entry in walk(self._every, self.left_out):
            self._combinations.append(_flat(numbers, self._every.sizes))
            self._applied.append(sum(1 << place for place, (_, cell) in enumerate(entry.settings) if cell is not None))
            key, digest, shared = b"", b"", (0, 0, 0)
            if isinstance(entry, Refusal):
                name = entry.machine
                self._reasons[len(self._names)] = texts.setdefault(entry.reason, entry.reason)
            else:
                name, key, digest = entry.machine.name, *map(bytes.fromhex, (entry.key, entry.machine.digest))
                shared = sharing.of(entry)
                mechanisms[type(entry.machine.skipping)] = None
                self.points += 1
            self._names.append(texts.setdefault(name, name))
            self._keys += key.ljust(DIGEST_BYTES)
            self._machines += digest.ljust(DIGEST_BYTES)
            for column, number in zip(self._shared, shared, strict=True):
                column.append(number)
        self.mechanisms = list(mechanisms)

    def __len__(self) -> int:
        return len(self._combinations)

    def reason(self, place: int) -> str | None:
        """Say why a row cannot be evaluated; None where it can."""
        return self._reasons.get(place)

    def key(self, place: int) -> str:
        """Give the key of a point."""
        return _digest(self._keys, place)

    def told(self, place: int) -> Row:
        """Give the cells that say what a row is of; of one that cannot be evaluated, all cells."""
        numbers = self._numbers(place)
        _, trace, phase, *_ = numbers
        name, settings, reason = self._names[place], self._settings(place, numbers), self.reason(place)
        if reason is not None:
            return refused(Refusal(name, self._space.traces[trace].name, settings, reason))
        recorded = self._every.replayed[trace, phase]
        assert not isinstance(recorded, str), "a point has steps to replay"
        return told_of(self.key(place), name, _digest(self._machines, place), settings, recorded)

    def point(self, place: int) -> Point:
        """Make a point again.

        Raises
        ------
        InputError
            If it is not what it was, because a file that its machine names has changed.
        """
        entry = self._every.entry(self._numbers(place))
        if isinstance(entry, Refusal) or entry.key != self.key(place):
            found = entry.reason if isinstance(entry, Refusal) else "another machine than at its beginning"
            raise InputError.of(self._space.source, found, "files that stay as they are during the sweep")
        return entry

    def order(self, places: Sequence[int]) -> tuple[Points, list[int]]:
        """Give points in the order in which to evaluate them, and their groups; see `sharing_order`."""
        trace, twin, replay = self._shared
        order, groups = in_order([(trace[place], twin[place], replay[place]) for place in places])
        return Points(self, [places[index] for index in order]), groups

    def _numbers(self, place: int) -> Numbers:
        flat, numbers = self._combinations[place], list[int]()
        for size in reversed(self._every.sizes):
            flat, number = divmod(flat, size)
            numbers.append(number)
        return tuple(reversed(numbers))

    def _settings(self, place: int, numbers: Numbers) -> Settings:
        every, applied = self._every.stated(numbers), self._applied[place]
        return tuple((name, cell if applied >> bit & 1 else None) for bit, (name, cell) in enumerate(every))


class Points(Sequence[Point]):
    """Points of a listing that are made when they are asked for.

    Attributes
    ----------
    places : list of int
        Of each of them in the listing.
    """

    def __init__(self, listing: Listing, places: list[int]) -> None:
        self._listing, self.places = listing, places

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Point]:
        return map(self._listing.point, self.places)

    @overload
    def __getitem__(self, index: int) -> Point: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...

    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        if isinstance(index, slice):
            return [self._listing.point(place) for place in self.places[index]]
        return self._listing.point(self.places[index])


def _flat(numbers: Numbers, sizes: Sequence[int]) -> int:
    """Number a combination among all."""
    flat = 0
    for number, size in zip(numbers, sizes, strict=True):
        flat = flat * size + number
    return flat


def _digest(column: bytearray, place: int) -> str:
    return column[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES].hex()
