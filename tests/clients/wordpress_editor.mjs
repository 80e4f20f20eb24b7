// The block's editor script with small versions of WordPress's globals: registers the block, draws its fields, and
// changes each of them. Prints what happened as JSON.
// node wordpress_editor.mjs editor.js
import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";

const registered = {};
const wp = {
  blocks: { registerBlockType: (name, settings) => (registered[name] = settings) },
  element: { createElement: (type, props, ...children) => ({ type, props: props ?? {}, children: children.flat() }), Fragment: "Fragment" },
  blockEditor: { InspectorControls: "InspectorControls", useBlockProps: () => ({ className: "block" }) },
  components: { PanelBody: "PanelBody", Placeholder: "Placeholder", SelectControl: "SelectControl", TextControl: "TextControl" },
  i18n: { __: (text) => text },
};
runInNewContext(readFileSync(process.argv[2], "utf8"), { window: { wp } });

const fields = {};
function visit({ type, props, children }) {
  if (type === "SelectControl" || type === "TextControl") {
    const options = props.options?.map(({ value }) => value);
    let changed;
    changes.push((values) => (changed = values));
    props.onChange("new");
    fields[props.key] = { label: props.label, value: props.value, options, changed };
  }
  children.forEach(visit);
}
const changes = [];
const attributes = { token: "t0ken", layout: "carousel" };
const [[name, { edit, save }]] = Object.entries(registered);
visit(edit({ attributes, setAttributes: (values) => changes.at(-1)(values) }));
console.log(JSON.stringify({ names: Object.keys(registered), name, saved: save(), fields }));
