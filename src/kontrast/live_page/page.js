// The page of `kontrast explore`: the map lives in Bokeh's session, all else is asked of the server by `fetch`.
(function () {
  const {by, el, many, item, several, legend} = parts;
  const content = JSON.parse(by("content").textContent);
  const ALL = -2;
  const model = (name) => Bokeh.documents[0].get_model_by_name(name);
  let points = null, only = ALL, pointed = -1, asked = 0;

  // asking

  async function fetched(address, options) {
    const turn = ++asked;
    by("busy").className = "on";
    let found;
    try {
      const reply = await fetch(address, options);
      found = await reply.json();
    } catch (problem) {
      found = {refused: "The server gives no answer."};
    }
    if (turn === asked) by("busy").className = "";
    by("refused").textContent = found.refused || "";
    return found.refused === undefined && turn === asked ? found : null;
  }
  const sent = (address, object) => fetched(address, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(object)});
  async function answered(promise) {
    const found = await promise;
    if (found) answer(found);
  }
  const near = (row) => answered(fetched("near/" + row));
  const words = (text) => answered(sent("ask", {words: text}));
  const suspected = (what) => answered(fetched("suspected/" + what));
  const selected = (name) => answered(fetched("selection?" + new URLSearchParams({name, colour: by("colour").value})));
  function picture(file) {
    if (!file) return;
    if (!content.pictures) { by("refused").textContent = "The model of this index reads no pictures."; return; }
    if (file.size > content.upload) {
      by("refused").textContent = "The picture has " + many(Math.ceil(file.size / 1048576)) + " MiB; at most " + many(content.upload / 1048576) + " are taken.";
      return;
    }
    answered(fetched("drop", {method: "POST", body: file}));
  }

  // answers

  function answer(found) {
    const box = by("answer");
    box.hidden = false;
    by("look").hidden = true;
    box.replaceChildren(el("h2", found.title));
    if (found.told) box.append(el("p", found.told, {class: "soft"}));
    if (found.one) box.append(item(found.one));
    if (found.selection !== undefined) box.append(naming(found.selection));
    if (found.all && found.all.length) box.append(keeping(found));
    let cut = false;
    for (const list of found.lists) {
      if (list.title) box.append(el("h3", list.title));
      else if (cut) box.append(el("div", undefined, {class: "cut"}));
      box.append(list.rows.length ? several(list.rows, (one) => near(one.row), pointedAt) : el("p", "none", {class: "soft"}));
      cut = true;
    }
    ringed(found.lists.flatMap((list) => list.rows).concat(found.one && found.one.row !== undefined ? [found.one] : []));
    if (window.matchMedia("(max-width: 900px)").matches) box.scrollIntoView({block: "nearest"});
    else by("told").parentElement.scrollTop = 0;
  }
  function ringed(rows) {
    const shown = rows.slice(0, 200);
    model("rings").data = {x: shown.map((one) => one.x), y: shown.map((one) => one.y)};
  }
  function naming(name) {
    const bar = el("form", undefined, {class: "bar"});
    const input = el("input", undefined, {type: "text", "aria-label": "name of the selection", maxlength: "80", id: "name"});
    input.value = name;
    const save = el("a", "Save as CSV", {class: "button", id: "save", download: "", href: "selection.csv?" + new URLSearchParams({name})});
    bar.append(input, el("button", "Name it", {type: "submit", id: "rename"}), save);
    bar.addEventListener("submit", async (event) => {
      event.preventDefault();
      const found = await sent("selection", {name, to: input.value});
      if (found) { await selected(found.name); listed(found.name, name); }
    });
    return bar;
  }
  function keeping(found) {
    const bar = el("div", undefined, {class: "bar"});
    const keep = el("button", "Keep these " + many(found.all.length) + " as a selection", {type: "button", id: "keep"});
    keep.addEventListener("click", async () => {
      const kept = await sent("selection", {rows: found.all, name: found.title.toLowerCase()});
      if (kept) { await selected(kept.name); listed(kept.name); }
    });
    bar.append(keep);
    return bar;
  }
  function listed(name, before) {
    const box = by("selections"), there = [...box.children];
    const button = el("button", name, {type: "button"});
    button.addEventListener("click", () => selected(name));
    const old = there.find((one) => one.textContent === (before === undefined ? name : before));
    if (old) old.replaceWith(button); else box.append(button);
    by("kept").hidden = false;
  }
  function see(one) {
    by("seen").hidden = !one;
    if (one) by("seen").replaceChildren(item(one));
  }
  function pointedAt(one) {
    see(one);
    model("pointer").data = {x: [one.x], y: [one.y]};
  }
  function away() {
    pointed = -1;
    see(null);
    model("pointer").data = {x: [], y: []};
  }
  async function look(row) {
    if (row === pointed) return;
    pointed = row;
    const reply = await fetch("row/" + row).then((found) => found.json()).catch(() => ({}));
    if (row === pointed && reply.one) see(reply.one);
  }

  // the map

  function cells() {  // of the plot, with one picture at most
    const {clientWidth, clientHeight} = by("plot");
    return [Math.ceil(clientWidth / 64), Math.ceil(clientHeight / 64)];
  }
  function wished() {
    const [across, down] = by("pictured").checked ? cells() : [0, 0];
    model("wish").data = {colour: [by("colour").value || content.colour], only: [only], across: [across], down: [down]};
  }
  function counted() {
    const data = model("legend").data;
    if (!data.classes) return;
    const {code, name, count, colour} = data.classes[0];
    const [drawn, visible] = [data.drawn[0], data.visible[0]];
    by("visible").textContent = drawn < visible ? many(drawn) + " of the " + many(visible) + " rows in view are drawn, over the density of all." : "All " + many(visible) + " rows in view are drawn.";
    by("legends").hidden = !code.length;
    legend(by("legend"), code.map((c, n) => ({code: c, name: name[n], count: count[n], colour: colour[n]})), only, (c) => { only = only === c ? ALL : c; wished(); });
  }
  function chosen() {
    const indices = points.selected.indices;
    if (indices.length === 1) near(points.data.row[indices[0]]);
  }
  function lassoed() {
    const {name, refused} = model("lassoed").data;
    by("refused").textContent = refused[0] || "";
    if (name[0]) { listed(name[0]); selected(name[0]); }
  }
  function painted() {
    document.body.dataset.painted = String(points.data.x.length);
  }

  // the beginning

  function dropping() {
    const files = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
    addEventListener("dragover", (event) => { if (files(event)) { event.preventDefault(); document.body.classList.add("over"); } });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
    addEventListener("drop", (event) => {
      document.body.classList.remove("over");
      if (files(event)) { event.preventDefault(); picture(event.dataTransfer.files[0]); }
    });
    by("choose").addEventListener("click", () => by("file").click());
    by("file").addEventListener("change", () => { picture(by("file").files[0]); by("file").value = ""; });
  }
  function ready() {
    points = window.Bokeh && Bokeh.documents.length ? model("points") : null;
    if (!points) { setTimeout(ready, 20); return; }
    for (const name of content.colours) by("colour").append(el("option", name, {value: name}));
    by("colours").hidden = !content.colours.length;
    by("colour").value = content.colour;
    by("colour").addEventListener("change", () => { only = ALL; wished(); });
    by("faces").hidden = !content.thumbnails;
    by("pictured").addEventListener("change", wished);
    by("words").placeholder = content.words ? "what you are looking for, in words" : "a word of a name or text";
    by("ask").addEventListener("submit", (event) => { event.preventDefault(); if (by("words").value.trim()) words(by("words").value); });
    by("drop").hidden = !content.pictures;
    if (content.pictures) by("hint").textContent = " Drop a picture anywhere to find what is like it.";
    for (const what of ["duplicates", "outliers"]) by(what).addEventListener("click", () => suspected(what));
    for (const name of content.selections) listed(name);
    by("run").hidden = !document.querySelector(".curve");
    dropping();
    points.inspect.connect(() => { const at = points.inspected.indices; if (at.length) look(points.data.row[at[0]]); else away(); });
    by("answer").addEventListener("mouseleave", away);
    by("plot").addEventListener("mouseleave", away);
    points.selected.change.connect(chosen);
    points.properties.data.change.connect(painted);
    model("legend").properties.data.change.connect(counted);
    model("lassoed").properties.data.change.connect(lassoed);
    setInterval(async () => {
      by("lost").hidden = await fetch("row/0").then(() => true).catch(() => false);
    }, 15000);
    window.kontrast = {near, words, picture, selected, points, model};
    counted(); painted();
    if (content.thumbnails) wished();
    document.body.dataset.ready = "yes";
  }
  ready();
})();
