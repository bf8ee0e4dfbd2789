// The table as columns: how values are told, placed on an axis and coloured, and which points nothing beats.

const columns = new Map(pageData.columns.map((column) => [column.name, column]));
const rowCount = pageData.rows;
const allRows = Array.from({ length: rowCount }, (_, row) => row);

const valueAt = (name, row) => columns.get(name).values[row];

// --- numbers, told as simulator/report/numbers.py tells them ---------------------------------------------------------

const UNITS = {
  pj: [["pJ", 1], ["nJ", 1e3], ["uJ", 1e6], ["mJ", 1e9], ["J", 1e12], ["kJ", 1e15], ["MJ", 1e18]],
  us: [["ns", 1e-3], ["us", 1], ["ms", 1e3], ["s", 1e6]],
  bytes: [["B", 1], ["kB", 1e3], ["MB", 1e6], ["GB", 1e9], ["TB", 1e12]],
  count: [["", 1], ["M", 1e6], ["G", 1e9], ["T", 1e12], ["P", 1e15], ["E", 1e18]],
};
const LARGEST_IN_FULL = 1e10;

const fixed = (value, decimals) =>
  value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

function inUnits(value, units) {
  const fitting = units.filter(([, size]) => Math.abs(value) >= 0.9995 * size);
  const [name, size] = fitting.length ? fitting[fitting.length - 1] : units[0];
  const amount = value / size;
  const of = Math.abs(amount);
  let said;
  if (size === 1 && Number.isInteger(value)) said = fixed(value, 0);
  else if (of > 0 && of < 0.0005) said = amount > 0 ? "<0.001" : ">-0.001";
  else said = fixed(amount, of < 9.9995 ? 3 : of < 99.995 ? 2 : 1);
  return name ? `${said} ${name}` : said;
}

function general(value) {
  // As Python's ",.6g": six digits, no zeros at the end.
  const rounded = Number(value.toPrecision(6));
  const size = Math.abs(rounded);
  if (rounded !== 0 && (size < 1e-4 || size >= 1e6)) {
    const [digits, power] = rounded.toExponential().split("e");
    return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }
  return rounded.toLocaleString("en-US", { maximumSignificantDigits: 6 });
}

function saidValue(unit, value) {
  if (value === null || value === undefined) return "-";
  if (typeof value === "string") return value;
  if (unit in UNITS) return inUnits(unit === "bytes" ? Math.trunc(value) : value, UNITS[unit]);
  if (unit === "times") return `${fixed(value, 2)}x`;
  if (unit === "share") return `${(100 * value).toFixed(1)} %`;
  if (!Number.isInteger(value)) return general(value);
  return Math.abs(value) < LARGEST_IN_FULL ? fixed(value, 0) : inUnits(value, UNITS.count);
}

const said = (name, row) => saidValue(columns.get(name).unit, valueAt(name, row));

// --- axes -------------------------------------------------------------------------------------------------------------

const MOST_LEVELS = 12;

function distinct(name) {
  const column = columns.get(name);
  if (!column.distinct) {
    const found = [...new Set(column.values.filter((value) => value !== null))];
    const numeric = found.every((value) => typeof value === "number");
    column.distinct = numeric
      ? found.sort((one, other) => one - other)
      : found.sort((one, other) => String(one).localeCompare(String(other), "en", { numeric: true }));
    column.numeric = numeric && found.length > 0;
    column.hasMissing = column.values.includes(null);
  }
  return column.distinct;
}

// A scale takes a value to 0..1, the values of some rows at least; settings with few values stand at even distances.
function scaleOf(name, { log = false, even = false, rows = allRows } = {}) {
  const levels = distinct(name);
  const { numeric, unit } = columns.get(name);
  if (!numeric || (even && levels.length <= MOST_LEVELS)) {
    const place = new Map(levels.map((value, index) => [value, levels.length > 1 ? index / (levels.length - 1) : 0.5]));
    const ticks = levels.map((value) => ({ at: place.get(value), said: saidValue(unit, value) }));
    return { of: (value) => place.get(value), ticks, levels, value: (at) => levels[Math.round(at * (levels.length - 1))] };
  }
  let [low, high] = [Infinity, -Infinity];
  for (const row of rows) {
    const value = valueAt(name, row);
    if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  if (low > high) [low, high] = [levels[0], levels[levels.length - 1]];
  const logarithmic = log && low > 0;
  const to = logarithmic ? Math.log10 : (value) => value;
  const from = logarithmic ? (value) => 10 ** value : (value) => value;
  const pad = (to(high) - to(low)) * 0.04 || Math.abs(to(high)) * 0.04 || 0.5;
  const first = to(low) - pad;
  const last = to(high) + pad;
  const value = (at) => from(first + at * (last - first));
  const of = (one) => (to(one) - first) / (last - first);
  const ticks = (logarithmic ? logTicks : linearTicks)(value(0), value(1)).map((tick) => ({
    at: of(tick),
    said: saidValue(unit, tick),
  }));
  return { of, value, ticks, levels, logarithmic };
}

function linearTicks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * power).find((one) => one >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step); tick * step <= high; tick += 1) found.push(Number((tick * step).toPrecision(12)));
  return found;
}

