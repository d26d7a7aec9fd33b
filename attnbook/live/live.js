// Brings the figures of attnbook.live to life: loads Vega, once a figure comes near the screen,
// from the file beside this one; fits the figure to the page; says the weights in the status line.
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
    const width = Math.floor((available - 24 * (spec.columns - 1)) / spec.columns);
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

  // The items of a mark, wherever it stands in Vega's tree.
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

  const short = (a) => (a < 0.005 ? "0" : a >= 0.995 ? "1" : a.toFixed(2).slice(1));

  const name = (word) => (word === "," ? "comma" : word);

  function inWords(row) {
    const hidden = row.filter((pair) => !pair.seen).length;
    const large = row.filter((pair) => pair.seen && pair.a >= 0.005).sort((p, q) => q.a - p.a || p.j - q.j);
    const taken = large.map((pair) => `${short(pair.a)} of ${name(pair.asked)}`).join(", ");
    const rest = large.length + hidden < row.length ? "; less than .005 of any other word" : "";
    const off = hidden ? `; ${hidden} hidden` : "";
    const mute = row[0].mute ? " (It was never asked anything, so its row means nothing.)" : "";
    return `${name(row[0].asking)} takes ${taken || "nothing that is shown"}${rest}${off}.${mute}`;
  }

  function sayStatus(figure) {
    const { view } = figure;
    const said = [];
    const cells = itemsOf(view, "cells").map((item) => item.datum);
    for (const [picked, opening] of [["word", ""], ["frozen", "Beside it: "]]) {
      const chosen = itemsOf(view, `frame_of_${picked}`).map((item) => item.datum);
      for (const { h, i } of chosen) {
        const which = chosen.length > 1 ? `Head ${h}: ` : "";
        said.push(opening + which + inWords(cells.filter((pair) => pair.h === h && pair.i === i)));
      }
    }
    const answers = itemsOf(view, "answer_numbers").map((item) => item.datum);
    if (answers.length) {
      const shares = answers.map((one) => `${one.answer} ${short(one.a)}`);
      said.push(`${answers[0].asking} answers ${shares.join(", ")}.`);
    }
    said.push(...itemsOf(view, "status").map((item) => item.text));
    const text = said.join(" ");
    const line = figure.querySelector("[role=status]");
    if (line.textContent !== text) line.textContent = text;
  }

  async function draw(figure) {
    await loadVega();
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const live = figure.querySelector(".explorer-live");
    const width = live.clientWidth;
    fit(spec, width - 2 * spec.padding);
    const names = boundSignals(spec);
    const kept = figure.view && names.map((name) => figure.view.signal(name));
    figure.view?.finalize();
    const controls = figure.querySelector(".explorer-controls");
    controls.replaceChildren();
    const options = { mode: "vega-lite", renderer: "svg", actions: false, tooltip: false, defaultStyle: false };
    const { view } = await vegaEmbed(live, spec, { ...options, bind: controls });
    kept?.forEach((value, i) => view.signal(names[i], value));
    await view.runAsync();
    figure.view = view;
    figure.drawnAt = width;
    foldAway(figure, controls, spec.usermeta);
    figure.querySelector(".explorer-picture")?.remove();
    figure.classList.add("explorer-ready");
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
    const controls = make("div", { className: "explorer-controls" });
    const live = make("div", { className: "explorer-live" });
    const status = make("p", { className: "explorer-status" });
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

  document.querySelectorAll(".explorer").forEach(prepare);
})();
