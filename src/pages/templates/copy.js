for (const button of document.querySelectorAll("button[data-copies]")) {
  const what = document.getElementById(button.dataset.copies);
  const said = button.nextElementSibling;
  button.hidden = false;
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(what);
    try {
      await navigator.clipboard.writeText(what.textContent.trim());
      said.textContent = button.dataset.done;
    } catch {
      said.textContent = button.dataset.marked;
    }
  });
}
