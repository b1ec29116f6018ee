//! What waits for a recogniser: answers that a caller waits for, captions of what is being said, and utterances of finished
//! calls.
//!
//! An answer always goes before everything else, and among answers the one whose time runs out first; a caption goes before
//! the utterances. All lines are bounded: a full one turns the next away at once, so that the flow can ask for keys instead. An answer whose time
//! has run out is handed back as late, never recognised. Finished calls have no deadline, only patience.

use std::collections::VecDeque;
use std::time::Instant;

/// Answers that may wait. Beyond that the last would be late in any case.
pub const MOST_ANSWERS: usize = 16;

/// Utterances of finished calls that may wait: each call waits with one at a time.
pub const MOST_UTTERANCES: usize = 256;

/// The line is full; nothing was taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

/// What a worker is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// Recognise it.
    Do(T),
    /// Its time has run out: say so.
    Late(T),
    /// Wait for more.
    Nothing,
}

/// Three lines of jobs.
#[derive(Debug)]
pub struct Queue<T> {
    /// By deadline, soonest first.
    answers: VecDeque<(Instant, T)>,
    captions: VecDeque<T>,
    utterances: VecDeque<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { answers: VecDeque::new(), captions: VecDeque::new(), utterances: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    /// Takes in an answer that is worthless after `deadline`.
    ///
    /// # Errors
    /// Gives the job back when [`MOST_ANSWERS`] wait.
    pub fn push_answer(&mut self, job: T, deadline: Instant) -> Result<(), Full<T>> {
        if self.answers.len() >= MOST_ANSWERS {
            return Err(Full(job));
        }
        let place = self.answers.partition_point(|(other, _)| *other <= deadline);
        self.answers.insert(place, (deadline, job));
        Ok(())
    }

    /// Takes in what is being said; whoever brings it keeps count of how many there are.
    pub fn push_caption(&mut self, job: T) {
        self.captions.push_back(job);
    }

    /// Takes in an utterance of a finished call.
    ///
    /// # Errors
    /// Gives the job back when [`MOST_UTTERANCES`] wait.
    pub fn push_utterance(&mut self, job: T) -> Result<(), Full<T>> {
        if self.utterances.len() >= MOST_UTTERANCES {
            return Err(Full(job));
        }
        self.utterances.push_back(job);
        Ok(())
    }

    /// Takes out what is to be done next; captions and utterances only where `spare` says that answers have workers enough.
    pub fn next(&mut self, now: Instant, spare: bool) -> Next<T> {
        match self.answers.pop_front() {
            Some((deadline, job)) if deadline <= now => Next::Late(job),
            Some((_, job)) => Next::Do(job),
            None if spare => {
                let next = self.captions.pop_front().or_else(|| self.utterances.pop_front());
                next.map_or(Next::Nothing, Next::Do)
            }
            None => Next::Nothing,
        }
    }

    /// How many answers and how many utterances wait.
    pub fn depth(&self) -> (usize, usize) {
        (self.answers.len(), self.utterances.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Pushes answers with these deadlines (milliseconds) and then utterances, and takes everything out at `now`.
    #[track_caller]
    fn check(answers: &[(char, u64)], utterances: &str, now: u64, expected: &str) {
        let origin = crate::clock::monotonic();
        let at = |ms| origin + Duration::from_millis(ms);
        let mut queue = Queue::default();
        for &(job, deadline) in answers {
            queue.push_answer(job, at(deadline)).unwrap();
        }
        for job in utterances.chars() {
            queue.push_utterance(job).unwrap();
        }
        assert_eq!(queue.depth(), (answers.len(), utterances.len()));
        let mut order = String::new();
        loop {
            match queue.next(at(now), true) {
                Next::Do(job) => order.push(job),
                Next::Late(job) => order.extend(['!', job]),
                Next::Nothing => break,
            }
        }
        assert_eq!(order, expected);
    }

    #[test]
    fn answers_go_first_and_the_most_urgent_of_them() {
        check(&[('b', 200), ('a', 100), ('c', 300)], "xy", 0, "abcxy");
        check(&[('a', 100), ('b', 100), ('c', 100)], "", 0, "abc");
    }

    #[test]
    fn captions_go_before_finished_calls_and_neither_without_a_spare_worker() {
        let now = crate::clock::monotonic();
        let mut queue = Queue::default();
        queue.push_utterance('u').unwrap();
        queue.push_caption('c');
        assert_eq!(queue.next(now, false), Next::Nothing);
        queue.push_answer('a', now + Duration::from_secs(1)).unwrap();
        assert_eq!(queue.next(now, false), Next::Do('a'));
        assert_eq!(queue.next(now, true), Next::Do('c'));
        assert_eq!(queue.next(now, true), Next::Do('u'));
    }

    #[test]
    fn late_answers_are_handed_back() {
        check(&[('b', 200), ('a', 100)], "x", 100, "!abx");
        check(&[('a', 100)], "", 99, "a");
    }

    #[test]
    fn full_lines_turn_away_and_do_not_fill_each_other() {
        let now = crate::clock::monotonic();
        let mut queue = Queue::default();
        for i in 0..MOST_ANSWERS {
            queue.push_answer(i, now).unwrap();
        }
        assert_eq!(queue.push_answer(99, now), Err(Full(99)));
        for i in 0..MOST_UTTERANCES {
            queue.push_utterance(i).unwrap();
        }
        assert_eq!(queue.push_utterance(98), Err(Full(98)));
        assert!(matches!(queue.next(now, true), Next::Late(0)));
        queue.push_answer(99, now).unwrap();
    }
}
