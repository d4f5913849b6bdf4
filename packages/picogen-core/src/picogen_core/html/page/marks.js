"use strict";
// What stands around notes: ties, slurs, tuplets, ornaments, texts, dynamics and endings.

const MARKS = {
  __proto__: null,
  staccato: ["articStaccato"], ".": ["articStaccato"], tenuto: ["articTenuto"], accent: ["articAccent"], ">": ["articAccent"],
  emphasis: ["articAccent"], marcato: ["articMarcato"], "^": ["articMarcato"], wedge: ["articStaccatissimo"],
};
const ORNAMENTS = {
  __proto__: null,
  trill: "ornamentTrill", tr: "ornamentTrill", roll: "ornamentTurn", turn: "ornamentTurn", invertedturn: "ornamentTurnInverted",
  mordent: "ornamentMordent", lowermordent: "ornamentMordent", uppermordent: "ornamentShortTrill", pralltriller: "ornamentShortTrill",
  fermata: "fermataAbove", segno: "segno", coda: "coda", upbow: "stringsUpBow", downbow: "stringsDownBow",
};
const LETTERS = { p: "dynamicPiano", m: "dynamicMezzo", f: "dynamicForte", s: "dynamicSforzando", r: "dynamicRinforzando", z: "dynamicZ" };

