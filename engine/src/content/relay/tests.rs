use super::*;
use crate::request_body::BodyError;
use proto_http::upstream::BadResponse;
use proto_http::{Head, HeadParser, Limits};

fn check(method: &str, trouble: Trouble, expected: (Again, Outcome)) {
    let text = format!("{method} / HTTP/1.0\r\n\r\n");
    let mut head = Head::new();
    HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).unwrap();
    let idempotent = order::is_idempotent(head.view(text.as_bytes()).method());
    let again = trouble.again(idempotent);
    assert_eq!((again, trouble.outcome(again)), expected, "{method} {trouble:?}");
}

#[test]
fn a_request_is_tried_again_only_where_that_is_safe() {
    use Again::{ByNewLink, Elsewhere, Never};
    use Outcome::{Failed, Unknown};
    let fresh = |failure| Trouble { failure, told: false, whole: true, stale: false, unasked: false };
    let stale = |failure| Trouble { stale: true, ..fresh(failure) };
    for failure in [Failure::Refused, Failure::NotTaken] {
        // Nothing was sent.
        check("GET", fresh(failure), (Elsewhere, Failed));
        check("POST", fresh(failure), (Elsewhere, Failed));
        check("POST", Trouble { whole: false, ..fresh(failure) }, (Never, Failed));
    }
    for failure in [Failure::Ended, Failure::Broken] {
        check("GET", stale(failure), (ByNewLink, Unknown));
        check("GET", fresh(failure), (Elsewhere, Failed));
        check("DELETE", fresh(failure), (Elsewhere, Failed));
        check("POST", stale(failure), (Never, Failed));
        check("PATCH", fresh(failure), (Never, Failed));
    }
    for failure in [Failure::Late, Failure::Bad(BadResponse::Begin), Failure::Interim, Failure::Framing] {
        check("GET", fresh(failure), (Elsewhere, Failed));
        check("GET", Trouble { told: true, ..fresh(failure) }, (Never, Failed));
        check("PUT", Trouble { whole: false, ..fresh(failure) }, (Never, Failed));
        check("POST", fresh(failure), (Never, Failed));
    }
    check("GET", fresh(Failure::Client(Gone::Ended)), (Never, Unknown));
    check("PUT", fresh(Failure::Body(BodyError::Cut)), (Never, Unknown));
}
