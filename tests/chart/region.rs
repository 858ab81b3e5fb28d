//! A part of a page that is written by a program.

use std::path::Path;

/// Set by `make chart`: the part is written instead of compared.
const WRITE: &str = "KEYWRIGHT_WRITE_GENERATED";

/// The part of the page at `path` (from the root of the repository) between `<!-- begin NAME -->` and
/// `<!-- end NAME -->` has to be `expected`.
///
/// # Panics
/// When it is another.
pub(crate) fn assert_is(path: &str, name: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let page = std::fs::read_to_string(&file).unwrap();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (present, after) = rest.split_once(&end).unwrap();
    if std::env::var_os(WRITE).is_some() {
        return std::fs::write(&file, format!("{before}{begin}{expected}{end}{after}")).unwrap();
    }
    assert!(
        present == expected,
        "{path}: the part {name:?} is out of date: run `make chart` and commit the result"
    );
}
