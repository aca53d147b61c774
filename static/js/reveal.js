/* Adds a button to password fields that shows what was typed. The words come from the page: data-show and data-hide. */

export function reveals() {
  for (const button of document.querySelectorAll("[data-reveals]")) {
    const input = document.getElementById(button.dataset.reveals);
    if (!input) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = input.type === "text";
      input.type = shown ? "password" : "text";
      button.setAttribute("aria-pressed", String(!shown));
      input.focus();
    });
  }
}
