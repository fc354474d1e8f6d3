//! What a client would rather have: a page or JSON (RFC 9110 section 12.5.1).

/// A weight in thousandths.
type Weight = u16;

/// How well a client takes a kind of content: by the most precise range that fits.
#[derive(Clone, Copy, Default)]
struct Liking {
    precision: u8,
    weight: Weight,
}

/// Whether a client would rather have JSON than a page, by its `Accept` fields. Whoever does not say gets a page.
pub(crate) fn prefers_json<'v>(values: impl Iterator<Item = &'v [u8]>) -> bool {
    let (mut json, mut html) = (Liking::default(), Liking::default());
    for item in values.flat_map(|value| value.split(|&byte| byte == b',')) {
        let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let range = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1000);
        for (liking, main, types) in [
            (&mut json, &b"application/*"[..], &[&b"application/json"[..], b"application/problem+json"][..]),
            (&mut html, b"text/*", &[b"text/html", b"application/xhtml+xml"]),
        ] {
            let precision = match range {
                _ if types.iter().any(|name| range.eq_ignore_ascii_case(name)) => 3,
                _ if range.eq_ignore_ascii_case(main) => 2,
                b"*/*" => 1,
                _ => continue,
            };
            let better = precision == liking.precision && liking.weight < weight;
            if liking.precision < precision || better {
                *liking = Liking { precision, weight };
            }
        }
    }
    html.weight < json.weight
}

/// The weight that a parameter gives; one that is none counts as nothing.
fn weight(parameter: &[u8]) -> Option<Weight> {
    let (name, value) = parameter.split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let value = std::str::from_utf8(value).ok()?.parse::<f32>().ok();
    value.filter(|value| (0.0..=1.0).contains(value)).map(|value| (value * 1000.0) as Weight).or(Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_rather_have_json() {
        for (accept, wanted) in [
            ("", false),
            ("*/*", false),
            ("application/json", true),
            ("application/problem+json", true),
            ("APPLICATION/JSON;charset=utf-8", true),
            ("application/json, text/html;q=0.9", true),
            ("application/json;q=0.5, text/html", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", false),
            ("application/json, */*", false),
            ("application/json, */*;q=0.5", true),
            ("application/json, text/plain, */*", false),
            ("application/json;q=0", false),
            ("application/json;q=x", false),
            ("application/*", true),
            ("text/plain", false),
            ("application/jsonp", false),
        ] {
            assert_eq!(prefers_json([accept.as_bytes()].into_iter()), wanted, "{accept}");
        }
        assert!(prefers_json([&b"text/html;q=0.1"[..], b"application/json"].into_iter()));
    }
}
