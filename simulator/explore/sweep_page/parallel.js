// Parallel axes: a line is a point, an axis keeps what lies between its handles.

const PARALLEL = { top: 46, bottom: 26, side: 64, least: 92 };
const HANDLE_STEP = 0.05;
const UNSET = -0.08; // where a row stands that has no value

const parallel = { canvas: document.getElementById("lines"), axes: [] };

function parallelScale(name) {
  const column = columns.get(name);
  const levels = distinct(name);
  const wide = column.numeric && levels[0] > 0 && levels[levels.length - 1] / levels[0] > 50;
  return scaleOf(name, { even: column.role === "setting", log: wide });
}

// Where a row stands on an axis, 0 below to 1 above; what has no value stands under all others.
const placeOn = (axis, row) => {
  const value = valueAt(axis.name, row);
  return value === null ? UNSET : axis.scale.of(value);
};

function passes(axis, row) {
  if (!axis.brush) return true;
  const at = placeOn(axis, row);
  return at >= axis.brush[0] - 1e-9 && at <= axis.brush[1] + 1e-9;
}

function startParallel(changed) {
  const box = document.getElementById("axes");
  parallel.axes = pageData.parallel.map((name) => {
    const axis = { name, scale: parallelScale(name), brush: null };
    axis.places = Float32Array.from(allRows, (row) => placeOn(axis, row));
    const part = (className) => {
      const element = document.createElement("div");
      element.className = className;
      return element;
    };
    axis.element = part("pa");
    const head = part("pa-name");
    head.textContent = shortName(name);
    head.title = name;
    axis.line = part("pa-line");
    axis.mark = part("pa-brush");
    axis.handles = [0, 1].map((end) => handleOf(axis, end, changed));
    const missing = columns.get(name).hasMissing ? [{ at: UNSET, said: "not set" }] : [];
    axis.ticks = [...missing, ...axis.scale.ticks].map((tick) => {
      const element = part("pa-tick");
      element.textContent = tick.said;
      element.title = tick.said;
      return [tick.at, element];
    });
    axis.element.append(head, axis.line, axis.mark, ...axis.ticks.map(([, element]) => element), ...axis.handles);
    axis.line.addEventListener("pointerdown", (event) => dragBrush(axis, event, changed));
    box.append(axis.element);
    return axis;
  });
  document.getElementById("parallel-box").style.minWidth =
    `${2 * PARALLEL.side + PARALLEL.least * Math.max(0, parallel.axes.length - 1)}px`;
}

const shortName = (name) => name.split(".").slice(-1)[0];

function handleOf(axis, end, changed) {
  const handle = document.createElement("div");
  handle.className = "pa-handle";
  handle.tabIndex = 0;
  handle.setAttribute("role", "slider");
  handle.setAttribute("aria-orientation", "vertical");
  handle.setAttribute("aria-label", `${axis.name}, ${end ? "at most" : "at least"}`);
  handle.setAttribute("aria-valuemin", "0");
  handle.setAttribute("aria-valuemax", "100");
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowUp: HANDLE_STEP, ArrowRight: HANDLE_STEP, ArrowDown: -HANDLE_STEP, ArrowLeft: -HANDLE_STEP }[
      event.key
    ];
    if (event.key === "Escape") setBrush(axis, null, changed);
    if (!step) return;
    event.preventDefault();
    const brush = [...(axis.brush ?? [-0.1, 1.1])].map((at) => Math.max(0, Math.min(1, at)));
    brush[end] = Math.max(0, Math.min(1, brush[end] + step));
    if (brush[0] <= brush[1]) setBrush(axis, brush, changed);
  });
  handle.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    const other = (axis.brush ?? [0, 1])[1 - end];
    dragBrush(axis, event, changed, other);
  });
  return handle;
}

function setBrush(axis, brush, changed) {
  axis.brush = brush && brush[0] <= 0 && brush[1] >= 1 ? null : brush;
  changed();
}

// Drag from where the pointer went down (or from the other handle) to where it is.
function dragBrush(axis, event, changed, from = null) {
  const box = axis.line.getBoundingClientRect();
  const at = (one) => Math.max(0, Math.min(1, 1 - (one.clientY - box.top) / box.height));
  const start = from ?? at(event);
  const begin = event.clientY;
  event.preventDefault();
  const move = (one) => {
    const now = at(one);
    const brush = [Math.min(start, now), Math.max(start, now)];
    if (Math.abs(one.clientY - begin) > 3) setBrush(axis, brush, changed);
  };
  const end = (one) => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    if (Math.abs(one.clientY - begin) <= 3 && from === null) setBrush(axis, null, changed); // a click shows all again
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
}

function drawParallel(state) {
  const { context, width, height } = sharpened(parallel.canvas);
  const long = height - PARALLEL.top - PARALLEL.bottom;
  const gap = parallel.axes.length > 1 ? (width - 2 * PARALLEL.side) / (parallel.axes.length - 1) : 0;
  parallel.axes.forEach((axis, index) => placeAxis(axis, PARALLEL.side + index * gap, long, index));
  const colours = coloursOf(state.colour);
  const grey = paint("grey");
  const lineOf = (row) => {
    parallel.axes.forEach((axis, index) => {
      const x = PARALLEL.side + index * gap;
      const y = PARALLEL.top + (1 - axis.places[row]) * long;
      if (index === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    });
  };
  const shown = allRows.filter((row) => state.visible[row]);
  context.lineWidth = 1;
  context.globalAlpha = Math.max(0.04, Math.min(0.16, 12 / rowCount));
  context.strokeStyle = grey;
  context.beginPath();
  for (const row of allRows) if (!state.visible[row]) lineOf(row);
  context.stroke();
  context.globalAlpha = Math.max(0.12, Math.min(0.75, 60 / shown.length));
  for (const row of shown) {
    context.strokeStyle = colours.list[colours.of(row)].colour;
    context.beginPath();
    lineOf(row);
    context.stroke();
  }
  context.globalAlpha = 1;
  context.lineWidth = 2.4;
  context.strokeStyle = paint("ink");
  for (const [row, dash] of [[state.a, []], [state.b, [7, 4]], [scatter.at, [1, 0]]]) {
    if (row === null) continue;
    context.setLineDash(dash);
    context.beginPath();
    lineOf(row);
    context.stroke();
  }
  context.setLineDash([]);
}

function placeAxis(axis, x, long, index) {
  axis.element.style.left = `${x}px`;
  axis.element.firstChild.style.top = `${index % 2 ? 16 : 0}px`;
  const y = (at) => PARALLEL.top + (1 - at) * long;
  axis.line.style.top = `${PARALLEL.top}px`;
  axis.line.style.height = `${long}px`;
  let free = -Infinity;
  for (const [at, element] of [...axis.ticks].reverse()) {
    element.style.top = `${y(at)}px`;
    element.hidden = y(at) - free < 13;
    if (!element.hidden) free = y(at);
  }
  const brush = axis.brush ?? [0, 1];
  axis.mark.hidden = !axis.brush;
  axis.mark.style.top = `${y(brush[1])}px`;
  axis.mark.style.height = `${(brush[1] - brush[0]) * long}px`;
  axis.mark.style.left = "-6px";
  axis.handles.forEach((handle, end) => {
    handle.style.top = `${y(brush[end])}px`;
    handle.style.left = "-7px";
    handle.setAttribute("aria-valuenow", String(Math.round(100 * brush[end])));
    handle.setAttribute("aria-valuetext", saidValue(columns.get(axis.name).unit, axis.scale.value(brush[end])));
  });
}
