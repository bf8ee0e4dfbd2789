// Which position a lane consumes next: the lowest of its non-zeros in the open part of the window.
//
// Bit i of `pending` is set where the lane still needs position base + i. The bits move when the window slides;
// the operands themselves stay in their slots until they are replaced.
module lane_selector #(
  parameter int SLOTS = 64,  // positions of the window, a power of two
  parameter int REFILL = SLOTS,  // most positions by which it slides in a cycle
  parameter int ADDRESS = 6,  // bits of a slot's number
  parameter int SLIDE = 7  // bits that hold 0 to SLOTS
) (
  input  logic               clock,
  input  logic [SLIDE-1:0]   slide,  // positions by which the window slides at the end of the cycle
  input  logic [REFILL-1:0]  incoming,  // mask bits of the positions that follow the window
  input  logic [SLOTS-1:0]   open,  // positions base + i that lanes may consume
  input  logic [ADDRESS-1:0] base_slot,
  input  logic [SLOTS-1:0]   granted,
  output logic [SLOTS-1:0]   request,  // at most one bit
  output logic [SLOTS-1:0]   remaining,
  output logic [ADDRESS-1:0] slot,  // where the requested position lies
  output logic               consumes
);
  /* verilator no_inline_module */
  logic [SLOTS-1:0] pending, wanted;
  logic [ADDRESS-1:0] index;

  assign wanted = pending & open;
  assign request = wanted & -wanted;
  assign consumes = |(request & granted);
  assign remaining = pending & ~(request & granted);
  always_ff @(posedge clock) pending <= SLOTS'({incoming, remaining} >> slide);

  // The number of the one bit of `request`: bit j of it is set for every second run of 2**j positions.
  for (genvar j = 0; j < ADDRESS; j++) begin : bit_of_index
    logic [SLOTS-1:0] having;
    for (genvar i = 0; i < SLOTS; i++) begin : position
      assign having[i] = request[i] && ((i >> j) % 2 == 1);
    end
    assign index[j] = |having;
  end
  assign slot = base_slot + index;
endmodule
