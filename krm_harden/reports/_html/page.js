"use strict";
// Everything from a manifest goes into the page as text: the page's policy forbids markup made from strings.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const S = data.strings;
  const STATE = Object.fromEntries(data.states.map(([id, title, meaning], index) => [id, { index, title, meaning }]));
  const LIMIT = 48; // rows that are made together
  const $ = (id) => document.getElementById(id);
  const numbers = new Intl.NumberFormat("en");

  const h = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  };

  // What a reader couldn't see, or what turns text around, is shown as an escape.
  const UNSEEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/g;
  const visible = (text) =>
    text.replace(/[\ud800-\udbff][\udc00-\udfff]|[^]/g, (one) =>
      one.length > 1 ? one : one.replace(UNSEEN, (odd) => "\\u" + odd.charCodeAt(0).toString(16).padStart(4, "0")));

  // ---- the data, decoded (the order of fields is that of _heat_map.py)
  const objects = data.objects.map((o, index) => ({
    index, namespace: o[0], kind: S[o[1]], name: S[o[2]], file: S[o[3]], line: o[4], source: S[o[5]], level: S[o[6]],
    today: S[o[7]], fixed: S[o[8]], message: S[o[9]], operations: o[10], labels: o[11], off: o[12], findings: o[13],
  }));
  const K = { control: 0, columns: 1, look: 2, state: 3, risk: 4, severity: 5, path: 6, current: 7, proposed: 8,
    message: 9, reason: 10, evidence: 11, exemption: 12 };
  const levelOf = new Map(data.columns.map(([id, , level]) => [id, level]));
  const filled = (text, object, container) =>
    text.replace(/[\x01-\x03]/g, (mark) =>
      mark === "\x01" ? object.name : mark === "\x02" ? data.namespaces[object.namespace] : container);

  const finding = (object, at) => {
    const kind = data.kinds[object.findings[at]];
    const container = S[object.findings[at + 3]];
    const text = (field) => S[kind[K[field]]];
    return {
      control: text("control"), columns: kind[K.columns], look: kind[K.look], state: text("state"), risk: text("risk"),
      severity: text("severity"), path: text("path"), current: JSON.parse(text("current")),
      proposed: JSON.parse(text("proposed")), message: filled(text("message"), object, container),
      reason: filled(text("reason"), object, container), evidence: text("evidence"),
      exemption: filled(text("exemption"), object, container), line: object.findings[at + 1],
      column: object.findings[at + 2],
    };
  };

  // ---- filters
  const form = $("filters");
  const field = (name) => form.elements[name];
  const NAMES = ["q", "namespace", "level", "risk", "state", "label", "value", "source"];
  const option = (value, text) => h("option", { value }, text === undefined ? value : text);
  const sorted = (values) => [...new Set(values)].sort((a, b) => (a === "") - (b === "") || (a < b ? -1 : a > b ? 1 : 0));

  const NONE = "(none)";
  field("namespace").append(...sorted(data.namespaces).map((name) => option(name || NONE, name || "(no namespace)")));
  field("level").append(...data.levels.map((title, index) => option(String(index), title)));
  field("state").append(...[...new Set(data.kinds.map((kind) => S[kind[K.state]]))].sort().map((state) => option(state)));
  field("label").append(...data.labels.map((key) => option(key)));
  const sources = sorted(objects.map((object) => object.source));
  field("source").append(...sources.filter(Boolean).map((name) => option(name)));
  field("source").closest("label").hidden = sources.length < 2;
  field("label").closest("label").hidden = field("value").closest("label").hidden = !data.labels.length;

  const labelValue = (object, key) => {
    for (let at = 0; at < object.labels.length; at += 2) if (object.labels[at] === key) return S[object.labels[at + 1]];
    return null;
  };
  const fillValues = () => {
    const key = data.labels.indexOf(field("label").value);
    const values = key < 0 ? [] : sorted(objects.map((object) => labelValue(object, key)).filter((one) => one !== null));
    const without = key >= 0 && objects.some((object) => labelValue(object, key) === null);
    field("value").replaceChildren(option("", "all"), ...values.map((one) => option("=" + one, one || '""')),
      ...(without ? [option("!", "(without it)")] : []));
    field("value").disabled = key < 0;
  };

  const readState = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const view = asked.get("view") === "before" ? "before" : "after";
    field("view").value = view;
    for (const name of NAMES) {
      if (name === "value") fillValues();
      field(name).value = asked.get(name) || "";
      if (field(name).value === "" && field(name).options) field(name).selectedIndex = 0;
    }
    return asked.get("cell") || "";
  };
  const writeState = (cell) => {
    const said = new URLSearchParams();
    if (field("view").value === "before") said.set("view", "before");
    for (const name of NAMES) if (field(name).value) said.set(name, field(name).value);
    if (cell) said.set("cell", cell);
    const text = said.toString();
    history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
  };

  const wordsOf = new Map(); // the words of what many findings share, once
  const words = (kind) => {
    let known = wordsOf.get(kind);
    if (known === undefined) {
      const k = data.kinds[kind];
      known = [K.control, K.path, K.message, K.evidence].map((at) => S[k[at]]).join("\n").toLowerCase();
      wordsOf.set(kind, known);
    }
    return known;
  };

  const matching = () => {
    const said = Object.fromEntries(NAMES.map((name) => [name, field(name).value]));
    const q = said.q.trim().toLowerCase();
    const key = data.labels.indexOf(said.label);
    const level = said.level === "" ? -1 : Number(said.level);
    const kindFits = data.kinds.map((kind) =>
      (level < 0 || (kind[K.columns].length ? kind[K.columns].some((at) => data.columns[at][2] === level)
        : level === 2 && !levelOf.has(S[kind[K.control]]))) &&
      (!said.risk || S[kind[K.risk]] === said.risk) && (!said.state || S[kind[K.state]] === said.state));
    const asksFindings = level >= 0 || said.risk || said.state;
    const shown = [];
    let findings = 0, all = 0;
    for (const object of objects) {
      all += object.findings.length / 4;
      if (said.namespace && (data.namespaces[object.namespace] || NONE) !== said.namespace) continue;
      if (said.source && object.source !== said.source) continue;
      if (key >= 0 && said.value) {
        const value = labelValue(object, key);
        if (said.value === "!" ? value !== null : value === null || "=" + value !== said.value) continue;
      }
      const named = !q || [object.name, object.kind, data.namespaces[object.namespace], object.file, object.source]
        .some((text) => text.toLowerCase().includes(q));
      const fits = [];
      for (let at = 0; at < object.findings.length; at += 4) {
        const kind = object.findings[at];
        if (kindFits[kind] && (named || words(kind).includes(q) ||
          S[object.findings[at + 3]].toLowerCase().includes(q))) fits.push(at);
      }
      if (!fits.length && (asksFindings || !named)) continue;
      findings += fits.length;
      shown.push({ object, fits });
    }
    return { shown, findings, all, level };
  };

  // ---- the heat map
  const map = $("map");
  let rows = [], chunks = [], here = { row: 0, column: 0 }, shownColumns = [], table = null, watcher = null;

  const looks = (entry, view) => {
    const { object, fits } = entry;
    const found = shownColumns.map(({ index, level }) => ({ state: passes(object, level, index), count: 0 }));
    const place = new Map(shownColumns.map(({ index }, at) => [index, at]));
    for (const at of fits) {
      const kind = data.kinds[object.findings[at]];
      for (const index of kind[K.columns]) {
        if (!place.has(index)) continue;
        const cell = found[place.get(index)];
        cell.count += 1;
        cell.state = Math.max(cell.state, kind[K.look]);
      }
    }
    for (const index of object.off) if (place.has(index)) {
      const cell = found[place.get(index)];
      cell.state = Math.max(cell.state, STATE.off.index);
    }
    if (view === "before") {
      for (const cell of found) {
        if (cell.state >= STATE.safe.index && cell.state !== STATE.exempt.index) cell.state = STATE.fails.index;
      }
    }
    return found;
  };
  // A cell without a finding that the filter shows: only what nobody hides passes.
  const passes = (object, level, index) => {
    if (object.level === "") return STATE.none.index;
    const column = data.columns[index];
    const asked = level === 2 ? !["namespaceLabels", "imageVulnerabilities"].includes(column[0])
      : level === 0 ? object.level !== "privileged" : object.level === "restricted";
    if (!asked) return STATE.none.index;
    for (let at = 0; at < object.findings.length; at += 4) {
      if (data.kinds[object.findings[at]][K.columns].includes(index)) return STATE.none.index;
    }
    return STATE.passes.index;
  };

  const rowOf = (entry, index, view) => {
    const { object } = entry;
    const row = document.createElement("tr");
    row.setAttribute("aria-rowindex", index + 3);
    const head = h("th", { scope: "row", tabindex: -1, class: "name", title: [object.source, `${object.kind}/${object.name}`, `${object.file}:${object.line}`].filter(Boolean).join("\n") },
      h("bdi", {}, object.name), h("span", { class: "kind" }, object.kind), sources.length > 1 ? h("span", { class: "kind" }, object.source) : "");
    row.append(head);
    looks(entry, view).forEach(({ state, count }, at) => {
      const cell = document.createElement("td");
      const [id, title] = data.states[state];
      cell.className = "c s-" + id + (shownColumns[at].first ? " first" : "");
      cell.tabIndex = -1;
      cell.setAttribute("aria-label", `${shownColumns[at].id}: ${title}${count > 1 ? `, ${count} findings` : ""}`);
      row.append(cell);
    });
    return row;
  };
  const headingOf = (entry, index) => h("tr", { class: "namespace", "aria-rowindex": index + 3 },
    h("th", { colspan: shownColumns.length + 1, scope: "colgroup" },
      h("span", {}, h("bdi", {}, entry.heading), h("span", { class: "muted" }, ` ${numbers.format(entry.count)}`))));

  const height = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 28;
  const fill = (chunk) => {
    if (chunk.filled) return;
    const view = field("view").value;
    const made = document.createDocumentFragment();
    for (let at = chunk.first; at < chunk.last; at += 1) {
      made.append(rows[at].heading === undefined ? rowOf(rows[at], at, view) : headingOf(rows[at], at));
    }
    chunk.body.replaceChildren(made);
    chunk.filled = true;
  };
  const empty = (chunk) => {
    if (chunk.filled && chunk.body.contains(document.activeElement)) return;
    const spacer = h("td", { colspan: shownColumns.length + 1, class: "spacer" });
    spacer.style.height = `${(chunk.last - chunk.first) * height()}px`;
    chunk.body.replaceChildren(h("tr", { "aria-hidden": "true" }, spacer));
    chunk.filled = false;
  };

  const header = (counts) => {
    const groups = h("tr", { "aria-rowindex": 1 }, h("th", { class: "corner", rowspan: 2, scope: "col" }, "Workload"));
    const names = h("tr", { class: "controls", "aria-rowindex": 2 });
    data.levels.forEach((title, level) => {
      const own = shownColumns.filter((column) => column.level === level);
      if (own.length) groups.append(h("th", { colspan: own.length, scope: "colgroup", class: "group first", title }, title));
    });
    for (const column of shownColumns) {
      names.append(h("th", { scope: "col", title: column.title, class: column.first ? "first" : null },
        h("span", { class: "control" }, column.id), h("span", { class: "tally", title: `${counts[column.index]} with a finding` }, counts[column.index] ? short(counts[column.index]) : "")));
    }
    return h("thead", {}, groups, names);
  };
  const short = (count) => (count < 1000 ? String(count) : `${(count / 1000).toFixed(count < 9950 ? 1 : 0)}k`);

  const draw = () => {
    const { shown, findings, all, level } = matching();
    const groups = new Map();
    for (const entry of shown) {
      if (!groups.has(entry.object.namespace)) groups.set(entry.object.namespace, []);
      groups.get(entry.object.namespace).push(entry);
    }
    rows = [];
    const name = (index) => data.namespaces[index];
    for (const index of [...groups.keys()].sort((a, b) => (name(a) === "") - (name(b) === "") || (name(a) < name(b) ? -1 : 1))) {
      rows.push({ heading: name(index) || "(no namespace)", count: groups.get(index).length });
      for (const entry of groups.get(index)) rows.push(entry);
    }
    shownColumns = data.columns.map(([id, title, of], index) => ({ id, title, level: of, index }))
      .filter((column) => level < 0 || column.level === level);
    shownColumns.forEach((column, at) => { column.first = at === 0 || shownColumns[at - 1].level !== column.level; });

    const counts = data.columns.map(() => 0), states = data.states.map(() => 0), view = field("view").value;
    for (const entry of shown) {
      const seen = new Set();
      for (const at of entry.fits) {
        const kind = data.kinds[entry.object.findings[at]];
        kind[K.columns].forEach((index) => seen.add(index));
        const look = kind[K.look];
        states[view === "before" && look >= STATE.safe.index && look !== STATE.exempt.index ? STATE.fails.index : look] += 1;
      }
      seen.forEach((index) => { counts[index] += 1; });
      states[STATE.off.index] += entry.object.off.length;
    }
    for (const item of $("legend").children) {
      const { index } = STATE[item.dataset.state];
      const always = item.dataset.state === "passes";
      item.hidden = !always && !states[index];
      (item.querySelector(".tally") || item.appendChild(h("span", { class: "tally" }))).textContent = always ? "" : numbers.format(states[index]);
    }

    if (watcher) watcher.disconnect();
    const groupsOf = h("colgroup", {}, h("col", { class: "names" }), ...shownColumns.map(() => h("col", { class: "cells" })));
    table = h("table", { role: "grid", class: "heat", "aria-label": "Workloads by controls", "aria-describedby": "keys",
      "aria-rowcount": rows.length + 2, "aria-colcount": shownColumns.length + 1 }, groupsOf, header(counts));
    table.style.setProperty("--columns", shownColumns.length);
    chunks = [];
    for (let first = 0; first < rows.length; first += LIMIT) {
      const chunk = { first, last: Math.min(first + LIMIT, rows.length), body: document.createElement("tbody"), filled: false };
      chunks.push(chunk);
      if (first === 0) fill(chunk); else empty(chunk);
      table.append(chunk.body);
    }
    map.replaceChildren(rows.length ? table : h("p", { class: "nothing" }, "No object fits these filters."));
    map.scrollTop = 0;
    watcher = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        const chunk = chunks[target.dataset.chunk];
        if (isIntersecting) fill(chunk); else empty(chunk);
      }
    }, { root: map, rootMargin: "400px 0px" });
    chunks.forEach((chunk, index) => { chunk.body.dataset.chunk = index; watcher.observe(chunk.body); });
    here = { row: rows.findIndex((row) => row.heading === undefined), column: 0 };
    if (here.row >= 0) cellAt(here.row, 0).tabIndex = 0;
    $("count").textContent = `${numbers.format(shown.length)} of ${numbers.format(objects.length)} objects, ` +
      `${numbers.format(findings)} of ${numbers.format(all)} findings`;
  };

  // ---- the keyboard
  const cellAt = (row, column) => {
    const chunk = chunks[Math.floor(row / LIMIT)];
    fill(chunk);
    return chunk.body.children[row - chunk.first].children[column];
  };
  const go = (row, column, focus = true) => {
    const old = table.querySelector('[tabindex="0"]');
    if (old) old.tabIndex = -1;
    here = { row, column };
    const cell = cellAt(row, column);
    cell.tabIndex = 0;
    if (focus) {
      cell.focus({ preventScroll: true });
      cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    return cell;
  };
  const step = (row, by) => {
    let next = row;
    for (let left = Math.abs(by); left > 0; left -= 1) {
      let at = next + Math.sign(by);
      while (at >= 0 && at < rows.length && rows[at].heading !== undefined) at += Math.sign(by);
      if (at < 0 || at >= rows.length) break;
      next = at;
    }
    return next;
  };
  const MOVES = {
    ArrowDown: (at) => [step(at.row, 1), at.column], ArrowUp: (at) => [step(at.row, -1), at.column],
    PageDown: (at) => [step(at.row, 15), at.column], PageUp: (at) => [step(at.row, -15), at.column],
    ArrowRight: (at) => [at.row, Math.min(at.column + 1, shownColumns.length)],
    ArrowLeft: (at) => [at.row, Math.max(at.column - 1, 0)],
    Home: (at, all) => [all ? step(-1, 1) : at.row, 0],
    End: (at, all) => [all ? step(rows.length, -1) : at.row, shownColumns.length],
  };
  map.addEventListener("keydown", (event) => {
    if (!event.target.closest("td,th.name")) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(here.row, here.column); return; }
    const move = MOVES[event.key];
    if (!move || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(...move(here, event.ctrlKey));
  });
  const placeOf = (cell) => {
    const row = cell.parentElement, body = row.parentElement;
    return [chunks[body.dataset.chunk].first + [...body.children].indexOf(row), [...row.children].indexOf(cell)];
  };
  map.addEventListener("click", (event) => {
    const cell = event.target.closest("td.c,th.name");
    if (!cell) return;
    const [row, column] = placeOf(cell);
    go(row, column);
    open(row, column);
  });

  // ---- a finding
  const dialog = $("finding");
  let returnTo = null;
  const scalar = (value) => {
    if (typeof value !== "string") return JSON.stringify(value);
    const plain = /^[A-Za-z_/][\w./@-]*( [\w./@-]+)*$/.test(value) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value);
    return plain ? value : visible(JSON.stringify(value));
  };
  const key = (name) => scalar(name);
  // YAML lines of a value under a key that is already written: [] where it fits beside the key.
  const lines = (value, margin) => {
    if (Array.isArray(value)) {
      return value.length ? value.flatMap((one) => {
        const own = lines(one, margin + "  ");
        return typeof one === "object" && one !== null && own.length
          ? [margin + "- " + own[0].trimStart(), ...own.slice(1)] : [margin + "- " + inline(one)];
      }) : [];
    }
    if (value && typeof value === "object") {
      return Object.entries(value).flatMap(([name, one]) => pair(name, one, margin));
    }
    return [];
  };
  const inline = (value) => Array.isArray(value) ? "[]" : value && typeof value === "object" ? "{}" : scalar(value);
  const pair = (name, value, margin) => {
    const own = lines(value, margin + (Array.isArray(value) ? "" : "  "));
    return own.length ? [`${margin}${key(name)}:`, ...own] : [`${margin}${key(name)}: ${inline(value)}`];
  };
  const steps = (path) => [...path.matchAll(/\[(\d+)\]|\['((?:[^'])*)'\]|([^.[\]]+)/g)]
    .map((found) => found[1] !== undefined ? Number(found[1]) : found[2] !== undefined ? found[2] : found[3]);

  // The field with its parents, the old lines with -, the new ones with +.
  const diff = (path, current, proposed, container) => {
    const above = steps(path), last = above.pop(), made = [];
    let margin = "", item = false;
    const put = (text) => { made.push([" ", text]); };
    above.forEach((one, at) => {
      if (typeof one === "number") {
        const named = container && at > 0 && /containers$/i.test(String(above[at - 1]));
        put(`${margin}- ${named ? "name: " + scalar(container) : "# item " + one}`);
        margin += "  ";
        item = true;
      } else {
        put(`${margin}${key(one)}:`);
        margin += typeof (above[at + 1] === undefined ? last : above[at + 1]) === "number" ? "" : "  ";
      }
    });
    const written = (value) => last === undefined ? [] : typeof last === "number" ? lines([value], margin) : pair(last, value, margin);
    if (current !== null) written(current).forEach((text) => made.push([proposed === null ? " " : "-", text]));
    if (proposed !== null) written(proposed).forEach((text) => made.push(["+", text]));
    if (current === null && proposed === null && last !== undefined) put(`${margin}${key(last)}: # not set`);
    return made;
  };
  const coloured = (made) => h("pre", { class: "diff", tabindex: 0 }, ...made.map(([sign, text]) =>
    h("span", { class: sign === "+" ? "plus" : sign === "-" ? "minus" : null }, `${sign} ${text}\n`)));

  const copy = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = h("textarea", { readonly: true });
      area.value = text;
      button.after(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  const exemptionOf = (text) => {
    const button = h("button", { type: "button" }, "Copy");
    button.addEventListener("click", () => copy(button, `- ${text}`));
    return [h("div", { class: "between" }, h("h4", {}, "Exemption, under spec.exemptions of the policy"), button),
      h("pre", { class: "exemption", tabindex: 0 }, visible(`- ${text}`))];
  };
  const pairs = (...given) => h("dl", {}, ...given.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  const bdi = (text) => (text ? h("bdi", {}, text) : "");

  const card = (object, at) => {
    const one = finding(object, at);
    const container = S[object.findings[at + 3]];
    const [id, title, meaning] = data.states[one.look];
    const place = one.line ? `${object.file}:${one.line}${one.column ? ":" + one.column : ""}` : object.file;
    const known = levelOf.has(one.control);
    return h("article", { class: "card" },
      h("header", {}, h("span", { class: "badge" }, h("span", { class: "c s-" + id }), title), h("h3", {}, one.control)),
      h("p", {}, bdi(one.message)),
      one.path ? coloured(diff(one.path, one.current, one.proposed, container)) : null,
      pairs(["Field", one.path ? h("code", {}, bdi(one.path)) : ""], ["Place", h("code", {}, bdi(place))],
        ["State", `${one.state}: ${meaning}`], ["Risk", one.risk === "none" ? "" : one.risk], ["Severity", one.severity],
        ["Reason", one.message.includes(one.reason) ? "" : bdi(one.reason)], ["Evidence", bdi(one.evidence)]),
      ...(one.exemption ? exemptionOf(one.exemption) : []),
      known ? h("p", { class: "more" }, h("a", { href: `${data.docs}#${one.control.toLowerCase()}`, rel: "noreferrer noopener", target: "_blank" }, `About ${one.control}`)) : null);
  };
  const operationsOf = (object) => {
    if (!S[object.operations]) return [];
    const operations = JSON.parse(S[object.operations]);
    const made = Array.isArray(operations) ? operations.flatMap(({ op, path, value }) => [
      [" ", `# ${op} ${visible(path)}`],
      ...(op === "remove" ? [] : (lines(value, "").length ? lines(value, "") : [inline(value)]).map((text) => ["+", text]))])
      : [[" ", String(operations)]];
    return [h("details", {}, h("summary", {}, "All that the fix did to this object"), coloured(made))];
  };
  const open = (row, column) => {
    const { object } = rows[row];
    if (!object) return;
    returnTo = [row, column];
    const chosen = column ? shownColumns[column - 1] : null;
    const places = [];
    for (let at = 0; at < object.findings.length; at += 4) {
      if (!chosen || data.kinds[object.findings[at]][K.columns].includes(chosen.index)) places.push(at);
    }
    places.sort((a, b) => data.kinds[object.findings[b]][K.look] - data.kinds[object.findings[a]][K.look]);
    $("finding-place").replaceChildren(bdi([object.source, data.namespaces[object.namespace], `${object.kind}/${object.name}`].filter(Boolean).join(" · ")));
    $("finding-title").replaceChildren(chosen ? `${chosen.id}` : bdi(object.name));
    const labels = [];
    for (let at = 0; at < object.labels.length; at += 2) labels.push(`${data.labels[object.labels[at]]}=${S[object.labels[at + 1]]}`);
    const off = chosen ? object.off.includes(chosen.index) : object.off.length;
    $("finding-body").replaceChildren(
      pairs(["Object", h("code", {}, bdi(`${object.file}:${object.line}`))], ["Labels", bdi(labels.join(", "))],
        ["Level", object.level ? `${object.level}; meets ${object.today} today, ${object.fixed} after fix` : ""],
        ["Control", chosen ? chosen.title : ""]),
      ...(off ? [h("p", {}, "The standard refuses this object for a control that the policy has switched off, so there is no finding.")] : []),
      ...(places.length || off ? places.map((at) => card(object, at)) : [h("p", {}, !chosen || object.level
        ? "Nothing to do: it passes." : "This control doesn't apply here.")]),
      ...(chosen || !object.message ? [] : [h("h3", {}, "In the API server's words"), h("p", {}, bdi(object.message))]),
      ...(chosen ? [] : operationsOf(object)));
    writeState(`${object.index}.${chosen ? chosen.id : ""}`);
    if (!dialog.open) dialog.showModal();
    $("close").focus();
    dialog.scrollTop = 0;
  };
  $("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    writeState("");
    // The browser gives focus back by itself, unless the row was drawn anew meanwhile.
    if (returnTo && !map.contains(document.activeElement)) go(...returnTo);
    returnTo = null;
  });

  // ---- paper: all rows, and every finding that the filters show
  const forPaper = () => {
    chunks.forEach(fill);
    const made = document.createDocumentFragment();
    made.append(h("h2", {}, "Findings"));
    for (const entry of rows) {
      if (entry.heading !== undefined) { made.append(h("h3", {}, bdi(entry.heading))); continue; }
      if (!entry.fits.length) continue;
      const { object } = entry;
      const exemptions = [...new Set(entry.fits.map((at) => finding(object, at).exemption).filter(Boolean))];
      made.append(h("article", {}, h("h4", {}, bdi(`${object.kind}/${object.name}`), " ", h("code", {}, bdi(`${object.file}:${object.line}`))),
        h("ul", { class: "rows" }, ...entry.fits.map((at) => {
          const one = finding(object, at);
          return h("li", {}, h("b", {}, one.control), " ", h("i", {}, data.states[one.look][1]), " ", bdi(one.message), " ", h("code", {}, bdi(one.path)), one.line ? ` line ${one.line}` : "");
        })),
        exemptions.length ? h("pre", {}, visible(exemptions.map((text) => `- ${text}`).join("\n"))) : ""));
    }
    $("prints").replaceChildren(made);
  };
  const afterPaper = () => { $("prints").replaceChildren(); };
  addEventListener("beforeprint", forPaper);
  addEventListener("afterprint", afterPaper);
  matchMedia("print").addEventListener("change", (event) => (event.matches ? forPaper() : afterPaper()));

  // ---- colours
  const scheme = $("scheme");
  const remember = (value) => { try { localStorage.setItem("krm-harden-scheme", value); } catch { /* a file has no storage everywhere */ } };
  const recall = () => { try { return localStorage.getItem("krm-harden-scheme") || ""; } catch { return ""; } };
  const paint = (value) => { if (value) document.documentElement.dataset.scheme = value; else delete document.documentElement.dataset.scheme; };
  scheme.value = recall();
  paint(scheme.value);
  scheme.addEventListener("change", () => { paint(scheme.value); remember(scheme.value); });

  // ---- start
  const redraw = () => { draw(); writeState(""); };
  let typing = 0;
  form.addEventListener("input", (event) => {
    if (event.target === field("q")) { clearTimeout(typing); typing = setTimeout(redraw, 120); return; }
    if (event.target === field("label")) fillValues();
    redraw();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", () => {
    for (const name of NAMES) field(name).value = "";
    fillValues();
    redraw();
  });
  const fromAddress = () => {
    const asked = readState();
    draw();
    const [object, id] = [asked.slice(0, asked.indexOf(".")), asked.slice(asked.indexOf(".") + 1)];
    if (!asked) return;
    const row = rows.findIndex((one) => one.object && String(one.object.index) === object);
    const column = id ? shownColumns.findIndex((one) => one.id === id) + 1 : 0;
    if (row >= 0 && (!id || column)) { go(row, column); open(row, column); }
  };
  addEventListener("hashchange", fromAddress);
  for (const hidden of document.querySelectorAll("#scripted,.scheme,#skip")) hidden.hidden = false;
  map.removeAttribute("tabindex");
  fromAddress();
  document.documentElement.dataset.ready = "yes";
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("heat-map")));
})();
