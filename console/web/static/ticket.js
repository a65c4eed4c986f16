// The ticket page: drafts that are kept while they are written, Ctrl+Enter, and what colleagues do here meanwhile.
(() => {
  "use strict";
  const { _, _n } = window.earmark;
  // a configured model's summary takes the extractive one's place when it comes; without it, too late or without sources, that stays
  const earlier = document.querySelector("#summary[data-from]");
  const linked = (address, text) => Object.assign(document.createElement("a"), { href: address, textContent: text });
  const bySource = (source) => source.startsWith("mention:") ? `/mentions/${source.slice(8)}` : `/customers/${earlier.dataset.customer}?what=interaction`;
  const summarise = async () => {
    const answer = await fetch(earlier.dataset.from, { headers: { accept: "application/json" }, redirect: "error" });
    const said = answer.ok ? await answer.json() : { by: "extractive" };
    if (said.by === "extractive") return;
    earlier.replaceChildren(...said.lines.map((line) => {
      const item = document.createElement("li"), text = document.createElement("span");
      text.dir = "auto";
      text.textContent = line.text;
      item.append(text, ...line.sources.flatMap((source) => [" ", linked(bySource(source), _("source"))]));
      return item;
    }));
    document.getElementById("summary-by").textContent = _("written by %(model)s from the sources named", { model: said.by });
  };
  if (earlier) summarise().catch(() => {}); // the extractive one stands

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
        said.textContent = told.saved ? _("Draft kept %(time)s", { time: new Date(told.saved).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }) }) : "";
        said.dataset.state = "kept";
      } catch (error) {
        said.textContent = _("Not kept yet: %(why)s", { why: error.name === "Error" ? error.message : _("the console does not answer") });
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

  // one choice is enough: a preset of the snooze is sent when it is chosen
  for (const pick of document.querySelectorAll("select[data-key=h]")) pick.addEventListener("change", () => { if (pick.value) pick.form.requestSubmit(); });

  // a claim that ends is said once, in a place that speaks and takes no focus; the time beside it runs with all times (app.js)
  const ends = document.getElementById("claim-ends");
  const warn = () => {
    if (!ends || Date.now() < Date.parse(ends.dataset.from)) return;
    const said = Date.now() < Date.parse(ends.dataset.until)
      ? _("The time for this ticket is nearly over. Keep it, or do something with it, else it is taken from you.")
      : _("The time for this ticket is over: it goes to somebody else, unless something was done with it.");
    if (ends.textContent !== said) ends.textContent = said;
  };
  warn();

  // signs of life, while the page is in sight and somebody is at it: an open page alone keeps no session awake
  const here = document.getElementById("here");
  if (!here) return;
  const csrf = document.querySelector("input[name=csrf]").value, ticket = Number(here.dataset.ticket);
  const seat = Math.random().toString(36).slice(2, 14) || "page";
  let active = Date.now(), typed = 0, told = "", toldAt = 0;
  const state = () => (document.visibilityState === "hidden" || Date.now() - active > 300000 ? "gone" : Date.now() - typed < 20000 ? "replying" : "looking");
  const sign = (now) => {
    if (now === told && (now === "gone" || Date.now() - toldAt < 8000)) return;
    told = now;
    toldAt = Date.now();
    fetch(here.dataset.sign, { method: "POST", body: new URLSearchParams({ csrf, page: seat, state: now }), keepalive: true, redirect: "error" }).catch(() => { told = ""; });
  };
  for (const what of ["keydown", "pointerdown", "pointermove", "scroll"]) addEventListener(what, () => { active = Date.now(); }, { passive: true });
  for (const form of forms) form.addEventListener("input", () => { active = typed = Date.now(); sign("replying"); });
  for (const form of forms) form.addEventListener("submit", () => { typed = 0; });
  document.addEventListener("visibilitychange", () => sign(state()));
  addEventListener("pagehide", () => sign("gone"));
  addEventListener("pageshow", (event) => { if (event.persisted) sign(state()); });
  setInterval(() => { sign(state()); warn(); }, 2000);
  sign(state());

  // what others do on this ticket: entries wait behind a button, the words about who is here change by themselves
  const bar = document.getElementById("thread-news");
  const page = async () => new DOMParser().parseFromString(await (await fetch(location.pathname + location.search)).text(), "text/html");
  const entries = (root) => [...root.querySelectorAll("#thread [id^=entry-]")].map((one) => one.id);
  let fresh = null;
  const look = async () => {
    const now = await page();
    if (!now.getElementById("thread")) return;
    const known = new Set(entries(document)), n = entries(now).filter((id) => !known.has(id)).length;
    fresh = now;
    if (!n) return;
    bar.querySelector("span").textContent = _n("%(n)s new entry on this ticket", "%(n)s new entries on this ticket", n);
    bar.hidden = false;
  };
  // the history as it is now, in place of the one shown; what is being written stays, and from now on counts as having seen it
  const show = (now) => {
    document.getElementById("thread").replaceWith(now.getElementById("thread"));
    const stamp = now.querySelector("input[name=shown]")?.value;
    if (stamp) for (const field of document.querySelectorAll("input[name=shown]")) field.value = stamp;
    const version = now.querySelector("input[name=seen]")?.value;
    if (version) for (const field of document.querySelectorAll("input[name=seen]")) field.value = version;
    bar.hidden = true;
    leaving();
  };
  bar.querySelector("button").addEventListener("click", () => {
    if (!fresh) return;
    const known = new Set(entries(document)), first = entries(fresh).find((id) => !known.has(id));
    show(fresh);
    const entry = document.getElementById(first);
    if (entry) { entry.tabIndex = -1; entry.focus(); }
  });
  // when a held reply leaves, the button that would take it back goes
  const leaving = () => {
    for (const form of document.querySelectorAll("form[data-leaves]")) {
      setTimeout(async () => {
        const now = await page(), item = form.closest("li"), next = item && now.getElementById(item.id);
        if (next && item.isConnected) item.replaceWith(next);
      }, Math.max(0, Date.parse(form.dataset.leaves) - Date.now()) + 1500);
    }
  };
  leaving();
  let waiting = 0;
  const soon = () => { waiting = waiting || setTimeout(() => { waiting = 0; look().catch(() => {}); }, 150); };
  document.addEventListener("earmark:happened", (event) => {
    const { changed = [], present = [] } = event.detail;
    if (changed.includes(ticket)) soon();
    if (present.includes(ticket)) who();
  });
  document.addEventListener("earmark:reset", () => { soon(); who(); });
  const who = async () => {
    try {
      const answer = await fetch(`/presence?ticket=${ticket}`, { headers: { accept: "application/json" } });
      if (answer.ok) here.textContent = (await answer.json()).people[ticket] ?? "";
    } catch { /* the next sign asks again */ }
  };
})();
