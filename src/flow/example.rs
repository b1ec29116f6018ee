//! The delivered flows with a made-up prompt book, for tests.

use super::prompts::{Interruptible, Prompt, PromptBook, PromptId};
use super::vocabulary::vocabulary;

pub(crate) const HOTLINE: &str = include_str!("../../config/flows/hotline.toml");
pub(crate) const PARTY: &str = include_str!("../../config/flows/party.toml");

/// Every prompt that the delivered flows use. Its text is its id.
pub(crate) fn book() -> PromptBook {
    let by_speech =
        ["welcome", "ask", "menu", "party.welcome", "party.menu", "say_request", "dictate_place", "goodbye"];
    let by_key = [
        "readback.window",
        "readback.place",
        "readback.phone",
        "key_phone",
        "progress.ask",
        "person.none",
        "person.afterhours",
        "record.done",
        "org.100",
    ];
    let uncut = ["notice", "beep"];
    let prompts = |ids: &[&str], interruptible| {
        ids.iter().map(|id| (PromptId::from(*id), Prompt { text: (*id).to_owned(), interruptible })).collect::<Vec<_>>()
    };
    let own = vocabulary().map(|id| {
        let spoken_over =
            ["readback.confirm", "nudge", "nudge.key", "not_understood.1", "wrong_key"].contains(&id.as_str());
        let interruptible = if spoken_over { Interruptible::Speech } else { Interruptible::Key };
        let text = id.to_string();
        (id, Prompt { text, interruptible })
    });
    own.chain(prompts(&by_speech, Interruptible::Speech))
        .chain(prompts(&by_key, Interruptible::Key))
        .chain(prompts(&uncut, Interruptible::No))
        .collect()
}
