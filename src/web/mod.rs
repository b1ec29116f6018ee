//! The web view for people and the JSON interface for programs.
//!
//! [`router`] is all there is; it owns no socket. It reads and changes through [`crate::store`], learns what goes on from
//! the [`live::Board`], and serves recordings from disk.
//!
//! Invariants: every route stands in `routes` with its right; no telephone number leaves unmasked without an audit row
//! before it, nor any sound; every answer carries the strict content security policy, and no page asks another host.

pub mod access;
mod api;
mod assets;
mod audit;
mod batches;
mod call;
mod calls;
mod campaigns;
mod case;
mod case_api;
mod case_forms;
mod case_joins;
mod cases;
pub mod desk;
mod error;
mod evaluation;
mod form;
mod headers;
pub mod live;
mod login;
pub mod mask;
mod openapi;
mod page;
pub mod peaks;
mod probes;
mod recording;
mod routes;
mod show;
mod stream;
mod tasks;
#[cfg(test)]
mod tests;
pub mod text;
mod trail;
mod trends;
mod upload;
mod users;
mod versions;
mod way;
mod writes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

pub use error::WebError;
pub use probes::Check;

use crate::directory::Directory;
use crate::flow::PromptBook;
use crate::survey::Survey;

/// Says what readiness depends on, each time it is asked.
pub type Health = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;
/// The directory as it is now: posts, windows, calendar.
pub type CurrentDirectory = Arc<dyn Fn() -> Arc<Directory> + Send + Sync>;
/// Writes the figures out in the OpenMetrics text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// A line that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// Its configured name.
    pub name: String,
    /// The numbers that lead to it.
    pub numbers: Vec<String>,
}

/// What the web view is given.
#[derive(Clone)]
pub struct WebConfig {
    /// The store's connections.
    pub pool: PgPool,
    /// The directory below which recordings lie, as their stored paths say.
    pub recordings: PathBuf,
    /// The live board.
    pub live: live::Board,
    /// The lines.
    pub lines: Vec<LineInfo>,
    /// The questionnaires that campaigns may ask, by name.
    pub surveys: BTreeMap<String, Arc<Survey>>,
    /// The words of every prompt.
    pub book: Arc<PromptBook>,
    /// The directory of the prompts' recordings.
    pub prompts: PathBuf,
    /// The trunks that campaigns may ring by.
    pub trunks: Vec<String>,
    /// The operators' desk.
    pub desk: desk::Desk,
    /// For deadlines, which count office hours.
    pub directory: CurrentDirectory,
    /// For `/readyz`.
    pub health: Health,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// Whether browsers come by HTTPS: cookies are then refused on plain HTTP.
    pub secure: bool,
}

/// What handlers share. Cheap to clone.
#[derive(Clone)]
struct WebState {
    pool: PgPool,
    recordings: PathBuf,
    live: live::Board,
    lines: Arc<[LineInfo]>,
    surveys: Arc<BTreeMap<String, Arc<Survey>>>,
    book: Arc<PromptBook>,
    prompts: PathBuf,
    trunks: Arc<[String]>,
    desk: desk::Desk,
    directory: CurrentDirectory,
    health: Health,
    metrics: Metrics,
    secure: bool,
    listenings: recording::Listenings,
    followers: Arc<Semaphore>,
    password_checks: Arc<Semaphore>,
}

/// Everything under `/`.
pub fn router(config: WebConfig) -> Router {
    let state = WebState {
        pool: config.pool,
        recordings: config.recordings,
        live: config.live,
        lines: config.lines.into(),
        surveys: config.surveys.into(),
        book: config.book,
        prompts: config.prompts,
        trunks: config.trunks.into(),
        desk: config.desk,
        directory: config.directory,
        health: config.health,
        metrics: config.metrics,
        secure: config.secure,
        listenings: recording::Listenings::default(),
        followers: stream::places(),
        password_checks: Arc::new(Semaphore::new(login::CHECKS_AT_ONCE)),
    };
    // Outermost last: headers stand on every answer, also on that to a panic or to a path that is not there.
    routes::router(&state)
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(state.clone(), error::dress))
        .layer(from_fn_with_state(state.clone(), headers::secure))
        .with_state(state)
}
