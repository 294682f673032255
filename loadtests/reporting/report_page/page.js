// Draws the charts from the page's own data, again when its colours change, and never asks the network.
(() => {
  "use strict";
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const closed = [];

  // A colour is the name of a variable of the page's style: "var(--ours-3)".
  function coloured(value, style) {
    if (typeof value === "string") {
      const name = /^var\((--[a-z0-9-]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
    }
    return value;
  }

  function layoutOf(chart, style, narrow) {
    const ink = style.getPropertyValue("--ink").trim();
    const grid = style.getPropertyValue("--grid").trim();
    const own = coloured(chart.layout, style);
    const axis = (given) => ({ gridcolor: grid, linecolor: grid, automargin: true, fixedrange: true, ...given });
    return {
      height: narrow ? 460 : 420,
      ...own,
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 13, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: narrow ? 44 : 60, r: narrow ? 14 : 24, t: 14, b: 48 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", ...own.legend },
      hoverlabel: { font: { family: "inherit" } },
      xaxis: axis(own.xaxis),
      yaxis: axis(own.yaxis),
    };
  }

  function draw() {
    const style = getComputedStyle(root);
    const narrow = root.clientWidth < 600;
    const config = { displayModeBar: false, responsive: true };
    return Promise.all(
      charts.map((chart) => {
        const place = document.querySelector(`[data-chart="${chart.key}"]`);
        return Plotly.react(place, coloured(chart.data, style), layoutOf(chart, style, narrow), config);
      }),
    ).then(() => { root.dataset.charts = "drawn"; });
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("(max-width: 600px)").addEventListener("change", draw);
  addEventListener("beforeprint", () => {
    root.classList.add("printing"); // light, whatever the screen is
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      closed.push(details);
    }
    draw();
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    while (closed.length) closed.pop().open = false;
    draw();
  });
  draw();
})();
