"""What users and machines see by name, gathered from the code as it is: ``tests/surface.json`` has it, a test compares.

What can be asked is asked: the URL map, the error classes, click, marshmallow's schemas, Prometheus' collectors. What
is only written somewhere (log lines, store keys, headers) is read off the syntax. No module, class or function of ours
is named in the result, so that moving and renaming them changes nothing. ``make surface`` writes the file anew.
"""

from __future__ import annotations

import ast
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from flask import Flask
from marshmallow import fields, validate
from prometheus_client.metrics import MetricWrapperBase

import config
from api.http.error_response import status_of
from app import create_app
from cli import PROGRAM_COMMANDS, LateCommand
from config.environ import Reader
from config.fields import read_fields
from gateway.catalog.answers.paginate import SCHEMAS as PAGINATION_SCHEMAS
from gateway.catalog.schema import CatalogSchema
from gateway.errors import VENDOR_ERRORS, GatewayError
from gateway.masking import Secret
from gateway.metrics import Metrics
from gateway.signers import SIGNERS
from gateway.signers.digest import FACTS
from gateway.signers.hmac_template import PRESETS
from gateway.signers.templates import FILTERS
from schemas.catalog.fields import NamedMap, OneOfShapes

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "surface.json"
SERVICE = ("api", "gateway", "models", "config", "server", "app.py", "wsgi.py", "gunicorn.conf.py")
LEVELS = frozenset({"debug", "info", "warning", "error"})
EVENT = re.compile(r"[a-z_]+")
STORE_KEY = re.compile(r"[a-z][a-z-]*:[^\s%/]*")
HEADER = re.compile(
    r"[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)+|ETag|Age|Allow|Vary|Link|Location|Sunset|Deprecation|trace(parent|state)"
)

Json = dict[str, Any]


def surface() -> Json:
    """Everything by kind. The same each time, whatever else is imported."""
    app = _app()
    modules = list(_modules(SERVICE))
    return {
        "routes": _routes(app),
        "errors": _errors(),
        "vendor errors": {name: error.code for name, error in sorted(VENDOR_ERRORS.items())},
        "log events": _log_events(modules),
        "trace steps": _trace_steps(modules),
        "metrics": _metrics(modules),
        "store keys": _store_keys(_modules(("api", "gateway", "models"))),
        "headers": _headers(_modules(("api", "server", "gateway/middleware"))),
        "settings": _settings(),
        "commands": sorted(
            line
            for program, commands in (
                ("flask", app.cli.commands.values()),
                ("postern", map(LateCommand, PROGRAM_COMMANDS)),
            )
            for command in commands
            for line in _command(command, program)
        ),
        "catalog": sorted(set(_catalog_keys())),
        "templates": {
            "names": sorted(FACTS - {"secret"}),
            "filters": sorted(FILTERS),
            "presets": sorted(PRESETS),
        },
    }


def text() -> str:
    return json.dumps(surface(), indent=1, ensure_ascii=False) + "\n"


def _app() -> Flask:
    with tempfile.TemporaryDirectory() as folder:
        return create_app(
            config.Settings(
                jwt_secret=Secret("x" * 32),
                database_url=f"sqlite:///{folder}/x.db",
                files_dir=folder,
                log_level="error",
            ),
            serves=False,
        )


def _routes(app: Flask) -> list[str]:
    return sorted(
        f"{rule.rule} {' '.join(sorted(rule.methods or '*'))}" for rule in app.url_map.iter_rules()
    )


def _errors() -> list[str]:
    """Code, status, type, whose fault, whether to try again, and what it says."""
    lines = {
        f"{error.code} {status_of(error.__new__(error))} {error.type} {error.source}"
        f"{' retryable' if error.retryable else ''}: {error.message}"
        for error in _classes(GatewayError)
        if (error is GatewayError or error.code != GatewayError.code)
        and error.__module__.partition(".")[0] in SERVICE
    }
    return sorted(lines)


