"use strict";
// What translated Python needs: whole numbers of any size, truth, tuples as keys, methods of text.
// Lists and tuples are arrays, dicts `$Dict`, sets `$Set`, Fractions `$Fraction`.

class $Exception extends Error {
  constructor(...args) { super(); this.__init__(...args); }
  __init__(message = "") { this.message = String(message); this.args = [message]; }
}
class $ValueError extends $Exception {}
class $KeyError extends $Exception {}
class $IndexError extends $Exception {}
class $ZeroDivisionError extends $Exception {}
class $Object {
  constructor(...args) { this.__init__(...args); }
  __init__() {}
}
class $Keywords { constructor(given) { this.given = given; } }
const $keywords = (given) => new $Keywords(given);
const $split_keywords = (args) =>
  args.length && args[args.length - 1] instanceof $Keywords
    ? [args.slice(0, -1), args[args.length - 1].given] : [args, {}];
const $caught = (error, kinds) => kinds.some((kind) => error instanceof kind);
const $initialise = (self, message) => { self.message = String(message); };
const $unbound = (method) => (self, ...args) => method.apply(self, args);
const $create = (kind, args) => (kind.$new ? kind.$new(...args) : new kind(...args));
const $name = (part) => part.name.slice(part.name.lastIndexOf("$") + 1);
const $ordered = (args, order, given) =>
  [...args, ...order.slice(args.length).map((name) => given[name])];

// Whole numbers: plain ones while they fit 31 bits, else BigInt.

const $whole = (x) => (x >= -0x80000000n && x <= 0x7fffffffn ? Number(x) : x);
const $small = (a, b) => typeof a === "number" && typeof b === "number";
const $big = (x) => (typeof x === "bigint" ? x : BigInt(x));
const $bits = (x) => typeof x === "number" || typeof x === "bigint" || typeof x === "boolean";

function $and(a, b) {
  if ($small(a, b)) return a & b;
  if ($bits(a) && $bits(b)) {
    return typeof a === "boolean" && typeof b === "boolean" ? a && b : $whole($big(a) & $big(b));
  }
  return a.intersection(b);
}
function $or(a, b) {
  if ($small(a, b)) return a | b;
  if ($bits(a) && $bits(b)) {
    return typeof a === "boolean" && typeof b === "boolean" ? a || b : $whole($big(a) | $big(b));
  }
  return a.union(b);
}
function $xor(a, b) {
  return $small(a, b) ? a ^ b : $bits(a) ? $whole($big(a) ^ $big(b)) : a.symmetric_difference(b);
}
const $not = (a) => (typeof a === "bigint" ? $whole(~a) : ~a);
const $shl = (a, b) => $whole($big(a) << $big(b));
const $shr = (a, b) =>
  typeof a === "bigint" ? $whole(a >> $big(b)) : Number(b) > 31 ? (a < 0 ? -1 : 0) : a >> Number(b);
const $neg = (a) =>
  a instanceof $Fraction ? $fraction(-a.numerator, a.denominator) : typeof a === "boolean" ? -Number(a) : -a;

