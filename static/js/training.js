// A run that has not ended asks for itself again until it has; what was opened stays open.

import { fetchCard, fragment } from "./card.js";

const EVERY_MS = 3000;
const place = document.querySelector("[data-live]");
const said = document.querySelector("[data-announce]");

function isFinished() {
  return place.querySelector("[data-card]").dataset.finished === "yes";
}

function show(html) {
  const next = fragment(html);
  if (place.querySelector("details")?.open) next.querySelector("details")?.setAttribute("open", "");
  // a button under somebody's hands is not exchanged
  if (place.querySelector("form")?.contains(document.activeElement)) return;
  const before = place.querySelector("[data-card]").dataset.says;
  place.replaceChildren(...next.children);
  const now = place.querySelector("[data-card]").dataset.says;
  if (now !== before) said.textContent = now;
}

async function watch() {
  if (isFinished()) return;
  const html = document.hidden ? null : await fetchCard(place.dataset.live);
  if (html === undefined) return;
  if (html !== null) show(html);
  setTimeout(watch, EVERY_MS);
}

watch();
