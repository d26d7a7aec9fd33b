// A page opened from its file may not read others, so search results come without their excerpts.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Code, tables and formulas that scroll can be reached, and so scrolled, by keyboard.
(() => {
  const boxes = "pre, .cell_output, .pst-scrollable-table-container, div.math";
  const reach = () => {
    for (const box of document.querySelectorAll(boxes)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
      if (scrolls) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    }
  };
  window.addEventListener("load", () => {
    reach();
    window.MathJax?.startup?.promise?.then(reach);
  });
  window.addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true); // a fold that opens shows what scrolls
})();
