// What is chosen, and who draws again when it changes.

const choice = (id) => document.getElementById(id);

const state = {
  x: choice("x-axis").value,
  y: choice("y-axis").value,
  xLog: false,
  yLog: false,
  colour: choice("colour").value,
  a: null,
  b: null,
  visible: new Uint8Array(rowCount).fill(1),
  frontiers: [],
};

function filterRows() {
  const names = [...filters.keys()];
  let kept = 0;
  for (const row of allRows) {
    const keeps = names.every((name) => filterKeeps(name, row)) && parallel.axes.every((axis) => passes(axis, row));
    state.visible[row] = keeps ? 1 : 0;
    kept += state.visible[row];
  }
  choice("kept").textContent = kept === rowCount ? `all ${fixed(rowCount, 0)} points` : `${fixed(kept, 0)} of ${fixed(rowCount, 0)} points`;
  choice("reset").disabled = kept === rowCount;
}

function findFrontier() {
  state.frontiers = frontierOf(allRows.filter((row) => state.visible[row]), state.x, state.y);
  const count = state.frontiers.flat().length;
  const apart = state.frontiers.length > 1 ? `, apart for each ${pageData.apart.map(shortName).join(" and ")}` : "";
  choice("frontier-said").textContent = `${fixed(count, 0)} points that nothing beats in ${state.x} and ${state.y}${apart}.`;
}

// Drawing waits for the next frame, so that many changes in one cost one drawing.
const waiting = new Set();

function redraw(...parts) {
  if (!waiting.size) {
    requestAnimationFrame(() => {
      const due = new Set(waiting);
      waiting.clear();
      if (due.has("rows")) filterRows();
      if (due.has("rows") || due.has("frontier")) findFrontier();
      if (due.has("rows") || due.has("frontier") || due.has("drawings")) {
        drawScatter(state);
        drawParallel(state);
      }
      if (due.has("pair")) drawCompare(state, clearPair);
      if (due.has("rows") || due.has("frontier") || due.has("pair") || due.has("table")) {
        drawTable(state, { pick, redraw: () => redraw("table") });
      }
    });
  }
  for (const part of parts) waiting.add(part);
}

// A first, then B; from then on the older of the two gives way.
function pick(row, name = null) {
  const into = name ?? (state.a === null ? "a" : state.b === null ? "b" : state.last === "b" ? "a" : "b");
  if (state[into] === row) state[into] = null;
  else state[into] = row;
  if (state.a === null && state.b !== null) [state.a, state.b] = [state.b, null];
  state.last = state.b === null ? null : into;
  redraw("pair", "drawings");
}

function clearPair() {
  [state.a, state.b, state.last] = [null, null, null];
  redraw("pair", "drawings");
}

startFilters(() => redraw("rows"));
startParallel(() => redraw("rows"));
startScatter(state, { pick, redraw: () => redraw("drawings") });
startTable(state, () => redraw("table"));
choice("reset").addEventListener("click", () => {
  resetFilters();
  redraw("rows");
});
for (const [id, key] of [["x-axis", "x"], ["y-axis", "y"], ["colour", "colour"]]) {
  choice(id).addEventListener("change", () => {
    state[key] = choice(id).value;
    redraw("frontier");
  });
}
for (const [id, key] of [["x-log", "xLog"], ["y-log", "yLog"]]) {
  choice(id).addEventListener("change", () => {
    state[key] = choice(id).checked;
    redraw("drawings");
  });
}
for (const button of document.querySelectorAll("[data-pick]")) {
  button.addEventListener("click", () => {
    pick(Number(button.dataset.pick));
    choice("compare").scrollIntoView();
  });
}
document.addEventListener("themechange", () => redraw("drawings"));
matchMedia("print").addEventListener("change", () => {
  drawScatter(state);
  drawParallel(state);
});
new ResizeObserver(() => redraw("drawings")).observe(choice("scatter-box"));
redraw("rows", "pair");
