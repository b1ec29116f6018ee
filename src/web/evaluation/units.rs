//! The district's units as a tree: choices of a filter, what lies below one, and what is summed up at a level.

use std::collections::BTreeSet;

use super::super::calls::Choice;
use crate::directory::{Directory, Level, OrgId};

/// The townships with their villages, as choices.
pub(super) struct Branch {
    /// The township.
    pub township: Choice,
    /// Its villages.
    pub villages: Vec<Choice>,
}

/// Every township with its villages.
pub(super) fn branches(directory: &Directory, chosen: Option<i64>) -> Vec<Branch> {
    let at = |level, below: Option<OrgId>| {
        directory.organisations.values().filter(move |o| o.level == level && below.is_none_or(|p| o.parent == Some(p)))
    };
    let choice = |id: OrgId, name: &str| Choice {
        value: id.0.to_string(),
        label: name.to_owned(),
        chosen: chosen == Some(id.0),
    };
    at(Level::Township, None)
        .map(|township| Branch {
            township: choice(township.id, &township.name),
            villages: at(Level::Village, Some(township.id)).map(|v| choice(v.id, &v.name)).collect(),
        })
        .collect()
}

/// A unit and everything below it; `None` for the district, below which everything is, and for a unit that is not known.
pub(super) fn below(directory: &Directory, unit: i64) -> Option<Vec<i64>> {
    let top = directory.organisations.get(&OrgId(unit)).filter(|o| o.parent.is_some())?;
    let mut found = BTreeSet::from([top.id]);
    // The tree has four levels; each round finds one more.
    loop {
        let before = found.len();
        let children = directory.organisations.values().filter(|o| o.parent.is_some_and(|p| found.contains(&p)));
        let children: Vec<OrgId> = children.map(|o| o.id).collect();
        found.extend(children);
        if found.len() == before {
            return Some(found.into_iter().map(|id| id.0).collect());
        }
    }
}

/// The unit at `level` that `unit` belongs to; the unit itself where it stands above.
pub(super) fn at_level(directory: &Directory, unit: i64, level: Level) -> i64 {
    let mut at = OrgId(unit);
    while let Some(organisation) = directory.organisations.get(&at) {
        match organisation.parent {
            Some(parent) if organisation.level != level && rank(organisation.level) > rank(level) => at = parent,
            Some(_) | None => break,
        }
    }
    at.0
}

/// The unit's name; its key where it is not known.
pub(super) fn name(directory: &Directory, unit: i64) -> String {
    directory.organisations.get(&OrgId(unit)).map_or_else(|| unit.to_string(), |o| o.name.clone())
}

fn rank(level: Level) -> u8 {
    match level {
        Level::District => 0,
        Level::Township => 1,
        Level::Village => 2,
        Level::Point => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Organisation;

    fn district() -> Directory {
        let unit = |id, parent: Option<i64>, level, name: &str| {
            (OrgId(id), Organisation { id: OrgId(id), parent: parent.map(OrgId), level, name: name.into() })
        };
        let units = [
            unit(1, None, Level::District, "红塔区"),
            unit(100, Some(1), Level::Township, "玉兴街道"),
            unit(101, Some(100), Level::Point, "玉兴街道为民服务中心"),
            unit(10_010, Some(100), Level::Village, "珊瑚社区"),
            unit(10_011, Some(10_010), Level::Point, "珊瑚社区为民服务站"),
            unit(200, Some(1), Level::Township, "凤凰街道"),
        ];
        Directory { organisations: units.into(), ..Directory::default() }
    }

    #[test]
    fn a_unit_holds_what_lies_below_it() {
        assert_eq!(below(&district(), 100), Some(vec![100, 101, 10_010, 10_011]));
        assert_eq!(below(&district(), 10_010), Some(vec![10_010, 10_011]));
        assert_eq!(below(&district(), 1), None, "the district is everything");
        assert_eq!(below(&district(), 9), None);
    }

    #[test]
    fn people_are_summed_up_at_a_level() {
        let check = |unit, level, found| assert_eq!(at_level(&district(), unit, level), found, "{unit}");
        check(10_011, Level::Village, 10_010);
        check(10_011, Level::Township, 100);
        check(101, Level::Village, 100);
        check(200, Level::Village, 200);
        check(9, Level::Village, 9);
    }

    #[test]
    fn the_tree_is_offered_with_what_was_chosen() {
        let branches = branches(&district(), Some(10_010));
        assert_eq!(branches.len(), 2);
        assert!(branches[0].villages[0].chosen && !branches[0].township.chosen);
    }
}
