//! Composition root: opens sockets, wires the shells together, owns shutdown.
//!
//! [`Gateway`] is the product running; [`phone`] is the test telephone over the same SIP and audio code; [`load`] is many
//! cheap ones, to measure with; [`transfer`] joins a caller with a person.

mod call_task;
mod captions;
mod caretaker;
mod check_line;
mod crash;
mod desk;
mod dialler;
mod figures;
mod interviewing;
mod keeping;
mod levels;
pub mod load;
mod overload;
pub mod phone;
mod put_through;
mod room;
mod serve;
mod shared;
mod spoken;
mod survey_call;
pub mod transcripts;
pub mod transfer;
pub mod voice;

use std::path::{Path, PathBuf};

pub use serve::Gateway;

use crate::config::Config;
use crate::speech::model;

/// The weights that the configuration names: a path, or the file of a listed model.
pub fn model_path(config: &Config) -> PathBuf {
    let named = model::find(&config.speech.model).ok();
    match named {
        Some(listed) => config.home.join("models").join(listed.file),
        None => Path::new(&config.speech.model).to_owned(),
    }
}
