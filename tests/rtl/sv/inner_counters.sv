// What became of each multiplier's slot in each cycle, counted over a pass of inner-product rows.
module inner_counters #(
  parameter int ROWS = 8,
  parameter int DEPTH = 8
) (
  input  logic                clock,
  input  logic                start,
  input  logic                running,
  input  logic [ROWS-1:0]     row_mask,
  input  logic [ROWS*16-1:0]  busy,
  input  logic [DEPTH*16-1:0] read,
  input  logic [2:0]          which,
  output logic [31:0]         count
);
  typedef enum logic [2:0] {CYCLES, EXECUTED, IMBALANCE, STARVED, READS} counter_t;
  logic [31:0] counts[8];
  logic [31:0] working, slots, reads;

  always_comb begin
    working = '0;
    slots = '0;
    reads = '0;
    for (int i = 0; i < ROWS * 16; i++) working = working + 32'(busy[i]);
    for (int r = 0; r < ROWS; r++) if (row_mask[r]) slots = slots + 16;
    for (int i = 0; i < DEPTH * 16; i++) reads = reads + 32'(read[i]);
  end
  always_ff @(posedge clock)
    if (start) for (int i = 0; i < 8; i++) counts[i] <= '0;
    else if (running) begin
      counts[CYCLES] <= counts[CYCLES] + 1;
      counts[EXECUTED] <= counts[EXECUTED] + working;
      counts[READS] <= counts[READS] + reads;
      if (busy != '0) counts[IMBALANCE] <= counts[IMBALANCE] + slots - working;
      else counts[STARVED] <= counts[STARVED] + slots;
    end
  assign count = counts[which];
endmodule
