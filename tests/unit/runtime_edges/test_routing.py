"""Which route answers: tables of precedence, and properties over random routes."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth_runtime.http.routing import RouteTable
from hearth_runtime.template.model import Route


def table(*keys: str) -> RouteTable:
    """Routes "GET /a", or "$default"."""
    routes = []
    for key in keys:
        method, _, path = key.partition(" ")
        routes.append(Route("f", "ANY", "$default") if not path else Route("f", method, path))
    return RouteTable(routes)


@pytest.mark.parametrize(
    ("keys", "method", "path", "expected"),
    [
        ((), "GET", "/", None),
        (("GET /",), "GET", "/", "GET /"),
        (("GET /a",), "GET", "/a", "GET /a"),
        (("GET /a",), "GET", "/a/", None),
        (("GET /a",), "GET", "/A", None),
        (("GET /a",), "HEAD", "/a", None),
        (("GET /a",), "GET", "/a/b", None),
        (("GET /a b",), "GET", "/a%20b", "GET /a b"),
        (("GET /{x}",), "GET", "/", None),
        (("GET /{x+}",), "GET", "/", None),
        (("GET /a/{x+}",), "GET", "/a", None),
        (("GET /a/{x+}",), "GET", "/a/b/c", "GET /a/{x+}"),
        (("GET /a/{x}", "GET /a/b"), "GET", "/a/b", "GET /a/b"),
        (("ANY /a", "GET /a"), "GET", "/a", "GET /a"),
        (("ANY /a", "GET /a"), "PUT", "/a", "ANY /a"),
        (("GET /{x+}", "ANY /{x}"), "GET", "/a", "ANY /{x}"),
        (("GET /{x+}", "GET /a/{x+}"), "GET", "/a/b", "GET /a/{x+}"),
        (("GET /pets/{x+}", "GET /{a}/{b}"), "GET", "/pets/x", "GET /{a}/{b}"),
        (("GET /{a}/z", "GET /y/{b}"), "GET", "/y/z", "GET /y/{b}"),
        (("GET /a", "$default"), "GET", "/b", "$default"),
        (("GET /a", "$default"), "POST", "/a", "$default"),
        (("ANY /{x+}", "$default"), "GET", "/b", "ANY /{x+}"),
        (("ANY /{x+}", "$default"), "GET", "/", "$default"),
        (("POST /a", "GET /{x+}"), "GET", "/a", "GET /{x+}"),
    ],
)
def test_the_most_specific_route_answers(
    keys: tuple[str, ...], method: str, path: str, expected: str | None
) -> None:
    match = table(*keys).find(method, path)
    assert (match.route.key if match else None) == expected


@pytest.mark.parametrize(
    ("key", "path", "expected"),
    [
        ("GET /a", "/a", {}),
        ("GET /{x}", "/a%20b", {"x": "a b"}),
        ("GET /{x}", "/a%2Fb", {"x": "a/b"}),
        ("GET /{x}/{y}", "/1/2", {"x": "1", "y": "2"}),
        ("GET /a/{rest+}", "/a/b%20/c", {"rest": "b /c"}),
        ("GET /{x}", "/%C3%A9", {"x": "é"}),
    ],
)
def test_path_parameters_are_decoded(key: str, path: str, expected: dict[str, str]) -> None:
    match = table(key).find("GET", path)
    assert match is not None
    assert match.parameters == expected


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=5)


@given(values=st.lists(NAMES, min_size=1, max_size=4))
def test_a_path_made_from_parameters_gives_them_back(values: list[str]) -> None:
    pattern = "".join(f"/{{p{index}}}" for index in range(len(values)))
    path = "".join("/" + quote(value, safe="") for value in values)
    match = table(f"GET {pattern}", "ANY /{rest+}", "$default").find("GET", path)
    assert match is not None
    assert list(match.parameters.values()) == values


SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(
    keys=st.sets(st.tuples(st.sampled_from(["GET", "ANY"]), PATHS), min_size=1, max_size=8),
    path=st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3),
    data=st.data(),
)
def test_the_order_in_the_template_does_not_matter(
    keys: set[tuple[str, str]], path: list[str], data: st.DataObject
) -> None:
    # Routes that differ only in a parameter's name are one and the same to API Gateway.
    distinct = {(method, p.replace("{y}", "{x}")) for method, p in keys}
    one = [f"{method} {p}" for method, p in sorted(distinct)]
    other = data.draw(st.permutations(one))
    target = "/" + "/".join(path)
    assert table(*one).find("GET", target) == table(*other).find("GET", target)
