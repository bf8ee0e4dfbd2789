// Runs one pass through an inner-product tile and dumps its waves: the test bench of `waves.py`.
//
// Operands come from values.hex, one time row a line; what the machine is comes in as plusargs.
module skipstone #(
  parameter int ROWS = 8,
  parameter int DEPTH = 8,
  parameter int LONGEST = 32
);
  localparam int COLUMNS = 1;
  localparam int WIDTH = 8;
  localparam int SUM = 32;
  localparam int POSITION = $clog2(LONGEST) + 2;
  localparam int COUNT = $clog2(DEPTH) + 1;

  logic clock = 0, store = 0, start = 0, done;
  logic [POSITION-1:0] store_time_row = '0, time_rows;
  logic [ROWS*16*WIDTH-1:0] store_values = '0;
  logic [16*COLUMNS*WIDTH-1:0] store_words = '0;
  logic [COUNT-1:0] depth;
  logic [ROWS-1:0] row_mask;
  logic [2:0] which = '0;
  logic [31:0] count;
  logic [$clog2(ROWS > 1 ? ROWS : 2)-1:0] sums_row = '0;
  logic [COLUMNS*SUM-1:0] sums;
  logic [ROWS*16*WIDTH-1:0] values[LONGEST];
  int given, cycles;

  inner_product_tile #(.ROWS(ROWS), .COLUMNS(COLUMNS), .DEPTH(DEPTH), .LONGEST(LONGEST)) tile (.*);

  // A cycle is two time units long, and begins with the rising edge.
  task automatic tick;
    #1 clock = 1;
    #1 clock = 0;
  endtask
  task automatic read(input string name, output int value);
    if (!$value$plusargs({name, "=%d"}, value)) $fatal(1, "no %s", name);
  endtask

  initial begin
    read("time_rows", given);
    time_rows = POSITION'(given);
    read("depth", given);
    depth = COUNT'(given);
    row_mask = '1;
    if (time_rows != 0) $readmemh("values.hex", values, 0, 32'(time_rows) - 1);
    $dumpfile("waves.vcd");
    $dumpvars(0, skipstone);
    store = 1;
    for (int t = 0; t < time_rows; t++) begin
      store_time_row = POSITION'(t);
      store_values = values[t];
      tick;
    end
    store = 0;
    start = 1;
    tick;
    start = 0;
    tick;  // the window fills
    for (cycles = 0; !done; cycles++) begin
      if (cycles > 2 * time_rows + 100) $fatal(1, "the pass does not end");
      tick;
    end
    #2 $finish;
  end
endmodule
