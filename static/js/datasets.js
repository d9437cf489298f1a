// An import that goes on: its part of the page is asked for again until it has ended.

const EVERY_MS = 3000;

async function refresh(part) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return part;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(part.id);
  // what somebody is about to press stays under their finger
  if (!fresh || part.contains(document.activeElement)) return part;
  part.replaceWith(fresh);
  return fresh;
}

async function follow(part) {
  while (part.dataset.unfinished) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    if (document.hidden) continue;
    try {
      part = await refresh(part);
      // the rest of the page shows what the import found
      if (!part.dataset.unfinished && !document.activeElement?.form) location.reload();
    } catch {
      // the line broke: the next round tries again
    }
  }
}

for (const part of document.querySelectorAll("[data-unfinished]")) follow(part);
