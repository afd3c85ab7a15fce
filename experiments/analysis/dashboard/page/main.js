// Puts the parts together: reads the choices, draws what follows from them, follows a running sweep.

let head = null;

const currentSection = () => head.sections.find((section) => section.name === state.section) || head.sections[0];

function draw() {
  showTheme();
  const section = currentSection();
  for (const part of ["robustness", "curves", "runs", "choices"]) byId(part).hidden = !section;
  byId("empty").hidden = Boolean(section);
  byId("empty").textContent = "The store holds no runs yet. `make reproduce-cifar` makes some.";
  if (section) {
    drawChoices(section);
    drawFacts(section);
    drawRobustness(section);
    drawRuns(section);
    drawCurves(section).catch(fail);
  }
  requestAnimationFrame(() => {  // after the first charts have been painted
    drawClaims(head.claims, head.opening);
    drawMechanism(head.mechanism);
    drawRidges(currentSection());
    byId("mechanism").hidden = !head.mechanism.length && !section?.histograms.length;
  });
}

function drawChoices(section) {
  options("section", head.sections.map((each) => [each.name, each.title]), section.name);
  options("score", Object.entries(section.score_titles), scoreOf(section));
  options("range", [["all", "all"], ["top", "within 10 % of the best"]], state.range);
  options("x", [["update", "update"], ["epoch", "epoch"], ["seconds", "seconds"]], state.x);
  options("lines", [["mean", "mean and band over seeds"], ["each", "each run"]], state.lines);
  options("scale", [["linear", "linear"], ["log", "log"]], state.scale);
  byId("smooth").value = state.smooth;
  byId("smooth-value").textContent = state.smooth > 0 ? String(state.smooth) : "off";
  if (byId("search").value !== state.q) byId("search").value = state.q;
  refill("methods", section.methods.map((method) => chip(
    method.label, !state.off.includes(method.label), method.colour,
    () => choose({off: toggled(state.off, method.label)}))));
}

function drawFacts(section) {
  const runs = head.sections.reduce((sum, each) => sum + each.runs.columns.run_id.length, 0);
  const following = LIVE ? "following the store, last changed" : "made";
  byId("made").textContent = `${runs} runs in the store; ${following} ${head.made.slice(0, 16).replace("T", " ")} UTC`;
  byId("warning").hidden = !section.warning;
  fill("warning", [section.warning, section.note].filter(Boolean).flatMap((text) => text.split("\n")).map((line) => el("div", {}, line)));
  const lines = [...section.settings.slice(0, 4), section.lengths, ...section.origins.slice(0, 4).map((text) => `Data: ${text}`)];
  fill("facts", lines.filter(Boolean).map((line) => el("div", {}, line)));
}

function showTheme() {
  const root = document.documentElement;
  if (state.theme === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", state.theme);
  byId("theme").textContent = {auto: "◐ as the system", light: "☀ light", dark: "☾ dark"}[state.theme];
}

function listen() {
  for (const id of ["score", "range", "y", "x", "lines", "scale", "quantity", "ridges"]) {
    byId(id).addEventListener("change", (event) => choose({[id]: event.target.value}));
  }
  byId("section").addEventListener("change", (event) => {
    rowsShown = PAGE_ROWS;
    choose({section: event.target.value, runs: [], rates: [], off: []});
  });
  byId("smooth").addEventListener("input", (event) => choose({smooth: Number(event.target.value)}));
  byId("search").addEventListener("input", (event) => choose({q: event.target.value}));
  byId("more").addEventListener("click", () => { rowsShown += PAGE_ROWS; drawRuns(currentSection()); });
  byId("theme").addEventListener("click", () =>
    choose({theme: {auto: "light", light: "dark", dark: "auto"}[state.theme] || "auto"}));
  for (const button of document.querySelectorAll("[data-goto]")) {
    button.addEventListener("click", () => goTo(button.dataset.goto));
  }
  addEventListener("hashchange", () => { readAddress(); draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/** Ask the server now and then; what is chosen stays. */
async function follow() {
  try {
    const newer = await loadHead();
    if (newer.version !== head.version) {
      head = newer;
      curvesOf.clear();
      tables.clear();
      draw();
    }
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
    byId("made").textContent = "The server does not answer; what is shown may be old.";
  }
  setTimeout(follow, FOLLOW_MILLISECONDS);
}

function fail(error) {
  byId("empty").hidden = false;
  byId("empty").textContent = `The page could not be drawn: ${error.message}`;
  throw error;
}

async function start() {
  readAddress();
  showTheme();
  listen();
  head = await loadHead();
  draw();
  document.body.dataset.ready = "true";
  if (LIVE) setTimeout(follow, FOLLOW_MILLISECONDS);
}

start().catch(fail);
