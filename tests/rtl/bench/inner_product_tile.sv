// Runs one pass through an inner-product tile and dumps its waves: the test bench of `waves.py`. A step is a time row.
module skipstone #(
  parameter int ROWS = 8,
  parameter int DEPTH = 8,
  parameter int LONGEST = 32
);
  localparam int COUNT = $clog2(DEPTH) + 1;
  localparam int VALUES = ROWS * 16;
  `include "pass.svh"

  logic [16*COLUMNS*WIDTH-1:0] store_words = '0;
  logic [COUNT-1:0] depth;
  logic [ROWS-1:0] row_mask = '1;
  logic [$clog2(ROWS > 1 ? ROWS : 2)-1:0] sums_row = '0;

  inner_product_tile #(.ROWS(ROWS), .COLUMNS(COLUMNS), .DEPTH(DEPTH), .LONGEST(LONGEST)) tile (
    .store_time_row(step), .time_rows(steps), .*
  );
  initial begin
    steps = POSITION'(given("time_rows"));
    depth = COUNT'(given("depth"));
    run_pass;
  end
endmodule
