// A patch at a time: `step(x)` gives the hidden state and keeps what it has read.

class Rwkv { // RWKV-7, Peng et al. 2025, arXiv:2503.14456
  constructor(weights, sizes) {
    Object.assign(this, sizes); // width, layers, head
    this.weights = weights;
    this.heads = this.width / this.head;
    this.reset();
  }
  reset() {
    const { width, heads, head } = this;
    this.states = Array.from({ length: this.layers }, () => ({
      att: new Float32Array(width), ffn: new Float32Array(width),
      wkv: new Float32Array(heads * head * head),
    }));
  }
  step(x) {
    const w = this.weights("backbone.blocks.0.");
    x = layerNorm(x, w("ln0.weight"), w("ln0.bias"));
    let first = null;
    for (let layer = 0; layer < this.layers; layer++) {
      const here = this.weights(`backbone.blocks.${layer}.`), state = this.states[layer];
      const att = layerNorm(x, here("ln1.weight"), here("ln1.bias"));
      const [mixed, values] = this.timeMix(att, state, first, this.weights(`backbone.blocks.${layer}.att.`));
      first = first || values;
      add(x, mixed);
      const ffn = layerNorm(x, here("ln2.weight"), here("ln2.bias"));
      add(x, this.channelMix(ffn, state, this.weights(`backbone.blocks.${layer}.ffn.`)));
    }
    const out = this.weights("backbone.ln_out.");
    return layerNorm(x, out("weight"), out("bias"));
  }
  mix(x, last, share) {
    const made = new Float32Array(x.length);
    for (let i = 0; i < x.length; i++) made[i] = x[i] + (last[i] - x[i]) * share[i];
    return made;
  }
  timeMix(x, state, first, w) {
    const { width: n, heads, head } = this, last = state.att;
    const mixed = (name) => this.mix(x, last, w(name));
    const low = (name, input, bend) => {
      const inner = w(`${name}1`), rank = inner.length / n;
      return spread(w(`${name}2`), spread(inner, input, n, rank).map(bend), rank, n);
    };
    const same = (z) => z;
    const r = product(w("receptance.weight"), mixed("x_r"), n, n);
    const k = product(w("key.weight"), mixed("x_k"), n, n);
    const xv = mixed("x_v"), v = product(w("value.weight"), xv, n, n);
    const decay = low("w", mixed("x_w"), Math.tanh), eta = low("a", mixed("x_a"), same);
    const gate = low("g", mixed("x_g"), sigmoid);
    state.att = x;
    if (!first) first = v.slice();
    else {
      const share = low("v", xv, same), v0 = w("v0");
      for (let i = 0; i < n; i++) v[i] += (first[i] - v[i]) * sigmoid(v0[i] + share[i]);
    }
    const kappa = new Float32Array(n), w0 = w("w0"), a0 = w("a0"), kk = w("k_k"), ka = w("k_a");
    for (let i = 0; i < n; i++) {
      decay[i] = Math.exp(-Math.exp(-0.5) * sigmoid(w0[i] + decay[i]));
      eta[i] = sigmoid(a0[i] + eta[i]);
      kappa[i] = k[i] * kk[i];
      k[i] *= 1 - ka[i] + eta[i] * ka[i];
    }
    let out = new Float32Array(n);
    const memory = state.wkv;
    for (let from = 0; from < n; from += head) {
      let norm = 0;
      for (let i = from; i < from + head; i++) norm += kappa[i] ** 2;
      norm = Math.max(Math.sqrt(norm), 1e-12);
      for (let i = from; i < from + head; i++) kappa[i] /= norm;
      for (let i = 0; i < head; i++) {
        const at = (from + i) * head, value = v[from + i];
        let removed = 0, sum = 0;
        for (let j = 0; j < head; j++) removed -= memory[at + j] * kappa[from + j];
        for (let j = 0; j < head; j++) {
          const c = from + j;
          const kept = memory[at + j] * decay[c] + removed * kappa[c] * eta[c] + value * k[c];
          memory[at + j] = kept;
          sum += kept * r[c];
        }
        out[from + i] = sum;
      }
    }
    out = layerNorm(out, w("ln_x.weight"), w("ln_x.bias"), 64e-5, head);
    const bonus = w("r_k");
    for (let from = 0; from < n; from += head) {
      let sum = 0;
      for (let i = from; i < from + head; i++) sum += r[i] * k[i] * bonus[i];
      for (let i = from; i < from + head; i++) out[i] = (out[i] + sum * v[i]) * gate[i];
    }
    return [product(w("output.weight"), out, n, n), first];
  }
  channelMix(x, state, w) {
    const { width: n } = this, wide = w("key.weight").length / n;
    const inner = product(w("key.weight"), this.mix(x, state.ffn, w("x_k")), wide, n);
    state.ffn = x;
    for (let i = 0; i < wide; i++) inner[i] = Math.max(0, inner[i]) ** 2;
    return product(w("value.weight"), inner, n, wide);
  }
}