function $number(a, b, plain, whole, part) {
  if ($small(a, b)) {
    const made = plain(a, b);
    return Number.isSafeInteger(made) || !Number.isInteger(a) || !Number.isInteger(b)
      ? made : $whole(whole(BigInt(a), BigInt(b)));
  }
  if (a instanceof $Fraction || b instanceof $Fraction) {
    if (typeof a === "number" && !Number.isInteger(a)) return plain(a, b.value);
    if (typeof b === "number" && !Number.isInteger(b)) return plain(a.value, b);
    return part($Fraction.make(a), $Fraction.make(b));
  }
  return $whole(whole($big(a), $big(b)));
}
function $add(a, b) {
  if ($small(a, b)) {
    const made = a + b;
    if (Number.isSafeInteger(made)) return made;
  }
  if (typeof a === "string") return a + b;
  if (Array.isArray(a)) return [...a, ...b];
  if (a instanceof Uint8Array) return Uint8Array.from([...a, ...b]);
  return $number(a, b, (x, y) => x + y, (x, y) => x + y, (x, y) => x.plus(y, 1));
}
function $sub(a, b) {
  if (a instanceof $Set) return a.difference(b);
  return $number(a, b, (x, y) => x - y, (x, y) => x - y, (x, y) => x.plus(y, -1));
}
function $mul(a, b) {
  if (typeof a === "string") return a.repeat(Math.max(0, Number(b)));
  if (typeof b === "string") return b.repeat(Math.max(0, Number(a)));
  if (Array.isArray(a)) return [].concat(...Array(Math.max(0, Number(b))).fill([...a]));
  if (Array.isArray(b)) return $mul(b, a);
  return $number(a, b, (x, y) => x * y, (x, y) => x * y, (x, y) => x.times(y));
}
function $div(a, b) {
  if (a instanceof $Fraction || b instanceof $Fraction) {
    return $number(a, b, (x, y) => x / y, null, (x, y) => x.times(y.inverse()));
  }
  if (Number(b) === 0) throw new $ZeroDivisionError("division by zero");
  return Number(a) / Number(b);
}
function $floordiv(a, b) {
  if (Number(b) === 0) throw new $ZeroDivisionError("division by zero");
  return $number(a, b, (x, y) => Math.floor(x / y), (x, y) => (x - (((x % y) + y) % y)) / y,
    (x, y) => Math.floor(x.times(y.inverse()).value));
}
function $mod(a, b) {
  return $number(a, b, (x, y) => x - y * Math.floor(x / y), (x, y) => ((x % y) + y) % y,
    (x, y) => x.plus(y.times($Fraction.make(Math.floor(x.times(y.inverse()).value))), -1));
}
function $pow(a, b) {
  if (a instanceof $Fraction) {
    return b < 0 ? $fraction(a.denominator ** -b, a.numerator ** -b)
      : $fraction(a.numerator ** b, a.denominator ** b);
  }
  return $number(a, b, (x, y) => x ** y, (x, y) => x ** y, null);
}
function $gcd(a, b) {
  a = Math.abs(a);
  b = Math.abs(b);
  while (b) [a, b] = [b, a % b];
  return a;
}
const $lcm = (...all) => all.reduce((a, b) => (a && b ? (a / $gcd(a, b)) * b : 0), 1);

class $Fraction {
  constructor(numerator, denominator) {
    this.numerator = numerator;
    this.denominator = denominator;
  }
  static make(over = 0, under = 1) {
    if (typeof over === "string") {
      const found = over.trim().match(/^([-+]?\d+)(?:\/(\d+))?$/);
      if (!found) throw new $ValueError(`Invalid literal for Fraction: '${over}'`);
      return $fraction(Number(found[1]), Number(found[2] || 1));
    }
    if (over instanceof $Fraction && under === 1) return over;
    if (over instanceof $Fraction || under instanceof $Fraction) {
      return $Fraction.make(over).times($Fraction.make(under).inverse());
    }
    return $fraction(Number(over), Number(under));
  }
  get value() { return this.numerator / this.denominator; }
  plus(other, sign) {
    return $fraction(this.numerator * other.denominator + sign * other.numerator * this.denominator,
      this.denominator * other.denominator);
  }
  times(other) {
    return $fraction(this.numerator * other.numerator, this.denominator * other.denominator);
  }
  inverse() { return $fraction(this.denominator, this.numerator); }
  toString() {
    return this.denominator === 1 ? `${this.numerator}` : `${this.numerator}/${this.denominator}`;
  }
}
function $fraction(over, under) {
  if (under === 0) throw new $ZeroDivisionError("Fraction with denominator 0");
  const sign = under < 0 ? -1 : 1, common = $gcd(over, under) || 1;
  return new $Fraction((sign * over) / common, (sign * under) / common);
}

// Truth, equality, order, keys

function $t(x) {
  switch (typeof x) {
    case "object":
      if (x === null) return false;
      if (Array.isArray(x) || x instanceof Uint8Array) return x.length > 0;
      if (x instanceof $Dict || x instanceof $Set) return x.size > 0;
      if (x instanceof $Fraction) return x.numerator !== 0;
      return x.__bool__ ? x.__bool__() : x.__len__ ? x.__len__() > 0 : true;
    case "undefined": return false;
    case "function": return true;
    default: return Boolean(x);
  }
}
const $both = (a, next) => ($t(a) ? next() : a);
const $either = (a, next) => ($t(a) ? a : next());
const $same = (a, b) => a === b || (a == null && b == null);
function $eq(a, b) {
  if (a === b) return true;
  if (a == null || b == null) return a == null && b == null;
  if (typeof a !== "object" && typeof b !== "object") {
    return typeof a === "string" || typeof b === "string" ? false : a == b;
  }
  if (typeof a !== "object" || typeof b !== "object") {
    return (a instanceof $Fraction || b instanceof $Fraction) && $key(a) === $key(b);
  }
  if (Array.isArray(a) || a instanceof Uint8Array) {
    return (Array.isArray(b) || b instanceof Uint8Array) && a.length === b.length && a.every((x, i) => $eq(x, b[i]));
  }
  if (a instanceof $Fraction) return $key(a) === $key(b);
  if (a instanceof $Dict || a instanceof $Set) return a.equals(b);
  return Boolean(a.$same) && a.constructor === b.constructor && a.$fields.every((name) => $eq(a[name], b[name]));
}
const $plain_number = (x) => (x instanceof $Fraction ? x.value : x);
function $compare(a, b) {
  if (Array.isArray(a)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      if (!$eq(a[i], b[i])) return $compare(a[i], b[i]);
    }
    return a.length - b.length;
  }
  const x = $plain_number(a), y = $plain_number(b);
  return x < y ? -1 : x > y ? 1 : 0;
}
const $lt = (a, b) =>
  $small(a, b) ? a < b : a instanceof $Set ? a.size < b.size && a.within(b) : $compare(a, b) < 0;
