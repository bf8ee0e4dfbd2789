// Which slots take a new position when the window slides: position k lives in slot k mod SLOTS.
module slot_writes #(
  parameter int SLOTS = 64,
  parameter int ADDRESS = 6,
  parameter int SLIDE = 7
) (
  input  logic [ADDRESS-1:0] first,  // slot of the first position that comes in
  input  logic [SLIDE-1:0]   slide,  // how many come in
  output logic [SLOTS-1:0]   write
);
  for (genvar s = 0; s < SLOTS; s++) begin : slot
    logic [ADDRESS-1:0] distance;
    assign distance = ADDRESS'(s) - first;
    assign write[s] = SLIDE'(distance) < slide;
  end
endmodule
