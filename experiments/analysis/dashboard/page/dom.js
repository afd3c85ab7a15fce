// Elements are made with text, never with markup: whatever a run is called, it shows as text.

const byId = (id) => document.getElementById(id);

/** An element: el("td", {class: "n"}, "text", anotherElement). Functions are event listeners. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Scroll to a part and put the focus there. */
function goTo(id) {
  byId(id).scrollIntoView();
  byId(id).focus({preventScroll: true});
}

function fill(id, ...children) {
  byId(id).replaceChildren(...children.flat());
}

/** Options of a <select>: pairs of value and text. */
function options(id, pairs, chosen) {
  fill(id, pairs.map(([value, text]) => el("option", {value, selected: value === chosen}, text)));
  byId(id).value = chosen;
}

/** Text for Plotly, which would read tags in it. */
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** A number to few digits; an en dash where there is none. */
function short(value, digits = 5) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(digits)));
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(0)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A toggle button that looks like a coloured chip. */
function chip(text, pressed, colour, toggle) {
  const mark = colour ? el("span", {class: "mark", style: `background:${colour}`}) : null;
  const attributes = {type: "button", class: "chip", "aria-pressed": String(pressed), click: toggle};
  return el("button", attributes, mark, text);
}

/** Fill anew without taking the focus from who goes through the buttons with the keyboard. */
function refill(id, ...children) {
  const place = [...byId(id).children].indexOf(document.activeElement);
  fill(id, ...children);
  if (place >= 0) byId(id).children[Math.min(place, byId(id).children.length - 1)]?.focus();
}
