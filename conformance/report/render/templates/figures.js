// Figures of a requirement as bars: every implementation beside the one that is looked at.
const number = (value) => (Number.isInteger(value) ? String(value) : Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

function chart(name, ranges, mine) {
  const top = Math.max(...ranges.filter(Boolean).map((range) => range[1]), 0) || 1;
  const list = element("div", { class: "chart", role: "list", "aria-label": name });
  ranges.forEach((range, index) => {
    if (!range) return;
    const [low, high] = range, text = low === high ? number(low) : `${number(low)} – ${number(high)}`;
    const share = (value) => `${Math.max(0, 100 * value / top)}%`;
    const fill = element("span", { class: "fill" }), spread = element("span", { class: "range" });
    fill.style.width = share(low === high ? high : low);
    spread.style.left = share(low);
    spread.style.width = share(high - low);
    list.append(element("span", { class: index === mine ? "mine" : "" , role: "listitem" }, labels[index]),
      element("span", { class: "track", "aria-hidden": "true" }, fill, spread), element("span", { class: "value" }, text));
  });
  return list;
}

function rowCharts(row, mine = -1) {
  return Object.entries(row.figures || {}).flatMap(([name, ranges]) => [element("h4", {}, name), chart(name, ranges, mine)]);
}

function figureCharts(group, column, row) {
  const values = element("table", { class: "others" }, element("tbody", {}, ...group.figures.map(([name, value, where]) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, number(value)), element("td", {}, where)))));
  return [...rowCharts(row, labels.indexOf(column.label)),
    element("details", {}, element("summary", {}, `${group.figures.length} figures one by one`), values)];
}
