// Drop, paste or choose images: each is sent by itself, and its verdict appears in its row.

import { announce, fetchCard, follow, fragment } from "./card.js";
import { ResumableUpload, Stopped } from "./resumable.js";

const AT_ONCE = 3;
const STORE = "detections";
const MOST_KEPT = 50;
const IN_PIECES_FROM_BYTES = 5_000_000;
const LARGEST_THUMBNAIL_BYTES = 20_000_000; // a browser decodes the whole file for it
const DECISIVE = new Set([401, 403, 413]); // the same answer awaits the whole file

const form = document.querySelector("[data-upload]");
const rows = document.querySelector("[data-rows]");
const blank = document.querySelector("[data-row]");
const words = document.querySelector("[data-words]").dataset;
const visit = document.querySelector("[data-visit]");
const input = form.elements.image;
const maxBytes = Number(form.dataset.maxBytes);

const waiting = [];
let sending = 0;

class Row {
  constructor(name, file) {
    this.file = file;
    this.isConfidential = form.elements.is_confidential.checked;
    this.caseId = form.elements.case?.value ?? "";
    this.element = blank.content.firstElementChild.cloneNode(true);
    for (const part of ["note", "progress", "error", "cancel", "again", "open", "place"]) {
      this[part] = this.element.querySelector(`[data-${part}]`);
    }
    this.picture = this.element.querySelector("img");
    this.call(name);
    this.cancel.addEventListener("click", () => this.stop());
    this.again.addEventListener("click", () => this.queue());
    if (file && file.size <= LARGEST_THUMBNAIL_BYTES) this.show(URL.createObjectURL(file));
  }

  call(name) {
    this.name = name;
    const shown = this.element.querySelector("[data-name]");
    shown.textContent = shown.title = name;
  }

  show(address) {
    this.picture.addEventListener("error", () => (this.picture.hidden = true), { once: true });
    this.picture.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
    this.picture.hidden = false;
    this.picture.src = address;
  }

  queue() {
    if (this.file.size === 0) return this.refuse(words.empty);
    if (this.file.size > maxBytes) return this.refuse(words.tooLarge);
    this.element.classList.remove("is-refused");
    this.error.hidden = this.again.hidden = true;
    this.progress.hidden = this.cancel.hidden = false;
    this.progress.value = 0;
    this.note.textContent = words.waiting;
    waiting.push(this);
    sendNext();
  }

  async send() {
    sending += 1;
    this.note.textContent = words.sending;
    const isLarge = this.file.size > IN_PIECES_FROM_BYTES;
    try {
      if (!isLarge || !(await this.sendInPieces())) await this.sendWhole();
    } finally {
      sending -= 1;
      sendNext();
    }
  }

  // False where the desk takes no pieces now, so that the file has to go as a whole.
  async sendInPieces() {
    this.upload ??= new ResumableUpload(this.file, {
      address: form.dataset.resumable,
      token: form.elements.csrfmiddlewaretoken.value,
      fields: {
        filename: this.name,
        ...(this.isConfidential && { is_confidential: "true" }),
        ...(this.caseId && { case: this.caseId }),
      },
      onProgress: (sent) => this.sent(sent, this.file.size),
      onPause: (isOffline) => (this.note.textContent = isOffline ? words.paused : words.sending),
    });
    try {
      this.accepted(await this.upload.finish());
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      if (error.reason === "cancelled") this.refuse(words.cancelled, true);
      else if (error.reason === "unavailable" && !DECISIVE.has(error.request.status)) return false;
      else if (error.request) this.refused(error.request);
      else this.refuse(words.offline, true);
    }
    return true;
  }

