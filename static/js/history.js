// Selecting rows without asking the server: all, none, a range with Shift, and how many there are.

const boxes = [...document.querySelectorAll('input[name="row"]')];
const shown = document.querySelector("[data-selected]");
let last = null;

function count() {
  if (shown) shown.textContent = String(boxes.filter((box) => box.checked).length);
}

function setAll(isChecked) {
  for (const box of boxes) box.checked = isChecked;
  count();
}

for (const [name, isChecked] of [["data-select-all", true], ["data-select-none", false]]) {
  document.querySelector(`[${name}]`)?.addEventListener("click", (event) => {
    event.preventDefault();
    setAll(isChecked);
  });
}

for (const box of boxes) {
  box.addEventListener("click", (event) => {
    if (event.shiftKey && last) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const one of boxes.slice(from, to + 1)) one.checked = box.checked;
    }
    last = box;
    count();
  });
}
if (boxes.length) count();
