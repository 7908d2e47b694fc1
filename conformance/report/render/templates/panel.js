// The panel beside the matrix: a cell, a requirement or an implementation.
const panel = byId("panel");
const LETTER = about.letters, GLYPH = about.glyphs;
let cameFrom = null;

function showPanel({ focus = true } = {}) {
  const open = state.open;
  coverOthers(Boolean(open));
  table.querySelectorAll("[aria-current]").forEach((link) => link.removeAttribute("aria-current"));
  if (!open) {
    if (panel.hidden) return;
    panel.hidden = true;
    panel.replaceChildren();
    cameFrom?.focus({ preventScroll: true });
    return;
  }
  const content = { cell: cellPanel, requirement: requirementPanel, implementation: implementationPanel }[open.kind](open);
  panel.replaceChildren(...content);
  panel.hidden = false;
  panel.scrollTop = 0;
  const link = linkTo(open);
  if (link) {
    link.setAttribute("aria-current", "true");
    cameFrom = link;
    if (open.kind === "cell") makeCurrent(link);
    link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  if (focus) byId("panel-title").focus({ preventScroll: true });
}

// On a narrow screen the panel lies over everything: nothing behind it can be reached.
const narrow = matchMedia("(max-width: 1000px)");

function coverOthers(covered) {
  const modal = covered && narrow.matches;
  for (const id of ["top", "controls", "scroller"]) byId(id).inert = modal;
  panel.setAttribute("aria-modal", String(modal));
}

narrow.addEventListener("change", () => coverOthers(!panel.hidden));

function linkTo(open) {
  if (open.kind === "implementation") return table.tHead.querySelector(`[data-column="${open.column}"] a`);
  const row = allRows.find((each) => each.about.id === open.id);
  return open.kind === "requirement" ? row.element.querySelector("th a") : cellAt(row, open.column).querySelector("a");
}

function openPanel(open) {
  state.open = open;
  remember(true);
  showPanel();
}

function closePanel() {
  state.open = null;
  remember(true);
  showPanel();
}

function head(title, small, ...buttons) {
  return element("div", { class: "panel-head" },
    element("h2", { id: "panel-title", tabindex: "-1" }, title, element("small", {}, small)),
    element("div", { class: "buttons" }, ...buttons, copyButton("Copy link", () => location.href),
      element("button", { type: "button", onclick: closePanel, "aria-label": "Close" }, "✕")));
}

function copyButton(text, what) {
  const button = element("button", { type: "button" }, text);
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(what()); button.textContent = "Copied"; }
    catch { button.textContent = "Not allowed"; }
    setTimeout(() => { button.textContent = text; }, 1500);
  });
  return button;
}

const badge = (verdict, name = "span", attributes = {}) =>
  element(name, { class: `badge ${LETTER[verdict]}`, ...attributes }, `${GLYPH[verdict]} ${verdict}`);

function pairs(entries) {
  const list = element("dl");
  for (const [term, value] of entries) if (value) list.append(element("dt", {}, term), element("dd", {}, value));
  return list;
}

