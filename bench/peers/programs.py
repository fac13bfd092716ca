"""What starts each peer, on what it is quickest with."""

import os
import shutil

from bench.report import BenchError
from bench.servers import BIN, Program, Yard, free_port

NGINX = """\
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/nginx-access.log;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 1000000;
    upstream vendor {{ server {vendor}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location = /api/v1/call/wechat/send_msg {{
            proxy_pass http://vendor/cgi-bin/message/send?access_token={token};
        }}
        location /api/v1/proxy/bench/ {{ proxy_pass http://vendor/; }}
    }}
}}
"""


def uvicorn(yard: Yard, name: str, target: str, **env: str) -> Program:
    """A FastAPI peer, on what uvicorn is quickest with."""
    port = free_port()
    command = ["uvicorn", f"bench.peers.{target}", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--timeout-keep-alive", "75"]
    return _peer(yard, name, port, command, env)


def gunicorn(yard: Yard, name: str, target: str, worker: str, *options: str) -> Program:
    """A WSGI peer, told nothing of Postern's gunicorn.conf.py."""
    port = free_port()
    command = ["gunicorn", f"bench.peers.{target}", "--bind", f"127.0.0.1:{port}", *options]
    command += ["--worker-class", worker, "--keep-alive", "75", "--access-logfile", "-"]
    command += ["--config", "/dev/null", "--no-control-socket"]
    return _peer(yard, name, port, command, {})


def nginx(yard: Yard, name: str) -> Program:
    """Hands requests on, with the vendor's token and without a check: what a proxy costs.

    :raises BenchError: there is none on this machine.
    """
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise BenchError("nginx is a peer here: apt-get install nginx (or brew install nginx)")
    port = free_port()
    user = "user root root;" if os.geteuid() == 0 else ""  # who may read the folder
    conf = yard.folder / "nginx.conf"
    vendor = yard.vendor.removeprefix("http://")
    conf.write_text(
        NGINX.format(
            user=user, folder=yard.folder, vendor=vendor, port=port, token=yard.vendor_token
        )
    )
    return Program(name, [path, "-c", str(conf), "-e", "stderr"], port)


def _peer(yard: Yard, name: str, port: int, command: list[str], more: dict[str, str]) -> Program:
    """With its own settings: it is handed the vendor's token and never renews it."""
    app_id, _, app_secret = yard.app_token.partition(":")
    env = {
        "DATABASE": str(yard.database),
        "VENDOR_URL": yard.vendor,
        "VENDOR_TOKEN": yard.vendor_token,
        "APP_ID": app_id,
        "APP_SECRET": app_secret,
    }
    program, *arguments = command
    return Program(name, [str(BIN / program), *arguments], port, yard.token(), env | more)
