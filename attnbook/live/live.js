// Brings the figures of attnbook.live to life: loads Vega, once a figure comes near the screen,
// from the file beside this one; fits the figure to the page; keeps its status line. Nothing here
// knows what a figure shows: what differs between them stands in the specification, under usermeta.
(() => {
  const vegaAddress = new URL("vega.js", document.currentScript.src);
  let vega;

  function loadVega() {
    vega ??= new Promise((loaded, failed) => {
      const script = document.createElement("script");
      script.src = vegaAddress;
      script.onload = loaded;
      script.onerror = failed;
      document.head.append(script);
    });
    return vega;
  }

  // Every width in the specification is one number; two panels go side by side where they fit.
  function fit(spec, available) {
    const panels = spec.concat;
    if (available < 640) spec.columns = 1;
    const gaps = spec.columns > 1 ? spec.spacing * (spec.columns - 1) : 0;
    const width = Math.floor((available - gaps) / spec.columns);
    for (const view of panels.flatMap((panel) => panel.vconcat ?? [panel])) {
      view.width = Math.min(view.width, width);
    }
    spec.params.find((param) => param.name === "narrow").value = width < 480;
  }

  function boundSignals(spec) {
    return spec.params
      .filter((param) => param.bind)
      .map((param) => (param.select ? `${param.name}_${param.select.fields[0]}` : param.name));
  }

  // The items of all marks whose names begin like this, wherever they stand in Vega's tree.
  function itemsOf(view, name) {
    const found = [];
    const walk = (node) => {
      if (node.marktype && node.marktype !== "group" && node.name?.startsWith(name)) {
        found.push(...node.items);
      } else {
        for (const child of node.items ?? []) walk(child);
      }
    };
    walk(view.scenegraph().root);
    return found;
  }

  // The sentences are the texts of marks; the specification names these in their order.
  function sayStatus(figure) {
    const items = figure.status.flatMap((name) => itemsOf(figure.view, name));
    const text = items.map((item) => item.text).join(" ");
    const line = figure.querySelector("[role=status]");
    if (line.textContent !== text) line.textContent = text;
  }

  async function draw(figure) {
    await loadVega();
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const live = figure.querySelector(".live-drawing");
    const width = live.clientWidth;
    fit(spec, width - 2 * spec.padding);
    const names = boundSignals(spec);
    const kept = figure.view && names.map((name) => figure.view.signal(name));
    figure.view?.finalize();
    const controls = figure.querySelector(".live-controls");
    controls.replaceChildren();
    const options = { mode: "vega-lite", renderer: "svg", actions: false, tooltip: false, defaultStyle: false };
    const { view } = await vegaEmbed(live, spec, { ...options, bind: controls });
    kept?.forEach((value, i) => view.signal(names[i], value));
    await view.runAsync();
    figure.view = view;
    figure.status = spec.usermeta.status;
    figure.drawnAt = width;
    foldAway(figure, controls, spec.usermeta);
    figure.querySelector(".live-picture")?.remove();
    figure.classList.add("live-ready");
    sayStatus(figure);
  }

  // Settings beyond the first go below a fold that the reader opens.
  function foldAway(figure, controls, { more, isOpen }) {
    const inputs = [...controls.querySelectorAll("[name]")].filter((i) => more.includes(i.name));
    if (!inputs.length) return;
    const fold = document.createElement("details");
    fold.open = figure.isOpen ?? isOpen;
    fold.addEventListener("toggle", () => (figure.isOpen = fold.open));
    const summary = document.createElement("summary");
    summary.textContent = "Settings";
    const settings = document.createElement("div");
    settings.append(...inputs.map((input) => input.closest(".vega-bind")));
    fold.append(summary, settings);
    controls.append(fold);
  }

  function prepare(figure) {
    const make = (tag, attributes) => Object.assign(document.createElement(tag), attributes);
    const controls = make("div", { className: "live-controls" });
    const live = make("div", { className: "live-drawing" });
    const status = make("p", { className: "live-status" });
    status.setAttribute("role", "status");
    figure.append(controls, live, status);
    let waiting;
    const after = () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(async () => {
        if (!figure.view) return;
        await figure.view.runAsync();
        sayStatus(figure);
      });
    };
    for (const event of ["input", "change", "click"]) figure.addEventListener(event, after);
    new IntersectionObserver((seen, observer) => {
      if (!seen.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      draw(figure);
      new ResizeObserver(() => {
        if (figure.view && Math.abs(live.clientWidth - figure.drawnAt) > 24) draw(figure);
      }).observe(live);
    }, { rootMargin: "400px" }).observe(figure);
  }

  document.querySelectorAll(".live-figure").forEach(prepare);
})();
