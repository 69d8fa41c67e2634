"""Validates the server's OpenAPI and AsyncAPI documents, their examples, and real answers and frames against them, with
libraries that share nothing with the server. Standard input is {"openapi", "asyncapi", "answers": [{"method", "path",
"status", "type", "body"}], "frames": [{"channel", "direction", "payload"}]}; prints "all well" at its end.

Objects are taken as closed: a field that the server sends and no schema names is a mistake. Every operation and every
message must be among what was given, or nobody knows whether it is described rightly."""

import copy
import json
import re
import sys
from pathlib import Path

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

SPECS = Path(__file__).parent / "node_modules/@asyncapi/specs/schemas/3.0.0.json"


def closed(node):
    """`node` with all objects closed that say nothing else."""
    if isinstance(node, list):
        return [closed(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    shut = {key: closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "type" in node and "additionalProperties" not in node:
        shut["additionalProperties"] = False
    return shut


def resolved(document, node):
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def faults(kind, document, schema, value, formats=None):
    """What is wrong with a value."""
    whole = {**schema, "components": document["components"]}
    return [f"{error.json_path}: {error.message}" for error in kind(whole, format_checker=formats).iter_errors(value)]


def shown(value):
    return json.dumps(value, ensure_ascii=False)


class Judge:
    def __init__(self):
        self.found = []

    def must(self, good, what):
        if not good:
            self.found.append(what)


def examples(media):
    """The examples of a media type, a parameter or a schema."""
    if "example" in media:
        yield media["example"]
    for given in media.get("examples", {}).values() if isinstance(media.get("examples"), dict) else []:
        yield given["value"]


def openapi_examples(judge, document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name = f"{method} {path}"
            bodies = [operation.get("requestBody", {})]
            bodies += [resolved(document, response) for response in operation["responses"].values()]
            for content in bodies:
                for kind, media in content.get("content", {}).items():
                    for value in examples(media):
                        wrong = faults(Draft202012Validator, document, media["schema"], value)
                        judge.must(not wrong, f"example of {name} {kind}: {wrong} in {shown(value)}")
    for name, schema in document["components"]["schemas"].items():
        for value in schema.get("examples", []):
            wrong = faults(Draft202012Validator, document, schema, value)
            judge.must(not wrong, f"example of {name}: {wrong}")


def asyncapi_examples(judge, document):
    for name, message in document["components"]["messages"].items():
        judge.must(message.get("examples"), f"{name} has no example")
        for given in message.get("examples", []):
            wrong = faults(Draft7Validator, document, message["payload"], given["payload"])
            judge.must(not wrong, f"example of {name}: {wrong} in {shown(given['payload'])}")


def operation_of(document, method, path):
    """The template and the operation that a request was for; a path without parameters goes first."""
    found = []
    for template, item in document["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path.split("?")[0]) and method.lower() in item:
            found.append((template.count("{"), template, item[method.lower()]))
    return min(found, key=lambda entry: entry[0])[1:] if found else (None, None)


def answers(judge, document, given):
    formats, seen = FormatChecker(), set()
    for answer in given:
        name = f"{answer['method']} {answer['path']} {answer['status']}"
        template, operation = operation_of(document, answer["method"], answer["path"])
        status = str(answer["status"])
        problem = answer["type"].startswith("application/problem+json")
        if operation is None:
            judge.must(problem, f"{name}: no such operation, and no problem")
            continue
        if answer["status"] < 400:
            seen.add((template, answer["method"].lower()))
        listed = operation["responses"].get(status) or (operation["responses"]["default"] if problem else None)
        if listed is None:
            judge.must(False, f"{name} is not described: {shown(answer['body'])}")
            continue
        content = resolved(document, listed).get("content", {})
        media = content.get(answer["type"].split(";")[0])
        if media is None:
            judge.must(not content and not answer["body"], f"{name}: {answer['type']} is not described")
            continue
        wrong = faults(Draft202012Validator, document, media["schema"], answer["body"], formats)
        judge.must(not wrong, f"{name}: {wrong} in {shown(answer['body'])}")
    for path, item in document["paths"].items():
        for method in item:
            judge.must((path, method) in seen, f"nobody saw {method} {path} succeed")


def frames(judge, document, given):
    formats, seen = FormatChecker(), set()
    for frame in given:
        channel = document["channels"][frame["channel"]]
        fits, why = [], {}
        for name in channel["messages"]:
            full = f"{frame['channel']}.{name}"
            message = document["components"]["messages"][full]
            if message["x-direction"] != frame["direction"]:
                continue
            wrong = faults(Draft7Validator, document, message["payload"], frame["payload"], formats)
            why[name] = wrong
            if not wrong:
                fits.append(full)
        judge.must(fits, f"{frame['channel']} {frame['direction']} {shown(frame['payload'])} fits nothing: {shown(why)}")
        seen.update(fits)
    unseen = [name for name in document["components"]["messages"] if name not in seen]
    judge.must(not unseen, f"nobody saw {', '.join(unseen)}")


def main():
    given = json.load(sys.stdin)
    openapi, asyncapi = given["openapi"], given["asyncapi"]
    judge = Judge()
    validate(copy.deepcopy(openapi))
    for error in Draft7Validator(json.loads(SPECS.read_text())).iter_errors(asyncapi):
        deepest = min(error.context or [error], key=lambda cause: -len(cause.absolute_path))
        judge.must(False, f"AsyncAPI 3.0.0: {deepest.json_path}: {deepest.message[:300]}")
    openapi_examples(judge, openapi)
    asyncapi_examples(judge, asyncapi)
    answers(judge, closed(openapi), given["answers"])
    frames(judge, closed(asyncapi), given["frames"])
    if judge.found:
        sys.exit("\n".join(judge.found))
    print(f"{len(given['answers'])} answers, {len(given['frames'])} frames: all well")


main()
