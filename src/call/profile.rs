//! What a line gives to each of its calls.

use std::sync::Arc;

use crate::directory::{Directory, PostId};
use crate::flow::{Flow, PromptBook};

/// A line's flow with the district and the prompts as they are when a call begins; a later change leaves the call alone.
#[derive(Clone, Debug)]
pub struct LineProfile {
    pub(super) flow: Arc<Flow>,
    pub(super) directory: Arc<Directory>,
    pub(super) book: Arc<PromptBook>,
    /// The post of last resort.
    pub(super) duty: PostId,
}

/// A line that cannot take calls.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProfileError {
    /// Somebody must answer for every case (B15, B19).
    #[error("the directory has no duty post at the district: a post without a window")]
    NoDutyPost,
}

impl LineProfile {
    /// A profile of a flow that [`check`](crate::flow::check) found sound with this book.
    ///
    /// # Errors
    /// When the directory names nobody who answers for a case of no window.
    pub fn new(flow: Arc<Flow>, directory: Arc<Directory>, book: Arc<PromptBook>) -> Result<Self, ProfileError> {
        let duty = directory.first_owner(None, None).ok_or(ProfileError::NoDutyPost)?;
        Ok(Self { flow, directory, book, duty })
    }

    /// `hotline@3`: the flow that speaks, as stored with a call.
    pub fn flow_label(&self) -> String {
        self.flow.label()
    }
}
