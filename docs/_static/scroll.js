// What scrolls by itself can be reached by the keyboard.
function reach() {
  const selector = "pre, div.math, div.table-wrapper, .sphx-glr-script-out div.highlight";
  for (const part of document.querySelectorAll(selector)) {
    const style = getComputedStyle(part);
    const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY);
    if (scrolls && (part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight)) {
      part.tabIndex = 0;
    }
  }
}
addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(reach));
addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);
// The two side bars have names.
for (const [part, name] of [["sidebar", "All pages"], ["toc", "On this page"]]) {
  addEventListener("load", () =>
    document.querySelector(`aside.${part}-drawer`)?.setAttribute("aria-label", name));
}
