// The GRU, and attention to the earlier characters of the piece, in each layer `recall`.

const BASE = 1000; // of the frequencies of char-memory: the slowest takes 2π · BASE patches a turn

class CharMemory extends CharGru {
  // Sizes besides: layers, channels (of keys, and of values), heads, mlp, window.
  reset() {
    this.index = 0;
    this.keys = Array.from({ length: this.layers }, () => []);
    this.values = Array.from({ length: this.layers }, () => []);
    this.parts = [];
  }
  begin(hidden) {
    this.index++;
    this.turns = this.angles(this.index);
    this.parts = [];
    return super.begin(hidden);
  }
  step(code) {
    this.remember(code);
    return super.step(code);
  }
  close(code) { this.remember(code); } // the patch's last character
  look() {
    const parts = [];
    let x = this.place;
    for (let layer = 0; layer < this.layers; layer++) {
      const w = this.weights(`head.recall.${layer}.`), k = this.channels, n = x.length;
      const asked = product(w("project.weight"), layerNorm(x, w("norm.weight"), w("norm.bias")), 3 * k, n);
      parts.push(asked.slice(k));
      x = this.added(x, this.seen(this.turn(asked.subarray(0, k)), layer), w);
    }
    this.parts = parts;
    return this.read(x);
  }
  seen(query, layer) {
    const keys = this.keys[layer].slice(-this.window), values = this.values[layer].slice(-this.window);
    const out = new Float32Array(this.channels), size = this.channels / this.heads;
    for (let one = 0; one < this.heads; one++) {
      weigh(keys, values, query, one * size, one * size, size, out, 0);
    }
    return out;
  }
  added(x, seen, w) {
    const n = x.length, made = add(product(w("out.weight"), seen, n, this.channels), x);
    const normed = layerNorm(made, w("norm_mlp.weight"), w("norm_mlp.bias"));
    const inner = add(product(w("up.weight"), normed, this.mlp, n), w("up.bias")).map(silu);
    return add(add(product(w("down.weight"), inner, n, this.mlp), w("down.bias")), made);
  }
  remember(code) {
    const n = this.cell, k = this.channels;
    const embedded = this.head("embed.weight").subarray(code * n, (code + 1) * n);
    for (let layer = 0; layer < this.layers; layer++) {
      const came = product(this.weights(`head.recall.${layer}.`)("project_char.weight"), embedded, 2 * k, n);
      const pair = add(came, this.parts[layer]);
      this.keys[layer].push(this.turn(pair.slice(0, k)));
      this.values[layer].push(pair.slice(k));
      if (this.keys[layer].length > 2 * this.window) { // what is forgotten goes, now and then
        this.keys[layer] = this.keys[layer].slice(-this.window);
        this.values[layer] = this.values[layer].slice(-this.window);
      }
    }
  }
  angles(index) {
    const count = Math.floor(this.channels / this.heads / 4);
    return Array.from({ length: count }, (_, i) => {
      const angle = index * BASE ** (-i / Math.max(1, count));
      return [Math.fround(Math.cos(angle)), Math.fround(Math.sin(angle))];
    });
  }
  turn(x) {
    const size = this.channels / this.heads, count = this.turns.length;
    for (let from = 0; from < x.length; from += size) {
      for (let i = 0; i < count; i++) {
        const [c, s] = this.turns[i], a = x[from + i], b = x[from + count + i];
        x[from + i] = a * c - b * s;
        x[from + count + i] = b * c + a * s;
      }
    }
    return x;
  }
}
CharMemory.prototype.remembers = true;
