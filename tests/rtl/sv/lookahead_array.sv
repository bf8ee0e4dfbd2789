// Lanes that skip zeros within a staging window of the shared operand.
//
// A pass: one cycle with `start`, `fill` cycles that load the window, then `running` cycles until `base` reaches
// `positions`. The feed answers in the same cycle: mask bits and operands of the positions from `feed_position` on.
module lookahead_array #(
  parameter int LANES = 32,
  parameter int COLUMNS = 8,
  parameter int SLOTS = 64,  // deepest window, a power of two
  parameter int REFILL = SLOTS,  // most positions a cycle; divides SLOTS
  parameter int BANKS = SLOTS,  // of the window's registers: SLOTS, or a power of two that `banks` then equals
  parameter int WIDTH = 8,
  parameter int SUM = 32,
  parameter int POSITION = 9,  // bits of a position's number
  parameter int ADDRESS = $clog2(SLOTS),
  parameter int COUNT = $clog2(SLOTS) + 1
) (
  input  logic                          clock,
  input  logic                          start,
  // What the machine is: constant during a pass.
  input  logic [POSITION-1:0]           positions,
  input  logic [COUNT-1:0]              depth,
  input  logic [COUNT-1:0]              refill,
  input  logic [COUNT-1:0]              banks,
  input  logic                          unlimited,  // refill without limit; needs REFILL == SLOTS
  input  logic                          gate,
  input  logic [LANES-1:0]              lane_mask,
  // The feed.
  output logic [POSITION-1:0]           feed_position,
  output logic [SLOTS-1:0]              write,
  input  logic [LANES*REFILL-1:0]       incoming_masks,
  input  logic [LANES*REFILL*WIDTH-1:0] incoming_values,
  input  logic [REFILL*COLUMNS*WIDTH-1:0] incoming_words,
  output logic [POSITION-1:0]           search_from,
  input  logic [POSITION-1:0]           next_needed,  // first needed position from there on, or `positions`
  // What happens.
  output logic                          running,
  output logic                          done,
  output logic                          lockstep,
  output logic [LANES-1:0]              asks,
  output logic [LANES-1:0]              consumes,
  output logic [LANES-1:0]              multiplies,
  output logic [SLOTS-1:0]              granted,
  input  logic [$clog2(LANES > 1 ? LANES : 2)-1:0] sums_lane,
  output logic [COLUMNS*SUM-1:0]        sums
);
  logic [COUNT-1:0] slide;
  logic [ADDRESS-1:0] base_slot;
  logic [SLOTS-1:0] open;
  logic [LANES*ADDRESS-1:0] slots;
  logic [LANES*COLUMNS*WIDTH-1:0] words;
  logic [LANES*SLOTS-1:0] requests, remainings;
  logic [COLUMNS*SUM-1:0] lane_sums[LANES];

  // Depth 1: a cycle serves one position to all lanes, and the zeros of that position take slots.
  assign lockstep = depth == 1;
  window_control #(
    .LANES(LANES), .SLOTS(SLOTS), .REFILL(REFILL), .POSITION(POSITION), .ADDRESS(ADDRESS), .COUNT(COUNT)
  ) control (.*);
  shared_window #(
    .SLOTS(SLOTS), .REFILL(REFILL), .BANKS(BANKS), .LANES(LANES), .BITS(COLUMNS * WIDTH), .ADDRESS(ADDRESS)
  ) window (
    .clock(clock), .write(write), .incoming(incoming_words), .base_slot(base_slot), .granted(granted),
    .slots(slots), .words(words)
  );
  for (genvar r = 0; r < LANES; r++) begin : lane
    logic [WIDTH-1:0] value;
    lane_selector #(.SLOTS(SLOTS), .REFILL(REFILL), .ADDRESS(ADDRESS), .SLIDE(COUNT)) selector (
      .clock(clock), .slide(slide), .incoming(incoming_masks[r*REFILL+:REFILL]), .open(open),
      .base_slot(base_slot), .granted(granted), .request(requests[r*SLOTS+:SLOTS]),
      .remaining(remainings[r*SLOTS+:SLOTS]), .slot(slots[r*ADDRESS+:ADDRESS]), .consumes(consumes[r])
    );
    value_window #(.SLOTS(SLOTS), .REFILL(REFILL), .WIDTH(WIDTH), .ADDRESS(ADDRESS)) values (
      .clock(clock), .write(write), .incoming(incoming_values[r*REFILL*WIDTH+:REFILL*WIDTH]),
      .slot(slots[r*ADDRESS+:ADDRESS]), .value(value)
    );
    assign asks[r] = |requests[r*SLOTS+:SLOTS];
    assign multiplies[r] = consumes[r] || (running && lockstep && !gate && lane_mask[r]);
    mac_lane #(.COLUMNS(COLUMNS), .WIDTH(WIDTH), .SUM(SUM)) macs (
      .clock(clock), .clear(start), .enable(multiplies[r]), .value(value),
      .word(words[r*COLUMNS*WIDTH+:COLUMNS*WIDTH]), .sums(lane_sums[r])
    );
  end
  assign sums = lane_sums[sums_lane];
endmodule
