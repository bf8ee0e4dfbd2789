// The frontier: every point by two measures.

const MARGIN = { left: 92, right: 16, top: 14, bottom: 46 };
const POINT_RADIUS = 4.2;
const REACH = 16; // pixels from which a point can be picked

const scatter = {
  canvas: document.getElementById("scatter"),
  places: [], // [x, y] of each row in CSS pixels, or null
  at: null, // the row under the pointer or the keyboard
};

// Make a canvas as sharp as the screen; gives its context and size in CSS pixels.
function sharpened(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = Math.max(devicePixelRatio, matchMedia("print").matches ? 3 : 1);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function trace(context, shape, x, y, r) {
  context.beginPath();
  if (shape === 1) {
    context.moveTo(x, y - r * 1.3);
    context.lineTo(x + r * 1.3, y);
    context.lineTo(x, y + r * 1.3);
    context.lineTo(x - r * 1.3, y);
    context.closePath();
  } else if (shape === 2) context.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else if (shape === 3) {
    context.moveTo(x, y - r * 1.25);
    context.lineTo(x + r * 1.15, y + r * 0.8);
    context.lineTo(x - r * 1.15, y + r * 0.8);
    context.closePath();
  } else if (shape === 4) {
    context.moveTo(x, y + r * 1.25);
    context.lineTo(x + r * 1.15, y - r * 0.8);
    context.lineTo(x - r * 1.15, y - r * 0.8);
    context.closePath();
  } else context.arc(x, y, r, 0, 2 * Math.PI);
}

function drawScatter(state) {
  const { context, width, height } = sharpened(scatter.canvas);
  // What is filtered out may lie outside.
  const rows = allRows.filter((row) => state.visible[row] && valueAt(state.x, row) !== null && valueAt(state.y, row) !== null);
  const across = scaleOf(state.x, { log: state.xLog, rows });
  const up = scaleOf(state.y, { log: state.yLog, rows });
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const place = (scale, value, from, to) => {
    const at = value === null ? null : scale.of(value);
    return at === null || !(at >= 0 && at <= 1) ? null : from + at * (to - from);
  };
  scatter.places = allRows.map((row) => {
    const x = place(across, valueAt(state.x, row), MARGIN.left, right);
    const y = place(up, valueAt(state.y, row), bottom, MARGIN.top);
    return x === null || y === null ? null : [x, y];
  });
  drawAxes(context, state, across, up, right, bottom);
  const colours = coloursOf(state.colour);
  context.lineWidth = 1;
  const [paper, ink, grey] = [paint("paper"), paint("ink"), paint("grey")];
  for (const row of allRows) {
    if (state.visible[row] || !scatter.places[row]) continue;
    context.globalAlpha = 0.18;
    context.fillStyle = grey;
    trace(context, 0, ...scatter.places[row], 3);
    context.fill();
  }
  context.globalAlpha = 0.9;
  for (const row of allRows) {
    if (!state.visible[row] || !scatter.places[row]) continue;
    const look = colours.list[colours.of(row)];
    context.fillStyle = look.colour;
    context.strokeStyle = paper;
    trace(context, look.shape ?? 0, ...scatter.places[row], POINT_RADIUS);
    context.fill();
    context.stroke();
  }
  context.globalAlpha = 1;
  drawFrontier(context, state, ink);
  for (const [row, name] of [[state.a, "A"], [state.b, "B"]]) {
    if (row !== null && scatter.places[row]) drawBadge(context, name, scatter.places[row], ink, paper);
  }
  if (scatter.at !== null && scatter.places[scatter.at]) {
    context.strokeStyle = paint("accent");
    context.lineWidth = 2.5;
    trace(context, 0, ...scatter.places[scatter.at], POINT_RADIUS + 5);
    context.stroke();
  }
  drawLegend(state, colours);
}

function drawAxes(context, state, across, up, right, bottom) {
  const [line, muted, ink] = [paint("line"), paint("muted"), paint("ink")];
  const family = getComputedStyle(document.body).fontFamily;
  context.font = `11px ${family}`;
  context.lineWidth = 1;
  context.strokeStyle = line;
  context.fillStyle = muted;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const tick of up.ticks) {
    const y = Math.round(bottom + tick.at * (MARGIN.top - bottom)) + 0.5;
    context.beginPath();
    context.moveTo(MARGIN.left, y);
    context.lineTo(right, y);
    context.stroke();
    context.fillText(tick.said, MARGIN.left - 8, y);
  }
  context.textAlign = "center";
  let free = -Infinity;
  for (const tick of across.ticks) {
    const x = Math.round(MARGIN.left + tick.at * (right - MARGIN.left)) + 0.5;
    context.beginPath();
    context.moveTo(x, MARGIN.top);
    context.lineTo(x, bottom);
    context.stroke();
    const half = context.measureText(tick.said).width / 2;
    if (x - half < free) continue;
    context.fillText(tick.said, x, bottom + 14);
    free = x + half + 8;
  }
  context.fillStyle = ink;
  context.font = `600 12px ${family}`;
  const better = (name) => (columns.get(name).more ? "more is better" : "less is better");
  context.fillText(`${state.x}, ${better(state.x)}`, (MARGIN.left + right) / 2, bottom + 35);
  context.save();
  context.translate(11, (MARGIN.top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(`${state.y}, ${better(state.y)}`, 0, 0);
  context.restore();
}

function drawFrontier(context, state, ink) {
  const taken = [];
  context.strokeStyle = ink;
  for (const kept of state.frontiers) {
    const points = kept.map((row) => scatter.places[row]).filter(Boolean);
    context.lineWidth = 1.2;
    context.beginPath();
    points.forEach(([x, y], index) => {
      // A staircase: what lies between two points of the frontier, nobody has shown.
      if (index === 0) context.moveTo(x, y);
      else {
        context.lineTo(x, points[index - 1][1]);
        context.lineTo(x, y);
      }
    });
    context.globalAlpha = 0.55;
    context.stroke();
    context.globalAlpha = 1;
    if (state.frontiers.length > 1 && points.length) drawName(context, nameOf(kept[0]), points, taken);
    context.lineWidth = 1.6;
    for (const [x, y] of points) {
      trace(context, 0, x, y, POINT_RADIUS + 2.6);
      context.stroke();
    }
  }
}

const nameOf = (row) => pageData.apart.map((name) => said(name, row)).join(", ");

// The name of one of several frontiers, at one of its ends where there is room for it.
function drawName(context, name, points, taken) {
  context.save();
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "bottom";
  context.textAlign = "left";
  const long = context.measureText(name).width;
  const width = scatter.canvas.getBoundingClientRect().width;
  for (const [x, y] of [points[0], points[points.length - 1]]) {
    for (const [dx, dy] of [[11, -2], [11, 15], [-11 - long, -2], [-11 - long, 15]]) {
      const box = [x + dx, y + dy - 12, x + dx + long, y + dy];
      if (box[0] < MARGIN.left || box[2] > width || box[1] < 0) continue;
      if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
      taken.push(box);
      context.lineWidth = 4;
      context.lineJoin = "round";
      context.strokeStyle = paint("paper");
      context.strokeText(name, x + dx, y + dy);
      context.fillStyle = paint("muted");
      context.fillText(name, x + dx, y + dy);
      context.restore();
      return;
    }
  }
  context.restore();
}

function drawBadge(context, name, [x, y], ink, paper) {
  context.lineWidth = 2;
  context.strokeStyle = ink;
  trace(context, 0, x, y, POINT_RADIUS + 5.5);
  context.stroke();
  context.fillStyle = name === "A" ? ink : paper;
  trace(context, 0, x + 13, y - 13, 9);
  context.fill();
  context.stroke();
  context.fillStyle = name === "A" ? paper : ink;
  context.font = `700 11px ${getComputedStyle(document.body).fontFamily}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(name, x + 13, y - 12.5);
}

function drawLegend(state, colours) {
  const legend = document.getElementById("scatter-legend");
  if (!state.colour) {
    legend.replaceChildren();
    return;
  }
  const items = colours.list.map((look) => {
    const canvas = document.createElement("canvas");
    canvas.className = "key";
    const item = document.createElement("li");
    item.append(canvas, document.createTextNode(look.said));
    return [item, canvas, look];
  });
  legend.replaceChildren(...items.map(([item]) => item));
  for (const [, canvas, look] of items) {
    const { context, width, height } = sharpened(canvas);
    context.fillStyle = look.colour;
    trace(context, look.shape ?? 0, width / 2, height / 2, 4);
    context.fill();
  }
}

// --- pointing and choosing -----------------------------------------------------------------------------------------------

function nearest(x, y, visible) {
  let found = null;
  let least = REACH ** 2;
  for (const row of allRows) {
    const place = scatter.places[row];
    if (!visible[row] || !place) continue;
    const distance = (place[0] - x) ** 2 + (place[1] - y) ** 2;
    if (distance < least) [found, least] = [row, distance];
  }
  return found;
}

function describe(state, row) {
  const settings = pageData.settings.filter((name) => valueAt(name, row) !== null);
  const lines = settings.slice(0, 9).map((name) => `${name}: ${said(name, row)}`);
  const measures = [...new Set([state.x, state.y, "speedup", "energy_saving"])].filter((name) => columns.has(name));
  const head = pageData.keys[row] || `row ${pageData.places[row]}`;
  return [head, ...measures.map((name) => `${name}: ${said(name, row)}`), ...lines];
}

function startScatter(state, { pick, redraw }) {
  const { canvas } = scatter;
  const inside = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointermove", (event) => {
    const row = nearest(...inside(event), state.visible);
    if (row !== scatter.at) {
      scatter.at = row;
      redraw();
    }
    if (row !== null) showTip(describe(state, row), event.clientX, event.clientY);
    else hideTip();
    event.stopPropagation();
  });
  canvas.addEventListener("pointerleave", () => {
    scatter.at = null;
    hideTip();
    redraw();
  });
  canvas.addEventListener("click", (event) => {
    const row = nearest(...inside(event), state.visible);
    if (row !== null) pick(row);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const order = allRows.filter((row) => state.visible[row] && scatter.places[row]);
      if (!order.length) return;
      const by = (row) => scatter.places[row][0];
      order.sort((one, other) => by(one) - by(other) || one - other);
      const now = order.indexOf(scatter.at);
      const next = now < 0 ? (step > 0 ? 0 : order.length - 1) : Math.max(0, Math.min(order.length - 1, now + step));
      scatter.at = order[next];
      const lines = describe(state, scatter.at);
      const [x, y] = scatter.places[scatter.at];
      tellAt(lines, () => {
        const box = canvas.getBoundingClientRect();
        return [box.left + x, box.top + y];
      });
      document.getElementById("point-said").textContent = `point ${next + 1} of ${order.length}: ${lines.join("; ")}`;
      redraw();
    } else if (event.key === "Enter" && scatter.at !== null) pick(scatter.at);
  });
}
