// A lookahead array with the operands of one pass: what the test bench drives.
//
// Operands are written position by position; whether a value is zero is seen from the value itself.
module lookahead_tile #(
  parameter int LANES = 32,
  parameter int COLUMNS = 8,
  parameter int SLOTS = 64,
  parameter int REFILL = SLOTS,
  parameter int BANKS = SLOTS,
  parameter int WIDTH = 8,
  parameter int SUM = 32,
  parameter int LONGEST = 256,  // most positions of a pass; a power of two, at least 2 * SLOTS
  parameter int POSITION = $clog2(LONGEST) + 2,  // positions up to LONGEST + SLOTS are named
  parameter int COUNT = $clog2(SLOTS) + 1
) (
  input  logic                     clock,
  input  logic                     store,
  input  logic [POSITION-1:0]      store_position,
  input  logic [LANES*WIDTH-1:0]   store_values,
  input  logic [COLUMNS*WIDTH-1:0] store_word,
  input  logic                     start,
  input  logic [POSITION-1:0]      positions,
  input  logic [COUNT-1:0]         depth,
  input  logic [COUNT-1:0]         refill,
  input  logic [COUNT-1:0]         banks,
  input  logic                     unlimited,
  input  logic                     gate,
  input  logic [LANES-1:0]         lane_mask,
  output logic                     done,
  input  logic [2:0]               which,
  output logic [31:0]              count,
  input  logic [$clog2(LANES > 1 ? LANES : 2)-1:0] sums_lane,
  output logic [COLUMNS*SUM-1:0]   sums
);
  localparam int LINES = LONGEST / REFILL;
  localparam int PORT = $clog2(REFILL);

  logic [POSITION-1:0] feed_position, search_from, next_needed, left;
  logic [SLOTS-1:0] write, granted, fetched;
  logic [LANES*REFILL-1:0] incoming_masks;
  logic [LANES*REFILL*WIDTH-1:0] incoming_values;
  logic [REFILL*COLUMNS*WIDTH-1:0] incoming_words;
  logic running, lockstep;
  logic [LANES-1:0] store_mask, asks, consumes, multiplies;

  // The feed: operands at the port of their position, mask bits in the order of positions.
  logic [REFILL-1:0] in_range, in_range_at_port, needed_at_port, fetched_at_port;

  assign left = positions - feed_position;
  for (genvar i = 0; i < REFILL; i++) begin : port
    assign in_range[i] = feed_position < positions && POSITION'(i) < left;
  end
  operand_lines #(.REFILL(REFILL), .WIDTH(COLUMNS * WIDTH), .LINES(LINES), .POSITION(POSITION)) shared (
    .clock(clock), .store(store), .store_position(store_position), .store_value(store_word),
    .feed_position(feed_position), .incoming(incoming_words)
  );
  for (genvar r = 0; r < LANES; r++) begin : lane
    logic [REFILL-1:0] nonzero;

    assign store_mask[r] = store_values[r*WIDTH+:WIDTH] != '0;
    operand_lines #(.REFILL(REFILL), .WIDTH(WIDTH), .LINES(LINES), .POSITION(POSITION)) skip (
      .clock(clock), .store(store), .store_position(store_position), .store_value(store_values[r*WIDTH+:WIDTH]),
      .feed_position(feed_position), .incoming(incoming_values[r*REFILL*WIDTH+:REFILL*WIDTH])
    );
    operand_lines #(.REFILL(REFILL), .WIDTH(1), .LINES(LINES), .POSITION(POSITION)) mask (
      .clock(clock), .store(store), .store_position(store_position), .store_value(store_mask[r]),
      .feed_position(feed_position), .incoming(nonzero)
    );
    assign incoming_masks[r*REFILL+:REFILL] = REFILL'({nonzero, nonzero} >> PORT'(feed_position)) & in_range;
  end

  // With unlimited refill, positions that no lane needs are neither fetched nor stopped at.
  logic [LONGEST-1:0] needed;
  operand_lines #(.REFILL(REFILL), .WIDTH(1), .LINES(LINES), .POSITION(POSITION)) any (
    .clock(clock), .store(store), .store_position(store_position), .store_value(store_mask != '0),
    .feed_position(feed_position), .incoming(needed_at_port)
  );
  assign in_range_at_port = REFILL'(({in_range, in_range} << PORT'(feed_position)) >> REFILL);
  assign fetched_at_port = in_range_at_port & (unlimited ? needed_at_port : '1);
  assign fetched = write & {(SLOTS / REFILL) {fetched_at_port}};
  always_ff @(posedge clock) if (store) needed[$clog2(LONGEST)'(store_position)] <= store_mask != '0;
  always_comb begin
    next_needed = positions;
    for (int k = LONGEST - 1; k >= 0; k--)
      if (needed[k] && POSITION'(k) >= search_from && POSITION'(k) < positions) next_needed = POSITION'(k);
  end

  lookahead_array #(
    .LANES(LANES), .COLUMNS(COLUMNS), .SLOTS(SLOTS), .REFILL(REFILL), .BANKS(BANKS), .WIDTH(WIDTH), .SUM(SUM),
    .POSITION(POSITION)
  ) array (.*);
  slot_counters #(.LANES(LANES), .SLOTS(SLOTS)) counters (.*);
endmodule
