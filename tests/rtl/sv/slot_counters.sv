// What became of each lane's slot in each cycle, counted over a pass.
module slot_counters #(
  parameter int LANES = 32,
  parameter int SLOTS = 64
) (
  input  logic             clock,
  input  logic             start,
  input  logic             running,
  input  logic             lockstep,
  input  logic             gate,
  input  logic [LANES-1:0] lane_mask,
  input  logic [LANES-1:0] asks,
  input  logic [LANES-1:0] consumes,
  input  logic [LANES-1:0] multiplies,
  input  logic [SLOTS-1:0] granted,
  input  logic [SLOTS-1:0] fetched,
  input  logic [2:0]       which,
  output logic [31:0]      count
);
  typedef enum logic [2:0] {CYCLES, EXECUTED, GATED, IMBALANCE, CONFLICT, STARVED, READS, FETCHES} counter_t;
  logic [31:0] counts[8];
  logic [LANES-1:0] idle;

  function automatic logic [31:0] ones_of_lanes(input logic [LANES-1:0] bits);
    ones_of_lanes = '0;
    for (int r = 0; r < LANES; r++) ones_of_lanes = ones_of_lanes + 32'(bits[r]);
  endfunction
  function automatic logic [31:0] ones_of_slots(input logic [SLOTS-1:0] bits);
    ones_of_slots = '0;
    for (int s = 0; s < SLOTS; s++) ones_of_slots = ones_of_slots + 32'(bits[s]);
  endfunction

  assign idle = lane_mask & ~asks;
  always_ff @(posedge clock)
    if (start) for (int i = 0; i < 8; i++) counts[i] <= '0;
    else begin
      counts[FETCHES] <= counts[FETCHES] + ones_of_slots(fetched);
      if (running) begin
        counts[CYCLES] <= counts[CYCLES] + 1;
        counts[EXECUTED] <= counts[EXECUTED] + ones_of_lanes(multiplies);
        counts[CONFLICT] <= counts[CONFLICT] + ones_of_lanes(asks & ~consumes);
        // Without gating a depth of 1 reads every position, whether or not a lane needs it.
        counts[READS] <= counts[READS] + (lockstep && !gate ? 1 : ones_of_slots(granted));
        if (lockstep) counts[GATED] <= counts[GATED] + ones_of_lanes(lane_mask & ~multiplies);
        else if (asks != '0) counts[IMBALANCE] <= counts[IMBALANCE] + ones_of_lanes(idle);
        else counts[STARVED] <= counts[STARVED] + ones_of_lanes(idle);
      end
    end
  assign count = counts[which];
endmodule
