// A verdict card that is not finished asks for itself again until it is.

const FIRST_MS = 100;
const SLOWEST_MS = 1000;
const PATIENCE_MS = 60_000;
const AFTER_PATIENCE_MS = 4000;
const FOLLOWED_AT_ONCE = 8; // the others wait: five hundred must not all ask

let followed = 0;
const inLine = [];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function fragment(html) {
  return new DOMParser().parseFromString(html, "text/html").body;
}

export function announce(text) {
  document.querySelector("[data-announce]").textContent = text;
}

// The card's HTML; null when the network is away, undefined when asking again makes no sense.
export async function fetchCard(url) {
  let response;
  try {
    // Asked by the page and not by a person, so it keeps no session alive.
    response = await fetch(url, { headers: { Accept: "text/html", "X-Background": "1" } });
  } catch {
    return null;
  }
  if (response.redirected || (response.status >= 400 && response.status < 500)) return undefined;
  return response.ok ? response.text() : null;
}

function turn() {
  if (followed < FOLLOWED_AT_ONCE) {
    followed += 1;
    return undefined;
  }
  return new Promise((resolve) => inLine.push(resolve));
}

function yieldTurn() {
  const next = inLine.shift();
  if (next) next();
  else followed -= 1;
}

// One that takes long lets those behind it have a look.
function passOn() {
  yieldTurn();
  return turn();
}

// Puts the card at `url` into `place` whenever it changes; resolves with the finished one.
export async function follow(url, place) {
  let delay = FIRST_MS;
  let shown = place.innerHTML;
  await turn();
  const began = performance.now();
  try {
    for (;;) {
      const html = await fetchCard(url);
      if (html === undefined) return null;
      if (html !== null && html !== shown) {
        place.replaceChildren(...fragment(html).children);
        shown = html;
      }
      const card = place.querySelector("[data-card]");
      if (card?.dataset.finished === "yes") return card;
      await pause(delay);
      const isLate = performance.now() - began > PATIENCE_MS;
      if (isLate && inLine.length) await passOn();
      delay = isLate ? AFTER_PATIENCE_MS : Math.min(2 * delay, SLOWEST_MS);
    }
  } finally {
    yieldTurn();
  }
}

// The detection's own page: once the verdict is there, the picture and the file's facts are too.
async function fillIn(page) {
  const place = page.querySelector(".detection-verdict");
  const card = await follow(place.querySelector("[data-card]").dataset.url, place);
  if (!card) return;
  announce(card.querySelector("[data-verdict]").textContent);
  const html = await fetchCard(location.href);
  if (!html) return;
  const whole = fragment(html).querySelector("[data-page]");
  page.replaceWith(whole);
  document.title = new DOMParser().parseFromString(html, "text/html").title;
  offerCopies(whole);
}

function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
    });
  }
}

const page = document.querySelector("[data-page]");
if (page) {
  offerCopies(page);
  if (page.dataset.page === "fills-in") fillIn(page);
}
