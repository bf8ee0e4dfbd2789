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
  parameter int LONGEST = 256,  // most positions of a pass; a power of two, at least SLOTS
  parameter int POSITION = $clog2(LONGEST) + 2,  // positions up to LONGEST + SLOTS are named
  parameter int COUNT = $clog2(SLOTS) + 1
) (
  input  logic                            clock,
  input  logic                            store,
  input  logic [$clog2(LONGEST)-1:0]      store_position,
  input  logic [LANES*WIDTH-1:0]          store_values,
  input  logic [COLUMNS*WIDTH-1:0]        store_word,
  input  logic                            start,
  input  logic [POSITION-1:0]             positions,
  input  logic [COUNT-1:0]                depth,
  input  logic [COUNT-1:0]                refill,
  input  logic [COUNT-1:0]                banks,
  input  logic                            unlimited,
  input  logic                            gate,
  input  logic [LANES-1:0]                lane_mask,
  output logic                            done,
  input  logic [2:0]                      which,
  output logic [31:0]                     count,
  input  logic [$clog2(LANES > 1 ? LANES : 2)-1:0] sums_lane,
  output logic [COLUMNS*SUM-1:0]          sums
);
  localparam int INDEX = $clog2(LONGEST);
  logic [LANES*WIDTH-1:0] values[LONGEST];
  logic [COLUMNS*WIDTH-1:0] words[LONGEST];
  logic [LANES-1:0] nonzero[LONGEST];

  logic [POSITION-1:0] feed_position, search_from, next_needed;
  logic [SLOTS-1:0] write, granted, fetched;
  logic [LANES*REFILL-1:0] incoming_masks;
  logic [LANES*REFILL*WIDTH-1:0] incoming_values;
  logic [REFILL*COLUMNS*WIDTH-1:0] incoming_words;
  logic running, lockstep;
  logic [LANES-1:0] asks, consumes, multiplies;

  always_ff @(posedge clock)
    if (store) begin
      values[store_position] <= store_values;
      words[store_position] <= store_word;
      for (int r = 0; r < LANES; r++) nonzero[store_position][r] <= store_values[r*WIDTH+:WIDTH] != '0;
    end

  // Mask bits come in the order of positions; port m brings the values of the position k with k mod REFILL == m.
  logic [POSITION-1:0] at_port[REFILL];
  logic [REFILL-1:0] needed_at_port;
  for (genvar i = 0; i < REFILL; i++) begin : port
    logic [POSITION-1:0] following;
    logic [LANES-1:0] mask;
    logic [LANES*WIDTH-1:0] operands;

    assign following = feed_position + POSITION'(i);
    assign mask = following < positions ? nonzero[INDEX'(following)] : '0;
    assign at_port[i] = feed_position + ((POSITION'(i) - feed_position) & POSITION'(REFILL - 1));
    assign needed_at_port[i] = at_port[i] < positions && (!unlimited || nonzero[INDEX'(at_port[i])] != '0);
    assign operands = values[INDEX'(at_port[i])];
    assign incoming_words[i*COLUMNS*WIDTH+:COLUMNS*WIDTH] = words[INDEX'(at_port[i])];
    for (genvar r = 0; r < LANES; r++) begin : lane
      assign incoming_masks[r*REFILL+i] = mask[r];
      assign incoming_values[(r*REFILL+i)*WIDTH+:WIDTH] = operands[r*WIDTH+:WIDTH];
    end
  end
  assign fetched = write & {(SLOTS / REFILL) {needed_at_port}};

  // Where the refill is not limited, positions that no lane needs are neither fetched nor stopped at.
  always_comb begin
    next_needed = positions;
    for (int k = LONGEST - 1; k >= 0; k--)
      if (POSITION'(k) >= search_from && POSITION'(k) < positions && nonzero[k] != '0) next_needed = POSITION'(k);
  end
  lookahead_array #(
    .LANES(LANES), .COLUMNS(COLUMNS), .SLOTS(SLOTS), .REFILL(REFILL), .BANKS(BANKS), .WIDTH(WIDTH), .SUM(SUM),
    .POSITION(POSITION)
  ) array (.*);
  slot_counters #(.LANES(LANES), .SLOTS(SLOTS)) counters (.*);
endmodule
