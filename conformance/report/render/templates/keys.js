// Keyboard: one cell is in the tab order; arrows go from cell to cell.
let current = null;

function makeCurrent(link) {
  if (current && current !== link) current.tabIndex = -1;
  current = link;
  link.tabIndex = 0;
}

const visible = (link) => link.getClientRects().length > 0;

function keepOneInTabOrder() {
  if (current && visible(current)) return;
  const columns = shownColumns();
  for (const row of allRows) {
    if (row.out || state.folded.has(row.about.family)) continue;
    const link = columns.map((index) => cellAt(row, index).querySelector("a")).find(Boolean);
    if (link) return void makeCurrent(link);
  }
}

function grid() {
  const columns = shownColumns();
  return allRows.filter((row) => !row.out && !state.folded.has(row.about.family))
    .map((row) => columns.map((index) => cellAt(row, index).querySelector("a")));
}

function place(cells, link) {
  for (let row = 0; row < cells.length; row += 1) {
    const column = cells[row].indexOf(link);
    if (column >= 0) return [row, column];
  }
  return null;
}

function walk(cells, [row, column], [down, right]) {
  for (;;) {
    row += down;
    column += right;
    const link = cells[row]?.[column];
    if (link === undefined) return null;
    if (link) return link;
  }
}

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function onGridKey(event) {
  const link = event.target.closest("td a");
  if (!link || event.altKey || event.metaKey) return;
  const cells = grid(), at = place(cells, link);
  if (!at) return;
  let next = null;
  if (MOVES[event.key] && !event.ctrlKey) next = walk(cells, at, MOVES[event.key]);
  else if (event.key === "Home" || event.key === "End") {
    const flat = event.ctrlKey ? cells.flat() : cells[at[0]];
    next = (event.key === "Home" ? flat : [...flat].reverse()).find(Boolean);
  } else return;
  event.preventDefault();
  if (next) {
    makeCurrent(next);
    next.focus();
  }
}

// A focused cell must not hide behind the sticky header or the first column.
function uncover(link) {
  const box = link.getBoundingClientRect(), room = scroller.getBoundingClientRect();
  const top = room.top + table.tHead.offsetHeight + 40, left = room.left + table.tHead.rows[0].cells[0].offsetWidth + 4;
  if (box.top < top) scroller.scrollTop -= top - box.top;
  if (box.left < left) scroller.scrollLeft -= left - box.left;
}

function stepFailure(by) {
  const columns = shownColumns();
  const failing = allRows.filter((row) => !row.out).flatMap((row) => columns.filter((index) => "fe".includes(row.verdicts[index])).map((column) => ({ kind: "cell", column, id: row.about.id })));
  if (!failing.length) return;
  const order = new Map(allRows.map((row, index) => [row.about.id, index]));
  const rank = (open) => order.get(open.id) * 10000 + columns.indexOf(open.column);
  const here = state.open?.kind === "cell" ? rank(state.open) : by > 0 ? -1 : Infinity;
  const next = by > 0 ? failing.find((open) => rank(open) > here) || failing[0] : failing.findLast((open) => rank(open) < here) || failing.at(-1);
  state.folded.delete(rowsById.get(next.id).family);
  applyFilters();
  openPanel(next);
}

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.key === "Escape" && !panel.hidden) return void closePanel();
  if (event.target.closest("input, select, textarea") || !event.target.closest("#matrix, #panel, #scroller")) return;
  if (event.key === "n") stepFailure(1);
  else if (event.key === "p") stepFailure(-1);
  else if (event.key === "/") { event.preventDefault(); byId("more").open = true; byId("text").focus(); }
}
