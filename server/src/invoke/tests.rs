//! The response to a call that ran.

use http::StatusCode;
use http::header::RETRY_AFTER;
use http_body_util::BodyExt;
use insula_runtime::{
    AgentError, Allowance, Bill, CallFailure, Diagnosis, Frame, HostCall, HostCalls, Invocation, RateQuota,
    Response as Answer,
};
use insula_tenancy::{InvocationId, TenantId, VersionId};

use serde_json::json;

use super::*;
use crate::memory::Ledger;

fn ran(outcome: Result<Answer, CallFailure>) -> Response {
    ran_for(outcome, true)
}

fn ran_for(outcome: Result<Answer, CallFailure>, may_deploy: bool) -> Response {
    let version = VersionId::generate();
    let bill = Bill { fuel: 12, ..Bill::default() };
    let hold = Ledger::new(1 << 20).open(Some(TenantId::generate()));
    let mut host_calls = HostCalls::default();
    host_calls.add(HostCall::StorageGetMany, 2);
    host_calls.add(HostCall::LogWrite, 1);
    let frame = |name: &str| Frame { function: Some(name.to_owned()), module: None, offset: Some(7) };
    let diagnosis = outcome.is_err().then(|| {
        let budget = vec![Allowance { name: "fuel", used: 12, limit: 100 }];
        Box::new(Diagnosis { stack: vec![frame("inner"), frame("outer")], budget })
    });
    let (id, quota) = (InvocationId::generate(), RateQuota::default());
    let invocation = Invocation { id, version, outcome, bill, host_calls, quota, diagnosis };
    let response = answer(invocation, hold, Told { detailed: true, may_deploy });
    assert_eq!(response.headers()[BILL_DETAIL], "storage.get-many=2, log.write=1");
    assert_eq!(response.headers()[VERSION], version.to_string());
    assert_eq!(response.headers()[BILL], bill.to_header());
    response
}

async fn members(response: Response) -> serde_json::Value {
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn an_answer_comes_back_with_its_type_and_metadata_and_is_not_sniffed() {
    let metadata = vec![("queue".to_owned(), "billing".to_owned()), ("queue".to_owned(), "other".to_owned())];
    let response = ran(Ok(Answer { body: b"<b>".to_vec(), content_type: "text/html".to_owned(), metadata }));
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[CONTENT_TYPE], "text/html");
    assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    let queues: Vec<_> = response.headers().get_all("insula-meta-queue").iter().collect();
    assert_eq!(queues, ["billing", "other"]);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "<b>");
}

#[tokio::test]
async fn what_cannot_be_a_header_is_no_answer() {
    let hostile = [
        Answer { body: Vec::new(), content_type: "text/html\r\nSet-Cookie: a=b".to_owned(), metadata: Vec::new() },
        Answer {
            body: Vec::new(),
            content_type: "a/b".to_owned(),
            metadata: vec![("a".to_owned(), "\r\n".to_owned())],
        },
        Answer { body: Vec::new(), content_type: "a/b".to_owned(), metadata: vec![("a b:".to_owned(), String::new())] },
    ];
    for answer in hostile {
        let response = ran(Ok(answer));
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(members(response).await["code"], "invalid-response");
    }
}

#[tokio::test]
async fn an_agents_own_error_has_the_status_of_its_code() {
    let cases =
        [("bad-request", 400), ("not-found", 404), ("conflict", 409), ("unprocessable", 422), ("sold-out", 422)];
    for (code, status) in cases {
        let error = AgentError { code: code.to_owned(), message: "no".to_owned(), retry_after_ms: Some(1_500) };
        let response = ran(Err(CallFailure::Agent(error)));
        assert_eq!(response.status(), status, "{code}");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let members = members(response).await;
        assert_eq!((&members["code"], &members["agent-code"]), (&"agent-error".into(), &code.into()));
        assert_eq!((&members["detail"], &members["retry-after-ms"]), (&"no".into(), &1_500.into()));
    }
}

#[tokio::test]
async fn every_failure_has_its_status_and_word() {
    let cases = [
        (CallFailure::Trap { reason: "unreachable".to_owned() }, 500, "agent-trap"),
        (CallFailure::FuelExhausted { limit: 7 }, 508, "fuel-exhausted"),
        (CallFailure::CpuExhausted { limit_us: 7 }, 508, "cpu-exhausted"),
        (CallFailure::HostCallsExhausted { limit: 7 }, 508, "host-calls-exhausted"),
        (CallFailure::DeadlineExceeded { limit_us: 7 }, 504, "deadline-exceeded"),
        (CallFailure::MemoryExhausted { resource: "handles", limit: 7 }, 507, "memory-exhausted"),
        (CallFailure::HostBytesExhausted { resource: "host-bytes", limit: 7 }, 507, "host-bytes-exhausted"),
        (CallFailure::StorageReadExhausted { limit: 7 }, 507, "storage-read-exhausted"),
        (CallFailure::StorageWriteExhausted { limit: 7 }, 507, "storage-write-exhausted"),
        (CallFailure::CacheTrafficExhausted { limit: 7 }, 507, "cache-traffic-exhausted"),
        (CallFailure::ResponseTooLarge { limit: 7 }, 502, "response-too-large"),
        (CallFailure::InvalidResponse { reason: "x".to_owned() }, 502, "invalid-response"),
        (CallFailure::HostFault, 500, "host-fault"),
    ];
    for (failure, status, code) in cases {
        let response = ran(Err(failure));
        assert_eq!(response.status(), status, "{code}");
        let members = members(response).await;
        assert_eq!(members["code"], code);
        assert!(members["limit"].is_null() || members["limit"] == 7);
        assert_eq!(members["resource"].is_null(), members["limit"].is_null());
    }
}

#[test]
fn detail_is_asked_for_in_one_word() {
    let asked = |text: &'static str| is_detailed(&HeaderMap::from_iter([(BILL, HeaderValue::from_static(text))]));
    assert!(!is_detailed(&HeaderMap::new()).unwrap());
    assert!(asked("detail").unwrap());
    for bad in ["", "Detail", "detail, more", "1"] {
        assert_eq!(asked(bad).unwrap_err().code(), "invalid-bill", "{bad:?}");
    }
}

#[tokio::test]
async fn whoever_may_deploy_is_told_where_a_call_failed_and_nobody_else() {
    let trap = || Err(CallFailure::Trap { reason: "unreachable".to_owned() });
    let told = members(ran_for(trap(), true)).await;
    assert_eq!(told["stack"], json!([{"function": "inner", "offset": 7}, {"function": "outer", "offset": 7}]));
    assert_eq!(told["budget"], json!([{"name": "fuel", "used": 12, "limit": 100}]));
    let other = members(ran_for(trap(), false)).await;
    assert_eq!((&other["code"], &other["stack"], &other["budget"]), (&told["code"], &json!(null), &json!(null)));
}
