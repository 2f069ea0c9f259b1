//! HTTP/2: requests like any, and clients that ask, take back, flood, hold and forge. A connection ends or is bounded, what
//! it began is over, and a neighbour on another connection is served.

use std::sync::OnceLock;
use std::time::Duration;

use insula_runtime::HostSettings;
use insula_server::ServerSettings;
use serde_json::json;

use crate::harness::h2::{self, Http2};
use crate::harness::{Bystander, Host, Tenant, agents, eventually};

const INVOKE: &str = "/v1/agents/hostile/invoke";
const SPIN: &[u8] = br#"{"attack":"spin"}"#;

/// A host of this file's own, impatient, with an attacker whose calls could go on for minutes.
struct Stage {
    host: Host,
    ours: Tenant,
    neighbour: Tenant,
    bystander: Bystander,
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let host = Host::start_with(HostSettings::standard(), |standard| ServerSettings {
            header_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(2),
            answer_stall: Duration::from_secs(2),
            ..standard
        });
        let limits = json!({ "cpu-us": 60_000_000, "wall-us": 600_000_000, "fuel": 10_000_000_000_000_u64 });
        let (ours, neighbour) = (host.tenant_with("ours", &limits), host.tenant("neighbour"));
        ours.deploy("hostile", agents::hostile());
        neighbour.deploy("echo", &agents::text("echo"));
        let large = vec![b'x'; 1 << 20];
        assert_eq!(ours.send("PUT", "/v1/storage/b/large", &[], Some(&large)).status, 201);
        let bystander = Bystander::settle(host.tenant("bystander"));
        Stage { host, ours, neighbour, bystander }
    })
}

impl Stage {
    /// The neighbour is served, over a connection of its own, and nothing of the others has changed.
    fn assert_neighbours_answer(&self) {
        assert_eq!(self.neighbour.invoke("echo", "still here").text(), "still here");
        self.bystander.assert_untouched();
    }

    fn connect(&self) -> Http2 {
        Http2::connect(self.host.address)
    }

    /// The call that this tenant made, over another connection than the attacker's, is over.
    fn until_nothing_of_ours_runs(&self) {
        let probe = || self.ours.invoke("hostile", "bystander").status == 200;
        eventually("the attacker has its places back", || probe().then_some(()));
        eventually("what was begun is over", || (self.host.in_flight() == 0).then_some(()));
    }
}

/// One at a time: what is in flight is then one test's.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn requests_of_two_tenants_share_a_connection_and_nothing_else() {
    let stage = stage();
    let (ours, theirs) = (&stage.ours, &stage.neighbour);
    let mut connection = stage.connect();
    connection.request(1, "POST", INVOKE, &ours.key, Some(br#""bystander""#));
    connection.request(3, "POST", "/v1/agents/echo/invoke", &theirs.key, Some(b"hello"));
    let (mut statuses, mut echoed) = (0, None);
    // Answers come in any order, and the second is asked for again where it came before the first was read.
    if let Some(Ok((status, _))) = connection.answer(1) {
        statuses = status;
    }
    connection.request(5, "POST", "/v1/agents/echo/invoke", &theirs.key, Some(b"hello"));
    if let Some(Ok(answer)) = connection.answer(5) {
        echoed = Some(answer);
    }
    assert_eq!(statuses, 400, "a text in quotes is no attack's name");
    assert_eq!(echoed, Some((200, b"hello".to_vec())));
    connection.request(7, "POST", "/v1/agents/echo/invoke", &ours.key, Some(b"hello"));
    assert_eq!(connection.answer(7).unwrap().unwrap().0, 404, "the key decides, and nothing before it");
    stage.assert_neighbours_answer();
}

#[test]
fn a_stream_that_is_reset_stops_its_call_and_so_does_a_connection_that_ends() {
    let _alone = alone();
    let stage = stage();
    let mut connection = stage.connect();
    connection.request(1, "POST", INVOKE, &stage.ours.key, Some(SPIN));
    eventually("the call is in the host", || (stage.host.in_flight() == 1).then_some(()));
    connection.frame(h2::RESET, 0, 1, &8_u32.to_be_bytes());
    eventually("a reset stops it", || (stage.host.in_flight() == 0).then_some(()));
    for stream in [3, 5, 7] {
        connection.request(stream, "POST", INVOKE, &stage.ours.key, Some(SPIN));
    }
    eventually("the calls are in the host", || (stage.host.in_flight() == 3).then_some(()));
    drop(connection);
    stage.until_nothing_of_ours_runs();
    stage.assert_neighbours_answer();
}

#[test]
fn rapid_reset_ends_its_connection_and_leaves_nothing_running() {
    let _alone = alone();
    let stage = stage();
    let mut connection = stage.connect();
    let head = h2::head("POST", INVOKE, &stage.ours.key, &[]);
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        let request = [
            h2::frame(h2::HEADERS, h2::END_HEADERS, stream, &head),
            h2::frame(h2::DATA, h2::END_STREAM, stream, SPIN),
            h2::frame(h2::RESET, 0, stream, &8_u32.to_be_bytes()),
        ];
        if !connection.send(&request.concat()) {
            break;
        }
    }
    let ended = connection.end();
    assert!(matches!(ended.farewell, None | Some(h2::ENHANCE_YOUR_CALM)), "{ended:?}");
    stage.until_nothing_of_ours_runs();
    stage.assert_neighbours_answer();
}

