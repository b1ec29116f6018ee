//! Whether the demo district's keywords send what callers ask to the window that serves it.

use std::path::Path;

use super::{Directory, ItemId, ServiceItem, Window, WindowCode};

/// The windows and items of `seeds/`.
fn district() -> Directory {
    let mut district = Directory::default();
    for row in table("seeds/windows.csv", b',') {
        let code = WindowCode(row[0].parse().expect("a code"));
        let keywords = row[3].split(' ').map(str::to_owned).collect();
        district.windows.insert(code, Window { code, name: row[1].to_owned(), keywords });
    }
    for row in table("seeds/items.csv", b',') {
        let item = ServiceItem {
            id: ItemId(row[0].parse().expect("an id")),
            window: WindowCode(row[1].parse().expect("a code")),
            name: row[2].to_owned(),
            promise: row[3].to_owned(),
            promise_workdays: row[4].parse().expect("a number of days"),
            keywords: row[6].split(' ').map(str::to_owned).collect(),
        };
        district.items.insert(item.id, item);
    }
    district
}

fn table(path: &str, delimiter: u8) -> Vec<csv::StringRecord> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(delimiter == b',')
        .comment(Some(b'#'))
        .from_path(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.records().collect::<Result<_, _>>().expect("rows of one length")
}

#[test]
fn requests_find_their_window() {
    let district = district();
    let requests = table("tests/data/requests.tsv", b'\t');
    let lost: Vec<String> = requests
        .iter()
        .filter_map(|row| {
            let (wanted, words) = (&row[0], &row[1]);
            let found = district.match_windows(words).first().map(|c| c.key.to_string());
            (found.as_deref() != Some(wanted)).then(|| format!("{words}: {wanted}, found {found:?}"))
        })
        .collect();
    // One in fifty may go astray: the window is read back, and the caller puts it right.
    assert!(lost.len() * 50 <= requests.len(), "{lost:#?}");
}
