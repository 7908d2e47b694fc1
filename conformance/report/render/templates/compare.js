// Comparison: two columns side by side, with what was seen written into the cells.
const islands = new Map();

function cellsOf(column) {
  if (!islands.has(column)) islands.set(column, JSON.parse(byId(`cells-${column}`).textContent));
  return islands.get(column);
}

function chooseComparison() {
  const value = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
  pending = [value("compare-a"), value("compare-b")];
  const complete = pending[0] !== null && pending[1] !== null && pending[0] !== pending[1];
  state.compare = complete ? pending : null;
  changed();
}

let compared = "";

function showComparison() {
  const key = state.compare ? state.compare.join() : "";
  if (key === compared) return;
  compared = key;
  table.querySelectorAll(".told").forEach((told) => told.remove());
  table.classList.toggle("comparing", Boolean(key));
  if (!key) return;
  for (const column of state.compare) {
    const cells = cellsOf(column);
    for (const row of allRows) {
      const group = (cells[row.about.id] || [])[0];
      const link = cellAt(row, column)?.querySelector("a");
      if (link && group) link.append(element("span", { class: "told" }, group.seen));
    }
  }
}
