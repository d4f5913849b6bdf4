"use strict";
// Plays the notes of a card with oscillators and lights them up in its score. Sounds are scheduled
// a little ahead; one card plays at a time. `data-sounding` of a card counts the notes that are lit.
(() => {
  const AHEAD = 0.5, TICK_MS = 100, RELEASE = 0.12, LEVEL = 0.16;
  let audio = null, limiter = null, playing = null;

  const clock = (seconds) =>
    `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  class Player {
    constructor(box) {
      const music = JSON.parse(box.querySelector("script").textContent);
      this.box = box;
      this.prefix = box.dataset.prefix;
      this.button = box.querySelector("button");
      this.slider = box.querySelector("input");
      this.time = box.querySelector(".time");
      this.sounds = music.sounds;
      this.lights = music.lights;
      this.length = this.sounds.reduce((end, s) => Math.max(end, s[0] + s[1]), 0);
      this.position = 0;
      this.lit = new Map();
      this.slider.max = String(Math.max(0.1, this.length));
      this.button.addEventListener("click", () => (playing === this ? this.pause() : this.play()));
      this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
      this.show();
      for (const part of box.querySelectorAll("[hidden]")) part.hidden = false;
      box.dataset.state = "ready";
      box.dataset.sounding = "0";
    }

    play() {
      if (playing) playing.pause();
      if (!audio) {
        audio = new AudioContext();
        limiter = audio.createDynamicsCompressor(); // many voices must not clip
        limiter.connect(audio.destination);
      }
      audio.resume();
      if (this.position >= this.length) this.position = 0;
      playing = this;
      this.out = audio.createGain();
      this.out.gain.value = LEVEL;
      this.out.connect(limiter);
      this.origin = audio.currentTime + 0.05 - this.position;
      this.next = this.sounds.findIndex((s) => s[0] + s[1] > this.position);
      if (this.next < 0) this.next = this.sounds.length;
      this.button.textContent = "Pause";
      this.box.dataset.state = "playing";
      this.timer = setInterval(() => this.schedule(), TICK_MS);
      this.schedule();
      this.frame();
    }

    pause() {
      if (playing !== this) return;
      playing = null;
      clearInterval(this.timer);
      cancelAnimationFrame(this.drawing);
      const out = this.out;
      out.gain.setTargetAtTime(0, audio.currentTime, 0.02);
      setTimeout(() => out.disconnect(), 200);
      this.button.textContent = "Play";
      this.box.dataset.state = "ready";
      this.light(-1);
    }

    seek(position) {
      const resume = playing === this;
      this.pause();
      this.position = position;
      this.show();
      if (resume) this.play();
    }

    schedule() {
      const until = audio.currentTime - this.origin + AHEAD;
      for (; this.next < this.sounds.length && this.sounds[this.next][0] < until; this.next++) {
        const [start, length, pitch, velocity] = this.sounds[this.next];
        const from = Math.max(start, this.position), end = start + length;
        if (end > from) this.tone(pitch, velocity / 127, this.origin + from, this.origin + end);
      }
    }

    tone(pitch, loudness, begin, end) {
      const voice = audio.createOscillator(), gain = audio.createGain();
      begin = Math.max(begin, audio.currentTime);
      end = Math.max(end, begin + 0.03);
      voice.type = "triangle";
      voice.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
      gain.gain.setValueAtTime(0, begin);
      gain.gain.linearRampToValueAtTime(loudness, begin + 0.012);
      gain.gain.setTargetAtTime(loudness * 0.5, begin + 0.02, 0.3);
      gain.gain.setTargetAtTime(0, end, RELEASE / 4);
      voice.connect(gain).connect(this.out);
      voice.start(begin);
      voice.stop(end + RELEASE);
    }

    frame() {
      this.position = Math.max(this.position, audio.currentTime - this.origin);
      if (this.position >= this.length) {
        this.position = this.length;
        this.pause();
        this.show();
        return;
      }
      this.light(this.position);
      this.show();
      this.drawing = requestAnimationFrame(() => this.frame());
    }

    light(now) {
      const due = new Set();
      for (const [start, end, number] of this.lights) if (start <= now && now < end) due.add(number);
      for (const [number, note] of this.lit) {
        if (!due.has(number)) {
          note.classList.remove("sounding");
          this.lit.delete(number);
        }
      }
      for (const number of due) {
        const note = document.getElementById(this.prefix + number);
        if (note && !this.lit.has(number)) {
          note.classList.add("sounding");
          this.lit.set(number, note);
          this.reveal(note);
        }
      }
      this.box.dataset.sounding = String(this.lit.size);
    }

    // Turns the page: scrolls the score, never the window.
    reveal(note) {
      const view = note.closest(".score"), seen = view.getBoundingClientRect();
      const place = note.getBoundingClientRect();
      if (place.top < seen.top || place.bottom > seen.bottom) {
        view.scrollTop += place.top - seen.top - seen.height / 4;
      }
    }

    show() {
      const shown = `${clock(this.position)} of ${clock(this.length)}`;
      this.slider.value = String(this.position);
      this.slider.setAttribute("aria-valuetext", shown);
      this.time.textContent = shown;
    }
  }

  for (const box of document.querySelectorAll(".player")) new Player(box);
})();
