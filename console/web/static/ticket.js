// The ticket page: drafts that are kept while they are written, Ctrl+Enter, and what colleagues do here meanwhile.
(() => {
  "use strict";
  const forms = [...document.querySelectorAll("form[data-draft]")].filter((form) => form.querySelector("textarea"));

  // a pause in writing saves; leaving saves what is not saved yet; a send waits for a save under way, so that none comes after it
  for (const form of forms) {
    const area = form.querySelector("textarea"), said = form.querySelector("[data-kept]");
    let saved = area.value, waiting = 0, busy = null, sent = false;
    const body = () => {
      const data = new URLSearchParams();
      for (const name of ["csrf", "shown"]) data.set(name, form.elements[name].value);
      data.set("body", area.value);
      return data;
    };
    const put = async (keepalive) => {
      const text = area.value;
      try {
        const answer = await fetch(form.dataset.draft, { method: "POST", body: body(), keepalive, headers: { accept: "application/json" }, redirect: "error" });
        const told = await answer.json();
        if (!answer.ok) throw new Error(told.detail);
        saved = text;
        said.textContent = told.saved ? `Draft kept ${new Date(told.saved).toLocaleTimeString([], { timeStyle: "short" })}` : "";
        said.dataset.state = "kept";
      } catch (error) {
        said.textContent = `Not kept yet: ${error.name === "Error" ? error.message : "the console does not answer"}`;
        said.dataset.state = "late";
        if (!keepalive) later(5000);
      }
    };
    const save = async () => {
      waiting = 0;
      if (busy) { await busy; }
      if (sent || area.value === saved) return;
      busy = put(false);
      await busy;
      busy = null;
    };
    const later = (pause) => { clearTimeout(waiting); waiting = setTimeout(save, pause); };
    area.addEventListener("input", () => { said.dataset.state = "open"; later(600); });
    const leave = () => { if (!sent && area.value !== saved) { clearTimeout(waiting); put(true); } };
    addEventListener("pagehide", leave);
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") leave(); });
    form.addEventListener("submit", (event) => {
      clearTimeout(waiting);
      if (sent || !busy) { sent = true; return; }
      event.preventDefault();
      const button = event.submitter;
      busy.finally(() => { sent = true; form.requestSubmit(button); });
    });
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      const button = form.querySelector("button:not(.keep)");
      if (button) { event.preventDefault(); form.requestSubmit(button); }
    });
  }
})();
