// One array row: what it still needs of the window, its own values there, and COLUMNS inner products of 16 multipliers.
module inner_row #(
  parameter int COLUMNS = 4,
  parameter int DEPTH = 8,  // a power of two
  parameter int WIDTH = 8,
  parameter int SUM = 32,
  parameter int ROW = $clog2(DEPTH),
  parameter int COUNT = $clog2(DEPTH) + 1
) (
  input  logic                              clock,
  input  logic                              clear,
  input  logic                              running,
  input  logic [COUNT-1:0]                  depth,
  input  logic [COUNT-1:0]                  advance,  // of all rows, at the end of the cycle
  input  logic [ROW-1:0]                    base_slot,
  input  logic [DEPTH-1:0]                  write,
  input  logic [DEPTH*16-1:0]               incoming_mask,
  input  logic [DEPTH*16*WIDTH-1:0]         incoming_values,
  input  logic [DEPTH*16*COLUMNS*WIDTH-1:0] staged,  // the shared operand in the window
  output logic [COUNT-1:0]                  drained,
  output logic [15:0]                       busy,
  output logic [DEPTH*16-1:0]               taken,
  output logic [COLUMNS*SUM-1:0]            sums
);
  /* verilator no_inline_module */
  logic [DEPTH*16-1:0] pending, left, next;
  logic [DEPTH*16*WIDTH-1:0] held;
  logic [15:0] found;
  logic [16*ROW-1:0] ahead;
  logic [16*4-1:0] source;
  logic [16*WIDTH-1:0] values;
  logic [16*COLUMNS*WIDTH-1:0] words;

  inner_selector #(.DEPTH(DEPTH), .COUNT(COUNT)) selector (
    .pending(pending), .depth(depth), .busy(found), .ahead(ahead), .source(source), .left(left), .drained(drained)
  );
  assign busy = running ? found : '0;
  assign next = running ? left : pending;
  assign taken = pending & ~next;
  always_ff @(posedge clock) begin
    pending <= (DEPTH * 16)'({incoming_mask, next} >> {advance, 4'b0});
    for (int s = 0; s < DEPTH; s++)
      if (write[s]) held[s*16*WIDTH+:16*WIDTH] <= incoming_values[s*16*WIDTH+:16*WIDTH];
  end

  for (genvar l = 0; l < 16; l++) begin : lane
    logic [ROW-1:0] slot;
    logic [ROW+3:0] at;
    assign slot = base_slot + ahead[l*ROW+:ROW];
    assign at = {slot, source[l*4+:4]};
    assign values[l*WIDTH+:WIDTH] = busy[l] ? held[at*WIDTH+:WIDTH] : '0;
    assign words[l*COLUMNS*WIDTH+:COLUMNS*WIDTH] = staged[at*COLUMNS*WIDTH+:COLUMNS*WIDTH];
  end
  for (genvar c = 0; c < COLUMNS; c++) begin : column
    logic signed [SUM-1:0] sum, inner;
    logic signed [WIDTH-1:0] a, b;
    logic signed [2*WIDTH-1:0] product;

    always_comb begin
      inner = '0;
      a = '0;
      b = '0;
      product = '0;
      for (int l = 0; l < 16; l++) begin
        a = values[l*WIDTH+:WIDTH];
        b = words[(l*COLUMNS+c)*WIDTH+:WIDTH];
        product = a * b;
        inner = inner + SUM'(product);
      end
    end
    always_ff @(posedge clock)
      if (clear) sum <= '0;
      else sum <= sum + inner;
    assign sums[c*SUM+:SUM] = sum;
  end
endmodule
