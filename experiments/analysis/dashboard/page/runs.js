// Part 4: the runs, sortable and searchable; a click isolates one in the curves.

const PAGE_ROWS = 30;
let rowsShown = PAGE_ROWS;

const NUMBERS = ["lr", "seed", "final", "best", "train_loss", "epochs", "wall_seconds"];
const COLUMNS = [
  ["status", "status", (run) => run.status + (run.at_chance ? ", at chance" : "")],
  ["method", "optimizer", (run) => run.label],
  ["lr", "α", (run) => run.rate],
  ["seed", "seed", (run) => run.seed],
  ["final", "final", (run) => short(run.final)],
  ["best", "best on test", (run) => short(run.best)],
  ["train_loss", "training loss", (run) => short(run.train_loss, 4)],
  ["epochs", "epochs", (run) => short(run.epochs, 4)],
  ["wall_seconds", "time", (run) => duration(run.wall_seconds)],
  ["started", "started (UTC)", (run) => (run.started || "–").slice(0, 16).replace("T", " ")],
  ["commit", "commit", (run) => (run.commit ? run.commit.slice(0, 9) + (run.dirty ? " (dirty)" : "") : "–")],
  ["hardware", "hardware", (run) => run.hardware || "–"],
  ["experiment", "experiment", (run) => run.experiment || "–"],
];

const tables = new Map();  // runs by section, made once

function runsOf(section) {
  if (!tables.has(section)) {
    const columns = section.runs.columns;
    tables.set(section, columns.run_id.map((_, place) => {
      const run = {place};
      for (const [name, values] of Object.entries(columns)) run[name] = values[place];
      run.label = section.methods[run.method].label;
      run.colour = section.methods[run.method].colour;
      run.rate = section.rates[section.lrs.indexOf(run.lr)];
      run.text = [run.run_id, ...COLUMNS.map(([, , show]) => show(run))].join(" ").toLowerCase();
      return run;
    }));
  }
  return tables.get(section);
}

function drawRuns(section) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const found = runsOf(section)
    .filter((run) => !state.off.includes(run.label) && words.every((word) => run.text.includes(word)));
  sortRuns(found);
  fill("runs-count", `${found.length} of ${section.runs.columns.run_id.length} runs`);
  const {sort, run} = document.activeElement?.dataset || {};
  const head = el("tr", {}, el("th", {scope: "col"}, "run"), COLUMNS.map(heading), el("th", {scope: "col"}, "W&B"));
  const body = el("tbody", {}, found.slice(0, rowsShown).map(runRow));
  fill("runs-table", el("table", {}, el("thead", {}, head), body));
  if (sort) document.querySelector(`[data-sort="${sort}"]`)?.focus();
  if (run) document.querySelector(`[data-run="${run}"]`)?.focus();
  byId("more").hidden = found.length <= rowsShown;
  byId("more").textContent = `Show ${Math.min(PAGE_ROWS, found.length - rowsShown)} more`;
  drawDetails(section);
}

function heading([key, title]) {
  const order = state.sort === key ? "ascending" : state.sort === `-${key}` ? "descending" : "none";
  const next = order === "ascending" ? `-${key}` : order === "descending" ? "" : key;
  const arrow = {ascending: " ▲", descending: " ▼", none: ""}[order];
  const button = el("button", {type: "button", "data-sort": key, click: () => choose({sort: next})}, title, arrow);
  return el("th", {scope: "col", "aria-sort": order}, button);
}

/** In place; runs without a value come last in either order. */
function sortRuns(runs) {
  if (!state.sort) return;
  const turned = state.sort.startsWith("-");
  const key = turned ? state.sort.slice(1) : state.sort;
  const value = (run) => (key === "method" ? run.label : run[key]);
  const missing = (x) => x === null || x === undefined;
  runs.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (missing(x) || missing(y)) return missing(x) - missing(y);
    const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y));
    return turned ? -order : order;
  });
}

function runRow(run) {
  const isolated = state.runs.includes(run.run_id);
  const only = () => choose({runs: isolated && state.runs.length === 1 ? [] : [run.run_id]});
  const add = el("input", {
    type: "checkbox", checked: isolated, "aria-label": `also run ${run.run_id} in the curves`,
    click: (event) => { event.stopPropagation(); choose({runs: toggled(state.runs, run.run_id)}); },
  });
  const name = el("button", {type: "button", class: "run", "data-run": run.run_id, "aria-pressed": String(isolated)}, run.run_id);
  const cells = COLUMNS.map(([key, , show]) => {
    const mark = key === "method" ? el("span", {class: "mark", style: `background:${run.colour}`}) : null;
    const kind = key === "status" ? `status ${run.status}` : NUMBERS.includes(key) ? "number" : null;
    return el("td", {class: kind}, mark, show(run));
  });
  const link = run.mirror ? el("a", {href: run.mirror, target: "_blank", rel: "noopener", click: (event) => event.stopPropagation()}, "open") : "–";
  return el("tr", {class: isolated ? "isolated" : null, click: only},
    el("th", {scope: "row"}, add, name), cells, el("td", {}, link));
}

/** Everything about the isolated run, or about the last of several. */
function drawDetails(section) {
  const run = runsOf(section).find((each) => each.run_id === state.runs[state.runs.length - 1]);
  if (!run) {
    fill("run-details", el("p", {class: "note"}, "Click a run to see it alone in the curves, with its configuration here."));
    return;
  }
  const config = {...section.runs.shared};
  for (const [name, values] of Object.entries(section.runs.varying)) config[name] = values[run.place];
  const facts = {
    status: run.status, finished: run.finished, commit: run.commit, hardware: run.hardware, versions: run.versions,
    parameters: run.parameters, "examples per second": run.examples_per_second, updates: run.updates,
    "validation-selected": run.validation_selected, error: run.error,
  };
  const list = (entries) => el("dl", {}, entries.filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, short(value, 7)))));
  fill("run-details",
    el("h3", {}, `Run ${run.run_id}: ${run.label}, α = ${run.rate}, seed ${run.seed} `,
      el("button", {type: "button", click: () => goTo("curves")}, "see it in the curves")),
    list(Object.entries(facts)),
    el("h4", {}, "Configuration"),
    list(Object.entries(config).sort((a, b) => a[0].localeCompare(b[0]))));
}
