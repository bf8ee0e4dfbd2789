// Drives one pass through the Verilator model of lookahead_tile: a C ABI for numpy arrays.
#include "Vlookahead_tile.h"
#include "clocked.h"

// values [positions][LANES], words [positions][COLUMNS]: int8, zero in lanes and columns that are not used.
// setting: positions, lanes, depth, refill, banks, unlimited, gate. counts [8], sums [LANES][COLUMNS].
// Gives 0, or 1 where the pass did not end.
extern "C" int run_pass(const int8_t* values, const int8_t* words, const int32_t* setting, int64_t* counts,
                        int32_t* sums) {
  static Vlookahead_tile& tile = *new Vlookahead_tile;
  const int positions = setting[0];
  store(tile, positions, [&](int k) {
    tile.store_position = k;
    std::memcpy(&tile.store_values, values + k * LANES, LANES);
    std::memcpy(&tile.store_word, words + k * COLUMNS, COLUMNS);
  });
  tile.positions = positions;
  tile.lane_mask = (uint64_t{1} << setting[1]) - 1;
  tile.depth = setting[2];
  tile.refill = setting[3];
  tile.banks = setting[4];
  tile.unlimited = setting[5];
  tile.gate = setting[6];
  if (!run(tile, positions)) return 1;
  read(tile, counts, tile.sums_lane, LANES, COLUMNS, sums);
  return 0;
}
