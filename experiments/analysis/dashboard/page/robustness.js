// Part 1: metric against α, the heatmap optimizer × α, and the robustness numbers.

const shownMethods = (section) =>
  section.methods.map((_, place) => place).filter((place) => !state.off.includes(section.methods[place].label));

function scoreOf(section) {
  return section.scores[state.score] ? state.score : Object.keys(section.scores)[0];
}

function drawRobustness(section) {
  const kind = scoreOf(section);
  const score = section.scores[kind];
  drawRates(section, score, kind);
  drawHeatmap(section, score, kind);
  drawNumbers(section, score);
}

function drawRates(section, score, kind) {
  const traces = [];
  const lowest = lowestShown(score.cells);
  for (const place of shownMethods(section)) {
    const method = section.methods[place];
    const cells = score.cells.filter((cell) => cell.method === place && cell.n > 0).sort((a, b) => a.lr - b.lr);
    const drawn = cells.filter((cell) => cell.mean !== null);
    if (drawn.length) traces.push(rateLine(section, method, drawn));
    const diverged = cells.filter((cell) => cell.diverged > 0);
    if (diverged.length) traces.push(divergedMarks(section, method, diverged, lowest));
  }
  const axes = {
    xaxis: axis("learning rate α (log scale)", {
      type: "log", tickvals: section.lrs, ticktext: section.rates, minor: {showgrid: false},
    }),
    yaxis: axis(`test ${section.metric_title}`, {range: rangeOf(section, score) || rangeOfMeans(score.cells)}),
  };
  const text = `Test ${section.metric_title} (${section.score_titles[kind]}) against the learning rate, ` +
    `one line per optimizer: ${section.title}. The numbers stand in the table below.`;
  byId("rates-caption").textContent = `Test ${section.metric_title}, ${section.score_titles[kind]}: ${section.average} over completed runs, ` +
    "95 % interval (cut off at the chart's edge), n in the label. × marks an α at which a run diverged.";
  return chart("rates-chart", traces, layout({...axes, annotations: stamp(section)}), text);
}

const ROOM = 0.35;  // of the means' range, for intervals beyond them

/** [lowest, highest] score to show, null for all: what is worse lies beyond the chart's edge. */
function rangeOf(section, score) {
  const means = score.cells.map((cell) => cell.mean).filter((value) => value !== null && value > 0);
  if (state.range === "all" || !means.length) return null;
  const [best, step] = section.direction === "max" ? [Math.max(...means), -0.1] : [Math.min(...means), 0.1];
  return [best * (1 + step), best * (1 - step / 5)].sort((a, b) => a - b);
}

/** All means, and of the intervals what has room: those of two seeds would dwarf the means. */
function rangeOfMeans(cells) {
  const ran = cells.filter((cell) => cell.mean !== null);
  const means = ran.map((cell) => cell.mean);
  const [low, high] = [Math.min(...means), Math.max(...means)];
  if (!(high > low)) return null;
  const room = ROOM * (high - low);
  const lows = ran.map((cell) => cell.low ?? cell.mean);
  const highs = ran.map((cell) => cell.high ?? cell.mean);
  const least = 0.05 * (high - low);
  return [Math.max(low - room, Math.min(...lows)) - least, Math.min(high + room, Math.max(...highs)) + least];
}

function lowestShown(cells) {
  const values = cells.map((cell) => cell.mean).filter((value) => value !== null);
  return values.length ? Math.min(...values) : 0;
}

function rateLine(section, method, cells) {
  const up = cells.map((cell) => (cell.high === null ? 0 : cell.high - cell.mean));
  const down = cells.map((cell) => (cell.low === null ? 0 : cell.mean - cell.low));
  return {
    name: plain(method.label), legendgroup: method.label, mode: "lines+markers",
    x: cells.map((cell) => section.lrs[cell.lr]),
    y: cells.map((cell) => cell.mean),
    error_y: {type: "data", symmetric: false, array: up, arrayminus: down, thickness: 1.5, width: 4},
    line: {color: method.colour, dash: method.dash, width: 2},
    marker: {color: method.colour, symbol: method.symbol, size: 9},
    text: cells.map((cell) => cellLabel(section, method, cell)),
    hovertemplate: "%{text}<extra></extra>",
  };
}