const $le = (a, b) => ($small(a, b) ? a <= b : a instanceof $Set ? a.within(b) : $compare(a, b) <= 0);
let $numbered = 0;
const $numbers = new WeakMap();
function $key(x) {
  switch (typeof x) {
    case "string": case "number": return x;
    case "boolean": return Number(x);
    case "bigint": return `\0${x}`;
    case "undefined": return "\0null";
    default:
  }
  if (x === null) return "\0null";
  if (x instanceof $Fraction) return x.denominator === 1 ? x.numerator : `\0${x}`;
  if (Array.isArray(x)) {
    let made = "\0(";
    for (const one of x) {
      const key = $key(one);
      made += typeof key === "string" ? `${key.length}:${key},` : `${key},`;
    }
    return made;
  }
  if (x instanceof $Set) return `\0{${[...x].map($key).sort().join()}}`;
  if (x.$same) return `\0<${x.constructor.name}${$key(x.$fields.map((name) => x[name]))}`;
  if (!$numbers.has(x)) $numbers.set(x, ++$numbered);
  return `\0#${$numbers.get(x)}`;
}

class $Dict {
  constructor(pairs = []) {
    this.map = new Map();
    for (const [key, value] of pairs) this.put(key, value);
  }
  get size() { return this.map.size; }
  put(key, value) {
    const known = this.map.get($key(key));
    if (known) known[1] = value;
    else this.map.set($key(key), [key, value]);
  }
  has(key) { return this.map.has($key(key)); }
  at(key) {
    const found = this.map.get($key(key));
    if (!found) throw new $KeyError(String(key));
    return found[1];
  }
  get(key, other = null) {
    const found = this.map.get($key(key));
    return found ? found[1] : other;
  }
  setdefault(key, value = null) {
    if (!this.has(key)) this.put(key, value);
    return this.at(key);
  }
  pop(key, ...other) {
    const found = this.map.get($key(key));
    if (!found && !other.length) throw new $KeyError(String(key));
    this.map.delete($key(key));
    return found ? found[1] : other[0];
  }
  remove(key) { this.pop(key); }
  update(other) { for (const [key, value] of $pairs(other)) this.put(key, value); }
  clear() { this.map.clear(); }
  copy() { return new this.constructor(this.items()); }
  keys() { return [...this.map.values()].map((pair) => pair[0]); }
  values() { return [...this.map.values()].map((pair) => pair[1]); }
  items() { return [...this.map.values()].map(([key, value]) => [key, value]); }
  union(other) { return new $Dict([...this.items(), ...other.items()]); }
  equals(other) {
    return other instanceof $Dict && other.size === this.size &&
      this.items().every(([key, value]) => other.has(key) && $eq(value, other.at(key)));
  }
  [Symbol.iterator]() { return this.keys()[Symbol.iterator](); }
}
class $Counter extends $Dict {
  constructor(pairs = []) { super(pairs); }
  static make(items = []) {
    const made = new $Counter();
    for (const one of items) made.put(one, made.get(one, 0) + 1);
    return made;
  }
  at(key) { return this.get(key, 0); }
  most_common(count) {
    const sorted = this.items().sort((a, b) => b[1] - a[1]);
    return count == null ? sorted : sorted.slice(0, count);
  }
}
class $Set {
  constructor(items = []) {
    this.map = new Map();
    for (const one of items) this.add(one);
  }
  get size() { return this.map.size; }
  add(one) { if (!this.has(one)) this.map.set($key(one), one); }
  has(one) { return this.map.has($key(one)); }
  discard(one) { this.map.delete($key(one)); }
  remove(one) { if (!this.map.delete($key(one))) throw new $KeyError(String(one)); }
  update(...others) { for (const other of others) for (const one of other) this.add(one); }
  clear() { this.map.clear(); }
  copy() { return new $Set(this); }
  pop() { const first = [...this][0]; this.discard(first); return first; }
  union(...others) { const made = this.copy(); made.update(...others); return made; }
  intersection(other) { const kept = new $Set(other); return new $Set([...this].filter((one) => kept.has(one))); }
  difference(other) { const gone = new $Set(other); return new $Set([...this].filter((one) => !gone.has(one))); }
  symmetric_difference(other) { return this.union(other).difference(this.intersection(other)); }
  within(other) { return [...this].every((one) => other.has(one)); }
  equals(other) { return other instanceof $Set && other.size === this.size && this.within(other); }
  [Symbol.iterator]() { return this.map.values(); }
}
const $pairs = (x) => (x instanceof $Dict ? x.items() : x);
const $plain = (dict) => Object.fromEntries($pairs(dict));
const $fromkeys = (keys, value = null) => new $Dict([...keys].map((key) => [key, value]));
// `x.__dict__`, as far as it is read and updated.
class $View {
  constructor(object) { this.object = object; }
  update(other) {
    if (other instanceof $View) Object.assign(this.object, other.object);
    else for (const [key, value] of $pairs(other)) this.object[key] = value;
  }
}
const $dict = (object) => new $View(object);

