// What the 16 multipliers of one array row take from its window of time rows in a cycle.
//
// Bit 16 * t + l of `pending` is set where the row still needs lane l of time row base + t. The lanes choose one after the
// other: their own value in time row base, or the first pending one of their moves.
module inner_selector #(
  parameter int DEPTH = 8,  // deepest window, in time rows
  parameter int COUNT = 4  // bits that hold 0 to DEPTH
) (
  input  logic [DEPTH*16-1:0]         pending,
  input  logic [COUNT-1:0]            depth,
  output logic [15:0]                 busy,  // lanes that take something
  output logic [16*$clog2(DEPTH)-1:0] ahead,  // of each lane: from which time row,
  output logic [16*4-1:0]             source,  // and from which lane of it
  output logic [DEPTH*16-1:0]         left,
  output logic [COUNT-1:0]            drained  // time rows from base on that need nothing any more
);
  /* verilator no_inline_module */
  localparam int ROW = $clog2(DEPTH);
  localparam int MOVES = 8;
  // Lane i of the order stands at bits 4 i; move m at bits 4 m, how far aside modulo 16.
  localparam logic [63:0] ORDER = {
    4'd15, 4'd14, 4'd9, 4'd4, 4'd13, 4'd8, 4'd3, 4'd12, 4'd7, 4'd2, 4'd11, 4'd6, 4'd1, 4'd10, 4'd5, 4'd0
  };
  localparam logic [31:0] AHEAD = {4'd2, 4'd2, 4'd2, 4'd1, 4'd1, 4'd1, 4'd1, 4'd0};
  localparam logic [31:0] ASIDE = {4'd2, 4'd0, 4'd14, 4'd3, 4'd1, 4'd0, 4'd15, 4'd0};

  logic [3:0] lane, aside;
  logic [COUNT-1:0] t;
  logic [DEPTH*16-1:0] bit_of;

  always_comb begin
    left = pending;
    busy = '0;
    ahead = '0;
    source = '0;
    lane = '0;
    aside = '0;
    t = '0;
    bit_of = '0;
    for (int i = 0; i < 16; i++) begin
      lane = ORDER[4*i+:4];
      for (int m = 0; m < MOVES; m++) begin
        t = COUNT'(AHEAD[4*m+:4]);
        aside = lane + ASIDE[4*m+:4];
        bit_of = {{(DEPTH * 16 - 1) {1'b0}}, 1'b1} << {t, aside};
        if (t < depth && !busy[lane] && (left & bit_of) != '0) begin
          busy[lane] = 1'b1;
          ahead[lane*ROW+:ROW] = ROW'(t);
          source[lane*4+:4] = aside;
          left &= ~bit_of;
        end
      end
    end
  end

  always_comb begin
    drained = depth;
    for (int i = DEPTH - 1; i >= 1; i--) if (COUNT'(i) < depth && left[i*16+:16] != '0) drained = COUNT'(i);
  end
endmodule