function divergedMarks(section, method, cells, lowest) {
  return {
    name: plain(method.label), legendgroup: method.label, showlegend: false, mode: "markers",
    x: cells.map((cell) => section.lrs[cell.lr]),
    y: cells.map((cell) => (cell.mean === null ? lowest : cell.mean)),
    marker: {
      symbol: "x-thin", size: 17, color: method.colour, line: {width: 3, color: method.colour},
    },
    text: cells.map((cell) => cellLabel(section, method, cell)),
    hovertemplate: "%{text}<extra></extra>",
  };
}

function cellLabel(section, method, cell) {
  const of = cell.diverged ? [`${cell.diverged} of ${cell.n} diverged`] : [];
  const words = cell.text.filter((line) => !line.includes("diverged"));
  return [`<b>${plain(method.label)}</b>, α = ${section.rates[cell.lr]}`, ...[...words, ...of].map(plain)].join("<br>");
}

function drawHeatmap(section, score, kind) {
  const places = shownMethods(section).reverse();  // Plotly counts rows from below
  const rows = (empty) => places.map(() => section.lrs.map(() => empty));
  const [values, texts, hovers] = [rows(null), rows(""), rows("")];
  for (const cell of score.cells) {
    const row = places.indexOf(cell.method);
    if (row < 0) continue;
    const label = cellLabel(section, section.methods[cell.method], cell);
    values[row][cell.lr] = cell.mean;
    texts[row][cell.lr] = cell.diverged ? `${plain(cell.text[0])}<br>× ${cell.diverged}/${cell.n}` : plain(cell.text[0]);
    hovers[row][cell.lr] = label;
  }
  const trace = {
    type: "heatmap", x: section.lrs.map((_, at) => at), y: places.map((_, at) => at), z: values,
    text: texts, texttemplate: "%{text}", customdata: hovers, hovertemplate: "%{customdata}<extra></extra>",
    hoverongaps: false, colorscale: "Cividis", reversescale: section.direction === "min", xgap: 2, ygap: 2,
    colorbar: {thickness: 10, outlinewidth: 0, title: {text: plain(section.metric_title), side: "right"}},
    showscale: !narrow(),
  };
  const range = rangeOf(section, score);
  if (range) Object.assign(trace, {zmin: range[0], zmax: range[1]});
  const axes = {
    xaxis: axis("learning rate α", {tickvals: section.lrs.map((_, at) => at), ticktext: section.rates, showgrid: false, zeroline: false}),
    yaxis: axis("", {tickvals: places.map((_, at) => at), ticktext: places.map((place) => plain(section.methods[place].label)), showgrid: false, zeroline: false}),
  };
  const text = `Heatmap of the test ${section.metric_title} (${section.score_titles[kind]}) by optimizer and learning rate: ${section.title}.`;
  return chart("heatmap-chart", [trace], layout({...axes, annotations: stamp(section)}), text);
}

function drawNumbers(section, score) {
  const titles = Object.entries(section.robustness_titles);
  const head = el("tr", {}, el("th", {scope: "col"}, "optimizer"), titles.map(([, title]) => el("th", {scope: "col"}, title)));
  const rows = score.robustness
    .filter((row) => !state.off.includes(section.methods[row.method].label))
    .map((row) => {
      const method = section.methods[row.method];
      const name = el("th", {scope: "row"}, el("span", {class: "mark", style: `background:${method.colour}`}), method.label);
      const cells = titles.map(([key]) => el("td", {}, row.texts[key].map((line) => el("div", {}, line))));
      return el("tr", {}, name, cells);
    });
  fill("robustness-table", el("table", {}, el("thead", {}, head), el("tbody", {}, rows)));
}
