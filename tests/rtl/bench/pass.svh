  // A pass of any tile: a step of operands a cycle, from a line each of values.hex, then cycles until it is done.
  // What includes this defines VALUES, the values of a step, and LONGEST, the most steps.
  localparam int COLUMNS = 1;
  localparam int WIDTH = 8;
  localparam int SUM = 32;
  localparam int POSITION = $clog2(LONGEST) + 2;

  logic clock = 0, store = 0, start = 0, done;
  logic [VALUES*WIDTH-1:0] values[LONGEST], store_values = '0;
  logic [2:0] which = '0;
  logic [31:0] count;
  logic [COLUMNS*SUM-1:0] sums;
  logic [POSITION-1:0] step = '0, steps;
  int cycles;

  // A cycle is two time units long, and begins with the rising edge.
  task automatic tick;
    #1 clock = 1;
    #1 clock = 0;
  endtask
  // What the machine is comes in as plusargs.
  function automatic int given(input string name);
    int value;
    if (!$value$plusargs({name, "=%d"}, value)) $fatal(1, "no %s", name);
    return value;
  endfunction
  task automatic run_pass;
    if (steps != 0) $readmemh("values.hex", values, 0, 32'(steps) - 1);
    $dumpfile("waves.vcd");
    $dumpvars(0, skipstone);
    store = 1;
    for (int i = 0; i < steps; i++) begin
      step = POSITION'(i);
      store_values = values[i];
      tick;
    end
    store = 0;
    start = 1;
    tick;
    start = 0;
    tick;  // the window fills
    for (cycles = 0; !done; cycles++) begin
      if (cycles > 2 * steps + 100) $fatal(1, "the pass does not end");
      tick;
    end
    #2 $finish;
  endtask
