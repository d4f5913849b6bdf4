// A patch at a time: `step(x)` gives the hidden state and keeps what it has read.

class Mamba { // Mamba-2, Dao and Gu 2024, arXiv:2405.21060
  constructor(weights, sizes) {
    Object.assign(this, sizes); // width, layers, heads, head, state, kernel, epsilon
    this.weights = weights;
    this.inner = this.heads * this.head;
    this.channels = this.inner + 2 * this.state;
    this.reset();
  }
  reset() {
    this.states = Array.from({ length: this.layers }, () => ({
      conv: Array.from({ length: this.kernel }, () => new Float32Array(this.channels)),
      ssm: new Float32Array(this.inner * this.state),
    }));
  }
  step(x) {
    x = x.slice();
    const { epsilon } = this;
    for (let layer = 0; layer < this.layers; layer++) {
      const w = this.weights(`backbone.model.layers.${layer}.`);
      add(x, this.mixer(rmsNorm(x, w("norm.weight"), epsilon), this.states[layer], w));
    }
    return rmsNorm(x, this.weights("backbone.model.norm_f.")("weight"), epsilon);
  }
  mixer(x, states, w) {
    const { width: n, inner, channels, heads, head, state, kernel } = this;
    const all = product(w("mixer.in_proj.weight"), x, inner + channels + heads, n);
    states.conv.push(all.slice(inner, inner + channels));
    states.conv.shift();
    const filter = w("mixer.conv1d.weight"), bias = w("mixer.conv1d.bias");
    const mixed = new Float32Array(channels);
    for (let c = 0; c < channels; c++) {
      let sum = bias[c];
      for (let j = 0; j < kernel; j++) sum += states.conv[j][c] * filter[c * kernel + j];
      mixed[c] = silu(sum);
    }
    const logs = w("mixer.A_log"), skip = w("mixer.D"), shift = w("mixer.dt_bias");
    const out = new Float32Array(inner), memory = states.ssm;
    for (let one = 0; one < heads; one++) {
      const raw = all[inner + channels + one] + shift[one];
      const dt = raw > 20 ? raw : Math.log1p(Math.exp(raw)), kept = Math.exp(-Math.exp(logs[one]) * dt);
      for (let i = one * head; i < (one + 1) * head; i++) {
        let sum = 0;
        for (let j = 0, at = i * state; j < state; j++, at++) {
          memory[at] = memory[at] * kept + dt * mixed[i] * mixed[inner + j];
          sum += memory[at] * mixed[inner + state + j];
        }
        out[i] = sum + skip[one] * mixed[i];
      }
    }
    for (let i = 0; i < inner; i++) out[i] *= silu(all[i]);
    const normed = rmsNorm(out, w("mixer.norm.weight"), this.epsilon);
    return product(w("mixer.out_proj.weight"), normed, n, inner);
  }
}
