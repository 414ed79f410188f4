//! The page: plain files, built into the binary, no build step and nothing from elsewhere.

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::Surface;

/// One file of the page.
#[derive(Debug, Clone, Copy)]
struct File {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! file {
    ($path:literal, $kind:expr, $name:literal) => {
        File { path: $path, kind: $kind, content: include_str!(concat!("page/", $name)) }
    };
}

/// All of them.
const FILES: &[File] = &[
    file!("/", HTML, "index.html"),
    file!("/assets/base.css", CSS, "base.css"),
    file!("/assets/page.css", CSS, "page.css"),
    file!("/assets/app.js", SCRIPT, "app.js"),
    file!("/assets/api.js", SCRIPT, "api.js"),
    file!("/assets/chains.js", SCRIPT, "chains.js"),
    file!("/assets/chart.js", SCRIPT, "chart.js"),
    file!("/assets/costs.js", SCRIPT, "costs.js"),
    file!("/assets/dialogs.js", SCRIPT, "dialogs.js"),
    file!("/assets/dom.js", SCRIPT, "dom.js"),
    file!("/assets/format.js", SCRIPT, "format.js"),
    file!("/assets/parts.js", SCRIPT, "parts.js"),
    file!("/assets/product.js", SCRIPT, "product.js"),
    file!("/assets/transactions.js", SCRIPT, "transactions.js"),
    file!("/favicon.svg", SVG, "favicon.svg"),
];

/// The page's routes. They hold nothing of the keeper's, so they are open; what they show is not.
pub(super) fn routes() -> Router<Surface> {
    FILES.iter().fold(Router::new(), |router, file| {
        router.route(file.path, get(move |request: Request| async move { file.answer(&request) }))
    })
}

impl File {
    fn answer(&self, request: &Request) -> Response {
        let tag = self.tag();
        let known = request.headers().get(header::IF_NONE_MATCH);
        if known.and_then(|known| known.to_str().ok()) == Some(tag.as_str()) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.kind)),
            // Asked again at each load, so that a new keeper never meets an old page.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        let mut response = (headers, self.content).into_response();
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }

    fn tag(&self) -> String {
        let digest = alloy::primitives::keccak256(self.content.as_bytes());
        format!("\"{}\"", alloy::primitives::hex::encode(digest.get(..8).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page may use nothing that its own policy forbids, and nothing from elsewhere.
    #[test]
    fn the_page_needs_nobody_else() {
        for file in FILES {
            let text = file.content;
            for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"] {
                assert!(!text.contains(forbidden), "{}: {forbidden}", file.path);
            }
            for (at, _) in text.match_indices("://") {
                let before = &text[..at];
                let namespace = text[at..].starts_with("://www.w3.org/");
                assert!(
                    namespace,
                    "{}: an address: …{}",
                    file.path,
                    &before[at.saturating_sub(9)..]
                );
            }
            if file.kind == HTML {
                assert!(!text.contains(" style=") && !text.contains("<style"), "{}", file.path);
                assert_eq!(
                    text.matches("<script").count(),
                    text.matches("<script type=\"module\" src=").count()
                );
                assert!(!text.contains(" onclick="), "{}", file.path);
            }
        }
    }

    #[test]
    fn every_file_that_is_named_is_there() {
        let paths: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        for file in FILES {
            let pieces = file.content.split(['"', '\'']);
            for named in
                pieces.filter(|piece| piece.starts_with("/assets/") || piece.starts_with("./"))
            {
                let path = named.replacen("./", "/assets/", 1);
                assert!(paths.contains(&path.as_str()), "{} names {named}", file.path);
            }
        }
    }
}
