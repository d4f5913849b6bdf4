"use strict";
// Plays music with oscillators; tempo and voices may change while it plays.

const AHEAD = 0.4, TICK_MS = 80, RELEASE = 0.12, LEVEL = 0.18;

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
// Quarters a minute of a Q: field.
function tempoOf(header) {
  const found = header.match(/^Q:\s*(?:"[^"]*"\s*)?(\d+)\/(\d+)\s*=\s*(\d+)/m);
  return found ? Math.max(10, Math.min(600, (4 * found[1] * found[3]) / found[2])) : 120;
}

class Player {
  // on: called with the place in quarters, null at the end.
  constructor(on) {
    this.on = on;
    this.sounds = [];
    this.muted = new Set();
    this.tempo = 120;
    this.place = 0;
    this.playing = false;
  }
  setMusic(music) {
    this.sounds = soundsOf(music);
    this.end = this.sounds.reduce((end, one) => Math.max(end, one.onset + one.length), 0);
  }
  setTempo(tempo) {
    if (this.playing) {
      this.place = this.now();
      this.since = this.audio.currentTime;
    }
    this.tempo = tempo;
  }
  now() { return this.place + ((this.audio.currentTime - this.since) * this.tempo) / 60; }
  play(from = 0) {
    this.stop();
    this.audio = this.audio || new AudioContext();
    if (!this.out) {
      this.limiter = this.audio.createDynamicsCompressor();
      this.analyser = this.audio.createAnalyser();
      this.limiter.connect(this.analyser).connect(this.audio.destination);
    }
    this.out = this.audio.createGain();
    this.out.gain.value = LEVEL;
    this.out.connect(this.limiter);
    this.audio.resume();
    this.place = from;
    this.since = this.audio.currentTime + 0.05;
    this.next = this.sounds.findIndex((one) => one.onset >= from - 1e-6);
    if (this.next < 0) this.next = this.sounds.length;
    this.playing = true;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.tick();
    this.frame();
  }
  stop() {
    if (!this.playing) return;
    this.playing = false;
    clearInterval(this.timer);
    cancelAnimationFrame(this.drawing);
    const { out } = this;
    out.gain.setTargetAtTime(0, this.audio.currentTime, 0.02);
    setTimeout(() => out.disconnect(), 200);
    this.on(null);
  }
  tick() {
    const until = this.now() + (AHEAD * this.tempo) / 60;
    for (; this.next < this.sounds.length && this.sounds[this.next].onset < until; this.next++) {
      const { onset, length, pitch, voice } = this.sounds[this.next];
      if (this.muted.has(voice)) continue;
      const begin = this.since + ((onset - this.place) * 60) / this.tempo;
      this.tone(pitch, begin, begin + (length * 60) / this.tempo);
    }
    if (this.growing ? false : this.now() > this.end + 0.5) this.stop();
  }
  frame() {
    if (!this.playing) return;
    this.on(Math.max(0, this.now()));
    this.drawing = requestAnimationFrame(() => this.frame());
  }
  tone(pitch, begin, end) {
    const voice = this.audio.createOscillator(), gain = this.audio.createGain();
    begin = Math.max(begin, this.audio.currentTime);
    end = Math.max(end, begin + 0.03);
    voice.type = "triangle";
    voice.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(1, begin + 0.012);
    gain.gain.setTargetAtTime(0.5, begin + 0.02, 0.3);
    gain.gain.setTargetAtTime(0, end, RELEASE / 4);
    voice.connect(gain).connect(this.out);
    voice.start(begin);
    voice.stop(end + RELEASE);
  }
}

// A standard MIDI file, format 1, 480 ticks a quarter, a track a voice.
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
if (typeof module !== "undefined") module.exports = { soundsOf, tempoOf, midiOf };
