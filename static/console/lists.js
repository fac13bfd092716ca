// Lists in pages: those that a form filters, those that an admin changes, and of methods those that somebody seeks.

import { ask, get } from "./api.js";
import { address, alarm, arrange, away, fill, form, h, refill, row, table } from "./dom.js";
import { t } from "./texts.js";

const LIMIT = 50;

function pager({ skip, limit, total, items }, path, query) {
  const hrefOf = (at) => address([path], { ...Object.fromEntries(query), skip: at });
  const to = (id, words, at) => h("a", { id, href: hrefOf(at) }, words);
  return h("p", { class: "states" },
    h("span", { class: "quiet" },
      items.length ? t("{}–{} of {}", skip + 1, skip + items.length, total) : t("none of {}", total)),
    skip > 0 && to("newer", t("← Newer"), Math.max(0, skip - limit)),
    skip + items.length < total && to("older", t("Older →"), skip + limit));
}

function ofPage(query) {
  return new URLSearchParams({ ...Object.fromEntries(query), limit: LIMIT });
}

/** A list whose filters are the query of the address: `head` stands over the form of `fields`, `sent` makes of the
 * query what is asked, and `found` of the items what is shown. */
export async function drawFiltered(place, { name, title, query, signal }, { head, fields, sent, found }) {
  if (!place.querySelector("#found")) {
    const submit = (values) => { location.hash = place.form.sent = address([name], values); };
    const onchange = ({ target }) => target.tagName === "SELECT" && place.form.requestSubmit();
    const clear = { href: address([name]), id: "clear", onclick: () => place.form.reset() };
    place.form = form(submit, { onchange }, fields, h("button", t("Filter")), h("a", clear, t("Clear")));
    fill(place, h("h1", title), head, place.form, h("div", { id: "found" }));
  }
  follow(place.form, query);
  const page = await get(`/${name}?${sent(ofPage(query))}`, signal);
  refill(place.querySelector("#found"), [page, `${query}`], () => [found(page.items), pager(page, name, query)]);
}

/** Take the address's values when the address changes, never afterwards, and not where the form has made it: somebody
 * may be typing. */
function follow(form, query) {
  if (form.query === query) return;
  form.query = query;
  const isOwn = form.sent === location.hash;
  form.sent = null;
  if (!isOwn) for (const control of form.elements) if (control.name) control.value = query.get(control.name) ?? "";
}

/** A list that is changed in its place: `cells` makes an item's, and gets `act` for its buttons; `fields` and `create`
 * make a new item, `none` stands where there is none. */
export function drawManaged(place, page, list) {
  place.refresh ??= build(place, page, list);
  return place.refresh(page.query);
}

/** What stays while the list changes; gives what asks for the list. */
function build(place, { name: path, title }, { headings, cells, fields, create, none }) {
  let present; // the query
  let newest = 0; // an older list is not drawn over a newer one
  const notice = h("p", { role: "status", class: "good" });
  const wrong = alarm();
  const list = table(headings, []);
  const pages = h("div");
  const maker = form(async (item) => {
    const isCreated = await create(item, act);
    // Else the next one is being typed.
    if (isCreated && JSON.stringify(values()) === JSON.stringify(item)) maker.reset();
  }, {}, fields?.(), h("button", t("Create")));
  const values = () => Object.fromEntries(new FormData(maker));
  /** What Postern has answered, if it has done it. */
  async function act(verb, rest, body, words = t("Done")) {
    fill(notice);
    fill(wrong);
    try {
      const data = await ask(verb, `/${path}${rest}`, body) ?? {};
      const message = data.secret ? t("Secret of {}, shown this once: {}", data.app_id, data.secret) : words;
      fill(notice, message, data.warnings?.map((warning) => ` (${warning})`));
      await refresh(present);
      return data;
    } catch (error) {
      const problems = error.answer?.error?.fields;
      fill(wrong, away(error), problems && ` ${JSON.stringify(problems)}`);
      return null;
    }
  }
  async function refresh(query) {
    const number = ++newest;
    present = query;
    const page = await get(`/${path}?${ofPage(query)}`);
    if (number !== newest) return;
    arrange(list.querySelector("tbody"), page.items, (item) => row(headings, cells(item, act)));
    refill(pages, [page.skip, page.total, `${query}`], () => (
      page.limit ? pager(page, path, query) : !page.total && none));
  }
  fill(place, h("h1", title), fields && maker, notice, wrong, list, pages);
  return refresh;
}

/** [service, method] of those whose name or summary has the text. */
export function seek(services, text) {
  return services.flatMap((service) => service.methods.map((method) => [service.name, method]))
    .filter(([service, { name, summary }]) => (
      `${service}.${name} ${summary}`.toLowerCase().includes(text.toLowerCase())));
}
