// Looks again while something is under way, unless nobody looks at the page.
const PAUSE_MS = 10000;

const look = () => {
  if (document.hidden) {
    setTimeout(look, PAUSE_MS);
  } else {
    location.reload();
  }
};

setTimeout(look, PAUSE_MS);
