// What every page does: colours, tables that sort, marks that tell something, drawings to choose from.
"use strict";

const LINE_END = "\u241e"; // as simulator/report/html/elements.py has it

const pageData = JSON.parse(document.getElementById("page-data").textContent);

// --- colours: as the system, light, dark -------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
const THEME_NAMES = { auto: "as the system", light: "light", dark: "dark" };

function showTheme(theme) {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.setAttribute("aria-label", `Colours: ${THEME_NAMES[theme]}`);
  button.querySelector(".theme-name").textContent = theme;
  document.dispatchEvent(new CustomEvent("themechange"));
}

function startTheme() {
  // A browser may keep nothing for pages from a file; the page then begins as the system does.
  let theme = "auto";
  try {
    const kept = localStorage.getItem("skipstone-theme");
    if (THEMES.includes(kept)) theme = kept;
  } catch {
    theme = "auto";
  }
  showTheme(theme);
  document.getElementById("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    showTheme(theme);
    try {
      localStorage.setItem("skipstone-theme", theme);
    } catch {
      return;
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showTheme(theme));
}

// --- tables ----------------------------------------------------------------------------------------------------

function compareValues(one, other, descending) {
  if (one === "" || other === "") return (one === "") - (other === ""); // what is missing stays last
  const difference = one - other;
  const order = Number.isNaN(difference) ? String(one).localeCompare(String(other), "en", { numeric: true }) : difference;
  return descending ? -order : order;
}

function sortTable(table, column, head) {
  const body = table.tBodies[0];
  const first = head.classList.contains("n") ? "descending" : "ascending";
  const now = head.getAttribute("aria-sort");
  const order = now === "none" ? first : now === "descending" ? "ascending" : "descending";
  const rows = [...body.rows].map((row) => [row, row.cells[column].dataset.value ?? row.cells[column].textContent]);
  rows.sort((one, other) => compareValues(one[1], other[1], order === "descending"));
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", order);
  body.append(...rows.map(([row]) => row));
}

function startTables() {
  for (const table of document.querySelectorAll("table.sorts")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => sortTable(table, column, head));
    });
  }
}

// --- marks -------------------------------------------------------------------------------------------------------

// Tells lines at a place of the window; `anchor` finds the place again when the page scrolls under it.
let anchored = null;

function showTip(lines, x, y, anchor = null) {
  anchored = anchor && { lines, anchor };
  const tip = document.getElementById("tip");
  tip.replaceChildren(
    ...lines.map((line) => {
      const part = document.createElement("div");
      part.textContent = line;
      return part;
    }),
  );
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${y + 18 + height > innerHeight ? Math.max(8, y - height - 12) : y + 18}px`;
}

function tell(mark) {
  tellAt(mark.dataset.tip.split(LINE_END), () => {
    const place = mark.getBoundingClientRect();
    return [place.left + place.width / 2, place.bottom - 8];
  });
}

const tellAt = (lines, anchor) => showTip(lines, ...anchor(), anchor);

function hideTip() {
  anchored = null;
  document.getElementById("tip").hidden = true;
}

let lit;

function light(about) {
  if (about === lit) return;
  lit = about;
  for (const one of document.querySelectorAll(".lit")) one.classList.remove("lit");
  if (!about) return;
  for (const one of document.querySelectorAll("[data-about]")) {
    if (one.dataset.about === about) one.classList.add("lit");
  }
}

// Tab comes to a drawing once; arrow keys go from mark to mark within it.
function startRoving(drawing) {
  const marks = [...drawing.querySelectorAll(".mark")];
  marks.forEach((mark, index) => mark.setAttribute("tabindex", index ? "-1" : "0"));
  drawing.addEventListener("keydown", (event) => {
    const now = marks.indexOf(document.activeElement);
    const next = {
      ArrowRight: now + 1,
      ArrowDown: now + 1,
      ArrowLeft: now - 1,
      ArrowUp: now - 1,
      Home: 0,
      End: marks.length - 1,
    }[event.key];
    if (now < 0 || next === undefined) return;
    event.preventDefault();
    if (!marks[next]) return;
    marks[now].setAttribute("tabindex", "-1");
    marks[next].setAttribute("tabindex", "0");
    marks[next].focus();
  });
}

// What scrolls sideways can be reached by keyboard, and what does not is no stop on the way.
function startScrolling() {
  const update = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth + 1) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    }
  };
  update();
  addEventListener("resize", update);
}

function startMarks() {
  for (const drawing of document.querySelectorAll(".drawing")) startRoving(drawing);
  const at = (event) => event.target.closest?.("[data-tip], [data-about]");
  document.addEventListener("pointermove", (event) => {
    const mark = at(event);
    light(mark?.dataset.about);
    if (mark?.dataset.tip) showTip(mark.dataset.tip.split(LINE_END), event.clientX, event.clientY);
    else if (!document.activeElement?.dataset?.tip) hideTip();
  });
  document.addEventListener("focusin", (event) => {
    const mark = at(event);
    light(mark?.dataset.about);
    if (mark?.dataset.tip) tell(mark);
    else hideTip();
  });
  document.addEventListener("focusout", hideTip);
  // A focused mark scrolls into view, and takes what it tells along.
  const follow = () => {
    if (anchored) tellAt(anchored.lines, anchored.anchor);
    else hideTip();
  };
  document.addEventListener("scroll", follow, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
  });
}

// --- drawings to choose from ---------------------------------------------------------------------------------------

function startChoices() {
  for (const choice of document.querySelectorAll(".choice")) {
    choice.addEventListener("change", (event) => {
      for (const input of choice.querySelectorAll("input")) {
        document.getElementById(input.value).hidden = input !== event.target;
      }
    });
  }
}

// --- legends ---------------------------------------------------------------------------------------------------------

function startLegends() {
  for (const legend of document.querySelectorAll("figure .legend")) {
    const buttons = [...legend.querySelectorAll("button")];
    const colours = buttons.map((button) => button.dataset.colour);
    const shapes = [...legend.parentElement.querySelectorAll(".drawing *")];
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const chosen = button.getAttribute("aria-pressed") === "true" ? null : button;
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === chosen));
        for (const shape of shapes) {
          const colour = colours.find((one) => shape.classList.contains(one));
          if (colour) shape.classList.toggle("dim", chosen !== null && colour !== chosen.dataset.colour);
        }
      });
    }
  }
}

startTheme();
startTables();
startMarks();
startChoices();
startLegends();
startScrolling();
