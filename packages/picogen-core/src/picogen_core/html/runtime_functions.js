// What translated Python needs: regular expressions, and functions that Python has by itself.

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