def _classes(base: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield base
    for below in base.__subclasses__():
        yield from _classes(below)


def _settings() -> list[str]:
    reader = Reader()
    read_fields(config.Settings, reader)
    return sorted(reader.names)


def _command(command: click.Command, above: str) -> Iterator[str]:
    if isinstance(command, LateCommand):
        command = command.load()
    name = f"{above} {command.name}"
    yield name
    for parameter in command.params:
        yield f"{name}: {_parameter(parameter)}"
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _command(below, name)


def _parameter(parameter: click.Parameter) -> str:
    names = "/".join((*parameter.opts, *parameter.secondary_opts))
    choices = "|".join(map(str, getattr(parameter.type, "choices", ())))
    required = "required" if parameter.required else ""
    return " ".join(filter(None, (parameter.param_type_name, names, choices, required)))


def _catalog_keys() -> Iterator[str]:
    """Each key by its path, ``*`` for a name that the catalog's author chooses, with the words it may be."""
    yield from _keys_of(fields.Nested(CatalogSchema), "", ())
    for kind in SIGNERS:
        yield f"services.*.auth.type = {kind}"


def _keys_of(field: Any, path: str, above: tuple[type, ...]) -> Iterator[str]:
    yield from _words(field, path)
    if isinstance(field, fields.Nested):
        schema = field.schema
        if type(schema) in above:
            return
        for name, below in schema.load_fields.items():
            key = below.data_key or name
            yield f"{path}.{key}".lstrip(".") + (" required" if below.required else "")
            yield from _keys_of(below, f"{path}.{key}".lstrip("."), (*above, type(schema)))
    elif isinstance(field, NamedMap):
        inner = field.schema
        yield from _keys_of(
            inner if isinstance(inner, fields.Field) else fields.Nested(inner), f"{path}.*", above
        )
    elif isinstance(field, OneOfShapes):
        if path.endswith(".auth"):
            for kind in SIGNERS:
                yield from _keys_of(field.choose({"type": kind}), f"{path}({kind})", above)
            return
        if path.endswith(".paginate"):
            for way in PAGINATION_SCHEMAS:
                yield from _keys_of(field.choose({"by": way}), f"{path}({way})", above)
            return
        for value in ("x", ["x"], {}, True):
            yield from _keys_of(field.choose(value), path, above)
    elif isinstance(field, fields.List):
        yield from _keys_of(field.inner, f"{path}[]", above)


def _words(field: Any, path: str) -> Iterator[str]:
    for check in field.validators:
        if isinstance(check, validate.OneOf):
            yield from (f"{path} = {word}" for word in check.choices)


def _metrics(modules: Iterable[ast.Module]) -> list[str]:
    """What is counted is asked; what is read off things when asked is only written down."""
    collectors = Metrics().registry._collector_to_names
    counters = (collector for collector in collectors if isinstance(collector, MetricWrapperBase))
    lines = {
        f"{counter._name} {counter._type}: {' '.join(counter._labelnames)}" for counter in counters
    }
    for call in _calls(modules):
        kind = _last_name(call.func)
        if kind.endswith("MetricFamily") and call.args and (name := _literal(call.args[0])):
            tuples = [
                ast.literal_eval(keyword.value)
                for keyword in call.keywords
                if keyword.arg == "labels"
            ]
            labels = " ".join(label for names in tuples for label in names)
            lines.add(f"{name} {kind.removesuffix('MetricFamily').lower()}: {labels}")
    return sorted(lines)


def _log_events(modules: Iterable[ast.Module]) -> list[str]:
    """Each event with its levels and its keys. A logger's method may have another name: ``self._write = log.info``."""
    levels: dict[str, set[str]] = defaultdict(set)
    keys: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        values = _assigned(module)
        for call in _calls([module]):
            event = _literal(call.args[0]) if call.args else None
            logged = _levels(call.func, values)
            if logged and event and EVENT.fullmatch(event):
                levels[event] |= logged
                keys[event].update(
                    name for keyword in call.keywords for name in _keyword_names(keyword, values)
                )
    return [
        f"{event} {'|'.join(sorted(levels[event]))}: {' '.join(sorted(keys[event]))}"
        for event in sorted(levels)
    ]


def _assigned(module: ast.Module) -> dict[str, list[ast.expr]]:
    """What each name or attribute of a module is set to, ``a, b = x, y`` taken apart."""
    values: dict[str, list[ast.expr]] = defaultdict(list)
    for node in ast.walk(module):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            for place, value in pairs:
                if isinstance(place, ast.Subscript):  # fields["why"] = reason
                    added = ast.Dict(keys=[place.slice], values=[value])
                    values[_last_name(place.value)].append(added)
                else:
                    values[_last_name(place)].append(value)
    return values


def _levels(called: ast.expr, values: dict[str, list[ast.expr]]) -> set[str]:
    """The levels that a call may log at: by the method's name, by what it was set to, or as a ``warn`` handed in."""
    name = _last_name(called.func if isinstance(called, ast.Call) else called)
    if isinstance(called, ast.Call):  # write.get(level, log.info)(...)
        name = _last_name(called.func.value) if isinstance(called.func, ast.Attribute) else ""
    if name.strip("_") in LEVELS:
        return {name.strip("_")}
    if name.strip("_") == "warn":
        return {"warning"}
    nodes = [
        node
        for value in values.get(name, ())
        if not isinstance(value, ast.Call)
        for node in ast.walk(value)
    ]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and node.attr in LEVELS}


