/**
 * The layout `masonry` of <instagram-feed>: whole pictures in columns. Each post goes to the column that is shortest so
 * far, so that the order of the page, of the keyboard and of the posts agree. Heights follow from the pictures' known
 * sizes, so nothing moves while they load.
 */

const CSS = `
  .masonry { position: relative; display: block; }
  .masonry > li { position: absolute; width: var(--width); }
`;
export const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

/** Place the posts of the list, which is in the page, now and whenever their sizes or number change. */
export function arrange(list) {
  const place = () => {
    const style = getComputedStyle(list);
    const gap = parseFloat(style.columnGap) || 0;
    const bottoms = Array(Number(style.getPropertyValue("--n")) || 1).fill(0);
    const items = [...list.children];
    const heights = items.map((item) => item.offsetHeight);
    for (const [at, item] of items.entries()) {
      const column = bottoms.indexOf(Math.min(...bottoms));
      item.style.top = `${bottoms[column]}px`;
      item.style.insetInlineStart = `calc((var(--width) + var(--space)) * ${column})`;
      bottoms[column] += heights[at] + gap;
    }
    list.style.height = `${Math.max(0, ...bottoms) - gap}px`;
  };
  // Not the list: its height changes with every placement.
  const sizes = new ResizeObserver(place);
  const watch = () => {
    for (const item of list.children) sizes.observe(item);
    place();
  };
  new MutationObserver(watch).observe(list, { childList: true });
  watch();
}
