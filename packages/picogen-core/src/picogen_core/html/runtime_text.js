// What translated Python needs: items and slices of lists, dicts and texts; methods of texts.

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
