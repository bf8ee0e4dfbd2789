// What a reader with other eyes, or without any, meets in a page: contrasts, names, headings. Returns complaints.
(() => {
  const complaints = [];
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const behind = (element) => {
    const block = element.closest("svg.drawing .mark")?.querySelector(".block");
    if (element.matches(".on, .on-sky")) {
      return rgba(getComputedStyle(element.parentElement.querySelector("rect")).fill);
    }
    if (block) return rgba(getComputedStyle(block).fill);
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return rgba(getComputedStyle(document.body).backgroundColor);
  };

  let measured = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("script, noscript, style, .unseen, option") || !shown(element)) continue;
    if (element.disabled) continue; // WCAG leaves out what is switched off
    const style = getComputedStyle(element);
    const colour = rgba(element instanceof SVGElement ? style.fill : style.color);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    const found = contrast(colour, behind(element));
    measured += 1;
    if (found < (large ? 3 : 4.5)) {
      complaints.push(`contrast ${found.toFixed(2)} of "${node.textContent.trim().slice(0, 40)}" in ${element.className?.baseVal ?? element.className}`);
    }
  }
  if (measured < 50) complaints.push(`only ${measured} texts measured`);

  const paper = rgba(getComputedStyle(document.body).backgroundColor);
  const probe = document.createElement("span");
  document.body.append(probe);
  for (const name of ["blue", "sky", "green", "orange", "red", "pink", "grey", "accent"]) {
    probe.style.color = `var(--${name})`;
    const found = contrast(rgba(getComputedStyle(probe).color), paper);
    if (found < 3) complaints.push(`contrast ${found.toFixed(2)} of the series ${name}`);
  }
  probe.remove();

  for (const element of document.querySelectorAll("button, input, select, a, [tabindex], svg[role], canvas[role]")) {
    if (!element.checkVisibility()) continue;
    const name =
      element.getAttribute("aria-label") ||
      [...(element.labels ?? [])].map((label) => label.textContent).join("") ||
      element.textContent;
    if (!name.trim()) complaints.push(`no name: ${element.outerHTML.slice(0, 80)}`);
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((heading) => Number(heading.tagName[1]));
  if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) complaints.push("not one first heading");
  levels.forEach((level, index) => {
    if (index && level > levels[index - 1] + 1) complaints.push(`a heading ${level} after ${levels[index - 1]}`);
  });
  if (document.documentElement.lang !== "en") complaints.push("no language");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) complaints.push("an id twice");
  for (const table of document.querySelectorAll("table")) {
    if ([...table.querySelectorAll("th")].some((head) => !head.scope)) complaints.push("a head without scope");
  }
  return complaints;
})();
