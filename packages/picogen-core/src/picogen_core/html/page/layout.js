"use strict";
// The layout of a score, by numbers alone: staves, columns of a bar, bars of a system.

const MARGIN = 1.2 * GAP, TIGHT = 1.12;

// %%score as [{ names }] of staves, and the groups that a brace or bracket holds.
function stavesOf(header, names) {
  const line = header.match(/^%%(?:score|staves)\s+(.*)$/m), staves = [], groups = [], open = [];
  const main = names.filter((name) => !name.includes("&"));
  let shared = null;
  for (const token of line ? line[1].match(/[()[\]{}|]|[^\s()[\]{}|]+/g) ?? [] : []) {
    if (token === "(") shared = { names: [] };
    else if (token === ")") shared = null;
    else if ("[{".includes(token)) open.push({ brace: token === "{", from: staves.length });
    else if ("]}".includes(token)) {
      const group = open.pop();
      if (group && staves.length > group.from) groups.push({ ...group, to: staves.length - 1 });
    } else if (main.includes(token) && !staves.some((one) => one.names.includes(token))) {
      if (shared?.names.length) shared.names.push(token);
      else staves.push(shared ? Object.assign(shared, { names: [token] }) : { names: [token] });
    }
  }
  for (const name of main) if (!staves.some((one) => one.names.includes(name))) staves.push({ names: [name] });
  for (const staff of staves) staff.names = staff.names.flatMap((name) => [name, ...names.filter((one) => one.startsWith(`${name}&`))]);
  return { staves, groups: groups.filter((one) => one.to > one.from || one.brace) };
}
// Quarters that a beam may join.
function beatOf(meter) {
  const [, above, below] = meter.match(/^(\d+)\/(\d+)$/) ?? (meter === "C" ? [0, 4, 4] : meter === "C|" ? [0, 2, 2] : [0, 0, 4]);
  if (above > 3 && above % 3 === 0 && below >= 8) return 12 / below;
  return Number(above) === 4 && Number(below) === 4 ? 2 : Number(above) === 2 && Number(below) === 2 ? 2 : 4;
}
const spaceFor = (quarters) => Math.max(1.5, 3.1 + 1.3 * Math.log2(Math.max(0.05, quarters) / 0.5)) * GAP;

// Places of the columns of a bar, in pixels from its left edge, and its width.
function columnsOf(bar, events) {
  const onsets = [...new Set(events.map((one) => one.onset.toFixed(4)))].map(Number).sort((a, b) => a - b);
  const columns = onsets.map((onset, i) => {
    const here = events.filter((one) => Math.abs(one.onset - onset) < 1e-3), sizes = here.map(extents);
    const words = here.flatMap((one) => one.texts).map((one) => textWidth({ content: one }));
    return {
      onset, until: (onsets[i + 1] ?? bar.start + bar.length) - onset, words: Math.max(0, ...words),
      left: Math.max(0, ...sizes.map((one) => one.left)), right: Math.max(GAP, ...sizes.map((one) => one.right)),
    };
  });
  let x = MARGIN + (bar.left ? 1.4 * GAP : 0) + bar.signs, worded = null;
  bar.inset = x;
  for (const [i, column] of columns.entries()) {
    const before = columns[i - 1];
    column.rule = before && bar.inner.find(({ after }) => before.onset <= after + 1e-6 && after + 1e-6 < column.onset)?.kind;
    if (column.rule) column.left += 2 * GAP;
    x += before ? Math.max(spaceFor(before.until), before.right + column.left + 0.6 * GAP) : column.left;
    if (column.words && worded) x = Math.max(x, worded.x + worded.words);
    if (column.words) worded = column;
    column.x = x;
  }
  const last = columns[columns.length - 1];
  const end = last ? x + Math.max(spaceFor(last.until) * 0.85, last.right + 0.8 * GAP, last.words - 4) : 7 * GAP;
  bar.columns = columns;
  bar.width = end + (bar.right === ":|" ? 1.5 * GAP : bar.right === "|]" ? 4 : 0);
}
// Where an onset of a bar stands in a system.
function placeOf(bar, onset, stretch) {
  const column = bar.columns.find((one) => Math.abs(one.onset - onset) < 1e-3);
  return bar.x + bar.inset + (column ? ((column.x - bar.inset) * (bar.width * stretch - bar.inset)) / (bar.width - bar.inset) : 0);
}
// How many bars the system from `at` on has: whole phrases of 4 or 8 if they fill it.
function fitting(bars, at, room) {
  let used = 0, count = 0;
  while (at + count < bars.length && (!count || used + bars[at + count].width <= room * TIGHT)) used += bars[at + count++].width;
  const pickup = at === 0 && bars.length > 1 && bars[0].length < bars[1].length - 1e-6 ? 1 : 0;
  for (const phrase of [8, 4, 2]) {
    const some = phrase + pickup;
    if (some > count || at + count >= bars.length) continue;
    const wide = bars.slice(at, at + some).reduce((sum, bar) => sum + bar.width, 0);
    if (wide * 1.6 >= room) return some;
    break;
  }
  return count;
}
