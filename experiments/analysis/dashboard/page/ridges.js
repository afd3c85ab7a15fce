// Histograms of gradients and updates as stacked ridges, one chart a method (Figs. 2 and 3).

const RIDGE_HEIGHT = 2.2;   // how many steps a ridge rises that has CUT of the elements in a bin
const RIDGE_CUT = 0.25;     // a higher spike is cut off: it would flatten all others

function drawRidges(section) {
  const all = section ? section.histograms : [];
  byId("histograms").hidden = !all.length;
  if (!all.length) return;
  const pick = (wanted, known) => (known.includes(wanted) ? wanted : known[0]);
  const quantities = [...new Set(all.map((each) => each.quantity))];
  const quantity = pick(state.quantity, quantities);
  const rates = [...new Set(all.map((each) => section.rates[each.lr]))];
  const rate = pick(state.ridges, rates);
  options("quantity", quantities.map((name) => [name, all.find((each) => each.quantity === name).axis]), quantity);
  options("ridges", rates.map((text) => [text, `α = ${text}`]), rate);
  const shown = all.filter((each) => each.quantity === quantity && section.rates[each.lr] === rate &&
    !state.off.includes(section.methods[each.method].label));
  fill("histogram-charts", shown.map((each) => el("figure", {},
    el("h3", {}, `${section.methods[each.method].label}, α = ${rate}`),
    el("div", {class: "chart", id: `ridges-${each.method}`, role: "img"}))));
  for (const each of shown) drawRidge(section, each);
}

function drawRidge(section, each) {
  const method = section.methods[each.method];
  const x = each.edges.slice(0, -1).map((edge, bin) => (edge + each.edges[bin + 1]) / 2);
  const traces = each.updates.flatMap((update, at) => {
    const base = -at;
    const y = each.shares[at].map((share) => base + (RIDGE_HEIGHT * Math.min(share, RIDGE_CUT)) / RIDGE_CUT);
    return [
      {x, y: x.map(() => base), mode: "lines", line: {width: 0}, hoverinfo: "skip"},
      {
        x, y, mode: "lines", line: {color: method.colour, width: 1.3}, fill: "tonexty", fillcolor: faint(method.colour, 0.35),
        customdata: each.shares[at], hovertemplate: `update ${update}<br>%{x:.2f}: %{customdata:.2%} of the elements<extra></extra>`,
      },
    ];
  });
  const look = layout({
    showlegend: false,
    xaxis: axis(each.axis),
    yaxis: axis("update", {tickvals: each.updates.map((_, at) => -at), ticktext: each.updates.map(String), zeroline: false}),
    annotations: stamp(section),
  });
  return chart(`ridges-${each.method}`, traces, look,
    `Histograms of ${each.axis} at ${each.updates.length} updates, ${method.label}: ${section.title}.`);
}
