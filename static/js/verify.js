// Drop, paste, photograph or choose images: each is sent by itself, its verdict is in its row.

import { announce } from "./card.js";
import { dropped, imagesOf, named } from "./intake.js";
import { Line } from "./line.js";
import { Row } from "./row.js";
import { Unfinished } from "./unfinished.js";

const AT_ONCE = 3;
const STORE = "detections";
const MOST_KEPT = 500;
const SAID_ONE_BY_ONE = 5;
const BETWEEN_TOTALS_MS = 10_000;
const NOT_A_FIELD = new Set(["csrfmiddlewaretoken", "image"]);
const ENDED = new Set(["judged", "lost", "refused", "broken", "cancelled"]);

const form = document.querySelector("[data-upload]");
const rows = document.querySelector("[data-rows]");
const visit = document.querySelector("[data-visit]");
const total = visit.querySelector("[data-total]");
const bar = visit.querySelector("[data-total-bar]");
const words = document.querySelector("[data-words]").dataset;
const input = form.elements.image;

const all = new Set();
let leftOut = 0;
let only = "";
let isTold = true; // that the totals on the screen were said
let isDrawing = false;

const desk = {
  words,
  blank: document.querySelector("[data-row]"),
  whole: form.dataset.upload,
  resumable: form.dataset.resumable,
  maxBytes: Number(form.dataset.maxBytes),
  token: form.elements.csrfmiddlewaretoken.value,
  line: new Line(AT_ONCE),
  unfinished: new Unfinished(form.dataset.session),
  saidOneByOne: SAID_ONE_BY_ONE,
  get size() {
    return all.size;
  },
  accepted(id) {
    keep([id, ...kept().filter((other) => other !== id)]);
  },
  forget(row, id) {
    keep(kept().filter((other) => other !== id));
    drop(row);
  },
  changed() {
    isTold = false;
    if (isDrawing) return;
    isDrawing = true;
    requestAnimationFrame(drawTotals);
  },
};

// The tab remembers its detections by their ids, so that looking into one does not lose the others.
// Not across a sign-out: the tab outlives it, and the next person at it may be another.
function kept() {
  const { session, ids } = JSON.parse(sessionStorage.getItem(STORE) ?? "{}");
  return session === form.dataset.session ? ids : [];
}

function keep(ids) {
  const list = { session: form.dataset.session, ids: ids.slice(0, MOST_KEPT) };
  sessionStorage.setItem(STORE, JSON.stringify(list));
}

// --- totals

function drawTotals() {
  isDrawing = false;
  const counts = { all: all.size, judged: 0, refused: 0, broken: 0, cancelled: 0, left: leftOut };
  const tones = {};
  for (const row of all) {
    const outcome = row.tone === "failed" ? "failed" : row.state;
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    tones[row.tone] = (tones[row.tone] ?? 0) + 1;
    row.element.hidden = Boolean(only) && row.tone !== only;
  }
  visit.hidden = !all.size && !leftOut;
  total.textContent = sentence(counts);
  const ended = [...all].filter((row) => ENDED.has(row.state)).length;
  bar.max = Math.max(all.size, 1);
  bar.value = ended;
  bar.hidden = ended === all.size;
  for (const item of visit.querySelectorAll("[data-count]")) {
    item.querySelector("b").textContent = tones[item.dataset.count] ?? 0;
    item.hidden = !tones[item.dataset.count];
    if (item.hidden && item.dataset.count === only) show("");
  }
  visit.querySelector("[data-cancel-all]").hidden = ![...all].some((row) => row.isUnsent);
  visit.querySelector("[data-again-all]").hidden = !counts.broken;
  if (ended === all.size) sayTotals();
}

function sentence(counts) {
  const parts = [words.totalJudged];
  if (counts.failed) parts.push(words.totalFailed);
  if (counts.refused) parts.push(words.totalRefused);
  if (counts.broken) parts.push(words.totalBroken);
  if (counts.cancelled) parts.push(words.totalCancelled);
  if (counts.left) parts.push(words.totalLeft);
  return parts.join(words.totalBetween).replace(/\{(\w+)\}/g, (_, name) => counts[name]);
}

function sayTotals() {
  if (isTold || all.size <= SAID_ONE_BY_ONE) return;
  isTold = true;
  announce(total.textContent);
}

