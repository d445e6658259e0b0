// The page: settings, files, the microphone, and texts to read and to take away.

import { Microphone } from "./microphone.js";

const NAMES = { full_context: "full context (better)", streaming: "streaming (faster)", greedy: "greedy (faster)", beam: "beam (better)" };
const AT_ONCE = 4; // files: the server searches them together
const CUE_SECONDS = 6;
const CUE_CHARACTERS = 84;
const element = (id) => document.getElementById(id);
let model = null;

const headers = () => (element("token").value ? { Authorization: `Bearer ${element("token").value}` } : {});
const say = (text) => { element("status").textContent = text; };
const complain = (text) => { element("problem").textContent = text; };

/** The answer of the server as JSON, or an error that says what it says. */
async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers() });
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) element("token-row").hidden = false;
  if (!response.ok) throw new Error(body.error?.message ?? `the server answers ${response.status}`);
  return body;
}

async function readModel() {
  [model] = (await ask("v1/models")).data;
  element("model").textContent = model.id;
  const names = new Intl.DisplayNames([navigator.language, "en"], { type: "language" });
  for (const code of model.languages) element("language").add(new Option(names.of(code), code));
  for (const decoder of model.decoders) element("decoder").add(new Option(NAMES[decoder], decoder, false, decoder === model.decoder));
  for (const search of model.searches) element("search").add(new Option(NAMES[search], search, false, search === model.search));
  element("speak").hidden = !model.decoders.includes("streaming"); // where it hears whole recordings alone
  complain("");
}

const phrases = () => element("phrases").value.split("\n").filter((line) => line.trim());

/** A place for a text, at the top. */
function addResult(name) {
  const article = element("result").content.firstElementChild.cloneNode(true);
  article.querySelector("h2").textContent = name;
  element("results").prepend(article);
  return article;
}

/** Show a text that is whole, and let it be taken away. */
function finish(article, name, { duration, segments, words }) {
  const text = segments.map((segment) => segment.text).filter(Boolean).join(" ");
  article.querySelector(".final").textContent = text || "(nothing was said)";
  article.querySelector(".partial").textContent = "";
  const kinds = {
    txt: ["text/plain", () => `${text}\n`],
    srt: ["application/x-subrip", () => subtitles(segments, words)],
    json: ["application/json", () => JSON.stringify({ text, duration, segments, words }, null, 1)],
  };
  for (const button of article.querySelectorAll("button")) {
    const [media, make] = kinds[button.dataset.kind];
    button.setAttribute("aria-label", `Download ${button.textContent} of ${name}`);
    button.onclick = () => download(`${name.replace(/\.[^.]*$/, "")}.${button.dataset.kind}`, media, make());
  }
  article.querySelector(".downloads").hidden = false;
}

function download(name, media, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: `${media};charset=utf-8` }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** SubRip of words: cues that are not too long to read, each of one segment. */
function subtitles(segments, words) {
  const cues = [];
  let segment = 0;
  for (const word of words) {
    const before = segment;
    while (word.start >= segments[segment + 1]?.start) segment++;
    const cue = segment === before ? cues.at(-1) : undefined;
    const text = cue && cue.text + (word.spaced ? " " : "") + word.word;
    if (cue && word.end - cue.start <= CUE_SECONDS && text.length <= CUE_CHARACTERS) Object.assign(cue, { text, end: word.end });
    else cues.push({ start: word.start, end: word.end, text: word.word });
  }
  return cues.map((cue, index) => `${index + 1}\n${clock(cue.start)} --> ${clock(cue.end)}\n${cue.text}\n\n`).join("");
}

function clock(seconds) {
  return new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23).replace(".", ",");
}

async function recognise(file) {
  const form = new FormData();
  form.append("file", file, file.name || "audio");
  form.append("model", model.id);
  form.append("response_format", "verbose_json");
  for (const kind of ["segment", "word"]) form.append("timestamp_granularities[]", kind);
  for (const name of ["language", "decoder", "search"]) if (element(name).value) form.append(name, element(name).value);
  for (const phrase of phrases()) form.append("phrases[]", phrase);
  return ask("v1/audio/transcriptions", { method: "POST", body: form });
}

/** Recognise files, a few at a time; one that cannot be read does not stop the next. */
async function take(files) {
  complain("");
  try {
    if (!model) await readModel();
  } catch (error) {
    complain(error.message);
    return;
  }
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) await takeOne(file);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function takeOne(file) {
  const article = addResult(file.name);
  say(`${file.name} is being recognised`);
  try {
    finish(article, file.name, await recognise(file));
    say(`${file.name} is done`);
  } catch (error) {
    article.querySelector(".partial").textContent = error.message;
    complain(`${file.name}: ${error.message}`);
  }
}

let microphone = null;

async function speak() {
  complain("");
  const button = element("speak");
  if (microphone) {
    microphone.stop();
    microphone = null;
    button.disabled = true; // until the last text is there
    return;
  }
  button.disabled = true;
  const segments = [];
  let article = null;
  let opened = null;
  try {
    if (!model) await readModel();
    const name = `Speech of ${new Date().toLocaleTimeString()}`;
    const start = { type: "start", model: model.id, phrases: phrases().map(weighted) };
    for (const field of ["language", "decoder", "search", "token"]) if (element(field).value) start[field] = element(field).value;
    opened = new Microphone(start, (message) => {
      if (message.type === "final") segments.push(message);
      if (message.type === "done") {
        const words = segments.flatMap((segment) => segment.words);
        finish(article, name, { duration: message.seconds, segments, words });
      } else {
        article.querySelector(".final").textContent = segments.map((segment) => segment.text).join(" ");
        article.querySelector(".partial").textContent = message.type === "partial" ? message.text : "";
      }
    });
    article = addResult(name);
    await opened.open();
    microphone = opened;
    button.disabled = false;
    button.textContent = "Stop";
    button.setAttribute("aria-pressed", "true");
    say("listening");
    complain(await opened.closed);
  } catch (error) {
    article?.remove();
    complain(error.message);
  }
  microphone = null;
  button.disabled = false;
  button.textContent = "Speak";
  button.setAttribute("aria-pressed", "false");
  say("");
}

/** A line of the phrases: a text, or a text, a tab and its weight. */
function weighted(line) {
  const [text, weight] = line.split("\t");
  return weight === undefined ? text : [text, Number(weight)];
}

element("files").onchange = ({ target }) => take([...target.files]).finally(() => { target.value = ""; });
element("speak").onclick = speak;
element("settings").onsubmit = (event) => event.preventDefault();
element("token").onchange = () => { if (!model) readModel().catch((error) => complain(error.message)); };
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}
readModel().catch((error) => complain(error.message));
