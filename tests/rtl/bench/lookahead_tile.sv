// Runs one pass through a lookahead tile and dumps its waves: the test bench of `waves.py`.
//
// Operands come from values.hex, one position a line; what the machine is comes in as plusargs.
module skipstone #(
  parameter int LANES = 32,
  parameter int SLOTS = 64,
  parameter int LONGEST = 256
);
  localparam int COLUMNS = 1;
  localparam int WIDTH = 8;
  localparam int SUM = 32;
  localparam int POSITION = $clog2(LONGEST) + 2;
  localparam int COUNT = $clog2(SLOTS) + 1;

  logic clock = 0, store = 0, start = 0, unlimited, gate, done;
  logic [POSITION-1:0] store_position = '0, positions;
  logic [LANES*WIDTH-1:0] store_values = '0;
  logic [COLUMNS*WIDTH-1:0] store_word = '0;
  logic [COUNT-1:0] depth, refill, banks;
  logic [LANES-1:0] lane_mask;
  logic [2:0] which = '0;
  logic [31:0] count;
  logic [$clog2(LANES > 1 ? LANES : 2)-1:0] sums_lane = '0;
  logic [COLUMNS*SUM-1:0] sums;
  logic [LANES*WIDTH-1:0] values[LONGEST];
  int given, cycles;

  lookahead_tile #(.LANES(LANES), .COLUMNS(COLUMNS), .SLOTS(SLOTS), .LONGEST(LONGEST)) tile (.*);

  // A cycle is two time units long, and begins with the rising edge.
  task automatic tick;
    #1 clock = 1;
    #1 clock = 0;
  endtask
  task automatic read(input string name, output int value);
    if (!$value$plusargs({name, "=%d"}, value)) $fatal(1, "no %s", name);
  endtask

  initial begin
    read("positions", given);
    positions = POSITION'(given);
    read("depth", given);
    depth = COUNT'(given);
    read("refill", given);
    refill = COUNT'(given);
    read("banks", given);
    banks = COUNT'(given);
    read("unlimited", given);
    unlimited = given != 0;
    read("gate", given);
    gate = given != 0;
    lane_mask = '1;
    if (positions != 0) $readmemh("values.hex", values, 0, 32'(positions) - 1);
    $dumpfile("waves.vcd");
    $dumpvars(0, skipstone);
    store = 1;
    for (int k = 0; k < positions; k++) begin
      store_position = POSITION'(k);
      store_values = values[k];
      tick;
    end
    store = 0;
    start = 1;
    tick;
    start = 0;
    tick;  // the window fills
    for (cycles = 0; !done; cycles++) begin
      if (cycles > 2 * positions + 100) $fatal(1, "the pass does not end");
      tick;
    end
    #2 $finish;
  end
endmodule
