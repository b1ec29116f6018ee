//! The order in which the servers of a service are tried (RFC 2782): by priority, and by lot and weight within one. Pure.

use super::message::Srv;

/// Sorts servers; `draw` gives a number below its argument. A decided "not here" leaves none.
pub(super) fn order(mut servers: Vec<Srv>, mut draw: impl FnMut(u32) -> u32) -> Vec<Srv> {
    servers.retain(|server| !server.target.is_empty());
    // Those without weight come first in the running sum, so that they have a small chance too.
    servers.sort_by_key(|server| (server.priority, server.weight != 0));
    let mut ordered = Vec::with_capacity(servers.len());
    while let Some(priority) = servers.first().map(|server| server.priority) {
        let same = servers.iter().take_while(|server| server.priority == priority);
        let sum: u32 = same.map(|server| u32::from(server.weight)).sum();
        let drawn = draw(sum + 1);
        let mut running = 0;
        let chosen = servers.iter().position(|server| {
            running += u32::from(server.weight);
            running >= drawn
        });
        ordered.push(servers.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5_060, target: target.into() }
    }

    #[track_caller]
    fn check(servers: &[Srv], draws: &[u32], expected: &[&str]) {
        let mut draws = draws.iter();
        let ordered = order(servers.to_vec(), |below| {
            let drawn = *draws.next().expect("a draw");
            assert!(drawn < below, "{drawn} of {below}");
            drawn
        });
        assert_eq!(ordered.iter().map(|server| server.target.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn priority_comes_before_weight() {
        check(&[server(20, 60_000, "b"), server(10, 0, "a")], &[0, 0], &["a", "b"]);
    }

    #[test]
    fn weights_are_shares() {
        let servers = [server(1, 1, "a"), server(1, 3, "b")];
        check(&servers, &[0, 0], &["a", "b"]);
        check(&servers, &[1, 0], &["a", "b"]);
        check(&servers, &[2, 0], &["b", "a"]);
        check(&servers, &[4, 0], &["b", "a"]);
        // Of the rest the shares are drawn anew.
        check(&[server(1, 1, "a"), server(1, 3, "b"), server(1, 6, "c")], &[5, 4, 0], &["c", "b", "a"]);
    }

    #[test]
    fn weightless_servers_have_a_small_chance() {
        let servers = [server(1, 5, "a"), server(1, 0, "b")];
        check(&servers, &[0, 0], &["b", "a"]);
        check(&servers, &[1, 0], &["a", "b"]);
    }

    #[test]
    fn a_service_that_is_not_there_has_no_server() {
        check(&[server(0, 0, "")], &[], &[]);
    }
}
