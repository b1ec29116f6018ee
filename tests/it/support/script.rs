//! What callers do, in the syntax of the test telephone.

/// The shortest way to a spoken case number: a person is asked for, the waiting words are cut short, a message of a
/// second is left, and the thanks are cut short too. Begins after the recording notice.
pub const MESSAGE: &str = "6.2:0,7.4:#,9.0:#,10.2:#";

/// Seconds after the answer by which [`MESSAGE`] has led to a number spoken twice, on a busy machine.
pub const MESSAGE_TOLD_S: &str = "29";

/// Somebody's own number, so that a call is found again by the end that lists show.
pub fn caller(index: usize) -> String {
    format!("1380000{index:04}")
}

/// The same as a list shows it.
pub fn masked(index: usize) -> String {
    format!("138****{index:04}")
}
