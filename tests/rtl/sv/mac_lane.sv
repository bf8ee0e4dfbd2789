// One array row: COLUMNS multipliers and accumulators that share a value of the skip operand.
module mac_lane #(
  parameter int COLUMNS = 8,
  parameter int WIDTH = 8,  // bits of an operand
  parameter int SUM = 32  // bits of an accumulator
) (
  input  logic                     clock,
  input  logic                     clear,
  input  logic                     enable,  // low: the MACs are switched off, the sums stay
  input  logic [WIDTH-1:0]         value,
  input  logic [COLUMNS*WIDTH-1:0] word,  // a position of the shared operand
  output logic [COLUMNS*SUM-1:0]   sums
);
  /* verilator no_inline_module */
  for (genvar c = 0; c < COLUMNS; c++) begin : column
    logic signed [SUM-1:0] sum;
    logic signed [WIDTH-1:0] a, b;
    logic signed [2*WIDTH-1:0] product;

    assign a = value;
    assign b = word[c*WIDTH+:WIDTH];
    assign product = a * b;
    always_ff @(posedge clock)
      if (clear) sum <= '0;
      else if (enable) sum <= sum + SUM'(product);
    assign sums[c*SUM+:SUM] = sum;
  end
endmodule
