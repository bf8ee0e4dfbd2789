// Two points side by side: what was set differently, and what came of it.

function element(name, content = "", attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "className") made.className = value;
    else made.setAttribute(key, value);
  }
  made.append(...(Array.isArray(content) ? content : [content]));
  return made;
}

function signedShare(share) {
  if (!share) return share === 0 ? "0.0 %" : "-";
  const sign = share > 0 ? "+" : "\u2212";
  return Math.abs(share) >= 0.0005 ? `${sign}${(100 * Math.abs(share)).toFixed(1)} %` : `${sign}<0.1 %`;
}

// The change from A to B: of shares in points, otherwise relative.
function changeOf(name, a, b) {
  const { unit, more } = columns.get(name);
  const [from, to] = [valueAt(name, a), valueAt(name, b)];
  if (from === null || to === null) return ["-", ""];
  const better = to === from ? "" : to > from === more ? "better" : "worse";
  if (unit === "share") {
    const points = 100 * (to - from);
    return [points ? `${points > 0 ? "+" : "\u2212"}${Math.abs(points).toFixed(1)} points` : "0", better];
  }
  return [from ? signedShare(to / from - 1) : to ? "-" : "0.0 %", better];
}

function drawCompare(state, clear) {
  const box = document.getElementById("compare-box");
  if (state.a === null) {
    box.replaceChildren(element("p", "Choose a point above, or in the table by its buttons A and B.", { className: "lead" }));
    return;
  }
  const { a, b } = state;
  const rows = [];
  const group = (name) => rows.push(element("tr", element("th", name, { colspan: "4", scope: "colgroup" }), { className: "group" }));
  const both = b !== null;
  const settings = pageData.columns.filter((column) => column.role === "setting").map((column) => column.name);
  const differs = (name) => both && valueAt(name, a) !== valueAt(name, b);
  const ordered = [...settings.filter(differs), ...settings.filter((name) => !differs(name) && columns.get(name).varied)];
  group("settings");
  for (const name of ordered) {
    const cells = [element("th", name, { scope: "row" }), element("td", said(name, a), { className: "n" })];
    if (both) cells.push(element("td", said(name, b), { className: "n" }), element("td", differs(name) ? "differs" : "same", { className: "n" }));
    rows.push(element("tr", cells, differs(name) ? { className: "differs" } : {}));
  }
  group("measures");
  for (const name of pageData.measures) {
    const cells = [element("th", name, { scope: "row" }), element("td", said(name, a), { className: "n" })];
    if (both) {
      const [change, better] = changeOf(name, a, b);
      const judged = better ? `${change} ${better === "better" ? "\u25b2" : "\u25bc"}` : change;
      cells.push(element("td", said(name, b), { className: "n" }));
      cells.push(element("td", judged, { className: `n ${better}`, title: better }));
    }
    rows.push(element("tr", cells));
  }
  const headOf = (name, row) => element("th", [element("span", name, { className: name === "B" ? "ab b" : "ab" }), ` ${pageData.keys[row] || ""}`], { className: "n", scope: "col" });
  const head = [element("th", "", { scope: "col" }), headOf("A", a)];
  if (both) head.push(headOf("B", b), element("th", "A to B", { className: "n", scope: "col" }));
  const table = element("table", [element("thead", element("tr", head)), element("tbody", rows)]);
  const caption = both
    ? "Changes are from A to B: \u25b2 is better, \u25bc is worse."
    : "Choose another point to see it beside this one.";
  const button = element("button", "Clear", { type: "button", className: "quiet-button", id: "clear-pair" });
  button.addEventListener("click", clear);
  box.replaceChildren(
    element("div", [element("span", caption), element("span", "", { className: "grow" }), button], { className: "controls" }),
    element("div", table, { className: "scroll" }),
  );
}
