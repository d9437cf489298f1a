// Parts of a picture: a frame is dragged or moved by keys, and each part's card follows its verdict.

import { follow } from "./card.js";

const SIDES = ["left", "top", "width", "height"];
const STEP = 1; // percent, by one key press
const ANNOUNCE_AFTER_MS = 400;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

class Frame {
  constructor(section) {
    this.canvas = section.querySelector("[data-canvas]");
    this.element = section.querySelector("[data-choosing]");
    this.inputs = section.querySelector("[data-part-form]").elements;
    this.status = section.querySelector("[data-parts-status]");
    this.least = [Number(this.element.dataset.leastWidth), Number(this.element.dataset.leastHeight)];
    section.querySelector("[data-with-script]").hidden = false;
    this.element.hidden = false;
    this.canvas.classList.add("is-live");
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event));
    this.element.addEventListener("keydown", (event) => this.press(event));
    for (const side of SIDES) this.inputs[side].addEventListener("input", () => this.draw());
    this.draw();
  }

  get box() {
    return SIDES.map((side) => Number(this.inputs[side].value));
  }

  // What the form says, on the picture.
  draw() {
    const [left, top, width, height] = this.box;
    const style = this.element.style;
    style.left = `${left}%`;
    style.top = `${top}%`;
    style.width = `${width}%`;
    style.height = `${height}%`;
  }

  put([left, top, width, height]) {
    const across = clamp(width, this.least[0], 100);
    const down = clamp(height, this.least[1], 100);
    const box = [clamp(left, 0, 100 - across), clamp(top, 0, 100 - down), across, down];
    // rounded so that left and width never come to more than the picture
    SIDES.forEach((side, at) => {
      this.inputs[side].value = (Math.floor(box[at] * 100 + 1e-6) / 100).toString();
    });
    this.draw();
    this.announce();
  }

  announce() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      let text = this.element.dataset.says;
      SIDES.forEach((side, at) => {
        text = text.replace(`{${side}}`, this.box[at].toLocaleString(document.documentElement.lang));
      });
      this.status.textContent = text;
    }, ANNOUNCE_AFTER_MS);
  }

  press(event) {
    const arrow = ARROWS[event.key];
    if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const [x, y] = arrow.map((way) => way * STEP);
    const [left, top, width, height] = this.box;
    if (event.shiftKey) {
      this.put([left, top, Math.min(width + x, 100 - left), Math.min(height + y, 100 - top)]);
    } else {
      this.put([left + x, top + y, width, height]);
    }
  }

  // Where a pointer is, in percent of the picture.
  at(event) {
    const place = this.canvas.getBoundingClientRect();
    return [
      clamp((100 * (event.clientX - place.left)) / place.width, 0, 100),
      clamp((100 * (event.clientY - place.top)) / place.height, 0, 100),
    ];
  }

  grab(event) {
    const isOnFrame = this.element.contains(event.target);
    // a finger beside the frame scrolls the page
    if (event.button || (event.pointerType === "touch" && !isOnFrame)) return;
    event.preventDefault();
    this.element.focus({ preventScroll: true });
    const from = this.at(event);
    const began = this.box;
    const handle = event.target.dataset.handle;
    const move = (moved) => {
      const to = this.at(moved);
      const by = [to[0] - from[0], to[1] - from[1]];
      if (handle) this.put(pulled(began, handle, by));
      else if (isOnFrame) this.put([began[0] + by[0], began[1] + by[1], began[2], began[3]]);
      else this.put(between(from, to));
    };
    const stop = () => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", stop);
      this.canvas.removeEventListener("pointercancel", stop);
    };
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", stop);
    this.canvas.addEventListener("pointercancel", stop);
  }
}

// The box with one corner moved; the one across from it stays.
function pulled([left, top, width, height], handle, by) {
  const [west, north] = [handle.endsWith("w"), handle.startsWith("n")];
  const corner = [west ? left : left + width, north ? top : top + height];
  const across = [west ? left + width : left, north ? top + height : top];
  return between(across, [0, 1].map((axis) => clamp(corner[axis] + by[axis], 0, 100)));
}

function between(one, other) {
  const start = [0, 1].map((axis) => Math.min(one[axis], other[axis]));
  const size = [0, 1].map((axis) => Math.abs(one[axis] - other[axis]));
  return [...start, ...size];
}

async function followPart(place, status) {
  const waiting = place.querySelector("[data-card]");
  if (waiting.dataset.finished === "yes") return;
  const card = await follow(waiting.dataset.url, place);
  if (card) status.textContent = card.querySelector("[data-verdict]").textContent;
}

function setUp() {
  const section = document.querySelector("[data-parts]:not(.is-set-up)");
  if (!section) return;
  section.classList.add("is-set-up");
  if (section.querySelector("[data-choosing]")) new Frame(section);
  const status = section.querySelector("[data-parts-status]");
  for (const place of section.querySelectorAll("[data-part]")) followPart(place, status);
}

setUp();
// The page fills in once the verdict of the whole is there.
new MutationObserver(setUp).observe(document.querySelector("#content"), { childList: true });
