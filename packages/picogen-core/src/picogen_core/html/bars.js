// Music as it is drawn: of every line of the body a bar, with the events of each voice.

const LETTER = /[A-Ga-gzxZX]/, SIGNS = /^(\^\^|\^\/|\^|__|_\/|_|=)/;
const MOST_TEXTS = 4; // at one note
const SHORT = {
  ".": "staccato", "~": "roll", H: "fermata", L: "accent", M: "mordent", O: "coda", P: "uppermordent", S: "segno",
  T: "trill", u: "upbow", v: "downbow",
};

// Kinds: "|", "||", "|]", "[|", ":|", "|:", "::"; "" for one that is not drawn.
function barlineKind(text) {
  const plain = text.replace(/\[?\d.*$/, "").replace(/^\./, "");
  if (/^\[\|?\]$/.test(plain)) return "";
  const ends = plain.startsWith(":"), begins = plain.endsWith(":");
  if (ends || begins) return ends && begins ? "::" : ends ? ":|" : "|:";
  return ["[|", "|]", "||"].find((kind) => plain.includes(kind)) ?? "|";
}
// notes: name of the voice -> its notes, as `read_tune` makes them of a text with `body` at `offset`.
function readBars(body, offset, notes) {
  const at = new Map(), number = (x) => $b.float(x);
  for (const [voice, all] of notes.items()) for (const note of all) at.set(note.start, { note, voice: String(voice) });
  const first = String(notes.keys()[0] ?? "1");
  let next = {};
  const made = [];
  let from = offset;
  for (const line of body.split("\n")) {
    if (line && !/^(%|[A-Za-z]:)/.test(line)) {
      const bar = { left: "", right: "", ending: "", key: "", meter: "", inner: [], voices: new Map(), ...next };
      next = readLine(line, from, bar, at, first);
      made.push(timed(bar, made[made.length - 1], number));
    }
    from += line.length + 1;
  }
  return made;
}
function timed(bar, before, number) {
  const all = [...bar.voices.values()].flat();
  for (const event of all) [event.onset, event.length] = [number(event.onset), number(event.length)];
  for (const one of bar.inner) one.after = number(one.after);
  const last = before ? before.start + before.length : 0;
  bar.start = all.length ? Math.min(...all.map((one) => one.onset)) : last;
  bar.length = all.length ? Math.max(...all.map((one) => one.onset + one.length)) - bar.start : 0;
  return bar;
}
// What the next bar begins with.
function readLine(line, from, bar, at, first) {
  const fresh = () => ({ grace: [], slashed: false, marks: [], texts: [], open: 0 });
  let voice = first, waiting = fresh(), apart = true, tuplet = null, last = null, next = {};
  for (const token of $py.lex(line)) {
    const { kind, text } = token, main = voice === first;
    if (kind === "field") {
      const letter = text[1], value = text.slice(3, -1).trim();
      if (letter === "V") {
        voice = value.split(/\s/)[0];
        [waiting, apart, tuplet, last] = [fresh(), true, null, null];
      } else if (letter === "K" && main) bar.key = value;
      else if (letter === "M" && main) bar.meter = value;
    } else if (kind === "bar") {
      apart = true;
      if (main) next = readBarline(text, bar, last, next);
    } else if (kind === "ending" && main) bar.ending = text.slice(1) || "?";
    else if (kind === "space" || kind === "overlay") apart = true;
    else if (kind === "quote") waiting.texts = [...waiting.texts, text.slice(1, -1)].slice(-MOST_TEXTS);
    else if (kind === "decoration") waiting.marks.push(text.slice(1, -1));
    else if (kind === "short") waiting.marks.push(SHORT[text] ?? "");
    else if (kind === "grace") [waiting.grace, waiting.slashed] = [graceNotes(text), text[1] === "/"];
    else if (kind === "slur" && text !== ")") waiting.open++;
    else if (kind === "slur" && last) last.close++;
    else if (kind === "tuplet") {
      const [p, , r] = text.slice(1).split(":").map(Number);
      tuplet = { number: p, left: r || p };
    } else if (["note", "chord", "rest"].includes(kind)) {
      const event = readEvent(text, from + token.start, at);
      if (!event) continue;
      if (kind === "rest") event.rest = text[0];
      Object.assign(event, waiting, { joined: !apart, tuplet: tuplet && tuplet.left > 0 ? tuplet : null, close: 0 });
      if (tuplet) tuplet.left--;
      bar.voices.set(event.voice, [...(bar.voices.get(event.voice) ?? []), event]);
      [waiting, apart, last] = [fresh(), false, event];
    }
  }
  return next;
}
function readBarline(text, bar, last, next) {
  const kind = barlineKind(text), [, ending] = text.match(/(\d[\d,.\-]*)$/) ?? [];
  if (!last) {
    bar.left = kind === "::" || kind === "|:" ? "|:" : bar.left;
    if (ending) bar.ending = ending;
    return next;
  }
  if (bar.right) bar.inner.push({ after: bar.last, kind: bar.right });
  bar.right = { "|:": "|", "::": ":|" }[kind] ?? (kind || " ");
  bar.last = last.onset;
  return { ...(kind === "::" || kind === "|:" ? { left: "|:" } : {}), ...(ending ? { ending } : {}) };
}
function readEvent(text, start, at) {
  const tones = [];
  let event = null, sign = "";
  for (let i = 0; i < text.length; i++) {
    const found = at.get(start + i);
    sign = text.slice(i).match(SIGNS)?.[0] ?? (LETTER.test(text[i]) ? sign : "");
    if (sign.length > 1) i += sign.length - 1;
    if (!found) continue;
    const { note, voice } = found;
    event ??= { voice, onset: note.onset, length: note.duration, tones };
    if (note.step) tones.push({ step: note.step, tied: note.tied, sign, pitched: note.pitch !== null });
    sign = "";
  }
  return event;
}
// Steps are those of `read_tune`: 7 for an octave, middle C is 28.
function graceNotes(text) {
  return [...text.matchAll(/(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)/g)].map(([, sign = "", letter, marks]) => ({
    sign, step: 28 + "CDEFGABcdefgab".indexOf(letter)
      + 7 * ((marks.match(/'/g) ?? []).length - (marks.match(/,/g) ?? []).length),
  }));
}
