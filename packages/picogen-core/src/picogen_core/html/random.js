// numpy's `default_rng(entropy)`: SeedSequence into PCG64 (XSL-RR), and its doubles in [0, 1).

const $mask128 = (1n << 128n) - 1n, $mask64 = (1n << 64n) - 1n;
const $multiplier = (2549297995355413924n << 64n) + 4865540595714422341n;

// Words of 32 bits that numpy's SeedSequence makes of whole numbers: four of 64 bits, high first.
function seedWords(entropy) {
  const words = [];
  for (const one of entropy) {
    let left = BigInt(one);
    do {
      words.push(Number(left & 0xffffffffn));
      left >>= 32n;
    } while (left);
  }
  let constant = 0x43b0d7e5;
  const hashed = (value) => {
    value = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mixed = (x, y) => {
    const value = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map((i) => hashed(words[i] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  }
  for (const word of words.slice(4)) {
    for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(word));
  }
  constant = 0x8b51f9dd;
  const made = [];
  for (let i = 0; i < 8; i++) {
    let value = (pool[i % 4] ^ constant) >>> 0;
    constant = Math.imul(constant, 0x58f38ded) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    made.push((value ^ (value >>> 16)) >>> 0);
  }
  return [0, 2, 4, 6].map((i) => BigInt(made[i]) | (BigInt(made[i + 1]) << 32n));
}

class Random {
  constructor(entropy) {
    const [a, b, c, d] = seedWords(entropy);
    this.step = ((((c << 64n) | d) << 1n) | 1n) & $mask128;
    this.state = 0n;
    this.next();
    this.state = (this.state + ((a << 64n) | b)) & $mask128;
    this.next();
  }
  next() { this.state = (this.state * $multiplier + this.step) & $mask128; }
  uniform() {
    this.next();
    const { state } = this, folded = (state >> 64n) ^ (state & $mask64), turn = state >> 122n;
    const turned = ((folded >> turn) | (folded << (64n - turn))) & $mask64;
    return Number(turned >> 11n) / 9007199254740992;
  }
}