  sendWhole() {
    const request = new XMLHttpRequest();
    this.request = request;
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) this.sent(event.loaded, event.total);
    });
    request.upload.addEventListener("load", () => this.sent(1, 1));
    request.addEventListener("load", () => this.answered(request));
    request.addEventListener("error", () => this.refuse(words.offline, true));
    request.addEventListener("abort", () => this.refuse(words.cancelled, true));
    request.open("POST", form.dataset.upload);
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    request.setRequestHeader("Accept", "application/json");
    request.send(this.body());
    return new Promise((resolve) => request.addEventListener("loadend", resolve));
  }

  sent(bytes, all) {
    this.cancel.hidden = bytes >= all;
    if (bytes < all) this.progress.value = (100 * bytes) / all;
    else this.progress.removeAttribute("value"); // the bar now only says that it is alive
  }

  body() {
    const data = new FormData();
    if (this.isConfidential) data.append("is_confidential", "true");
    if (this.caseId) data.append("case", this.caseId);
    data.append("image", this.file, this.name);
    return data;
  }

  answered(request) {
    if (request.status === 200 || request.status === 202) {
      return this.accepted(JSON.parse(request.responseText).id);
    }
    this.refused(request);
  }

  accepted(id) {
    keep([id, ...kept().filter((other) => other !== id)]);
    this.wait(id);
  }

  refused(request) {
    if (request.status === 401 || request.status === 403) return this.refuse(words.signedOut);
    this.refuse(detailOf(request) ?? words.trouble, request.status >= 500);
  }

  async wait(id) {
    this.note.textContent = words.sent;
    this.open.href = `/detections/${id}`;
    this.open.hidden = false;
    this.cancel.hidden = true;
    const slow = setTimeout(() => (this.note.textContent = words.slow), 60_000);
    const card = await follow(`/detections/${id}/card`, this.place);
    clearTimeout(slow);
    this.progress.hidden = true;
    this.note.textContent = card ? "" : words.trouble;
    if (!card) return;
    tally();
    if (this.picture.hidden && card.dataset.picture) this.show(card.dataset.picture);
    announce(`${this.name}: ${card.querySelector("[data-verdict]").textContent}`);
  }

  // A detection of this tab whose file is no longer at hand; one that is gone is forgotten.
  async restore(id) {
    const html = await fetchCard(`/detections/${id}/card`);
    const card = html ? fragment(html).querySelector("[data-card]") : null;
    if (!card) {
      this.element.remove();
      return keep(kept().filter((other) => other !== id));
    }
    this.call(card.dataset.name);
    this.wait(id);
  }

  stop() {
    const place = waiting.indexOf(this);
    if (place >= 0) {
      waiting.splice(place, 1);
      this.refuse(words.cancelled, true);
    } else {
      this.upload?.cancel();
      this.request?.abort();
    }
  }

  refuse(text, mayTryAgain = false) {
    this.element.classList.add("is-refused");
    this.note.textContent = "";
    this.progress.hidden = this.cancel.hidden = true;
    this.again.hidden = !mayTryAgain;
    this.error.hidden = false;
    this.error.textContent = text;
    announce(`${this.name}: ${text}`);
  }
}

function detailOf(request) {
  try {
    const problem = JSON.parse(request.responseText);
    return problem.errors?.[0]?.detail ?? problem.detail;
  } catch {
    return undefined;
  }
}

function sendNext() {
  while (sending < AT_ONCE && waiting.length) waiting.shift().send();
}

// The tab remembers its detections by their ids, so that looking into one does not lose the others.
// Not across a sign-out: the tab outlives it, and the next person at it may be another.
function kept() {
  const { session, ids } = JSON.parse(sessionStorage.getItem(STORE) ?? "{}");
  return session === form.dataset.session ? ids : [];
}

function keep(ids) {
  const list = { session: form.dataset.session, ids: ids.slice(0, MOST_KEPT) };
  sessionStorage.setItem(STORE, JSON.stringify(list));
  visit.hidden = !ids.length;
}

function tally() {
  for (const item of visit.querySelectorAll("[data-count]")) {
    const found = rows.querySelectorAll(`.card.tone-${item.dataset.count}`).length;
    item.querySelector("b").textContent = found;
    item.hidden = !found;
  }
}

function restore() {
  const ids = kept();
  if (!ids.length) return;
  form.classList.add("is-small");
  visit.hidden = false;
  for (const id of ids) {
    const row = new Row("", null);
    rows.append(row.element);
    row.restore(id);
  }
}

function take(files, name) {
  const fresh = [...files].map((file) => new Row(name ?? file.name, file));
  form.classList.add("is-small"); // from now on the verdicts are what matters
  rows.prepend(...fresh.map((row) => row.element));
  for (const row of fresh) row.queue();
}

function takeChosen() {
  take(input.files);
  input.value = "";
}

async function filesBelow(entry) {
  if (entry.isFile) {
    const isHidden = entry.name.startsWith(".");
    return isHidden ? [] : [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const child of some) found.push(...(await filesBelow(child)));
  }
}

async function takeDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return take(transfer.files);
  for (const entry of entries) take(await filesBelow(entry));
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

function listen() {
  input.addEventListener("change", takeChosen);
  form.addEventListener("submit", (event) => event.preventDefault());
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
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    const files = [...event.clipboardData.files];
    for (const file of files) take([file], isUnnamed(file) ? words.pasted : undefined);
  });
  document.querySelector("[data-clear]").addEventListener("click", () => {
    keep([]);
    for (const place of rows.querySelectorAll("[data-finished=yes]")) place.closest(".row").remove();
    for (const row of rows.querySelectorAll(".is-refused")) row.remove();
    tally();
  });
  window.addEventListener("beforeunload", (event) => {
    if (sending || waiting.length) event.preventDefault();
  });
}

// What browsers call a picture that was copied and not a file.
function isUnnamed(file) {
  return !file.name || file.name === "image.png";
}

function start() {
  form.classList.add("is-live");
  input.required = false;
  for (const element of document.querySelectorAll("[data-with-script]")) element.hidden = false;
  for (const element of document.querySelectorAll("[data-without-script]")) element.hidden = true;
  listen();
  restore();
  if (input.files.length) takeChosen(); // chosen before this script had arrived
}

start();
