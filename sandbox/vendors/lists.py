"""Lists in pages, each after a vendor: GitHub's issues (Link header), Stripe's charges (the last
item's id), Slack's channels (a cursor, "" at the end), Notion's pages (a cursor in the body), and
two that count: pages and offsets.
"""

from base64 import b64decode, b64encode
from typing import Any

from sandbox.messages import Reply, Request, json_reply, parse_json, wrong_verb_reply

COUNT = 25  # items of each list
MAX_PAGE = 10


def lists(request: Request) -> Reply | None:
    """Return a page of a list; None where the path is no list's."""
    match request.path.split("/")[1:]:
        case ["repos" | "repositories", *_, "issues"]:
            return _github(request)
        case ["v1", "charges"]:
            return _stripe(request)
        case ["api", "conversations.list"]:
            return _slack(request)
        case ["v1", "databases", _, "query"]:
            return _notion(request)
        case ["lists", "pages"]:
            return _pages(request)
        case ["lists", "offsets"]:
            return _offsets(request)
    return None


def _number(value: object, default: int, maximum: int = COUNT) -> int:
    text = str(value)
    return min(int(text), maximum) if text.isdecimal() else default


def _github(request: Request) -> Reply:
    """https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api"""
    size = _number(request.first("per_page"), MAX_PAGE, MAX_PAGE)
    page = _number(request.first("page"), 1)
    begin = (page - 1) * size
    issues = [{"number": number} for number in range(COUNT)[begin : begin + size]]
    last = -(-COUNT // size)
    url = f"http://{request.headers['host']}/repositories/1296269/issues?per_page={size}&page="
    links = [f'<{url}1>; rel="first"', f'<{url}{last}>; rel="last"']
    if page < last:
        links.insert(0, f'<{url}{page + 1}>; rel="next"')
    if page > 1:
        links.insert(0, f'<{url}{page - 1}>; rel="prev"')
    return json_reply(200, issues, ("Link", ", ".join(links)), ("X-Total-Count", str(COUNT)))


def _stripe(request: Request) -> Reply:
    """https://docs.stripe.com/api/pagination"""
    ids = [f"ch_{number}" for number in range(COUNT)]
    after = request.first("starting_after")
    if after and after not in ids:
        error = {"type": "invalid_request_error", "message": f"No such charge: '{after}'"}
        return json_reply(400, {"error": error})
    begin = ids.index(after) + 1 if after else 0
    end = begin + _number(request.first("limit"), MAX_PAGE, MAX_PAGE)
    charges = [{"id": charge, "object": "charge"} for charge in ids[begin:end]]
    page = {"object": "list", "url": "/v1/charges", "has_more": end < COUNT, "data": charges}
    return json_reply(200, page)


def _slack(request: Request) -> Reply:
    """https://docs.slack.dev/apis/web-api/pagination"""
    begin = 0
    if cursor := request.first("cursor"):
        name, _, number = b64decode(cursor).decode("latin-1").partition(":")
        if name != "channel":
            return json_reply(200, {"ok": False, "error": "invalid_cursor"})
        begin = int(number)
    end = begin + _number(request.first("limit"), MAX_PAGE, MAX_PAGE)
    channels = [{"id": f"C{number}"} for number in range(COUNT)[begin:end]]
    next_cursor = b64encode(f"channel:{end}".encode()).decode() if end < COUNT else ""
    metadata = {"next_cursor": next_cursor}
    return json_reply(200, {"ok": True, "channels": channels, "response_metadata": metadata})


def _notion(request: Request) -> Reply:
    """https://developers.notion.com/reference/intro#pagination"""
    if request.verb != "POST":
        return wrong_verb_reply("POST")
    body: dict[str, Any] = parse_json(request.body) if request.body else {}
    begin = int(body.get("start_cursor", "0-page").partition("-")[0])
    end = begin + _number(body.get("page_size"), MAX_PAGE, MAX_PAGE)
    results = [{"object": "page", "id": number} for number in range(COUNT)[begin:end]]
    has_more = end < COUNT
    next_cursor = f"{end}-page" if has_more else None
    page = {"object": "list", "results": results, "next_cursor": next_cursor, "has_more": has_more}
    return json_reply(200, page)


def _pages(request: Request) -> Reply:
    size = _number(request.first("size"), MAX_PAGE)
    begin = (_number(request.first("page"), 1) - 1) * size
    rows = list(range(COUNT))[begin : begin + size]
    return json_reply(200, {"result": {"rows": rows, "pages": -(-COUNT // size)}})


def _offsets(request: Request) -> Reply:
    begin = _number(request.first("skip"), 0)
    rows = list(range(COUNT))[begin : begin + _number(request.first("top"), MAX_PAGE)]
    return json_reply(200, {"value": rows, "count": COUNT})
