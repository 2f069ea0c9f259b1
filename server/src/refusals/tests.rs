//! Errors and the problems that they become.

use axum::response::IntoResponse;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use insula_runtime::{HostShortage, RateQuota, TenantLimit};

use super::*;

fn shape(problem: &Problem) -> (u16, &'static str) {
    (problem.status().as_u16(), problem.code())
}

#[test]
fn a_denied_credential_says_what_kind_of_no_it_is() {
    let cases = [
        (Denied::Unknown, (401, "unauthenticated")),
        (Denied::WrongKind, (403, "forbidden")),
        (Denied::Suspended, (403, "tenant-suspended")),
        (Denied::LookupFailed(LookupFailed), (503, "unavailable")),
    ];
    for (denied, expected) in cases {
        assert_eq!(shape(&denied.into()), expected, "{denied:?}");
    }
    assert!(Problem::from(Denied::Unknown).into_response().headers().contains_key(WWW_AUTHENTICATE));
}

#[test]
fn what_is_busy_says_when_to_try_again() {
    let retry_after = Duration::from_millis(200);
    let reached = TenantLimit::Concurrency { limit: 64 };
    let shortage = HostShortage::Full;
    let cases: [(Problem, (u16, &str)); 7] = [
        (InvokeError::TenantBusy { reached, retry_after, quota: RateQuota::default() }.into(), (429, "tenant-busy")),
        (InvokeError::HostBusy { shortage, retry_after }.into(), (503, "host-busy")),
        (InvokeError::ShuttingDown.into(), (503, "shutting-down")),
        (NoRoom.into(), (503, "host-busy")),
        (NoTurn.into(), (429, "tenant-busy")),
        (DeployError::CompilersBusy { retry_after }.into(), (503, "compilers-busy")),
        (StorageError::Unavailable.into(), (503, "storage-unavailable")),
    ];
    for (problem, expected) in cases {
        assert_eq!(shape(&problem), expected);
        assert_eq!(problem.into_response().headers()[RETRY_AFTER], "1");
    }
}

#[test]
fn what_did_not_come_to_its_end_says_that_it_can_be_asked_for_again() {
    let cases: [(ControlError, (u16, &str)); 3] = [
        (ControlError::StillRunning, (503, "still-running")),
        (ControlError::NotErased, (503, "not-erased")),
        (ControlError::NotCompacted, (503, "not-compacted")),
    ];
    for (error, expected) in cases {
        let problem = Problem::from(error);
        assert_eq!(shape(&problem), expected);
        assert!(problem.into_response().headers().contains_key(RETRY_AFTER));
    }
    let tenant = insula_tenancy::TenantId::generate();
    let places = vec![insula_runtime::ErasedPlace { place: "files", found: 2, left: 1 }];
    let erasure = Box::new(insula_runtime::Erasure { tenant, places, kept: Vec::new() });
    let problem = Problem::from(ControlError::Remains { erasure });
    assert_eq!(shape(&problem), (500, "not-erased"));
    assert_eq!(serde_json::to_value(&problem).unwrap()["places"][0]["left"], 1);
}

#[test]
fn absent_is_one_and_the_same_answer_wherever_it_comes_from() {
    let expected = serde_json::to_string(&Problem::not_found()).unwrap();
    let absent: [Problem; 4] = [
        CatalogError::NotFound.into(),
        InvokeError::NotFound.into(),
        ControlError::Catalog(CatalogError::NotFound).into(),
        DeployError::Catalog(CatalogError::NotFound).into(),
    ];
    for problem in absent {
        assert_eq!(serde_json::to_string(&problem).unwrap(), expected);
    }
}

#[test]
fn the_reason_of_a_failure_is_for_the_log_and_not_for_the_client() {
    let source = Box::new(std::io::Error::other("/data/catalog.sqlite: disk I/O error"));
    let response = Problem::from(CatalogError::Failed { operation: "read agents", source }).into_response();
    assert_eq!(response.status(), 503);
    let cause = &response.extensions().get::<crate::problem::Cause>().unwrap().0;
    assert!(cause.contains("read agents") && cause.contains("disk I/O error"));
    let problem =
        Problem::from(CatalogError::Failed { operation: "x", source: Box::new(std::io::Error::other("secret")) });
    assert!(!serde_json::to_string(&problem).unwrap().contains("secret"));
}

#[test]
fn bodies_that_cannot_be_read_have_their_own_words() {
    let after = Duration::from_secs(1);
    let cases = [
        (BodyError::TooLarge { limit: 9 }, (413, "request-too-large")),
        (BodyError::Stalled { after }, (408, "request-timeout")),
        (BodyError::TooSlow { after }, (408, "request-timeout")),
        (BodyError::Incomplete, (400, "incomplete-body")),
    ];
    for (error, expected) in cases {
        assert_eq!(shape(&error.into()), expected, "{error:?}");
    }
}

#[test]
fn a_refused_upload_says_what_is_wrong_with_it() {
    let names = vec!["wasi:nn/tensor".to_owned()];
    let cases: [(DeployError, (u16, &str)); 4] = [
        (DeployError::TooLarge { limit: 1 }, (413, "component-too-large")),
        (DeployError::NotWasm, (422, "not-wasm")),
        (DeployError::UnknownImports { names }, (422, "unknown-imports")),
        (DeployError::DiskFull, (507, "disk-full")),
    ];
    for (error, expected) in cases {
        assert_eq!(shape(&error.into()), expected);
    }
}

#[test]
fn what_an_agent_says_about_its_failure_is_cut_to_what_is_worth_sending() {
    let error =
        AgentError { code: "é".repeat(100), message: "x".to_owned() + &"é".repeat(1 << 20), retry_after_ms: None };
    let problem = serde_json::to_value(Problem::from(CallFailure::Agent(error))).unwrap();
    assert_eq!(problem["detail"].as_str().unwrap().len(), MESSAGE_BYTES - 1);
    assert_eq!(problem["agent-code"].as_str().unwrap(), "é".repeat(CODE_BYTES / 2));
    let problem = Problem::from(CallFailure::InvalidResponse { reason: "é".repeat(1 << 20) });
    assert!(serde_json::to_vec(&problem).unwrap().len() < MESSAGE_BYTES + 1_000);
}
