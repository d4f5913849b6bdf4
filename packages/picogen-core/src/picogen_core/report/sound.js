"use strict";
// Plays notes with oscillators, scheduled a little ahead; tempo and voices may change meanwhile.

const AHEAD = 0.4, TICK_MS = 80, RELEASE = 0.15, LEVEL = 0.2, PARTIALS = [0, 1, 0.42, 0.16, 0.1, 0.05, 0.03];
let audio = null, speaker = null, wave = null, sounding = null; // one player sounds at a time

function openAudio() {
  if (!audio) {
    audio = new AudioContext();
    speaker = audio.createDynamicsCompressor(); // many voices must not clip
    speaker.connect(audio.destination);
    wave = audio.createPeriodicWave(new Float32Array(PARTIALS.length), new Float32Array(PARTIALS));
  }
  audio.resume();
}

class Player {
  // on: called with the place while it plays, and with null when it stops. Places and lengths are
  // in quarters, or in seconds at a tempo of 60.
  constructor(on) {
    Object.assign(this, { on, sounds: [], muted: new Set(), tempo: 120, place: 0, end: 0, playing: false, growing: false });
  }
  // sounds: [{ onset, length, pitch, voice, loudness }] by onset; more may follow while it plays.
  setSounds(sounds) {
    this.sounds = sounds;
    this.end = sounds.reduce((end, one) => Math.max(end, one.onset + one.length), 0);
  }
  setTempo(tempo) {
    if (this.playing) {
      this.place = this.now();
      this.since = audio.currentTime;
    }
    this.tempo = tempo;
  }
  now() { return this.place + ((audio.currentTime - this.since) * this.tempo) / 60; }
  play(from = 0) {
    sounding?.stop();
    openAudio();
    sounding = this;
    this.out = audio.createGain();
    this.out.gain.value = LEVEL;
    this.out.connect(speaker);
    this.place = from;
    this.since = audio.currentTime + 0.05;
    this.next = this.sounds.findIndex((one) => one.onset + one.length > from + 1e-6);
    if (this.next < 0) this.next = this.sounds.length;
    this.playing = true;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.tick();
    this.frame();
  }
  stop() {
    if (!this.playing) return;
    this.place = Math.min(this.end, Math.max(0, this.now()));
    this.playing = false;
    sounding = null;
    clearInterval(this.timer);
    cancelAnimationFrame(this.drawing);
    const { out } = this;
    out.gain.setTargetAtTime(0, audio.currentTime, 0.02);
    setTimeout(() => out.disconnect(), 200);
    this.on(null);
  }
  tick() {
    const until = this.now() + (AHEAD * this.tempo) / 60;
    for (; this.next < this.sounds.length && this.sounds[this.next].onset < until; this.next++) {
      const { onset, length, pitch, voice, loudness } = this.sounds[this.next];
      const begin = this.since + ((Math.max(onset, this.place) - this.place) * 60) / this.tempo;
      const end = this.since + ((onset + length - this.place) * 60) / this.tempo;
      if (!this.muted.has(voice) && end > audio.currentTime) this.tone(pitch, loudness ?? 1, begin, end);
    }
    if (!this.growing && this.now() > this.end) this.stop();
  }
  frame() {
    if (!this.playing) return;
    this.on(Math.max(0, this.now()));
    this.drawing = requestAnimationFrame(() => this.frame());
  }
  tone(pitch, loudness, begin, end) {
    const voice = audio.createOscillator(), gain = audio.createGain();
    begin = Math.max(begin, audio.currentTime);
    end = Math.max(end, begin + 0.03);
    voice.setPeriodicWave(wave);
    voice.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(loudness, begin + 0.008);
    gain.gain.setTargetAtTime(loudness * 0.25, begin + 0.012, 0.45);
    gain.gain.setTargetAtTime(0, end, RELEASE / 4);
    voice.connect(gain).connect(this.out);
    voice.start(begin);
    voice.stop(end + RELEASE);
  }
}
