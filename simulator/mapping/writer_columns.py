"""Names of the columns that `simulator.mapping.writer_kernels` reads and keeps: one row a product."""

from __future__ import annotations

# What is known of a product before any job is written. `..._AT` is where the product's part of a flat table begins; -1
# where it has none.
(
    M,
    N,
    K,
    TILE_M,
    TILE_N,
    TILE_K,
    M_TILES,
    N_TILES,
    K_TILES,
    ROWS,  # of a pass
    COLUMNS,
    ORDER,  # index into `simulator.mapping.tiling.ORDERS`
    SKIP_ON_CHIP,
    SHARED_RESIDENT,
    SUMS_STAY,
    DESCENDING,
    IN_CHAIN,
    PER_COLUMN,  # 1: array cycles of a row tile are those of one column tile of a pass
    CYCLES_AT,  # [K tiles, M tiles] or [K tiles, M tiles, N tiles]
    SKIP_TILES_AT,  # rows of `skip_tiles`: [M tiles, K tiles], or one where it comes on chip
    STORE_SKIP_AT,  # [M tiles, N tiles]
    RESIDENT_AT,  # [N tiles, K tiles], shared by all products of one shared operand
    MAKERS_AT,  # [M tiles]
    ROW_TILES_AT,  # [M tiles]
    OUTPUTS_AT,  # [M tiles, N tiles]
    AFTER_FROM,  # rows of `after`
    AFTER_TO,
    PARTIAL_TOTAL_BYTES,
    STORE_TOTAL_BYTES,
    GATES_FORWARD,
    GATES_BACKWARD,
    SKIP_ADDRESS,
    SHARED_ADDRESS,
    PARTIAL_ADDRESS,
    SUMS_ADDRESS,
    RESULT_ADDRESS,
    PUT_OFF,  # 1: nobody waits for it, so that it fills pauses
    CHAIN,  # the first product of its serial chain
    FILLER,  # of the first product of a chain: the product that reads what the chain makes, row by row
    CROWDED,  # 1: its weights leave no room for another product's tile
    PAUSE_CYCLES,  # before it
    NEWEST,  # the product before it in its chain
    JOB_COST_CYCLES,  # of one of its jobs, on average
    PASSES_BESIDE,  # passes side by side in a tile of columns
    PASSES_ACROSS,  # and in all of N
) = range(45)
SPEC = 45

# Rows of `after`: what a product waits for.
AFTER_PRODUCT, AFTER_ON_CHIP, AFTER_HANDED, AFTER_FIRST_ROW, AFTER_LAST_ROW = range(5)

# Columns of `skip_tiles`.
TILE_DRAM_BYTES, TILE_ROOM_BYTES, TILE_VALUE_BITS, TILE_METADATA_BITS = range(4)

# What changes while jobs are written.
(
    JOBS_LEFT,
    FIRST_JOB,
    LAST_JOB,
    SKIP_HELD,  # i * K tiles + q of the tile that is held, or -1
    SHARED_HELD,  # j * K tiles + q
    SKIP_LOAD,
    SHARED_LOAD,
    WAITED_FOR,  # the last maker's job that was waited for
    DEALT_PARTIAL,  # outputs whose share was dealt out
    DEALT,
    NEXT_PARTIAL_ADDRESS,
    NEXT_RESULT_ADDRESS,
    AT_I,  # the tile of the next job, in the order of M_TILES, N_TILES, K_TILES
    AT_J,
    AT_Q,
    SKIP_BEHIND,  # the job that must be stored before a tile of the skip operand can be loaded; -1: none
    PARTIAL_BEHIND,  # and before what the epilogue reads
) = range(17)
STATE = 17

# Constants of the machine.
(
    OPERAND_BITS,
    SUM_BITS,
    PORT_VALUES,
    LANES,
    FORWARD_CYCLES,
    BACKWARD_CYCLES,
    MIXES,
    ARRAYS,
) = range(8)
MACHINE = 8
