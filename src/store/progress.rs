//! How a case stands, for a caller who keys its number.

use std::time::Duration;

use chrono::NaiveDate;
use sqlx::PgPool;

use super::{DatabaseState, Store, StoreError, cases};
use crate::cases::ProgressAnswer;
use crate::directory::PostId;
use crate::ids::CaseNumber;

/// Longest wait for the database when a caller asks how a case stands: a silence on the line.
const PROGRESS_WITHIN: Duration = Duration::from_millis(1_500);

impl Store {
    /// How a case stands; `None`: there is none with this number. A case that is still on its way to the database is known.
    ///
    /// # Errors
    /// When the database is away and the case is not on its way: whether it exists is then unknown.
    pub async fn case_status(&self, number: CaseNumber) -> Result<Option<ProgressAnswer>, StoreError> {
        let waiting = || self.0.unsent.answer(number);
        if *self.0.state.borrow() == DatabaseState::Down
            && let Some(answer) = waiting()
        {
            return Ok(Some(answer));
        }
        let read = tokio::time::timeout(PROGRESS_WITHIN, progress(&self.0.pool, number)).await;
        match read.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(Some(answer)) => Ok(Some(answer)),
            Ok(None) => Ok(waiting()),
            Err(e) => waiting().map(Some).ok_or(e.into()),
        }
    }
}

async fn progress(pool: &PgPool, number: CaseNumber) -> Result<Option<ProgressAnswer>, sqlx::Error> {
    let row: Option<(String, i64, NaiveDate)> =
        sqlx::query_as("SELECT state, owner_post_id, due_on FROM cases WHERE number = $1")
            .bind(number.as_i64())
            .fetch_optional(pool)
            .await?;
    row.map(|(state, owner, due_on)| {
        Ok(ProgressAnswer { state: cases::parse_state(&state)?, owner: PostId(owner), due_on })
    })
    .transpose()
}
