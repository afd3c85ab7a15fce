// The mean of chosen curves and its 95 % bootstrap interval over seeds.
// For up to MOST_EXACT seeds all resamples are gone through; for more, RANDOM_RESAMPLES of them.

const MOST_EXACT = 5;
const RANDOM_RESAMPLES = 2000;
const TAIL = 0.025;

const resamplesOf = new Map();

/** How often each of n seeds is drawn in each resample, and the resamples' weights (sum 1). */
function resamples(n) {
  if (!resamplesOf.has(n)) resamplesOf.set(n, n <= MOST_EXACT ? allResamples(n) : randomResamples(n));
  return resamplesOf.get(n);
}

function allResamples(n) {
  const counts = [];
  const add = (given, left) => {
    if (given.length === n - 1) counts.push([...given, left]);
    else for (let k = 0; k <= left; k += 1) add([...given, k], left - k);
  };
  add([], n);
  const factorial = (k) => (k < 2 ? 1 : k * factorial(k - 1));
  const weights = counts.map((each) => each.reduce((w, k) => w / factorial(k), factorial(n)) / n ** n);
  return {counts, weights};
}

function randomResamples(n) {
  let seed = 1;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const counts = Array.from({length: RANDOM_RESAMPLES}, () => {
    const each = new Array(n).fill(0);
    for (let k = 0; k < n; k += 1) each[Math.floor(random() * n)] += 1;
    return each;
  });
  return {counts, weights: counts.map(() => 1 / RANDOM_RESAMPLES)};
}

/** {mean, low, high} of one value a seed; low and high are null for one seed. */
function meanOf(values) {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return {mean, low: null, high: null};
  const {counts, weights} = resamples(n);
  const means = counts.map((each) => each.reduce((sum, k, seed) => sum + k * values[seed], 0) / n);
  const order = means.map((_, at) => at).sort((a, b) => means[a] - means[b]);
  return {mean, low: quantile(order, means, weights, TAIL), high: quantile(order, means, weights, 1 - TAIL)};
}

function quantile(order, means, weights, share) {
  let sum = 0;
  for (const at of order) {
    sum += weights[at];
    if (sum >= share - 1e-12) return means[at];
  }
  return means[order[order.length - 1]];
}
