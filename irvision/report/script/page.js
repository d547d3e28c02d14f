// What the scripts of all sections share. Names reach the page as text only, never as HTML.
const ira = {
  made: {},
  shared: JSON.parse(document.getElementById("page-data").textContent),
  pictures: JSON.parse(document.getElementById("page-pictures").textContent),

  // Declare what brings a section to life: make(element of the section, its data).
  section(key, make) {
    ira.made[key] = make;
  },

  // An element; properties that begin with "on" listen, others are attributes; strings are text.
  el(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  },

  // "1 image", "2 images".
  count: (number, noun, nouns = `${noun}s`) => `${number.toLocaleString("en")} ${number === 1 ? noun : nouns}`,
  share: (part, whole) => (whole ? `${Math.round((1000 * part) / whole) / 10}%` : "–"),
  className: (label) => ira.shared.classes[label],
  hasPicture: (row) => Object.hasOwn(ira.pictures, row),

  // Give the images below an element their pictures, once they are near the screen.
  fill(root) {
    for (const image of root.querySelectorAll("img[data-picture]:not([src])")) ira.watch.observe(image);
  },

  show(image) {
    ira.watch.unobserve(image);
    const picture = ira.pictures[image.dataset.picture];
    if (picture && !image.src) image.src = `data:image/jpeg;base64,${picture}`;
  },

  // A picture with a caption; with a map of a code, a button that lays it over the picture.
  shot(row, caption, map = null) {
    const [label, g, t, part, name] = ira.shared.images[row];
    const words = `${ira.className(label)}, ${ira.shared.parts[part]} image ${name}`;
    const image = ira.el("img", { "data-picture": row, alt: words, title: words, width: 96, height: 96 });
    const wrong = t !== label || g !== label;
    const below = ira.el("figcaption", {}, ira.el("span", { class: "caption" }, caption ?? ira.className(label)));
    if (wrong) {
      const by = t !== label && g !== label && t === g ? `named ${ira.className(t)}`
        : t !== label ? `T: ${ira.className(t)}` : `G: ${ira.className(g)}`;
      below.append(ira.el("span", { class: "wrong" }, by));
    }
    const figure = ira.el("figure", { class: wrong ? "shot is-wrong" : "shot" });
    if (map) figure.append(ira.mapButton(image, map, words));
    else figure.append(image);
    figure.append(below);
    return figure;
  },

  // Small whole numbers 0 … 255 as base64 → a canvas of the same place.
  mapButton(image, map, words) {
    const side = ira.el("span", { class: "layers" }, image);
    const press = () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      peek(on);
    };
    const peek = (on) => {
      if (on && !side.querySelector("canvas")) side.append(ira.heat(map));
      side.classList.toggle("is-mapped", on || button.getAttribute("aria-pressed") === "true");
    };
    const button = ira.el("button", {
      type: "button", class: "map", "aria-pressed": "false", "aria-label": `Where in the image: ${words}`,
      onclick: press, onmouseenter: () => peek(true), onmouseleave: () => peek(false),
      onfocus: () => peek(true), onblur: () => peek(false),
    }, side);
    return button;
  },

  heat(map) {
    const values = Uint8Array.from(atob(map), (letter) => letter.charCodeAt(0));
    const side = Math.round(Math.sqrt(values.length));
    const canvas = ira.el("canvas", { width: side, height: side, "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(side, side);
    values.forEach((value, place) => pixels.data.set([255, 150, 0, Math.round(230 * (value / 255) ** 1.8)], 4 * place));
    context.putImageData(pixels, 0, 0);
    return canvas;
  },

  start() {
    ira.watch = new IntersectionObserver((seen) => {
      for (const each of seen) if (each.isIntersecting) ira.show(each.target);
    }, { rootMargin: "400px" });
    ira.themes();
    for (const root of document.querySelectorAll("[data-section]")) {
      const data = JSON.parse(root.querySelector(":scope > .section-data").textContent);
      ira.made[root.dataset.section]?.(root, data);
    }
    ira.fill(document);
    addEventListener("beforeprint", () => {
      for (const image of document.querySelectorAll("img[data-picture]:not([src])")) ira.show(image);
    });
  },

  // Colours follow the system until the button is pressed; files from disk may have no storage.
  themes() {
    const button = document.getElementById("theme");
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const stored = (value) => {
      try {
        if (value) localStorage.setItem("ira-theme", value);
        return localStorage.getItem("ira-theme");
      } catch {
        return null;
      }
    };
    const apply = (theme) => {
      if (theme) document.documentElement.dataset.theme = theme;
      button.setAttribute("aria-pressed", (theme ?? (dark.matches ? "dark" : "light")) === "dark");
    };
    apply(["light", "dark"].includes(stored()) ? stored() : null);
    dark.addEventListener("change", () => apply(document.documentElement.dataset.theme ?? null));
    button.addEventListener("click", () => {
      const theme = button.getAttribute("aria-pressed") === "true" ? "light" : "dark";
      stored(theme);
      apply(theme);
    });
  },
};
