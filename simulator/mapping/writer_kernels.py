"""Writing a plan's jobs and loads in program order, compiled.

The rules are those of MODEL.md ("The machine", "Pauses of a chain"); ``tests/plain/plan_writer.py`` states them as
objects that read like prose, and a property test proves the two equal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import simulator.mapping.writer_columns as c
from simulator.compiling import compiled
from simulator.mapping.counts import Count
from simulator.mapping.plan import (
    JOB_ARRAY_CYCLES,
    JOB_DRAIN_CYCLES,
    JOB_DRAINS,
    JOB_FEED_CYCLES,
    JOB_FIRST_LOAD,
    JOB_LOAD_OUTPUT,
    JOB_LOAD_SHARED,
    JOB_LOAD_SKIP,
    JOB_PRODUCT,
    JOB_STORE_ADDRESS_BYTES,
    JOB_STORE_BYTES,
    JOB_TAIL_CYCLES,
    JOB_VECTOR_CYCLES,
    LOAD_ADDRESS_BYTES,
    LOAD_AFTER_JOB,
    LOAD_BUFFER,
    LOAD_DRAM_BYTES,
    LOAD_LAST_JOB,
    LOAD_SPACE_BYTES,
    OUTPUT,
    SHARED,
    SKIP,
)

Int64s = npt.NDArray[np.int64]

MNK, NMK, MKN = 0, 1, 2  # and 3: nkm
NONE_READY = 1 << 62
READ, WRITE = int(Count.DRAM_READ_BYTES), int(Count.DRAM_WRITE_BYTES)
SKIP_WRITTEN, METADATA_WRITTEN = int(Count.SKIP_BUFFER_BITS_WRITTEN), int(Count.METADATA_BITS_WRITTEN)
SHARED_WRITTEN = int(Count.SHARED_BUFFER_BITS_WRITTEN)
OUTPUT_WRITTEN, OUTPUT_READ = int(Count.OUTPUT_BUFFER_BITS_WRITTEN), int(Count.OUTPUT_BUFFER_BITS_READ)


@compiled
def write_program(
    machine: Int64s,
    spec: Int64s,
    after: Int64s,
    cycles: Int64s,
    feed: Int64s,
    skip_tiles: Int64s,
    store_skip: Int64s,
    makers: Int64s,
    resident: Int64s,
    last_of_rows: Int64s,
    output_of: Int64s,
    job_of: Int64s,
    state: Int64s,
    counts: Int64s,
    jobs: Int64s,
    loads: Int64s,
    waits: Int64s,
) -> tuple[int, int, int]:
    """Write all jobs, loads and waits; return how many there are of each.

    Parameters
    ----------
    machine : [MACHINE]
    spec : [products, SPEC]
    after : [.., 5]
    cycles, feed, skip_tiles, store_skip, makers : flat tables of the products, see `writer_columns`
    resident, last_of_rows, output_of, job_of : flat
        Loads and jobs by tile; `resident` begins at -1. Used up.
    state : [products, STATE]
        As `WriterTables` begins it; used up.
    counts : [products, counts]
        The buffers' and the DRAM's bits and bytes are added.
    jobs, loads : [columns, ..]
        Columns of `JOB_COLUMNS` and `LOAD_COLUMNS`, filled from the left.
    waits : [.., 3]
        Job, awaited job, on chip.
    """
    products = len(spec)
    operand_bits, sum_bits = machine[c.OPERAND_BITS], machine[c.SUM_BITS]
    port, lanes = machine[c.PORT_VALUES], machine[c.LANES]
    mixes, arrays = machine[c.MIXES] == 1, machine[c.ARRAYS]
    written = loaded = waited = 0
    put_off = np.empty(products, np.int64)
    head = tail = 0
    by_rows = -1
    credit = 0
    index = 0
    entering, filling = True, False
    while True:
        # --- which product is next, and how many of its jobs ---
        filler = -1
        if index == products:
            if head == tail:
                break
            p = put_off[head]
            head += 1
            amount = state[p, c.JOBS_LEFT]
        elif entering:
            if mixes and spec[index, c.PUT_OFF]:
                put_off[tail] = index
                tail += 1
                index += 1
                continue
            entering = False
            chain = spec[index, c.CHAIN]
            if not (mixes and chain >= 0):
                continue
            by_rows = spec[chain, c.FILLER]
            if spec[index, c.CROWDED]:
                if head == tail or not _keeps_a_tile(spec, state, put_off[head]):
                    continue
                p = put_off[head]
                head += 1
                amount = state[p, c.JOBS_LEFT]
            else:
                if index != chain:
                    credit += spec[index, c.PAUSE_CYCLES]
                    filling = True
                continue
        elif filling:
            keeper = -1
            if by_rows >= 0 and _keeps_a_tile(spec, state, by_rows):
                keeper = by_rows
            elif head < tail and _keeps_a_tile(spec, state, put_off[head]):
                keeper = put_off[head]
            if (
                by_rows >= 0
                and keeper in (-1, by_rows)
                and _next_maker(spec, state, makers, by_rows) < spec[index, c.NEWEST]
            ):
                filler = by_rows
            if filler < 0 and head < tail and keeper in (-1, put_off[head]):
                filler = put_off[head]
            if filler < 0:
                credit = min(credit, spec[index, c.PAUSE_CYCLES])
                filling = False
                continue
            if spec[filler, c.JOB_COST_CYCLES] > 2 * credit:
                filling = False
                continue
            p, amount = filler, 1
        else:
            p = index
            amount = state[p, c.JOBS_LEFT]
            if by_rows == p:
                by_rows = -1
            index += 1
            entering = True

        # --- its jobs ---
        own, now = spec[p], state[p]
        ms, ns, ks = own[c.M_TILES], own[c.N_TILES], own[c.K_TILES]
        if now[c.FIRST_JOB] < 0 and own[c.MAKERS_AT] < 0:  # what it waits for was written before
            now[c.SKIP_BEHIND] = _stored_before(spec, state, last_of_rows, after, p, own[c.IN_CHAIN])
            now[c.PARTIAL_BEHIND] = _stored_before(spec, state, last_of_rows, after, p, 0)
        outputs = own[c.M] * own[c.N]
        drained = drained_last = drain_cycles = tail_cycles = np.int64(0)
        for _ in range(amount):
            now[c.JOBS_LEFT] -= 1
            i, j, q = now[c.AT_I], now[c.AT_J], now[c.AT_Q]
            if own[c.DESCENDING]:
                i = ms - 1 - i
            m = min(own[c.TILE_M], own[c.M] - i * own[c.TILE_M])
            n = min(own[c.TILE_N], own[c.N] - j * own[c.TILE_N])
            k = min(own[c.TILE_K], own[c.K] - q * own[c.TILE_K])
            job = written
            jobs[JOB_PRODUCT, job] = p
            jobs[JOB_FIRST_LOAD, job] = loaded
            for column in range(JOB_ARRAY_CYCLES, JOB_LOAD_SKIP):
                jobs[column, job] = 0
            maker_job = -1
            if own[c.MAKERS_AT] >= 0:
                maker_job = state[makers[own[c.MAKERS_AT] + i], c.LAST_JOB]
                if maker_job != now[c.WAITED_FOR]:
                    waits[waited, 0], waits[waited, 1], waits[waited, 2] = job, maker_job, 0
                    waited += 1
                    now[c.WAITED_FOR] = maker_job
            elif now[c.FIRST_JOB] < 0:
                for a in range(own[c.AFTER_FROM], own[c.AFTER_TO]):
                    waits[waited, 0] = job
                    waits[waited, 1] = _last_job_of(spec, state, last_of_rows, after[a])
                    waits[waited, 2] = after[a, c.AFTER_HANDED]
                    waited += 1
            has_macs = own[c.CYCLES_AT] >= 0
            if has_macs:
                if now[c.SHARED_HELD] != j * ks + q:
                    now[c.SHARED_HELD] = j * ks + q
                    place = own[c.RESIDENT_AT] + j * ks + q
                    if own[c.SHARED_RESIDENT] and resident[place] >= 0:
                        now[c.SHARED_LOAD] = resident[place]
                    else:
                        size = -(-k * n * operand_bits // 8)
                        values = j * own[c.TILE_N] * own[c.K] + q * own[c.TILE_K] * n
                        loads[LOAD_BUFFER, loaded] = SHARED
                        loads[LOAD_SPACE_BYTES, loaded] = size
                        loads[LOAD_DRAM_BYTES, loaded] = size
                        loads[LOAD_ADDRESS_BYTES, loaded] = own[c.SHARED_ADDRESS] - (-values * operand_bits // 8)
                        loads[LOAD_AFTER_JOB, loaded] = -1
                        counts[p, READ] += size
                        counts[p, SHARED_WRITTEN] += k * n * operand_bits
                        now[c.SHARED_LOAD] = loaded
                        if own[c.SHARED_RESIDENT]:
                            resident[place] = loaded
                        loaded += 1
                if now[c.SKIP_HELD] != i * ks + q:
                    now[c.SKIP_HELD] = i * ks + q
                    if not (own[c.SKIP_ON_CHIP] and now[c.SKIP_LOAD] >= 0):
                        tile = own[c.SKIP_TILES_AT]
                        address = 0
                        behind = -1
                        if not own[c.SKIP_ON_CHIP]:
                            tile += i * ks + q
                            values = i * own[c.TILE_M] * own[c.K] + q * own[c.TILE_K] * m
                            address = own[c.SKIP_ADDRESS] - (-values * operand_bits // 8)
                            behind = maker_job if own[c.MAKERS_AT] >= 0 else now[c.SKIP_BEHIND]
                        loads[LOAD_BUFFER, loaded] = SKIP
                        loads[LOAD_SPACE_BYTES, loaded] = skip_tiles[tile, c.TILE_ROOM_BYTES]
                        loads[LOAD_DRAM_BYTES, loaded] = skip_tiles[tile, c.TILE_DRAM_BYTES]
                        loads[LOAD_ADDRESS_BYTES, loaded] = address
                        loads[LOAD_AFTER_JOB, loaded] = behind
                        counts[p, READ] += skip_tiles[tile, c.TILE_DRAM_BYTES]
                        counts[p, SKIP_WRITTEN] += skip_tiles[tile, c.TILE_VALUE_BITS]
                        counts[p, METADATA_WRITTEN] += skip_tiles[tile, c.TILE_METADATA_BITS]
                        now[c.SKIP_LOAD] = loaded
                        loaded += 1
                if own[c.PER_COLUMN]:
                    width = min(own[c.PASSES_BESIDE], own[c.PASSES_ACROSS] - j * own[c.PASSES_BESIDE])
                    at = own[c.CYCLES_AT] + q * ms + i
                    jobs[JOB_ARRAY_CYCLES, job] = cycles[at] * width
                    jobs[JOB_FEED_CYCLES, job] = feed[at] * width
                else:
                    at = own[c.CYCLES_AT] + (q * ms + i) * ns + j
                    jobs[JOB_ARRAY_CYCLES, job] = cycles[at]
                    jobs[JOB_FEED_CYCLES, job] = feed[at]
            place = own[c.OUTPUTS_AT] + i * ns + j
            if q == 0 or not own[c.SUMS_STAY]:
                size, address, behind = 0, 0, -1
                if q == 0:
                    size = _share(own[c.PARTIAL_TOTAL_BYTES], outputs, now[c.DEALT_PARTIAL], m * n)
                    now[c.DEALT_PARTIAL] += m * n
                    address = now[c.NEXT_PARTIAL_ADDRESS]
                    now[c.NEXT_PARTIAL_ADDRESS] += size
                    if size > 0:
                        behind = maker_job if own[c.MAKERS_AT] >= 0 else now[c.PARTIAL_BEHIND]
                    moved_bits = 8 * size
                else:
                    size = -(-m * n * sum_bits // 8)
                    address = own[c.SUMS_ADDRESS] - (-_sums_before(own, i, j) * sum_bits // 8)
                    behind = job_of[place]
                    moved_bits = m * n * sum_bits
                loads[LOAD_BUFFER, loaded] = OUTPUT
                loads[LOAD_SPACE_BYTES, loaded] = -(-m * n * sum_bits // 8)
                loads[LOAD_DRAM_BYTES, loaded] = size
                loads[LOAD_ADDRESS_BYTES, loaded] = address
                loads[LOAD_AFTER_JOB, loaded] = behind
                counts[p, READ] += size
                counts[p, OUTPUT_WRITTEN] += moved_bits
                counts[p, OUTPUT_READ] += moved_bits
                output_of[place] = loaded
                loaded += 1
            jobs[JOB_LOAD_SKIP, job] = now[c.SKIP_LOAD]
            jobs[JOB_LOAD_SHARED, job] = now[c.SHARED_LOAD]
            jobs[JOB_LOAD_OUTPUT, job] = output_of[place]
            if now[c.SKIP_LOAD] >= 0:
                loads[LOAD_LAST_JOB, now[c.SKIP_LOAD]] = job
            if now[c.SHARED_LOAD] >= 0:
                loads[LOAD_LAST_JOB, now[c.SHARED_LOAD]] = job
            loads[LOAD_LAST_JOB, output_of[place]] = job
            completes = q == ks - 1
            spills = not completes and not own[c.SUMS_STAY]
            if completes or spills:
                jobs[JOB_DRAINS, job] = 1
                if has_macs:
                    if m * n != drained:
                        drained, drain_cycles = m * n, -(-m * n // port)
                    jobs[JOB_DRAIN_CYCLES, job] = drain_cycles
                    last = min(arrays * min(m, own[c.ROWS]) * min(n, own[c.COLUMNS]), m * n)
                    if last != drained_last:
                        drained_last, tail_cycles = last, -(-last // port)
                    jobs[JOB_TAIL_CYCLES, job] = tail_cycles
            if completes:
                before = now[c.DEALT]
                now[c.DEALT] += m * n
                forward = _share(own[c.GATES_FORWARD], outputs, before, m * n)
                backward = _share(own[c.GATES_BACKWARD], outputs, before, m * n)
                if forward or backward:
                    jobs[JOB_VECTOR_CYCLES, job] = (
                        -(-forward // lanes) * machine[c.FORWARD_CYCLES]
                        + -(-backward // lanes) * machine[c.BACKWARD_CYCLES]
                    )
                size = _share(own[c.STORE_TOTAL_BYTES], outputs, before, m * n)
                if own[c.STORE_SKIP_AT] >= 0:
                    size += store_skip[own[c.STORE_SKIP_AT] + i * ns + j]
                jobs[JOB_STORE_BYTES, job] = size
                jobs[JOB_STORE_ADDRESS_BYTES, job] = now[c.NEXT_RESULT_ADDRESS]
                now[c.NEXT_RESULT_ADDRESS] += size
                counts[p, WRITE] += size
            elif spills:
                size = -(-m * n * sum_bits // 8)
                jobs[JOB_STORE_BYTES, job] = size
                jobs[JOB_STORE_ADDRESS_BYTES, job] = own[c.SUMS_ADDRESS] - (-_sums_before(own, i, j) * sum_bits // 8)
                counts[p, WRITE] += size
            else:
                jobs[JOB_STORE_ADDRESS_BYTES, job] = now[c.NEXT_RESULT_ADDRESS]
            job_of[place] = job
            last_of_rows[own[c.ROW_TILES_AT] + i] = job
            now[c.LAST_JOB] = job
            if now[c.FIRST_JOB] < 0:
                now[c.FIRST_JOB] = job
            written += 1
            _next_tile(own, now)
        if filler >= 0:
            credit -= spec[filler, c.JOB_COST_CYCLES]
            if head < tail and filler == put_off[head] and state[filler, c.JOBS_LEFT] == 0:
                head += 1
    return written, loaded, waited


@compiled
def _next_tile(own: Int64s, now: Int64s) -> None:
    """Go on to the tile of the next job, the innermost loop first."""
    order = own[c.ORDER]
    inner, middle, outer = c.AT_Q, c.AT_J, c.AT_I
    if order == NMK:
        middle, outer = c.AT_I, c.AT_J
    elif order == MKN:
        inner, middle = c.AT_J, c.AT_Q
    elif order != MNK:
        inner, middle, outer = c.AT_I, c.AT_Q, c.AT_J
    now[inner] += 1
    if now[inner] == own[c.M_TILES + inner - c.AT_I]:
        now[inner] = 0
        now[middle] += 1
        if now[middle] == own[c.M_TILES + middle - c.AT_I]:
            now[middle] = 0
            now[outer] += 1


@compiled
def _share(total: int, whole: int, done: int, part: int) -> int:
    """Give the next part of `whole` its share of a total, so that all shares sum to it; no product overflows."""
    if total == 0:
        return 0
    each, rest = total // whole, total % whole
    if rest == 0:
        return each * part
    return each * part + _times_over(rest, done + part, whole) - _times_over(rest, done, whole)


@compiled
def _times_over(a: int, b: int, whole: int) -> int:
    """Give a * b // whole of numbers up to `whole`, which may be almost 2^61."""
    if whole < 1 << 31:
        return a * b // whole
    quotient, rest = 0, 0
    for bit in range(61, -1, -1):  # as in school, a binary digit of b after the other
        rest = 2 * rest + (a if b >> bit & 1 else 0)
        quotient = 2 * quotient + rest // whole
        rest %= whole
    return quotient


