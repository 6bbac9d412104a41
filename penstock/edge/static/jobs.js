// Keeps the page of a job, and times on any page, up to date. Without it the page reloads itself (see job.html).
"use strict";
(() => {
  const OVER = ["COMPLETED", "ERROR", "ABORTED", "ARCHIVED"];
  const RETRY_MS = 30000;
  const REFRESH_MS = 5000;
  const here = location.pathname.replace(/\/$/, "");
  const shown = () => document.querySelector("[data-phase]");
  let source = null;
  let refreshed = 0;
  let later = 0;
  let known = "";

  // Takes the sections named by `selector` from a fresh copy of the page, so that there is one way to draw a job.
  async function refresh(selector) {
    clearTimeout(later);
    later = 0;
    refreshed = Date.now();
    const wish = { headers: { Accept: "text/html,application/xhtml+xml" }, cache: "no-store" };
    const answer = await fetch(here, wish).catch(() => null);
    if (!answer || !answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll(selector)) {
      const fresh = page.getElementById(old.id);
      if (!fresh) continue;
      const focused = old.contains(document.activeElement);
      if (fresh.dataset.phase) old.dataset.phase = fresh.dataset.phase;
      old.replaceChildren(...fresh.childNodes);
      if (focused) old.focus();
    }
    document.title = page.title;
    dress();
  }

  function update(job) {
    const bar = document.querySelector("progress");
    const message = document.getElementById("message");
    const info = job.jobInfo || {};
    if (bar && typeof info.progress === "number") bar.value = info.progress;
    if (message) message.textContent = info.message || "";
    const rest = JSON.stringify({ ...job, jobInfo: { ...info, progress: 0, message: "" } });
    const wait = rest === known ? REFRESH_MS - (Date.now() - refreshed) : 0;
    known = rest;
    if (!later) later = setTimeout(() => refresh("[data-live=always]"), Math.max(0, wait));
  }

  function hear(event) {
    const job = JSON.parse(event.data);
    known = JSON.stringify({ ...job, jobInfo: { ...job.jobInfo, progress: 0, message: "" } });
    if (job.phase !== shown().dataset.phase) refresh("[data-live]");
    if (OVER.includes(job.phase)) close();
  }

  function gone() {
    close();
    const status = shown();
    status.dataset.phase = "";
    status.replaceChildren(Object.assign(document.createElement("p"), { textContent: "This job has been deleted." }));
    for (const part of document.querySelectorAll("[data-live=phase]")) part.remove();
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  // Browsers hold few connections to a host, so a page that nobody looks at gives its own back.
  function open() {
    if (source || document.hidden || !shown() || !shown().dataset.phase || OVER.includes(shown().dataset.phase)) return;
    source = new EventSource(`${here}/events`);
    source.addEventListener("phase", hear);
    source.addEventListener("update", (event) => update(JSON.parse(event.data)));
    source.addEventListener("deleted", gone);
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(open, RETRY_MS);
      }
    });
  }

  function span(seconds) {
    const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    const [size, unit] = units.find(([size]) => Math.abs(seconds) >= size) || [1, "s"];
    return `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
  }

  function tick() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
      let note = time.nextElementSibling;
      if (!note || note.className !== "ago") {
        note = Object.assign(document.createElement("span"), { className: "ago" });
        time.after(" ", note);
        time.title = new Date(time.dateTime).toLocaleString();
      }
      note.textContent = seconds < 0 ? `in ${span(seconds)}` : `${span(seconds)} ago`;
    }
  }

  function dress() {
    tick();
    if (!navigator.clipboard) return;
    for (const code of document.querySelectorAll("pre[data-copy]")) {
      if (code.previousElementSibling?.className === "copy") continue;
      const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
      button.setAttribute("aria-label", `Copy the ${code.dataset.copy}`);
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      });
      code.before(button);
    }
  }

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  dress();
  setInterval(tick, 1000);
  open();
})();
