// Writes music beside the page: loads students, composes in slices so that it can be stopped.

const SLICE_MS = 40;
let running = 0, halted = 0; // numbers of requests
const students = [];

async function load(given) {
  for (const { text, weights, facts } of given) {
    const engine = new Engine(await readWeights(text, weights), facts);
    const choices = new $py.FieldChoices(...facts.choices, new $Set());
    students.push({ engine, ...facts, choices });
  }
  postMessage({ kind: "ready" });
}
// A text as plain data: what is drawn, and the notes that are played.
function readMusic(abc, titles = []) {
  const [notes] = $py.read_tune(abc), number = (x) => $b.float(x);
  const [header, body] = $py.split_body(abc), named = (letter) => titles.find((line) => line.startsWith(letter))?.slice(2).trim();
  return {
    header, lines: body.split("\n").filter(Boolean), title: named("T:") ?? "", composer: named("C:") ?? "",
    drawn: readBars(body, abc.length - body.length, notes),
    voices: [...notes.items()].map(([name, all]) => ({
      name: String(name),
      notes: [...all].map((note) => ({
        pitch: note.pitch, onset: number(note.onset), length: number(note.duration), tied: note.tied,
      })),
    })),
  };
}
function compose(id, request) {
  const student = students[request.student ?? 0], me = ++running;
  let job, pieces, piece, shown = 0, rest = 0; // until when the next reading waits
  try {
    job = prepare(request, student);
    pieces = write(student.engine, job);
  } catch (error) {
    postMessage({ kind: "refused", id, message: error.message });
    return;
  }
  const slice = () => {
    if (me !== running) return;
    if (me === halted) {
      finishPiece(id, piece, job);
      return;
    }
    const end = performance.now() + SLICE_MS;
    try {
      do {
        const next = pieces.next();
        if (next.done) {
          finishPiece(id, piece, job);
          return;
        }
        piece = next.value;
      } while (performance.now() < end);
      const now = performance.now(), whole = now < rest ? "" : $py.strip_counters(piece.text.slice(0, piece.text.lastIndexOf("\n") + 1));
      if (whole.length > shown && whole.includes("[V:")) {
        shown = whole.length;
        postMessage({ kind: "music", id, music: readMusic(whole, job.titles) });
        rest = performance.now() + 4 * (performance.now() - now); // long pieces are read less often
      }
    } catch (error) {
      postMessage({ kind: "refused", id, message: error.message });
      return;
    }
    setTimeout(slice, 0);
  };
  slice();
}
function finishPiece(id, piece, job) {
  let abc = "", stopped = piece?.stopped;
  try {
    abc = piece ? finish(piece, job.titles) : "";
  } catch (error) {
    stopped = error.message;
  }
  const music = abc ? readMusic(abc, job.titles) : null;
  postMessage({ kind: "done", id, abc, music, stopped, halted: halted === running });
}
onmessage = ({ data }) => {
  if (data.kind === "load") load(data.students).catch((error) => postMessage({ kind: "failed", message: error.message }));
  else if (data.kind === "compose") compose(data.id, data.request);
  else if (data.kind === "stop") halted = running;
};
