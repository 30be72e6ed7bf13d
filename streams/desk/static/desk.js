// Keyboard, the viewer's own time zone, and the list of the inbox. Every page works without it.
(() => {
  "use strict";
  const help = document.getElementById("help");
  const opener = document.querySelector("[data-help]");
  const keysOn = document.querySelector("[data-keys-on]");
  const stored = (() => { try { return localStorage.getItem("takin-keys"); } catch { return null; } })();
  if (keysOn) {
    keysOn.checked = stored !== "off";
    keysOn.addEventListener("change", () => {
      try { localStorage.setItem("takin-keys", keysOn.checked ? "on" : "off"); } catch { /* not kept */ }
    });
  }
  if (opener && help) {
    opener.hidden = false;
    opener.addEventListener("click", () => help.showModal());
  }

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local";
  const local = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const showZone = (root) => {
    if (zone === "UTC" || zone === "Etc/UTC") return;
    for (const time of root.querySelectorAll("time[datetime]:not([data-done])")) {
      time.dataset.done = "1";
      const beside = document.createElement("span");
      beside.className = "zone";
      beside.textContent = ` (${local.format(new Date(time.dateTime))} yours)`;
      time.append(beside);
    }
  };
  const told = document.querySelector("[data-zone]");
  if (told) told.textContent = zone === "UTC" ? "your zone is UTC too" : `“yours” is ${zone}`;
  showZone(document);
  const live = document.getElementById("live");
  document.addEventListener("htmx:after:swap", () => {
    showZone(document);
    // What a part of the page says anew is read out; the part itself may be long.
    const say = document.querySelector("[data-say]");
    if (live && say && live.textContent !== say.textContent) live.textContent = say.textContent;
  });

  const list = document.querySelector("[data-list]");
  const lines = list ? [...list.querySelectorAll("[data-line]")] : [];
  let here = -1;
  const box = (line) => line.querySelector("input[type=checkbox]");
  const go = (to) => {
    if (!lines.length) return;
    if (here >= 0) lines[here].classList.remove("here");
    here = Math.max(0, Math.min(lines.length - 1, to));
    lines[here].classList.add("here");
    lines[here].focus();
    lines[here].scrollIntoView({ block: "nearest" });
  };
  const count = () => {
    const chosen = list && list.querySelector("[data-chosen]");
    if (chosen) chosen.textContent = String(lines.filter((line) => box(line).checked).length);
  };
  if (list) {
    list.addEventListener("change", count);
    list.addEventListener("focusin", (event) => {
      const line = event.target.closest("[data-line]");
      if (line) here = lines.indexOf(line);
    });
    count();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    const typing = at.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");
    if (event.key === "Escape" && typing) { at.blur(); return; }
    if (typing || (help && help.open)) return;
    if (event.key === "?" && help) { event.preventDefault(); help.showModal(); return; }
    if (keysOn && !keysOn.checked) return;
    if (lines.length) {
      if (event.key === "j") { event.preventDefault(); go(here + 1); return; }
      if (event.key === "k") { event.preventDefault(); go(here < 0 ? 0 : here - 1); return; }
      if (event.key === "x" && here >= 0) { event.preventDefault(); box(lines[here]).click(); return; }
      if (event.key === "Enter" && here >= 0 && at === lines[here]) {
        event.preventDefault(); lines[here].querySelector("[data-open]").click(); return;
      }
      // With nothing chosen, a key answers the notice one stands on, and only that.
      if (/^[126]$/.test(event.key) && here >= 0 && !lines.some((line) => box(line).checked)) {
        box(lines[here]).checked = true;
        count();
      }
      if (/^[126]$/.test(event.key) && !lines.some((line) => box(line).checked)) return;
    }
    const control = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!control || control.disabled) return;
    event.preventDefault();
    if (control.tagName === "SUMMARY") {
      control.parentElement.open = true;
      const field = control.parentElement.querySelector("select, textarea, input:not([type=hidden])");
      (field || control).focus();
    } else if (control.tagName === "INPUT") {
      control.focus();
    } else {
      control.click();
    }
  });

  // A form that was sent is not sent twice.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    if (event.target.method === "post") event.target.dataset.sent = "1";
  });
  document.documentElement.dataset.keys = "ready";
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });
})();
