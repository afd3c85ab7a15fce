// What is chosen, kept in the address after the #, so that a view can be shared.
// What is at its default is left out.

const DEFAULTS = {
  section: "",        // name of a section; "" is the first
  score: "final",     // which test figure
  range: "all",       // all | top: how much of the scores the robustness charts show
  off: [],            // methods not shown, by label
  y: "train.loss",    // kind and column of the curves
  x: "epoch",         // update | epoch | seconds
  lines: "mean",      // mean | each
  scale: "linear",    // linear | log
  smooth: 0,          // weight of the past, 0 is off
  rates: [],          // α of the curves; none is each optimizer's best
  runs: [],           // isolated runs, by id
  sort: "",           // column of the table of runs; "-" before it turns the order
  q: "",              // search
  quantity: "gradient", // of the histograms
  ridges: "",         // α of the histograms
  theme: "auto",      // auto | light | dark
};

const state = {...DEFAULTS};

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [name, fallback] of Object.entries(DEFAULTS)) {
    const text = given.get(name);
    if (text === null) state[name] = Array.isArray(fallback) ? [] : fallback;
    else if (Array.isArray(fallback)) state[name] = given.getAll(name).filter((part) => part !== "");
    else if (typeof fallback === "number") state[name] = Math.min(0.95, Math.max(0, Number(text) || 0));
    else state[name] = text;
  }
}

function writeAddress() {
  const written = new URLSearchParams();
  for (const [name, fallback] of Object.entries(DEFAULTS)) {
    const value = state[name];
    if (Array.isArray(value)) value.forEach((part) => written.append(name, part));
    else if (value !== fallback) written.set(name, value);
  }
  const hash = written.toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

/** Change some choices, remember them in the address, and draw what follows from them. */
function choose(changes) {
  Object.assign(state, changes);
  writeAddress();
  draw();
}

function toggled(list, item) {
  return list.includes(item) ? list.filter((other) => other !== item) : [...list, item];
}
