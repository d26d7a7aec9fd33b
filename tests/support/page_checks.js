// What tests/website/test_browser.py asks of the page that is open in the browser. Each check
// returns a list of faults in words; an empty list is a pass.
globalThis.checks = (() => {
  const name = (element) => {
    const text = (element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40);
    const kind = element.getAttribute("class");
    return `<${element.localName}${kind ? ` class="${kind}"` : ""}> "${text}"`;
  };
  const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const ancestors = function* (element) {
    for (let e = element; e; e = e.parentElement) yield e;
  };

  // The part of an element that its scrolling and clipping ancestors let through.
  const clips = new Map();
  const clip = (element) => {
    if (!element || element === document.documentElement) {
      return [0, -1e6, document.documentElement.clientWidth, 1e6];
    }
    if (clips.has(element)) return clips.get(element);
    let [left, top, right, bottom] = clip(element.parentElement);
    if (element !== document.body && getComputedStyle(element).overflow !== "visible") {
      const box = element.getBoundingClientRect();
      [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
      [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
    }
    clips.set(element, [left, top, right, bottom]);
    return clips.get(element);
  };

  const textNodes = function* () {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || element.closest("script, style, noscript, option")) continue;
      if (element.closest("mjx-assistive-mml") || !seen(element)) continue;
      yield [walker.currentNode, element];
    }
  };

  const sideways = () => {
    const root = document.documentElement;
    const faults = [];
    if (root.scrollWidth > root.clientWidth) {
      faults.push(`the page is ${root.scrollWidth} wide in a window of ${root.clientWidth}`);
    }
    return faults;
  };

  // Every line of text, figure, formula and control is a box; no two may share more than 2 pixels.
  const overlap = () => {
    clips.clear();
    const boxes = [];
    const add = (rect, element, squeeze) => {
      const [left, top, right, bottom] = clip(element.parentElement);
      const box = {
        left: Math.max(rect.left, left),
        right: Math.min(rect.right, right),
        top: Math.max(rect.top + squeeze * rect.height, top),
        bottom: Math.min(rect.bottom - squeeze * rect.height, bottom),
        element,
      };
      if (box.right - box.left > 2 && box.bottom - box.top > 2) boxes.push(box);
    };
    const range = document.createRange();
    for (const [node, element] of textNodes()) {
      range.selectNodeContents(node);
      for (const rect of range.getClientRects()) add(rect, element, 0.2); // letters, not their leading
    }
    for (const element of document.querySelectorAll("img, mjx-container, button, input, select")) {
      if (seen(element)) add(element.getBoundingClientRect(), element, 0);
    }
    boxes.sort((a, b) => a.top - b.top);
    const faults = [];
    boxes.forEach((a, i) => {
      for (let j = i + 1; j < boxes.length && boxes[j].top < a.bottom - 2; j++) {
        const b = boxes[j];
        if (a.element.contains(b.element) || b.element.contains(a.element)) continue;
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        if (across > 2) faults.push(`${name(a.element)} lies on ${name(b.element)}`);
      }
    });
    return faults;
  };

  // Contrast, after WCAG 2.2: relative luminance and its ratio.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((c) => {
      const share = c / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const fade = ([r, g, b, a], element) => {
    for (const e of ancestors(element)) a *= getComputedStyle(e).opacity;
    return [r, g, b, a];
  };
  const grounds = new Map();
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    if (!grounds.has(element)) {
      const own = rgba(getComputedStyle(element).backgroundColor);
      const below = own[3] === 1 ? own : ground(element.parentElement);
      grounds.set(element, over(own, below));
    }
    return grounds.get(element);
  };
  // What an SVG text stands on: the page, and every filled shape drawn before it and under it.
  const shapes = new Map();
  const filled = (svg) => {
    if (!shapes.has(svg)) {
      const found = [];
      for (const shape of svg.querySelectorAll("rect, circle, ellipse, path, polygon")) {
        if (shape.closest("defs, clipPath, mask") || !seen(shape)) continue;
        const { fill, fillOpacity } = getComputedStyle(shape);
        if (fill === "none" || fill.startsWith("url")) continue;
        const [r, g, b, a] = fade(rgba(fill), shape);
        found.push({ shape, at: shape.getBoundingClientRect(), colour: [r, g, b, a * fillOpacity] });
      }
      shapes.set(svg, found);
    }
    return shapes.get(svg);
  };
  const svgGround = (text) => {
    const box = text.getBoundingClientRect();
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    let below = ground(text.ownerSVGElement);
    for (const { shape, at, colour } of filled(text.ownerSVGElement)) {
      if (x < at.left || x > at.right || y < at.top || y > at.bottom) continue;
      const before = text.compareDocumentPosition(shape) & Node.DOCUMENT_POSITION_PRECEDING;
      if (before) below = over(colour, below);
    }
    return below;
  };
  const contrast = () => {
    grounds.clear();
    shapes.clear();
    const faults = [];
    const judge = (element, ink, paper) => {
      const found = ratio(over(fade(ink, element), paper), paper);
      if (found < 4.5) faults.push(`${name(element)}: contrast ${found.toFixed(2)}`);
    };
    const done = new Set();
    for (const [, element] of textNodes()) {
      if (done.has(element)) continue;
      done.add(element);
      const style = getComputedStyle(element);
      if (element.ownerSVGElement) {
        judge(element, rgba(style.fill), svgGround(element.closest("text") ?? element));
      } else {
        judge(element, rgba(style.color), ground(element));
      }
    }
    for (const letter of document.querySelectorAll("mjx-c")) {
      if (seen(letter)) judge(letter, rgba(getComputedStyle(letter).color), ground(letter));
    }
    return [...new Set(faults)];
  };

  const figures = () => {
    const faults = [];
    for (const image of document.querySelectorAll("article img")) {
      for (const element of ancestors(image)) {
        const { filter, opacity, mixBlendMode } = getComputedStyle(element);
        if (filter !== "none" || opacity !== "1" || mixBlendMode !== "normal") {
          faults.push(`${image.alt.slice(0, 40)}: ${filter}, opacity ${opacity}, ${mixBlendMode}`);
        }
      }
    }
    return faults;
  };

  const headings = () => {
    const faults = [];
    let last = 0;
    for (const heading of document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")) {
      if (!seen(heading)) continue;
      const level = Number(heading.localName[1]);
      if (level > last + 1) faults.push(`${name(heading)} follows level ${last}`);
      if (level === 1 && last) faults.push(`${name(heading)} is a second title`);
      last = level;
    }
    if (!last) faults.push("no heading");
    return faults;
  };

  const formulas = () => {
    const faults = [];
    for (const formula of document.querySelectorAll("article .math")) {
      if (!formula.querySelector("mjx-container mjx-c")) faults.push(`not set: ${name(formula)}`);
    }
    for (const fault of document.querySelectorAll("mjx-merror, [data-mjx-error]")) {
      faults.push(`not understood: ${name(fault)}`);
    }
    return faults;
  };

  // What can be clicked can be reached with the Tab key, and shows where the focus is.
  const controls = () =>
    [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter(
      (e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled && e.tabIndex >= 0,
    );
  const look = (element) => {
    const s = getComputedStyle(element);
    const outline = s.outlineStyle === "none" ? "none" : `${s.outlineWidth} ${s.outlineColor}`;
    return [outline, s.boxShadow, s.backgroundColor, s.borderColor, s.textDecoration].join(";");
  };
  const keyboard = () => {
    const faults = [];
    for (const element of controls()) {
      document.activeElement?.blur();
      const before = look(element);
      element.focus({ preventScroll: true });
      if (document.activeElement !== element) faults.push(`${name(element)} takes no focus`);
      else if (!seen(element)) faults.push(`${name(element)} has the focus and is hidden`);
      else if (look(element) === before) faults.push(`${name(element)} does not show its focus`);
      if (element.tabIndex > 0) faults.push(`${name(element)} jumps the queue`);
    }
    document.activeElement?.blur();
    for (const element of document.querySelectorAll("[onclick], [role=button], [role=tab]")) {
      if (seen(element) && element.tabIndex < 0) faults.push(`${name(element)} is for a mouse only`);
    }
    return faults;
  };

  // Asked while the browser says that its reader prefers reduced motion.
  const motion = () => {
    const faults = document.getAnimations().map((a) => `${name(a.effect.target)} moves`);
    for (const element of document.querySelectorAll("*")) {
      const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(element);
      const slow = transitionDuration.split(",").some((time) => parseFloat(time) > 0.01);
      if (slow || animationName !== "none" || scrollBehavior === "smooth") {
        faults.push(`${name(element)} would move`);
      }
    }
    return faults;
  };

  const largestPaint = () =>
    new Promise((resolve) => {
      new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime)).observe({
        type: "largest-contentful-paint",
        buffered: true,
      });
      setTimeout(() => resolve(null), 500);
    });

  // Waits until formulas and fonts are there and a tenth of a second brings no other file.
  const settled = async () => {
    await globalThis.MathJax?.startup?.promise;
    await document.fonts.ready;
    for (let before = -1, now = 0; now !== before; ) {
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 100));
      now = performance.getEntriesByType("resource").length;
    }
  };

  return { settled, sideways, overlap, contrast, figures, headings, formulas, controls, keyboard, motion, largestPaint };
})();