def _keyword_names(keyword: ast.keyword, values: dict[str, list[ast.expr]]) -> Iterator[str]:
    """A keyword's name; of ``**what`` the keys of the dicts in it, or of the dicts it was set to."""
    if keyword.arg:
        yield keyword.arg
        return
    for value in (keyword.value, *values.get(_last_name(keyword.value), ())):
        for node in ast.walk(value):
            if isinstance(node, ast.Dict):
                yield from (key.value for key in node.keys if isinstance(key, ast.Constant))


def _trace_steps(modules: Iterable[ast.Module]) -> list[str]:
    """What ``explain`` and call records call the steps of a call."""
    notes = (
        call for call in _calls(modules) if _last_name(call.func) == "note" and len(call.args) == 3
    )
    return sorted({step for call in notes if (step := _literal(call.args[1]))})


def _store_keys(modules: Iterable[ast.Module]) -> list[str]:
    """Texts such as ``token:{}``: keys of the shared store, and a caller's id, which stands in logs and records."""
    texts = {_pattern(node) for module in modules for node in ast.walk(module)}
    keys = {text for text in texts if text and STORE_KEY.fullmatch(text)}
    keys = {key for key in keys if not key.startswith("tag:yaml.org,")}
    whole = (
        key
        for key in keys
        if not (key.endswith(":") and any(other.startswith(f"{key}{{") for other in keys))
    )
    return sorted(whole)  # the beginning of an f-string is none


def _pattern(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(part) or "{}" for part in node.values)
    return _literal(node)


def _headers(modules: Iterable[ast.Module]) -> list[str]:
    texts = (_literal(node) for module in modules for node in ast.walk(module))
    return sorted({text for text in texts if text and HEADER.fullmatch(text)})


def _modules(places: Iterable[str]) -> Iterator[ast.Module]:
    for place in places:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield ast.parse(file.read_text(encoding="utf-8"), str(file))


def _calls(modules: Iterable[ast.Module]) -> Iterator[ast.Call]:
    return (node for module in modules for node in ast.walk(module) if isinstance(node, ast.Call))


def _last_name(node: ast.AST) -> str:
    """``c`` of ``a.b.c``, and of ``c``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _literal(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
