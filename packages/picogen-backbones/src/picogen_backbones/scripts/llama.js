// A patch at a time: `step(x)` gives the hidden state and keeps what it has read.

class Llama { // Llama and Qwen3, which norms each head's queries and keys
  constructor(weights, sizes) {
    Object.assign(this, sizes); // width, layers, heads, kv_heads, head, ffn, theta, epsilon
    this.weights = weights;
    const half = this.head / 2;
    this.frequencies = Array.from({ length: half }, (_, i) => this.theta ** (-i / half));
    this.reset();
  }
  reset() {
    this.place = 0;
    this.cache = Array.from({ length: this.layers }, () => ({ keys: [], values: [] }));
  }
  step(x) {
    x = x.slice();
    const { width: n, epsilon } = this;
    for (let layer = 0; layer < this.layers; layer++) {
      const w = this.weights(`backbone.model.layers.${layer}.`);
      add(x, this.attend(rmsNorm(x, w("input_layernorm.weight"), epsilon), layer, w));
      const z = rmsNorm(x, w("post_attention_layernorm.weight"), epsilon);
      const gate = product(w("mlp.gate_proj.weight"), z, this.ffn, n);
      const up = product(w("mlp.up_proj.weight"), z, this.ffn, n);
      for (let i = 0; i < this.ffn; i++) up[i] *= silu(gate[i]);
      add(x, product(w("mlp.down_proj.weight"), up, n, this.ffn));
    }
    this.place++;
    return rmsNorm(x, this.weights("backbone.model.norm.")("weight"), epsilon);
  }
  turn(x) {
    const { head } = this, half = head / 2;
    for (let from = 0; from < x.length; from += head) {
      for (let i = 0; i < half; i++) {
        const angle = Math.fround(this.place * Math.fround(this.frequencies[i]));
        const c = Math.cos(angle), s = Math.sin(angle), a = x[from + i], b = x[from + half + i];
        x[from + i] = a * c - b * s;
        x[from + half + i] = b * c + a * s;
      }
    }
    return x;
  }
  attend(x, layer, w) {
    const { width: n, heads, kv_heads: groups, head, epsilon } = this, cache = this.cache[layer];
    let q = product(w("self_attn.q_proj.weight"), x, heads * head, n);
    let k = product(w("self_attn.k_proj.weight"), x, groups * head, n);
    if (this.normed) {
      q = rmsNorm(q, w("self_attn.q_norm.weight"), epsilon, head);
      k = rmsNorm(k, w("self_attn.k_norm.weight"), epsilon, head);
    }
    this.turn(q);
    cache.keys.push(this.turn(k));
    cache.values.push(product(w("self_attn.v_proj.weight"), x, groups * head, n));
    const out = new Float32Array(heads * head);
    for (let one = 0; one < heads; one++) {
      const at = one * head, from = Math.floor((one * groups) / heads) * head;
      weigh(cache.keys, cache.values, q, at, from, head, out, null);
    }
    return product(w("self_attn.o_proj.weight"), out, n, heads * head);
  }
}
