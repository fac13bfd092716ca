// The page's words, in English and in Chinese: in that of the two that the browser prefers.

const language = navigator.languages.find((each) => /^(en|zh)\b/i.test(each)) ?? "en";
const isChinese = /^zh/i.test(language);

if (isChinese) document.documentElement.lang = "zh-CN";

/** The text with its values where {} stands; "{} call(s)" is one call or two calls. With an element among them it is a list of children. */
export function t(english, chinese, ...values) {
  const pieces = (isChinese ? chinese : english).split("{}").flatMap((each, at) => (at ? [values[at - 1], each] : [each]));
  if (values.some((each) => each instanceof Node)) return pieces;
  return pieces.join("").replace(/\b(\d+) (\w+)\(s\)/g, (_, count, word) => `${count} ${word}${count === "1" ? "" : "s"}`);
}
