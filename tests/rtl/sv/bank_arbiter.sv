// Each bank grants the lowest position requested of it.
//
// Only which positions share a bank matters, so banks are counted from that of the window's first position.
module bank_arbiter #(
  parameter int SLOTS = 64,
  parameter int COUNT = 7  // bits that hold 0 to SLOTS
) (
  input  logic [COUNT-1:0] banks,  // 1 to SLOTS
  input  logic [SLOTS-1:0] requested,
  output logic [SLOTS-1:0] granted
);
  logic [SLOTS-1:0] taken;  // by bank
  logic [SLOTS-1:0] bank;  // one bit: the bank of position i

  always_comb begin
    taken = '0;
    bank = 1;
    for (int i = 0; i < SLOTS; i++) begin
      granted[i] = requested[i] && (bank & taken) == '0;
      if (requested[i]) taken |= bank;
      bank = bank[banks-1] ? 1 : bank << 1;
    end
  end
endmodule
