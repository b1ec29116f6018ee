//! The description of the JSON interface (OpenAPI 3.1), made from the handlers' own types.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{api, campaigns, case_api, trends, versions};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Minxin",
        description = "Calls and cases of the hotline, and survey campaigns. Lists come newest first, `limit` rows at a time; ask for the next \
                       part with `before` set to the last row's key. Telephone numbers are masked; `reveal`, with a \
                       reason, shows them whole to roles that may see them, and is audited."
    ),
    paths(
        api::lines, api::calls, api::call, api::transcript, api::recording, api::cases, api::case, case_api::log,
        case_api::move_on, campaigns::list, campaigns::create, campaigns::one, campaigns::answers, campaigns::pause,
        campaigns::resume, campaigns::stop, versions::list, versions::submit, versions::approve, trends::months,
        trends::persons, trends::evidence, trends::of_unit
    ),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

/// `GET /api/v1/openapi.json`.
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
