// Files that wait to be sent: a few at once, and all of them rest when the desk asks for it.

export class Line {
  constructor(atOnce) {
    Object.assign(this, { atOnce, waiting: [], sending: 0, restsUntil: 0 });
  }

  add(row, { isFirst = false } = {}) {
    if (isFirst) this.waiting.unshift(row);
    else this.waiting.push(row);
    this.go();
  }

  // Whether it was still waiting.
  remove(row) {
    const place = this.waiting.indexOf(row);
    if (place >= 0) this.waiting.splice(place, 1);
    return place >= 0;
  }

  rest(ms) {
    this.restsUntil = Date.now() + ms;
    clearTimeout(this.alarm);
    this.alarm = setTimeout(() => this.go(), ms + 1);
  }

  go() {
    while (this.sending < this.atOnce && this.waiting.length && Date.now() >= this.restsUntil) {
      this.send(this.waiting.shift());
    }
  }

  async send(row) {
    this.sending += 1;
    try {
      await row.send();
    } finally {
      this.sending -= 1;
      this.go();
    }
  }
}
