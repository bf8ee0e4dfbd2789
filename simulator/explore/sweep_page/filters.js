// Filters: values of settings to keep, or the range of those with many values.

const MOST_BOXES = 14;
const filters = new Map(); // name: {kept: Set} or {low, high}

function startFilters(changed) {
  const box = document.getElementById("filters");
  for (const name of pageData.settings) {
    const levels = distinct(name);
    const field = element("fieldset", element("legend", name));
    if (levels.length <= MOST_BOXES || !columns.get(name).numeric) field.append(...boxes(name, levels, changed));
    else field.append(range(name, levels, changed));
    box.append(field);
  }
}

function boxes(name, levels, changed) {
  const counts = new Map();
  for (const value of columns.get(name).values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const values = [...levels.slice(0, 40), ...(counts.has(null) ? [null] : [])];
  const filter = { kept: new Set(columns.get(name).values), every: new Set(columns.get(name).values) };
  filters.set(name, filter);
  return values.map((value) => {
    const input = element("input", "", { type: "checkbox" });
    input.checked = true;
    const shown = value === null ? "not set" : saidValue(columns.get(name).unit, value);
    input.addEventListener("change", () => {
      if (input.checked) filter.kept.add(value);
      else filter.kept.delete(value);
      changed();
    });
    return element("label", [input, element("span", shown, { title: shown }), element("span", String(counts.get(value)), { className: "many" })]);
  });
}

function range(name, levels, changed) {
  const filter = { low: -Infinity, high: Infinity };
  filters.set(name, filter);
  const field = (end, value) => {
    const input = element("input", "", { type: "number", step: "any", placeholder: String(value), "aria-label": `${name} ${end}` });
    input.addEventListener("input", () => {
      const found = input.valueAsNumber;
      filter[end === "from" ? "low" : "high"] = Number.isNaN(found) ? (end === "from" ? -Infinity : Infinity) : found;
      changed();
    });
    return input;
  };
  return element("div", [field("from", levels[0]), "to", field("to", levels[levels.length - 1])], { className: "range" });
}

function filterKeeps(name, row) {
  const filter = filters.get(name);
  const value = valueAt(name, row);
  if (filter.kept) return filter.kept.has(value);
  return value === null ? filter.low === -Infinity && filter.high === Infinity : value >= filter.low && value <= filter.high;
}

function resetFilters() {
  for (const filter of filters.values()) {
    if (filter.kept) filter.kept = new Set(filter.every);
    else [filter.low, filter.high] = [-Infinity, Infinity];
  }
  for (const input of document.querySelectorAll("#filters input")) {
    if (input.type === "checkbox") input.checked = true;
    else input.value = "";
  }
  for (const axis of parallel.axes) axis.brush = null;
}
