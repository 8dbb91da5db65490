//! The page, and what a browser lets it do.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::graph::svg;

/// The page as one file: its styles, those of pictures, and its script are in it.
pub(super) const PAGE: &str = concat!(
    include_str!("page/begin.html"),
    include_str!("../graph/svg.css"),
    include_str!("page/page.css"),
    include_str!("page/body.html"),
    include_str!("page/model.js"),
    include_str!("page/table.js"),
    include_str!("page/picture.js"),
    include_str!("page/details.js"),
    include_str!("page/stream.js"),
    include_str!("page/end.html"),
);

/// What a page may do (Content Security Policy Level 3): use the styles and run the script that are in it, and the styles of a
/// picture, each of which is known by its digest, ask this server, and nothing else. An answer of another kind may do no
/// more.
pub(super) fn policy() -> HeaderValue {
    let digests = |tag: &str| {
        let texts = parts(PAGE, tag).map(|text| format!(" 'sha256-{}'", digest(text)));
        texts.collect::<String>()
    };
    let text = format!(
        "default-src 'none'; script-src{}; style-src{} 'sha256-{}'; img-src data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        digests("script"),
        digests("style"),
        digest(&svg::style())
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The texts of the elements `tag` of `page`.
fn parts<'p>(page: &'p str, tag: &str) -> impl Iterator<Item = &'p str> {
    let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
    let rest: Vec<&str> = page.split(&begin).skip(1).collect();
    rest.into_iter().filter_map(move |text| Some(text.split_once(&end)?.0))
}

fn digest(script: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_page_may_run_and_nothing_else() {
        let policy = policy();
        let policy = policy.to_str().expect("ASCII");
        for tag in ["script", "style"] {
            let source = format!("{tag}-src 'sha256-");
            assert!(policy.contains(&source), "{policy}");
            assert_eq!(PAGE.matches(&format!("<{tag}")).count(), 1);
            assert_eq!(parts(PAGE, tag).count(), 1);
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        // `printf %s alert | openssl sha256 -binary | base64`
        assert_eq!(digest("alert"), "35BQWN1npAn++BSA6B5HNlcrDttNf7mHxpXNB+Jg7IE=");
    }

    /// What others wrote must not be read as HTML, and nothing is asked of another host.
    #[test]
    fn text_enters_the_page_as_text() {
        let script = parts(PAGE, "script").next().expect("a script");
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
        ] {
            assert!(!script.contains(word), "{word}");
        }
        let hosts = PAGE
            .match_indices("://")
            .map(|(at, _)| &PAGE[at..PAGE.len().min(at + 16)]);
        let hosts: Vec<&str> = hosts.filter(|text| !text.starts_with("://www.w3.org/")).collect();
        assert_eq!(hosts, [""; 0]);
    }
}
