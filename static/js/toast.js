/* Messages leave by themselves after a while, unless someone is reading them; errors stay until dismissed. */

const READING_TIME = 8000;

export function toasts() {
  for (const toast of document.querySelectorAll("[data-toast]")) {
    if (toast.classList.contains("toast--bad")) continue;
    let timer = setTimeout(() => toast.remove(), READING_TIME);
    toast.addEventListener("pointerenter", () => clearTimeout(timer));
    toast.addEventListener("focusin", () => clearTimeout(timer));
    toast.addEventListener("pointerleave", () => {
      timer = setTimeout(() => toast.remove(), READING_TIME);
    });
  }
  document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest("[data-toast]")?.remove());
}
