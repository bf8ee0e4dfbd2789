// A lane's own values of the skip operand in the window, read at one slot.
module value_window #(
  parameter int SLOTS = 64,
  parameter int REFILL = SLOTS,  // write ports; slot s is written from port s mod REFILL
  parameter int WIDTH = 8,
  parameter int ADDRESS = 6
) (
  input  logic                    clock,
  input  logic [SLOTS-1:0]        write,
  input  logic [REFILL*WIDTH-1:0] incoming,
  input  logic [ADDRESS-1:0]      slot,
  output logic [WIDTH-1:0]        value
);
  /* verilator no_inline_module */
  logic [SLOTS*WIDTH-1:0] held;

  always_ff @(posedge clock)
    for (int s = 0; s < SLOTS; s++) if (write[s]) held[s*WIDTH+:WIDTH] <= incoming[(s%REFILL)*WIDTH+:WIDTH];
  assign value = held[slot*WIDTH+:WIDTH];
endmodule
