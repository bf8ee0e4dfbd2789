// What all lanes share: which of the requested positions the banks grant, and how far the window slides.
module window_control #(
  parameter int LANES = 32,
  parameter int SLOTS = 64,
  parameter int REFILL = SLOTS,
  parameter int POSITION = 9,
  parameter int ADDRESS = 6,
  parameter int COUNT = 7
) (
  input  logic                   clock,
  input  logic                   start,
  input  logic [POSITION-1:0]    positions,
  input  logic [COUNT-1:0]       depth,
  input  logic [COUNT-1:0]       refill,
  input  logic [COUNT-1:0]       banks,
  input  logic                   unlimited,
  input  logic [LANES*SLOTS-1:0] requests,
  input  logic [LANES*SLOTS-1:0] remainings,
  input  logic [POSITION-1:0]    next_needed,
  output logic [POSITION-1:0]    search_from,
  output logic [POSITION-1:0]    feed_position,
  output logic [SLOTS-1:0]       open,
  output logic [SLOTS-1:0]       granted,
  output logic [SLOTS-1:0]       write,
  output logic [COUNT-1:0]       slide,
  output logic [ADDRESS-1:0]     base_slot,
  output logic                   running,
  output logic                   done
);
  logic [POSITION-1:0] base, next_base, ahead;
  logic [COUNT-1:0] filled, first_left;
  logic [SLOTS-1:0] requested, left;
  logic filling;

  assign filling = filled != COUNT'(SLOTS);
  assign running = !start && !filling && base < positions;
  assign done = !start && !filling && base >= positions;
  assign base_slot = base[ADDRESS-1:0];
  for (genvar i = 0; i < SLOTS; i++) begin : position
    assign open[i] = running && COUNT'(i) < depth;
  end

  // 1. Each lane requests its next position; 2. each bank grants one.
  always_comb begin
    requested = '0;
    for (int r = 0; r < LANES; r++) requested |= requests[r*SLOTS+:SLOTS];
  end
  bank_arbiter #(.SLOTS(SLOTS), .COUNT(COUNT)) arbiter (.banks(banks), .requested(requested), .granted(granted));

  // 3. The window slides to the first position that is left, at most by `refill`.
  always_comb begin
    left = '0;
    for (int r = 0; r < LANES; r++) left |= remainings[r*SLOTS+:SLOTS];
    first_left = COUNT'(SLOTS);
    for (int i = SLOTS - 1; i >= 0; i--) if (left[i]) first_left = COUNT'(i);
  end
  assign ahead = positions - base;
  assign search_from = start ? '0 : base + POSITION'(SLOTS);
  always_comb begin
    feed_position = base + POSITION'(SLOTS);
    slide = '0;
    next_base = base;
    if (start) begin
      next_base = unlimited ? next_needed : '0;
    end else if (filling) begin
      feed_position = base + POSITION'(filled);
      slide = COUNT'(REFILL);
    end else if (running && unlimited && left == '0) begin
      next_base = next_needed;  // beyond the window: all of it is replaced
      feed_position = next_needed;
      slide = COUNT'(SLOTS);
    end else if (running) begin
      slide = unlimited || first_left < refill ? first_left : refill;
      if (POSITION'(slide) > ahead) slide = COUNT'(ahead);
      next_base = base + POSITION'(slide);
    end
  end
  always_ff @(posedge clock) begin
    base <= next_base;
    if (start) filled <= '0;
    else if (filling) filled <= filled + COUNT'(REFILL);
  end
  slot_writes #(.SLOTS(SLOTS), .ADDRESS(ADDRESS), .SLIDE(COUNT)) writes (
    .first(feed_position[ADDRESS-1:0]), .slide(slide), .write(write)
  );
endmodule
