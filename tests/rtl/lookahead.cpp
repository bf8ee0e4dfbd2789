// Drives one pass through the Verilator model of lookahead_tile: a C ABI for numpy arrays.
#include <cstdint>
#include <cstring>

#include "Vlookahead_tile.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

Vlookahead_tile* tile = nullptr;

void tick() {
  tile->clock = 0;
  tile->eval();
  tile->clock = 1;
  tile->eval();
}

}  // namespace

// values [positions][LANES], words [positions][COLUMNS]: int8, zero in lanes and columns that are not used.
// setting: positions, lanes, depth, refill, banks, unlimited, gate. counts [8], sums [LANES][COLUMNS].
// Gives 0, or 1 where the pass did not end.
extern "C" int run_pass(const int8_t* values, const int8_t* words, const int32_t* setting, int64_t* counts,
                        int32_t* sums) {
  if (!tile) tile = new Vlookahead_tile;
  const int positions = setting[0];
  tile->start = 0;
  tile->store = 1;
  for (int k = 0; k < positions; ++k) {
    tile->store_position = k;
    std::memcpy(&tile->store_values, values + k * LANES, LANES);
    std::memcpy(&tile->store_word, words + k * COLUMNS, COLUMNS);
    tick();
  }
  tile->store = 0;
  tile->positions = positions;
  tile->lane_mask = (uint64_t{1} << setting[1]) - 1;
  tile->depth = setting[2];
  tile->refill = setting[3];
  tile->banks = setting[4];
  tile->unlimited = setting[5];
  tile->gate = setting[6];
  tile->start = 1;
  tick();
  tile->start = 0;
  tile->eval();
  // The longest pass takes a cycle a position, after the cycles that fill the window.
  for (int cycle = 0; !tile->done; ++cycle) {
    if (cycle > 2 * positions + 100) return 1;
    tick();
  }
  for (int i = 0; i < 8; ++i) {
    tile->which = i;
    tile->eval();
    counts[i] = tile->count;
  }
  for (int r = 0; r < LANES; ++r) {
    tile->sums_lane = r;
    tile->eval();
    std::memcpy(sums + r * COLUMNS, &tile->sums, 4 * COLUMNS);
  }
  return 0;
}
