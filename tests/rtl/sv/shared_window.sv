// The staging window: words of the shared operand, read by all lanes.
//
// With as many banks as slots each lane reads its slot. With fewer, slot s lies in bank s mod BANKS; a bank hands out
// the one word that is granted in it, and a lane chooses a bank.
module shared_window #(
  parameter int SLOTS = 64,
  parameter int REFILL = SLOTS,  // write ports; slot s is written from port s mod REFILL
  parameter int BANKS = SLOTS,  // a power of two
  parameter int LANES = 32,
  parameter int BITS = 64,  // of a word: one operand for each column
  parameter int ADDRESS = 6
) (
  input  logic                     clock,
  input  logic [SLOTS-1:0]         write,
  input  logic [REFILL*BITS-1:0]   incoming,
  input  logic [ADDRESS-1:0]       base_slot,
  input  logic [SLOTS-1:0]         granted,  // bit i: position base + i is read
  input  logic [LANES*ADDRESS-1:0] slots,  // of each lane
  output logic [LANES*BITS-1:0]    words  // for each lane
);
  logic [SLOTS*BITS-1:0] held;

  always_ff @(posedge clock)
    for (int s = 0; s < SLOTS; s++) if (write[s]) held[s*BITS+:BITS] <= incoming[(s%REFILL)*BITS+:BITS];

  if (BANKS >= SLOTS) begin : unlimited
    for (genvar r = 0; r < LANES; r++) begin : lane
      assign words[r*BITS+:BITS] = held[slots[r*ADDRESS+:ADDRESS]*BITS+:BITS];
    end
    logic unused;
    assign unused = &{1'b0, base_slot, granted};
  end else begin : banked
    logic [SLOTS-1:0] read;  // bit s: slot s is read
    logic [BITS-1:0] handed[BANKS];

    assign read = SLOTS'(({granted, granted} << base_slot) >> SLOTS);
    always_comb begin
      for (int b = 0; b < BANKS; b++) handed[b] = '0;
      for (int s = 0; s < SLOTS; s++) if (read[s]) handed[s%BANKS] |= held[s*BITS+:BITS];
    end
    for (genvar r = 0; r < LANES; r++) begin : lane
      if (BANKS == 1) begin : only
        assign words[r*BITS+:BITS] = handed[0];
      end else begin : chosen
        assign words[r*BITS+:BITS] = handed[slots[r*ADDRESS+:$clog2(BANKS)]];
      end
    end
    logic unused;
    assign unused = &{1'b0, slots};
  end
endmodule
