//! Forms that carry a file (RFC 7578): read whole into memory, which their size bounds.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use multer::{Constraints, Multipart, SizeLimit};

use super::error::WebError;

/// Longest body of such a form, in bytes: a sample of 200,000 numbers with every column.
pub(super) const UPLOAD_LIMIT: usize = 16 * 1024 * 1024;

/// Longest field that is no file, in bytes.
const FIELD_LIMIT: u64 = 4_096;

/// Fields of one form, files included.
const FIELDS_MAX: usize = 32;

/// The field that holds the file.
const FILE: &str = "file";

/// A form with a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Upload {
    fields: BTreeMap<String, String>,
    /// The file; empty where none was chosen.
    pub file: Bytes,
}

impl Upload {
    /// Reads the body of a form.
    ///
    /// # Errors
    /// [`WebError::BadRequest`] where it is no such form, or too large.
    pub(super) async fn read(headers: &HeaderMap, body: Bytes) -> Result<Self, WebError> {
        let bad = |_| WebError::BadRequest { field: "body" };
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = multer::parse_boundary(kind).map_err(bad)?;
        let limit = SizeLimit::new().per_field(FIELD_LIMIT).for_field(FILE, UPLOAD_LIMIT as u64);
        let stream = tokio_stream::once(Ok::<_, Infallible>(body));
        let mut form = Multipart::with_constraints(stream, boundary, Constraints::new().size_limit(limit));
        let mut upload = Self::default();
        for _ in 0..FIELDS_MAX {
            let Some(field) = form.next_field().await.map_err(bad)? else { return Ok(upload) };
            let name = field.name().unwrap_or_default().to_owned();
            if name == FILE {
                upload.file = field.bytes().await.map_err(bad)?;
            } else {
                upload.fields.insert(name, field.text().await.map_err(bad)?);
            }
        }
        Err(WebError::BadRequest { field: "body" })
    }

    /// The field's text, trimmed; empty where it was not sent.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |text| text.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &str) -> Result<Upload, WebError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=X".parse().expect("a header"));
        Upload::read(&headers, Bytes::from(body.to_owned())).await
    }

    fn field(name: &str, more: &str, value: &str) -> String {
        format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n")
    }

    #[tokio::test]
    async fn fields_and_a_file() {
        let body = field("survey", "", " callback ")
            + &field("file", "; filename=\"名单.csv\"\r\nContent-Type: text/csv", "number\r\n139\r\n")
            + "--X--\r\n";
        let upload = read(&body).await.expect("a form");
        assert_eq!((upload.field("survey"), upload.field("trunk")), ("callback", ""));
        assert_eq!(&upload.file[..], b"number\r\n139\r\n");
    }

    #[tokio::test]
    async fn what_is_no_such_form_is_refused() {
        let long = field("survey", "", &"x".repeat(FIELD_LIMIT as usize + 1)) + "--X--\r\n";
        let many = (0..=FIELDS_MAX).map(|n| field(&n.to_string(), "", "")).collect::<String>() + "--X--\r\n";
        for body in [long, many, field("survey", "", "x"), "csrf=1".to_owned()] {
            assert!(matches!(read(&body).await, Err(WebError::BadRequest { .. })), "{}", &body[..40.min(body.len())]);
        }
        assert!(Upload::read(&HeaderMap::new(), Bytes::new()).await.is_err());
    }
}
