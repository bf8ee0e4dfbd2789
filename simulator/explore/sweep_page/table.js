// The table: sorted by any column, a page at a time, so that thousands of rows cost no more than fifty.

const PAGE_ROWS = 50;
const table = { sort: null, descending: false, page: 0, shown: new Set() };

function startTable(state, redraw) {
  const measures = pageData.measures;
  table.shown = new Set([...pageData.settings, ...measures.slice(0, 5)]);
  table.sort = measures[0];
  table.descending = columns.get(measures[0]).more;
  const box = document.getElementById("columns");
  for (const { name } of pageData.columns) {
    const input = element("input", "", { type: "checkbox" });
    input.checked = table.shown.has(name);
    input.addEventListener("change", () => {
      if (input.checked) table.shown.add(name);
      else table.shown.delete(name);
      redraw();
    });
    box.append(element("label", [input, name]));
  }
  document.getElementById("frontier-only").addEventListener("change", () => {
    table.page = 0;
    redraw();
  });
  document.getElementById("save").addEventListener("click", () => save(state));
}

function tableRows(state) {
  const only = document.getElementById("frontier-only").checked;
  const front = new Set(state.frontiers.flat());
  const rows = allRows.filter((row) => state.visible[row] && (!only || front.has(row)));
  const { values } = columns.get(table.sort);
  const key = (row) => values[row] ?? "";
  rows.sort((one, other) => compareValues(key(one), key(other), table.descending) || one - other);
  return rows;
}

function drawTable(state, { pick, redraw }) {
  const names = pageData.columns.map((column) => column.name).filter((name) => table.shown.has(name));
  const rows = tableRows(state);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
  table.page = Math.min(table.page, pages - 1);
  const heads = names.map((name) => headOf(name, redraw));
  const body = rows.slice(table.page * PAGE_ROWS, (table.page + 1) * PAGE_ROWS).map((row) => rowOf(state, names, row, pick));
  const caption = element("caption", "Points", { className: "unseen" });
  const whole = element("table", [
    caption,
    element("thead", element("tr", [element("th", "point", { scope: "col" }), ...heads])),
    element("tbody", body),
  ]);
  const focused = document.activeElement?.dataset?.sort;
  document.getElementById("grid").replaceChildren(whole);
  if (focused) [...whole.querySelectorAll("[data-sort]")].find((one) => one.dataset.sort === focused)?.focus();
  drawPages(rows.length, pages, redraw);
}

function headOf(name, redraw) {
  const { unit, more } = columns.get(name);
  const number = unit !== "text";
  const sorted = table.sort === name ? (table.descending ? "descending" : "ascending") : "none";
  const button = element("button", [shortName(name), element("span", "", { className: "arrow", "aria-hidden": "true" })], {
    type: "button",
    "data-sort": name,
    title: name,
  });
  button.addEventListener("click", () => {
    table.descending = table.sort === name ? !table.descending : more;
    table.sort = name;
    table.page = 0;
    redraw();
  });
  return element("th", button, { scope: "col", "aria-sort": sorted, className: number ? "n" : "" });
}

function rowOf(state, names, row, pick) {
  const buttons = ["A", "B"].map((name) => {
    const chosen = state[name.toLowerCase()] === row;
    const button = element("button", name, {
      type: "button",
      className: "pick",
      "aria-pressed": String(chosen),
      "aria-label": `${name}: ${pageData.keys[row] || `row ${pageData.places[row]}`}`,
    });
    button.addEventListener("click", () => pick(row, name.toLowerCase()));
    return button;
  });
  const cells = names.map((name) => {
    const shown = said(name, row);
    return element("td", shown, { className: columns.get(name).unit === "text" ? "" : "n", title: shown.length > 20 ? shown : "" });
  });
  const key = pageData.keys[row] ? element("span", ` ${pageData.keys[row].slice(0, 6)}`, { className: "digest" }) : "";
  return element("tr", [element("th", [...buttons, key], { scope: "row" }), ...cells]);
}

function drawPages(count, pages, redraw) {
  const box = document.getElementById("pages");
  const turn = (name, step, off) => {
    const button = element("button", name, { type: "button", className: "quiet-button" });
    button.disabled = off;
    button.addEventListener("click", () => {
      table.page += step;
      redraw();
    });
    return button;
  };
  const first = count ? table.page * PAGE_ROWS + 1 : 0;
  const last = Math.min(count, (table.page + 1) * PAGE_ROWS);
  const said = element("span", `${first} to ${last} of ${fixed(count, 0)}`);
  const turns = pages > 1 ? [turn("Previous", -1, table.page === 0), turn("Next", 1, table.page === pages - 1)] : [];
  box.replaceChildren(said, ...turns);
}

// The rows that are kept, with all columns, as a file: nothing leaves the browser.
function save(state) {
  const quoted = (value) => {
    const content = value === null ? "" : String(value);
    return /[",\n\r]/.test(content) ? `"${content.replaceAll('"', '""')}"` : content;
  };
  const names = pageData.columns.map((column) => column.name);
  const lines = [names, ...tableRows(state).map((row) => names.map((name) => valueAt(name, row)))];
  const content = lines.map((line) => line.map(quoted).join(",")).join("\n") + "\n";
  const link = element("a", "", { download: "points.csv" });
  link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
  link.click();
  URL.revokeObjectURL(link.href);
}
