// Everything works without this file. It keeps clocks running, sends filters when they change, and answers single keys.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  // English sentences are the keys, as on the server; another language's page brings its texts in a script before this one
  const texts = window.earmarkTexts ?? {}, plurals = new Intl.PluralRules(root.lang), number = new Intl.NumberFormat(root.lang);
  const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (_whole, name) => (typeof values[name] === "number" ? number.format(values[name]) : values[name]));
  const _ = (text, values = {}) => filled(texts[text] ?? text, values);
  const _n = (one, many, n) => filled(texts[one]?.[plurals.select(n)] ?? (n === 1 ? one : many), { n });
  window.earmark = { _, _n, number };

  const span = (seconds) => {
    const s = Math.abs(seconds);
    if (s < 60) return _("%(n)s s", { n: Math.floor(s) });
    if (s < 3600) return _("%(n)s min", { n: Math.floor(s / 60) });
    if (s < 172800) {
      const hours = Math.floor(s / 3600), minutes = Math.floor((s % 3600) / 60);
      return hours < 3 && minutes ? _("%(hours)s h %(minutes)s min", { hours, minutes }) : _("%(n)s h", { n: hours });
    }
    return _("%(n)s d", { n: Math.floor(s / 86400) });
  };
  const tick = () => {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const past = (now - Date.parse(time.dateTime)) / 1000;
      time.textContent = time.dataset.ago ? span(past) : past < -1 ? _("in %(span)s", { span: span(past) }) : past < 1 ? _("now") : _("%(span)s ago", { span: span(past) });
    }
    for (const time of document.querySelectorAll("time[data-due]")) {
      const left = (Date.parse(time.dateTime) - now) / 1000;
      const said = { what: time.dataset.due, span: span(left) };
      time.textContent = left < 0 ? _("%(what)s %(span)s late", said) : _("%(what)s in %(span)s", said);
      time.className = `due ${left < 0 ? "late" : left < 1800 ? "soon" : "calm"}`;
    }
  };
  tick();
  setInterval(tick, 10000);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone; // by which the server writes times and mornings
  if (zone && !document.cookie.includes(`earmark-zone=${zone}`)) document.cookie = `earmark-zone=${zone}; path=/; max-age=31536000; samesite=lax`;

  const filters = document.getElementById("filters");
  if (filters) {
    filters.addEventListener("formdata", (event) => { // short addresses: defaults stay out
      for (const [name, value] of [...event.formData]) if (value === "" || (name === "sort" && value === "due")) event.formData.delete(name);
    });
    const said = () => new URLSearchParams(new FormData(filters)).toString();
    const before = said();
    const send = () => { if (said() !== before) filters.requestSubmit(); };
    const picks = [...filters.querySelectorAll("details.pick")];
    filters.querySelector("select")?.addEventListener("change", send);
    for (const pick of picks) {
      pick.addEventListener("toggle", () => {
        if (!pick.open) return send();
        for (const other of picks) if (other !== pick) other.open = false;
      });
    }
    document.addEventListener("click", (event) => {
      for (const pick of picks) if (pick.open && !pick.contains(event.target)) pick.open = false;
    });
    sessionStorage.setItem("inbox", location.pathname + location.search);
  }
  for (const form of document.querySelectorAll("form.props")) form.addEventListener("change", () => form.classList.add("changed"));
  const back = document.querySelector("a[data-back]");
  if (back && sessionStorage.getItem("inbox")) back.href = sessionStorage.getItem("inbox");

  // Ticks: all on the page, a range, and how many there are
  const boxes = () => [...document.querySelectorAll("input[name=ticket]")];
  const ticked = document.querySelector(".ticked");
  const countTicks = () => {
    const n = boxes().filter((box) => box.checked).length;
    if (ticked) ticked.textContent = _n("%(n)s ticked", "%(n)s ticked", n);
    const all = document.getElementById("pick-all");
    if (all) { all.checked = n > 0 && n === boxes().length; all.indeterminate = n > 0 && n < boxes().length; }
  };
  let lastTick = null;
  document.addEventListener("change", (event) => {
    if (event.target.id === "pick-all") for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.name === "ticket") lastTick = event.target;
    countTicks();
  });
  document.addEventListener("click", (event) => {
    if (!event.shiftKey || event.target.name !== "ticket" || !lastTick) return;
    range(lastTick, event.target);
  });
  const range = (from, to) => {
    const all = boxes(), [a, b] = [all.indexOf(from), all.indexOf(to)].sort((x, y) => x - y);
    if (a < 0) return;
    for (const box of all.slice(a, b + 1)) box.checked = true;
    countTicks();
  };
  document.addEventListener("earmark:rows", countTicks);
  countTicks();

  // Keys: one table, which the handler and the help both read. Never with Ctrl, Alt or Meta, never in a field.
  const rows = () => [...document.querySelectorAll("#rows td.c-what a, a[data-row]")];
  const step = (by) => {
    const links = rows();
    if (!links.length) return;
    const part = document.activeElement?.closest?.("[data-keys]"); // a whole row that has the focus, by its link
    const at = links.indexOf(part?.querySelector("a[data-row]") ?? document.activeElement);
    const next = links[at < 0 ? remembered(links) : Math.min(Math.max(at + by, 0), links.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  // back from a ticket, the first step lands on its row
  const remembered = (links) => {
    const was = sessionStorage.getItem("row");
    const at = links.findIndex((link) => link.pathname === was);
    sessionStorage.removeItem("row");
    return Math.max(at, 0);
  };
  if (location.pathname.startsWith("/tickets/")) sessionStorage.setItem("row", location.pathname);
  // after a change to rows the work goes on at the next one, which the page that answers finds here
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "bulk") return;
    const all = boxes(), last = all.findLastIndex((box) => box.checked);
    const next = all[last + 1] ?? all.slice(0, last).findLast((box) => !box.checked);
    if (last >= 0 && next) sessionStorage.setItem("next", next.closest("tr").querySelector(".c-what a").pathname);
  });
  const next = sessionStorage.getItem("next");
  sessionStorage.removeItem("next");
  if (next && document.getElementById("bulk")) (rows().find((link) => link.pathname === next) ?? rows()[0])?.focus();
  const row = () => document.activeElement?.closest?.("#rows tr");
  const pickRow = (extend) => {
    const box = row()?.querySelector("input[name=ticket]");
    if (!box) return;
    if (extend && lastTick) range(lastTick, box);
    else box.checked = !box.checked;
    lastTick = box;
    countTicks();
  };
  // a control of the row with the focus before any other of the page
  const known = (key) => document.activeElement?.closest?.("[data-keys]")?.querySelector(`[data-key="${key}"]`) ?? document.querySelector(`[data-key="${key}"]`);
  // a key that changes something acts on what is ticked, or on the row with the focus, or on the ticket that is open
  const change = (key) => {
    const box = row()?.querySelector("input[name=ticket]");
    if (box && !boxes().some((one) => one.checked)) { box.checked = true; lastTick = box; countTicks(); }
    const control = known(key);
    if (!control || control.closest(".bulk") && !boxes().some((one) => one.checked)) return;
    if (control.matches("button, a")) control.click();
    else { control.focus(); control.showPicker?.(); }
  };
  const settle = (name, value) => {
    const form = document.getElementById("bulk");
    if (!form) return false;
    const box = row()?.querySelector("input[name=ticket]");
    if (box && !boxes().some((one) => one.checked)) box.checked = true;
    if (!boxes().some((one) => one.checked)) return true;
    form.elements[name].value = value;
    form.requestSubmit();
    return true;
  };
  const field = (selector) => document.querySelector(selector)?.focus();
  const copy = () => {
    const link = row()?.querySelector(".c-what a") ?? (location.pathname.startsWith("/tickets/") ? location : null);
    if (link) navigator.clipboard?.writeText(link.href.split(/[?#]/)[0]);
  };
  const keys = {
    j: [_("next row"), () => step(1)],
    k: [_("previous row"), () => step(-1)],
    o: [_("open the row"), () => { if (known("o")) known("o").click(); else if (rows().includes(document.activeElement)) document.activeElement.click(); }],
    u: [_("back to the list"), () => back?.click()],
    x: [_("tick the row"), () => pickRow(false)],
    X: [_("tick all rows from the last tick to here"), () => pickRow(true)],
    N: [_("take the next ticket"), () => known("N")?.click()],
    "/": [_("search"), () => field("input[type=search]")],
    f: [_("filter"), () => field(".pick summary")],
    r: [_("public reply"), () => field("#reply")],
    n: [_("internal note"), () => field("#note")],
    a: [_("owner …"), () => change("a")],
    i: [_("assign to me"), () => settle("assignee", "me") || known("i")?.click()],
    s: [_("status …"), () => change("s")],
    p: [_("priority …"), () => change("p")],
    t: [_("tags …"), () => change("t")],
    e: [_("resolve"), () => settle("status", "resolved") || known("e")?.click()],
    E: [_("resolve and take the next"), () => known("E")?.click()],
    U: [_("mark unread, for yourself"), () => known("U")?.click()],
    h: [_("snooze …"), () => change("h")],
    z: [_("undo what the page offers to"), () => known("z")?.click()],
    w: [_("why: rules and values"), () => { const why = document.querySelector(".why details"); if (why) { why.open = !why.open; why.querySelector("summary").focus(); } else known("w")?.click(); }],
    ".": [_("copy the ticket's address"), copy],
    "?": [_("this list"), () => dialog.showModal()],
  };
  const dialog = document.getElementById("keys");
  if (!dialog) return;
  const off = document.getElementById("keys-off");
  const list = document.getElementById("keys-list");
  const goto = Object.fromEntries([...document.querySelectorAll("a[data-go]")].map((a) => [a.dataset.go, a]));
  const entry = (key, what) => {
    list.append(Object.assign(document.createElement("dt"), { textContent: key }), Object.assign(document.createElement("dd"), { textContent: what }));
  };
  for (const [key, [what]] of Object.entries(keys)) entry(key, known(key)?.dataset.what ?? what);
  for (const [key, link] of Object.entries(goto)) entry(`g ${key}`, _("go to %(page)s", { page: link.firstChild.textContent.trim() }));
  off.checked = localStorage.getItem("keys") === "off";
  off.addEventListener("change", () => localStorage.setItem("keys", off.checked ? "off" : "on"));
  if (location.hash.startsWith("#post-")) document.getElementById(location.hash.slice(1))?.focus(); // the next one to decide
  let going = 0;
  document.addEventListener("keydown", (event) => {
    const panel = event.key === "Escape" && !dialog.open && event.target.closest("details[open]");
    if (panel) { // what is written in it stays
      panel.open = false;
      return panel.querySelector("summary").focus();
    }
    const inField = event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]");
    if (event.key === "Escape" && inField) { // back to where the work is
      event.target.blur();
      const box = boxes().find((one) => one.checked);
      return (box?.closest("tr").querySelector(".c-what a") ?? null)?.focus();
    }
    if (inField || event.ctrlKey || event.altKey || event.metaKey || off.checked || dialog.open) return;
    if (Date.now() - going < 1500 && goto[event.key]) { going = 0; goto[event.key].click(); return; }
    if (event.key === "g") { going = Date.now(); return; }
    const wanted = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (wanted) { event.preventDefault(); wanted[1](); }
  });
})();
