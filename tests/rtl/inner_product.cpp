// Drives one pass through the Verilator model of inner_product_tile: a C ABI for numpy arrays.
#include "Vinner_product_tile.h"
#include "clocked.h"

// values [time_rows][ROWS][16], words [time_rows][16][COLUMNS]: int8, zero in rows and columns that are not used.
// setting: time_rows, rows, depth. counts [8], sums [ROWS][COLUMNS].
// Gives 0, or 1 where the pass did not end.
extern "C" int run_pass(const int8_t* values, const int8_t* words, const int32_t* setting, int64_t* counts,
                        int32_t* sums) {
  static Vinner_product_tile& tile = *new Vinner_product_tile;
  const int time_rows = setting[0];
  store(tile, time_rows, [&](int t) {
    tile.store_time_row = t;
    std::memcpy(&tile.store_values, values + t * ROWS * 16, ROWS * 16);
    std::memcpy(&tile.store_words, words + t * 16 * COLUMNS, 16 * COLUMNS);
  });
  tile.time_rows = time_rows;
  tile.row_mask = (uint64_t{1} << setting[1]) - 1;
  tile.depth = setting[2];
  if (!run(tile, time_rows)) return 1;
  read(tile, counts, tile.sums_row, ROWS, COLUMNS, sums);
  return 0;
}