class $NamedTuple extends Array {
  static get [Symbol.species]() { return Array; }
  static $new(...given) {
    const made = new this(), { $names, $defaults } = this;
    for (let i = 0; i < $names.length; i++) made.push(given[i] === undefined ? $defaults[i] : given[i]);
    return made;
  }
  _replace(words) {
    const { $names } = this.constructor, { given } = words;
    return this.constructor.$new(...$names.map((name, i) => (name in given ? given[name] : this[i])));
  }
}
function $named(kind, names, defaults) {
  kind.$names = names;
  kind.$defaults = defaults;
  names.forEach((name, i) => Object.defineProperty(kind.prototype, name, { get() { return this[i]; } }));
}
const $made = (kind, fields) => Object.assign(Object.create(kind.prototype), fields);
function $replaced(object, words = $keywords({})) {
  const made = Object.create(Object.getPrototypeOf(object));
  return Object.assign(made, object, words.given);
}
function $once(object, name, make) {
  const value = make.call(object);
  Object.defineProperty(object, name, { value, writable: true });
  return value;
}
function $memo(most, plain) {
  let known = new Map();
  return function (...args) {
    const key = args.length === 1 ? $key(args[0]) : $key(args);
    if (known.has(key)) return known.get(key);
    if (known.size >= most) known = new Map();
    const made = plain(...args);
    known.set(key, made);
    return made;
  };
}

// Items

function $place(at, length) {
  const place = Number(at);
  const found = place < 0 ? place + length : place;
  if (!(found >= 0 && found < length)) throw new $IndexError("index out of range");
  return found;
}
class $Slice { constructor(start, end, step) { this.start = start; this.end = end; this.step = step; } }
const $slice = (start, end, step) => new $Slice(start, end, step);
function $cut(items, { start, end, step }) {
  const from = start === null ? undefined : Number(start), to = end === null ? undefined : Number(end);
  if (step === null || step === 1) {
    return Array.isArray(items) ? Array.prototype.slice.call(items, from, to) : items.slice(from, to);
  }
  let made = [...(items.slice(from, to))];
  if (step === -1) made.reverse();
  else made = made.filter((_, i) => i % step === 0);
  return typeof items === "string" ? made.join("") : made;
}
function $get(items, at) {
  if (items instanceof $Dict) return items.at(at);
  if (at instanceof $Slice) return $cut(items, at);
  if (items instanceof $Match) return items.group(at);
  return items[$place(at, items.length)];
}
function $set(items, at, value) {
  if (items instanceof $Dict) items.put(at, value);
  else if (at instanceof $Slice) {
    const from = at.start === null ? 0 : $bound_index(at.start, items.length);
    const to = at.end === null ? items.length : Math.max(from, $bound_index(at.end, items.length));
    items.splice(from, to - from, ...value);
  } else items[$place(at, items.length)] = value;
}
const $bound_index = (at, length) =>
  at < 0 ? Math.max(0, at + length) : Math.min(at, length);
