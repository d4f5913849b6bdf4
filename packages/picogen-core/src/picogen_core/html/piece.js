// One piece, patch by patch: the decode loop of `picogen generate`, for one piece alone.

function $encode_prompt(text) {
  const [cuts, tail] = $py.cut_prompt(text), stream = [...Array(PATCH - 1).fill(BOS), EOS];
  const put = (part) => { for (let i = 0; i < part.length; i++) stream.push(part.charCodeAt(i)); };
  for (const cut of cuts) {
    put(cut);
    if (cut.length % PATCH) {
      stream.push(EOS);
      while (stream.length % PATCH) stream.push(PAD);
    }
  }
  const whole = Math.floor(tail.length / PATCH) * PATCH;
  put(tail.slice(0, whole));
  const patches = [];
  for (let i = 0; i < stream.length; i += PATCH) patches.push(Uint8Array.from(stream.slice(i, i + PATCH)));
  return { patches, tail: tail.slice(whole) };
}
function patchText(row) {
  const end = row.indexOf(EOS);
  return String.fromCharCode(...row.slice(0, end < 0 ? PATCH : end).filter((code) => code > EOS));
}

class Piece {
  // job: prompt, seed, stream, sampling, max_patches, context, grammar, bars, choices
  constructor(job) {
    const begun = $encode_prompt(job.prompt);
    this.job = job;
    this.rows = begun.patches;
    this.text = this.rows.map(patchText).join("");
    this.stopped = "";
    this.complete = false;
    this.characters = 0;
    this.masked = job.sampling.mask;
    this.forced = [...begun.tail].map((c) => c.charCodeAt(0));
    if (begun.tail.endsWith("\n")) this.forced.push(EOS);
    this.inBody = job.prompt.includes(START);
    this.random = new Random([job.seed, ...job.stream]);
    this.patch = [];
    this.guide = this.guided(job);
    for (const row of this.rows) {
      const end = row.indexOf(EOS);
      this.tell(end < 0 ? row : row.slice(0, end + 1));
    }
  }
  guided({ max_patches, grammar, bars, choices }) {
    const needed = grammar || bars !== null || this.masked || choices.requested.size;
    return needed ? new $py.Constraint(max_patches, grammar || bars !== null, bars, choices) : null;
  }
  tell(codes) {
    if (this.guide) for (const code of codes) this.guide.take(code);
  }
  get over() { return this.complete || Boolean(this.stopped); }

  // How freely each code may come at this place, or the only one.
  limit() {
    if (this.forced.length) return this.forced.shift();
    if (!this.inBody && String.fromCharCode(...this.patch) === START) {
      this.forced = [...FIRST].map((c) => c.charCodeAt(0));
      return this.forced.shift();
    }
    const place = this.patch.length, allowed = new Uint8Array(CODES).fill(1);
    if (this.masked) {
      allowed[PAD] = 0;
      allowed[place ? BOS : EOS] = 0;
    }
    const limit = this.guide ? this.guide.limit(place) : null;
    if (limit === null) return allowed;
    if (typeof limit !== "object") return Number(limit);
    const both = allowed.map((one, i) => (one && limit[i] ? Math.max(one, limit[i]) : 0));
    return both.some(Boolean) ? both : allowed;
  }
  // Whether the patch, or the piece, ends with this character.
  put(code) {
    if (code < 0) {
      this.stopped = `the model's output is not finite at patch ${this.rows.length}`;
      return true;
    }
    this.patch.push(code);
    this.characters++;
    this.tell([code]);
    this.complete = this.masked ? code === BOS
      : this.patch.length === 2 && this.patch[0] === BOS && this.patch[1] === EOS;
    if (!(this.complete || code === EOS || this.patch.length === PATCH)) return false;
    const row = new Uint8Array(PATCH);
    row.set(this.complete ? [BOS, EOS] : this.patch);
    this.patch = [];
    this.rows.push(row);
    const text = patchText(row);
    this.inBody = this.inBody || text.startsWith(START);
    this.text += text;
    return true;
  }
}

// Yields after every patch the piece as it stands. Raises `BadInput`: the prompt leaves no room.
function* write(engine, job) {
  const piece = new Piece(job), { max_patches: most, context } = job;
  if (piece.rows.length >= most) {
    throw new $py.BadInput(`the prompt fills ${piece.rows.length} patches of ${most}. Ask for more.`);
  }
  const rollover = context ? new $py.Rollover(context) : null;
  const kept = rollover && piece.rows.length >= context ? rollover.keep(piece.rows) : piece.rows;
  if (!kept.length) throw new $py.BadInput(`the prompt's header fills ${piece.rows.length} patches.`);
  engine.read(kept);
  let read = kept.length;
  for (;;) {
    const uniforms = Array.from({ length: PATCH }, () => piece.random.uniform());
    let logits = engine.begin();
    for (let place = 0; place < PATCH; place++) {
      const limit = piece.limit();
      const allowed = typeof limit === "number" ? only(limit) : limit;
      const code = draw(logits, allowed, uniforms[place], job.sampling);
      if (piece.put(code)) break;
      logits = engine.step(code);
    }
    if (!piece.over && piece.rows.length >= most) piece.stopped = `it reached ${most} patches`;
    if (!piece.over) {
      if (!rollover || read < context) {
        engine.advance(piece.rows[piece.rows.length - 1]);
        read++;
      } else {
        const again = rollover.keep(piece.rows);
        if (again.length) engine.read(again);
        else piece.stopped = `it filled ${context} patches without a line of music`;
        read = again.length;
      }
    }
    yield piece;
    if (piece.over) return;
  }
}
function only(code) {
  const allowed = new Uint8Array(CODES);
  allowed[code] = 1;
  return allowed;
}

// A request as the command takes it -> what `write` takes, with the titles of the score.
function prepare(request, student) {
  const requested = $py.requested_fields(request.meter, request.key, request.tempo);
  const { bars, prompt } = request;
  const placed = $py.place_prompt(prompt, bars, requested);
  const choices = $py.requesting(student.choices, requested.items());
  const asked = { bars, max_length: request.max_length ?? null };
  const wanted = $py.wanted_length(asked, placed, student.max_patches);
  const { recurrent, max_patches: context } = student;
  return {
    titles: placed.titles, prompt: placed.text, seed: request.seed, stream: [request.number ?? 1],
    sampling: { mask: true, ...request.sampling }, max_patches: wanted,
    context: recurrent || wanted <= context ? null : context,
    grammar: Boolean(request.grammar), bars, choices,
  };
}

// The piece as a score that every program reads: counters out, titles on, repaired.
function finish(piece, titles, number = 1) {
  const raw = $py.strip_counters(piece.text);
  const whole = piece.complete || raw.endsWith("\n");
  const repaired = $py.repair(whole ? raw : raw.slice(0, raw.lastIndexOf("\n") + 1));
  const lines = [...titles], [header, body] = $py.split_body(repaired.text);
  if (!lines.some((line) => line.startsWith("X:"))) lines.unshift("X:1");
  if (!lines.some((line) => line.startsWith("T:"))) lines.splice(1, 0, `T:PiCo-Gen ${number}`);
  return `${lines.join("\n")}\n${header}${body}`;
}
