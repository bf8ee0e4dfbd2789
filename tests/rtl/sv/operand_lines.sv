// A buffer whose lines hold REFILL neighbouring positions; it hands out any REFILL neighbours at once, each at the port
// k mod REFILL of its position k.
module operand_lines #(
  parameter int REFILL = 64,  // a power of two, at least 2
  parameter int WIDTH = 8,
  parameter int LINES = 4,  // a power of two
  parameter int POSITION = 9
) (
  input  logic                    clock,
  input  logic                    store,
  input  logic [POSITION-1:0]     store_position,
  input  logic [WIDTH-1:0]        store_value,
  input  logic [POSITION-1:0]     feed_position,
  output logic [REFILL*WIDTH-1:0] incoming
);
  /* verilator no_inline_module */
  localparam int LINE = $clog2(LINES);
  localparam int PORT = $clog2(REFILL);
  logic [REFILL*WIDTH-1:0] lines[LINES];
  logic [REFILL*WIDTH-1:0] from_first;
  logic [LINE-1:0] first, second;

  always_ff @(posedge clock)
    if (store) lines[LINE'(store_position >> PORT)][PORT'(store_position)*WIDTH+:WIDTH] <= store_value;
  assign first = LINE'(feed_position >> PORT);
  assign second = first + 1'b1;
  assign from_first = {REFILL * WIDTH{1'b1}} << (PORT'(feed_position) * WIDTH);
  assign incoming = (lines[first] & from_first) | (lines[second] & ~from_first);
endmodule
