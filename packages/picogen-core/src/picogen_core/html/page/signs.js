"use strict";
// Signs of a score: glyphs, clefs, key and time signatures, barlines. A staff space is `GAP` pixels.

const SVG = "http://www.w3.org/2000/svg", GAP = 8, STAFF = 4 * GAP, EM = (4 * GAP) / 1000;
// Of each clef the glyph, the line it is on, and the step of the staff's top line.
const CLEFS = {
  treble: ["gClef", 3, 38], bass: ["fClef", 1, 26], alto: ["cClef", 2, 32], tenor: ["cClef", 1, 30],
  perc: ["unpitchedPercussionClef1", 2, 38], none: ["", 0, 38],
};
const ACCIDENTALS = {
  "^": "accidentalSharp", "^^": "accidentalDoubleSharp", _: "accidentalFlat", __: "accidentalDoubleFlat",
  "=": "accidentalNatural", "^/": "accidentalQuarterToneSharpStein", "_/": "accidentalQuarterToneFlatStein",
};
let GLYPHS = {}; // name -> [outline, left edge, width] in thousandths of four staff spaces

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}
const round = (x) => Math.round(x * 100) / 100;
function defineGlyphs(glyphs) {
  GLYPHS = glyphs;
  const paths = Object.entries(glyphs).map(([name, [d]]) => svg("path", { id: `g-${name}`, d, transform: "scale(1 -1)" }));
  return svg("svg", { class: "glyphs", "aria-hidden": "true" }, svg("defs", {}, ...paths));
}
function glyph(name, x, y, scale = 1) {
  return svg("use", { href: `#g-${name}`, transform: `translate(${round(x)} ${round(y)}) scale(${round(EM * scale * 1e3) / 1e3})` });
}
const glyphWidth = (name, scale = 1) => (GLYPHS[name] ? (GLYPHS[name][1] + GLYPHS[name][2]) * EM * scale : 0);
const text = (kind, x, y, content) => svg("text", { class: kind, x: round(x), y: round(y) }, content);
const path = (kind, d) => svg("path", { class: kind, d });

function fieldOf(header, letter) {
  const line = header.split("\n").find((one) => one.startsWith(`${letter}:`));
  return line ? line.slice(2).trim() : "";
}
// Sharps (or, negative, flats) of a key.
function signature(key) {
  const found = key.match(/^([A-G])([#b]?)\s*([A-Za-z]*)/);
  if (!found) return 0;
  const fifths = { F: -1, C: 0, G: 1, D: 2, A: 3, E: 4, B: 5 }[found[1]], name = found[3].slice(0, 3).toLowerCase();
  const mode = { __proto__: null, min: -3, m: -3, aeo: -3, dor: -2, phr: -4, lyd: 1, mix: -1, loc: -5 }[name] ?? 0;
  return Math.max(-7, Math.min(7, fifths + { "#": 7, b: -7, "": 0 }[found[2]] + mode));
}
function clefOf(header, name) {
  const line = header.split("\n").find((one) => one.startsWith(`V:${name} `) || one === `V:${name}`) ?? "";
  const found = (line || fieldOf(header, "K")).match(/\b(treble|bass|alto|tenor|perc|none)([+-]8)?/);
  return found ? found.slice(1) : ["treble", undefined];
}
// Each makes [elements, width] of what stands at `x`.
function clefSign([name, octave], x) {
  const [sign, line] = CLEFS[name];
  if (!sign) return [[], 0];
  const made = [glyph(sign, x, line * GAP)], wide = glyphWidth(sign);
  if (octave) made.push(text("octave", x + wide / 2, octave === "-8" ? STAFF + 2.6 * GAP : -1.7 * GAP, "8"));
  return [made, wide];
}
function keySigns(key, [clef], x) {
  const steps = key > 0 ? [38, 35, 39, 36, 33, 37, 34] : [34, 37, 33, 36, 32, 35, 31];
  const shift = { alto: -1, tenor: 1, bass: -2 }[clef] ?? 0, name = ACCIDENTALS[key > 0 ? "^" : "_"], wide = glyphWidth(name) + 1;
  if (!key || clef === "perc" || clef === "none") return [[], 0];
  const low = key > 0 && clef === "tenor"; // sharps of the tenor clef begin an octave lower
  const made = steps.slice(0, Math.abs(key)).map((step, i) => {
    const level = 38 - step - shift + (low && 38 - step - shift < 0 ? 7 : 0);
    return glyph(name, x + wide * i, (level * GAP) / 2);
  });
  return [made, wide * made.length];
}
function meterSigns(meter, x) {
  const sign = { __proto__: null, C: "timeSigCommon", "C|": "timeSigCutCommon" }[meter];
  if (sign) return [[glyph(sign, x, 2 * GAP)], glyphWidth(sign)];
  const found = meter.match(/^\(?(\d+(?:\+\d+)*)\)?\/(\d+)$/);
  if (!found) return [[], 0];
  const names = (digits) => [...digits].map((one) => (one === "+" ? "timeSigPlus" : `timeSig${one}`));
  const size = (digits) => names(digits).reduce((sum, name) => sum + glyphWidth(name), 0);
  const wide = Math.max(size(found[1]), size(found[2])), made = [];
  for (const [digits, line] of [[found[1], 1], [found[2], 3]]) {
    let at = x + (wide - size(digits)) / 2;
    for (const name of names(digits)) {
      made.push(glyph(name, at, line * GAP));
      at += glyphWidth(name);
    }
  }
  return [made, wide];
}
const rule = (x, top, bottom, width) => svg("rect", { class: "barline", x: round(x), y: top, width, height: round(bottom - top) });
// A barline whose right edge is `x`; `again`: a repeat begins behind it.
function barline(kind, x, top, bottom, again = false) {
  const thin = (at) => rule(at - 1.2, top, bottom, 1.2), thick = (at) => rule(at - 4, top, bottom, 4);
  if (again) return kind === ":|" ? [thin(x - 6), thick(x), thin(x + 3.2)] : [thick(x), thin(x + 3.2)];
  if (kind === " ") return [];
  return { "||": [thin(x - 3.4), thin(x)], "|]": [thin(x - 6), thick(x)], ":|": [thin(x - 6), thick(x)], "[|": [thick(x - 3), thin(x)] }[kind] ?? [thin(x)];
}
const repeatBegin = (x, top, bottom) => [rule(x - 1.2, top, bottom, 4), rule(x + 4.6, top, bottom, 1.2)];
const repeatDots = (x) => [1.5, 2.5].map((line) => svg("circle", { cx: round(x), cy: line * GAP, r: 1.7 }));
