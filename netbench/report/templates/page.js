"use strict";
(() => {
  const content = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plots = [...document.querySelectorAll("[data-figure]")];
  const config = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };
  let shown = null;

  const themed = (value, key, asDark) => {
    if (Array.isArray(value)) return value.map((item) => themed(item, key, asDark));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, themed(item, name, asDark)]),
      );
    }
    return asDark && /color$/.test(key) ? (content.dark[value] ?? value) : value;
  };

  const draw = (asDark, width) => {
    for (const plot of plots) {
      const spec = themed(content.figures[plot.dataset.figure], "", asDark);
      if (width) {
        spec.layout.width = width;
        spec.layout.height = Math.min(spec.layout.height, 290);
      }
      config.displayModeBar = innerWidth < 760 ? false : "hover";
      plot.hidden = false;
      globalThis.Plotly.react(plot, spec.data, spec.layout, config);
    }
    shown = asDark;
  };

  const unpack = async () => {
    const packed = document.getElementById("plotly").textContent.trim();
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const code = new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" });
    const url = URL.createObjectURL(code);
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = resolve;
      script.onerror = () => reject(new Error("the figures could not be unpacked"));
      document.head.append(script);
    });
    URL.revokeObjectURL(url);
  };

  const figures = async () => {
    const tables = [...document.querySelectorAll("figure.plotted details")];
    for (const table of tables) table.open = false;
    try {
      await unpack();
      draw(dark.matches);
    } catch (error) {
      for (const table of tables) table.open = true;
      throw error;
    }
    dark.addEventListener("change", () => draw(dark.matches));
    addEventListener("beforeprint", () => draw(false, 660));
    addEventListener("afterprint", () => draw(dark.matches));
    document.documentElement.dataset.drawn = String(shown !== null);
  };

  const filter = () => {
    const box = document.getElementById("filter");
    const rows = [...document.querySelectorAll("#record-table tbody tr")];
    const count = document.getElementById("filter-count");
    const texts = rows.map((row) => row.textContent.toLowerCase());
    box.closest("p").hidden = false;
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i].includes(word));
        left += row.hidden ? 0 : 1;
      });
      count.textContent = `${left} of ${rows.length} rows`;
    });
  };

  filter();
  figures();
})();
