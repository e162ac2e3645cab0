// Puts HTML into the page by changing only the nodes that differ: a link keeps its focus, a selection stays,
// and a <details> that was opened stays open.
const KEPT = { DETAILS: ["open"], INPUT: ["value", "checked"] };

function patch(from, to) {
  const wanted = Array.from(to.childNodes);
  wanted.forEach((node, i) => {
    const present = from.childNodes[i];
    if (!present) {
      from.appendChild(node);
    } else if (present.nodeType !== node.nodeType || present.nodeName !== node.nodeName) {
      from.replaceChild(node, present);
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      attributes(present, node);
      patch(present, node);
    } else if (present.nodeValue !== node.nodeValue) {
      present.nodeValue = node.nodeValue;
    }
  });
  while (from.childNodes.length > wanted.length) from.removeChild(from.lastChild);
}

function attributes(present, node) {
  const kept = KEPT[present.nodeName] || [];
  for (const { name } of Array.from(present.attributes)) {
    if (!node.hasAttribute(name) && !kept.includes(name)) present.removeAttribute(name);
  }
  for (const { name, value } of Array.from(node.attributes)) {
    if (present.getAttribute(name) !== value && !kept.includes(name)) present.setAttribute(name, value);
  }
}

export default {
  template: '<component :is="as"></component>',
  props: { html: String, as: { type: String, default: "div" } },
  mounted() {
    this.patch();
    // On a phone the navigation is wider than the screen: it starts where the visitor is.
    const here = this.$el.querySelector('nav [aria-current="page"]');
    if (here) {
      const nav = here.closest("nav");
      const [outer, inner] = [nav.getBoundingClientRect(), here.getBoundingClientRect()];
      nav.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
    }
  },
  methods: {
    patch() {
      const template = document.createElement("template");
      template.innerHTML = this.html;
      patch(this.$el, template.content);
    },
  },
};
