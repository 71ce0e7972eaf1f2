"use strict";
// What the pages of a map share: rows of the data as things to see and to press. Text is set as text, never as HTML.
// A row is {name, picture (an address or ""), facts: [[name, value], ...], score (a cosine, where there is one)}.
const parts = (function () {
  const by = (id) => document.getElementById(id);
  function el(tag, text, attributes) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    return made;
  }
  function many(n) { return n.toLocaleString("en"); }
  function item(one) {
    const box = el("div", undefined, {class: "item"});
    if (one.picture) box.append(el("img", undefined, {src: one.picture, alt: one.name}));
    const told = el("div");
    told.append(el("b", one.name));
    const facts = el("dl");
    for (const [name, value] of one.facts) {
      if (name === "name" || String(value) === "" || String(value) === one.name) continue;
      facts.append(el("dt", name), el("dd", String(value)));
    }
    told.append(facts);
    box.append(told);
    return box;
  }
  function several(rows, chosen, seen) {
    const pictured = rows.some((one) => one.picture);
    const box = el("div", undefined, {class: pictured ? "grid" : "list"});
    for (const one of rows) {
      const score = one.score === undefined ? "" : one.score.toFixed(3);
      const button = el("button", undefined, {title: score ? one.name + " (" + score + ")" : one.name, type: "button"});
      if (!pictured) button.append(el("span", one.name));
      else if (one.picture) button.append(el("img", undefined, {src: one.picture, alt: one.name}));
      else button.append("?");
      if (score) button.append(el("small", score));
      button.addEventListener("click", () => chosen(one));
      button.addEventListener("mouseenter", () => seen(one));
      box.append(button);
    }
    return box;
  }
  function legend(box, classes, only, pressed) {
    box.replaceChildren(...classes.map((one) => {
      const button = el("button", undefined, {type: "button", "aria-pressed": String(only === one.code)});
      const dot = el("i"); dot.style.background = one.colour;
      button.append(dot, el("span", one.name === "" ? "without" : one.name), el("small", many(one.count)));
      button.addEventListener("click", () => pressed(one.code));
      return button;
    }));
  }
  return {by, el, many, item, several, legend};
})();
