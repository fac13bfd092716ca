"""`Sandbox`: the vendors, the faults and the server put together."""

from dataclasses import replace
from urllib.parse import unquote

from sandbox import misbehave
from sandbox.control import PREFIX, control
from sandbox.faults import FaultBook, Plan
from sandbox.ledger import Ledger
from sandbox.messages import Reply, Request, json_reply
from sandbox.server import Server, ServerContext
from sandbox.vendors.alipay import Alipay
from sandbox.vendors.amap import Amap
from sandbox.vendors.formats import formats
from sandbox.vendors.lists import lists
from sandbox.vendors.llm import CHAT_PATH, GO_PATH, Llm
from sandbox.vendors.oauth import OAuth
from sandbox.vendors.protocols import protocols
from sandbox.vendors.rest import Rest
from sandbox.vendors.wechat import WeChat
from sandbox.vendors.wechatpay import WeChatPay
from sandbox.vendors.wechatpay_v2 import WeChatPayV2
from sandbox.wire import BadRequestError, ClientConnection, make_request

_FAULT_PREFIX = "/fault/"


class Sandbox(ServerContext):
    """The whole of it. Port 0 takes a free one and keeps it."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        expires_in: int = 7200,
        token_overlap: float = 300,
    ) -> None:
        self._wechat = WeChat(expires_in, token_overlap)
        self._amap = Amap()
        self._pay_v2 = WeChatPayV2()
        self._rest = Rest()
        self._llm = Llm()
        self._alipay = Alipay()
        self.wechatpay = WeChatPay()
        self.oauth = OAuth()
        self._faults = FaultBook()
        self._ledger = Ledger()
        self._server = Server(host, port, self._serve)

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        return f"http://{self._server.host}:{self._server.port}"

    @property
    def requests(self) -> list[Request]:
        """Return a copy of the last 10,000 requests (fewer if their bodies pass 128 MiB), control
        left out.
        """
        return self._ledger.requests()

    @property
    def connections(self) -> int:
        """How many were accepted since the start or `reset`, those to control included."""
        return self._server.accepted

    @property
    def open_connections(self) -> int:
        """How many there are now, idle ones included."""
        return self._server.open

    @property
    def most_at_once(self) -> int:
        """The most requests that waited for the first byte of their answer at one moment.

        Counted since the start or `reset`; `delay` counts, `hang` does not.
        """
        return self._ledger.most_at_once

    @property
    def tokens_issued(self) -> int:
        return self._wechat.tokens_issued

    def fault(self, path: str, spec: str, times: int | None = None) -> None:
        """See `faults` for the words and `FaultBook.set` for the path; ValueError when they are
        wrong.
        """
        self._faults.set(path, spec, times)

    def revoke_tokens(self) -> None:
        """Makes all tokens unknown: WeChat's (errcode 40001) and OAuth's (HTTP 401)."""
        self._wechat.revoke()
        self.oauth.reset()

    def reset(self) -> None:
        """Forgets requests, counts, faults, tokens, items and payments; connections stay open."""
        self._ledger.clear()
        self._faults.clear()
        self._wechat.reset()
        self._pay_v2.reset()
        self._rest.reset()
        self._alipay.reset()
        self.wechatpay.reset()
        self.oauth.reset()
        self._server.accepted = 0

    def stats(self) -> dict[str, int]:
        return {
            "requests": self._ledger.total,
            "connections": self.connections,
            "tokens_issued": self.tokens_issued,
            "most_at_once": self.most_at_once,
        }

    def _serve(self, conn: ClientConnection) -> None:
        try:
            while (request := conn.read_request()) is not None:
                if not self._answer(conn, request):
                    return
        except BadRequestError as error:
            conn.refuse(error)

    def _answer(self, conn: ClientConnection, request: Request) -> bool:
        if request.path.startswith(PREFIX):
            return conn.send(control(self, request), request.verb)
        spec = ""
        if request.path.startswith(_FAULT_PREFIX):
            request, spec = _split_fault(request)
        refusal: Reply | None = None
        plan: Plan | None = None
        try:
            # Before the ledger: who has seen the request there may set the next one's fault.
            plan = self._faults.plan_for(request, spec)
        except ValueError as error:
            refusal = json_reply(400, {"error": str(error)})
        with self._ledger.entry(request):
            if plan and plan.delay and conn.wait(plan.delay):
                return False
        if refusal:
            return conn.send(refusal, request.verb)
        if plan is None:
            if request.path == CHAT_PATH:
                return self._llm.answer(conn, request)
            return conn.send(self._handle(request), request.verb)
        return misbehave.answer(conn, plan, request, self._handle)

    def _handle(self, request: Request) -> Reply:
        if request.verb == "HEAD":
            request = replace(request, verb="GET")
        if request.path == GO_PATH:
            return self._llm.go()
        if request.path.startswith("/cgi-bin/"):
            return self._wechat.handle(request)
        if request.path == "/gateway.do":
            return self._alipay.handle(request)
        if request.path.startswith("/v3/pay/"):
            return self.wechatpay.handle(request)
        if request.path.startswith("/oauth2/"):
            return self.oauth.handle(request)
        if request.path.startswith("/v3/"):
            return self._amap.handle(request)
        if request.path.startswith("/pay/"):
            return self._pay_v2.handle(request)
        return (
            formats(request) or protocols(request) or lists(request) or self._rest.handle(request)
        )


def _split_fault(request: Request) -> tuple[Request, str]:
    """Return /fault/SPEC/rest?query as a request for /rest?query, and the SPEC."""
    _, _, after = request.target.partition(_FAULT_PREFIX)
    path, mark, query = after.partition("?")
    spec, slash, rest = path.partition("/")
    if not slash:  # no path of its own: /fault/SPEC?query serves /anything?query
        rest = "anything"
    served = make_request(request.verb, f"/{rest}{mark}{query}", request.headers, request.body)
    return replace(served, target=request.target), unquote(spec)
