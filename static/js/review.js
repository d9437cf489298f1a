// One item of the review desk: keys, the lease while the page is in front, and a kept draft.

import { announce } from "./card.js";

const RENEW_MS = 60_000;
const TICK_MS = 15_000;
const SHORT_S = 120;
const CODE_KEYS = /^(?:Key([A-Z])|Digit([0-9]))$/;
const OUTCOMES = { a: "authentic", m: "manipulated", c: "cannot_tell" };
const LOOKS = { b: "blur", g: "grey" };
const ACTIONS = { s: "skip", e: "escalate" };

const review = document.querySelector("[data-review]");
const form = document.querySelector("[data-decide]");

// --- how pictures are looked at

function keepLook(box) {
  const body = new FormData();
  body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
  for (const one of document.querySelectorAll("[data-look]")) {
    if (one.checked) body.set(one.name, "1");
  }
  // Only for the next page: this one looks as its boxes say.
  fetch(box.dataset.look, { method: "POST", body }).catch(() => {});
}

for (const box of document.querySelectorAll("[data-look]")) {
  box.addEventListener("change", () => keepLook(box));
}

// --- what was typed outlives a lost lease, an expired session and a reload

const SENT = "review-sent";
const storeKey = () => `review-${review.dataset.item}`;

// A browser that keeps nothing loses nothing else: the desk gives back what it refuses.
function kept(work) {
  try {
    return work(sessionStorage);
  } catch {
    return null;
  }
}

function keepDraft() {
  const { outcome, reason, note } = Object.fromEntries(new FormData(form));
  kept((store) => store.setItem(storeKey(), JSON.stringify({ outcome, reason, note })));
}

function restoreDraft() {
  const draft = kept((store) => JSON.parse(store.getItem(storeKey())));
  if (!draft || form.elements.note.value || form.querySelector("input[type=radio]:checked")) return;
  form.elements.note.value = draft.note ?? "";
  for (const name of ["outcome", "reason"]) {
    const option = form.querySelector(`[name=${name}][value="${draft[name]}"]`);
    if (option) option.checked = true;
  }
}

// When the page of another item follows, the desk took what was sent; after a page that asks to
// sign in it is the same item again, and the draft is still wanted.
function forgetSent() {
  kept((store) => {
    const sent = store.getItem(SENT);
    store.removeItem(SENT);
    if (sent && sent !== storeKey()) store.removeItem(sent);
  });
}

// --- the lease

const lease = { until: 0, isLost: false };

function showLease() {
  const text = form.querySelector("[data-lease-text]");
  const left_s = (lease.until - performance.now()) / 1000;
  if (left_s <= 0) lose(review.dataset.lost);
  if (lease.isLost) return;
  const minutes = Math.max(1, Math.floor(left_s / 60));
  const number = minutes.toLocaleString(document.documentElement.lang);
  text.textContent = review.dataset.minutes.replace("{n}", number);
  text.classList.toggle("is-short", left_s < SHORT_S);
}

function lose(sentence) {
  if (lease.isLost) return;
  lease.isLost = true;
  const text = form.querySelector("[data-lease-text]");
  text.textContent = sentence;
  text.classList.add("is-short");
  announce(sentence);
}

async function renew() {
  if (document.visibilityState !== "visible" || lease.isLost) return;
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  const headers = { Accept: "application/json", "X-Background": "1" };
  let response;
  try {
    response = await fetch(review.dataset.lease, { method: "POST", body, headers });
  } catch {
    announce(review.dataset.away);
    return;
  }
  if (response.ok && !response.redirected) {
    lease.until = performance.now() + 1000 * (await response.json()).seconds_left;
    showLease();
  } else if (response.status === 409) {
    lose((await response.json()).detail);
  } else if (response.status < 500) {
    lose(review.dataset.lost);
  }
}

// --- keys

// Letters and digits as they are written; where the keyboard writes others, by their place on it.
function keyOf(event) {
  if (/^[a-z0-9?]$/i.test(event.key)) return event.key.toLowerCase();
  const place = CODE_KEYS.exec(event.code);
  return event.key.length === 1 && place ? (place[1] ?? place[2]).toLowerCase() : event.key;
}

function isTyping(target) {
  return target.matches("textarea, select, input:not([type=radio], [type=checkbox])");
}

function press(action) {
  form.requestSubmit(form.querySelector(`button[value=${action}]`));
}

function choose(option) {
  if (!option) return;
  option.checked = true;
  option.focus();
  keepDraft();
}

function act(key) {
  if (key in OUTCOMES) choose(form.querySelector(`[name=outcome][value=${OUTCOMES[key]}]`));
  else if (/^[1-9]$/.test(key)) choose(form.querySelectorAll("[name=reason]")[Number(key) - 1]);
  else if (key in LOOKS) document.getElementById(LOOKS[key]).click();
  else if (key in ACTIONS) press(ACTIONS[key]);
  else if (key === "n") form.elements.note.focus();
  else if (key === "?") toggleKeys();
  else return false;
  return true;
}

function toggleKeys() {
  const keys = form.querySelector("[data-keys]");
  keys.open = !keys.open;
  if (keys.open) keys.querySelector("summary").focus();
}

function onKey(event) {
  const { target } = event;
  if (event.isComposing || event.altKey || event.metaKey || event.repeat) return;
  if (target.matches("textarea")) {
    if (event.key === "Escape") target.blur();
    else if (event.key === "Enter" && event.ctrlKey) press("decide");
    return;
  }
  if (event.ctrlKey || isTyping(target)) return;
  if (event.key === "Enter" && !target.closest("a, button, summary")) {
    event.preventDefault();
    press("decide");
  } else if (act(keyOf(event))) event.preventDefault();
}

if (form) {
  for (const hint of document.querySelectorAll("[data-key], [data-keys]")) hint.hidden = false;
  form.querySelector("[data-without-script]").hidden = true;
  lease.until = performance.now() + 1000 * Number(review.dataset.seconds);
  forgetSent();
  restoreDraft();
  form.addEventListener("input", keepDraft);
  form.addEventListener("submit", () => {
    keepDraft();
    kept((store) => store.setItem(SENT, storeKey()));
  });
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", renew);
  setInterval(renew, RENEW_MS);
  setInterval(showLease, TICK_MS);
  showLease();
}
