"use strict";
// Notes of one voice in one staff: heads, accidentals, dots, rests, stems, flags and beams.

const STEM = 3.5 * GAP, BEAM = 0.5 * GAP, BEAM_STEP = 0.75 * GAP, SIGN_WIDTH = 1.15 * GAP, SMALL = 0.62;

// The value that is written for so many quarters: [notehead's length, dots, tuplet].
function written(length) {
  for (const [tuplet, factor] of [[0, 1], [3, 1.5], [5, 1.25], [2, 2 / 3], [7, 1.75]]) {
    for (let base = 8; base > 0.02; base /= 2) {
      for (let dots = 0, whole = base; dots < 3; dots++, whole += base / 2 ** dots) {
        if (Math.abs(length * factor - whole) < 1e-6) return [base, dots, tuplet];
      }
    }
  }
  return [2 ** Math.floor(Math.log2(Math.max(length, 1 / 32))), 0, 0];
}
const headName = (base, pitched) =>
  (pitched === false ? "noteheadXBlack" : base >= 4 ? "noteheadWhole" : base >= 2 ? "noteheadHalf" : "noteheadBlack");
// Flags of a note, which are beams in a group.
const flagsOf = (base) => Math.max(0, Math.round(-Math.log2(base)));

// Columns of accidentals: which of them each tone's is in, counted from the head.
function signColumns(tones) {
  const columns = [];
  return [...tones].sort((a, b) => b.step - a.step).filter((tone) => tone.sign).map((tone) => {
    let column = columns.findIndex((low) => low - tone.step >= 6);
    if (column < 0) column = columns.length;
    columns[column] = tone.step;
    return [tone, column];
  });
}
// Pixels that an event needs left and right of the left edge of its heads.
function extents(event) {
  const [base, dots] = written(event.length), columns = signColumns(event.tones).map(([, column]) => column + 1);
  const wide = event.tones.length ? glyphWidth(headName(base)) : 1.2 * GAP;
  const graces = event.grace.length ? event.grace.length * 1.15 * GAP + 3 + (event.grace.some((one) => one.sign) ? 6 : 0) : 0;
  const seconds = event.tones.some((one) => event.tones.some((other) => other.step - one.step === 1));
  return {
    left: Math.max(0, ...columns) * SIGN_WIDTH + graces,
    right: wide * (seconds ? 1.9 : 1) + dots * 0.7 * GAP + (base < 1 && event.tones.length ? 2 : 0),
  };
}