#[test]
fn resets_that_the_host_is_made_to_send_end_the_connection_too() {
    let _alone = alone();
    let stage = stage();
    let mut connection = stage.connect();
    let head = h2::head("POST", INVOKE, &stage.ours.key, &[("content-length", "1")]);
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        // More than it declares: an error of the stream, for which the host resets it.
        let request =
            [h2::frame(h2::HEADERS, h2::END_HEADERS, stream, &head), h2::frame(h2::DATA, h2::END_STREAM, stream, SPIN)];
        if !connection.send(&request.concat()) {
            break;
        }
    }
    let ended = connection.end();
    assert!(ended.resets.len() <= 1_000, "{}", ended.resets.len());
    stage.until_nothing_of_ours_runs();
    stage.assert_neighbours_answer();
}

#[test]
fn a_flood_of_continuations_ends_its_connection() {
    let stage = stage();
    let large = h2::field("x", &"y".repeat(16_000));
    for (first, piece) in [(h2::head("GET", "/", "k", &[]), &large[..]), (h2::head("GET", "/", "k", &[]), &[][..])] {
        let mut connection = stage.connect();
        connection.frame(h2::HEADERS, 0, 1, &first);
        let mut taken = 0;
        while taken < 200_000 && connection.frame(h2::CONTINUATION, 0, 1, piece) {
            taken += 1;
        }
        assert!(taken < 200_000, "it went on taking them");
        stage.assert_neighbours_answer();
    }
}

#[test]
fn a_head_over_the_limit_is_refused_also_when_it_was_compressed() {
    let stage = stage();
    let mut connection = stage.connect();
    let many: Vec<u8> = (0..400).flat_map(|number| h2::field(&format!("x-{number}"), &"y".repeat(10))).collect();
    let head = [h2::head("GET", "/v1/limits", &stage.ours.key, &[]), many].concat();
    connection.frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &head);
    assert!(matches!(connection.answer(1), Some(Ok((431, _)) | Err(_)) | None));
    // A name of four thousand bytes that is kept in the table, and then said by one byte, again and again.
    let mut connection = stage.connect();
    let kept = [&[0x40, 1, b'x'][..], &[0x7f, 0xa1, 0x1e], "y".repeat(4_000).as_bytes()].concat();
    let head = [h2::head("GET", "/v1/limits", &stage.ours.key, &[]), kept, vec![0xbe; 10_000]].concat();
    connection.frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &head);
    assert!(matches!(connection.answer(1), Some(Ok((431, _)) | Err(_)) | None));
    stage.assert_neighbours_answer();
}

#[test]
fn floods_of_settings_and_pings_keep_no_connection_open() {
    let stage = stage();
    for flood in [h2::frame(h2::SETTINGS, 0, 0, &[]), h2::frame(h2::PING, 0, 0, b"12345678")] {
        // Nothing is read: what the host would have to say in return must not pile up there.
        let mut connection = stage.connect();
        let many = flood.repeat(1_000);
        while connection.send(&many) {}
        stage.assert_neighbours_answer();
    }
}

