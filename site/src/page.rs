//! Bodies of error responses.

use proto_http::Status;

/// A body with its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Value of `Content-Type`.
    pub media_type: String,
    /// The content.
    pub body: Vec<u8>,
}

impl Page {
    /// Whether it is JSON, by its media type.
    pub(crate) fn is_json(&self) -> bool {
        let essence = self.media_type.split(';').next().unwrap_or_default().trim_end();
        essence == "application/json" || essence.ends_with("+json")
    }

    /// The page for an error that has none configured: short, and without anything that the client sent.
    #[must_use]
    pub fn builtin(status: Status) -> Page {
        let (code, reason) = (status.code(), status.reason());
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{code} {reason}</title>\n\
             <h1>{code} {reason}</h1>\n</html>\n"
        );
        Page { media_type: "text/html; charset=utf-8".to_owned(), body: body.into_bytes() }
    }
}
