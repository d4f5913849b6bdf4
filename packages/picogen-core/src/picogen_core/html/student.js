// A student: its weights, and the engine that the decode loop asks.

class Engine {
  // tensors: name -> Float32Array; facts: backbone and head, each a class's name and its sizes.
  constructor(tensors, { backbone, head }) {
    const weights = (prefix) => (name) => tensors[prefix + name];
    this.embedding = tensors["patch_embedding.weight"];
    this.bias = tensors["patch_embedding.bias"];
    this.width = this.bias.length;
    const known = new Map(); // names are joined once
    const cached = (prefix) => {
      if (!known.has(prefix)) {
        const found = new Map(), plain = weights(prefix);
        known.set(prefix, (name) => {
          if (!found.has(name)) found.set(name, plain(name));
          return found.get(name);
        });
      }
      return known.get(prefix);
    };
    this.backbone = new $parts[backbone.name](cached, { width: this.width, ...backbone.sizes });
    this.head = new $parts[head.name](cached, { width: this.width, ...head.sizes });
  }
  // Read the beginning of a piece.
  read(rows) {
    this.backbone.reset();
    this.head.reset();
    rows.forEach((row, i) => {
      if (i && this.head.remembers) {
        const length = written(row);
        this.head.begin(this.hidden);
        for (let j = 0; j + 1 < length; j++) this.head.step(row[j]);
        this.head.close(row[length - 1]);
      }
      this.hidden = this.backbone.step(this.embedded(row));
    });
  }
  advance(row) {
    this.head.close(row[written(row) - 1]);
    this.hidden = this.backbone.step(this.embedded(row));
  }
  begin() { return this.head.begin(this.hidden); }
  step(code) { return this.head.step(code); }
  embedded(row) {
    const { width, embedding } = this, sum = new Float64Array(this.bias);
    for (let j = 0; j < PATCH; j++) {
      const at = (j * CODES + row[j]) * width;
      for (let i = 0; i < width; i++) sum[i] += embedding[at + i];
    }
    return Float32Array.from(sum);
  }
}
// Characters of a patch before its padding.
function written(row) {
  const end = row.indexOf(PAD);
  return end < 0 ? PATCH : end;
}
