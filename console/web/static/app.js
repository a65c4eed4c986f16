// Everything works without this file. It keeps clocks running, sends filters when they change, and answers single keys.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  const span = (seconds) => {
    const s = Math.abs(seconds);
    if (s < 60) return `${Math.floor(s)} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 172800) {
      const hours = Math.floor(s / 3600), minutes = Math.floor((s % 3600) / 60);
      return hours < 3 && minutes ? `${hours} h ${minutes} min` : `${hours} h`;
    }
    return `${Math.floor(s / 86400)} d`;
  };
  const tick = () => {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const past = (now - Date.parse(time.dateTime)) / 1000;
      time.textContent = time.dataset.ago ? span(past) : past < -1 ? `in ${span(past)}` : past < 1 ? "now" : `${span(past)} ago`;
    }
    for (const time of document.querySelectorAll("time[data-due]")) {
      const left = (Date.parse(time.dateTime) - now) / 1000;
      time.textContent = left < 0 ? `${time.dataset.due} ${span(left)} late` : `${time.dataset.due} in ${span(left)}`;
      time.className = `due ${left < 0 ? "late" : left < 1800 ? "soon" : "calm"}`;
    }
  };
  for (const time of document.querySelectorAll("time[title]")) {
    time.title = `${new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" })} (${time.title})`;
  }
  tick();
  setInterval(tick, 10000);

  const filters = document.getElementById("filters");
  if (filters) {
    const before = new URLSearchParams(new FormData(filters)).toString();
    const send = () => { if (new URLSearchParams(new FormData(filters)).toString() !== before) filters.requestSubmit(); };
    const picks = [...filters.querySelectorAll("details.pick")];
    filters.querySelector("select").addEventListener("change", send);
    filters.addEventListener("formdata", (event) => { // short addresses: defaults stay out
      for (const [name, value] of [...event.formData]) if (value === "" || (name === "sort" && value === "due")) event.formData.delete(name);
    });
    for (const pick of picks) {
      pick.addEventListener("toggle", () => {
        if (!pick.open) return send();
        for (const other of picks) if (other !== pick) other.open = false;
      });
      pick.addEventListener("keydown", (event) => { if (event.key === "Escape") { pick.open = false; pick.querySelector("summary").focus(); } });
    }
    document.addEventListener("click", (event) => {
      for (const pick of picks) if (pick.open && !pick.contains(event.target)) pick.open = false;
    });
    sessionStorage.setItem("inbox", location.pathname + location.search);
  }
  for (const form of document.querySelectorAll("form.props")) form.addEventListener("change", () => form.classList.add("changed"));
  const back = document.querySelector("a[data-back]");
  if (back && sessionStorage.getItem("inbox")) back.href = sessionStorage.getItem("inbox");

  // Keys: one table, which the handler and the help both read. Never with Ctrl, Alt or Meta, never in a field.
  const rows = () => [...document.querySelectorAll("#rows td.c-what a")];
  const step = (by) => {
    const links = rows();
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    const next = links[Math.min(Math.max(at + by, 0), links.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  const press = (key) => document.querySelector(`[data-key="${key}"]`)?.click();
  const field = (selector) => document.querySelector(selector)?.focus();
  const keys = {
    j: ["next row", () => step(1)],
    k: ["previous row", () => step(-1)],
    o: ["open the row", () => { if (rows().includes(document.activeElement)) document.activeElement.click(); }],
    u: ["back to the list", () => back?.click()],
    "/": ["search", () => field("input[type=search]")],
    f: ["filter", () => field(".pick summary")],
    n: ["write a note", () => field("#note")],
    i: ["assign to me", () => press("i")],
    e: ["resolve", () => press("e")],
    "?": ["this list", () => dialog.showModal()],
  };
  const dialog = document.getElementById("keys");
  if (!dialog) return;
  const off = document.getElementById("keys-off");
  const list = document.getElementById("keys-list");
  const goto = Object.fromEntries([...document.querySelectorAll("a[data-go]")].map((a) => [a.dataset.go, a]));
  const entry = (key, what) => {
    list.append(Object.assign(document.createElement("dt"), { textContent: key }), Object.assign(document.createElement("dd"), { textContent: what }));
  };
  for (const [key, [what]] of Object.entries(keys)) entry(key, what);
  for (const [key, link] of Object.entries(goto)) entry(`g ${key}`, `go to ${link.firstChild.textContent.trim().toLowerCase()}`);
  off.checked = localStorage.getItem("keys") === "off";
  off.addEventListener("change", () => localStorage.setItem("keys", off.checked ? "off" : "on"));
  let going = 0;
  document.addEventListener("keydown", (event) => {
    const inField = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key === "Escape" && inField) return event.target.blur();
    if (inField || event.ctrlKey || event.altKey || event.metaKey || off.checked || dialog.open) return;
    if (Date.now() - going < 1500 && goto[event.key]) { going = 0; goto[event.key].click(); return; }
    if (event.key === "g") { going = Date.now(); return; }
    const known = keys[event.key];
    if (known) { event.preventDefault(); known[1](); }
  });
})();
