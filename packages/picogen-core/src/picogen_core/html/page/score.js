"use strict";
// Draws music as SVG: staves, clefs, notes with stems, beams, flags, ties, rests and barlines.

const SVG = "http://www.w3.org/2000/svg";
const GAP = 8, STAFF = 4 * GAP, SYSTEM_GAP = 46, STAFF_GAP = 34, LEFT = 34, STEM = 3.4 * GAP;
const CLEFS = { treble: 38, alto: 32, tenor: 30, bass: 26 }; // the step of the top line
const PATHS = {
  treble: "M14 30c-4-1-6-4-6-7 0-6 8-8 9-16 0-4-2-6-3-6-2 0-4 4-3 9l5 28c1 4-1 6-4 6-2 0-4-1-4-3M12 17c-6 3-9 7-9 11 0 4 4 7 8 7 5 0 8-3 8-7 0-3-2-6-6-6-3 0-5 2-5 5",
  bass: "M4 28c8-3 12-9 12-16 0-5-3-8-7-8-4 0-6 3-6 5 0 2 2 3 3 3M20 6h1M20 13h1",
  quarter: "M-2 -11l5 7c-3 3-3 5 1 9c-4-1-6 1-2 5c-6-3-6-9-1-8l-4-5c3-3 3-5 1-8z",
  eighth: "M-3 -4a2 2 0 1 0 1 2c2 1 4-1 5-3l-4 13",
};

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}
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
function clefOf(header, name) {
  const line = header.split("\n").find((one) => one.startsWith(`V:${name} `) || one === `V:${name}`) ?? "";
  const found = line.match(/\b(treble|bass|alto|tenor)/);
  return found ? found[1] : "treble";
}
function fieldOf(header, letter) {
  const line = header.split("\n").find((one) => one.startsWith(`${letter}:`));
  return line ? line.slice(2).trim() : "";
}
// Sharps (or, negative, flats) of a key.
function signature(key) {
  const found = key.match(/^([A-G])([#b]?)\s*(min|m|dor|phr|lyd|mix|loc|aeo)?/);
  if (!found) return 0;
  const fifths = { F: -1, C: 0, G: 1, D: 2, A: 3, E: 4, B: 5 }[found[1]];
  const mode = { min: -3, m: -3, aeo: -3, dor: -2, phr: -4, lyd: 1, mix: -1, loc: -5 }[found[3]] ?? 0;
  return Math.max(-7, Math.min(7, fifths + { "#": 7, b: -7, "": 0 }[found[2]] + mode));
}

// Music as it comes from the worker -> { element, notes: [{ element, onset, end }], height }.
function drawScore(music, width, label) {
  const staves = music.voices.filter((voice) => !voice.name.includes("&"));
  const key = signature(fieldOf(music.header, "K")), meter = fieldOf(music.header, "M");
  const beat = /^(6|9|12)\//.test(meter) ? 1.5 : 1;
  const head = LEFT + Math.abs(key) * 8 + 8, drawn = [], root = svg("g", {});
  const bars = music.bars.map((bar, i) => measure(music, staves, bar, i));
  const height = staves.length * (STAFF + STAFF_GAP) + SYSTEM_GAP;
  let at = 0, system = 0;
  while (at < bars.length) {
    let used = 0, end = at;
    const room = width - head - (system ? 0 : 26) - 10;
    while (end < bars.length && (end === at || used + bars[end].width <= room)) used += bars[end++].width;
    const full = end < bars.length || used > 0.7 * room, stretch = full ? room / used : 1;
    const top = system * height + 34;
    staves.forEach((voice, n) => {
      const y = top + n * (STAFF + STAFF_GAP), clef = clefOf(music.header, voice.name);
      const line = svg("g", { transform: `translate(0 ${y})` });
      const right = full ? width - 4 : head + (system ? 0 : 26) + used + 6;
      for (let i = 0; i < 5; i++) line.append(svg("path", { class: "staff", d: `M0 ${i * GAP}H${right}` }));
      line.append(clefSign(clef), ...keySigns(key, clef));
      if (!system) line.append(...meterSigns(meter, head - 2));
      root.append(line);
    });
    let x = head + (system ? 0 : 26);
    for (; at < end; at++) {
      const wide = bars[at].width * stretch;
      const group = svg("g", { class: "bar", "data-bar": at, tabindex: -1 });
      group.append(svg("rect", { class: "touch", x, y: top - 12, width: wide, height: height - 24 }));
      staves.forEach((voice, n) => {
        const y = top + n * (STAFF + STAFF_GAP), clef = clefOf(music.header, voice.name);
        const inner = svg("g", { transform: `translate(${x} ${y})` });
        drawVoice(bars[at].events[n], clef, wide, bars[at], beat, inner, drawn, n);
        inner.append(...barline(bars[at].right, wide), ...(bars[at].left ? barline("|:", 4) : []));
        group.append(inner);
      });
      root.append(group);
      x += wide;
    }
    system++;
  }
  const tall = system * height + 20;
  const element = svg("svg", { viewBox: `0 0 ${width} ${tall}`, width, height: tall, role: "img", "aria-label": label });
  element.append(root);
  return { element, notes: drawn };
}
function measure(music, staves, [start, length], i) {
  const line = music.lines[i] ?? "", events = [];
  for (const voice of staves) {
    const inside = voice.notes.filter((note) => note.onset >= start - 1e-6 && note.onset < start + length - 1e-6);
    const found = [];
    for (const note of inside) {
      const last = found[found.length - 1];
      if (last && note.chord > 1) last.tones.push(note);
      else found.push({ onset: note.onset - start, at: note.onset, length: note.length, tones: [note] });
    }
    events.push(found);
  }
  const times = new Set(events.flat().map((event) => event.onset.toFixed(4)));
  const first = line.replace(/^\[[^\]]*\]/, "").split("[V:")[0];
  const right = (first.match(/(\|\]|\|\||:\||::|\|:|\|)\d*\s*$/) ?? ["|", "|"])[1];
  return { start, length, events, right, left: /^\s*\|:/.test(first), width: Math.max(44, 20 + 23 * times.size), times: [...times].map(Number).sort((a, b) => a - b) };
}
function drawVoice(events, clef, wide, bar, beat, into, drawn, voice) {
  const place = (onset) => {
    const order = bar.times.findIndex((time) => Math.abs(time - onset) < 1e-3);
    return 14 + ((wide - 20) * Math.max(0, order)) / Math.max(1, bar.times.length);
  };
  const y = (step) => ((CLEFS[clef] - step) * GAP) / 2;
  const groups = [];
  for (const event of events) {
    const x = place(event.onset), [base, dots, tuplet] = written(event.length);
    const tones = event.tones.filter((tone) => tone.pitch !== null);
    const group = svg("g", { class: "note" });
    drawn.push({ element: group, onset: event.at, end: event.at + event.length, voice });
    into.append(group);
    if (!tones.length) {
      group.append(restSign(base, x));
      for (let d = 0; d < dots; d++) group.append(svg("circle", { cx: x + 9 + 5 * d, cy: 1.5 * GAP, r: 1.6 }));
      groups.push(null);
      continue;
    }
    const levels = tones.map((tone) => y(tone.step));
    tones.forEach((tone, i) => {
      group.append(...noteHead(x, levels[i], base));
      if (tone.sign) group.append(accidental(tone.sign, x - 9, levels[i]));
      for (let d = 0; d < dots; d++) {
        group.append(svg("circle", { cx: x + 9 + 5 * d, cy: levels[i] - (tone.step % 2 ? 0 : 3), r: 1.6 }));
      }
      if (tone.tied) group.append(svg("path", { class: "tie", d: `M${x + 4} ${levels[i] + 7}q10 6 20 0` }));
    });
    const up = (Math.min(...levels) + Math.max(...levels)) / 2 >= 2 * GAP;
    const one = { x, base, tuplet, up, group, top: Math.min(...levels), low: Math.max(...levels), beat: Math.floor(event.onset / beat + 1e-6) };
    const last = groups[groups.length - 1];
    if (base < 1 && last && last[0].base < 1 && last[0].beat === one.beat) last.push(one);
    else groups.push([one]);
  }
  for (const group of groups) if (group) drawStems(group, into);
}
function drawStems(group, into) {
  const { up } = group.reduce((a, b) => (Math.abs(a.top - 16) > Math.abs(b.top - 16) ? a : b));
  const side = up ? 4.6 : -4.6, sign = up ? -1 : 1;
  const edge = up ? Math.min(...group.map((one) => one.top)) - STEM : Math.max(...group.map((one) => one.low)) + STEM;
  for (const one of group) {
    if (one.base >= 4) continue;
    const x = one.x + side, from = up ? one.low : one.top;
    one.group.append(svg("path", { class: "stem", d: `M${x} ${from}V${edge}` }));
  }
  const flags = (one) => Math.max(0, Math.round(-Math.log2(one.base)));
  if (group.length === 1) {
    for (let i = 0; i < flags(group[0]); i++) {
      const x = group[0].x + side, y = edge - sign * 6 * i;
      group[0].group.append(svg("path", { class: "flag", d: `M${x} ${y}q1 ${-sign * 5} 6 ${-sign * 8}q1 ${-sign * 4} -1 ${-sign * 9}` }));
    }
  }
  for (let i = 0; group.length > 1 && i < 5; i++) {
    group.forEach((one, n) => {
      if (flags(one) <= i) return;
      const next = group[n + 1], x = one.x + side, y = edge - sign * 5 * i;
      if (next && flags(next) > i) into.append(svg("path", { class: "beam", d: `M${x} ${y}H${next.x + side}` }));
      else if (!(n && flags(group[n - 1]) > i)) into.append(svg("path", { class: "beam", d: `M${x} ${y}h${n ? -7 : 7}` }));
    });
  }
  if (group[0].tuplet) {
    const x = (group[0].x + group[group.length - 1].x) / 2 + side;
    into.append(svg("text", { class: "tuplet", x, y: edge + (up ? -4 : 11) }, String(group[0].tuplet)));
  }
}
function noteHead(x, y, base) {
  const made = [svg("ellipse", { class: base >= 2 ? "head open" : "head", cx: x, cy: y, rx: 4.8, ry: 3.5, transform: `rotate(-20 ${x} ${y})` })];
  for (let line = -GAP; line >= y - 1; line -= GAP) made.push(svg("path", { class: "staff", d: `M${x - 8} ${line}h16` }));
  for (let line = STAFF + GAP; line <= y + 1; line += GAP) made.push(svg("path", { class: "staff", d: `M${x - 8} ${line}h16` }));
  return made;
}
const accidental = (sign, x, y) =>
  svg("text", { class: "accidental", x, y: y + 5 }, { "^": "\u266f", "^^": "\u266f\u266f", _: "\u266d", __: "\u266d\u266d", "=": "\u266e" }[sign]);
function restSign(base, x) {
  if (base >= 4) return svg("rect", { class: "rest", x: x - 5, y: GAP, width: 11, height: 4 });
  if (base >= 2) return svg("rect", { class: "rest", x: x - 5, y: 2 * GAP - 4, width: 11, height: 4 });
  const path = base >= 1 ? "quarter" : "eighth";
  const sign = svg("path", { class: base >= 1 ? "rest" : "rest line", d: PATHS[path], transform: `translate(${x} ${2 * GAP})` });
  return sign;
}
function clefSign(clef) {
  if (clef === "treble" || clef === "bass") return svg("path", { class: "clef", d: PATHS[clef], transform: "translate(4 -4)" });
  return svg("text", { class: "clef-name", x: 3, y: 20 }, clef === "alto" ? "C3" : "C4");
}
function keySigns(key, clef) {
  const steps = key > 0 ? [38, 35, 39, 36, 33, 37, 34] : [34, 37, 33, 36, 32, 35, 31];
  const shift = { treble: 0, alto: -1, tenor: 1, bass: -2 }[clef];
  return steps.slice(0, Math.abs(key)).map((step, i) => {
    const y = ((38 - step - shift) * GAP) / 2;
    return svg("text", { class: "accidental", x: LEFT - 2 + 8 * i, y: y + 5 }, key > 0 ? "\u266f" : "\u266d");
  });
}
function meterSigns(meter, x) {
  const found = meter.match(/^(\d+(?:\+\d+)*)\/(\d+)$/);
  if (!found) return [];
  return [svg("text", { class: "meter", x: x + 10, y: 15 }, found[1]), svg("text", { class: "meter", x: x + 10, y: 31 }, found[2])];
}
function barline(kind, x) {
  const thin = (at) => svg("path", { class: "barline", d: `M${at} 0V${STAFF}` });
  const thick = (at) => svg("path", { class: "barline thick", d: `M${at} 0V${STAFF}` });
  const dots = (at) => [12, 20].map((y) => svg("circle", { cx: at, cy: y, r: 1.7 }));
  const made = {
    "|": () => [thin(x)], "||": () => [thin(x - 4), thin(x)], "|]": () => [thin(x - 5), thick(x)],
    ":|": () => [...dots(x - 9), thin(x - 5), thick(x)], "|:": () => [thick(x), thin(x + 4), ...dots(x + 8)],
    "::": () => [...dots(x - 8), thin(x - 3), thin(x), ...dots(x + 5)],
  };
  return (made[kind] ?? made["|"])();
}
if (typeof module !== "undefined") module.exports = { written, signature, measure };
