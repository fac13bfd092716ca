"""API descriptions of about 500 operations each, in the manner of four well-known ones; made, not copied.

What each takes after: GitHub's (OpenAPI 3.0: shared parameters, ``allOf``, ``oneOf``), Stripe's (3.0: form bodies with
``deepObject``, schemas that hold each other), Kubernetes' (Swagger 2.0: long names, bodies by reference, a schema that
holds itself), and a newer one (3.1 in YAML: lists of types, files, events, a fetched token).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

Values = dict[str, Any]
THINGS = [
    "issue", "label", "milestone", "comment", "branch", "commit", "tag", "release", "asset", "hook", "key", "secret",
    "variable", "runner", "workflow", "run", "artifact", "cache", "deployment", "environment", "page", "project",
    "card", "column", "team",
]  # fmt: skip


def ref(name: str, kind: str = "schemas") -> Values:
    return {"$ref": f"#/components/{kind}/{name}"}


def json_content(schema: Values) -> Values:
    return {"content": {"application/json": {"schema": schema}}}


def github() -> Values:
    scopes = {
        "repos": "/repos/{owner}/{repo}",
        "orgs": "/orgs/{org}",
        "teams": "/teams/{team_id}",
        "user": "/user",
    }
    paths: Values = {}
    for scope, root in scopes.items():
        shared = [
            ref(hole.strip("{}"), "parameters") for hole in root.split("/") if hole.startswith("{")
        ]
        for thing in THINGS:
            one = f"{thing}_number"
            number = {"name": one, "in": "path", "required": True, "schema": {"type": "integer"}}
            tags = [scope]
            paths[f"{root}/{thing}s"] = {
                "parameters": shared,
                "get": {
                    "operationId": f"{scope}/list-{thing}s", "tags": tags, "summary": f"List {thing}s",
                    "parameters": [
                        ref("per-page", "parameters"), ref("page", "parameters"),
                        {"name": "sort", "in": "query", "schema": {"type": "string", "enum": ["created", "updated"], "default": "created"}},
                        {"name": "labels", "in": "query", "explode": False, "schema": {"type": "array", "items": {"type": "string"}}},
                    ],
                    "responses": {"200": {"description": "ok", **json_content({"type": "array", "items": ref(thing)})}, "404": ref("not_found", "responses")},
                },
                "post": {
                    "operationId": f"{scope}/create-{thing}", "tags": tags, "summary": f"Create a {thing}",
                    "requestBody": {"required": True, **json_content({
                        "type": "object", "required": ["title"],
                        "properties": {
                            "title": {"type": "string", "minLength": 1, "maxLength": 256, "description": f"The title.\nOf the {thing}."},
                            "body": {"type": "string", "nullable": True},
                            "private": {"type": "boolean", "default": False},
                            "labels": {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"name": {"type": "string"}}}]}},
                            "owner": ref("simple-user"),
                            "config": {"type": "object", "additionalProperties": True},
                        },
                    })},
                    "responses": {"201": {"description": "made", **json_content(ref(thing))}},
                },
            }  # fmt: skip
            paths[f"{root}/{thing}s/{{{one}}}"] = {
                "parameters": [*shared, number],
                "get": {"operationId": f"{scope}/get-{thing}", "tags": tags, "responses": {"200": {"description": "ok", "content": {
                    "application/vnd.github.raw": {"schema": {"type": "string"}}, "application/json": {"schema": ref(thing)}}}}},
                "patch": {
                    "operationId": f"{scope}/update-{thing}", "tags": tags,
                    "requestBody": json_content({"allOf": [ref("editable"), {"properties": {"state": {"type": "string", "enum": ["open", "closed"]}}}]}),
                    "responses": {"200": {"description": "ok", **json_content(ref(thing))}},
                },
                "delete": {"operationId": f"{scope}/delete-{thing}", "tags": tags, "deprecated": thing == "card", "responses": {"204": {"description": "gone"}}},
            }  # fmt: skip
    text = {"type": "string"}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Forge REST API", "version": "1.1.4"},
        "servers": [{"url": "https://api.forge.example"}],
        "paths": paths,
        "components": {
            "parameters": {
                "owner": {"name": "owner", "in": "path", "required": True, "schema": text},
                "repo": {"name": "repo", "in": "path", "required": True, "schema": text},
                "{org}".strip("{}"): {"name": "org", "in": "path", "required": True, "schema": text},
                "team_id": {"name": "team_id", "in": "path", "required": True, "schema": {"type": "integer"}},
                "per-page": {"name": "per_page", "in": "query", "schema": {"type": "integer", "default": 30, "maximum": 100}},
                "page": {"name": "page", "in": "query", "schema": {"type": "integer", "default": 1}},
            },
            "responses": {"not_found": {"description": "no"}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "simple-user": {"type": "object", "properties": {"login": text, "id": {"type": "integer", "readOnly": True}, "manager": ref("simple-user")}},
                "editable": {"type": "object", "properties": {"title": text, "assignee": ref("simple-user")}},
                **{thing: {"type": "object", "properties": {"id": {"type": "integer"}, "user": ref("simple-user")}} for thing in THINGS},
            },
        },
        "security": [{"token": []}],
    }  # fmt: skip


def stripe() -> Values:
    objects = [
        f"{first}{second}"
        for first in ("billing_", "issuing_", "treasury_", "tax_")
        for second in THINGS
    ]
    paths: Values = {}
    for name in objects:
        expand = {"type": "array", "items": {"type": "string", "maxLength": 5000}}
        title = name.title().replace("_", "")
        fields = {
            "amount": {"type": "integer"}, "currency": {"type": "string", "maxLength": 3}, "expand": expand,
            "address": {"type": "object", "required": ["line1"], "properties": {"line1": {"type": "string"}, "geo": {"type": "object", "properties": {"lat": {"type": "number"}}}}},
            "description": {"anyOf": [{"type": "string", "maxLength": 5000}, {"type": "string", "enum": [""]}]},
            "metadata": {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "string", "enum": [""]}]},
            "items": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "string"}}}},
        }  # fmt: skip
        deep = {
            key: {"style": "deepObject", "explode": True}
            for key in ("expand", "address", "metadata", "items")
        }
        form = {
            "application/x-www-form-urlencoded": {
                "encoding": deep,
                "schema": {
                    "type": "object",
                    "required": ["amount", "currency"],
                    "properties": fields,
                },
            }
        }
        good = {
            "200": {"description": "ok", **json_content(ref(name))},
            "default": {"description": "no", **json_content(ref("error"))},
        }
        holder = {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "maxLength": 5000},
        }
        created = {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"gt": {"type": "integer"}, "lt": {"type": "integer"}},
                },
                {"type": "integer"},
            ]
        }
        paths[f"/v1/{name}s"] = {
            "get": {"operationId": f"Get{title}s", "responses": good, "parameters": [
                {"name": "created", "in": "query", "style": "deepObject", "explode": True, "schema": created},
                {"name": "limit", "in": "query", "style": "form", "schema": {"type": "integer"}},
                {"name": "expand", "in": "query", "style": "deepObject", "explode": True, "schema": expand},
            ]},
            "post": {"operationId": f"Post{title}s", "requestBody": {"content": form, "required": True}, "responses": good},
        }  # fmt: skip
        paths[f"/v1/{name}s/{{{name}}}"] = {
            "get": {"operationId": f"Get{title}s{title}", "parameters": [holder], "responses": good},
            "post": {"operationId": f"Post{title}s{title}", "parameters": [holder], "requestBody": {"content": form}, "responses": good},
            "delete": {"operationId": f"Delete{title}s{title}", "parameters": [holder], "responses": good},
        }  # fmt: skip
    circle = {
        name: {
            "type": "object",
            "properties": {"next": {"anyOf": [{"type": "string"}, ref(objects[index - 1])]}},
        }
        for index, name in enumerate(objects)
    }
    return {
        "openapi": "3.0.0",
        "info": {"title": "Payments API", "version": "2026-10-01"},
        "servers": [{"url": "https://api.payments.example/"}],
        "security": [{"basicAuth": []}, {"bearerAuth": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"basicAuth": {"type": "http", "scheme": "basic"}, "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "auth-scheme"}},
            "schemas": {**circle, "error": {"type": "object"}},
        },
    }  # fmt: skip


def kubernetes() -> Values:
    def to(name: str) -> Values:
        return {"$ref": f"#/definitions/{name}"}

    meta, pod = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "io.k8s.api.core.v1.PodSpec"
    props, port = (
        "io.k8s.apiextensions.v1.JSONSchemaProps",
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    )
    text, texts = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
    definitions: Values = {
        meta: {"type": "object", "properties": {"name": text, "namespace": text, "labels": texts, "annotations": texts, "managedFields": {"type": "array", "items": {"type": "object", "properties": {"manager": text, "time": {"type": "string", "format": "date-time"}}}}}},
        port: {"type": "string", "format": "int-or-string"},
        props: {"type": "object", "properties": {"$ref": text, "items": to(props), "not": to(props), "properties": {"type": "object", "additionalProperties": to(props)}, "default": {}}},
        pod: {"type": "object", "required": ["containers"], "properties": {
            "containers": {"type": "array", "items": {"type": "object", "required": ["name"], "properties": {
                **{f"option{number}": {"type": "object", "default": {}, "properties": {"value": text, "port": to(port)}} for number in range(30)}, "name": text}}},
            "schema": to(props), **{f"field{number}": {"type": "integer", "format": "int32"} for number in range(30)},
        }},
    }  # fmt: skip
    paths: Values = {}
    groups = (
        ("api/v1", "CoreV1", "core_v1"),
        ("apis/apps/v1", "AppsV1", "apps_v1"),
        ("apis/batch/v1", "BatchV1", "batch_v1"),
    )
    pretty = {"name": "pretty", "in": "query", "type": "string", "uniqueItems": True}
    for root, camel, tag in groups:
        for thing in THINGS[:24]:
            kind = thing.title()
            name = f"io.k8s.api.{tag}.{kind}"
            definitions[name] = {
                "type": "object",
                "properties": {
                    "apiVersion": text,
                    "kind": text,
                    "metadata": {"default": {}, **to(meta)},
                    "spec": {"default": {}, **to(pod)},
                },
            }
            body = {"name": "body", "in": "body", "required": True, "schema": to(name)}
            common = {
                "tags": [tag],
                "consumes": ["*/*"],
                "produces": [
                    "application/json",
                    "application/yaml",
                    "application/vnd.kubernetes.protobuf",
                ],
                "responses": {"200": {"description": "OK", "schema": to(name)}},
            }
            space = {"name": "namespace", "in": "path", "required": True, "type": "string"}
            paths[f"/{root}/namespaces/{{namespace}}/{thing}s"] = {
                "parameters": [space, pretty],
                "get": {**common, "operationId": f"list{camel}Namespaced{kind}", "parameters": [{"name": "limit", "in": "query", "type": "integer"}, {"name": "watch", "in": "query", "type": "boolean"}, {"name": "fields", "in": "query", "type": "array", "items": {"type": "string"}}]},
                "post": {**common, "operationId": f"create{camel}Namespaced{kind}", "parameters": [body, {"name": "dryRun", "in": "query", "type": "string"}]},
                "delete": {**common, "operationId": f"deletecollection{camel}Namespaced{kind}"},
            }  # fmt: skip
            paths[f"/{root}/namespaces/{{namespace}}/{thing}s/{{name}}"] = {
                "parameters": [space, {"name": "name", "in": "path", "required": True, "type": "string"}, pretty],
                "get": {**common, "operationId": f"read{camel}Namespaced{kind}"},
                "put": {**common, "operationId": f"replace{camel}Namespaced{kind}", "parameters": [body]},
                "patch": {**common, "consumes": ["application/merge-patch+json"], "operationId": f"patch{camel}Namespaced{kind}", "parameters": [{**body, "schema": {"type": "object"}}]},
                "delete": {**common, "operationId": f"delete{camel}Namespaced{kind}"},
            }  # fmt: skip
    return {
        "swagger": "2.0",
        "info": {"title": "Cluster", "version": "v1.31.0"},
        "host": "cluster.example:6443",
        "schemes": ["https"],
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {
            "BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}
        },
        "security": [{"BearerToken": []}],
    }


def newer() -> Values:
    paths: Values = {}
    for area in ("crm", "desk", "books", "people"):
        for thing in THINGS:
            known = {"200": {"description": "ok", **json_content(ref("thing"))}}
            many: Values = {"type": ["array", "null"], "items": {"type": "string"}, "minItems": 1}
            body = {"required": True, **json_content({"type": "object", "required": ["kind", "name"], "properties": {
                "kind": {"const": thing}, "name": {"type": ["string", "null"], "maxLength": 80}, "tags": many,
                "score": {"type": ["integer", "string"], "exclusiveMinimum": 0}, "pair": {"type": "array", "prefixItems": [{"type": "integer"}]},
                "tree": ref("tree"), "day": {"type": "string", "format": "date", "examples": ["2026-01-01"]}, "state": {"enum": ["on", "off"]},
            }})}  # fmt: skip
            file = {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {
                            "file": {"contentMediaType": "application/octet-stream"},
                            "note": {"type": "string"},
                        },
                    }
                }
            }
            paths[f"/{area}/{thing}s"] = {
                "get": {"tags": [area], "responses": known, "parameters": [{"name": "tag", "in": "query", "schema": many}, {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}}, {"name": "at", "in": "query", "content": {"application/json": {"schema": {}}}}]},
                "post": {"tags": [area], "requestBody": body, "responses": known, "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}]},
            }  # fmt: skip
            paths[f"/{area}/{thing}s/{{id}}/file"] = {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}],
                "put": {"tags": [area], "requestBody": {"content": file}, "responses": {"204": {"description": "kept"}}},
                "get": {"tags": [area], "responses": {"200": {"description": "ok", "content": {"application/pdf": {}}}}},
                "post": {"tags": [area], "responses": {"200": {"description": "ok", "content": {"text/event-stream": {}}}}},
            }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {"title": "Suite ünïted: on", "version": "2026-01-01"},
        "servers": [{"url": "https://{region}.suite.example/v3", "variables": {"region": {"default": "eu"}}}],
        "security": [{"oauth": ["all"]}],
        "paths": paths,
        "webhooks": {"changed": {"post": {"responses": {}}}},
        "components": {
            "securitySchemes": {"oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://login.suite.example/token", "scopes": {"all": "everything"}}}}},
            "schemas": {"thing": {"type": "object"}, "tree": {"type": "object", "properties": {"value": {}, "children": {"type": "array", "items": ref("tree")}}}},
        },
    }  # fmt: skip


def as_json(make: Callable[[], Mapping[str, Any]]) -> str:
    return json.dumps(make(), ensure_ascii=False)


SAMPLES: Mapping[str, Callable[[], str]] = {
    "github": lambda: as_json(github),
    "stripe": lambda: as_json(stripe),
    "kubernetes": lambda: as_json(kubernetes),
    "newer": lambda: yaml.safe_dump(newer(), sort_keys=False, allow_unicode=True),
}
