// Filters: which rows, columns and cells of the matrix are there.
const table = byId("matrix"), scroller = byId("scroller");
const bodies = [...table.tBodies].map((body) => ({
  element: body, family: body.dataset.family, view: body.dataset.view, toggle: body.querySelector(".toggle"),
  rows: [...body.querySelectorAll("tr.requirement")].map((row) => ({
    element: row, verdicts: row.dataset.v,
    about: rowsById.get(new URLSearchParams(row.querySelector("th a").hash.slice(1)).get("requirement")),
  })),
}));
const allRows = bodies.flatMap((body) => body.rows);
allRows.forEach((row) => {
  const { id, level, statement = "", clause = "", alias = [] } = row.about;
  const family = row.element.closest("tbody").querySelector(".toggle").textContent;
  row.text = [id, level, statement, clause, family, ...alias].join(" ").toLowerCase();
});
const sheet = new CSSStyleSheet();
document.adoptedStyleSheets = [sheet];

function shownColumns() {
  if (state.compare) return state.compare;
  const all = labels.map((_, index) => index);
  if (state.columns.size) return all.filter((index) => state.columns.has(index));
  if (state.view === "all") return all;
  const rows = bodies.filter((body) => body.view === state.view).flatMap((body) => body.rows);
  return all.filter((index) => rows.some((row) => "pfie".includes(row.verdicts[index])));
}

function rowMatches(row, columns, words) {
  if (state.levels.size && !state.levels.has(row.about.level)) return false;
  if (words.length && !words.every((word) => row.text.includes(word))) return false;
  if (state.verdicts.size && !columns.some((index) => state.verdicts.has(row.verdicts[index]))) return false;
  return !(state.compare && state.differences && shownIn(row, columns[0]) === shownIn(row, columns[1]));
}

// Glyph and count of a cell, without what a comparison writes behind them.
const shownIn = (row, column) => [...(cellAt(row, column).firstElementChild?.childNodes || [])].filter((node) => node.className !== "told").map((node) => node.textContent).join(" ");
const cellAt = (row, column) => row.element.cells[column + 1];

function applyFilters() {
  const columns = shownColumns(), shown = new Set(columns);
  const hidden = labels.map((_, index) => index).filter((index) => !shown.has(index));
  const rules = hidden.map((index) => `.matrix tr > :nth-child(${index + 2}), .matrix col:nth-child(${index + 2})`);
  sheet.replaceSync(rules.length ? `${rules.join(",")} { display: none }` : "");
  table.style.setProperty("--columns", columns.length);
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const body of bodies) {
    const wanted = (state.view === "all" || state.view === body.view) && (!state.families.size || state.families.has(body.family));
    let here = 0;
    for (const row of body.rows) {
      const matches = wanted && rowMatches(row, columns, words);
      row.element.classList.toggle("out", !matches);
      row.out = !matches;
      if (matches) here += 1;
    }
    body.element.classList.toggle("out", !here);
    const folded = state.folded.has(body.family);
    body.element.classList.toggle("folded", folded);
    body.toggle.setAttribute("aria-expanded", String(!folded));
    count += here;
  }
  markHits();
  showControls();
  byId("empty").hidden = count > 0;
  tell(count, columns);
  if (typeof showComparison === "function") showComparison();
  keepOneInTabOrder();
}

function markHits() {
  const active = state.verdicts.size > 0;
  if (active) table.dataset.verdicts = [...state.verdicts].join("");
  else delete table.dataset.verdicts;
  if (!active) return;
  for (const row of allRows) {
    [...row.verdicts].forEach((letter, index) => cellAt(row, index).classList.toggle("hit", state.verdicts.has(letter)));
  }
}

