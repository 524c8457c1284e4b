"""The few lines that run in the browser. They put HTML of the server into the page and never build any."""

from __future__ import annotations

__all__ = ["COPY", "HEATMAPS", "LIST_JOBS", "PAGE_URL", "SHOW_LINK"]

PAGE_URL = "() => location.origin + location.pathname"

# Where the panel has no list there is no button.
LIST_JOBS = "() => { document.querySelector('#jobs-refresh')?.click(); }"

HEATMAPS = """
element.addEventListener('toggle', async (event) => {
  const box = event.target;
  if (!box.open || !box.classList.contains('ck-heat') || box.dataset.asked) return;
  box.dataset.asked = 'yes';
  try {
    box.lastElementChild.innerHTML = await server.heatmap(box.dataset.what);
  } catch {
    box.lastElementChild.textContent = 'The server did not answer. Close this and open it again.';
    delete box.dataset.asked;
  }
}, true);
"""
"""Needs ``heatmap`` among the component's server functions. What ``<details>`` tells of itself does not bubble."""

COPY = """
element.addEventListener('click', async (event) => {
  const button = event.target.closest('.ck-copy');
  if (!button) return;
  await navigator.clipboard.writeText(button.closest('section').querySelector('code').textContent);
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
});
"""

SHOW_LINK = """
(link) => {
  if (!link) return;
  const url = new URL(link);
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (name.startsWith('__')) url.searchParams.set(name, value);
  }
  history.replaceState(history.state, '', url);
}
"""
