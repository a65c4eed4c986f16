// What other people and processes do, shown without reloading: new rows wait behind a button, seen rows change in place.
// One tab of a browser holds the stream and tells the others; nothing here moves focus, scroll or selection.
(() => {
  "use strict";
  const body = document.body;
  if (!body.classList.contains("in") || !window.EventSource) return;

  const told = []; // pages' own listeners
  const hear = (message) => { for (const listener of told) listener(message); };
  const others = "BroadcastChannel" in window ? new BroadcastChannel("earmark-live") : null;
  if (others) others.onmessage = (event) => hear(event.data);

  let place = body.dataset.place; // of what this page shows; later of the last message
  const open = () => new Promise((ended) => {
    const source = new EventSource(`/live?since=${place}`);
    const pass = (message) => { hear(message); others?.postMessage(message); };
    source.addEventListener("happened", (event) => { place = event.lastEventId || place; pass({ kind: "happened", ...JSON.parse(event.data) }); });
    source.addEventListener("reset", () => pass({ kind: "reset" }));
    source.onopen = () => { body.dataset.live = "on"; };
    source.onerror = () => {
      body.dataset.live = "off";
      if (source.readyState === EventSource.CLOSED) { source.close(); ended(); } // refused: logged out, or full
    };
    addEventListener("pagehide", () => { source.close(); ended(); }, { once: true });
  });
  const lead = async () => {
    for (;;) {
      await open();
      await new Promise((later) => setTimeout(later, 5000 + Math.random() * 10000));
    }
  };
  if (navigator.locks) navigator.locks.request("earmark-live", lead); // the next tab takes over when this one goes
  else lead();

  // a burst of messages is one question; a second question waits for the first one's answer
  const calmly = (ask, pause) => {
    let waiting = 0, busy = false, more = false;
    const go = async () => {
      waiting = 0;
      if (busy) { more = true; return; }
      busy = true;
      try { await ask(); } catch { /* the next message asks again */ } finally { busy = false; }
      if (more) { more = false; soon(); }
    };
    const soon = () => { waiting = waiting || setTimeout(go, pause); };
    return soon;
  };

  const { _, _n, number } = window.earmark;
  const counts = (sidebar, views) => {
    for (const [name, n] of Object.entries(sidebar)) {
      const badge = document.querySelector(`[data-badge="${name}"]`);
      if (badge) { badge.textContent = n ? number.format(n) : ""; badge.hidden = !n; }
    }
    for (const [name, n] of Object.entries(views)) {
      const badge = document.querySelector(`[data-view="${name}"]`);
      if (badge) badge.textContent = number.format(n);
    }
  };

  const list = document.getElementById("inbox-list");
  const news = document.getElementById("news");
  const fresh = new Set(), touched = new Set();
  let stale = false;
  const here = () => new URLSearchParams(location.search);
  const look = async () => {
    const wanted = list ? here() : new URLSearchParams();
    const shown = new Set([...(list?.querySelectorAll("tr[data-id]") ?? [])].map((row) => row.dataset.id));
    for (const id of [...fresh].slice(-500)) if (!shown.has(String(id))) wanted.append("new", id);
    const answer = await fetch(`/inbox/news?${wanted}`, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const said = await answer.json();
    counts(said.sidebar, list ? said.views : {});
    if (list && said.new.length) {
      news.querySelector("span").textContent = _n("%(n)s new ticket", "%(n)s new tickets", said.new.length);
      news.hidden = false;
    }
    if (list && [...touched].some((id) => shown.has(String(id)))) await mend();
    touched.clear();
  };
  const soon = calmly(look, 120);

  const page = async () => new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  // cells of rows that are shown change where they stand; what has the focus is left alone
  const mend = async () => {
    const now = await page();
    for (const row of list.querySelectorAll("tr[data-id]")) {
      const next = now.querySelector(`tr[data-id="${CSS.escape(row.dataset.id)}"]`);
      if (!next) { row.classList.add("gone"); continue; }
      row.className = next.className;
      row.classList.toggle("picked", !!row.querySelector("input:checked"));
      [...row.cells].forEach((cell, at) => {
        if (cell.contains(document.activeElement) || cell.querySelector("input") || cell.innerHTML === next.cells[at].innerHTML) return;
        cell.replaceChildren(...next.cells[at].childNodes);
      });
    }
  };
  // "show": the list as it is now, in place of the list; focus, scroll and ticks stay with their tickets
  const show = async () => {
    const now = await page();
    const pressed = news.contains(document.activeElement);
    const focused = document.activeElement?.closest?.("tr[data-id]")?.dataset.id;
    const ticked = new Set([...list.querySelectorAll("input:checked")].map((box) => box.value));
    const top = list.querySelector("tr[data-id]");
    const before = top?.getBoundingClientRect().top;
    list.replaceChildren(...now.getElementById("inbox-list").childNodes);
    for (const box of list.querySelectorAll("input[name=ticket]")) box.checked = ticked.has(box.value);
    const anchor = top && list.querySelector(`tr[data-id="${CSS.escape(top.dataset.id)}"]`);
    if (anchor && window.scrollY > 0) window.scrollBy(0, anchor.getBoundingClientRect().top - before);
    if (focused) list.querySelector(`tr[data-id="${CSS.escape(focused)}"] td.c-what a`)?.focus({ preventScroll: true });
    fresh.clear();
    stale = false;
    news.hidden = true;
    if (pressed) list.querySelector("td.c-what a")?.focus({ preventScroll: true }); // the button is gone, the news begin there
    document.dispatchEvent(new CustomEvent("earmark:rows"));
    soon();
  };
  news?.querySelector("button").addEventListener("click", show);

  told.push((message) => {
    if (message.kind === "reset") {
      document.dispatchEvent(new CustomEvent("earmark:reset"));
      if (list && !stale) { stale = true; news.querySelector("span").textContent = _("Much happened meanwhile"); news.hidden = false; }
      soon();
      return;
    }
    for (const id of message.created) fresh.add(id);
    for (const id of [...message.created, ...message.changed]) touched.add(id);
    if (message.created.length || message.changed.length || message.other.length) soon();
    document.dispatchEvent(new CustomEvent("earmark:happened", { detail: message }));
  });

  // who else is at a ticket, in words on its row
  const shownRows = () => [...(list?.querySelectorAll("tr[data-id]") ?? [])];
  const people = async () => {
    const rows = shownRows().slice(0, 200);
    if (!rows.length) return;
    const answer = await fetch(`/presence?${new URLSearchParams(rows.map((row) => ["ticket", row.dataset.id]))}`, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const said = (await answer.json()).people;
    for (const row of rows) {
      const cell = row.querySelector("td.c-what"), was = cell?.querySelector(".here"), words = said[row.dataset.id];
      if (!cell || (was?.textContent ?? "") === (words ?? "")) continue;
      was?.remove();
      if (words) cell.append(Object.assign(document.createElement("span"), { className: "here", textContent: words }));
    }
  };
  if (list) {
    const ask = calmly(people, 100);
    told.push((message) => { if (message.kind === "reset" || message.present?.length) ask(); });
    new MutationObserver((changes) => { if (changes.some((change) => [...change.removedNodes].some((node) => node.className === "here" || node.nodeName === "TR" || node.querySelector?.("tr")))) ask(); })
      .observe(list, { childList: true, subtree: true });
    ask();
  }
})();