// Shows the rows of one outcome alone, or all of them again.
function show(tone) {
  only = tone;
  for (const item of visit.querySelectorAll("[data-count]")) {
    const isShown = item.dataset.count === only;
    item.querySelector("button").setAttribute("aria-pressed", isShown ? "true" : "false");
  }
  desk.changed();
}

// --- files

// What the form says beside the image, the same for each file.
function fields() {
  const said = [...new FormData(form)].filter(([name, value]) => !NOT_A_FIELD.has(name) && value);
  return Object.fromEntries(said);
}

function take(found, others = 0) {
  const beside = fields();
  const fresh = found.map(({ file, name }) => new Row(desk, name, file, beside));
  leftOut += others;
  form.classList.add("is-small"); // from now on the verdicts are what matters
  for (const row of fresh) all.add(row);
  rows.prepend(...fresh.map((row) => row.element));
  for (const row of fresh) row.queue();
  desk.changed();
}

function takeChosen(chosen, accept) {
  if (accept) {
    const { found, others } = imagesOf(named(chosen.files), accept);
    take(found, others);
  } else {
    take(named(chosen.files));
  }
  chosen.value = "";
}

async function takeDropped(transfer) {
  const isFolder = [...transfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
  const { found, others } = await dropped(transfer);
  if (!isFolder) return take(found);
  const images = imagesOf(found, input.accept);
  take(images.found, images.others + others);
}

function restore() {
  const ids = kept();
  if (ids.length) form.classList.add("is-small");
  for (const id of ids) {
    const row = new Row(desk, "", null, {});
    row.state = "sent";
    all.add(row);
    rows.append(row.element);
    row.restore(id);
  }
  desk.changed();
  const { count } = desk.unfinished;
  if (!count) return;
  const notice = document.querySelector("[data-unfinished]");
  notice.hidden = false;
  notice.textContent = words.interrupted.replace("{n}", count);
}

function drop(row) {
  all.delete(row);
  row.element.remove();
  desk.changed();
}

function clear() {
  keep([]);
  leftOut = 0;
  for (const row of all) if (ENDED.has(row.state)) drop(row);
  form.elements.image.focus();
  desk.changed();
}

// --- what a person does

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

function listen() {
  const folder = form.querySelector("[data-folder]");
  const camera = form.querySelector("[data-camera]");
  folder.closest("label").hidden = !("webkitdirectory" in folder);
  input.addEventListener("change", () => takeChosen(input));
  folder.addEventListener("change", () => takeChosen(folder, input.accept));
  camera.addEventListener("change", () => takeChosen(camera));
  form.addEventListener("submit", (event) => event.preventDefault());
  listenToDrops();
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    take([...event.clipboardData.files].map((file) => ({ file, name: nameOf(file) })));
  });
  visit.querySelector("[data-clear]").addEventListener("click", clear);
  visit.querySelector("[data-cancel-all]").addEventListener("click", () => {
    for (const row of all) if (row.isUnsent) row.stop();
  });
  visit.querySelector("[data-again-all]").addEventListener("click", () => {
    for (const row of all) if (row.state === "broken") row.queue();
  });
  for (const item of visit.querySelectorAll("[data-count]")) {
    const { count } = item.dataset;
    item.querySelector("button").addEventListener("click", () => show(only === count ? "" : count));
  }
  window.addEventListener("beforeunload", (event) => {
    if ([...all].some((row) => row.isUnsent)) event.preventDefault();
  });
  setInterval(sayTotals, BETWEEN_TOTALS_MS);
}

function listenToDrops() {
  window.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    form.classList.add("is-over");
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("is-over");
  });
  window.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    form.classList.remove("is-over");
    takeDropped(event.dataTransfer);
  });
}

// What browsers call a picture that was copied and not a file is no name.
function nameOf(file) {
  return file.name && file.name !== "image.png" ? file.name : words.pasted;
}

function start() {
  form.classList.add("is-live");
  input.required = false;
  for (const element of document.querySelectorAll("[data-with-script]")) element.hidden = false;
  for (const element of document.querySelectorAll("[data-without-script]")) element.hidden = true;
  listen();
  restore();
  if (input.files.length) takeChosen(input); // chosen before this script had arrived
}

start();
