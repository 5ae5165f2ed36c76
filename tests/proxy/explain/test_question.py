import pytest

from proxy.admin.state import AdminProblem
from proxy.explain.question import Question, question_of


def test_a_target_is_enough() -> None:
    question = question_of({"target": ["/invoices/42?a=b"]})
    assert question == Question(target="/invoices/42?a=b")
    assert question.head() == b"GET /invoices/42?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_all_that_can_be_asked() -> None:
    question = question_of(
        {
            "method": ["POST"],
            "target": ["/invoices"],
            "host": ["api.example.com"],
            "tenant": ["acme"],
            "header": ["X-A: 1", "x-b:2", "x-empty:"],
            "principal": ["alice"],
            "claims": ['{"scope": "invoices:read"}'],
            "address": ["2001:DB8::1"],
            "scheme": ["https"],
            "body_bytes": ["12"],
        }
    )
    assert (question.principal, question.claims) == ("alice", {"scope": "invoices:read"})
    assert (question.address, question.is_secured, question.body_bytes) == ("2001:db8::1", True, 12)
    assert question.head() == (
        b"POST /invoices HTTP/1.1\r\nHost: api.example.com\r\nX-Tenant-Id: acme\r\nX-A: 1\r\nx-b: 2\r\nx-empty: \r\n"
        b"Content-Length: 12\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "There is no target; write target=/invoices/42."),
        ("target=", "There is no target; write target=/invoices/42."),
        ("target=/a&target=/b", "The parameter target is there 2 times; write it once."),
        (
            "target=/a&tennant=acme",
            "There is no parameter 'tennant' here; write method, target, host, tenant, principal, claims, address,"
            " scheme, body_bytes, header.",
        ),
        ("target=/a\r\nX-A: b", "The parameter target has a line break or a NUL in it; leave it out."),
        ("target=/a&header=a:b\nc", "The parameter header has a line break or a NUL in it; leave it out."),
        ("target=/a&tenant=\0", "The parameter tenant has a line break or a NUL in it; leave it out."),
        ("target=/a&header=abc", "'abc' is no header field; write NAME:VALUE."),
        ("target=/a&header=:abc", "':abc' is no header field; write NAME:VALUE."),
        (
            "target=/a&header=Host:b",
            "The field Host has a parameter of its own; write host=NAME or body_bytes=NUMBER.",
        ),
        ("target=/a&claims={}x", "The claims are no JSON: JSON is malformed: trailing characters (byte 3)."),
        ("target=/a&claims=[1]", 'The claims are no JSON object; write {"scope": "invoices:read"}.'),
        ('target=/a&claims={"a":1}', "Claims are of a principal; write principal=NAME, too."),
        ("target=/a&address=example.com", "'example.com' is no IP address; write 192.0.2.1."),
        ("target=/a&scheme=ftp", "'ftp' is no scheme; write http or https."),
        ("target=/a&body_bytes=-1", "'-1' is no length of a body; write a number of bytes."),
        (
            "target=/a&body_bytes=99999999999999999",
            "'99999999999999999' is no length of a body; write a number of bytes.",
        ),
    ],
)
def test_a_question_without_meaning_is_told_what_has_one(query: str, detail: str) -> None:
    parameters: dict[str, list[str]] = {}
    for pair in query.split("&") if query else []:
        name, _, value = pair.partition("=")
        parameters.setdefault(name, []).append(value)
    with pytest.raises(AdminProblem) as caught:
        question_of(parameters)
    assert (caught.value.status, caught.value.detail) == (400, detail)
