"use strict";
// The page: settings, takes, playing, what is downloaded. Music comes from the worker.

const LONGEST = 100000;
const at = (id) => document.getElementById(id);
const { students: facts, glyphs, sampling } = JSON.parse(at("facts").textContent);
at("temperature").value = sampling.temperature;
const engine = URL.createObjectURL(new Blob([at("engine").textContent], { type: "text/javascript" }));
const worker = new Worker(engine);
const takes = [0, 1].map((number) => ({ number, box: at(`take-${number}`), music: null, score: null, abc: "", notes: [], id: 0 }));
let shown = takes[0], count = 0, waiting = [], message = ["loading"], chosen = [], begun = [], lit = [];
const player = new Player(follow);

function say(name, values) {
  message = [name, values];
  at("status").textContent = name === null ? values : word(name, values);
}
function translate() {
  document.documentElement.lang = language;
  document.title = word("title");
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = word(one.dataset.word);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", word(one.dataset.label));
  for (const one of document.querySelectorAll("[data-hint]")) one.placeholder = word(one.dataset.hint);
  showPlaying();
  const students = facts.map(({ name, parameters }) => word("weights", { name, count: parameters.toLocaleString(language) }));
  at("about").textContent = word("about", { students: students.join("; ") });
  for (const id of ["key", "meter"]) at(id).options[0].textContent = word("any");
  say(...message);
  for (const take of takes) if (take.music) draw(take);
}
function fill(select, values, first) {
  select.replaceChildren(...(first === null ? [] : [new Option(first, "")]), ...values.map(([name, value]) => new Option(name, value)));
}
function choose(student) {
  const [, , meters, keys] = facts[student].choices, pairs = (all) => all.map((one) => [one, one]);
  const before = [at("key").value, at("meter").value];
  fill(at("key"), pairs(keys), word("any"));
  fill(at("meter"), pairs(meters), word("any"));
  [at("key").value, at("meter").value] = before;
  for (const id of ["key", "meter"]) if (at(id).selectedIndex < 0) at(id).selectedIndex = 0;
}
const whole = (id) => (at(id).value === "" ? null : Math.max(0, Math.floor(Number(at(id).value)) || 0));
function request(seed) {
  return {
    student: Number(at("student").value) || 0, prompt: at("prompt").value, seed, number: 1,
    bars: whole("bars") || null, meter: at("meter").value || null, key: at("key").value || null,
    tempo: at("tempo").value || null,
    sampling: { ...sampling, temperature: Math.max(0, Number(at("temperature").value) || 0) },
  };
}

// Composing

function compose() {
  if (at("prompt").value.length > LONGEST) {
    say("long");
    return;
  }
  player.stop();
  player.place = 0;
  const two = at("two").checked, seed = whole("seed") ?? 0;
  takes[1].box.hidden = !two;
  takes[0].box.querySelector("h2").hidden = !two;
  for (const take of takes) {
    Object.assign(take, { music: null, score: null, abc: "", notes: [], id: ++count });
    take.box.querySelector(".score").replaceChildren();
    take.box.classList.toggle("chosen", two && !take.number);
    take.box.querySelector(".keep").hidden = true;
  }
  shown = takes[0];
  at("source").hidden = true;
  begun = [seed, seed + 1];
  waiting = two ? [takes[0], takes[1]] : [takes[0]];
  at("stop").disabled = false;
  enable(false);
  remember();
  say("writing", { bars: 0 });
  begin();
}
function begin() {
  const take = waiting[0];
  if (take) worker.postMessage({ kind: "compose", id: take.id, request: request(begun[take.number]) });
}
function renew() {
  if (at("fresh").checked) at("seed").value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
}
function stop() {
  worker.postMessage({ kind: "stop" });
  waiting.splice(1);
  at("stop").disabled = true;
}
function enable(on) {
  for (const id of ["play", "abc", "midi", "link"]) at(id).disabled = !on;
}
worker.onmessage = ({ data }) => {
  const take = takes.find((one) => one.id === data.id);
  if (data.kind === "ready") {
    for (const id of ["compose", "next"]) at(id).disabled = false;
    say("ready");
  } else if (data.kind === "failed") say("failed", { why: data.message });
  else if (!take || waiting[0] !== take) return;
  else if (data.kind === "refused") {
    waiting = [];
    at("stop").disabled = true;
    say(null, data.message);
  } else {
    if (data.music) receive(take, data.music);
    if (data.kind === "done") finished(take, data);
  }
};
worker.onerror = (event) => say("failed", { why: event.message });
function receive(take, music) {
  take.music = music;
  drawSoon(take);
  if (take === shown) {
    player.growing = true;
    player.setSounds(soundsOf(music));
    offerVoices(music);
    at("play").disabled = false;
  }
  if (waiting.length) say("writing", { bars: music.drawn.length });
}
function finished(take, { abc, stopped, halted }) {
  take.abc = abc;
  waiting.shift();
  const bars = take.music ? take.music.drawn.length : 0;
  if (take === shown) {
    player.growing = false;
    showText(abc);
    if (take.music && !player.playing) setSpeed(tempoOf(take.music.header));
  }
  if (waiting.length) {
    begin();
    return;
  }
  at("stop").disabled = true;
  enable(Boolean(shown.abc));
  if (!takes[1].box.hidden) for (const one of takes) one.box.querySelector(".keep").hidden = !one.abc;
  say(halted ? "stopped" : stopped ? "broken" : "done", { bars, why: stopped });
}

