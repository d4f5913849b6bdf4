"use strict";
// The score of a take on the page: drawn while it grows, lit while it sounds, taken bar by bar.

const drawing = new Map(); // takes that wait for a frame; a long score is drawn less often
let rested = 0;
function drawSoon(take) {
  if (drawing.has(take)) return;
  const frame = () => {
    if (performance.now() < rested) drawing.set(take, requestAnimationFrame(frame));
    else {
      drawing.delete(take);
      if (take.music) draw(take);
    }
  };
  drawing.set(take, requestAnimationFrame(frame));
}
function draw(take) {
  const box = take.box.querySelector(".score"), began = performance.now(), width = Math.max(270, box.clientWidth);
  if (!box.clientWidth) return; // not laid out; a resize follows
  light([]);
  if (take.score?.full !== width || take.score.language !== language) {
    take.score = Object.assign(new Score(width, word("score")), { language });
  }
  take.score.draw(take.music);
  take.notes = take.score.notes;
  take.score.element.querySelectorAll(".bar:not([role])").forEach(describe);
  if (box.firstElementChild !== take.score.element) box.replaceChildren(take.score.element);
  rested = performance.now() + 3 * (performance.now() - began);
}
function describe(bar) {
  const number = Number(bar.dataset.bar);
  bar.setAttribute("role", "button");
  bar.setAttribute("aria-label", word("from", { bar: number + 1 }));
  bar.setAttribute("tabindex", number ? "-1" : "0");
}
function pressed(take, event) {
  const bar = event.target.closest?.(".bar");
  if (!bar) return;
  const bars = [...take.score.element.querySelectorAll(".bar")], i = bars.indexOf(bar);
  const next = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: bars.length - 1 }[event.key];
  if (event.type === "click" || event.key === "Enter" || event.key === " ") goOn(take, i);
  else if (next === undefined || !bars[next]) return;
  else {
    bar.setAttribute("tabindex", "-1");
    bars[next].setAttribute("tabindex", "0");
    bars[next].focus();
  }
  event.preventDefault();
}
function goOn(take, bar) {
  const { header, lines } = take.music;
  at("prompt").value = `${header}${lines.slice(0, bar + 1).join("\n")}\n`;
  at("more").open = true;
  for (const id of ["key", "meter", "tempo"]) at(id).value = "";
  if ((whole("bars") || 0) <= bar + 1) at("bars").value = String(bar + 9);
  say("goes", { bar: bar + 1 });
}
function light(due) {
  for (const one of lit) if (!due.includes(one)) one.element.classList.remove("lit");
  for (const one of due) {
    if (lit.includes(one)) continue;
    one.element.classList.add("lit");
    reveal(one.element);
  }
  lit = due;
}
function follow(now) {
  light(now === null ? [] : shown.notes.filter(({ onset, end }) => onset <= now && now < end));
  if (now === null) showPlaying();
}
// Turns the page.
function reveal(note) {
  const { top, bottom } = note.getBoundingClientRect();
  if (bottom > innerHeight || top < 0) note.scrollIntoView({ block: "center" });
}
function showPlaying() {
  at("play").classList.toggle("on", player.playing);
  at("play").firstElementChild.textContent = word(player.playing ? "pause" : "play");
}
function showText(abc) {
  at("text").textContent = abc;
  at("source").hidden = !abc;
}
function offerVoices(music) {
  const box = at("voices"), names = music.voices.map((voice) => voice.name);
  box.hidden = names.length < 2;
  if (box.dataset.names === names.join()) return;
  box.dataset.names = names.join();
  player.muted.clear();
  box.replaceChildren(box.firstElementChild, ...names.map((name, number) => {
    const label = document.createElement("label"), input = document.createElement("input");
    label.className = "check";
    input.type = "checkbox";
    input.checked = true;
    input.addEventListener("change", () => (input.checked ? player.muted.delete(number) : player.muted.add(number)));
    const said = document.createElement("span");
    said.textContent = name;
    label.append(input, said);
    return label;
  }));
}
function setSpeed(tempo) {
  at("speed").value = String(Math.round(tempo));
  changeSpeed();
}
function changeSpeed() {
  at("rate").textContent = at("speed").value;
  player.setTempo(Number(at("speed").value));
}
