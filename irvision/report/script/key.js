// The key: couplets are made when they are first opened, so that large trees stay quick.
ira.section("key", (root, data) => {
  const { el } = ira;
  const nodes = data.nodes;
  const find = (id) => root.querySelector(`#${id}`);
  const parents = new Array(nodes.length).fill(-1);
  nodes.forEach((node, at) => node.next?.forEach((child) => { parents[child] = at; }));
  const level = nodes.map(() => 1);
  nodes.forEach((node, at) => { if (parents[at] >= 0) level[at] = level[parents[at]] + 1; });
  const byNumber = new Map(nodes.flatMap((node, at) => (node.next ? [[node.number, at]] : [])));
  const mixes = Object.fromEntries(data.counted.map((part) => [part, summed(data.mixes[part])]));
  const holders = new Map();
  const letters = ["a", "b"];
  let goal = new Set();

  // Class → images at every node, most frequent first; children come after their parent.
  function summed(leaves) {
    const found = nodes.map(() => new Map());
    for (let at = nodes.length - 1; at >= 0; at--) {
      const mix = leaves[at] ?? [];
      for (let i = 0; i < mix.length; i += 2) found[at].set(mix[i], mix[i + 1]);
      if (parents[at] >= 0) {
        const above = found[parents[at]];
        for (const [label, images] of found[at]) above.set(label, (above.get(label) ?? 0) + images);
      }
    }
    return found.map((mix) => [...mix].sort((one, other) => other[1] - one[1]));
  }

  const total = (mix) => mix.reduce((sum, [, images]) => sum + images, 0);

  // Main part first: the mix as a bar with words, "12 classes: A 4, B 3, C 1 and 9 more".
  function mixOf(at, most = 3) {
    const part = data.counted.find((each) => mixes[each][at].length);
    if (!part) return el("p", { class: "mix-words" }, data.counted.length ? "No image comes here." : "");
    const mix = mixes[part][at];
    const whole = total(mix);
    const bar = el("span", { class: "mix-bar", "aria-hidden": "true" });
    for (const [label, images] of mix.slice(0, 40)) {
      const piece = el("span", { title: `${ira.className(label)}: ${images}` });
      piece.style.flexGrow = images;
      bar.append(piece);
    }
    const rest = mix.slice(40).reduce((sum, [, images]) => sum + images, 0);
    if (rest) bar.lastChild.style.flexGrow = mix[39][1] + rest;
    const first = mix.slice(0, most).map(([label, images]) => `${ira.className(label)} (${images})`).join(", ");
    const more = mix.length > most ? ` and ${ira.count(mix.length - most, "more class", "more classes")}` : "";
    const others = data.counted.filter((each) => each !== part)
      .map((each) => `, ${ira.count(total(mixes[each][at]), `${each} image`)}`).join("");
    const words = `${ira.count(whole, `${part} image`)}${others} · ${first}${more}`;
    return el("div", { class: "mix" }, bar, el("p", { class: "mix-words", title: words }, words));
  }

  // What an end says: its class, and for how many images that is right.
  function endOf(at) {
    const label = nodes[at].class;
    const found = data.counted.map((part) => {
      const mix = mixes[part][at];
      const right = mix.find(([each]) => each === label)?.[1] ?? 0;
      return `${right} of ${ira.count(total(mix), `${part} image`)}`;
    });
    return [el("strong", { class: "end" }, ira.className(label)),
      found.length ? el("span", { class: "mix-words" }, found.join(", ")) : null];
  }

  // The other classes at an end, if there are any.
  function othersAt(at, label) {
    const found = data.counted.flatMap((part) => {
      const others = mixes[part][at].filter(([each]) => each !== label);
      const words = others.slice(0, 3).map(([each, images]) => `${ira.className(each)} (${images})`).join(", ");
      const more = others.length > 3 ? ` and ${ira.count(others.length - 3, "more class", "more classes")}` : "";
      return others.length ? [`${part}: ${words}${more}`] : [];
    });
    return found.length ? el("p", { class: "mix-words others" }, `also ${found.join("; ")}`) : null;
  }

  // A side in words; the code leads to its card, if the page has an atlas and asks for the link.
  function wordsOf([name, code], number = null) {
    const link = number !== null && ira.made.atlas;
    const words = link ? el("a", { class: "code-link", href: `#code-${number}` }, code) : code;
    return name
      ? [el("span", { class: "rule" }, name), el("span", { class: "code" }, words)]
      : [el("span", { class: "rule" }, words)];
  }

  function shotsOf(at, most, caption) {
    const rows = nodes[at].shots.filter(ira.hasPicture).slice(0, most);
    return rows.length ? el("div", { class: "shots" }, rows.map((row) => ira.shot(row, caption))) : null;
  }

  // One of both sides of a couplet, with what lies beyond it in a list that opens.
  function lead(at, side) {
    const node = nodes[at];
    const child = node.next[side];
    const beyond = nodes[child];
    const item = el("div", { class: "lead" });
    const label = `${node.number}${letters[side]}`;
    const head = el("div", { class: "lead-words" }, el("span", { class: "number" }, label));
    head.append(el("div", { class: "lead-rule" }, wordsOf(node.words[side], node.code)));
    let list = null;
    if (beyond.next) {
      list = el("ol", { class: "couplets", hidden: true, id: `beyond-${child}` });
      const button = el("button", {
        type: "button", class: "go", "aria-expanded": "false", "aria-controls": list.id,
        onclick: () => toggle(child, button.getAttribute("aria-expanded") !== "true"),
      }, el("span", { "aria-hidden": "true", class: "sign" }), `go to ${beyond.number}`,
      el("span", { class: "visually-hidden" }, `, from lead ${label}`));
      head.append(button);
      holders.set(child, { list, button });
      item.append(head, mixOf(child));
    } else {
      head.append(el("p", { class: "lead-end" }, endOf(child)));
      item.append(head);
      const others = othersAt(child, beyond.class);
      if (others) item.append(others);
    }
    const shots = shotsOf(child, 4);
    if (shots) item.append(shots);
    item.dataset.node = child;
    item.classList.toggle("is-goal", goal.has(child));
    return [item, list];
  }

  function couplet(at) {
    const item = el("li", { class: "couplet", id: `couplet-${nodes[at].number}`, tabindex: "-1" });
    const sides = [0, 1].map((side) => lead(at, side));
    item.append(el("div", { class: "leads" }, sides.map(([each]) => each)));
    item.append(...sides.flatMap(([, list]) => (list ? [list] : [])));
    return item;
  }

  function toggle(at, open) {
    const { list, button } = holders.get(at);
    if (open && !list.firstChild) {
      list.append(couplet(at));
      ira.fill(list);
    }
    list.hidden = !open;
    button.setAttribute("aria-expanded", open);
  }

  // Ancestors come first, so that the lists of their children exist.
  function openTo(wanted) {
    nodes.forEach((node, at) => {
      if (!node.next || at === 0) return;
      if (wanted(at)) toggle(at, true);
      else if (holders.has(at)) toggle(at, false);
    });
  }

  function pathTo(at) {
    const path = [];
    for (let here = at; here >= 0; here = parents[here]) path.push(here);
    return path;
  }

  function mark(leaves) {
    goal = new Set(leaves.flatMap(pathTo));
    for (const item of root.querySelectorAll(".lead")) {
      item.classList.toggle("is-goal", goal.has(Number(item.dataset.node)));
    }
  }

  // Ends that name a class; without any, those where most of its images come to.
  function search(name) {
    const say = find("key-found");
    const wanted = name.trim();
    // Names may differ in capitals alone.
    const exact = ira.shared.classes.indexOf(wanted);
    const label = exact >= 0 ? exact
      : ira.shared.classes.findIndex((each) => each.toLowerCase() === wanted.toLowerCase());
    if (label < 0) {
      mark([]);
      const like = ira.shared.classes.filter((each) => each.toLowerCase().includes(wanted.toLowerCase()));
      say.textContent = !wanted ? ""
        : like.length ? `${ira.count(like.length, "class", "classes")} with these letters: ${like.slice(0, 5).join(", ")}${like.length > 5 ? ", …" : ""}`
          : `No class has “${wanted}” in its name.`;
      return;
    }
    const ends = nodes.flatMap((node, at) => (node.next ? [] : [at]));
    let found = ends.filter((at) => nodes[at].class === label);
    let words = `${ira.className(label)}: ${ira.count(found.length, "end")} of the key`;
    if (!found.length) {
      const images = (at) => data.counted.reduce((sum, part) => sum + (mixes[part][at].find(([each]) => each === label)?.[1] ?? 0), 0);
      const most = Math.max(...ends.map(images));
      found = most > 0 ? ends.filter((at) => images(at) === most) : [];
      words = `${ira.className(label)}: no end of the key names it${found.length ? "; most of its images come to the marked one" : ""}`;
    }
    mark(found);
    openTo((at) => goal.has(at));
    const paths = found.slice(0, 6).map((at) => pathTo(at).reverse().slice(1)
      .map((here) => { const above = nodes[parents[here]]; return `${above.number}${letters[above.next.indexOf(here)]}`; }).join(" → "));
    say.textContent = `${words}${paths.length ? `: ${paths.join("; ")}` : ""}${found.length > 6 ? "; …" : ""}`;
  }

  // Answer the questions one by one.
  function identify() {
    const box = find("identify");
    let path = [0];

    function question() {
      const at = path[path.length - 1];
      const node = nodes[at];
      const title = el("h3", { tabindex: "-1" }, node.next ? `Question ${path.length}: which one fits?` : ira.className(node.class));
      const back = el("div", { class: "controls" });
      if (path.length > 1) {
        back.append(el("button", { type: "button", class: "quiet", onclick: () => { path.pop(); question(); } }, "Back"));
        back.append(el("button", { type: "button", class: "quiet", onclick: () => { path = [0]; question(); } }, "Start again"));
      }
      back.append(el("button", { type: "button", class: "quiet", onclick: () => leave() }, "Close"));
      const answers = el("ol", { class: "answers", "aria-label": "Answers so far" }, path.slice(1).map((here) => {
        const above = nodes[parents[here]];
        const side = above.next.indexOf(here);
        return el("li", {}, `${above.number}${letters[side]} ${above.words[side][0] || above.words[side][1]}`);
      }));
      const body = node.next ? el("div", { class: "choices" }, [0, 1].map((side) => choice(at, side))) : result(at);
      box.replaceChildren(title, body, answers, back);
      ira.fill(box);
      title.focus({ preventScroll: true });
      box.scrollIntoView({ block: "nearest" });
    }

    function choice(at, side) {
      const node = nodes[at];
      const child = node.next[side];
      return el("div", { class: "choice" },
        el("button", { type: "button", class: "choose", onclick: () => { path.push(child); question(); } },
          el("span", { class: "number" }, `${node.number}${letters[side]}`), el("span", { class: "lead-rule" }, wordsOf(node.words[side]))),
        shotsOf(child, 4));
    }

    function result(at) {
      const there = el("button", { type: "button", class: "quiet", onclick: () => { mark([at]); openTo((each) => goal.has(each)); goTo(parents[at]); } }, "Show in the key");
      return el("div", { class: "result" }, mixOf(at, 8), shotsOf(at, 8), el("p", {}, there));
    }

    function leave() {
      box.hidden = true;
      find("identify-start").setAttribute("aria-expanded", "false");
      find("identify-start").focus();
    }

    box.hidden = false;
    find("identify-start").setAttribute("aria-expanded", "true");
    question();
  }

  function goTo(at) {
    pathTo(at).reverse().forEach((here) => { if (here > 0) toggle(here, true); });
    const item = root.querySelector(`#couplet-${nodes[at].number}`);
    item.scrollIntoView({ block: "center" });
    item.focus({ preventScroll: true });
  }

  function followLink() {
    const number = Number(/^#couplet-(\d+)$/.exec(location.hash)?.[1]);
    if (byNumber.has(number)) goTo(byNumber.get(number));
  }

  const tree = find("key-root");
  if (nodes[0].next) tree.append(couplet(0));
  else tree.append(el("li", { class: "couplet" }, el("p", { class: "lead-end" }, endOf(0)), shotsOf(0, 8)));
  const depth = find("key-depth");
  const openLevels = (most) => { if (nodes[0].next) openTo((at) => level[at] <= most); };
  // Small keys are open from the start.
  const first = byNumber.size <= 12 ? data.depth : Math.min(3, data.depth);
  if (first) {
    depth.value = first;
    openLevels(first);
  }
  depth.addEventListener("change", () => openLevels(Number(depth.value)));
  find("key-open").addEventListener("click", () => { depth.value = data.depth; openLevels(data.depth); });
  find("key-close").addEventListener("click", () => { depth.value = 1; openLevels(1); });
  find("key-shots")?.addEventListener("change", (event) => tree.classList.toggle("without-shots", !event.target.checked));
  find("key-search").addEventListener("input", (event) => search(event.target.value));
  find("identify-start")?.addEventListener("click", () => identify());
  addEventListener("hashchange", followLink);
  addEventListener("beforeprint", () => { openLevels(data.depth); tree.querySelectorAll("img[data-picture]").forEach(ira.show); });
  root.querySelector(".key-app").hidden = false;
  followLink();
});
