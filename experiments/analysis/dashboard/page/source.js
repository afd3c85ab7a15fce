// Where the data come from: the page itself, or the server that follows a running sweep.

const LIVE = document.body.dataset.live === "true";
const FOLLOW_MILLISECONDS = 3000;

async function unpack(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function load(name, address) {
  if (!LIVE) return unpack(byId(name).textContent);
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return {...(await answer.json()), version: answer.headers.get("ETag")};
}

const loadHead = () => load("head", "head");

const curvesOf = new Map();  // by section; promises, so that each is loaded once

function loadCurves(section) {
  if (!curvesOf.has(section)) {
    const name = encodeURIComponent(section);
    curvesOf.set(section, load(`curves-${section}`, `curves?section=${name}`));
  }
  return curvesOf.get(section);
}
