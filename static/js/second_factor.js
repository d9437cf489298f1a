// Security keys: what needs a script is shown, and a key that fails is answered on the page.

for (const element of document.querySelectorAll("[data-needs-script]")) {
  element.hidden = !window.PublicKeyCredential;
}

const failed = document.querySelector("[data-key-failed]");
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  failed.hidden = true; // so that a second failure is announced too
  requestAnimationFrame(() => {
    failed.hidden = false;
  });
});
