"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const ROWS = 50;

  /* Everything packed is gzip in base85, with other letters for those of markup. */
  const DIGITS = new Uint8Array(128);
  const LETTERS =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%:()*+-;,=.?@^_`{|}~";
  [...LETTERS].forEach((letter, value) => {
    DIGITS[letter.charCodeAt(0)] = value;
  });
  const bytesOf = (text) => {
    const bytes = new Uint8Array(Math.floor((text.length * 4) / 5));
    for (let i = 0, at = 0; i < text.length; i += 5, at += 4) {
      let word = 0;
      for (let j = i; j < i + 5; j += 1) {
        word = word * 85 + (j < text.length ? DIGITS[text.charCodeAt(j)] : 84);
      }
      bytes[at] = word >>> 24;
      bytes[at + 1] = word >>> 16;
      bytes[at + 2] = word >>> 8;
      bytes[at + 3] = word;
    }
    return bytes;
  };
  const unpacked = (id) => {
    const bytes = bytesOf(document.getElementById(id).textContent.trim());
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
  };
  const once = (make) => {
    let made;
    return () => (made ??= make());
  };
  const content = once(() => unpacked("data").json());

  /* What is shown, kept in the fragment: #place?drivers=a,b&metric=m&scale=absolute */
  const form = document.getElementById("view");
  const view = { place: "", drivers: null, metric: "", absolute: false };
  const changed = [];

  const decoded = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const read = () => {
    const [place, query] = location.hash.slice(1).split("?");
    view.place = decoded(place);
    if (query === undefined && place) return;
    const asked = new URLSearchParams(query ?? "");
    const names = asked.getAll("driver");
    view.drivers = names.length ? new Set(names) : null;
    view.metric = asked.get("metric") ?? "";
    view.absolute = asked.get("scale") === "absolute";
  };
  const write = () => {
    const query = new URLSearchParams();
    for (const driver of view.drivers ?? []) query.append("driver", driver);
    if (view.metric) query.set("metric", view.metric);
    if (view.absolute) query.set("scale", "absolute");
    const text = query.toString();
    const fragment = encodeURIComponent(view.place) + (text ? `?${text}` : "");
    if (fragment !== location.hash.slice(1)) history.replaceState(null, "", `#${fragment}`);
  };
  const wanted = (driver, metric) =>
    (driver === undefined || view.drivers === null || view.drivers.has(driver)) &&
    (metric === undefined || view.metric === "" || view.metric === metric);

  const apply = () => {
    root.dataset.scale = view.absolute ? "absolute" : "relative";
    for (const one of all("[data-driver], [data-metric]")) {
      one.hidden = !wanted(one.dataset.driver, one.dataset.metric);
    }
    for (const react of changed) react();
  };
  const fill = () => {
    for (const box of all("[name=driver]", form)) {
      box.checked = view.drivers === null || view.drivers.has(box.value);
    }
    const metric = form.querySelector("[name=metric]");
    if (metric) metric.value = view.metric;
    form.querySelector(`[value=${view.absolute ? "absolute" : "relative"}]`).checked = true;
  };
  const choose = () => {
    const boxes = all("[name=driver]", form);
    const kept = boxes.filter((box) => box.checked);
    view.drivers = kept.length === boxes.length ? null : new Set(kept.map((box) => box.value));
    view.metric = form.querySelector("[name=metric]")?.value ?? "";
    view.absolute = form.querySelector("[value=absolute]").checked;
    write();
    apply();
  };
  /* Where a link led. What is drawn above it may push it away: it is found again until the reader
     moves on, for not every browser keeps it in place by itself. */
  let landed = null;
  const land = () =>
    landed?.scrollIntoView({
      behavior: "instant",
      block: landed.id.startsWith("contrast-") ? "center" : "start",
    });
  for (const kind of ["wheel", "touchstart", "keydown", "pointerdown"]) {
    addEventListener(kind, () => { landed = null; }, { passive: true });
  }
  const go = async () => {
    for (const old of all(".target")) old.classList.remove("target");
    landed = null;
    if (!view.place) return;
    let place = document.getElementById(view.place);
    if (!place && view.place.startsWith("contrast-")) place = await findRow(view.place);
    if (!place) return;
    const folded = place.querySelector(":scope > details") ?? place;
    for (let up = folded.closest("details"); up; up = up.parentElement.closest("details")) {
      up.open = true;
    }
    if (place.id.startsWith("contrast-")) place.classList.add("target");
    landed = place;
    land();
  };
  const filters = () => {
    form.hidden = false;
    form.addEventListener("change", choose);
    form.addEventListener("reset", () => setTimeout(choose));
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("hashchange", () => {
      read();
      fill();
      write();
      apply();
      go();
    });
    read();
    fill();
    apply();
  };

  /* Files made here. */
  const save = (name, url) => {
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    if (url.startsWith("blob:")) setTimeout(() => URL.revokeObjectURL(url), 60000);
  };
  const quoted = (value) => {
    const safe = /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
    return `"${safe.replaceAll('"', '""')}"`;
  };
  const csv = (rows) => rows.map((row) => row.map(quoted).join(",")).join("\r\n");
  const button = (text, label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  };

  /* Long tables: the first rows stand in the page, the rest is unfolded when it comes near. */
  const tables = new Map();

  const upgrade = async (box) => {
    const id = box.dataset.table;
    if (tables.has(id)) return tables.get(id);
    const made = longTable(box, (await content()).tables[id]);
    tables.set(id, made);
    land();
    return made;
  };
  const longTable = (box, { columns: packed, keys }) => {
    const rows = packed[0].map((_, i) => packed.map((column) => column[i]));
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const heads = all("th", table.tHead.rows[0]);
    const kinds = heads.map((head) => head.className);
    const texts = rows.map((row) => row.join(" ").toLowerCase());
    const columns = [box.dataset.driverColumn, box.dataset.metricColumn];
    let words = [];
    let most = ROWS;

    const matching = () =>
      rows.flatMap((row, i) => {
        const [driver, metric] = columns.map((column) => row[column]);
        const arm = driver?.replace(/ \(A\/A\)$/, "");
        return wanted(arm, metric) && words.every((word) => texts[i].includes(word)) ? [i] : [];
      });
    const line = (i) => {
      const made = document.createElement("tr");
      if (keys[i]) made.id = keys[i];
      rows[i].forEach((value, column) => {
        const cell = made.insertCell();
        cell.textContent = value;
        if (kinds[column]) cell.className = kinds[column];
      });
      return made;
    };
    const count = document.createElement("span");
    count.className = "quiet";
    count.setAttribute("role", "status");
    const more = button("Show more rows", `Show more rows of ${titled(box)}`, () => {
      most *= 5;
      draw();
    });
    const draw = () => {
      const found = matching();
      body.replaceChildren(...found.slice(0, most).map(line));
      more.hidden = found.length <= most;
      const number = (value) => value.toLocaleString("en");
      const said =
        found.length === rows.length
          ? `${number(rows.length)} rows`
          : `${number(found.length)} of ${number(rows.length)} rows match`;
      count.textContent = more.hidden ? said : `${said}, the first ${number(most)} are shown`;
    };
    const bar = document.createElement("p");
    bar.className = "tools";
    if (rows.length > 10) {
      const input = document.createElement("input");
      input.type = "search";
      input.placeholder = "Filter by words";
      input.setAttribute("aria-label", `Show rows of ${titled(box)} that have all of these words`);
      input.addEventListener("input", () => {
        words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        draw();
      });
      bar.append(input);
    }
    bar.append(
      button("CSV", `Download ${titled(box)} as CSV`, () => {
        const lines = [heads.map((head) => head.textContent), ...matching().map((i) => rows[i])];
        save(`${box.dataset.table}.csv`, URL.createObjectURL(new Blob([csv(lines)], { type: "text/csv" })));
      }),
      count,
    );
    box.prepend(bar);
    box.append(more);
    for (const note of all(".rest", box)) note.remove();
    changed.push(draw);
    draw();
    return {
      reveal: (key) => {
        most = Math.max(most, rows.length);
        words = [];
        draw();
        return document.getElementById(key);
      },
    };
  };
  const titled = (box) => box.querySelector("[role=region]").getAttribute("aria-label");
  const findRow = async (key) => {
    const box = document.querySelector('[data-table="contrasts"]');
    return box ? (await upgrade(box)).reveal(key) : null;
  };

  /* Figures: Plotly is unfolded and each is drawn when it comes near. */
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();
  const plotly = once(async () => {
    const url = URL.createObjectURL(
      new Blob([await unpacked("plotly").arrayBuffer()], { type: "text/javascript" }),
    );
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = resolve;
      script.onerror = () => reject(new Error("the figures could not be unpacked"));
      document.head.append(script);
    });
    URL.revokeObjectURL(url);
    return globalThis.Plotly;
  });
  const themed = (value, key, colours) => {
    if (Array.isArray(value)) return value.map((item) => themed(item, key, colours));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, themed(item, name, colours)]),
      );
    }
    return colours && /color$/.test(key) ? (colours[value] ?? value) : value;
  };
  const drivers = new Set(form ? all("[name=driver]", form).map((box) => box.value) : []);
  const draw = async (plot) => {
    const [library, { figures, dark: colours }] = await Promise.all([plotly(), content()]);
    const spec = themed(figures[plot.dataset.figure], "", dark.matches ? colours : null);
    const data = spec.data.filter((trace) => !drivers.has(trace.name) || wanted(trace.name));
    plot.hidden = false;
    await library.react(plot, data, spec.layout, { displayModeBar: false, responsive: true });
    drawn.add(plot);
    land();
  };
  const picture = (figure, format) =>
    button(format.toUpperCase(), `Download this figure as ${format.toUpperCase()}`, async () => {
      const plot = figure.querySelector(".plot");
      if (!drawn.has(plot)) await draw(plot);
      const { width, height } = plot.getBoundingClientRect();
      const options = { format, width, height, scale: format === "png" ? 2 : 1 };
      save(`${plot.dataset.figure}.${format}`, await (await plotly()).toImage(plot, options));
    });

  const link = (figure) => {
    const made = document.createElement("a");
    made.href = `#${figure.id}`;
    made.textContent = "Link";
    made.setAttribute("aria-label", "Link to this figure");
    return made;
  };

  /* Near the reader's eye, whatever was put off is done. */
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        if (target.matches("figure")) draw(target.querySelector(".plot"));
        else upgrade(target);
      }
    },
    { rootMargin: "600px" },
  );
  const contents = () => {
    const links = new Map(
      all(".contents a").map((link) => [link.hash.slice(1), link]),
    );
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          const link = links.get(target.id);
          if (!link) continue;
          if (isIntersecting) link.setAttribute("aria-current", "true");
          else link.removeAttribute("aria-current");
        }
      },
      { rootMargin: "-12% 0px -80% 0px" },
    );
    for (const section of all("main > section")) seen.observe(section);
  };

  const fold = document.querySelector(".fold");
  if (fold && matchMedia("(max-width: 760px)").matches) fold.open = false;
  if (form) filters();
  contents();
  if (globalThis.DecompressionStream && document.getElementById("data")) {
    const tables = all("figure.plotted > details");
    const unfold = (open) => tables.forEach((table) => (table.open = open));
    unfold(false);
    addEventListener("beforeprint", () => unfold(true));
    addEventListener("afterprint", () => unfold(false));
    for (const figure of all("figure.plotted")) {
      const bar = document.createElement("p");
      bar.className = "tools";
      bar.append(picture(figure, "svg"), picture(figure, "png"), link(figure));
      figure.querySelector("figcaption").after(bar);
      near.observe(figure);
    }
    for (const box of all("[data-table]")) near.observe(box);
    const redraw = () => Promise.all([...drawn].map(draw));
    changed.push(redraw);
    dark.addEventListener("change", redraw);
  }
  go();
  root.dataset.ready = "true";
})();
