// The page's words. English stands in the code; a browser that prefers Chinese loads the table, and no other one does.

const language = navigator.languages.find((each) => /^(en|zh)\b/i.test(each)) ?? "en";
const isChinese = /^zh/i.test(language);
const table = isChinese ? await import("./zh.js").then((all) => all.default, () => ({})) : {}; // not loaded: English

if (isChinese) document.documentElement.lang = "zh-CN";

/** The text with its values where {} stands, or {1} and {0} in another order. With an element among them it is a list of children. */
export function t(text, ...values) {
  let next = 0;
  const pieces = (table[text] ?? text).split(/(\{\d?\})/).map((each) => (/^\{\d?\}$/.test(each) ? values[each[1] === "}" ? next++ : each[1]] : each));
  return values.some((each) => each instanceof Node) ? pieces : pieces.join("");
}

/** The words of the page itself, which are English until this is called. */
export function translatePage() {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = t(texts.currentNode.data);
  for (const each of document.querySelectorAll("[aria-label]")) each.ariaLabel = t(each.ariaLabel);
}
