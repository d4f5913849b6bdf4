// A GRU over the characters of a patch: `begin(hidden)`, `step(code)`, `close(code)` at its end.

class CharGru {
  constructor(weights, sizes) {
    Object.assign(this, sizes); // width: of the model, cell
    this.weights = weights;
    this.head = weights("head.");
    this.reset();
  }
  reset() {}
  begin(hidden) {
    this.place = this.start(hidden);
    return this.look();
  }
  step(code) {
    this.place = this.turned(code, this.place);
    return this.look();
  }
  close() {}
  look() { return this.read(this.place); }
  start(hidden) {
    const { head: w, cell: n } = this;
    return add(product(w("start.weight"), hidden, n, this.width), w("start.bias")).map(Math.tanh);
  }
  turned(code, cell) {
    const { head: w } = this, n = cell.length;
    const embedded = w("embed.weight").subarray(code * n, (code + 1) * n);
    const given = add(product(w("gru.weight_ih_l0"), embedded, 3 * n, n), w("gru.bias_ih_l0"));
    const own = add(product(w("gru.weight_hh_l0"), cell, 3 * n, n), w("gru.bias_hh_l0"));
    const made = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const reset = sigmoid(given[i] + own[i]), keep = sigmoid(given[n + i] + own[n + i]);
      const fresh = Math.tanh(given[2 * n + i] + reset * own[2 * n + i]);
      made[i] = (1 - keep) * fresh + keep * cell[i];
    }
    return made;
  }
  read(x) {
    const { head: w } = this;
    return add(product(w("readout.weight"), x, CODES, x.length), w("readout.bias"));
  }
}
CharGru.prototype.remembers = false;

