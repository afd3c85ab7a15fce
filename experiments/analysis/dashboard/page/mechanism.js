// Part 5: why it works, as charts of lines that Python has put together.

function drawMechanism(charts) {
  if (byId("mechanism-charts").childElementCount !== charts.length) {
    fill("mechanism-charts", charts.map((made, at) => el("figure", {},
      el("h3", {}, made.title), el("div", {class: "chart", id: `mechanism-${at}`, role: "img"}), el("figcaption", {}, made.note))));
  }
  charts.forEach((made, at) => chart(`mechanism-${at}`, made.lines.flatMap(mechanismTraces), layout({
    xaxis: axis(made.x.title, {type: made.x.log ? "log" : "linear", exponentformat: "power"}),
    yaxis: axis(made.y.title, {type: made.y.log ? "log" : "linear", exponentformat: "power"}),
  }), made.title));
}

function mechanismTraces(line) {
  const traces = line.band ? bandTraces(line.x, line.band[0], line.band[1], line.colour, line.name) : [];
  const drawn = {name: plain(line.name), legendgroup: line.name, x: line.x, y: line.y};
  const hovertemplate = `${plain(line.name)}<br>%{x:.4~g}: %{y:.4~g}<extra></extra>`;
  if (line.bars) {
    const [low, high] = line.bars;
    const error = {type: "data", symmetric: false, array: high.map((v, i) => v - line.y[i]), arrayminus: low.map((v, i) => line.y[i] - v)};
    traces.push({...drawn, hovertemplate, mode: "markers", marker: {color: line.colour, size: 5}, error_y: error});
  } else {
    traces.push({...drawn, hovertemplate, mode: "lines", line: {color: line.colour, dash: line.dash || "solid", width: 2}});
  }
  return traces;
}
