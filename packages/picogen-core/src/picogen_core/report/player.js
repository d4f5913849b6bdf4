"use strict";
// Players of a report's cards: a button, a slider, and notes that light up in the score.
// `data-sounding` of a card counts the notes that are lit.
(() => {
  const clock = (seconds) =>
    `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  class Card {
    constructor(box) {
      const music = JSON.parse(box.querySelector("script").textContent);
      this.box = box;
      this.prefix = box.dataset.prefix;
      this.button = box.querySelector("button");
      this.slider = box.querySelector("input");
      this.time = box.querySelector(".time");
      this.lights = music.lights;
      this.lit = new Map();
      this.player = new Player((now) => (now === null ? this.stopped() : this.show(now)));
      this.player.setTempo(60);
      this.player.setSounds(music.sounds.map(([onset, length, pitch, velocity]) =>
        ({ onset, length, pitch, loudness: velocity / 127 })));
      this.slider.max = String(Math.max(0.1, this.player.end));
      this.button.addEventListener("click", () => (this.player.playing ? this.player.stop() : this.play()));
      this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
      this.mark(0);
      for (const part of box.querySelectorAll("[hidden]")) part.hidden = false;
      box.dataset.state = "ready";
      box.dataset.sounding = "0";
    }

    play() {
      const { player } = this;
      player.play(player.place >= player.end ? 0 : player.place);
      this.button.textContent = "Pause";
      this.box.dataset.state = "playing";
    }

    stopped() {
      this.button.textContent = "Play";
      this.box.dataset.state = "ready";
      this.light(-1);
      this.mark(this.player.place);
    }

    seek(place) {
      const resume = this.player.playing;
      this.player.stop();
      this.player.place = place;
      this.mark(place);
      if (resume) this.play();
    }

    show(now) {
      this.light(now);
      this.mark(now);
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

    mark(place) {
      const shown = `${clock(place)} of ${clock(this.player.end)}`;
      this.slider.value = String(place);
      this.slider.setAttribute("aria-valuetext", shown);
      this.time.textContent = shown;
    }
  }

  for (const box of document.querySelectorAll(".player")) new Card(box);
})();
