// Drives one pass through the Verilator model of inner_product_tile: a C ABI for numpy arrays.
#include <cstdint>
#include <cstring>

#include "Vinner_product_tile.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

Vinner_product_tile* tile = nullptr;

void tick() {
  tile->clock = 0;
  tile->eval();
  tile->clock = 1;
  tile->eval();
}

}  // namespace

// values [time_rows][ROWS][16], words [time_rows][16][COLUMNS]: int8, zero in rows and columns that are not used.
// setting: time_rows, rows, depth. counts [8], sums [ROWS][COLUMNS].
// Gives 0, or 1 where the pass did not end.
extern "C" int run_pass(const int8_t* values, const int8_t* words, const int32_t* setting, int64_t* counts,
                        int32_t* sums) {
  if (!tile) tile = new Vinner_product_tile;
  const int time_rows = setting[0];
  tile->start = 0;
  tile->store = 1;
  for (int t = 0; t < time_rows; ++t) {
    tile->store_time_row = t;
    std::memcpy(&tile->store_values, values + t * ROWS * 16, ROWS * 16);
    std::memcpy(&tile->store_words, words + t * 16 * COLUMNS, 16 * COLUMNS);
    tick();
  }
  tile->store = 0;
  tile->time_rows = time_rows;
  tile->row_mask = (uint64_t{1} << setting[1]) - 1;
  tile->depth = setting[2];
  tile->start = 1;
  tick();
  tile->start = 0;
  tile->eval();
  // The longest pass takes a cycle a time row, after the one that fills the window.
  for (int cycle = 0; !tile->done; ++cycle) {
    if (cycle > 2 * time_rows + 100) return 1;
    tick();
  }
  for (int i = 0; i < 8; ++i) {
    tile->which = i;
    tile->eval();
    counts[i] = tile->count;
  }
  for (int r = 0; r < ROWS; ++r) {
    tile->sums_row = r;
    tile->eval();
    std::memcpy(sums + r * COLUMNS, &tile->sums, 4 * COLUMNS);
  }
  return 0;
}
