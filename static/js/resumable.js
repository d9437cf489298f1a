// Sends one file in pieces, by the tus protocol 1.0.0: a line that breaks costs one piece at most.

const PIECE_BYTES = 2 * 1024 * 1024; // a proxy that buffers whole requests forgets a broken one
const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 15_000]; // between tries that bring nothing
const STALL_MS = 60_000;
const PASSING = new Set([409, 423, 429]); // and whatever says that the desk is in trouble
const ENDED = new Set([404, 410]);

// Why an upload stopped. `request` is the answered one; null where the line broke.
export class Stopped extends Error {
  constructor(reason, request = null) {
    super(reason);
    this.reason = reason; // "cancelled", "broken", "unavailable" or "refused"
    this.request = request;
  }
}

export class ResumableUpload {
  // `fields` go with the submission; `onProgress` hears how many bytes the desk has, or nearly;
  // `onPause` hears whether it is the network that is waited for; `memory` outlives a reload.
  constructor(file, { address, token, fields, memory, onProgress, onPause }) {
    Object.assign(this, { file, token, fields, memory, onProgress, onPause });
    this.collection = address;
    this.address = memory.recall();
    this.detection = null;
    this.offset = -1; // not known: it is asked for
  }

  // Resolves with the id of the detection; after a rejection it may be called again and goes on.
  async finish() {
    this.isCancelled = false;
    let failures = 0;
    let most = -1;
    while (!this.detection) {
      try {
        await this.step();
        if (this.offset > most) failures = 0;
        most = Math.max(most, this.offset);
      } catch (error) {
        if (error.reason === "refused") this.memory.forget();
        if (!mayPass(error) || failures === PAUSES_MS.length) throw error;
        await this.pause(PAUSES_MS[failures]);
        failures += 1;
      }
    }
    this.memory.forget();
    return this.detection;
  }

  cancel() {
    this.isCancelled = true;
    if (this.isBeginning) this.removeOnceBegun(this.request);
    else this.request?.abort();
    this.wake?.();
    if (!this.address || this.detection) return;
    this.remove(this.address);
    this.startOver();
  }

  // The desk may have begun it already: only its answer says what there is to remove.
  removeOnceBegun(request) {
    request.addEventListener("load", () => {
      if (request.status === 201) this.remove(addressIn(request));
    });
    this.giveUp(new Stopped("cancelled"));
  }

  remove(address) {
    const headers = this.headers();
    fetch(address, { method: "DELETE", headers, keepalive: true }).catch(() => {});
  }

  startOver() {
    this.memory.forget();
    this.address = this.detection = null;
    this.offset = -1;
  }

  // One request: whatever is next.
  async step() {
    if (this.isCancelled) throw new Stopped("cancelled");
    if (!this.address) return this.begin();
    if (this.offset < 0) return this.locate();
    return this.sendPiece();
  }

  async begin() {
    const sent = this.ask("POST", this.collection, {
      "Upload-Length": this.file.size,
      "Upload-Metadata": Object.entries(this.fields).map(encoded).join(","),
    });
    this.isBeginning = true;
    const request = await sent.finally(() => (this.isBeginning = false));
    if (request.status !== 201) throw stoppedBy(request, "unavailable");
    this.address = addressIn(request);
    this.memory.keep(this.address);
    this.offset = 0;
  }

  async locate() {
    this.accept(await this.ask("HEAD", this.address, {}), 200);
  }

  async sendPiece() {
    const { offset } = this;
    this.offset = -1; // until the desk says what of this piece it has
    const piece = this.file.slice(offset, offset + PIECE_BYTES);
    const headers = { "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" };
    const request = await this.ask("PATCH", this.address, headers, piece, (sent) =>
      this.onProgress(offset + sent),
    );
    this.accept(request, 204);
  }

  accept(request, expected) {
    if (ENDED.has(request.status)) {
      this.startOver();
      throw new Stopped("broken", request);
    }
    if (request.status !== expected) throw stoppedBy(request, "refused");
    this.offset = Number(request.getResponseHeader("Upload-Offset"));
    this.detection = request.getResponseHeader("Unmask-Detection")?.split("/").pop() ?? null;
    this.onProgress(this.offset);
  }

  headers() {
    return { "Tus-Resumable": "1.0.0", "X-CSRFToken": this.token, Accept: "application/json" };
  }

  // Resolves with the answered request, whatever its status.
  ask(method, address, headers, body = null, onSent = () => {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.request = request;
      this.giveUp = reject;
      let stall;
      const wait = () => {
        clearTimeout(stall);
        stall = setTimeout(() => request.abort(), STALL_MS);
      };
      request.upload.addEventListener("progress", (event) => {
        wait();
        onSent(event.loaded);
      });
      request.addEventListener("load", () => resolve(request));
      request.addEventListener("error", () => reject(new Stopped("broken")));
      request.addEventListener("abort", () =>
        reject(new Stopped(this.isCancelled ? "cancelled" : "broken")),
      );
      request.addEventListener("loadend", () => clearTimeout(stall));
      request.open(method, address);
      for (const [name, value] of Object.entries({ ...this.headers(), ...headers })) {
        request.setRequestHeader(name, value);
      }
      wait();
      request.send(body);
    });
  }

  // Waits so long, or for as long as there is no network at all.
  async pause(ms) {
    const isOffline = !navigator.onLine;
    this.onPause(isOffline);
    await new Promise((resolve) => {
      this.wake = resolve;
      if (isOffline) addEventListener("online", resolve, { once: true });
      else setTimeout(resolve, ms);
    });
    this.onPause(false);
  }
}

function stoppedBy(request, reason) {
  const isPassing = request.status >= 500 || (PASSING.has(request.status) && reason === "refused");
  return new Stopped(isPassing ? "broken" : reason, request);
}

function addressIn(request) {
  return new URL(request.getResponseHeader("Location"), location.href).pathname;
}

function mayPass(error) {
  return error instanceof Stopped && error.reason === "broken";
}

function encoded([key, value]) {
  const bytes = new TextEncoder().encode(value);
  return `${key} ${btoa(String.fromCharCode(...bytes))}`;
}
