// One file of this visit: sent by itself, answered in its own row.

import { announce, fetchCard, follow, fragment } from "./card.js";
import { ResumableUpload, Stopped } from "./resumable.js";

const IN_PIECES_FROM_BYTES = 5_000_000;
const LARGEST_THUMBNAIL_BYTES = 20_000_000; // a browser decodes the whole file for it
const SLOW_MS = 60_000;
const MANY = 20; // rows that wait for each other are not slow
const DECISIVE = new Set([401, 403, 413]); // the same answer awaits the whole file
const TOO_MANY = 429;
const WAIT_S = 5;

export class Row {
  // `desk` is the page: its words, its line of files, what it wants to hear.
  constructor(desk, name, file, fields) {
    Object.assign(this, { desk, file, fields, state: "new", tone: "", isUnsent: false });
    this.element = desk.blank.content.firstElementChild.cloneNode(true);
    for (const part of ["note", "progress", "error", "cancel", "again", "open", "place"]) {
      this[part] = this.element.querySelector(`[data-${part}]`);
    }
    this.picture = this.element.querySelector("img");
    this.call(name);
    this.cancel.addEventListener("click", () => this.stop());
    this.again.addEventListener("click", () => this.queue());
    if (file && file.size <= LARGEST_THUMBNAIL_BYTES) this.show(URL.createObjectURL(file));
  }

  get mayTryAgain() {
    return !this.again.hidden;
  }

  call(name) {
    this.name = name;
    const shown = this.element.querySelector("[data-name]");
    shown.textContent = shown.title = name;
    this.cancel.setAttribute("aria-label", `${this.cancel.textContent}: ${name}`);
    this.again.setAttribute("aria-label", `${this.again.textContent}: ${name}`);
  }

  show(address) {
    this.picture.addEventListener("error", () => (this.picture.hidden = true), { once: true });
    this.picture.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
    this.picture.hidden = false;
    this.picture.src = address;
  }

  turn(state, note = "") {
    this.state = state;
    this.note.textContent = note;
    this.desk.changed();
  }

  queue() {
    const { words, maxBytes, line } = this.desk;
    if (this.file.size === 0) return this.refuse(words.empty);
    if (this.file.size > maxBytes) return this.refuse(words.tooLarge);
    const hadFocus = document.activeElement === this.again;
    this.element.classList.remove("is-refused");
    this.error.hidden = this.again.hidden = true;
    this.progress.hidden = this.cancel.hidden = false;
    this.progress.value = 0;
    this.tone = "";
    this.isUnsent = true;
    if (hadFocus) this.cancel.focus();
    this.turn("waiting", words.waiting);
    line.add(this);
  }

  async send() {
    this.turn("sending", this.desk.words.sending);
    const isLarge = this.file.size > IN_PIECES_FROM_BYTES;
    if (!isLarge || !(await this.sendInPieces())) await this.sendWhole();
  }

  // False where the desk takes no pieces now, so that the file has to go as a whole.
  async sendInPieces() {
    const { words } = this.desk;
    const fields = { filename: this.name, ...this.fields };
    this.upload ??= new ResumableUpload(this.file, {
      address: this.desk.resumable,
      token: this.desk.token,
      fields,
      memory: this.desk.unfinished.of(this.file, fields),
      onProgress: (sent) => this.sent(sent, this.file.size),
      onPause: (isOffline) => (this.note.textContent = isOffline ? words.paused : words.sending),
    });
    try {
      this.accepted(await this.upload.finish());
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      if (error.reason === "cancelled") this.cancelled();
      else if (error.reason === "unavailable" && !DECISIVE.has(error.request.status)) return false;
      else if (error.request) this.refused(error.request);
      else this.broken(words.offline);
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
    request.addEventListener("error", () => this.broken(this.desk.words.offline));
    request.addEventListener("abort", () => this.cancelled());
    request.open("POST", this.desk.whole);
    request.setRequestHeader("X-CSRFToken", this.desk.token);
    request.setRequestHeader("Accept", "application/json");
    request.send(this.body());
    return new Promise((resolve) => request.addEventListener("loadend", resolve));
  }

  sent(bytes, all) {
    this.isUnsent = bytes < all;
    this.cancel.hidden = !this.isUnsent;
    if (this.isUnsent) this.progress.value = (100 * bytes) / all;
    else this.progress.removeAttribute("value"); // the bar now only says that it is alive
  }

  body() {
    const data = new FormData();
    for (const [field, value] of Object.entries(this.fields)) data.append(field, value);
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
    this.isUnsent = false;
    this.desk.accepted(id);
    this.wait(id);
  }

  refused(request) {
    const { words } = this.desk;
    if (request.status === TOO_MANY) return this.waitItsTurn(request);
    if (request.status === 401 || request.status === 403) return this.refuse(words.signedOut);
    if (request.status >= 500) return this.broken(detailOf(request) ?? words.trouble);
    this.refuse(detailOf(request) ?? words.trouble);
  }

  // The desk was asked too often: the whole line waits, and this file goes first.
  waitItsTurn(request) {
    const { line, words } = this.desk;
    const wait_s = Number(request.getResponseHeader("Retry-After")) || WAIT_S;
    this.isUnsent = true;
    this.cancel.hidden = false;
    this.progress.value = 0;
    this.turn("waiting", words.patience);
    line.rest(1000 * wait_s);
    line.add(this, { isFirst: true });
  }

  async wait(id) {
    const { words } = this.desk;
    this.turn("sent", words.sent);
    this.open.href = `/detections/${id}`;
    this.open.hidden = false;
    this.cancel.hidden = true;
    const isAlone = this.desk.size <= MANY;
    const slow = isAlone && setTimeout(() => (this.note.textContent = words.slow), SLOW_MS);
    const card = await follow(`/detections/${id}/card`, this.place);
    clearTimeout(slow);
    this.progress.hidden = true;
    if (!card) return this.turn("lost", words.trouble);
    this.tone = card.dataset.tone;
    this.turn("judged");
    if (this.picture.hidden && card.dataset.picture) this.show(card.dataset.picture);
    this.say(card.querySelector("[data-verdict]").textContent);
  }

  // A detection of this tab whose file is no longer at hand; one that is gone is forgotten.
  async restore(id) {
    const html = await fetchCard(`/detections/${id}/card`);
    const card = html ? fragment(html).querySelector("[data-card]") : null;
    if (!card) return this.desk.forget(this, id);
    this.call(card.dataset.name);
    this.wait(id);
  }

  stop() {
    if (this.desk.line.remove(this)) return this.cancelled();
    this.upload?.cancel();
    this.request?.abort();
  }

  cancelled() {
    this.end("cancelled", this.desk.words.cancelled, true);
  }

  broken(text) {
    this.end("broken", text, true);
  }

  refuse(text) {
    this.end("refused", text, false);
  }

  end(state, text, mayTryAgain) {
    const hadFocus = [this.cancel, this.again].includes(document.activeElement);
    this.isUnsent = false;
    this.element.classList.add("is-refused");
    this.progress.hidden = this.cancel.hidden = true;
    this.again.hidden = !mayTryAgain;
    this.error.hidden = false;
    this.error.textContent = text;
    this.tone = "refused";
    this.turn(state);
    if (hadFocus && mayTryAgain) this.again.focus();
    this.say(text);
  }

  // Of many files, each by itself would be noise: there the totals are said.
  say(text) {
    if (this.desk.size <= this.desk.saidOneByOne) announce(`${this.name}: ${text}`);
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
