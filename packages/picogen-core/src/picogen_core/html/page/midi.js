"use strict";
// What a piece sounds like, and the MIDI file of it.

// Notes that sound: tied ones joined, [{ onset, length, pitch, voice }] in quarters, by onset.
function soundsOf(music) {
  const made = [];
  music.voices.forEach((voice, number) => {
    const held = new Map();
    for (const note of voice.notes) {
      if (note.pitch === null) continue;
      const before = held.get(note.pitch);
      if (before && Math.abs(before.onset + before.length - note.onset) < 1e-6) before.length += note.length;
      else made.push({ onset: note.onset, length: note.length, pitch: note.pitch, voice: number });
      const now = before && Math.abs(before.onset + before.length - note.onset - note.length) < 1e-6 ? before : made[made.length - 1];
      if (note.tied) held.set(note.pitch, now);
      else held.delete(note.pitch);
    }
  });
  return made.sort((a, b) => a.onset - b.onset || a.pitch - b.pitch);
}
// Quarters per minute of a Q: field.
function tempoOf(header) {
  const found = header.match(/^Q:\s*(?:"[^"]*"\s*)?(\d+)\/(\d+)\s*=\s*(\d+)/m);
  return found ? Math.max(10, Math.min(600, (4 * found[1] * found[3]) / found[2])) : 120;
}

// A standard MIDI file, format 1, 480 ticks per quarter, a track per voice.
function midiOf(music) {
  const sounds = soundsOf(music), tempo = Math.round(60000000 / tempoOf(music.header));
  const text = (word) => [...word].map((c) => c.charCodeAt(0));
  const whole = (value, bytes) => Array.from({ length: bytes }, (_, i) => (value >>> (8 * (bytes - 1 - i))) & 255);
  const ticks = (value) => {
    const made = [value & 127];
    while ((value >>= 7)) made.unshift((value & 127) | 128);
    return made;
  };
  const track = (events) => {
    events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    let before = 0;
    const body = events.flatMap(([at, , bytes]) => {
      const made = [...ticks(at - before), ...bytes];
      before = at;
      return made;
    });
    body.push(0, 255, 47, 0);
    return [...text("MTrk"), ...whole(body.length, 4), ...body];
  };
  const tracks = [track([[0, 0, [255, 81, 3, ...whole(tempo, 3)]]])];
  music.voices.forEach((_, number) => {
    const channel = number % 16 === 9 ? 10 : number % 16;
    tracks.push(track(sounds.filter((one) => one.voice === number).flatMap(({ onset, length, pitch }) => {
      const begin = Math.round(onset * 480), end = Math.max(begin + 1, Math.round((onset + length) * 480));
      return [[begin, 1, [144 + channel, pitch, 80]], [end, 0, [128 + channel, pitch, 0]]];
    })));
  });
  return Uint8Array.from([...text("MThd"), ...whole(6, 4), ...whole(1, 2), ...whole(tracks.length, 2), ...whole(480, 2), ...tracks.flat()]);
}
