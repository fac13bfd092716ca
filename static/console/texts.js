// The page's words. English stands in the code; a browser that prefers Chinese loads the table, and no other one does.

const language = navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag)) ?? "en";
const isChinese = /^zh/i.test(language);
const table = isChinese ? await import("./zh.js").then((all) => all.default, () => ({})) : {}; // not loaded: English

if (isChinese) document.documentElement.lang = "zh-CN";

/** The text with its values where {} stands; "{} call(s)" is one call or two calls. With an element among them it is
 * a list of children. */
export function t(text, ...values) {
  const pieces = (table[text] ?? text).split("{}").flatMap((piece, at) => (at ? [values[at - 1], piece] : [piece]));
  if (values.some((value) => value instanceof Node)) return pieces;
  const counted = (_, count, word) => `${count} ${word}${count === "1" ? "" : "s"}`;
  return pieces.join("").replace(/\b(\d+) (\w+)\(s\)/g, counted);
}
