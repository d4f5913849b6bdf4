"use strict";
// The drawing of a score, system by system.

const SYSTEM_GAP = 40, STAFF_GAP = 30, WIDEST = 1.75;

// A score that grows: `draw` keeps the systems whose bars, and the next bar, are what they were.
class Score {
  constructor(full, label) {
    const zoom = full > 600 ? 1.12 : full > 400 ? 1 : 0.88;
    Object.assign(this, { full, zoom, width: Math.floor(full / zoom), systems: [], lines: [], frame: "" });
    this.element = svg("svg", { role: "group", "aria-label": label });
  }
  // Notes as { element, onset, end }.
  get notes() { return this.systems.flatMap((one) => one.notes); }
  // Music as the worker sends it.
  draw(music) {
    const { header, title, composer, lines, drawn: bars } = music;
    const names = [...new Set([...music.voices.map((one) => one.name), ...bars.flatMap((bar) => [...bar.voices.keys()])])];
    const frame = JSON.stringify([header, title, composer, names]);
    if (frame !== this.frame) this.begin(music, names.length ? names : ["1"]);
    let same = frame === this.frame ? 0 : -1;
    while (same >= 0 && same < lines.length && lines[same] === this.lines[same]) same++;
    Object.assign(this, { frame, lines });
    while (this.systems.length && this.systems[this.systems.length - 1].end >= same) this.systems.pop().group.remove();
    const last = this.systems[this.systems.length - 1] ?? this.start;
    this.prepare(bars, last.end, last.now);
    const state = { now: { ...last.now }, open: structuredClone(last.open), stretch: last.stretch, count: last.count };
    let y = last.y;
    for (let at = last.end; at < bars.length; at = this.systems[this.systems.length - 1].end) y = this.add(music, bars, at, state, y);
    const tall = Math.ceil(bars.length ? y : y + 60), { width, full, zoom } = this;
    const size = { viewBox: `0 0 ${width} ${tall}`, width: full, height: Math.round(tall * zoom) };
    for (const [key, value] of Object.entries(size)) this.element.setAttribute(key, String(value));
  }
  begin(music, names) {
    const { header } = music, { staves, groups } = stavesOf(header, names), group = svg("g", {});
    for (const staff of staves) staff.clef = clefOf(header, staff.names[0]);
    const labels = staves.map((staff) => (staves.length > 1 ? nameOf(header, staff.names[0]) : ""));
    const indent = Math.max(0, ...labels.map((one) => one.length && one.length * 8.6 + 6)) + (groups.some((one) => one.brace) ? 14 : groups.length ? 8 : 0);
    Object.assign(this, { staves, groups, labels, indent, systems: [] });
    const now = { key: signature(fieldOf(header, "K")), meter: fieldOf(header, "M"), ending: "" };
    this.start = { end: 0, now, open: new Map(), stretch: 1.15, count: 0, y: drawHead(group, music, this.width) };
    this.element.replaceChildren(group);
  }
  // Columns of the bars from `at` on, with room for new keys and meters.
  prepare(bars, at, { key, meter }) {
    for (const bar of bars.slice(at)) {
      bar.newKey = /^[A-G]/.test(bar.key) && signature(bar.key) !== key ? (key = signature(bar.key)) : null;
      bar.newMeter = bar.meter && bar.meter !== meter ? (meter = bar.meter) : null;
      bar.signs = (bar.newKey === null ? 0 : Math.abs(bar.newKey) * 7.3 + 8) + (bar.newMeter === null ? 0 : 22);
      const events = this.staves.flatMap((staff) => staff.names.flatMap((name) => bar.voices.get(name) ?? []));
      for (const event of events) event.origin = bar.start;
      columnsOf(bar, events);
    }
  }
  // Draws the system from bar `at` on; returns where the next begins.
  add(music, bars, at, state, y) {
    const { staves, groups, labels, width, indent } = this, { now } = state;
    const left = (at ? Math.min(indent, groups.length ? 14 : 0) : indent) + 0.5;
    const front = 7 + Math.max(...staves.map((staff) => glyphWidth(CLEFS[staff.clef[0]][0] || "gClef"))) + 8 + Math.abs(now.key) * 7.4 + (at ? 2 : 24);
    const room = width - left - front - 1, count = fitting(bars, at, room), some = bars.slice(at, at + count);
    const used = some.reduce((sum, bar) => sum + bar.width, 0), end = at + count;
    const most = end < bars.length ? WIDEST : state.stretch * (count < state.count ? 1 : 1.25);
    Object.assign(state, { stretch: Math.min(most, room / used), count });
    const { stretch } = state, group = svg("g", { class: "system" }), notes = [];
    const system = { some, at, left, x: left + front, stretch, right: left + front + used * stretch, first: at === 0 };
    this.element.append(group);
    const next = drawSystem(group, music, staves, groups, labels, system, now, state.open, notes, y);
    this.systems.push({ ...structuredClone(state), group, notes, end, y: next });
    return next;
  }
}
function nameOf(header, voice) {
  const plain = voice.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return header.match(new RegExp(`^V:${plain}\\b.*\\b(?:nm|name)="([^"]{1,24})`, "m"))?.[1] ?? "";
}
// Title and composer; returns where music may begin.
function drawHead(root, { title, composer }, width) {
  if (title) root.append(text("title", width / 2, 26, title));
  if (composer) root.append(text("composer", width - 2, 46, composer));
  return title || composer ? 50 : 8;
}
function drawTempo(staff, header, x) {
  const found = fieldOf(header, "Q").match(/^(?:"([^"]*)")?\s*(?:(\d+)\/(\d+)\s*=\s*(\d+))?\s*(?:"([^"]*)")?/);
  if (!found || !(found[1] || found[4] || found[5])) return;
  const words = found[1] ?? found[5] ?? "", y = staff.high - 12;
  if (words) staff.layer.append(text("tempo", x, y, words));
  if (found[4]) {
    const [base, dots] = written((4 * found[2]) / found[3]);
    const name = base >= 2 ? "metNoteHalfUp" : base >= 1 ? "metNoteQuarterUp" : "metNote8thUp", from = x + (words ? words.length * 9.4 + 10 : 0);
    staff.layer.append(glyph(name, from, y, 0.62), text("tempo-number", from + glyphWidth(name, 0.62) + 3 + dots * 3, y, `${dots ? "\u00b7 " : ""}= ${found[4]}`));
  }
  staff.top(y - 20);
}