class Voice {
  // staff: { clef, layer, top(y), bottom(y) }; stems: 1 up, -1 down, 0 as the notes have it.
  constructor(staff, stems, drawn) {
    Object.assign(this, { staff, stems, drawn });
    this.placed = [];
  }
  y(step) { return ((CLEFS[this.staff.clef[0]][2] - step) * GAP) / 2; }
  // Heads, accidentals and rests of an event at x; stems follow in `finish`.
  add(event, x, into, middle) {
    const [base, dots, ratio] = written(event.length), group = svg("g", { class: "note" });
    const one = { event, x, base, group, ratio, flags: flagsOf(base), wide: glyphWidth(headName(base)) };
    into.append(group);
    this.drawn.push({ element: group, onset: event.onset, end: event.onset + event.length });
    this.placed.push(one);
    if (event.rest || !event.tones.length) return this.rest(one, middle, dots);
    one.levels = event.tones.map((tone) => this.y(tone.step));
    [one.top, one.low] = [Math.min(...one.levels), Math.max(...one.levels)];
    const far = 2 * GAP - one.top > one.low - 2 * GAP ? -1 : 1; // the way to the farther head
    one.up = this.stems ? this.stems > 0 : far > 0;
    this.heads(one, dots);
    one.grace = this.graces(one);
    [one.above, one.below] = [one.top - GAP / 2, one.low + GAP / 2];
    return one;
  }
  rest(one, middle, dots) {
    const { event, group, base } = one, shift = event.shared ? 0 : -this.stems * GAP;
    one.isRest = true;
    [one.above, one.below] = [GAP + shift, 3 * GAP + shift];
    if (event.rest === "x" || event.rest === "X") return one;
    const whole = event.rest === "Z" || base >= 4;
    const name = whole ? "restWhole" : base >= 2 ? "restHalf" : base >= 1 ? "restQuarter"
      : `rest${["8th", "16th", "32nd", "64th"][Math.min(3, one.flags - 1)]}`;
    const x = middle === null ? one.x : middle - glyphWidth(name) / 2;
    group.append(glyph(name, x, (whole ? 1 : 2) * GAP + shift));
    one.center = x + glyphWidth(name) / 2;
    for (let d = 0; d < dots && middle === null; d++) group.append(this.dot(x + glyphWidth(name) + 5 + 5 * d, 1.5 * GAP + shift));
    return one;
  }
  dot(x, y) { return svg("circle", { cx: round(x), cy: round(y), r: 1.6 }); }
  heads(one, dots) {
    const { event, group, x, wide, base, up } = one, order = [...event.tones].sort((a, b) => (up ? a.step - b.step : b.step - a.step));
    let before = null, moved = false, right = x + wide;
    for (const tone of order) {
      const y = this.y(tone.step), near = before !== null && Math.abs(tone.step - before) === 1;
      moved = near && !moved;
      const at = moved ? x + (up ? wide - 1 : 1 - wide) : x;
      before = tone.step;
      right = Math.max(right, at + wide);
      group.append(...this.ledgers(at, y, wide), glyph(headName(base, tone.pitched), at, y));
    }
    for (const [tone, column] of signColumns(event.tones)) {
      const name = ACCIDENTALS[tone.sign], left = x - 2 - SIGN_WIDTH * column - glyphWidth(name);
      group.append(glyph(name, left, this.y(tone.step)));
    }
    for (const tone of dots ? order : []) {
      const y = this.y(tone.step), line = Math.round((2 * y) / GAP) % 2 === 0;
      for (let d = 0; d < dots; d++) group.append(this.dot(right + 4.5 + 5 * d, line ? y - GAP / 2 : y));
    }
  }
  ledgers(x, y, wide, scale = 1) {
    const made = [], reach = 0.35 * GAP * scale;
    const rule = (line) => path("ledger", `M${round(x - reach)} ${line}H${round(x + wide + reach)}`);
    for (let line = -GAP; line >= y - 1; line -= GAP) made.push(rule(line));
    for (let line = STAFF + GAP; line <= y + 1; line += GAP) made.push(rule(line));
    return made;
  }
  // Small notes before the note; returns where a slur from them would begin.
  graces({ event, x, group }) {
    const { grace } = event;
    if (!grace.length) return null;
    const wide = glyphWidth("noteheadBlack", SMALL), step = 1.15 * GAP;
    const signs = Math.max(0, ...signColumns(event.tones).map(([, column]) => column + 1)) * SIGN_WIDTH;
    const from = x - signs - 3 - step * grace.length, levels = grace.map((one) => this.y(one.step));
    const tip = Math.min(...levels) - 2.4 * GAP;
    grace.forEach((one, i) => {
      const at = from + i * step, stem = at + wide - 0.5;
      group.append(...this.ledgers(at, levels[i], wide, SMALL), glyph("noteheadBlack", at, levels[i], SMALL), path("stem", `M${round(stem)} ${round(levels[i] - 1)}V${round(tip)}`));
      if (one.sign) group.append(glyph(ACCIDENTALS[one.sign], at - 1 - glyphWidth(ACCIDENTALS[one.sign], SMALL), levels[i], SMALL));
    });
    const [left, right] = [from + wide - 0.5, from + (grace.length - 1) * step + wide - 0.5];
    if (grace.length === 1) group.append(glyph("flag8thUp", left, tip, SMALL));
    else for (const y of [tip, tip + 4.2]) group.append(svg("rect", { x: round(left - 0.5), y: round(y), width: round(right - left + 1), height: 2.5 }));
    if (event.slashed) group.append(path("stem", `M${round(left - 4)} ${round(tip + 12)}L${round(left + 7)} ${round(tip + 3)}`));
    this.staff.top(tip - 2);
    return { x: from + wide / 2, y: Math.max(...levels) };
  }
  // Stems and beams of a bar whose notes are in `placed`; `groups` are what a beam joins.
  finish(bar, beat) {
    let group = [];
    const close = () => {
      if (group.length === 1) this.single(group[0]);
      else if (group.length) this.beamed(group);
      group = [];
    };
    for (const one of bar) {
      const place = Math.floor((one.event.onset - one.event.origin) / beat + 1e-6);
      if (one.isRest) {
        close();
        continue;
      }
      if (group.length && (one.base >= 1 || !one.event.joined || place !== group[0].place)) close();
      one.place = place;
      group.push(one);
      if (one.base >= 1) close();
    }
    close();
    for (const one of bar) {
      this.staff.top(one.above);
      this.staff.bottom(one.below);
    }
  }
  stem(one, end) {
    const x = one.up ? one.x + one.wide - 0.55 : one.x + 0.55;
    one.group.append(path("stem", `M${round(x)} ${round(one.up ? one.low - 1.2 : one.top + 1.2)}V${round(end)}`));
    one.tip = end;
    if (one.up) one.above = Math.min(one.above, end);
    else one.below = Math.max(one.below, end);
    return x;
  }
  single(one) {
    if (one.base >= 4) return;
    const longer = STEM + Math.max(0, one.flags - 2) * BEAM_STEP;
    const end = one.up ? Math.min(one.top - longer, 2 * GAP) : Math.max(one.low + longer, 2 * GAP);
    const x = this.stem(one, end);
    if (!one.flags) return;
    const name = `flag${["8th", "16th", "32nd", "64th"][Math.min(3, one.flags - 1)]}${one.up ? "Up" : "Down"}`;
    one.group.append(glyph(name, x - 0.5, end));
  }
  beamed(group) {
    const tops = Math.min(...group.map((one) => one.top)), lows = Math.max(...group.map((one) => one.low));
    const up = this.stems ? this.stems > 0 : lows - 2 * GAP >= 2 * GAP - tops, way = up ? -1 : 1;
    for (const one of group) one.up = up;
    const at = (one) => (up ? one.x + one.wide - 0.55 : one.x + 0.55), edge = (one) => (up ? one.top : one.low);
    const first = group[0], last = group[group.length - 1], run = Math.max(1, at(last) - at(first));
    const inner = group.slice(1, -1).map((one) => way * edge(one));
    const hollow = inner.length && Math.max(...inner) >= Math.max(way * edge(first), way * edge(last));
    const limit = Math.min(1.25 * GAP, run / 5);
    const rise = hollow ? 0 : Math.max(-limit, Math.min(limit, (edge(last) - edge(first)) / 2));
    const line = (x) => (rise * (x - at(first))) / run, most = Math.max(...group.map((one) => one.flags));
    const needed = (one) => (group.length > 2 || run > 30 ? 2.9 : 3.1) * GAP + Math.max(0, most - 2) * BEAM_STEP + (one.flags > 1 ? 3 : 0);
    const ends = group.map((one) => edge(one) + way * needed(one) - line(at(one)));
    let from = up ? Math.min(...ends) : Math.max(...ends);
    const middle = 2 * GAP - line(at(first)); // beams of notes on ledger lines reach the middle line
    from = up ? Math.min(from, middle) : Math.max(from, middle);
    for (const one of group) this.stem(one, from + line(at(one)));
    const beams = svg("g", { class: "beams" });
    for (let level = 0; level < most; level++) {
      group.forEach((one, i) => {
        if (one.flags <= level) return;
        const next = group[i + 1], before = group[i - 1], x = at(one);
        const joins = (other) => other && other.flags > level;
        if (joins(next)) beams.append(this.beam(x, at(next), from, line, level, way));
        else if (!joins(before)) {
          const right = !before || (next && next.flags > before.flags && !one.event.origin);
          beams.append(this.beam(right ? x : x - 1.1 * GAP, right ? x + 1.1 * GAP : x, from, line, level, way));
        }
      });
    }
    first.group.parentNode.append(beams);
  }
  beam(left, right, from, line, level, way) {
    const y = (x) => from + line(x) - way * level * BEAM_STEP, [a, b] = [left - 0.5, right + 0.5], thick = -way * BEAM;
    const points = [[a, y(a)], [b, y(b)], [b, y(b) + thick], [a, y(a) + thick]];
    return svg("polygon", { points: points.map((point) => point.map(round).join()).join(" ") });
  }
}
