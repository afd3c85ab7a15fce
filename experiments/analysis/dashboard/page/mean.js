// The mean of chosen curves and Student's 95 % interval over seeds, as in statistics/means.py.

/** {mean, low, high} of one value a seed; low and high are null for one seed.
 *  quantiles[n]: of Student's t with n − 1 degrees of freedom. */
function meanOf(values, quantiles) {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return {mean, low: null, high: null};
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = quantiles[n] * Math.sqrt(variance / n);
  return {mean, low: mean - half, high: mean + half};
}
