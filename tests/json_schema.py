"""A small reader of JSON Schema, which knows the words that `vaecli schema` uses and no others."""

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
TEXTS = {"type", "description", "unit", "format", "$defs", "default"}  # not rules, or read before


def problems(value, schema, root=None, place="$"):
    """What is wrong with a value, each as "place: reason"; nothing if it fits the schema."""
    root = root or schema
    if "type" in schema and not has_type(value, schema["type"]):
        return [f"{place}: {value!r} is no {schema['type']}"]
    found = []
    for word, wanted in schema.items():
        if word in TEXTS:
            continue
        if word == "$ref":
            found += problems(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, place)
        elif word == "anyOf":
            if all(problems(value, variant, root, place) for variant in wanted):
                found.append(f"{place}: {value!r} is none of the variants")
        elif word in ("enum", "const"):
            if value not in (wanted if word == "enum" else [wanted]):
                found.append(f"{place}: {value!r} is not {wanted!r}")
        elif word == "required":
            found += [f"{place}: {name} is missing" for name in wanted if name not in value]
        elif word == "properties":
            for name in wanted.keys() & value.keys():
                found += problems(value[name], wanted[name], root, f"{place}.{name}")
        elif word == "additionalProperties":
            for name in value.keys() - schema.get("properties", {}).keys():
                if wanted is False:
                    found.append(f"{place}: {name} is not described")
                elif wanted is not True:
                    found += problems(value[name], wanted, root, f"{place}.{name}")
        elif word == "items":
            for number, item in enumerate(value):
                found += problems(item, wanted, root, f"{place}[{number}]")
        else:
            raise ValueError(f"{place}: the word {word!r} of JSON Schema is unknown")
    return found


def has_type(value, name):
    """Whether a value of JSON has this type; true is no number."""
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])
