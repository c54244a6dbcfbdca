"use strict";

// Airflow keeps its theme under this name; the page is of the same origin.
function applyTheme() {
  const chosen = localStorage.getItem("theme");
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

// Airflow shows the page in a sandboxed frame, which may not navigate the window around it. A link of the window may.
function openInAirflow(event) {
  const link = event.target.closest("a[data-airflow]");
  if (!link || window.parent === window) return;
  event.preventDefault();
  const outer = window.parent.document.createElement("a");
  outer.href = link.href;
  window.parent.document.body.append(outer);
  outer.click();
  outer.remove();
}

// Replaces the content in place, unless the reader is typing or has opened a list.
async function refresh() {
  const main = document.getElementById("content");
  const reading = main.querySelector("details[open]");
  const busy = reading || main.contains(document.activeElement) && document.activeElement.matches("input, select, button");
  if (!document.hidden && !busy) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("content");
      if (fresh && fresh.innerHTML !== main.innerHTML) {
        main.innerHTML = fresh.innerHTML;
        main.dataset.refresh = fresh.dataset.refresh || main.dataset.refresh;
      }
    } catch {
      // The API server restarts; the next refresh tries again.
    }
  }
  plan();
}

function plan() {
  const seconds = Number(document.getElementById("content").dataset.refresh);
  if (seconds) setTimeout(refresh, seconds * 1000);
}

applyTheme();
addEventListener("storage", applyTheme);
addEventListener("click", openInAirflow);
plan();