@compiled
def _sums_before(own: Int64s, i: int, j: int) -> int:
    """How many sums lie before those of an output tile: rows of tiles, one tile of columns after the other."""
    rows = i * own[c.TILE_M]
    return rows * own[c.N] + j * own[c.TILE_N] * min(own[c.TILE_M], own[c.M] - rows)


@compiled
def _rows_in_order(spec: Int64s, p: int) -> bool:
    """Whether all jobs of a tile of rows follow each other."""
    order = spec[p, c.ORDER]
    if order in (MNK, MKN):
        return True
    return spec[p, c.N_TILES] == 1 and (order == NMK or spec[p, c.K_TILES] == 1)


@compiled
def _keeps_a_tile(spec: Int64s, state: Int64s, p: int) -> bool:
    """Whether a tile stays in a buffer from the jobs written so far to those left."""
    per_row = spec[p, c.N_TILES] * spec[p, c.K_TILES]
    left = state[p, c.JOBS_LEFT]
    if not 0 < left < spec[p, c.M_TILES] * per_row:
        return False
    return not (_rows_in_order(spec, p) and left % per_row == 0) or per_row == 1 or spec[p, c.SHARED_RESIDENT] == 1


@compiled
def _next_maker(spec: Int64s, state: Int64s, makers: Int64s, p: int) -> int:
    """The last product, in program order, that makes rows of the next tile of rows; a huge number if there is none."""
    if state[p, c.JOBS_LEFT] == 0 or not _rows_in_order(spec, p):
        return NONE_READY
    per_row = spec[p, c.N_TILES] * spec[p, c.K_TILES]
    i = (spec[p, c.M_TILES] * per_row - state[p, c.JOBS_LEFT]) // per_row
    return makers[spec[p, c.MAKERS_AT] + (spec[p, c.M_TILES] - 1 - i if spec[p, c.DESCENDING] else i)]


@compiled
def _last_job_of(spec: Int64s, state: Int64s, last_of_rows: Int64s, awaited: Int64s) -> int:
    """The last job on the rows of a result that are awaited."""
    p = awaited[c.AFTER_PRODUCT]
    if awaited[c.AFTER_FIRST_ROW] < 0:
        return state[p, c.LAST_JOB]
    last = -1
    first, stop = awaited[c.AFTER_FIRST_ROW] // spec[p, c.TILE_M], (awaited[c.AFTER_LAST_ROW] - 1) // spec[p, c.TILE_M]
    for i in range(first, stop + 1):
        last = max(last, int(last_of_rows[spec[p, c.ROW_TILES_AT] + i]))
    return last


@compiled
def _stored_before(spec: Int64s, state: Int64s, last_of_rows: Int64s, after: Int64s, p: int, on_chip: int) -> int:
    """The last job that must be stored before a tile can be loaded: of those awaited on chip, or of the others."""
    last = -1
    for a in range(spec[p, c.AFTER_FROM], spec[p, c.AFTER_TO]):
        if after[a, c.AFTER_ON_CHIP] == on_chip:
            last = max(last, _last_job_of(spec, state, last_of_rows, after[a]))
    return last
