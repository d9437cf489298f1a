// Layers of evidence: switched without loading the page, laid over the picture, zoomed and moved.
// Without this script the same links and forms reload the page.

import { announce, fetchCard, fragment } from "./card.js";

const SECTION = "[data-layers]";
const STEP = 1.25;
const LARGEST = 12;
const MOVE = 0.1; // of the stage, for one arrow key
const DRAWN_MS = 1000;
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// What a switch of layers keeps: places are compared at the same zoom. Moves are in shares of a pane.
const view = { zoom: 1, right: 0, down: 0, laid: "over" };
const strength = { marks: 1, picture: 0.6 }; // marks are transparent between them, a picture is not
const pointers = new Map();

const stageOf = (section) => section.querySelector("[data-stage]");
const layerIs = (section) => (section.querySelector("[name=laid]") ? "picture" : "marks");
const clamp = (value, most) => Math.min(most, Math.max(-most, value));

function show(section) {
  const stage = stageOf(section);
  const most = (view.zoom - 1) / 2;
  view.right = clamp(view.right, most);
  view.down = clamp(view.down, most);
  for (const image of stage.querySelectorAll("img")) {
    image.style.setProperty("--zoom", String(view.zoom));
    image.style.setProperty("--right", `${100 * view.right}%`);
    image.style.setProperty("--down", `${100 * view.down}%`);
  }
  stage.style.setProperty("--opacity", String(strength[layerIs(section)]));
  stage.toggleAttribute("data-zoomed", view.zoom > 1);
  section.querySelector("[data-zoomed]:not([data-stage])").textContent =
    `${Math.round(100 * view.zoom)}\u00a0%`;
}

// Keeps the place under (x, y) where it is; in shares of a pane, from its middle.
function zoom(section, factor, x = 0, y = 0) {
  const before = view.zoom;
  view.zoom = Math.min(LARGEST, Math.max(1, before * factor));
  const grown = view.zoom / before;
  view.right = x - (x - view.right) * grown;
  view.down = y - (y - view.down) * grown;
  show(section);
}

function move(section, right, down) {
  view.right += right;
  view.down += down;
  show(section);
}

function whole(section) {
  Object.assign(view, { zoom: 1, right: 0, down: 0 });
  show(section);
}

function placeIn(target, event) {
  const pane = (target.closest(".evidence-pane") ?? target).getBoundingClientRect();
  return [
    (event.clientX - pane.left) / pane.width - 0.5,
    (event.clientY - pane.top) / pane.height - 0.5,
    pane,
  ];
}

function lay(section) {
  const stage = stageOf(section);
  const radios = section.querySelectorAll("[name=laid]");
  for (const radio of radios) radio.checked = radio.value === view.laid;
  if (radios.length) stage.dataset.laid = view.laid;
  const slider = section.querySelector("[data-opacity]");
  if (!slider) return;
  slider.value = String(100 * strength[layerIs(section)]);
  slider.closest("[data-strength]").hidden = stage.dataset.laid !== "over";
}

function prepare(section) {
  if (section.dataset.prepared) return;
  section.dataset.prepared = "yes";
  for (const part of section.querySelectorAll("[data-controls]")) part.hidden = false;
  const stage = stageOf(section);
  stage.tabIndex = 0;
  stage.setAttribute("role", "group");
  stage.setAttribute("aria-label", stage.dataset.label);
  lay(section);
  show(section);
  if (section.dataset.waiting === "yes") waitFor(section);
}

// Puts the section in `html` in place of this one; focus stays where it was.
function replace(section, html) {
  const next = fragment(html).querySelector(SECTION);
  if (!next) return null;
  const held = section.contains(document.activeElement) ? document.activeElement : null;
  const selector = held && sameAgain(held);
  section.replaceWith(next);
  prepare(next);
  if (held) (next.querySelector(selector) ?? stageOf(next)).focus({ preventScroll: true });
  announce(next.dataset.announcement);
  return next;
}

function sameAgain(element) {
  if (element.dataset.layer) return `[data-layer="${element.dataset.layer}"]`;
  if (element.dataset.zoom) return `[data-zoom="${element.dataset.zoom}"]`;
  return "[data-stage]";
}

async function choose(section, kind) {
  const query = new URLSearchParams({ layer: kind });
  const html = await fetchCard(`${section.dataset.url}?${query}`);
  if (!html || !section.isConnected || !replace(section, html)) {
    location.search = query;
    return;
  }
  history.replaceState(null, "", `?${query}#layers`);
}

