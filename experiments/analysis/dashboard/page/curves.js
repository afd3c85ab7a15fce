// Part 2: training curves, of the chosen cells or of the isolated runs.

const MOST_LINES = 150;
const NOT_VALUES = ["grid", "epochs_per_update", "seconds"];
const DASH_OF_RATE = ["solid", "dot", "dash", "longdash", "dashdot", "longdashdot"];
const X_TITLES = {update: "update", epoch: "epoch", seconds: "seconds of the run's own time"};

async function drawCurves(section) {
  const curves = await loadCurves(section.name);
  if (section !== currentSection()) return;  // something else was chosen meanwhile
  const series = seriesOf(curves);
  const wanted = series.includes(state.y) ? state.y : series[0];
  options("y", series.map((name) => [name, seriesTitle(section, name)]), wanted);
  drawRateChips(section);
  tellIsolated(section);
  if (!wanted) {
    fill("curves-caption", "No records yet.");
    await chart("curves-chart", [], layout(), "No records yet.");
    return;
  }
  const lines = linesOf(section, curves, wanted);
  const drawn = lines.slice(0, MOST_LINES);
  const title = seriesTitle(section, wanted);
  const axes = {
    xaxis: axis(X_TITLES[state.x], {rangemode: "tozero"}),
    yaxis: axis(title, {type: state.scale === "log" ? "log" : "linear", exponentformat: "power"}),
  };
  const traces = drawn.flatMap(tracesOf);
  axes.yaxis.range = rangeOfLines(traces);
  fill("curves-caption", caption(curves, lines.length));
  await chart("curves-chart", traces, layout({...axes, annotations: stamp(section)}),
    `${title} by ${state.x}, ${drawn.length} lines: ${section.title}.`);
}

/** The lines' range, where bands go beyond: those of two seeds would dwarf the lines. */
function rangeOfLines(traces) {
  const ends = (chosen) => {
    const values = chosen.flatMap((trace) => trace.y).filter((y) => y !== null && (state.scale !== "log" || y > 0));
    const shown = state.scale === "log" ? values.map(Math.log10) : values;
    return [shown.reduce((a, b) => Math.min(a, b), Infinity), shown.reduce((a, b) => Math.max(a, b), -Infinity)];
  };
  const [low, high] = ends(traces.filter((trace) => trace.line?.width !== 0));
  if (!(high > low)) return null;
  const [lowest, highest] = ends(traces);
  const [room, edge] = [ROOM * (high - low), 0.05 * (high - low)];
  return [Math.max(low - room, lowest) - edge, Math.min(high + room, highest) + edge];
}

function seriesOf(curves) {
  const found = new Set();
  for (const run of curves.runs) {
    for (const [kind, columns] of Object.entries(run)) {
      for (const name of Object.keys(columns)) if (!NOT_VALUES.includes(name)) found.add(`${kind}.${name}`);
    }
  }
  const first = ["train.loss", "test.loss"].filter((name) => found.delete(name));
  return [...first, ...[...found].sort()];
}

function seriesTitle(section, name) {
  const [kind, column] = name.split(".");
  if (column === "lr") return "learning rate α_t";
  const what = column === section.metric ? section.metric_title : column === "loss" ? "loss (nats)" : column;
  return `${kind === "train" ? "training" : kind} ${what}`;
}

/** The lines to draw: {label, method, dash, runs (places in the section), n}. */
function linesOf(section, curves, wanted) {
  const {run_id: ids, method: methods, lr: lrs, seed: seeds} = section.runs.columns;
  const single = (place, dash) => ({
    label: `${section.methods[methods[place]].label} α = ${section.rates[section.lrs.indexOf(lrs[place])]}, seed ${seeds[place]}`,
    dash, places: [place],
  });
  let lines;
  if (state.runs.length) {
    lines = ids.map((_, place) => place).filter((place) => state.runs.includes(ids[place]))
      .map((place, at) => single(place, DASH_OF_RATE[at % DASH_OF_RATE.length]));
  } else {
    lines = chosenCells(section).flatMap(([method, lr]) => {
      const places = ids.map((_, place) => place).filter((place) => methods[place] === method && lrs[place] === section.lrs[lr]);
      const dash = state.rates.length > 1 ? DASH_OF_RATE[state.rates.indexOf(section.rates[lr]) % DASH_OF_RATE.length] : section.methods[method].dash;
      if (state.lines === "each") return places.map((place) => single(place, dash));
      return [{label: `${section.methods[method].label} α = ${section.rates[lr]}`, dash, places}];
    });
  }
  const [kind, column] = wanted.split(".");
  return lines.map((line) => {
    const runs = line.places.map((place) => runCurve(curves, section, place, kind, column)).filter((run) => run.x.length);
    return {...line, runs, method: section.methods[methods[line.places[0]]], quantiles: section.quantiles};
  }).filter((line) => line.runs.length);
}

/** Methods and α: each optimizer's best cell, or every shown method at the chosen α. */
function chosenCells(section) {
  const shown = shownMethods(section);
  if (!state.rates.length) return section.scores[scoreOf(section)].best.filter(([method]) => shown.includes(method));
  const lrs = section.lrs.map((_, at) => at).filter((at) => state.rates.includes(section.rates[at]));
  return shown.flatMap((method) => lrs.map((lr) => [method, lr]));
}

