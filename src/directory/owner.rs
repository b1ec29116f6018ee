//! Who answers first for a matter (B15): somebody always does.

use super::{Directory, Level, OrgId, Post, PostId, WindowCode};

/// Levels climbed at most; a directory whose parents form a ring is left after it.
const MAX_CLIMB: usize = 8;

impl Directory {
    /// The post that answers first: the window's, in the village or else the nearest unit above it; where no unit on the
    /// way has one, or no window is known, the nearest duty post. Without a village the way begins at the district.
    ///
    /// `None` only in a directory without any duty post on that way.
    pub fn first_owner(&self, window: Option<WindowCode>, village: Option<OrgId>) -> Option<PostId> {
        let way = self.climb(village);
        let nearest = |wanted: Option<WindowCode>| {
            way.iter().find_map(|org| self.posts.values().find(|p| p.org == *org && p.window == wanted)).map(|p| p.id)
        };
        window.and_then(|code| nearest(Some(code))).or_else(|| nearest(None))
    }

    /// The post that leads another: the duty post of the nearest unit above it, or the district's.
    pub fn leader_of(&self, post: PostId) -> Option<PostId> {
        let above = self.posts.get(&post).and_then(|p| self.organisations.get(&p.org)).and_then(|org| org.parent);
        self.first_owner(None, above)
    }

    /// The level of the unit at which a post stands.
    pub fn level_of(&self, post: &Post) -> Option<Level> {
        self.organisations.get(&post.org).map(|org| org.level)
    }

    /// From `start` up to the district, which has the last word on everything.
    fn climb(&self, start: Option<OrgId>) -> Vec<OrgId> {
        let mut way = Vec::new();
        let mut at = start;
        while let Some(org) = at.and_then(|id| self.organisations.get(&id)).filter(|_| way.len() < MAX_CLIMB) {
            way.push(org.id);
            at = org.parent;
        }
        for org in self.organisations.values() {
            let district = match org.level {
                Level::District => true,
                Level::Township | Level::Village | Level::Point => false,
            };
            if district && !way.contains(&org.id) {
                way.push(org.id);
            }
        }
        way
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::district;
    use super::*;

    #[track_caller]
    fn check(window: Option<i16>, village: Option<&str>, title: &str) {
        let district = district();
        let village = village.map(|name| {
            district.organisations.values().find(|o| o.name == name).unwrap_or_else(|| panic!("no {name}")).id
        });
        let owner = district.first_owner(window.map(WindowCode), village).expect("an owner");
        assert_eq!(district.posts[&owner].title, title);
    }

    #[test]
    fn climbs_from_village_to_township_to_district() {
        check(Some(2), Some("高龙潭社区"), "高龙潭社会保障代办");
        check(Some(7), Some("高龙潭社区"), "玉兴街道老年人服务窗口");
        check(Some(1), Some("高龙潭社区"), "区企业服务窗口");
        check(Some(2), Some("泷水塘社区"), "区社会保障窗口");
        check(Some(2), None, "区社会保障窗口");
    }

    #[test]
    fn without_a_window_the_nearest_duty_post() {
        check(None, Some("高龙潭社区"), "玉兴街道值班员");
        check(None, None, "区值班员");
        check(Some(6), Some("泷水塘社区"), "区值班员");
    }

    #[test]
    fn a_post_is_led_from_above() {
        let district = district();
        let check = |post, leader: &str| {
            let found = district.leader_of(PostId(post)).expect("a leader");
            assert_eq!(district.posts[&found].title, leader, "{post}");
        };
        check(8, "玉兴街道值班员");
        check(7, "区值班员");
        check(6, "区值班员");
        check(1, "区值班员");
        check(99, "区值班员");
    }

    #[test]
    fn a_ring_of_parents_ends() {
        let mut district = district();
        let village = OrgId(100);
        district.organisations.get_mut(&OrgId(10)).expect("a township").parent = Some(village);
        assert!(district.first_owner(None, Some(village)).is_some());
    }
}
