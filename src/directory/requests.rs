//! Whether the demo district's keywords send what callers ask to the window that serves it.

use std::path::Path;

use super::{Directory, ItemId, Level, OrgId, Organisation, Person, PersonId, ServiceItem, Window, WindowCode};

/// The windows, items, villages and persons of `seeds/`.
pub(crate) fn district() -> Directory {
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
    for row in table("seeds/organisations.csv", b',').iter().filter(|row| &row[2] == "village") {
        let id = OrgId(row[0].parse().expect("an id"));
        let village = Organisation { id, parent: None, level: Level::Village, name: row[4].to_owned() };
        district.organisations.insert(id, village);
    }
    for row in table("seeds/persons.csv", b',') {
        let id = PersonId(row[0].parse().expect("an id"));
        district.persons.insert(id, Person { id, name: row[2].to_owned() });
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

/// How many of the requests of one half of `tests/data/spoken/requests.tsv` find their window, of how many, and which do not.
fn found(half: &str) -> (usize, usize, Vec<String>) {
    let district = district();
    let requests = table("tests/data/spoken/requests.tsv", b'\t');
    let of_half: Vec<_> = requests.iter().filter(|row| &row[0] == half).collect();
    let lost: Vec<String> = of_half
        .iter()
        .filter_map(|row| {
            let found = district.match_windows(&row[2]).first().map(|c| c.key.to_string());
            (found.as_deref() != Some(&row[1])).then(|| format!("{}: {}, found {found:?}", &row[2], &row[1]))
        })
        .collect();
    (of_half.len() - lost.len(), of_half.len(), lost)
}

#[test]
fn requests_in_residents_words_find_their_window() {
    // The keywords were improved by looking at what half c lost: its figure flatters. Half t tells what strangers meet;
    // four in five of what it loses find no window at all, so that the caller is asked again.
    for (half, least) in [("c", 185), ("t", 165)] {
        let (right, all, lost) = found(half);
        assert_eq!(all, 200);
        assert!(right >= least, "{half}: {right} of {all}: {lost:#?}");
    }
}
