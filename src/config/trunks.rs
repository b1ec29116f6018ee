//! The ways out: `[[trunks]]`, `[survey]` and `[dialling]`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use chrono::NaiveDate;

use super::reader::Section;
use super::{required, seconds};
use crate::ids::PhoneNumber;

/// One way out.
#[derive(Clone)]
pub struct Trunk {
    /// Our name for it, as campaigns and metrics show it.
    pub name: String,
    /// Host, or host and port.
    pub address: String,
    /// How it is spoken to.
    pub transport: Transport,
    /// User name and password, where it asks for them.
    pub login: Option<(String, String)>,
    /// The realm of its challenges; `None` for that of the first one.
    pub realm: Option<String>,
    /// The number that we show.
    pub caller_id: String,
    /// Whether that number is asserted as well (RFC 3325).
    pub assert_identity: bool,
    /// Whether audio is protected by SRTP, and not had in the clear.
    pub srtp: bool,
    /// Most calls at once.
    pub channels: usize,
    /// Most new calls a second.
    pub cps: u32,
    /// Most calls within an hour.
    pub calls_per_hour: u32,
    /// Most calls within a day.
    pub calls_per_day: u32,
    /// How long each registration shall hold; `None` for a trunk that knows where we are.
    pub register: Option<Duration>,
}

impl fmt::Debug for Trunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trunk").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}

/// How a trunk is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `udp`.
    Udp,
    /// `tcp`.
    Tcp,
    /// `tls`.
    Tls,
}

impl FromStr for Transport {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            "tls" => Ok(Self::Tls),
            _ => Err("no such transport"),
        }
    }
}

/// What may be rung, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialling {
    /// Beginnings of numbers that are never rung.
    pub barred: Vec<String>,
    /// How long a telephone may ring.
    pub ring: Duration,
    /// Days on which nobody is rung, besides the holidays: market days, the harvest.
    pub quiet_days: Vec<NaiveDate>,
    /// Ring at any time: for tests.
    pub always_open: bool,
    /// The telephone that surveyed people are put through to who want a person; `None`: somebody rings them back.
    pub person: Option<PhoneNumber>,
    /// How long that telephone may ring.
    pub person_ring: Duration,
}

/// Reads `[[trunks]]`.
pub(super) fn read(root: &Section<'_>) -> Vec<Trunk> {
    let mut trunks: Vec<Trunk> = Vec::new();
    for section in root.sections("trunks") {
        let trunk = read_trunk(&section);
        section.done();
        let Some(trunk) = trunk else { continue };
        if trunks.iter().any(|other| other.name == trunk.name) {
            section.reject("name", format!("{} is the name of another trunk", trunk.name));
        }
        trunks.push(trunk);
    }
    trunks
}

fn read_trunk(section: &Section<'_>) -> Option<Trunk> {
    let name = required(section, "name", "what campaigns and metrics call the trunk");
    let address = required(section, "address", "the host, or host and port, that takes our calls");
    let address_is_sound = address.as_ref().is_none_or(|address| is_host_and_port(address));
    if !address_is_sound {
        section.reject("address", "must be a host, or a host and a port, as in sip.example.cn:5060");
    }
    let transport = section.parsed("transport", "\"udp\", \"tcp\" or \"tls\"").unwrap_or(Transport::Udp);
    let caller_id = required(section, "caller_id", "the number that residents see");
    let is_number = caller_id.as_ref().is_none_or(|id| {
        let digits = id.strip_prefix('+').unwrap_or(id);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    });
    if !is_number {
        section.reject("caller_id", "must be a telephone number: digits, perhaps after a +");
    }
    let username = section.text("username");
    let password = read_password(section);
    if username.is_some() != password.is_some() {
        section
            .missing(if username.is_some() { "password" } else { "username" }, "the one is nothing without the other");
    }
    let srtp = section.boolean("srtp").unwrap_or(false);
    if srtp && transport != Transport::Tls {
        section.reject("srtp", "needs transport = \"tls\": otherwise everybody can read the keys");
    }
    let assert_identity = section.boolean("assert_identity").unwrap_or(false);
    let channels = section.integer("channels", 1..=10_000).unwrap_or(10);
    let cps = section.integer("cps", 1..=1_000).unwrap_or(2);
    let calls_per_hour = section.integer("calls_per_hour", 1..=1_000_000).unwrap_or(2_000);
    let calls_per_day = section.integer("calls_per_day", 1..=10_000_000).unwrap_or(10_000);
    let register = section.boolean("register").unwrap_or(false);
    let expires = seconds(section, "register_expires_s", 60..=86_400, 3_600);
    let realm = section.text("realm");
    Some(Trunk {
        name: name?,
        address: address.filter(|_| address_is_sound)?,
        transport,
        login: username.zip(password),
        realm,
        caller_id: caller_id.filter(|_| is_number)?,
        assert_identity,
        srtp,
        channels,
        cps,
        calls_per_hour,
        calls_per_day,
        register: register.then_some(expires),
    })
}

