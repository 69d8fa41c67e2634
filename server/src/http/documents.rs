//! What the server says of itself: `/openapi.json`, `/asyncapi.json` and the page `/docs`, which are joined at compile
//! time (`build/`) and kept as bytes of the program. Must not know what they describe.

use switchboard_protocol::http::Response;

use super::{Call, Handled};

/// A text that changes with the program only.
struct Document {
    content_type: &'static str,
    etag: &'static str,
    text: &'static str,
}

macro_rules! document {
    ($content_type:literal, $name:literal) => {
        Document {
            content_type: $content_type,
            etag: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".etag")),
            text: include_str!(concat!(env!("OUT_DIR"), "/", $name)),
        }
    };
}

const OPENAPI: Document = document!("application/json", "openapi.json");
const ASYNCAPI: Document = document!("application/json", "asyncapi.json");
const PAGE: Document = document!("text/html; charset=utf-8", "docs.html");

/// The page has no script and loads nothing; its one style is known by its digest.
const PAGE_POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-",
    include_str!(concat!(env!("OUT_DIR"), "/style.sha256")),
    "'; base-uri 'none'; frame-ancestors 'none'"
);

/// `GET /openapi.json`
pub(super) fn openapi(call: Call<'_>) -> Handled {
    Handled::Response(OPENAPI.response(&call))
}

/// `GET /asyncapi.json`
pub(super) fn asyncapi(call: Call<'_>) -> Handled {
    Handled::Response(ASYNCAPI.response(&call))
}

/// `GET /docs`
pub(super) fn page(call: Call<'_>) -> Handled {
    Handled::Response(PAGE.response(&call).with_header("Content-Security-Policy", PAGE_POLICY))
}

impl Document {
    /// The text, or 304 if the asker has it (RFC 9110, section 13.1.2). It may be kept, and must be asked about: the next
    /// version of the server may say something else.
    fn response(&self, call: &Call<'_>) -> Response {
        let known = (call.header)("If-None-Match").is_some_and(|tags| {
            tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag)
        });
        let response = if known {
            Response::empty(304)
        } else {
            Response { content_type: Some(self.content_type), ..Response::text(200, self.text) }
        };
        response.with_header("ETag", self.etag).with_header("Cache-Control", "no-cache")
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
