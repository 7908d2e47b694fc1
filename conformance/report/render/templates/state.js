// What is shown is in the address behind "#": a link opens the same view again.
const byId = (id) => document.getElementById(id);
const about = JSON.parse(byId("about").textContent);
const labels = about.columns.map((column) => column.label);
const rowsById = new Map(about.rows.map((row) => [row.id, row]));
const LISTS = ["verdict", "level", "family", "implementation"];

const state = { verdicts: new Set(), levels: new Set(), families: new Set(), columns: new Set(), text: "",
                compare: null, differences: true, folded: new Set(), view: "all", open: null };
const views = [...document.querySelectorAll(".chip[data-view]")].map((chip) => chip.dataset.view);

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const list = (name) => new Set((given.get(name) || "").split(",").filter(Boolean));
  const indices = (names) => names.map((name) => labels.indexOf(name)).filter((index) => index >= 0);
  state.verdicts = list("verdict");
  state.levels = list("level");
  state.families = list("family");
  state.folded = list("folded");
  state.columns = new Set(indices([...list("only")]));
  state.text = given.get("text") || "";
  const pair = indices((given.get("compare") || "").split(","));
  state.compare = pair.length === 2 && pair[0] !== pair[1] ? pair : null;
  state.differences = given.get("all") !== "1";
  state.open = readOpen(given);
  const asked = given.get("view");
  state.view = views.includes(asked) ? asked : "all";
}

function readOpen(given) {
  const cell = given.get("cell");
  if (cell) {
    const cut = cell.lastIndexOf("/");
    const column = labels.indexOf(cell.slice(0, cut)), row = rowsById.get(cell.slice(cut + 1));
    return column >= 0 && row ? { kind: "cell", column, id: row.id } : null;
  }
  const requirement = given.get("requirement");
  if (requirement) return rowsById.has(requirement) ? { kind: "requirement", id: requirement } : null;
  const column = labels.indexOf(given.get("implementation"));
  return column >= 0 ? { kind: "implementation", column } : null;
}

function openName(open) {
  if (!open) return [];
  if (open.kind === "cell") return [["cell", `${labels[open.column]}/${open.id}`]];
  return [[open.kind, open.kind === "requirement" ? open.id : labels[open.column]]];
}

function address(open = state.open) {
  const parts = [
    ["verdict", [...state.verdicts].join(",")], ["level", [...state.levels].join(",")],
    ["family", [...state.families].join(",")], ["only", [...state.columns].map((index) => labels[index]).join(",")],
    ["text", state.text], ["compare", state.compare ? state.compare.map((index) => labels[index]).join(",") : ""],
    ["all", state.compare && !state.differences ? "1" : ""], ["folded", [...state.folded].join(",")],
    ["view", state.view === "all" ? "" : state.view], ...openName(open),
  ];
  const named = parts.filter(([, value]) => value);
  return `#${named.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%2F", "/")}`).join("&")}`;
}

// Opening something is a step that "back" undoes; a filter is not.
function remember(step = false) {
  const wanted = address();
  if (wanted === (location.hash || "#")) return;
  if (step) history.pushState(null, "", wanted);
  else history.replaceState(null, "", wanted);
}

function toggled(set, value) {
  if (!set.delete(value)) set.add(value);
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null && child !== false && child !== ""));
  return made;
}