function tell(count, columns) {
  const status = byId("status");
  const parts = [`${count} of ${allRows.length} requirements`, `${columns.length} of ${labels.length} implementations`];
  if (!state.compare) {
    status.textContent = `Shown: ${parts.join(", ")}.`;
    return;
  }
  const [a, b] = state.compare;
  const differ = allRows.filter((row) => row.verdicts[a] !== row.verdicts[b]);
  const better = (one, other) => differ.filter((row) => row.verdicts[one] === "p" && "fie".includes(row.verdicts[other])).length;
  status.replaceChildren(element("strong", {}, `${labels[a]} and ${labels[b]} differ in the verdict on ${differ.length} of ${allRows.length} requirements`),
    `: only ${labels[a]} passes ${better(a, b)}, only ${labels[b]} passes ${better(b, a)}. Shown: ${count}.`);
}

function showControls() {
  for (const chip of document.querySelectorAll(".chip[data-view]")) chip.setAttribute("aria-pressed", String(state.view === chip.dataset.view));
  for (const chip of document.querySelectorAll(".chip[data-verdict]")) chip.setAttribute("aria-pressed", String(state.verdicts.has(chip.dataset.verdict)));
  for (const chip of document.querySelectorAll(".chip[data-level]")) chip.setAttribute("aria-pressed", String(state.levels.has(chip.dataset.level)));
  for (const box of document.querySelectorAll("[type=checkbox][data-family]")) box.checked = state.families.has(box.dataset.family);
  for (const box of document.querySelectorAll("[data-implementation]")) box.checked = state.columns.has(Number(box.dataset.implementation));
  byId("families-count").textContent = state.families.size || "";
  byId("implementations-count").textContent = state.columns.size || "";
  if (byId("text").value !== state.text) byId("text").value = state.text;
  const [a, b] = state.compare || pending;
  byId("compare-a").value = a ?? "";
  byId("compare-b").value = b ?? "";
  byId("differences").checked = state.differences;
  const fold = byId("fold"), folded = bodies.every((body) => state.folded.has(body.family));
  fold.setAttribute("aria-pressed", String(folded));
  fold.textContent = folded ? "Unfold families" : "Fold families";
}

let pending = [null, null]; // of a comparison: chosen, while the other is still to be chosen

function changed() {
  remember();
  applyFilters();
}

function listenToControls() {
  document.querySelectorAll(".chip[data-view]").forEach((chip) => chip.addEventListener("click", () => { state.view = chip.dataset.view; changed(); }));
  document.querySelectorAll(".chip[data-verdict]").forEach((chip) => chip.addEventListener("click", () => { toggled(state.verdicts, chip.dataset.verdict); changed(); }));
  document.querySelectorAll(".chip[data-level]").forEach((chip) => chip.addEventListener("click", () => { toggled(state.levels, chip.dataset.level); changed(); }));
  document.querySelectorAll("[type=checkbox][data-family]").forEach((box) => box.addEventListener("change", () => { toggled(state.families, box.dataset.family); changed(); }));
  document.querySelectorAll("[data-implementation]").forEach((box) => box.addEventListener("change", () => { toggled(state.columns, Number(box.dataset.implementation)); changed(); }));
  byId("text").addEventListener("input", () => { state.text = byId("text").value; changed(); });
  byId("differences").addEventListener("change", () => { state.differences = byId("differences").checked; changed(); });
  for (const id of ["compare-a", "compare-b"]) byId(id).addEventListener("change", chooseComparison);
  for (const body of bodies) body.toggle.addEventListener("click", () => { toggled(state.folded, body.family); changed(); });
  byId("fold").addEventListener("click", () => {
    const folded = bodies.every((body) => state.folded.has(body.family));
    state.folded = folded ? new Set() : new Set(bodies.map((body) => body.family));
    changed();
  });
  for (const id of ["reset", "reset-empty"]) byId(id).addEventListener("click", reset);
}

function reset() {
  Object.assign(state, { verdicts: new Set(), levels: new Set(), families: new Set(), columns: new Set(), text: "", compare: null, differences: true, folded: new Set(), view: "all" });
  pending = [null, null];
  changed();
}
