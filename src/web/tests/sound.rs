//! Recordings: audited before the first byte, by ranges, and their shape.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::office::{Answer, Office};
use crate::store::users::Role;

async fn part(office: &Office, role: Role, range: &str) -> Answer {
    let request = Request::get(format!("/calls/{}/recording.wav", office.call))
        .header("cookie", format!("minxin={}", office.session(role).token))
        .header("range", range);
    office.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn listening_is_audited_once_and_seeking_is_part_of_it() {
    let office = Office::open().await;
    let whole = office.get(Role::Evaluator, &format!("/calls/{}/recording.wav", office.call)).await;
    assert!(whole.body.starts_with(b"RIFF") && whole.header("content-type") == "audio/wav");
    let object = format!("call/{}", office.call);
    assert_eq!(office.trail().await, [("王评估".into(), "listen".into(), object.clone())]);
    part(&office, Role::Evaluator, "bytes=100000-").await;
    assert_eq!(office.trail().await.len(), 1);
    part(&office, Role::Operator, "bytes=0-1").await;
    assert_eq!(office.trail().await[0], ("李坐席".into(), "listen".into(), object.clone()));
    // A program's every request is a download of its own.
    let path = format!("/api/v1/calls/{}/recording.wav", office.call);
    for count in [3, 4] {
        assert_eq!(office.ask(Role::Operator, &path).await.body, whole.body);
        assert_eq!(office.trail().await.len(), count);
        assert_eq!(office.trail().await[0], ("李坐席".into(), "download".into(), object.clone()));
    }
}

#[tokio::test]
async fn parts_of_a_recording_are_its_parts() {
    let office = Office::open().await;
    let whole = office.get(Role::Operator, &format!("/calls/{}/recording.wav", office.call)).await.body;
    let size = whole.len();
    let check = async |range: &str, from: usize, to: usize| {
        let answer = part(&office, Role::Operator, range).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
        assert_eq!(answer.body, whole[from..to], "{range}");
    };
    check("bytes=0-0", 0, 1).await;
    check("bytes=1000-200999", 1_000, 201_000).await;
    check(&format!("bytes={}-", size - 10), size - 10, size).await;
    check("bytes=-44", size - 44, size).await;
    let beyond = part(&office, Role::Operator, &format!("bytes={size}-")).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
}

#[tokio::test]
async fn the_shape_has_two_channels_and_leaves_no_row() {
    let office = Office::open().await;
    let shape = office.get(Role::Operator, &format!("/calls/{}/peaks.json", office.call)).await.json();
    assert_eq!(shape["duration_ms"], 39_000);
    assert_eq!(shape["channels"].as_array().map(Vec::len), Some(2));
    assert!(office.trail().await.is_empty());
    assert!(office.dir.path().join(format!("recordings/{}.peaks.json", office.call)).exists());
}

#[tokio::test]
async fn a_path_out_of_the_directory_leads_nowhere() {
    let office = Office::open().await;
    for path in ["../secret.wav", "/etc/passwd", "recordings/../../secret.wav", "recordings/gone.wav"] {
        sqlx::query("UPDATE calls SET recording_path = $2 WHERE id = $1")
            .bind(office.call)
            .bind(path)
            .execute(&office.pool)
            .await
            .expect("a path");
        let answer = office.get(Role::Operator, &format!("/calls/{}/recording.wav", office.call)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}
