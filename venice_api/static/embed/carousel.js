/**
 * The layout `carousel` of <instagram-feed>: one row that scrolls and snaps to the tiles. Swipes are the browser's own
 * scrolling. Buttons scroll by what is visible, and arrow keys move the focus from tile to tile.
 */

const CSS = `
  .slider { position: relative; }
  .carousel { display: grid; grid-auto-flow: column; grid-auto-columns: var(--width); align-items: start; overflow: auto hidden; overscroll-behavior-x: contain; scroll-snap-type: x mandatory; scrollbar-width: none; }
  .carousel::-webkit-scrollbar { display: none; }
  .carousel > li { scroll-snap-align: start; }
  .carousel .tile:focus-visible { outline: 3px solid #fff; outline-offset: -3px; }
  .carousel .tile:focus-visible::after { position: absolute; inset: 3px; border: 2px solid #000; border-radius: inherit; content: ""; }
  .carousel:focus-visible { outline-offset: -3px; }
  .step { position: absolute; z-index: 1; display: block; width: 2.5em; height: 2.5em; padding: .65em; border-radius: 50%; color: #1f1b24; background: rgb(255 255 255 / .94); box-shadow: 0 1px 5px rgb(0 0 0 / .4); transform: translateY(-50%); transition: opacity .2s ease; }
  .step:hover { background: #fff; }
  .step:focus-visible { outline: 3px solid #fff; outline-offset: 0; box-shadow: 0 0 0 6px #000; }
  .step[hidden] { display: none; }
  .step[aria-disabled] { opacity: 0; cursor: default; }
  .step[aria-disabled]:focus-visible { opacity: .5; }
  .step svg { stroke-width: 2.6; }
  .previous { inset-inline-start: .6em; }
  .next { inset-inline-end: .6em; }
  :dir(rtl) > .step svg { transform: scaleX(-1); }
  @media (prefers-reduced-motion: no-preference) { .carousel { scroll-behavior: smooth; } }
  @media (prefers-reduced-motion: reduce) { .step { transform: translateY(-50%) !important; } }
`;
export const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

const ICONS = { previous: "M15 4.5 7.5 12l7.5 7.5", next: "m9 4.5 7.5 7.5L9 19.5" };

/** Put the list, which is in the page, into a slider with buttons. `isLink`: whether the tiles can be focused. */
export function arrange(list, { texts, make, makeButton, icon, isLink }) {
  const forward = getComputedStyle(list).direction === "rtl" ? -1 : 1;
  const step = (name, by) => {
    const button = makeButton("", () => {
      const gap = parseFloat(getComputedStyle(list).columnGap) || 0;
      list.scrollBy({ left: by * forward * (list.clientWidth + gap) });
    });
    button.className = `step ${name}`;
    button.setAttribute("aria-label", texts[name]);
    button.append(icon(ICONS[name]));
    return button;
  };
  const previous = step("previous", -1);
  const next = step("next", 1);
  const slider = make("div", "slider");
  list.replaceWith(slider);
  slider.append(previous, list, next);
  if (!isLink) list.tabIndex = 0; // nothing in it can be focused, so keys scroll the list

  const update = () => {
    const most = list.scrollWidth - list.clientWidth;
    const at = Math.abs(list.scrollLeft);
    for (const [button, isAtEnd] of [[previous, at < 2], [next, at > most - 2]]) {
      button.hidden = most < 2;
      if (isAtEnd) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
      button.style.top = `${list.firstChild.firstChild.offsetHeight / 2}px`;
    }
  };
  list.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(list);
  update();

  list.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -forward, ArrowRight: forward }[event.key];
    const item = event.target.closest("li");
    if (!by || !item) return;
    event.preventDefault();
    (by < 0 ? item.previousElementSibling : item.nextElementSibling)?.firstChild.focus();
  });
}