/// The password, or the first line of the file that holds it: so that it need not stand in the configuration.
fn read_password(section: &Section<'_>) -> Option<String> {
    let (password, file) = (section.text("password"), section.text("password_file"));
    let Some(file) = file else { return password };
    if password.is_some() {
        section.reject("password_file", "password is there already");
        return None;
    }
    match std::fs::read_to_string(Path::new(&file)) {
        Ok(text) => {
            text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).or_else(|| {
                section.reject("password_file", format!("{file} is empty"));
                None
            })
        }
        Err(error) => {
            section.reject("password_file", format!("{file} cannot be read ({error})"));
            None
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, port)) => return v6.parse::<std::net::Ipv6Addr>().is_ok() && is_port(port.strip_prefix(':'), port),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// What stands behind an IPv6 address: nothing, or a colon and a port.
fn is_port(port: Option<&str>, rest: &str) -> bool {
    rest.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_ok())
}

/// Reads `[dialling]` and `[survey]`.
pub(super) fn read_dialling(root: &Section<'_>) -> Dialling {
    let section = root.section("dialling");
    // What used to be premium services; a resident's number never begins so.
    let barred = section.list("barred", "beginnings of numbers in quotes");
    let ring = seconds(&section, "ring_s", 5..=180, 45);
    section.done();
    let survey = root.section("survey");
    let always_open = survey.boolean("always_open").unwrap_or(false);
    let quiet_days = survey.list("quiet_days", "days, as in 2026-10-08").unwrap_or_default();
    let person = survey.text("person");
    let number = person.as_deref().and_then(PhoneNumber::parse);
    if person.is_some() && number.is_none() {
        survey.reject("person", "must be a telephone number");
    }
    let person_ring = seconds(&survey, "person_ring_s", 5..=60, 20);
    survey.done();
    Dialling {
        barred: barred.unwrap_or_else(|| vec!["168".into(), "160".into()]),
        ring,
        quiet_days,
        always_open,
        person: number,
        person_ring,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Config;

    const BASE: &str = "[sip]\nudp = \"127.0.0.1:5060\"\ntrusted = [\"127.0.0.0/8\"]\n[[lines]]\nname = \"a\"\n\
                        numbers = [\"1\"]\nflow = \"hotline\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("minxin.toml"), format!("{BASE}{text}"), BTreeMap::new()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_trunk_is_read_with_its_defaults() {
        let text = "[[trunks]]\nname = \"telecom\"\naddress = \"[2001:db8::1]:5070\"\ntransport = \"tls\"\ncaller_id = \"+8687712345\"\n\
                    username = \"u\"\npassword = \"p\"\nregister = true\n[survey]\nalways_open = true\n";
        let config = parse(text).expect("good");
        let trunk = &config.trunks[0];
        assert_eq!((trunk.transport, trunk.channels, trunk.cps), (Transport::Tls, 10, 2));
        assert_eq!(trunk.login, Some(("u".into(), "p".into())));
        assert_eq!(trunk.register, Some(Duration::from_secs(3_600)));
        assert!(config.dialling.always_open);
        assert!(!format!("{trunk:?}").contains("\"p\""), "a password in the log");
    }

    #[test]
    fn mistakes_name_line_and_key() {
        let check = |text: &str, expected: &str| {
            let found = parse(text).expect_err("a mistake");
            assert!(found.contains(expected), "{expected:?} is not in\n{found}");
        };
        let trunk = "[[trunks]]\nname = \"a\"\naddress = \"sip.example.cn\"\ncaller_id = \"12345\"\n";
        check("[[trunks]]\nname = \"a\"\n", "minxin.toml:8: trunks[0].address: is missing");
        check(&trunk.replace("sip.example.cn", "sip example"), "minxin.toml:10: trunks[0].address: must be a host");
        check(&trunk.replace("12345", "hotline"), "minxin.toml:11: trunks[0].caller_id: must be a telephone number");
        check(&format!("{trunk}transport = \"ws\"\n"), "minxin.toml:12: trunks[0].transport: must be \"udp\"");
        check(&format!("{trunk}username = \"u\"\n"), "trunks[0].password: is missing");
        check(
            &format!("{trunk}username = \"u\"\npassword_file = \"/nowhere\"\n"),
            "trunks[0].password_file: /nowhere cannot",
        );
        check("[survey]\nperson = \"desk\"\n", "survey.person: must be a telephone number");
        check(&format!("{trunk}{trunk}"), "minxin.toml:13: trunks[1].name: a is the name of another trunk");
        check(&format!("{trunk}cps = 0\n"), "minxin.toml:12: trunks[0].cps: must be a whole number from 1");
    }
}
