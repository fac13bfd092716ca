// Recent calls, by what they are looked for, and what happened to one.

import { get } from "./api.js";
import { FAULTS, timeline } from "./charts.js";
import { address, clock, docs, english, field, fill, form, h, labelled, link, moment, ms, pre, quiet, refill, select, table, text } from "./dom.js";
import { drawFiltered } from "./lists.js";
import { t } from "./texts.js";

const SINCE = ["", 5, 15, 30].map((each) => [each, each ? t("the last {} minutes", "最近 {} 分钟", each) : t("the last hour", "最近一小时")]);

const LIST = {
  head: [quiet(t("Your last ones within an hour; an admin sees everybody’s.", "你在一小时内最近的调用；管理员可以看到所有人的。")),
    form(({ id }) => { location.hash = address(["calls", id.trim()]); }, { role: "search" },
      field(t("Request id", "请求 id"), "request-id", { name: "id", required: true }), h("button", t("Find", "查找")))],
  fields: [
    labelled(t("Outcome", "结果"), select("failed", [["", t("all", "全部")], ["true", t("failed", "失败")]])),
    field(t("Service", "服务"), "service"), field(t("Method", "方法"), "method"), field(t("Caller", "调用方"), "caller"), field(t("Code", "错误码"), "code", { type: "number", max: 0, min: -9999 }),
    labelled(t("Since", "时间范围"), select("minutes", SINCE)),
  ],
  sent: (query) => {
    const minutes = query.get("minutes");
    query.delete("minutes");
    if (minutes) query.set("since", new Date(Date.now() - minutes * 60000).toISOString());
    return query;
  },
  found,
};

export async function draw(place, page) {
  const [id] = page.rest;
  if (id) return drawOne(place, id);
  await drawFiltered(place, page, LIST);
  return true;
}

function found(calls) {
  if (!calls.length) return h("p", t("No such call is kept.", "没有符合条件的记录。"));
  return table([t("When", "时间"), t("Call", "调用"), t("Caller", "调用方"), t("Outcome", "结果"), t("Whose fault", "谁的问题"), t("Took", "耗时")], calls.map((call) => [
    clock(call.started_at), link(["calls", call.request_id], `${call.service}.${call.method}`, { id: `call-${call.request_id}` }),
    link(["callers", call.caller], call.caller), outcome(call), FAULTS[call.source], ms(call.elapsed_ms),
  ]));
}

export function lastCalls(calls, total, query) {
  return [h("h2", t("Last calls", "最近的调用")), found(calls), h("p", h("a", { id: "all-calls", href: address(["calls"], query) }, t("All {} that are kept", "全部 {} 条记录", total)))];
}

/** True when it is not there, which it may be in a moment: it is written beside the calls. */
async function drawOne(place, id) {
  try {
    fill(place, (await callsOf(id)).map(details));
    return false;
  } catch (error) {
    if (error.status !== 404) throw error;
    refill(place, null, () => [h("h1", t("No such call", "没有这个调用")), h("p", t("Nobody knows of it yet, it was over an hour ago, or it is somebody else’s.", "还没有它的记录，或者它已超过一小时，或者它是别人的调用。"))]);
    return true;
  }
}

/** A batch made several under one request id. */
export async function callsOf(id) {
  const { more, ...first } = await get(`/calls/${encodeURIComponent(id)}`);
  return [first, ...more];
}

function details(call) {
  const took = ms(call.elapsed_ms);
  return [
    h("h1", `${call.service}.${call.method}`),
    call.code === 0 ? h("p", { class: "good" }, t("succeeded after {}", "成功，耗时 {}", took))
      : h("p", { class: "alarm" }, t("{} ({}), {}, after {}", "{}（{}），{}，耗时 {}", call.type, call.code, FAULTS[call.source], took), " ", docs(call.code)),
    quiet(`${moment(call.started_at)} · `, link(["callers", call.caller], call.caller), " · ", h("code", call.request_id)),
    h("p", link(["try", call.service, call.method], t("Try this method", "试用这个方法")), " · ", link(["services", call.service], t("Service {}", "服务 {}", call.service))),
    course(call),
    h("h2", t("Parameters", "参数")),
    call.params === null ? h("p", t("Too large to be kept.", "太大，没有保存。"))
      : pre(t("Parameters", "参数"), JSON.stringify(call.params, null, 2)),
  ];
}

export function course({ why, attempts, elapsed_ms, events }) {
  return [
    why && h("p", h("b", t("Why: ", "原因：")), english(why)),
    h("h2", t("Attempts", "尝试")),
    attempts.length ? [timeline(attempts, elapsed_ms),
      table([t("Attempt", "次数"), t("Host", "主机"), t("Began at", "开始于"), t("First byte", "首字节"), t("Took", "耗时"), t("HTTP status", "HTTP 状态码"), t("Outcome", "结果")], attempts.map((each) => [
        each.number, each.host, ms(each.started_ms), ms(each.first_byte_ms), ms(each.elapsed_ms), each.status, outcome(each),
      ]))] : h("p", t("None: nothing was sent.", "无：没有发出任何请求。")),
    events.length > 0 && [h("h2", t("What happened", "经过")), table([t("At", "时刻"), t("What", "事件"), t("More", "详情")], events.map((each) => [
      ms(each.at_ms), english(each.what), english(text(each.detail ?? ""))]))],
  ];
}

function outcome({ code, type }) {
  return code === 0 ? t("fine", "成功") : h("span", { class: "alarm" }, `${type} (${code})`);
}
