// Tables that are sorted by buttons in their heads, and filtered by words or by a mark.
ira.tables = (root) => {
  for (const table of root.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button.sort")?.addEventListener("click", () => sort(table, heads, column));
    });
    filter(root, table);
  }

  function sort(table, heads, column) {
    const head = heads[column];
    const numbers = head.querySelector("button").dataset.kind === "number";
    const before = head.getAttribute("aria-sort");
    // Numbers start with the largest, words with the first.
    const down = before === "none" ? numbers : before === "ascending";
    for (const each of heads) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    const value = (row) => {
      const cell = row.cells[column];
      if (!numbers) return cell.textContent.trim();
      const given = cell.dataset.value ?? cell.textContent;
      return given === "" ? NaN : Number(given);
    };
    const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
    rows.sort(([one], [other]) => {
      if (!numbers) return sign * one.localeCompare(other, "en", { numeric: true });
      // What has no number comes last, either way.
      if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
      return sign * (one - other);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }

  function filter(within, table) {
    const words = within.querySelector(`[data-filter="${table.id}"]`);
    const only = within.querySelector(`[data-only="${table.id}"]`);
    const status = within.querySelector(`[data-shown="${table.id}"]`);
    if (!words && !only) return;
    const rows = [...table.tBodies[0].rows];
    const apply = () => {
      const wanted = (words?.value ?? "").trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const fits = row.textContent.toLowerCase().includes(wanted) && (!only?.checked || "marked" in row.dataset);
        row.hidden = !fits;
        shown += fits;
      }
      if (status) status.textContent = shown === rows.length ? ira.count(shown, "row") : `${shown} of ${ira.count(rows.length, "row")}`;
    };
    words?.addEventListener("input", apply);
    only?.addEventListener("change", apply);
    apply();
  }
};
for (const key of ["attributes", "mistakes", "comparison", "compared-attributes"]) ira.section(key, ira.tables);