function $del(items, at) {
  if (items instanceof $Dict) items.pop(at);
  else if (at instanceof $Slice) $set(items, at, []);
  else items.splice($place(at, items.length), 1);
}
function $in(one, items) {
  if (typeof items === "string") return items.includes(one);
  if (items instanceof $Dict || items instanceof $Set) return items.has(one);
  if (items instanceof Uint8Array) return items.includes(Number(one));
  for (const other of items) if ($eq(one, other)) return true;
  return false;
}
function $unpack(value, count, star, behind) {
  const all = Array.isArray(value) ? value : [...value];
  if (star < 0) {
    if (all.length !== count) throw new $ValueError(`${count} values expected, ${all.length} found`);
    return all;
  }
  const end = all.length - behind;
  if (end < star) throw new $ValueError("not enough values");
  return [...all.slice(0, star), all.slice(star, end), ...all.slice(end)];
}
const $getter = (items) => (at) => $get(items, at);
const $bound = (where, name) => {
  const value = typeof where === "object" && !Array.isArray(where) ? where[name] : undefined;
  if (value !== undefined && typeof value !== "function") return value;
  if (Array.isArray(where) && where.constructor.$names && where.constructor.$names.includes(name)) return where[name];
  return (...args) => $m(where, name, ...args);
};
const $accumulate = function* (items) {
  let total, first = true;
  for (const one of items) {
    total = first ? one : $add(total, one);
    first = false;
    yield total;
  }
};
const $pairwise = function* (items) {
  let before, first = true;
  for (const one of items) {
    if (!first) yield [before, one];
    before = one;
    first = false;
  }
};
const $chain = function* (...all) { for (const items of all) yield* items; };
const $bisect = (items, one) => {
  let low = 0, high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ($lt(one, items[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
};

// Text

const $space = /[\s\x1c-\x1f\x85]/u;
const $strip = (text, characters, left, right) => {
  const goes = (c) => (characters == null ? $space.test(c) : characters.includes(c));
  let start = 0, end = text.length;
  while (left && start < end && goes(text[start])) start++;
  while (right && end > start && goes(text[end - 1])) end--;
  return text.slice(start, end);
};
const $all = (text, pattern) => text.length > 0 && pattern.test(text);
const $TEXT = {
  strip: (s, c) => $strip(s, c, true, true),
  lstrip: (s, c) => $strip(s, c, true, false),
  rstrip: (s, c) => $strip(s, c, false, true),
  lower: (s) => s.toLowerCase(),
  upper: (s) => s.toUpperCase(),
  islower: (s) => s !== s.toUpperCase() && s === s.toLowerCase(),
  isupper: (s) => s !== s.toLowerCase() && s === s.toUpperCase(),
  isdigit: (s) => $all(s, /^\p{Nd}+$/u),
  isdecimal: (s) => $all(s, /^\p{Nd}+$/u),
  isalpha: (s) => $all(s, /^\p{L}+$/u),
  isalnum: (s) => $all(s, /^[\p{L}\p{N}]+$/u),
  isspace: (s) => $all(s, /^\s+$/u),
  isprintable: (s) => /^(?:(?![\p{C}\p{Z}])[^]|\x20)*$/u.test(s),
  startswith: (s, part, from = 0) => (Array.isArray(part) ? part.some((p) => s.startsWith(p, from)) : s.startsWith(part, from)),
  endswith: (s, part) => (Array.isArray(part) ? part.some((p) => s.endsWith(p)) : s.endsWith(part)),
  removeprefix: (s, part) => (part && s.startsWith(part) ? s.slice(part.length) : s),
  removesuffix: (s, part) => (part && s.endsWith(part) ? s.slice(0, -part.length) : s),
  replace: (s, a, b) => s.replaceAll(a, () => b),
  count: (s, part, from = 0, to = s.length) => s.slice(from, to).split(part).length - 1,
  find: (s, part, from = 0) => s.indexOf(part, from),
  rfind: (s, part, from = 0, to = s.length) => {
    const found = s.slice(0, to).lastIndexOf(part);
    return found < from ? -1 : found;
  },
  index: (s, part) => {
    const found = s.indexOf(part);
    if (found < 0) throw new $ValueError("substring not found");
    return found;
  },
  join: (s, items) => [...items].join(s),
  split: (s, ...rest) => {
    const [[sign = null, most = -1], words] = $split_keywords(rest);
    const limit = words.maxsplit ?? most;
    if (sign === null) {
      const found = $strip(s, null, true, true);
      if (!found) return [];
      const parts = found.split(/\s+/u);
      if (limit < 0 || parts.length <= limit + 1) return parts;
      const made = [];
      let left = $strip(s, null, true, false);
      for (let i = 0; i < limit; i++) {
        const end = left.search(/\s/u);
        made.push(left.slice(0, end));
        left = $strip(left.slice(end), null, true, false);
      }
      return [...made, left];
    }
    const parts = s.split(sign);
    return limit < 0 || parts.length <= limit + 1 ? parts
      : [...parts.slice(0, limit), parts.slice(limit).join(sign)];
  },
  rsplit: (s, sign, most) => {
    const parts = s.split(sign), from = Math.max(0, parts.length - most);
    return from ? [parts.slice(0, from).join(sign), ...parts.slice(from)] : parts;
  },
  splitlines: (s, ...rest) => {
    const keep = $split_keywords(rest)[1].keepends ?? rest[0] === true;
    const lines = s.match(/[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])|[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+$/gu) || [];
    return keep ? lines : lines.map((line) => line.replace(/(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])$/u, ""));
  },
  partition: (s, sign) => {
    const found = s.indexOf(sign);
    return found < 0 ? [s, "", ""] : [s.slice(0, found), sign, s.slice(found + sign.length)];
  },
  rpartition: (s, sign) => {
    const found = s.lastIndexOf(sign);
    return found < 0 ? ["", "", s] : [s.slice(0, found), sign, s.slice(found + sign.length)];
  },
  translate: (s, table) => [...s].map((c) => {
    const found = table.get(c.codePointAt(0), undefined);
    return found === undefined ? c : found === null ? "" : typeof found === "number" ? String.fromCodePoint(found) : found;
  }).join(""),
  ljust: (s, width, fill = " ") => s.padEnd(width, fill),
  zfill: (s, width) => s.padStart(width, "0"),
  encode: (s) => Uint8Array.from(s, (c) => c.charCodeAt(0)),
  title: (s) => s.replace(/\p{L}+/gu, (w) => w[0].toUpperCase() + w.slice(1).toLowerCase()),
};
const $LIST = {
  append: (l, one) => { l.push(one); },
  extend: (l, more) => { for (const one of [...more]) l.push(one); },
  insert: (l, at, one) => { l.splice($bound_index(Number(at), l.length), 0, one); },
  pop: (l, at = -1) => l.splice($place(at, l.length), 1)[0],
  remove: (l, one) => { l.splice($LIST.index(l, one), 1); },
  index: (l, one) => {
    const found = l.findIndex((other) => $eq(one, other));
    if (found < 0) throw new $ValueError("not in list");
    return found;
  },
  count: (l, one) => l.filter((other) => $eq(one, other)).length,
  clear: (l) => { l.length = 0; },
  copy: (l) => [...l],
  reverse: (l) => { Array.prototype.reverse.call(l); },
  sort: (l, ...rest) => { const made = $b.sorted(l, ...rest); l.splice(0, l.length, ...made); },
};
function $m(where, name, ...args) {
  if (typeof where === "string") return $TEXT[name](where, ...args);
  if (typeof where === "number" || typeof where === "bigint") {
    return name === "bit_length" ? (Number(where) ? BigInt(where).toString(2).replace("-", "").length : 0) : undefined;
  }
  if (Array.isArray(where)) {
    const own = where.constructor !== Array && Object.hasOwn(where.constructor.prototype, name);
    return own ? where[name](...args) : $LIST[name](where, ...args);
  }
  if (where instanceof Uint8Array && name === "startswith") {
    return (Array.isArray(args[0]) ? args[0] : args).some((part) => part.every((code, i) => where[i] === code));
  }
  if (where instanceof Uint8Array && name === "decode") return String.fromCharCode(...where);
  return where[name](...args);
}
function $repr(x) {
  if (typeof x === "string") {
    const sign = x.includes("'") && !x.includes('"') ? '"' : "'";
    const body = x.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\t/g, "\\t");
    return sign + (sign === "'" ? body.replace(/'/g, "\\'") : body) + sign;
  }
  return $text(x);
}
function $text(x) {
  if (x === null || x === undefined) return "None";
  if (x === true) return "True";
  if (x === false) return "False";
  if (Array.isArray(x)) return `[${x.map($repr).join(", ")}]`;
  return x instanceof Error ? x.message : String(x);
}
function $format(x, spec, conversion) {
  const made = conversion === 114 ? $repr(x) : $text(x);
  if (!spec) return made;
  if (spec === ",") return Number(x).toLocaleString("en-US");
  const padded = spec.match(/^0(\d+)d$/);
  if (padded) return made.padStart(Number(padded[1]), "0");
  throw new $ValueError(`format ${spec}`);
}
const $unidecode = (text) => text.normalize("NFKD").replace(/[^\x00-\x7f]/gu, "");

// Regular expressions: groups have names g1, g2, …, since others stand for possessive ones.

class $Match {
  constructor(found, pattern) {
    this.found = found;
    this.pattern = pattern;
    this.string = found.input;
    this.re = pattern;
  }
  part(group) {
    if (group === 0) return this.found[0];
    const number = typeof group === "string" ? this.pattern.names[group] : group;
    const part = this.found.groups[`g${number}`];
    return part === undefined ? null : part;
  }
  group(...groups) {
    const parts = (groups.length ? groups : [0]).map((one) => this.part(one));
    return parts.length === 1 ? parts[0] : parts;
  }
  groups() { return this.pattern.numbers.map((number) => this.part(number)); }
  span(group = 0) {
    const where = group === 0 ? [this.found.index, this.found.index + this.found[0].length]
      : this.pattern.where(this).groups[`g${typeof group === "string" ? this.pattern.names[group] : group}`];
    return where || [-1, -1];
  }
  start(group = 0) { return group === 0 ? this.found.index : this.span(group)[0]; }
  end(group = 0) { return this.span(group)[1]; }
  get lastgroup() {
    for (const [name, number] of Object.entries(this.pattern.names)) {
      if (this.found.groups[`g${number}`] !== undefined) return name;
    }
    return null;
  }
}
class $Pattern {
  constructor(source, flags, names) {
    this.source = source;
    this.flags = flags;
    this.names = names;
    const count = Math.max(0, ...[...source.matchAll(/\(\?<g(\d+)>/g)].map((found) => Number(found[1])));
    this.numbers = Array.from({ length: count }, (_, i) => i + 1);
    this.sticky = new RegExp(source, `${flags}y`);
    this.global = new RegExp(source, `${flags}g`);
    this.whole = new RegExp(`(?:${source})(?![^])`, `${flags}y`);
  }
  run(regex, text, at = 0) {
    regex.lastIndex = at;
    const found = regex.exec(text);
    return found && new $Match(found, this);
  }
  match(text, at) { return this.run(this.sticky, text, at); }
  fullmatch(text) { return this.run(this.whole, text); }
  search(text, at) { return this.run(this.global, text, at); }
  where(match) {
    const again = new RegExp(this.source, `${this.flags}yd`);
    again.lastIndex = match.found.index;
    return again.exec(match.string).indices;
  }
  *finditer(text) {
    let at = 0;
    while (at <= text.length) {
      const found = this.run(this.global, text, at);
      if (!found) return;
      yield found;
      at = found.found[0].length ? found.found.index + found.found[0].length : found.found.index + 1;
    }
  }
  findall(text) {
    return [...this.finditer(text)].map((match) =>
      this.numbers.length === 0 ? match.group() : this.numbers.length === 1 ? match.part(1) ?? "" : match.groups().map((one) => one ?? ""));
  }
  sub(by, text, ...rest) {
    const [[limit = 0], words] = $split_keywords(rest);
    let left = words.count ?? limit, made = "", end = 0;
    for (const match of this.finditer(text)) {
      made += text.slice(end, match.start());
      made += typeof by === "function" ? by(match) : by.replace(/\\(\d)/g, (_, n) => match.part(Number(n)) ?? "");
      end = match.start() + match.found[0].length;
      if (left && !--left) break;
    }
    return made + text.slice(end);
  }
  split(text) {
    const made = [];
    let end = 0;
    for (const match of this.finditer(text)) {
      made.push(text.slice(end, match.start()), ...match.groups());
      end = match.start() + match.found[0].length;
    }
    return [...made, text.slice(end)];
  }
}
const $patterns = new Map();
function $pattern(source, flags, names) {
  const key = `${flags}/${source}`;
  if (!$patterns.has(key)) $patterns.set(key, new $Pattern(source, flags, names));
  return $patterns.get(key);
}
const $constant = (pattern) => pattern;

// Functions that Python has by itself

const $best = (better) => (...given) => {
  const [args, { key, default: other }] = $split_keywords(given);
  const items = args.length === 1 ? [...args[0]] : args;
  if (!items.length) {
    if (other === undefined) throw new $ValueError("empty sequence");
    return other;
  }
  let best = items[0], rank = key ? key(best) : best;
  for (const one of items.slice(1)) {
    const here = key ? key(one) : one;
    if (better($compare(here, rank))) [best, rank] = [one, here];
  }
  return best;
};
const $is = {
  str: (x) => typeof x === "string",
  int: (x) => typeof x === "bigint" || typeof x === "boolean" || Number.isInteger(x),
  list: (x) => Array.isArray(x),
  tuple: (x) => Array.isArray(x),
  bytes: (x) => x instanceof Uint8Array,
  dict: (x) => x instanceof $Dict,
};
const $b = {
  ValueError: $ValueError, KeyError: $KeyError, IndexError: $IndexError, Exception: $Exception,
  ZeroDivisionError: $ZeroDivisionError,
  abs: (x) => (x instanceof $Fraction ? $fraction(Math.abs(x.numerator), x.denominator) : Math.abs(Number(x))),
  all: (items) => { for (const one of items) if (!$t(one)) return false; return true; },
  any: (items) => { for (const one of items) if ($t(one)) return true; return false; },
  bool: (x = false) => $t(x),
  bytes: (items = []) => Uint8Array.from(typeof items === "number" ? Array(items).fill(0) : items, Number),
  chr: (code) => String.fromCodePoint(Number(code)),
  ord: (text) => text.codePointAt(0),
  dict: (pairs = [], words = null) => new $Dict([...$pairs(pairs), ...(words ? Object.entries(words.given) : [])]),
  divmod: (a, b) => [$floordiv(a, b), $mod(a, b)],
  enumerate: function* (items, start = 0) {
    if (start instanceof $Keywords) start = start.given.start;
    for (const one of items) yield [start++, one];
  },
  filter: function* (keep, items) { for (const one of items) if ($t(keep === null ? one : keep(one))) yield one; },
  float: (x) => Number($plain_number(x)),
  frozenset: (items = []) => new $Set(items),
  getattr: (object, name, other) => object[name] ?? other,
  int: (x = 0) => {
    if (typeof x === "string") {
      if (!/^\s*[-+]?\d+\s*$/u.test(x)) throw new $ValueError(`invalid literal for int(): ${x}`);
      return $whole(BigInt(x.trim()));
    }
    return typeof x === "bigint" ? x : Math.trunc(Number($plain_number(x)));
  },
  isinstance: (x, kinds) => (Array.isArray(kinds) ? kinds : [kinds]).some((kind) => {
    for (const name of Object.keys($is)) if (kind === $b[name]) return $is[name](x);
    return x instanceof kind;
  }),
  iter: (items) => items[Symbol.iterator](),
  next: (items, ...other) => {
    const found = items.next();
    if (!found.done) return found.value;
    if (!other.length) throw new $ValueError("nothing is left");
    return other[0];
  },
  len: (x) => (x instanceof $Dict || x instanceof $Set ? x.size : x.length ?? x.__len__()),
  list: (items = []) => [...items],
  tuple: (items = []) => [...items],
  map: function* (make, ...all) {
    if (all.length === 1) { for (const one of all[0]) yield $create_or_call(make, [one]); }
    else for (const row of $b.zip(...all)) yield $create_or_call(make, row);
  },
  max: $best((order) => order > 0),
  min: $best((order) => order < 0),
  range: (...args) => {
    const [start, end, step] = (args.length === 1 ? [0, args[0], 1] : [...args, 1]).map(Number);
    const made = [];
    for (let i = start; step > 0 ? i < end : i > end; i += step) made.push(i);
    return made;
  },
  repr: $repr,
  reversed: (items) => [...items].reverse(),
  round: (x) => { const low = Math.floor(x), gap = x - low; return gap < 0.5 ? low : gap > 0.5 ? low + 1 : low + (low % 2 ? 1 : 0); },
  set: (items = []) => new $Set(items),
  sorted: (items, words = null) => {
    const { key, reverse } = words ? words.given : {};
    const made = [...items].map((one) => [key ? key(one) : one, one]);
    made.sort((a, b) => (reverse ? -1 : 1) * $compare(a[0], b[0]));
    return made.map((pair) => pair[1]);
  },
  str: (x = "") => $text(x),
  sum: (items, start = 0) => { let total = start; for (const one of items) total = $add(total, one); return total; },
  type: (x) => x.constructor,
  zip: function* (...given) {
    const [all] = $split_keywords(given), iterators = all.map((items) => items[Symbol.iterator]());
    for (;;) {
      const row = iterators.map((one) => one.next());
      if (row.some((one) => one.done)) return;
      yield row.map((one) => one.value);
    }
  },
};
const $create_or_call = (make, args) =>
  make.$new ? make.$new(...args) : /^class\b/.test(Function.prototype.toString.call(make)) ? new make(...args) : make(...args);
// Macros of pasted music (`m:`) are left as they stand.
const $NoMacros = { make: () => ({ __bool__: () => false, add() {} }) };
