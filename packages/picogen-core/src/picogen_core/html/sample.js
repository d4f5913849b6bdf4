// One code from logits, by inversion of a uniform: `sampling.draw_plainly` in JavaScript.

const NEVER = 0, RARELY = 2, PENALTY = 4, NOT_FINITE = -1, NOTHING_ALLOWED = -2;

// allowed: of each code how freely it may come; options: temperature, top_k, top_p, min_p, order.
function draw(logits, allowed, uniform, options) {
  const { temperature, top_p, min_p } = options, last = options.order === "notagen";
  const most = options.top_k || logits.length, level = new Float64Array(logits.length), order = [];
  for (let code = 0; code < logits.length; code++) {
    if (!Number.isFinite(logits[code])) return NOT_FINITE;
    level[code] = allowed[code] === RARELY ? logits[code] - PENALTY : logits[code];
    if (allowed[code] !== NEVER) order.push(code);
  }
  if (!order.length) return NOTHING_ALLOWED;
  order.sort((a, b) => level[b] - level[a] || a - b);
  order.length = Math.min(order.length, most);
  if (temperature === 0) return order[0];
  const weights = order.map((code) => {
    const gap = level[code] - level[order[0]];
    return Math.exp(last ? gap : gap / temperature);
  });
  let kept = weights.length;
  if (top_p > 0 && top_p < 1) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let before = 0;
    for (let i = 0; i < weights.length; i++) {
      if (before > top_p * total) {
        kept = i;
        break;
      }
      before += weights[i];
    }
  }
  while (weights[kept - 1] < min_p) kept--;
  const share = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < kept; i++) {
    share[order[i]] = last ? weights[i] ** (1 / temperature) : weights[i];
    total += share[order[i]];
  }
  const goal = uniform * total;
  let reached = 0, drawn = NOTHING_ALLOWED;
  for (let code = 0; code < share.length; code++) {
    reached += share[code];
    if (share[code] > 0) {
      drawn = code;
      if (goal < reached) break;
    }
  }
  return drawn;
}