function word(text) {
  return /^[\w@%+=:,./-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function command(text) {
  return element("div", { class: "command" }, element("pre", { tabindex: "0" }, text), copyButton("Copy", () => text));
}

function aboutRequirement(row) {
  const level = `${row.level}${row.informational ? ", informational" : ""}${row.fast ? ", shorter variant of a nightly check" : ""}`;
  return [element("p", { class: "statement" }, row.statement || "Not in this suite's catalogue."),
          element("p", { class: "clause" }, `${level} · ${row.clause}`)];
}

function cellPanel({ column, id }) {
  const about_ = about.columns[column], row = rowsById.get(id), groups = cellsOf(column)[id] || [];
  const step = (by, text) => element("button", { type: "button", "aria-label": text, title: text, onclick: () => stepFailure(by) }, by < 0 ? "‹" : "›");
  return [head(`${id}`, `${about_.label} · ${about_.product}`, step(-1, "Previous failure"), step(1, "Next failure")),
    ...aboutRequirement(row),
    ...groups.map((group) => groupSection(group, about_, row)),
    element("h3", {}, "Make it again"),
    command(`${about_.again} --only ${word(id)}`),
    element("details", {}, element("summary", {}, "What was done, and when it passes"),
      pairs([["stimulus", row.stimulus], ["passes when", row.expects], ["run", about_.command], ...Object.entries(about_.facts)])),
    element("h3", {}, "The others"), othersTable(row, column)];
}

function groupSection(group, column, row) {
  const section = element("section", { class: `group ${LETTER[group.verdict]}` });
  const cases = group.count > 1 ? `${group.count} cases` : (group.cases || [])[0] || "";
  section.append(element("h3", {}, badge(group.verdict), group.flaky && element("span", { class: "badge i" }, "~ flaky"),
    element("span", { class: "where" }, [cases, group.count > 1 ? group.where : ""].filter(Boolean).join(": "))));
  const decided = group.verdict === "pass" || group.verdict === "fail";
  section.append(pairs([[decided ? "expected" : "", decided ? group.expected : ""],
    ["seen", element("span", { class: "seen" }, group.seen)]].filter(([term]) => term)));
  if (group.deviation) section.append(deviation(group.deviation));
  for (const note of group.notes || []) section.append(element("p", {}, `* ${note}`));
  if (group.figures) section.append(...figureCharts(group, column, row));
  if (group.attempts) section.append(element("h4", {}, "Attempts"), attempts(group.attempts));
  for (const evidence of group.evidence || []) section.append(...evidenceParts(evidence));
  if ((group.cases || []).length > 1) {
    const more = group.count - group.cases.length;
    section.append(element("details", {}, element("summary", {}, `All ${group.count} cases`),
      element("ul", { class: "cases" }, ...group.cases.map((text) => element("li", {}, text)), more > 0 && element("li", {}, `${more} more`))));
  }
  return section;
}

function deviation(known) {
  const safe = /^https?:\/\//.test(known.issue);
  return element("div", { class: "deviation" }, element("strong", {}, known.live ? "Known deviation" : "Expired deviation"),
    `: ${known.reason} — ${known.owner}, ${known.live ? "until" : "expired"} ${known.expires}, `,
    safe ? element("a", { href: known.issue, rel: "noreferrer" }, known.issue) : known.issue);
}

function attempts(list) {
  return element("table", { class: "others" }, element("tbody", {}, ...list.map((each) =>
    element("tr", {}, element("th", { scope: "row" }, String(each.number)), element("td", {}, badge(each.verdict)), element("td", {}, each.seen)))));
}

function evidenceParts(evidence) {
  const parts = [];
  if (evidence.picture) {
    parts.push(element("h4", {}, "Deciding frames"));
    const holder = element("div", { class: "picture", tabindex: "0", role: "group", "aria-label": "Time sequence" });
    holder.innerHTML = evidence.picture; // made by the suite, its texts escaped
    parts.push(holder);
  }
  if (evidence.lines) {
    parts.push(element("details", { open: !evidence.picture }, element("summary", {}, `Decoded: ${evidence.lines.length} of ${evidence.frames.length} frames`),
      element("ol", { class: "frames" }, ...evidence.lines.map(frameLine))));
  }
  const numbers = evidence.frames.join(", ");
  const where = evidence.capture ? element("a", { href: evidence.capture }, evidence.place) : evidence.place;
  parts.push(pairs([["capture", where], ["frames", numbers]]));
  if (numbers) parts.push(command(`tshark -r ${word(evidence.place)} -Y 'frame.number in {${numbers}}'`));
  for (const log of evidence.logs || []) {
    parts.push(element("details", {}, element("summary", {}, `Log ${log.name}`), element("pre", { tabindex: "0" }, log.text)));
  }
  return parts;
}

function frameLine(line) {
  const [number, tap, ...rest] = line.split(" ");
  return element("li", {}, element("span", { class: "number" }, number), element("span", { class: "tap" }, tap), element("span", { class: "line" }, rest.join(" ")));
}

function othersTable(row, without = -1) {
  const body = element("tbody");
  const verdicts = allRows.find((each) => each.about.id === row.id).verdicts;
  about.columns.forEach((column, index) => {
    if (index === without || verdicts[index] === "-") return;
    const verdict = Object.keys(LETTER).find((name) => LETTER[name] === verdicts[index]);
    body.append(element("tr", {}, element("td", {}, badge(verdict, "a", { href: address({ kind: "cell", column: index, id: row.id }) })), element("td", {}, column.label)));
  });
  return element("table", { class: "others" }, body);
}

function requirementPanel({ id }) {
  const row = rowsById.get(id);
  return [head(id, (row.alias || []).join(", ")), ...aboutRequirement(row),
    pairs([["stimulus", row.stimulus], ["passes when", row.expects]]),
    ...rowCharts(row), element("h3", {}, "Implementations"), othersTable(row)];
}

function implementationPanel({ column }) {
  const it = about.columns[column];
  const counts = element("p", {}, ...Object.entries(it.counts).flatMap(([verdict, count]) => [badge(verdict), ` ${count}  `]));
  const failing = allRows.filter((row) => "fe".includes(row.verdicts[column]));
  return [head(it.label, it.title), element("p", { class: "statement" }, it.result), counts,
    ...it.remarks.map((remark) => element("p", { class: "deviation" }, remark)),
    it.classes.length > 0 && element("ul", {}, ...it.classes.map((text) => element("li", {}, text))),
    pairs([["product", it.product], ...Object.entries(it.details), ...Object.entries(it.facts)]),
    element("h3", {}, "Make it again"), command(it.again),
    it.profile_text.length > 0 && element("details", {}, element("summary", {}, "Its profile"), element("pre", {}, it.profile_text.join("\n"))),
    failing.length > 0 && element("h3", {}, "What it fails"),
    failing.length > 0 && element("table", { class: "others" }, element("tbody", {}, ...failing.map((row) => element("tr", {},
      element("td", {}, badge("fail", "a", { href: address({ kind: "cell", column, id: row.about.id }) })), element("td", {}, row.about.id), element("td", {}, row.about.level)))))].filter(Boolean);
}
