//! The page, and what a browser lets it do.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

/// The page: its styles and scripts are in it.
pub(super) const PAGE: &str = include_str!("page.html");

/// What a page may do (Content Security Policy Level 3): run the scripts that are in it, each of which is known by its
/// digest, ask this server, and nothing else. An answer of another kind may do no more.
pub(super) fn policy() -> HeaderValue {
    let scripts: String = scripts(PAGE)
        .map(|script| format!(" 'sha256-{}'", digest(script)))
        .collect();
    let text = format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The texts of the scripts in `page`.
fn scripts(page: &str) -> impl Iterator<Item = &str> {
    let rest = page.split("<script>").skip(1);
    rest.filter_map(|text| Some(text.split_once("</script>")?.0))
}

fn digest(script: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_of_the_page_may_run_and_no_other() {
        let policy = policy();
        let policy = policy.to_str().expect("ASCII");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self' 'sha256-"),
            "{policy}"
        );
        let count = PAGE.matches("<script").count();
        assert_eq!(
            (scripts(PAGE).count(), policy.matches("'sha256-").count()),
            (count, count)
        );
        // `printf %s alert | openssl sha256 -binary | base64`
        assert_eq!(digest("alert"), "7f4tE8kMXw5Cre8JbKuSLYDb0tU9AX3bmwFz/Kq4jTo=");
    }
}