function logTicks(low, high) {
  for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const step of steps) {
        const tick = Number((step * 10 ** power).toPrecision(12));
        if (tick >= low && tick <= high) found.push(tick);
      }
    }
    if (found.length >= 4) return found;
  }
  return linearTicks(low, high);
}

// --- colours ----------------------------------------------------------------------------------------------------------

const SERIES = ["blue", "red", "green", "pink", "orange", "sky", "grey"];

function paint(name) {
  // A custom property is not resolved; a colour that uses it is.
  const probe = document.getElementById("tip");
  const before = probe.style.color;
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.style.color = before;
  return found;
}

const channels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);

function mixed(one, other, share) {
  const from = channels(one);
  const to = channels(other);
  return `rgb(${from.map((part, index) => Math.round(part + (to[index] - part) * share)).join(" ")})`;
}

function between(stops, share) {
  const at = share * (stops.length - 1);
  const first = Math.min(Math.floor(at), stops.length - 2);
  return mixed(stops[first], stops[first + 1], at - first);
}

// Numbers go from orange over pink to blue, by rank; names take one colour and shape each, those beyond the sixth grey.
function coloursOf(name) {
  if (!name) return { of: () => 0, list: [{ colour: paint("blue"), said: "" }] };
  const levels = distinct(name);
  const { numeric, unit } = columns.get(name);
  const place = new Map(levels.map((value, index) => [value, index]));
  if (numeric && levels.length > 2) {
    const steps = Math.min(levels.length, 9);
    const stops = ["orange", "pink", "blue"].map(paint);
    const list = Array.from({ length: steps }, (_, step) => {
      const first = levels[Math.ceil((step * levels.length) / steps)];
      return { colour: between(stops, step / (steps - 1)), said: saidValue(unit, first), value: first };
    });
    return { of: (row) => levelOf(place.get(valueAt(name, row)), levels.length, steps), list };
  }
  const list = levels.slice(0, SERIES.length).map((value, index) => ({
    colour: paint(SERIES[index]),
    said: index === SERIES.length - 1 && levels.length > SERIES.length ? "others" : saidValue(unit, value),
    shape: index,
    value,
  }));
  return { of: (row) => Math.min(place.get(valueAt(name, row)) ?? SERIES.length - 1, list.length - 1), list };
}

const levelOf = (place, levels, steps) => (place === undefined ? 0 : Math.floor((place * steps) / levels));

// --- the frontier -----------------------------------------------------------------------------------------------------

// Rows that no other one beats in two measures, apart for each trace and its steps; ties stay. As
// simulator/explore/frontier.py finds them.
function frontierOf(rows, xName, yName) {
  const [x, y] = [columns.get(xName), columns.get(yName)];
  const cost = (column, row) => (column.more ? -column.values[row] : column.values[row]);
  const groups = new Map();
  for (const row of rows) {
    if (x.values[row] === null || y.values[row] === null) continue;
    const name = JSON.stringify(pageData.apart.map((apart) => valueAt(apart, row)));
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return [...groups.values()].map((members) => {
    members.sort((one, other) => cost(x, one) - cost(x, other) || cost(y, one) - cost(y, other));
    const kept = [];
    let best = Infinity;
    for (let start = 0; start < members.length; ) {
      const first = cost(x, members[start]);
      const least = cost(y, members[start]);
      let end = start;
      while (end < members.length && cost(x, members[end]) === first) {
        if (least < best && cost(y, members[end]) === least) kept.push(members[end]);
        end += 1;
      }
      best = Math.min(best, least);
      start = end;
    }
    return kept;
  });
}
