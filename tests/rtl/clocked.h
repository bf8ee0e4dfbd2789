// Drives the Verilator model of any tile through a pass: a step of operands a cycle, then cycles until it is done.
#include <cstdint>
#include <cstring>

#include "verilated.h"

double sc_time_stamp() { return 0; }

template <typename Tile>
void tick(Tile& tile) {
  tile.clock = 0;
  tile.eval();
  tile.clock = 1;
  tile.eval();
}

template <typename Tile, typename Place>
void store(Tile& tile, int steps, Place place) {
  tile.start = 0;
  tile.store = 1;
  for (int step = 0; step < steps; ++step) {
    place(step);
    tick(tile);
  }
  tile.store = 0;
}

// The longest pass takes a cycle a step, after those that fill the window: gives false where it does not end.
template <typename Tile>
bool run(Tile& tile, int steps) {
  tile.start = 1;
  tick(tile);
  tile.start = 0;
  tile.eval();
  for (int cycle = 0; !tile.done; ++cycle) {
    if (cycle > 2 * steps + 100) return false;
    tick(tile);
  }
  return true;
}

// counts [8], sums [rows][columns]; `row` is the input of the tile that says whose sums it gives.
template <typename Tile, typename Row>
void read(Tile& tile, int64_t* counts, Row& row, int rows, int columns, int32_t* sums) {
  for (int i = 0; i < 8; ++i) {
    tile.which = i;
    tile.eval();
    counts[i] = tile.count;
  }
  for (int r = 0; r < rows; ++r) {
    row = r;
    tile.eval();
    std::memcpy(sums + r * columns, &tile.sums, 4 * columns);
  }
}
