// Runs one pass through a lookahead tile and dumps its waves: the test bench of `waves.py`. A step is a position.
module skipstone #(
  parameter int LANES = 32,
  parameter int SLOTS = 64,
  parameter int LONGEST = 256
);
  localparam int COUNT = $clog2(SLOTS) + 1;
  localparam int VALUES = LANES;
  `include "pass.svh"

  logic unlimited, gate;
  logic [COLUMNS*WIDTH-1:0] store_word = '0;
  logic [COUNT-1:0] depth, refill, banks;
  logic [LANES-1:0] lane_mask = '1;
  logic [$clog2(LANES > 1 ? LANES : 2)-1:0] sums_lane = '0;

  lookahead_tile #(.LANES(LANES), .COLUMNS(COLUMNS), .SLOTS(SLOTS), .LONGEST(LONGEST)) tile (
    .store_position(step), .positions(steps), .*
  );
  initial begin
    steps = POSITION'(given("positions"));
    depth = COUNT'(given("depth"));
    refill = COUNT'(given("refill"));
    banks = COUNT'(given("banks"));
    unlimited = given("unlimited") != 0;
    gate = given("gate") != 0;
    run_pass;
  end
endmodule
