/* <button data-opens="id"> opens that <dialog>; <button data-closes> inside closes it. */

export function dialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
      event.preventDefault();
      document.getElementById(opener.dataset.opens).showModal();
    }
    if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
  });
}
