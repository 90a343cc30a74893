"use strict";
// The page of `spacy_elmo.visual`, style `explorer`. Texts are only ever set as text, never as
// markup. An occurrence is a number; those of one word follow each other.
(() => {
  const byId = (id) => document.getElementById(id);
  const values = JSON.parse(byId("values").textContent);
  const width = values.width;
  const bytes = atob(byId("vectors").textContent);
  const vectors = new Int8Array(bytes.length);
  for (let k = 0; k < bytes.length; k++) vectors[k] = bytes.charCodeAt(k);
  const total = values.word.length;

  const words = [];
  const wordOf = new Int32Array(total);
  let next = 0;
  for (const [text, size, groups] of values.words) {
    wordOf.fill(words.length, next, next + size);
    words.push({ text, key: text.toLowerCase(), first: next, size, groups });
    next += size;
  }
  const norms = new Float64Array(total);
  for (let k = 0; k < total; k++) norms[k] = Math.sqrt(dot(k, k));

  const SHOWN = 12; // lines of a group before "more"
  const NEAREST = 15;
  let current = -1;
  let chosen = -1;

  function dot(a, b) {
    let sum = 0;
    const i = a * width;
    const j = b * width;
    for (let k = 0; k < width; k++) sum += vectors[i + k] * vectors[j + k];
    return sum;
  }

  function cosine(a, b) {
    const length = norms[a] * norms[b];
    return length ? dot(a, b) / length : 0;
  }

  function nearest(occurrence, othersOnly) {
    const found = [];
    for (let k = 0; k < total; k++) {
      if (k === occurrence || (othersOnly && wordOf[k] === wordOf[occurrence])) continue;
      const value = cosine(occurrence, k);
      if (found.length === NEAREST && value <= found[NEAREST - 1][0]) continue;
      let at = found.length;
      while (at > 0 && found[at - 1][0] < value) at--;
      found.splice(at, 0, [value, k]);
      if (found.length > NEAREST) found.pop();
    }
    return found;
  }

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const key in attributes) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), attributes[key]);
      else made.setAttribute(key, attributes[key]);
    }
    made.append(...children);
    return made;
  }

  // The shapes and colours of kinds are those of the other styles.
  const SHAPES = [
    (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
    (x, y, r) => `M${x - 0.9 * r} ${y - 0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}z`,
    (x, y, r) => `M${x} ${y - 1.15 * r}l${1.15 * r} ${2 * r}h${-2.3 * r}z`,
    (x, y, r) => `M${x} ${y - 1.3 * r}l${1.3 * r} ${1.3 * r}l${-1.3 * r} ${1.3 * r}l${-1.3 * r} ${-1.3 * r}z`,
    (x, y, r) =>
      `M${x - r} ${y - 0.4 * r}h${0.6 * r}v${-0.6 * r}h${0.8 * r}v${0.6 * r}h${0.6 * r}v${0.8 * r}` +
      `h${-0.6 * r}v${0.6 * r}h${-0.8 * r}v${-0.6 * r}h${-0.6 * r}z`,
  ];

  function shape(kind, x, y, r) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", SHAPES[(kind + Math.floor(kind / 35)) % 5](x, y, r));
    const colour = `var(--k${kind % 7})`;
    path.setAttribute("fill", colour);
    path.setAttribute("stroke", colour);
    return path;
  }

  function sample(kind) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 20 20");
    svg.setAttribute("aria-hidden", "true");
    svg.append(shape(kind, 10, 10.5, 7));
    return svg;
  }

  const textOf = (k) => values.before[k] + values.word[k] + values.after[k];
  const RTL = /^[^A-Za-z\u00C0-\u058F\u0900-\uFAFF]*[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC]/;
  const directionOf = (k) => (RTL.test(textOf(k)) ? "rtl" : "ltr");

  function inContext(target, k, reach) {
    const before = values.before[k];
    const after = values.after[k];
    target.dir = directionOf(k);
    target.replaceChildren(
      before.length > reach ? "…" + before.slice(-reach).replace(/^\S{0,15}\s/, "") : before,
      element("b", {}, values.word[k]),
      after.length > reach ? after.slice(0, reach).replace(/\s\S{0,15}$/, "") + "…" : after
    );
  }

  function groupName(word, group) {
    if (word.groups.length < 2 && !word.groups[0]) return "one group";
    return word.groups[group] || "(no words of its own)";
  }

  function show(number, keep) {
    const word = words[number];
    current = number;
    byId("word").value = word.text;
    closeMatches();
    const several = word.groups.length > 1;
    byId("told").textContent =
      `${word.size} occurrence${word.size > 1 ? "s" : ""}` +
      (several ? ` in ${word.groups.length} groups` : "");
    byId("map-title").replaceChildren("“", element("bdi", {}, word.text), "” in context");
    drawMap(word);
    listUses(word);
    for (const button of byId("telling").querySelectorAll("button"))
      button.setAttribute("aria-current", String(Number(button.dataset.word) === number));
    if (!keep) choose(-1);
    const hash = "#" + encodeURIComponent(word.text);
    if (location.hash !== hash) {
      try {
        history.replaceState(null, "", hash);
      } catch {
        // A page inside another one may have no history.
      }
    }
  }

  function drawMap(word) {
    const map = byId("map");
    const radius = word.size > 100 ? 10 : 14;
    const points = [];
    for (let k = word.first; k < word.first + word.size; k++) {
      const point = shape(values.groups[k], 40 + values.places[2 * k], 1040 - values.places[2 * k + 1], radius);
      point.setAttribute("class", "point");
      point.setAttribute("tabindex", "0");
      point.setAttribute("role", "button");
      point.setAttribute("aria-label", `${groupName(word, values.groups[k])}: ${textOf(k)}`);
      point.dataset.occurrence = k;
      points.push(point);
    }
    map.replaceChildren(...points);
    byId("hovered").textContent = "Point at a mark to read it in context.";
  }

  function listUses(word) {
    const groups = word.groups.map(() => []);
    for (let k = word.first; k < word.first + word.size; k++) groups[values.groups[k]].push(k);
    byId("uses").replaceChildren(
      ...groups.map((occurrences, group) => {
        const box = element("div", { class: "group", role: "group" });
        box.setAttribute("aria-label", groupName(word, group));
        const title = element("h3", {}, sample(group), element("bdi", {}, groupName(word, group)));
        title.append(element("span", {}, String(occurrences.length)));
        box.append(title, ...occurrences.slice(0, SHOWN).map(line));
        if (occurrences.length > SHOWN) {
          const more = element("button", { class: "more", type: "button" }, `${occurrences.length - SHOWN} more`);
          more.addEventListener("click", () => more.replaceWith(...occurrences.slice(SHOWN).map(line)));
          box.append(more);
        }
        return box;
      })
    );
  }

  function line(k) {
    const button = element(
      "button",
      { class: "line", type: "button", "aria-pressed": String(k === chosen), dir: directionOf(k) },
      element("span", { class: "before" }, element("span", {}, values.before[k])),
      element("b", {}, values.word[k]),
      element("span", { class: "after" }, values.after[k])
    );
    button.dataset.occurrence = k;
    return button;
  }

  function choose(k) {
    chosen = k;
    byId("near").classList.toggle("has-chosen", k >= 0);
    byId("near-hint").hidden = k >= 0;
    for (const each of document.querySelectorAll("#map .point"))
      each.classList.toggle("chosen", Number(each.dataset.occurrence) === k);
    for (const each of document.querySelectorAll("#uses .line"))
      each.setAttribute("aria-pressed", String(Number(each.dataset.occurrence) === k));
    if (k < 0) {
      byId("chosen").replaceChildren();
      byId("neighbours").replaceChildren();
      return;
    }
    inContext(byId("chosen"), k, 90);
    byId("neighbours").replaceChildren(
      ...nearest(k, byId("others").checked).map(([value, other]) => {
        const about = element("span", {});
        inContext(about, other, 45);
        const button = element(
          "button",
          { type: "button" },
          element("span", { class: "cosine" }, value.toFixed(3)),
          about
        );
        button.dataset.occurrence = other;
        return element("li", {}, button);
      })
    );
  }

  function goTo(k) {
    if (wordOf[k] !== current) show(wordOf[k], true);
    choose(k);
  }

  const occurrenceOf = (event) => {
    const at = event.target.closest("[data-occurrence]");
    return at ? Number(at.dataset.occurrence) : -1;
  };
  for (const id of ["map", "uses", "neighbours"]) {
    byId(id).addEventListener("click", (event) => {
      const k = occurrenceOf(event);
      if (k >= 0) goTo(k);
    });
  }
  for (const kind of ["mouseover", "focusin"]) {
    byId("map").addEventListener(kind, (event) => {
      const k = occurrenceOf(event);
      if (k >= 0) inContext(byId("hovered"), k, 110);
    });
  }
  byId("map").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    const k = occurrenceOf(event);
    if (k >= 0) goTo(k);
  });
  byId("others").addEventListener("change", () => choose(chosen));

  // The field for words, with what it could become.
  const field = byId("word");
  const list = byId("matches");
  let marked = -1;

  function matchesOf(text) {
    const key = text.trim().toLowerCase();
    if (!key) return [];
    const at = (word) => (word.key === key ? 0 : word.key.startsWith(key) ? 1 : 2);
    return words
      .map((word, number) => ({ word, number }))
      .filter(({ word }) => word.key.includes(key))
      .sort((a, b) => at(a.word) - at(b.word) || b.word.size - a.word.size)
      .slice(0, 10);
  }

  function closeMatches() {
    list.hidden = true;
    marked = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function markMatch(number) {
    const items = [...list.children];
    marked = (number + items.length) % items.length;
    items.forEach((item, k) => item.setAttribute("aria-selected", String(k === marked)));
    field.setAttribute("aria-activedescendant", items[marked].id);
  }

  field.addEventListener("input", () => {
    const found = matchesOf(field.value);
    list.replaceChildren(
      ...found.map(({ word, number }, k) => {
        const item = element("li", { role: "option", id: `match-${k}`, "aria-selected": "false" });
        item.append(element("bdi", {}, word.text), element("span", {}, String(word.size)));
        item.dataset.word = number;
        return item;
      })
    );
    marked = -1;
    list.hidden = !found.length;
    field.setAttribute("aria-expanded", String(found.length > 0));
    if (field.value.trim() && !found.length)
      byId("told").textContent = `“${field.value.trim()}” does not occur`;
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMatches();
    else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !list.hidden) {
      event.preventDefault();
      markMatch(event.key === "ArrowDown" ? marked + 1 : marked < 0 ? -1 : marked - 1);
    } else if (event.key === "Enter") {
      const item = list.hidden ? null : list.children[Math.max(marked, 0)];
      if (item) show(Number(item.dataset.word));
    }
  });
  field.addEventListener("focus", () => field.select());
  field.addEventListener("blur", () => setTimeout(closeMatches, 150));
  list.addEventListener("mousedown", (event) => {
    const item = event.target.closest("li");
    if (item) show(Number(item.dataset.word));
  });

  if (values.telling.length) {
    byId("telling").append("Several meanings, perhaps: ");
    for (const number of values.telling) {
      const button = element("button", { type: "button", dir: "auto" }, words[number].text);
      button.dataset.word = number;
      button.addEventListener("click", () => show(number));
      byId("telling").append(button);
    }
  }
  function wordOfHash() {
    let text = "";
    try {
      text = decodeURIComponent(location.hash.slice(1)).toLowerCase();
    } catch {
      return -1;
    }
    return words.findIndex((word) => word.key === text);
  }
  addEventListener("hashchange", () => {
    const number = wordOfHash();
    if (number >= 0 && number !== current) show(number);
  });
  const asked = wordOfHash();
  show(asked >= 0 ? asked : values.first);
})();
