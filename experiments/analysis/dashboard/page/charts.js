// What all charts have in common. Plotly draws; colours come from the style sheet and the palette.

const NARROW = 640;
const config = () => ({
  responsive: true,
  displaylogo: false,
  displayModeBar: !narrow(),
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
});

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const narrow = () => window.innerWidth < NARROW;

function axis(title, more = {}) {
  return {
    title: {text: plain(title), standoff: 8},
    gridcolor: variable("--grid"),
    zerolinecolor: variable("--grid"),
    linecolor: variable("--muted"),
    automargin: true,
    ...more,
  };
}

function layout(more = {}) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: {color: variable("--text"), family: "system-ui, sans-serif", size: narrow() ? 11 : 13},
    margin: {l: 50, r: 12, t: 12, b: 44},
    hovermode: "closest",
    hoverlabel: {bgcolor: variable("--panel"), font: {color: variable("--text")}, align: "left"},
    legend: {orientation: "h", y: -0.22, yanchor: "top", x: 0, xanchor: "left"},
    modebar: {bgcolor: "rgba(0,0,0,0)", color: variable("--muted"), activecolor: variable("--text")},
    showlegend: true,
    ...more,
  };
}

function chart(id, traces, look, description) {
  byId(id).setAttribute("aria-label", description);
  return Plotly.react(id, traces, look, config());
}

/** The colour with the opacity of a band. */
function faint(colour, opacity) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return `rgba(${r},${g},${b},${opacity})`;
}

/** Two traces that fill what lies between low and high. */
function bandTraces(x, low, high, colour, group) {
  const edge = {
    x, mode: "lines", line: {width: 0, color: colour}, hoverinfo: "skip", showlegend: false,
    legendgroup: group, connectgaps: false,
  };
  return [{...edge, y: low}, {...edge, y: high, fill: "tonexty", fillcolor: faint(colour, 0.18)}];
}

/** The warning that a chart of such runs carries in itself, so that a picture of it does too. */
function stamp(section) {
  if (!section.warning) return [];
  return [{
    text: plain(section.warning.split("\n")[0].split(":")[0].split(",")[0].toUpperCase()),
    xref: "paper", yref: "paper", x: 0.5, y: 0.5, showarrow: false, textangle: -20, opacity: 0.13,
    font: {size: narrow() ? 22 : 36, color: variable("--text")},
  }];
}
