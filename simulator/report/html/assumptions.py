"""What must be known before believing a figure: MODEL.md in a few sentences, each with its heading there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Assumption:
    """A key point of the model.

    Attributes
    ----------
    title : str
    told : str
    heading : str
        Where MODEL.md says the rest.
    """

    title: str
    told: str
    heading: str


ASSUMPTIONS = (
    Assumption(
        "Only recorded zeros are skipped",
        "An operand without a recorded mask counts as dense, on every machine. Padding that the trace declares is "
        "absent work, for the dense twin too.",
        "Products of a layer",
    ),
    Assumption(
        "The dense twin is the same machine",
        "Same array, buffers, DRAM and clock, with mechanism dense: it multiplies every zero, reads no mask, "
        "applies no threshold and keeps operands in the dense format. The ideal bound is the same machine that "
        "skips without any loss.",
        "Energy and area",
    ),
    Assumption(
        "Not modelled",
        "The loss and softmax, the embedding look-up, the optimiser's update, bias gradients, and the time and "
        "energy of control other than the skip logic.",
        "Products of a layer",
    ),
    Assumption(
        "Cycles are whole, and each has one reason",
        "One clock; the array's own cycles and its stalls sum to the total. A stall is charged to the first thing "
        "that was missing. Utilisation is executed MACs over all slots of the whole time.",
        "The machine",
    ),
    Assumption(
        "Time steps are a serial chain",
        "h of time t waits for t - 1, dG for t + 1. Work that nobody waits for fills the pauses of a chain, where "
        "the mapping's overlap is on.",
        "The machine",
    ),
    Assumption(
        "Counts are exact, prices are not",
        "Energy is exact counts times a table's prices, each with its source. Rows that nobody verified are named "
        "in the remarks when they carry more than 5 % of the total. DRAM is priced by the bit.",
        "Energy and area",
    ),
    Assumption(
        "Traffic is what the formats hold",
        "Recorded operands travel as bitmap, run lengths or coordinates, metadata included; no pointers are "
        "stored, so a format saves transfers and not addresses. Everything else is dense.",
        "Traffic",
    ),
    Assumption(
        "Mappings are chosen by price",
        "The planner prices shapes, tiles and loop orders by an estimate and takes the least. Against exhaustive "
        "search of small products it took 2.4 % more cycles on average.",
        "Mapping",
    ),
    Assumption(
        "A training is a line between recorded steps",
        "Each optimiser step between two recorded ones lies on the straight line between them; the range beside it "
        "is what the run would take if each were like the cheaper, or the dearer, of its neighbours.",
        "Whole trainings",
    ),
    Assumption(
        "Area is cell area",
        "Wires, clock, DMA and the DRAM's interface are left out, and a mechanism whose hardware was not "
        "synthesised is named.",
        "Energy and area",
    ),
)