function runCurve(curves, section, place, kind, column) {
  const records = curves.runs[place][kind];
  const status = section.runs.columns.status[place];
  if (!records || !records[column]) return {x: [], y: [], status};
  const updates = curves.grids[records.grid].slice(0, records[column].length);
  const x = {update: updates, epoch: updates.map((u) => u * records.epochs_per_update), seconds: records.seconds}[state.x];
  return {updates, x, y: records[column], status};
}

/** The mean over seeds at each update; where a seed has ended the mean is of the others. */
function meanCurve(runs, quantiles) {
  const at = new Map();
  for (const run of runs) {
    run.updates.forEach((update, i) => {
      if (run.y[i] === null) return;
      if (!at.has(update)) at.set(update, {x: [], y: []});
      at.get(update).x.push(run.x[i]);
      at.get(update).y.push(run.y[i]);
    });
  }
  const found = {x: [], mean: [], low: [], high: [], n: []};
  for (const [, {x, y}] of [...at].sort((a, b) => a[0] - b[0])) {
    const {mean, low, high} = meanOf(y, quantiles);
    const together = y.length === runs.length;
    found.x.push(x.reduce((sum, value) => sum + value, 0) / x.length);
    found.mean.push(mean);
    found.low.push(together ? low : null);
    found.high.push(together ? high : null);
    found.n.push(y.length);
  }
  return found;
}

function tracesOf(line) {
  const colour = line.method.colour;
  const found = meanCurve(line.runs, line.quantiles);
  const name = line.places.length > 1 ? `${line.label} (n = ${line.runs.length})` : line.label;
  const group = name;
  const traces = [];
  if (found.low.some((value) => value !== null)) {
    traces.push(...bandTraces(found.x, smoothed(found.low), smoothed(found.high), colour, group));
  }
  const base = {x: found.x, mode: found.x.length < 3 ? "markers" : "lines", legendgroup: group, connectgaps: false};
  if (state.smooth > 0) {
    traces.push({...base, y: found.mean, line: {color: faint(colour, 0.25), width: 1}, showlegend: false, hoverinfo: "skip"});
  }
  traces.push({
    ...base, name: plain(name), y: smoothed(found.mean), line: {color: colour, dash: line.dash, width: 2},
    marker: {color: colour}, customdata: found.n,
    hovertemplate: `${plain(line.label)}<br>%{x:.6~g}: %{y:.5~g} (n = %{customdata})<extra></extra>`,
  });
  const ends = line.runs.filter((run) => run.status === "diverged").map(lastPoint).filter((end) => end !== null);
  if (ends.length) {
    traces.push({
      x: ends.map((end) => end.x), y: ends.map((end) => end.y), mode: "markers", legendgroup: group, showlegend: false,
      marker: {symbol: "x-thin", size: 12, color: colour, line: {width: 3, color: colour}},
      hovertemplate: `${plain(line.label)}<br>a run diverged here<extra></extra>`,
    });
  }
  return traces;
}

function lastPoint(run) {
  for (let i = run.y.length - 1; i >= 0; i -= 1) if (run.y[i] !== null) return {x: run.x[i], y: run.y[i]};
  return null;
}

/** Exponential moving average, corrected for its start; the values themselves when smoothing is off. */
function smoothed(values) {
  if (state.smooth === 0) return values;
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = state.smooth * sum + (1 - state.smooth) * value;
    weight = state.smooth * weight + (1 - state.smooth);
    return sum / weight;
  });
}

function caption(curves, lines) {
  const said = [];
  if (state.runs.length) said.push("The runs chosen in the table below.");
  else if (!state.rates.length) said.push("Each optimizer at its best α.");
  if (!state.runs.length && state.lines === "mean") said.push("Mean over seeds with its 95 % t interval at each point; one seed has none.");
  said.push("× where a run diverged; from there on a mean is of the others, without a band.");
  if (curves.most) said.push(`Thinned to about ${curves.most} points a curve: of each stretch of updates those stay at which a seed is lowest or highest; nothing is averaged.`);
  if (state.smooth > 0) said.push(`Smoothed (exponential moving average, weight ${state.smooth}); the faint line is not.`);
  if (lines > MOST_LINES) said.push(`The first ${MOST_LINES} of ${lines} lines are drawn.`);
  return said.join(" ");
}

function drawRateChips(section) {
  const chips = [chip("best", !state.rates.length, null, () => choose({rates: []}))];
  for (const rate of section.rates) {
    chips.push(chip(rate, state.rates.includes(rate), null, () => choose({rates: toggled(state.rates, rate)})));
  }
  refill("rates", chips);
}

function tellIsolated(section) {
  const known = state.runs.filter((id) => section.runs.columns.run_id.includes(id));
  byId("isolated").hidden = !known.length;
  const all = el("button", {type: "button", click: () => choose({runs: []})}, "show all again");
  fill("isolated", `Only ${known.length === 1 ? "run" : "runs"} ${known.join(", ")}. `, all);
}
