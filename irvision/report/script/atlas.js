// The atlas: a card for each code; what is on a card is made once it is near the screen.
ira.section("atlas", (root, data) => {
  const { el } = ira;
  const find = (id) => root.querySelector(`#${id}`);
  // Of its best attribute, or of the best name of its tests.
  const above = (card) => Math.max(-1, ...card.attributes.map((each) => each.f1 - (each.null ?? 0)),
    ...card.names.filter((each) => each.f1 !== null).map((each) => each.f1 - (each.chance ?? 0)));
  // Of the highest value, or of all but the lowest one.
  const share = (card) => card.values.slice(0, -1).reduce((sum, each) => sum + each.images / each.of, 0);
  const orders = {
    tested: (one, other) => (other.tested.length > 0) - (one.tested.length > 0)
      || (one.tested[0] ?? 0) - (other.tested[0] ?? 0) || above(other) - above(one) || one.code - other.code,
    number: (one, other) => one.code - other.code,
    share: (one, other) => share(other) - share(one) || one.code - other.code,
    f1: (one, other) => above(other) - above(one) || one.code - other.code,
  };
  const two = (number) => number.toFixed(2);
  const fit = (f1, chance) => `F1 ${two(f1)}${chance === null ? "" : ` (chance ${two(chance)})`}`;

  function facts(card) {
    const rows = [];
    if (card.tested.length) {
      const links = card.tested.flatMap((number, place) => [place ? ", " : "", el("a", { href: `#couplet-${number}` }, String(number))]);
      rows.push(["Tested at", el("span", {}, card.tested.length === 1 ? "couplet " : "couplets ", links)]);
    }
    const best = card.attributes.map((each) => {
      return el("li", {}, el("b", {}, each.attribute), ` ${fit(each.f1, each.null)}`, el("span", { class: "muted" }, ` by ${each.column}`));
    });
    if (best.length) rows.push(["Best for", el("ul", { class: "plain" }, best)]);
    return el("dl", { class: "facts" }, rows.map(([term, words]) => [el("dt", {}, term), el("dd", {}, words)]).flat());
  }

  function group(words, rows, card) {
    const there = rows.filter(ira.hasPicture);
    if (!there.length) return null;
    return el("div", { class: "group" }, el("p", { class: "group-words" }, words),
      el("div", { class: "shots" }, there.map((row) => ira.shot(row, null, card.maps[row]))));
  }

  function valueOf(each, card) {
    const meter = el("span", { class: "meter", "aria-hidden": "true" }, el("span"));
    meter.firstChild.style.width = `${(100 * each.images) / each.of}%`;
    return el("div", { class: "value" },
      el("h4", {}, each.words, el("span", { class: "muted" }, ` ${ira.share(each.images, each.of)} of images`)), meter,
      el("div", { class: "groups" }, group(each.close.length ? "typical" : "", each.typical, card), group("borderline", each.close, card)));
  }

  const named = (name) => el("p", { class: "card-name" }, name.words,
    name.f1 === null ? null : el("span", { class: "muted" }, ` ${fit(name.f1, name.chance)} where it is tested`));

  function make(card) {
    const title = el("h3", {}, `Code ${card.code}`);
    const item = el("li", { class: card.tested.length ? "card is-tested" : "card", id: `code-${card.code}`, tabindex: "-1" },
      title, card.names.map(named), facts(card));
    return item;
  }

  // The pictures of a card, once.
  function complete(item) {
    const card = item.card;
    if (item.complete) return;
    item.complete = true;
    if (card.values.length === 1) item.append(el("p", { class: "muted" }, `The same for all images: ${card.values[0].words}.`));
    else item.append(el("div", { class: "values" }, card.values.map((each) => valueOf(each, card))));
    ira.fill(item);
    if (find("atlas-maps")?.checked) maps(item, true);
  }

  function maps(under, on) {
    for (const button of under.querySelectorAll(".map")) {
      if ((button.getAttribute("aria-pressed") === "true") !== on) button.click();
    }
  }

  const near = new IntersectionObserver((seen) => {
    for (const each of seen) if (each.isIntersecting) { near.unobserve(each.target); complete(each.target); }
  }, { rootMargin: "700px" });
  const items = new Map(data.cards.map((card) => {
    const item = make(card);
    item.card = card;
    return [card, item];
  }));
  const texts = new Map(data.cards.map((card) => [card,
    [`code ${card.code}`, ...card.names.map((each) => each.words), ...card.attributes.map((each) => each.attribute)].join(" ").toLowerCase()]));

  function arrange() {
    const words = find("atlas-find").value.trim().toLowerCase();
    const shown = data.cards.filter((card) => texts.get(card).includes(words)
      && (!find("atlas-tested").checked || card.tested.length)
      && (!find("atlas-named").checked || card.names.length || card.attributes.length));
    shown.sort(orders[find("atlas-order").value]);
    find("atlas-cards").replaceChildren(...shown.map((card) => items.get(card)));
    for (const card of shown) if (!items.get(card).complete) near.observe(items.get(card));
    find("atlas-count").textContent = shown.length === data.cards.length
      ? ira.count(shown.length, "code") : `${shown.length} of ${ira.count(data.cards.length, "code")}`;
  }

  // A link to a code that the filter hides shows all codes again.
  function followLink() {
    const code = Number(/^#code-(\d+)$/.exec(location.hash)?.[1]);
    const card = data.cards.find((each) => each.code === code);
    if (!card) return;
    const item = items.get(card);
    if (!item.isConnected) {
      find("atlas-find").value = "";
      for (const id of ["atlas-tested", "atlas-named"]) find(id).checked = false;
      arrange();
    }
    // Cards above it that grew later would push it off the screen.
    for (const each of item.parentNode.children) {
      complete(each);
      if (each === item) break;
    }
    item.scrollIntoView({ block: "start" });
    item.focus({ preventScroll: true });
  }

  for (const id of ["atlas-find", "atlas-order", "atlas-tested", "atlas-named"]) find(id).addEventListener("input", arrange);
  find("atlas-maps")?.addEventListener("change", (event) => maps(find("atlas-cards"), event.target.checked));
  addEventListener("hashchange", followLink);
  addEventListener("beforeprint", () => {
    for (const item of items.values()) if (item.isConnected) complete(item);
    root.querySelectorAll("img[data-picture]").forEach(ira.show);
  });
  root.querySelector(".atlas-app").hidden = false;
  arrange();
  followLink();
});
