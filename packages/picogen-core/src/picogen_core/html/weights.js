// The weights of a page: `pack_floats` and `pack_integers` backwards.

const DIGITS_85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

function bytesOf(text) {
  const digits = new Uint8Array(128);
  for (let i = 0; i < 85; i++) digits[DIGITS_85.charCodeAt(i)] = i;
  const made = new Uint8Array((text.length / 5) * 4);
  for (let i = 0, at = 0; i < text.length; i += 5, at += 4) {
    let value = 0;
    for (let j = 0; j < 5; j++) value = value * 85 + digits[text.charCodeAt(i + j)];
    made[at] = value >>> 24;
    made[at + 1] = value >>> 16;
    made[at + 2] = value >>> 8;
    made[at + 3] = value;
  }
  return made;
}
async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
// name -> Float32Array
async function readWeights(text, facts) {
  const bytes = bytesOf(text);
  return facts.bits ? readFloats(bytes, facts) : readIntegers(bytes, facts);
}
async function readFloats(bytes, { bits, exponents, shapes }) {
  const powers = await inflated(bytes.subarray(0, exponents));
  const words = new Uint32Array(powers.length), mask = 2 ** bits - 1, lost = 23 - bits;
  let at = exponents, left = 0, have = 0;
  for (let i = 0; i < words.length; i++) {
    let rest = 0, needed = bits + 1;
    while (needed) {
      if (!have) {
        left = bytes[at++];
        have = 8;
      }
      const taken = Math.min(needed, have);
      rest = (rest << taken) | ((left >> (have - taken)) & (2 ** taken - 1));
      have -= taken;
      needed -= taken;
    }
    words[i] = ((rest >>> bits) << 31) | (powers[i] << 23) | ((rest & mask) << lost);
  }
  return cutWeights(new Float32Array(words.buffer), shapes);
}
async function readIntegers(bytes, { levels, shapes, rows }) {
  const whole = new Int8Array((await inflated(bytes.subarray(0, levels))).buffer);
  const rest = bytes.slice(levels), made = {};
  const small = new Float32Array(rest.buffer, 0, Math.floor(rest.length / 4));
  let scale = 0, at = 0;
  for (const [name, count] of Object.entries(rows)) {
    const size = shapes[name], wide = size / count, values = new Float32Array(size);
    for (let i = 0; i < size; i++) values[i] = whole[at + i] * small[scale + Math.floor(i / wide)];
    made[name] = values;
    at += size;
    scale += count;
  }
  for (const [name, size] of Object.entries(shapes)) {
    if (name in rows) continue;
    made[name] = small.slice(scale, scale + size);
    scale += size;
  }
  return made;
}
function cutWeights(flat, shapes) {
  const made = {};
  let at = 0;
  for (const [name, size] of Object.entries(shapes)) {
    made[name] = flat.subarray(at, at + size);
    at += size;
  }
  return made;
}
