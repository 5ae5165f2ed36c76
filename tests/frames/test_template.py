import pytest

from frames.limits import TEMPLATE_SEGMENTS_MAX
from frames.template import TemplateError, check_template, parameter_name, template_shape, wildcard_name


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a",
        "/a/{b}",
        "/a.b/~c/%20",
        "/caf%C3%A9/%3D%40%25",
        "/...",
        "/a..;b",
        "/{a}/{b}",
        "/a/{b}/{c...}",
        "/{a...}",
        "/a" * TEMPLATE_SEGMENTS_MAX,
    ],
)
def test_what_is_a_template(path: str) -> None:
    check_template(path)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a", "begin with"),
        ("", "begin with"),
        ("//", "empty segment"),
        ("/a/", "empty segment"),
        ("/a/../b", "dot segment"),
        ("/a b", "RFC 3986"),
        ("/a/x{b}", "whole segment"),
        ("/{a}/{a}", "twice"),
        ("/{a}/{a...}", "twice"),
        ("/{a...}/b", r"goes on after the wildcard '\{a\.\.\.\}'"),
        ("/{a...}/{b...}", "goes on after the wildcard"),
        ("/x{a...}", "whole segment"),
        ("/{a..}", "whole segment"),
        ("/{...}", "whole segment"),
        ("/{a....}", "whole segment"),
        ("/%2e%2e", "encodes"),
        ("/%61dmin", "'%61dmin', which no request would match; write letters"),
        ("/a%7Eb", "no request would match"),
        ("/caf%c3%a9", "in upper case, as %C3"),
        ("/a%3d", "in upper case"),
        ("/..;x", "'..;x', which some take for a dot segment"),
        ("/.%3B", "some take for a dot segment"),
        ("/a" * (TEMPLATE_SEGMENTS_MAX + 1), "33 segments"),
        ("/" + "a" * 8192, "8,193 characters"),
    ],
)
def test_what_is_none_and_why(path: str, why: str) -> None:
    with pytest.raises(TemplateError, match=why):
        check_template(path)


def test_parameters_do_not_make_a_shape_another() -> None:
    assert template_shape("/a/{x}/b") == template_shape("/a/{yy}/b") == "/a/{}/b"


def test_a_wildcard_has_a_shape_of_its_own() -> None:
    assert template_shape("/a/{x}/{y...}") == "/a/{}/{...}" != template_shape("/a/{x}/{y}")


def test_names() -> None:
    assert (parameter_name("{a}"), parameter_name("{a...}"), parameter_name("a")) == ("a", None, None)
    assert (wildcard_name("{a...}"), wildcard_name("{a}"), wildcard_name("a...")) == ("a", None, None)