// Keeping, saving, links

function keep(take) {
  chosen.push({ seeds: begun, kept: "AB"[take.number], request: request(begun[take.number]), abc: takes.map((one) => one.abc) });
  at("choices").hidden = false;
  const other = takes[1 - take.number];
  if (take.number) {
    takes[0].score = null;
    for (const name of ["music", "abc"]) [take[name], other[name]] = [other[name], take[name]];
    draw(takes[0]);
  }
  takes[1].box.hidden = true;
  for (const one of takes) one.box.querySelector(".keep").hidden = true;
  takes[0].box.querySelector("h2").hidden = true;
  takes[0].box.classList.remove("chosen");
  show(takes[0]);
  say("kept", { take: "AB"[take.number] });
}
function show(take) {
  if (take === shown && take.abc === at("text").textContent) return;
  player.stop();
  shown = take;
  for (const one of takes) one.box.classList.toggle("chosen", one === take && !takes[1].box.hidden);
  if (!take.music) return;
  player.place = 0;
  player.setSounds(soundsOf(take.music));
  offerVoices(take.music);
  showText(take.abc);
  setSpeed(tempoOf(take.music.header));
}
function save(name, kind, data) {
  const link = document.createElement("a"), url = URL.createObjectURL(new Blob([data], { type: kind }));
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
const KEPT = ["student", "key", "meter", "bars", "tempo", "temperature", "seed", "prompt"];
function remember() {
  const kept = new URLSearchParams(KEPT.filter((id) => at(id).value).map((id) => [id, at(id).value]));
  history.replaceState(null, "", `#${kept}`);
}
function recall() {
  for (const [id, value] of new URLSearchParams(location.hash.slice(1))) {
    if (KEPT.includes(id)) at(id).value = value.slice(0, LONGEST);
    if (id === "student") choose(Number(at("student").value) || 0);
    if (id === "seed") at("fresh").checked = false;
  }
}
function read(file) {
  if (file.size > LONGEST) say("long");
  else {
    at("more").open = true;
    file.text().then((text) => { at("prompt").value = text; });
  }
}

document.body.prepend(defineGlyphs(glyphs));
fill(at("student"), facts.map(({ name }, number) => [name, String(number)]), null);
at("student-label").hidden = facts.length < 2;
choose(0);
recall();
translate();
at("language").value = language;
at("language").addEventListener("change", (event) => { language = event.target.value; translate(); });
at("student").addEventListener("change", (event) => choose(Number(event.target.value)));
at("settings").addEventListener("submit", (event) => { event.preventDefault(); compose(); });
at("next").addEventListener("click", () => {
  if (at("fresh").checked) renew();
  else at("seed").value = String((whole("seed") ?? 0) + 1);
  compose();
});
at("stop").addEventListener("click", stop);
at("play").addEventListener("click", () => {
  if (player.playing) player.stop();
  else player.play(player.place >= player.end ? 0 : player.place);
  showPlaying();
});
at("speed").addEventListener("input", changeSpeed);
at("abc").addEventListener("click", () => save("picogen.abc", "text/vnd.abc", shown.abc));
at("midi").addEventListener("click", () => save("picogen.mid", "audio/midi", midiOf(shown.music)));
at("choices").addEventListener("click", () => save("choices.json", "application/json", JSON.stringify(chosen, null, 1)));
at("link").addEventListener("click", () => navigator.clipboard.writeText(location.href).then(() => say("copied"), () => say(null, location.href)));
for (const take of takes) {
  for (const kind of ["click", "keydown"]) take.box.addEventListener(kind, (event) => pressed(take, event));
  take.box.addEventListener("pointerdown", () => show(take));
  take.box.addEventListener("focusin", () => show(take));
  take.box.querySelector(".keep").addEventListener("click", () => keep(take));
}
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) read(file);
  else if (event.dataTransfer.getData("text")) at("prompt").value = event.dataTransfer.getData("text").slice(0, LONGEST);
});
at("file").addEventListener("change", (event) => { if (event.target.files[0]) read(event.target.files[0]); });
at("prompt").addEventListener("paste", (event) => {
  if (event.clipboardData.getData("text").length <= LONGEST) return;
  event.preventDefault();
  say("long");
});
window.addEventListener("resize", () => { for (const take of takes) if (take.music) drawSoon(take); });
worker.postMessage({ kind: "load", students: facts.map((one, number) => ({ facts: one, weights: one.weights, text: at(`weights-${number}`).textContent })) });
for (const one of document.querySelectorAll("script[type='text/plain']")) one.textContent = "";
