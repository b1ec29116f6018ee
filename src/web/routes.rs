//! Every route with who may use it: the one place to read, and the one to change.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::access::Access::{self, Api, Open, OpenForm, Page, Socket, Upload};
use super::access::Right::{
    CorrectWords, Enter, Listen, ManageUsers, Reveal, RunCampaigns, SeeAudit, SeeCalls, SeeCases, SeeResults,
    TakeCalls, WorkCases,
};
use super::evaluation::{
    awards, campaign, campaigns as campaign_pages, disclosure, draft, evidence, heard, results, surveys,
};
use super::{
    WebState, access, api, assets, audit, batches, call, calls, campaigns, case, case_api, case_forms, case_joins,
    cases, desk, login, openapi, probes, recording, stream, tasks, trends, users, versions,
};

/// One route.
pub(super) struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    handler: MethodRouter<WebState>,
}

/// The table. A path that does not stand here does not exist.
pub(super) fn table() -> Vec<Route> {
    vec![
        // Machines.
        get("/healthz", Open, probes::alive),
        get("/readyz", Open, probes::ready),
        get("/metrics", Open, probes::metrics),
        get("/assets/{name}", Open, assets::file),
        // Coming and going.
        get("/login", Open, login::form),
        post("/login", OpenForm, login::log_in),
        get("/login/once", Open, login::once_form),
        post("/login/once", OpenForm, login::once),
        get("/language/{code}", Open, login::language),
        post("/logout", Page(Enter), login::log_out),
        get("/", Page(Enter), login::start),
        // Calls.
        get("/calls", Page(SeeCalls), calls::list),
        get("/live/events", Page(SeeCalls), stream::events),
        get("/calls/{id}", Page(SeeCalls), call::one),
        post("/calls/{id}/reveal", Page(Reveal), call::reveal),
        get("/calls/{id}/recording.wav", Page(Listen), recording::play),
        get("/calls/{id}/peaks.json", Page(SeeCalls), recording::shape),
        post("/calls/{id}/segments/{segment}", Page(CorrectWords), call::correct),
        // The desk.
        get("/desk", Page(TakeCalls), desk::window),
        get("/api/v1/desk", Socket(TakeCalls), desk::socket),
        // Cases.
        get("/cases", Page(SeeCases), cases::list),
        get("/cases/{number}", Page(SeeCases), case::one),
        post("/cases/{number}/reveal", Page(Reveal), case::reveal),
        post("/cases/{number}/correct", Page(WorkCases), case_forms::correct),
        post("/cases/{number}/note", Page(WorkCases), case_forms::note),
        post("/cases/{number}/move", Page(WorkCases), case_forms::move_on),
        post("/cases/{number}/join", Page(WorkCases), case_joins::join),
        post("/cases/{number}/part", Page(WorkCases), case_joins::part),
        post("/cases/{number}/parts", Page(WorkCases), case_joins::add),
        post("/cases/{number}/parts/{id}/done", Page(WorkCases), case_joins::end),
        get("/tasks", Page(SeeCases), tasks::list),
        post("/tasks/{id}/claim", Page(WorkCases), tasks::claim),
        post("/tasks/{id}/release", Page(WorkCases), tasks::release),
        post("/tasks/{id}/done", Page(WorkCases), tasks::done),
        // Surveys.
        get("/results", Page(SeeResults), results::show),
        get("/results/export/{form}", Page(SeeResults), results::export),
        get("/results/calls", Page(RunCampaigns), evidence::list),
        get("/results/calls/export/{form}", Page(RunCampaigns), evidence::export),
        get("/results/answers/{id}/{question}", Page(RunCampaigns), heard::show),
        get("/campaigns", Page(RunCampaigns), campaign_pages::list),
        get("/campaigns/export/{form}", Page(RunCampaigns), campaign_pages::export),
        get("/campaigns/new", Page(RunCampaigns), draft::new),
        post("/campaigns/new", Upload(RunCampaigns), draft::prepare),
        get("/campaigns/drafts/{draft}", Page(RunCampaigns), draft::look),
        post("/campaigns/drafts/{draft}", Page(RunCampaigns), draft::begin),
        get("/campaigns/{id}", Page(RunCampaigns), campaign::one),
        get("/campaigns/{id}/numbers", Page(RunCampaigns), campaign::numbers),
        get("/campaigns/{id}/export/{form}", Page(RunCampaigns), campaign::export),
        post("/campaigns/{id}/pause", Page(RunCampaigns), campaign::pause),
        post("/campaigns/{id}/resume", Page(RunCampaigns), campaign::resume),
        post("/campaigns/{id}/stop", Page(RunCampaigns), campaign::stop),
        get("/surveys", Page(RunCampaigns), surveys::list),
        get("/surveys/{survey}", Page(RunCampaigns), surveys::one),
        get("/prompts/{prompt}", Page(RunCampaigns), surveys::prompt),
        get("/disclosure", Page(Enter), disclosure::list),
        post("/disclosure", Page(RunCampaigns), disclosure::freeze),
        get("/disclosure/{disclosure}", Page(Enter), disclosure::one),
        post("/disclosure/{disclosure}/verify", Page(Enter), disclosure::verify),
        get("/disclosure/{disclosure}/export/{form}", Page(Enter), disclosure::export),
        get("/disclosure/{disclosure}/evidence.json", Page(RunCampaigns), disclosure::whole),
        get("/awards", Page(RunCampaigns), awards::list),
        post("/awards", Page(RunCampaigns), awards::propose),
        get("/awards/export/{form}", Page(RunCampaigns), awards::export),
        get("/awards/{award}", Page(RunCampaigns), awards::one),
        post("/awards/{award}/reply", Page(RunCampaigns), awards::reply),
        post("/awards/{award}/decide", Page(RunCampaigns), awards::decide),
        // The office.
        get("/users", Page(ManageUsers), users::list),
        post("/users/{id}/disabled", Page(ManageUsers), users::disable),
        get("/audit", Page(SeeAudit), audit::list),
        post("/audit/check", Page(SeeAudit), audit::check),
        // Programs.
        get("/api/v1/openapi.json", Open, openapi::document),
        get("/api/v1/lines", Api(SeeCalls), api::lines),
        get("/api/v1/calls", Api(SeeCalls), api::calls),
        get("/api/v1/calls/{id}", Api(SeeCalls), api::call),
        get("/api/v1/calls/{id}/transcript", Api(SeeCalls), api::transcript),
        get("/api/v1/calls/{id}/recording.wav", Api(Listen), recording::download),
        get("/api/v1/cases", Api(SeeCases), api::cases),
        get("/api/v1/cases/{number}", Api(SeeCases), api::case),
        get("/api/v1/cases/{number}/log", Api(SeeCases), case_api::log),
        post("/api/v1/cases/{number}/moves", Api(WorkCases), case_api::move_on),
        get("/api/v1/campaigns", Api(RunCampaigns), campaigns::list),
        post("/api/v1/campaigns", Api(RunCampaigns), campaigns::create),
        get("/api/v1/campaigns/{id}", Api(RunCampaigns), campaigns::one),
        get("/api/v1/campaigns/{id}/results", Api(RunCampaigns), campaigns::answers),
        post("/api/v1/campaigns/{id}/pause", Api(RunCampaigns), campaigns::pause),
        post("/api/v1/campaigns/{id}/resume", Api(RunCampaigns), campaigns::resume),
        post("/api/v1/campaigns/{id}/stop", Api(RunCampaigns), campaigns::stop),
        get("/api/v1/campaigns/{id}/persons", Api(RunCampaigns), trends::persons),
        get("/api/v1/campaigns/{id}/evidence", Api(RunCampaigns), trends::evidence),
        get("/api/v1/trends", Api(RunCampaigns), trends::months),
        get("/api/v1/units/{id}/results", Api(SeeCases), trends::of_unit),
        get("/api/v1/surveys", Api(RunCampaigns), versions::list),
        post("/api/v1/surveys", Api(RunCampaigns), versions::submit),
        post("/api/v1/surveys/{hash}/approve", Api(RunCampaigns), versions::approve),
    ]
}

/// The routes with their guards.
pub(super) fn router(state: &WebState) -> Router<WebState> {
    table().into_iter().fold(Router::new(), |router, route| {
        let reads = route.method == Method::GET;
        let guard = from_fn_with_state((state.clone(), route.access, reads), access::guard);
        let handler = if route.path.contains("/calls/{id}") {
            route.handler.layer(from_fn_with_state(state.clone(), batches::withhold))
        } else {
            route.handler
        };
        router.route(route.path, handler.layer(guard))
    })
}

fn get<H, T>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, WebState>,
    T: 'static,
{
    Route { method: Method::GET, path, access, handler: on(MethodFilter::GET, handler) }
}

fn post<H, T>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, WebState>,
    T: 'static,
{
    Route { method: Method::POST, path, access, handler: on(MethodFilter::POST, handler) }
}