#[test]
fn answers_that_a_client_makes_no_room_for_are_cut_off() {
    let _alone = alone();
    let stage = stage();
    const INITIAL_WINDOW: u16 = 4;
    let mut connection = Http2::connect_with(stage.host.address, &[(INITIAL_WINDOW, 0)]);
    for number in 0..100 {
        connection.request(2 * number + 1, "GET", "/v1/storage/b/large", &stage.ours.key, None);
    }
    stage.assert_neighbours_answer();
    let ended = connection.end();
    assert!(!ended.resets.is_empty() || ended.farewell.is_none(), "{ended:?}");
    // A window that is opened by one byte at a time is no better.
    let mut connection = Http2::connect_with(stage.host.address, &[(INITIAL_WINDOW, 0)]);
    connection.request(1, "GET", "/v1/storage/b/large", &stage.ours.key, None);
    for _ in 0..10 {
        connection.frame(h2::WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
    }
    assert!(matches!(connection.answer(1), Some(Err(_)) | None));
    stage.assert_neighbours_answer();
}

#[test]
fn a_connection_has_so_many_streams_and_no_more() {
    let _alone = alone();
    let stage = stage();
    let mut connection = stage.connect();
    let head = h2::head("POST", INVOKE, &stage.ours.key, &[]);
    // Requests that are never finished.
    for number in 0..300 {
        connection.frame(h2::HEADERS, h2::END_HEADERS, 2 * number + 1, &head);
    }
    let mut refused = 0;
    while refused < 100 {
        match connection.next() {
            Some(frame) if frame.kind == h2::RESET && frame.code() == h2::REFUSED_STREAM => refused += 1,
            Some(frame) if frame.kind == h2::GO_AWAY => break,
            Some(_) => {}
            None => break,
        }
    }
    stage.assert_neighbours_answer();
    drop(connection);
    stage.until_nothing_of_ours_runs();
}

#[test]
fn frames_that_break_the_protocol_end_their_connection_and_smuggle_nothing() {
    let stage = stage();
    let (ours, theirs) = (&stage.ours, &stage.neighbour);
    let good = h2::head("GET", "/v1/limits", &ours.key, &[]);
    let smuggled = format!("GET /x HTTP/1.1\r\nauthorization: Bearer {}\r\n\r\n", theirs.key);
    let heads = [
        h2::head("GET", "/v1/limits HTTP/1.1\r\nx: y", &ours.key, &[]),
        h2::head("GET\r\n", "/v1/limits", &ours.key, &[]),
        h2::head("GET", "/v1/limits", &ours.key, &[("x\r\ny", "z")]),
        h2::head("GET", "/v1/limits", &ours.key, &[("x", &smuggled)]),
        h2::head("GET", "/v1/limits", &ours.key, &[("x", "a\0b")]),
        h2::head("GET", "/v1/limits", &ours.key, &[("Upper", "case")]),
        h2::head("GET", "/v1/limits", &ours.key, &[("transfer-encoding", "chunked")]),
        h2::head("GET", "/v1/limits", &ours.key, &[("connection", "keep-alive")]),
        h2::head("GET", "/v1/limits", &ours.key, &[(":path", "/v1/usage")]),
        h2::head("GET", "/v1/limits", &ours.key, &[(":late", "x")]),
        h2::field(":path", "/v1/limits"),
        h2::head("GET", "", &ours.key, &[]),
    ];
    for head in &heads {
        let mut connection = stage.connect();
        connection.frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, head);
        let answer = connection.answer(1);
        let refused = matches!(&answer, None | Some(Err(_))) || matches!(&answer, Some(Ok((400..=499, _))));
        assert!(refused, "{:?}: {answer:?}", String::from_utf8_lossy(head));
    }
    let frames = [
        h2::frame(h2::DATA, 0, 0, b"x"),
        h2::frame(h2::DATA, 0, 1, b"x"),
        h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 2, &good),
        h2::frame(h2::CONTINUATION, h2::END_HEADERS, 1, &good),
        h2::frame(h2::WINDOW_UPDATE, 0, 0, &0_u32.to_be_bytes()),
        h2::frame(h2::WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
        h2::frame(h2::SETTINGS, 0, 0, b"odd"),
        h2::frame(h2::PING, 0, 0, b"short"),
        h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &[0xff; 100]),
        // Larger than a frame may be, by what it declares.
        [&[0xff, 0xff, 0xff, h2::DATA, 0][..], &1_u32.to_be_bytes()].concat(),
    ];
    for frame in &frames {
        let mut connection = stage.connect();
        connection.send(frame);
        let ended = connection.end();
        assert!(ended.farewell.is_none_or(|code| code != 0), "{frame:?}: {ended:?}");
    }
    stage.assert_neighbours_answer();
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_is_refused() {
    let stage = stage();
    for (declared, body) in [("5", &b"longer than it says"[..]), ("500", b"shorter")] {
        let mut connection = stage.connect();
        let head = h2::head("POST", "/v1/agents/echo/invoke", &stage.neighbour.key, &[("content-length", declared)]);
        connection.frame(h2::HEADERS, h2::END_HEADERS, 1, &head);
        connection.frame(h2::DATA, h2::END_STREAM, 1, body);
        let answer = connection.answer(1);
        assert!(!matches!(&answer, Some(Ok((200, _)))), "{answer:?}");
    }
    stage.assert_neighbours_answer();
}
