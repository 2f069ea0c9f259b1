//! How often the host allocates for one call: a guard of the hot path that a shared machine cannot blur, as it does wall time.
//!
//! The echo is called over HTTP on one kept connection, every default on, and everything that the process allocates
//! meanwhile is counted, whichever thread does it. The client allocates nothing. A change that makes a call dearer fails
//! here; one that makes it cheaper should lower the bounds.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what went wrong by failing; clippy's allowance does not reach helpers beside #[test] functions"
)]

use std::alloc::System;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use insula_runtime::tenancy::{Credential, Deploy, Invoke, TenantScope};
use insula_runtime::{Call, EngineSettings, HostSettings, LimitsPatch, Runtime, Settings, WorkerCommand};
use insula_server::{Server, ServerSettings};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls before any is counted: caches, pools and queues have grown by then.
const WARM: usize = 500;
/// Calls that are counted.
const COUNTED: usize = 1_000;
/// The most allocations of one call, new ones and grown ones, from the socket's bytes to the answer's.
const OVER_HTTP: usize = 92;
/// The same of `Runtime::invoke` alone.
const IN_PROCESS: usize = 54;
/// Calls with a large body that are counted.
const COUNTED_LARGE: usize = 40;
/// A body that comes in many pieces.
const LARGE: usize = 1 << 20;
/// What may be allocated for it: once on its way in, where its pieces are put together, once on its way out, where it leaves
/// the guest's memory, and a quarter for the buffers of the connection. A third copy would not fit.
const BYTES_LARGE: usize = 2 * LARGE + LARGE / 4;
/// The most bytes of them, over HTTP.
const BYTES_OVER_HTTP: usize = 36 << 10;

/// What one call allocates, on average.
#[derive(Debug, Clone, Copy)]
struct Each {
    allocations: usize,
    bytes: usize,
}

/// Counts what the whole process allocates while `call` is made again and again.
fn counted(warm: usize, times: usize, mut call: impl FnMut()) -> Each {
    for _ in 0..warm {
        call();
    }
    let before = ALLOCATOR.stats();
    for _ in 0..times {
        call();
    }
    let after = ALLOCATOR.stats();
    let made = |stats: &stats_alloc::Stats| stats.allocations + stats.reallocations;
    // What a thread that has nothing to do with calls allocates now and then is rounded away.
    Each {
        allocations: (made(&after) - made(&before) + times / 2) / times,
        bytes: (after.bytes_allocated - before.bytes_allocated) / times,
    }
}

#[test]
fn a_call_allocates_no_more_than_it_did() {
    let data = tempfile::tempdir().unwrap();
    let echo = insula_cli::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/echo"), true).unwrap();
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (runtime, scope, key, address, served) = tokio.block_on(async {
        let worker = WorkerCommand {
            program: env!("CARGO_BIN_EXE_insula-bench").into(),
            arguments: vec!["compile-worker".into()],
        };
        let engine = EngineSettings { instances: 8, ..EngineSettings::standard() };
        let settings = Settings { data: data.path().join("data"), worker, engine, host: HostSettings::standard() };
        let opened = Runtime::open(settings).await.unwrap();
        let (scope, key) = tenant(&opened.runtime, &opened.operator_key.unwrap().reveal(), &echo).await;
        let settings = ServerSettings::standard("127.0.0.1:0".parse().unwrap());
        let server = Server::bind(opened.runtime.clone(), settings).await.unwrap();
        let address = server.address();
        let served = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        (opened.runtime, scope, key, address, served)
    });

    let in_process = counted(WARM, COUNTED, || {
        let request = Call {
            body: BODY.as_bytes().into(),
            content_type: "application/json".into(),
            metadata: Vec::new(),
            idempotency_key: None,
        };
        let permit = scope.permit::<Invoke>().unwrap();
        let agent = "echo".parse().unwrap();
        let invocation = tokio.block_on(runtime.invoke(&permit, &agent, request)).unwrap();
        assert_eq!(invocation.outcome.unwrap().body, BODY.as_bytes());
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let request = |body: &[u8]| {
        let mut request = format!(
            "POST /v1/agents/echo/invoke HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        request
    };
    let (small, mut buffer) = (request(BODY.as_bytes()), vec![0; LARGE + 4_096]);
    let over_http = counted(WARM, COUNTED, || {
        call(&mut stream, &small, BODY.as_bytes(), &mut buffer);
    });
    let body = large();
    let request = request(&body);
    let with_large = counted(8, COUNTED_LARGE, || call(&mut stream, &request, &body, &mut buffer));
    println!("one call in process: {in_process:?}, over HTTP: {over_http:?}, with {LARGE} bytes: {with_large:?}");

    drop(stream);
    let _ = stop.send(());
    tokio.block_on(async {
        served.await.unwrap();
        runtime.shutdown().await;
    });
    assert!(in_process.allocations <= IN_PROCESS, "{in_process:?}: at most {IN_PROCESS} allocations in process");
    assert!(over_http.allocations <= OVER_HTTP, "{over_http:?}: at most {OVER_HTTP} allocations over HTTP");
    assert!(with_large.bytes <= BYTES_LARGE, "{with_large:?}: at most {BYTES_LARGE} bytes for a body of {LARGE}");
    assert!(over_http.bytes <= BYTES_OVER_HTTP, "{over_http:?}: at most {BYTES_OVER_HTTP} bytes over HTTP");
}

/// The benchmark's body: 64 bytes of JSON.
const BODY: &str = r#"{"ticket":"T-1042","subject":"cannot log in since this morning"}"#;

/// A tenant with the echo, and every limit standard but the rate.
async fn tenant(runtime: &Runtime, operator: &str, echo: &Path) -> (TenantScope, String) {
    let operator = runtime.login_operator(&operator.parse::<Credential>().unwrap()).await.unwrap();
    let limits = LimitsPatch { rate: Some(1_000_000), burst: Some(1_000_000), ..LimitsPatch::default() };
    let made = runtime.control().create_tenant(&operator, &"counted".parse().unwrap(), &limits).await.unwrap();
    let key = made.1.reveal();
    let scope = runtime.login(&key.parse::<Credential>().unwrap()).await.unwrap();
    let permit = scope.permit::<Deploy>().unwrap();
    let mut upload = runtime.begin_upload(&permit).await.unwrap();
    upload.write(&std::fs::read(echo).unwrap()).unwrap();
    runtime.deploy(&permit, &"echo".parse().unwrap(), upload, true).await.unwrap();
    (scope, key)
}

/// A body of which no end is like another.
fn large() -> Vec<u8> {
    (0..LARGE / 4).flat_map(|word| u32::try_from(word).unwrap().to_le_bytes()).collect()
}

/// Sends a request and reads its answer, which must be a good one that ends with the body.
fn call(stream: &mut TcpStream, request: &[u8], body: &[u8], buffer: &mut [u8]) {
    stream.write_all(request).unwrap();
    let mut filled = 0;
    while !buffer.get(..filled).unwrap_or_default().ends_with(body) {
        let read = stream.read(buffer.get_mut(filled..).expect("an answer that fits")).unwrap();
        assert!(read > 0, "the connection was closed within an answer, or the answer is another");
        filled += read;
    }
    assert!(buffer.starts_with(b"HTTP/1.1 200"));
}
