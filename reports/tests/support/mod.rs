//! What every page with figures must be.

/// Checks that a page needs nothing from elsewhere and has no literal colour, that each of its `figures` has a heading, an
/// image that says what it shows and a table, and that no identifier stands twice.
pub(crate) fn check_page(page: &str, figures: usize) {
    for needle in ["http://", "https://", "src=", "<script", "@import", "url(", "stroke=\"#", "fill=\"#", "NaN"] {
        assert!(!page.contains(needle), "the page contains {needle}");
    }
    let found: Vec<&str> = page.split("<figure ").skip(1).collect();
    assert_eq!(found.len(), figures);
    for figure in found {
        for part in ["<h3>", "role=\"img\"", "<title id=", "<desc id=", "<details>", "<caption>"] {
            assert!(figure.contains(part), "a figure lacks {part}");
        }
    }
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}
