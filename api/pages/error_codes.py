"""The page that a failure's ``error.docs`` leads to: ``docs/errors.md``, in English or Chinese."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from pathlib import Path

from flask import Blueprint, Response, request

from api.http.etags import CompressedPage
from api.http.security import CSP_HEADER, CSP_PAGE
from gateway.errors import NotFound

blueprint = Blueprint("error_codes", __name__)
FOLDER = Path(__file__).parents[2] / "docs"
#: Language -> file; a link from one to the other works here, too.
FILES = {"en": "errors.md", "zh-CN": "errors.zh-CN.md"}
#: Primary language subtag -> language.
LANGUAGES = {"en": "en", "zh": "zh-CN"}
_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Postern: {title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="errors.css">
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""
_CODE_OR_LINK = re.compile(r"`([^`]+)`|\[([^\]]+)\]\(([^)]+)\)")
_CODE_NUMBER = re.compile(r"-?[0-9]+")


@blueprint.get("/docs/errors")
def errors() -> Response:
    """Every code, in the reader's language."""
    for tag, quality in request.accept_languages:  # the best first
        language = LANGUAGES.get(tag.partition("-")[0].lower())
        if language and quality:
            return _response(language)
    return _response("en")


@blueprint.get("/docs/<name>.md")
def file(name: str) -> Response:
    """The same in the language of a file."""
    for language, filename in FILES.items():
        if filename == f"{name}.md":
            return _response(language)
    raise NotFound


def _response(language: str) -> Response:
    response = _page(language).response()
    response.headers[CSP_HEADER] = CSP_PAGE
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Encoding, Accept-Language"
    return response


@cache
def _page(language: str) -> CompressedPage:
    text = (FOLDER / FILES[language]).read_text(encoding="utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    page = _PAGE.format(language=language, title=escape(title), content=render(text))
    return CompressedPage.of(page.encode(), "text/html; charset=utf-8")


def render(text: str) -> str:
    """Return the HTML of these pages' Markdown; a table's row has its first cell as ``id``."""
    return "\n".join(map(_render_block, text.strip().split("\n\n")))


def _render_block(block: str) -> str:
    if block.startswith("# "):
        return f"<h1>{_render_line(block[2:])}</h1>"
    if not block.startswith("|"):
        return f"<p>{_render_line(block)}</p>"
    head, _, *rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in block.split("\n")
    ]
    columns = "".join(f'<th scope="col">{_render_line(cell)}</th>' for cell in head)
    body = "\n".join(map(_render_row, rows))
    return f"<table>\n<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _render_row(cells: list[str]) -> str:
    code, *other_cells = cells
    if not _CODE_NUMBER.fullmatch(code):
        raise ValueError(f"{code!r} is no code")
    columns = "".join(f"<td>{_render_line(cell)}</td>" for cell in other_cells)
    return f'<tr id="{code}"><th scope="row"><a href="#{code}">{code}</a></th>{columns}</tr>'


def _render_line(text: str) -> str:
    pieces = []
    end = 0
    for match in _CODE_OR_LINK.finditer(text):
        pieces.append(escape(text[end : match.start()]))
        end = match.end()
        code, words, target = match.groups()
        if code:
            pieces.append(f"<code>{escape(code)}</code>")
        elif target in FILES.values():
            pieces.append(f'<a href="{target}">{escape(words)}</a>')
        else:
            pieces.append(f"{escape(words)} (<code>docs/{escape(target)}</code>)")
    return "".join([*pieces, escape(text[end:])])
