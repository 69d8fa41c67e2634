"""Validates answers against an OpenAPI document with libraries that share nothing with the server. Standard input is
{"document": text, "answers": [{"method", "path", "status", "body"}]}; prints "all well" at its end.

Guide 4's lists are `allOf` an envelope whose `data` is an object and a schema whose `data` is an array: taken word for
word nothing fulfils that. As code generators do, of a property that is there twice the later one counts."""

import json
import re
import sys

import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from openapi_spec_validator import validate

# Answers that the document does not list, and that a server which asks for a token gives all the same.
UNLISTED = {401, 403}


def resolved(node, document):
    """`node` with references replaced, and `allOf` merged."""
    if isinstance(node, list):
        return [resolved(entry, document) for entry in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return resolved(target, document)
    node = {key: resolved(value, document) for key, value in node.items()}
    merged = {}
    for part in node.pop("allOf", []):
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        merged = {**merged, **part, "properties": properties}
    return {**merged, **node}


def operation(document, method, path):
    for template, item in document["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path.split("?")[0]) and method.lower() in item:
            return item[method.lower()]
    sys.exit(f"the document has no {method} {path}")


def main():
    given = json.load(sys.stdin)
    document = yaml.safe_load(given["document"])
    validate(document)
    for answer in given["answers"]:
        name = f"{answer['method']} {answer['path']} {answer['status']}"
        listed = operation(document, answer["method"], answer["path"])["responses"].get(str(answer["status"]))
        if listed is None:
            assert answer["status"] in UNLISTED, f"{name} is not in the document"
            assert answer["body"]["code"] == answer["status"] and answer["body"]["message"], name
            continue
        schema = resolved(listed["content"]["application/json"]["schema"], document)
        errors = list(OAS30Validator(schema, format_checker=oas30_format_checker).iter_errors(answer["body"]))
        assert not errors, f"{name}: {errors[0].message} in {json.dumps(answer['body'], ensure_ascii=False)}"
    print(f"{len(given['answers'])} answers: all well")


main()