// A tie or slur between two points; `way` is -1 above and 1 below, `rise` its height.
function curve([x1, y1], [x2, y2], way, rise) {
  const lean = Math.min((x2 - x1) * 0.28, 30), points = (h) => [[x1 + lean, y1 + way * h], [x2 - lean, y2 + way * h]].map((one) => one.map(round).join(" "));
  const [a, b] = points(rise * 1.33 + 1), [c, d] = points(rise * 1.33 - 1.8);
  return path("curve", `M${round(x1)} ${round(y1)}C${a} ${b} ${round(x2)} ${round(y2)}C${d} ${c} ${round(x1)} ${round(y1)}Z`);
}
// Ties and slurs of one voice over a system. `open` is kept from system to system.
function drawCurves({ placed, staff, stems }, left, right, open) {
  const notes = placed.filter((one) => !one.isRest), into = staff.layer;
  open.ties ??= new Map();
  open.slurs ??= [];
  const tie = (from, to, y, up) => {
    const way = stems ? -stems : up ? 1 : -1;
    into.append(curve([from, y + way * 4.5], [to, y + way * 4.5], way, Math.min(8, 3 + (to - from) / 12)));
  };
  for (const one of notes) {
    for (const tone of one.event.tones) {
      const begun = open.ties.get(tone.step), y = ((CLEFS[staff.clef[0]][2] - tone.step) * GAP) / 2;
      if (begun) tie(begun.x ?? left, one.x - 1, y, begun.up);
    }
    open.ties = new Map();
    for (const tone of one.event.tones) if (tone.tied) open.ties.set(tone.step, { x: one.x + one.wide + 1, up: one.up });
  }
  for (const [step, { x, up }] of open.ties) {
    tie(x ?? left, right, ((CLEFS[staff.clef[0]][2] - step) * GAP) / 2, up);
    open.ties.set(step, { up });
  }
  notes.forEach((one, i) => {
    for (let n = 0; n < one.event.open; n++) open.slurs.push(i);
    for (let n = 0; n < one.event.close && open.slurs.length; n++) slur(open.slurs.pop(), i);
  });
  while (open.slurs.length && open.slurs[0] >= 0) slur(open.slurs.shift(), notes.length);
  open.slurs = open.slurs.filter((one) => one < 0);

  function slur(from, to) {
    const inner = notes.slice(Math.max(0, from), to + 1);
    if (to >= notes.length) open.slurs.push(-1);
    if (!inner.length || from === to) return;
    const way = stems ? -stems : inner.every((one) => one.up) ? 1 : -1, side = (one) => (way > 0 ? one.below : one.above) + way * 2.5;
    const [a, b] = [inner[0], inner[inner.length - 1]], middle = (one) => one.x + one.wide / 2;
    const from2 = from < 0 ? [left, side(a)] : [middle(a), side(a)], to2 = to >= notes.length ? [right, side(b)] : [middle(b), side(b)];
    const over = inner.map((one) => way * (side(one) - (from2[1] + ((to2[1] - from2[1]) * (middle(one) - from2[0])) / Math.max(1, to2[0] - from2[0]))));
    const rise = Math.max(Math.min(12, 4 + (to2[0] - from2[0]) / 18), (Math.max(...over) + 2) / 0.85);
    into.append(curve(from2, to2, way, rise));
    (way < 0 ? staff.top : staff.bottom)((way < 0 ? Math.min(from2[1], to2[1]) : Math.max(from2[1], to2[1])) + way * (rise + 2));
  }
}
// Numbers and brackets of the tuplets of a bar.
function drawTuplets(bar, staff) {
  const groups = new Map();
  for (const one of bar) if (one.event.tuplet) groups.set(one.event.tuplet, [...(groups.get(one.event.tuplet) ?? []), one]);
  for (const [{ number }, all] of groups) {
    const [a, b] = [all[0], all[all.length - 1]], up = all.filter((one) => one.up).length * 2 >= all.filter((one) => !one.isRest).length;
    const beamed = all.every((one) => !one.isRest && one.flags) && all.slice(1).every((one) => one.event.joined);
    const edge = up ? Math.min(...all.map((one) => one.above)) : Math.max(...all.map((one) => one.below));
    const left = a.x + (up && !a.isRest ? a.wide : 0), right = b.x + (up || b.isRest ? 1.2 * GAP : 2), x = (left + right) / 2;
    const y = edge + (up ? -5 : 12);
    staff.layer.append(text("tuplet", x, y, String(number)));
    if (!beamed) {
      const line = y - 4, hook = up ? 5 : -5;
      staff.layer.append(path("bracket", `M${round(left - 3)} ${round(line + hook)}V${round(line)}H${round(x - 6)}M${round(x + 6)} ${round(line)}H${round(right + 3)}V${round(line + hook)}`));
    }
    (up ? staff.top : staff.bottom)(y + (up ? -9 : 1));
  }
}
// Signs at the notes of a bar; returns texts and dynamics, whose height the system decides.
function drawMarks(bar, staff) {
  const words = [];
  for (const one of bar) {
    const { event } = one, middle = one.center ?? one.x + one.wide / 2;
    let { above, below } = one;
    for (const name of event.marks) {
      if (MARKS[name]) {
        const [stem] = MARKS[name], under = one.up && name !== "marcato" && name !== "^";
        const sign = `${stem}${under ? "Below" : "Above"}`, tall = 1 + (stem === "articStaccato" ? 3 : 7.5);
        const x = middle - glyphWidth(sign) / 2;
        if (under) {
          staff.layer.append(glyph(sign, x, below + 3));
          below += tall + 3;
        } else {
          staff.layer.append(glyph(sign, x, above - 3));
          above -= tall + 3;
        }
      } else if (ORNAMENTS[name]) {
        const y = Math.min(above, -2) - 5;
        staff.layer.append(glyph(ORNAMENTS[name], middle - glyphWidth(ORNAMENTS[name]) / 2, y));
        above = y - 12;
      } else if (/^[pmfsrz]{1,5}$/.test(name)) words.push({ x: middle, dynamic: name });
      else if (/^(D\.|dacapo|dacoda|fine|FINE|Fine)/.test(name)) words.push({ x: middle, content: name, kind: "note-text" });
    }
    [one.above, one.below] = [above, below];
    staff.top(above);
    staff.bottom(below);
    for (const written of event.texts) {
      const place = "^_<>@".includes(written[0]) ? written[0] : "";
      if (place) words.push({ x: one.x, content: written.slice(1), kind: "note-text", under: place === "_" });
      else if (/^[A-G(]/.test(written)) words.push({ x: one.x, content: chordText(written), kind: "chord-text" });
      else words.push({ x: one.x, content: written, kind: "note-text" });
    }
  }
  return words;
}
const chordText = (written) => written.replace(/#/g, "\u266f").replace(/([A-G])b/g, "$1\u266d");
const textWidth = ({ content, dynamic }) => (content ?? dynamic).length * 7.2 + 6;
// Texts above and below a staff, once the extent of its notes is known.
function drawWords(words, staff) {
  const above = words.filter((one) => !one.under && !one.dynamic), chords = above.filter((one) => one.kind === "chord-text");
  let y = staff.high - 6;
  for (const one of chords) staff.layer.append(text(one.kind, one.x, y, one.content));
  if (chords.length) {
    staff.top(y - 12);
    y = staff.high - 5;
  }
  for (const one of above) if (!chords.includes(one)) staff.layer.append(text(one.kind, one.x, y, one.content));
  if (above.length > chords.length) staff.top(y - 11);
  const below = words.filter((one) => one.under || one.dynamic), base = staff.low + 14;
  for (const one of below) {
    if (one.dynamic) staff.layer.append(...dynamicSigns(one.dynamic, one.x, base));
    else staff.layer.append(text(one.kind, one.x, base, one.content));
  }
  if (below.length) staff.bottom(base + 5);
}
function dynamicSigns(letters, middle, y) {
  const names = [...letters].map((one) => LETTERS[one]), wide = (name) => glyphWidth(name) * 0.82;
  let x = middle - names.reduce((sum, name) => sum + wide(name), 0) / 2;
  return names.map((name) => {
    const made = glyph(name, x, y);
    x += wide(name);
    return made;
  });
}
// Brackets over first and second endings: [{ from, to, content, closed }] above the staff.
function drawEndings(endings, staff) {
  const y = staff.high - 16;
  for (const { from, to, content, closed } of endings) {
    staff.layer.append(path("bracket", `M${round(from)} ${round(y + 13)}V${round(y)}H${round(to)}${closed ? `V${round(y + 13)}` : ""}`), text("ending", from + 5, y + 12, content === "?" ? "" : `${content}.`));
  }
  if (endings.length) staff.top(y - 2);
}
