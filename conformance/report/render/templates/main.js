// Theme, links inside the page, and the start.
const THEMES = ["system", "light", "dark"];

function setTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  byId("theme").textContent = `Theme: ${name}`;
  try { localStorage.setItem("plugfest-theme", name); } catch { /* a file may not be allowed to remember */ }
}

function storedTheme() {
  try { return THEMES.includes(localStorage.getItem("plugfest-theme")) ? localStorage.getItem("plugfest-theme") : "system"; }
  catch { return "system"; }
}

function onLink(event) {
  const link = event.target.closest("a[href^='#']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const open = readOpen(new URLSearchParams(link.hash.slice(1)));
  if (!open) return;
  event.preventDefault();
  openPanel(open);
}

function show() {
  readAddress();
  if (location.hash.length > 1) table.querySelectorAll("tbody.later").forEach((body) => body.classList.remove("later"));
  applyFilters();
  showPanel();
}

setTheme(storedTheme());
byId("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "system") + 1) % THEMES.length]));
byId("help-open").addEventListener("click", () => byId("help").showModal());
byId("more").open = matchMedia("(min-width: 761px)").matches;
document.addEventListener("click", onLink);
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
table.addEventListener("keydown", onGridKey);
table.addEventListener("focusin", (event) => {
  const link = event.target.closest("td a");
  if (link) { makeCurrent(link); uncover(link); }
});
document.addEventListener("keydown", onKey);
addEventListener("popstate", show);
addEventListener("hashchange", show);
// Families below the first screen are laid out one by one, so that a large matrix is there at once.
function revealNext() {
  const next = table.querySelector("tbody.later");
  if (!next) return;
  next.classList.remove("later");
  setTimeout(() => requestAnimationFrame(revealNext));
}

listenToControls();
document.querySelector(".work").classList.add("ready"); // not before it is whole: laying out each part of it takes longer
requestAnimationFrame(() => setTimeout(() => performance.mark("shown")));
show();
setTimeout(() => requestAnimationFrame(revealNext));
