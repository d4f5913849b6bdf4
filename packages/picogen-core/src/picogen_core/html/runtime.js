"use strict";
// What translated Python needs: whole numbers of any size, truth, tuples as keys. More is in runtime_*.js.
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
