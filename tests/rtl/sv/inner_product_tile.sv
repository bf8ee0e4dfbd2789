// An array of inner-product rows with the operands of one pass: what the test bench drives.
//
// Operands are written time row by time row, 16 positions each, the last one padded with zeros. A pass: one cycle with
// `start`, one that fills the window, then a cycle for each until `base` reaches `time_rows`.
module inner_product_tile #(
  parameter int ROWS = 8,
  parameter int COLUMNS = 4,
  parameter int DEPTH = 8,  // deepest window in time rows, a power of two
  parameter int WIDTH = 8,
  parameter int SUM = 32,
  parameter int LONGEST = 32,  // most time rows; a power of two, at least 2 * DEPTH
  parameter int POSITION = $clog2(LONGEST) + 2,
  parameter int COUNT = $clog2(DEPTH) + 1
) (
  input  logic                        clock,
  input  logic                        store,
  input  logic [POSITION-1:0]         store_time_row,
  input  logic [ROWS*16*WIDTH-1:0]    store_values,
  input  logic [16*COLUMNS*WIDTH-1:0] store_words,
  input  logic                        start,
  input  logic [POSITION-1:0]         time_rows,
  input  logic [COUNT-1:0]            depth,
  input  logic [ROWS-1:0]             row_mask,
  output logic                        done,
  input  logic [2:0]                  which,
  output logic [31:0]                 count,
  input  logic [$clog2(ROWS > 1 ? ROWS : 2)-1:0] sums_row,
  output logic [COLUMNS*SUM-1:0]      sums
);
  localparam int LINES = LONGEST / DEPTH;
  localparam int ROW = $clog2(DEPTH);

  logic filled, running;
  logic [POSITION-1:0] base, feed_time_row, remaining;
  logic [COUNT-1:0] advance;
  logic [DEPTH-1:0] write, in_range;
  logic [DEPTH*16*COLUMNS*WIDTH-1:0] incoming_words, staged;
  logic [ROWS*COUNT-1:0] drained;
  logic [ROWS*16-1:0] busy;
  logic [ROWS*DEPTH*16-1:0] taken;
  logic [DEPTH*16-1:0] read;
  logic [COLUMNS*SUM-1:0] row_sums[ROWS];

  // All rows share the window: it advances by the least that any of them has drained.
  assign running = !start && filled && base < time_rows;
  assign done = !start && filled && base >= time_rows;
  always_comb begin
    advance = '0;
    if (!start && !filled) advance = COUNT'(DEPTH);
    else if (running) begin
      advance = depth;
      for (int r = 0; r < ROWS; r++) if (drained[r*COUNT+:COUNT] < advance) advance = drained[r*COUNT+:COUNT];
    end
  end
  always_ff @(posedge clock) begin
    filled <= !start;
    if (start) base <= '0;
    else if (running) base <= base + POSITION'(advance);
  end

  assign feed_time_row = filled ? base + POSITION'(DEPTH) : '0;
  assign remaining = time_rows - feed_time_row;
  for (genvar t = 0; t < DEPTH; t++) begin : port
    assign in_range[t] = feed_time_row < time_rows && POSITION'(t) < remaining;
  end
  slot_writes #(.SLOTS(DEPTH), .ADDRESS(ROW), .SLIDE(COUNT)) writes (
    .first(ROW'(feed_time_row)), .slide(advance), .write(write)
  );
  operand_lines #(.REFILL(DEPTH), .WIDTH(16 * COLUMNS * WIDTH), .LINES(LINES), .POSITION(POSITION)) shared (
    .clock(clock), .store(store), .store_position(store_time_row), .store_value(store_words),
    .feed_position(feed_time_row), .incoming(incoming_words)
  );
  always_ff @(posedge clock)
    for (int s = 0; s < DEPTH; s++)
      if (write[s]) staged[s*16*COLUMNS*WIDTH+:16*COLUMNS*WIDTH] <= incoming_words[s*16*COLUMNS*WIDTH+:16*COLUMNS*WIDTH];

  for (genvar r = 0; r < ROWS; r++) begin : row
    logic [15:0] store_mask;
    logic [DEPTH*16-1:0] nonzero, mask;
    logic [DEPTH*16*WIDTH-1:0] values;

    for (genvar l = 0; l < 16; l++) begin : lane
      assign store_mask[l] = store_values[(r*16+l)*WIDTH+:WIDTH] != '0;
    end
    operand_lines #(.REFILL(DEPTH), .WIDTH(16 * WIDTH), .LINES(LINES), .POSITION(POSITION)) skip (
      .clock(clock), .store(store), .store_position(store_time_row),
      .store_value(store_values[r*16*WIDTH+:16*WIDTH]), .feed_position(feed_time_row), .incoming(values)
    );
    operand_lines #(.REFILL(DEPTH), .WIDTH(16), .LINES(LINES), .POSITION(POSITION)) masks (
      .clock(clock), .store(store), .store_position(store_time_row), .store_value(store_mask),
      .feed_position(feed_time_row), .incoming(nonzero)
    );
    for (genvar t = 0; t < DEPTH; t++) begin : in_order
      logic [ROW-1:0] slot;
      assign slot = ROW'(feed_time_row) + ROW'(t);
      assign mask[t*16+:16] = in_range[t] ? nonzero[slot*16+:16] : '0;
    end
    inner_row #(.COLUMNS(COLUMNS), .DEPTH(DEPTH), .WIDTH(WIDTH), .SUM(SUM)) macs (
      .clock(clock), .clear(start), .running(running), .depth(depth), .advance(advance), .base_slot(ROW'(base)),
      .write(write), .incoming_mask(mask), .incoming_values(values), .staged(staged),
      .drained(drained[r*COUNT+:COUNT]), .busy(busy[r*16+:16]), .taken(taken[r*DEPTH*16+:DEPTH*16]),
      .sums(row_sums[r])
    );
  end
  assign sums = row_sums[sums_row];

  // Words of the shared operand that some row takes in a cycle are read once.
  always_comb begin
    read = '0;
    for (int r = 0; r < ROWS; r++) read |= taken[r*DEPTH*16+:DEPTH*16];
  end
  inner_counters #(.ROWS(ROWS), .DEPTH(DEPTH)) counters (.*);
endmodule