function drawSystem(root, music, staves, groups, labels, system, now, open, notes, y) {
  const { some, left, right } = system, groupsOfBars = some.map((_, i) => svg("g", { class: "bar", "data-bar": system.at + i }));
  const layers = svg("g", { class: "layer" }), placedAt = [];
  let x = system.x;
  for (const bar of some) {
    bar.x = x;
    x += bar.width * system.stretch;
  }
  const start = { ...now };
  let top = y;
  const made = staves.map((definition, n) => {
    const staff = { clef: definition.clef, layer: svg("g", {}), high: -2, low: STAFF + 2 };
    staff.top = (value) => { staff.high = Math.min(staff.high, value); };
    staff.bottom = (value) => { staff.low = Math.max(staff.low, value); };
    Object.assign(now, start);
    const inner = some.map(() => svg("g", {}));
    drawStaff(staff, definition, music, system, now, open, notes, inner, n, labels[n]);
    top += Math.max(n ? STAFF_GAP : 12, 6 - staff.high + (n ? 6 : 0));
    inner.forEach((group, i) => {
      group.setAttribute("transform", `translate(0 ${round(top)})`);
      groupsOfBars[i].append(group);
    });
    staff.layer.setAttribute("transform", `translate(0 ${round(top)})`);
    layers.append(staff.layer);
    placedAt.push(top);
    top += staff.low;
    return staff;
  });
  const lines = svg("g", { class: "lines" }), begin = placedAt[0], end = placedAt[placedAt.length - 1] + STAFF;
  for (const from of placedAt) lines.append(path("staff", [0, 1, 2, 3, 4].map((i) => `M${round(left)} ${round(from + i * GAP)}H${round(right)}`).join("")));
  if (staves.length > 1) lines.append(svg("rect", { class: "barline", x: left, y: round(begin), width: 1.2, height: round(end - begin) }));
  for (const { brace, from, to } of groups) {
    const [a, b] = [placedAt[from], placedAt[to] + STAFF];
    if (brace) lines.append(svg("use", { href: "#g-brace", transform: `translate(${round(left - 10)} ${round(b)}) scale(0.085 ${round((b - a) / 10) / 100})` }));
    else lines.append(svg("rect", { class: "barline", x: round(left - 5), y: round(a - 3), width: 3, height: round(b - a + 6) }));
  }
  root.append(lines);
  some.forEach((bar, i) => {
    const wide = bar.width * system.stretch, edge = bar.x + wide, box = groupsOfBars[i];
    box.prepend(svg("rect", { class: "touch", x: round(bar.x), y: round(y + 2), width: round(wide), height: round(top - y) }));
    const joined = (one, next) => one?.right === ":|" && next?.left === "|:";
    placedAt.forEach((from, n) => {
      const group = groups.find((one) => one.from <= n && n < one.to), to = group ? placedAt[n + 1] : from + STAFF;
      box.append(...barline(bar.right || "|", edge, round(from), round(to), joined(bar, some[i + 1])));
      for (const column of bar.columns.filter((one) => one.rule)) {
        box.append(...barline(column.rule, placeOf(bar, column.onset, system.stretch) - column.left + GAP, round(from), round(to)));
      }
      const dots = svg("g", { transform: `translate(0 ${round(from)})` }), shift = i ? 0 : 3;
      if (bar.right === ":|") dots.append(...repeatDots(edge - 10));
      if (bar.left && !joined(some[i - 1], bar)) box.append(...repeatBegin(bar.x + shift, round(from), round(to)));
      if (bar.left) dots.append(...repeatDots(bar.x + shift + 9));
      box.append(dots);
    });
    root.append(box);
  });
  root.append(layers);
  return top + (staves.length > 1 ? SYSTEM_GAP * 1.3 : SYSTEM_GAP * 0.6);
}
// Everything of one staff over a system; `inner` are the groups of its bars.
function drawStaff(staff, { names }, music, system, now, open, notes, inner, n, label) {
  const { some, left, first } = system, { layer } = staff;
  if (first && label) layer.append(text("voice-name", left - 16, 2.5 * GAP, label));
  let x = left + 7;
  for (const [signs, wide] of [clefSign(staff.clef, x)]) {
    layer.append(...signs);
    x += wide + 6;
  }
  const [keys, wide] = keySigns(now.key, staff.clef, x);
  layer.append(...keys);
  if (first) layer.append(...meterSigns(now.meter, x + wide + 4)[0]);
  const words = [], endings = [];
  const voices = names.map((name, i) => new Voice(staff, names.some((one, j) => j !== i && some.some((bar) => bar.voices.get(one))) ? (i ? -1 : 1) : 0, notes));
  some.forEach((bar, i) => {
    drawChanges(bar, staff, now, inner[i]);
    const place = (onset) => placeOf(bar, onset, system.stretch);
    names.forEach((name, v) => {
      const events = bar.voices.get(name) ?? [], alone = events.length === 1 && events[0].rest && events[0].length >= bar.length - 1e-6;
      const middle = alone ? bar.x + (bar.inset + bar.width * system.stretch) / 2 : null;
      const rests = (event, from, to) => event.rest && names.slice(from, to).some((one) => (bar.voices.get(one) ?? []).some((other) => other.rest && other.onset === event.onset && other.length === event.length));
      const drawn = events.map((event) => (rests(event, 0, v) ? { ...event, rest: "x" } : { ...event, shared: rests(event, v + 1) }));
      const placed = drawn.map((event) => voices[v].add(event, place(event.onset), inner[i], middle));
      voices[v].finish(placed, beatOf(now.meter));
      drawTuplets(placed, staff);
      (bar.placed ??= new Map()).set(name, placed);
    });
    if (n) return;
    if (!i && system.at) layer.append(text("bar-number", left, -7, String(system.at + 1)));
    const edge = bar.x + bar.width * system.stretch, closes = /^(:\||\|\]|\|\|)$/.test(bar.right);
    if (bar.ending) [now.ending, now.fresh] = [bar.ending, true];
    if (now.ending) {
      const last = endings[endings.length - 1];
      const closed = bar.right === ":|" || bar.right === "|]";
      if (now.fresh || !last) endings.push({ from: bar.x + 1, to: edge - 2, content: now.fresh ? now.ending : "?", closed });
      else Object.assign(last, { to: edge - 2, closed });
      now.fresh = false;
      if (closes) now.ending = "";
    }
  });
  for (const bar of some) for (const name of names) words.push(...drawMarks(bar.placed.get(name), staff));
  names.forEach((name, v) => {
    if (!open.has(name)) open.set(name, {});
    drawCurves(voices[v], system.x - 6, system.right - 2, open.get(name));
  });
  drawWords(words, staff);
  drawEndings(endings, staff);
  if (system.at && !n) staff.top(-14);
  if (first && !n) drawTempo(staff, music.header, left + 4);
}
function drawChanges(bar, staff, now, into) {
  let x = bar.x + MARGIN * 0.6 + (bar.left ? 1.8 * GAP : 0);
  if (bar.newKey !== null) {
    const [signs, wide] = keySigns(bar.newKey, staff.clef, x);
    into.append(...signs);
    x += wide + 6;
    now.key = bar.newKey;
  }
  if (bar.newMeter !== null) {
    into.append(...meterSigns(bar.newMeter, x)[0]);
    now.meter = bar.newMeter;
  }
}