async function waitFor(section) {
  const query = new URLSearchParams({ layer: section.dataset.chosen });
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, DRAWN_MS));
    if (!section.isConnected) return;
    const html = await fetchCard(`${section.dataset.url}?${query}`);
    if (html === undefined || !section.isConnected) return;
    if (html && fragment(html).querySelector(SECTION)?.dataset.waiting !== "yes") {
      replace(section, html);
      return;
    }
  }
}

async function ask(section, form) {
  const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
  const html = response.ok ? await response.text() : "";
  if (!html || !section.isConnected || !replace(section, html)) location.reload();
}

document.addEventListener("click", (event) => {
  const section = event.target.closest(SECTION);
  if (!section || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest("[data-layer]");
  const button = event.target.closest("[data-zoom]");
  if (link) {
    event.preventDefault();
    choose(section, link.dataset.layer);
  } else if (button?.dataset.zoom === "whole") whole(section);
  else if (button) zoom(section, button.dataset.zoom === "in" ? STEP : 1 / STEP);
});

document.addEventListener("submit", (event) => {
  const section = event.target.closest(SECTION);
  if (!section || !event.target.matches("[data-ask]")) return;
  event.preventDefault();
  ask(section, event.target).catch(() => event.target.submit());
});

document.addEventListener("input", (event) => {
  const section = event.target.closest(SECTION);
  if (!section) return;
  if (event.target.matches("[data-opacity]")) {
    strength[layerIs(section)] = Number(event.target.value) / 100;
  } else if (event.target.name === "laid") view.laid = event.target.value;
  else return;
  lay(section);
  show(section);
});

document.addEventListener("keydown", (event) => {
  const section = event.target.closest?.(SECTION);
  if (!section || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input")) return;
  const link = /^[1-9]$/.test(event.key)
    ? section.querySelectorAll("[data-layer]")[Number(event.key) - 1]
    : null;
  if (link) choose(section, link.dataset.layer);
  else if (event.key === "+" || event.key === "=") zoom(section, STEP);
  else if (event.key === "-") zoom(section, 1 / STEP);
  else if (event.key === "0") whole(section);
  else if (event.key in ARROWS && view.zoom > 1) {
    move(section, ARROWS[event.key][0] * MOVE, ARROWS[event.key][1] * MOVE);
  } else return;
  event.preventDefault();
});

// The wheel scrolls the page until the picture has the focus, or with Ctrl as everywhere.
document.addEventListener(
  "wheel",
  (event) => {
    const stage = event.target.closest("[data-stage]");
    if (!stage || !(event.ctrlKey || stage === document.activeElement)) return;
    event.preventDefault();
    const [x, y] = placeIn(event.target, event);
    zoom(stage.closest(SECTION), event.deltaY < 0 ? STEP : 1 / STEP, x, y);
  },
  { passive: false },
);

document.addEventListener("pointerdown", (event) => {
  const stage = event.target.closest("[data-stage]");
  if (!stage || event.button) return;
  pointers.set(event.pointerId, event);
  if (view.zoom > 1) stage.setPointerCapture(event.pointerId);
});

// One pointer moves what is zoomed, two zoom around their middle.
document.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  const stage = last?.target.closest("[data-stage]");
  if (!stage) return;
  const section = stage.closest(SECTION);
  const [, , pane] = placeIn(last.target, event);
  const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
  if (other) {
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const x = ((event.clientX + other.clientX) / 2 - pane.left) / pane.width - 0.5;
    const y = ((event.clientY + other.clientY) / 2 - pane.top) / pane.height - 0.5;
    zoom(section, apart(event) / Math.max(1, apart(last)), x, y);
  } else if (view.zoom > 1) {
    const right = (event.clientX - last.clientX) / pane.width;
    move(section, right, (event.clientY - last.clientY) / pane.height);
  }
  const moved = { pointerId: event.pointerId, target: last.target };
  pointers.set(event.pointerId, { ...moved, clientX: event.clientX, clientY: event.clientY });
});

for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, (event) => pointers.delete(event.pointerId));
}

// The section comes with the page, or later with the verdict.
const prepareAll = () => document.querySelectorAll(SECTION).forEach(prepare);
new MutationObserver(prepareAll).observe(document.body, { childList: true, subtree: true });
prepareAll();
