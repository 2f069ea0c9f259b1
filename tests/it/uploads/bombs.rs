//! Components that are made to hurt whoever compiles, loads or starts them. Each is refused with its exact error or
//! stopped by the limits of its call, whether the compiler is fast or slow; the host's own memory stays where it was, a
//! neighbour is answered meanwhile, and the next good upload works.

use std::fs;

use serde_json::json;

use super::compiler::while_called;
use crate::harness::{Bystander, Desk, ON_FREE_PORTS, Served, Tenant, agents};
use crate::http::assert_refused;

/// What the host may grow by while it deals with one bomb.
const GROWTH: u64 = 64 << 20;
/// A short deadline and little memory, so that the suite is short. The host's own deadline does the waiting.
const SETTINGS: &str = r#"
[host]
compilers = 2
compile-deadline = "8s"
compile-memory-bytes = "256MiB"
"#;
/// The compiler may come to either end first, by the machine that it runs on.
const STOPPED: &[&str] = &["compile-timeout", "compile-memory"];
const TOO_COMPLEX: &[&str] = &["component-too-complex"];
const REFUSED: &[&str] = &["compile-failed"];

struct Bomb {
    name: &'static str,
    component: Vec<u8>,
    /// The codes that an upload of it may be refused with; none where it compiles, and hurts whoever starts it.
    codes: &'static [&'static str],
}

fn bomb(name: &'static str, codes: &'static [&'static str], declarations: &str) -> Bomb {
    Bomb { name, component: agents::edited(declarations, ""), codes }
}

/// A function of these instructions.
fn function(signature: &str, body: &str) -> String {
    format!("(func {signature} {body})")
}

/// Instructions that keep a compiler busy and mean nothing.
fn terms(count: usize) -> String {
    "local.get 0 i64.const 7 i64.mul local.get 0 i64.const 3 i64.add i64.rotl local.set 0 ".repeat(count)
}

/// What the scan refuses, before any compiler sees it.
fn for_the_scan() -> Vec<Bomb> {
    let nested = |levels: usize| format!("{}{}", "(component ".repeat(levels), ")".repeat(levels));
    let whole = agents::text("echo");
    let inner = wat::parse_str(nested(100)).unwrap();
    let copied = format!(
        "(component (core module $m (memory 100) (data (i32.const 0) \"{}\")) {})",
        "0123456789abcdef".repeat(5 << 16),
        "(core instance (instantiate $m))".repeat(60)
    );
    let copied = wat::parse_str(copied).unwrap();
    vec![
        bomb("one enormous function", TOO_COMPLEX, &function("(param i64)", &terms(300_000))),
        bomb("very many small functions", TOO_COMPLEX, &"(func) ".repeat(200_001)),
        bomb("very many globals", TOO_COMPLEX, &"(global i32 (i32.const 1)) ".repeat(60_000)),
        bomb("very many elements, set each time that it starts", TOO_COMPLEX, &{
            let segment = format!("(elem (table $big) (i32.const 0) func {}) ", "$f ".repeat(100_000));
            format!("(table $big 150000 funcref) (func $f) {}", segment.repeat(5))
        }),
        bomb(
            "very many exports",
            TOO_COMPLEX,
            &(0..60_000).map(|number| format!("(export \"e{number}\" (func 0)) ")).collect::<String>(),
        ),
        bomb(
            "functions of nothing but locals",
            TOO_COMPLEX,
            &function("", &"(local i64 i32 f64 f32) ".repeat(100)).repeat(6_000),
        ),
        Bomb {
            name: "components in components",
            // A component is a section of the one around it: its id, its length, its bytes.
            component: [&whole, [4].as_slice(), &leb(inner.len()), &inner].concat(),
            codes: TOO_COMPLEX,
        },
        Bomb {
            name: "a segment that is copied sixty times for every call",
            // The second component of the echo agent's, and an instance of it.
            component: [&whole, [4].as_slice(), &leb(copied.len()), &copied, &[5, 4, 1, 0, 1, 0]].concat(),
            codes: TOO_COMPLEX,
        },
        bomb("very many types", TOO_COMPLEX, &{
            let kinds = ["i32", "i64", "f32", "f64"];
            let parameter =
                |number: usize| (0..9).map(|digit| kinds[number >> (2 * digit) & 3]).collect::<Vec<_>>().join(" ");
            (0..100_001).map(|number| format!("(type (func (param {}))) ", parameter(number))).collect::<String>()
        }),
    ]
}

/// What a compiler is lost in, and is stopped. Each but the loops ends at the memory of these settings, if the deadline does
/// not come first; the loops take a processor forty seconds.
fn for_the_compiler() -> Vec<Bomb> {
    let wide = |body: &str, count: usize| function("(param i64) (result i64)", body).repeat(count);
    let simd = "local.get 1 local.get 1 i8x16.swizzle local.get 1 i16x8.mul local.get 1 f32x4.add i32x4.trunc_sat_f32x4_s \
                local.get 1 i64x2.mul local.get 1 i8x16.popcnt i8x16.avgr_u local.set 1 ";
    // Every target of every table is an edge, and every local is merged along it.
    let table = format!("local.get 0 i32.wrap_i64 br_table {} ", "0 1 2 3 4 5 6 7 ".repeat(4_000));
    let tables = format!("{}{}", "block ".repeat(8), table) + &"end ".repeat(8);
    let loops = {
        let open = "loop local.get 0 local.get 1 i64.add local.set 1 local.get 2 local.get 0 i64.xor local.set 2 ";
        let close = "local.get 1 local.get 2 i64.lt_u br_if 0 local.get 2 local.set 3 local.get 3 local.set 0 end ";
        format!("(local i64 i64 i64) {}{}", open.repeat(2_000), close.repeat(2_000))
    };
    let blocks = format!(
        "(local i64 i64) {}{}",
        "block local.get 0 i64.eqz br_if 0 local.get 1 local.get 0 i64.add local.set 1 ".repeat(30_000),
        "end ".repeat(30_000)
    );
    let calls = {
        let types: String = (0..2_000)
            .map(|number| {
                let parameters: Vec<_> =
                    (0..11).map(|digit| if number >> digit & 1 == 0 { "i32" } else { "i64" }).collect();
                format!("(type $t{number} (func (param {}))) ", parameters.join(" "))
            })
            .collect();
        let call = |number: usize| {
            let arguments: Vec<_> =
                (0..11).map(|digit| if number >> digit & 1 == 0 { "i32.const 1" } else { "i64.const 1" }).collect();
            format!("{} i32.const 0 call_indirect (type $t{number}) ", arguments.join(" "))
        };
        let body: String = (0..2_000).map(call).collect();
        format!("{types} (table 1 funcref) {}", wide(&format!("{body} local.get 0"), 300))
    };
    vec![
        bomb(
            "many functions of the size that is allowed",
            STOPPED,
            &wide(&format!("{} local.get 0", terms(12)), 60_000),
        ),
        bomb("a few functions as large as is allowed", STOPPED, &wide(&format!("{} local.get 0", terms(90_000)), 8)),
        bomb("tables of branches", STOPPED, &wide(&format!("{tables} local.get 0"), 600)),
        bomb("loops in loops", STOPPED, &wide(&format!("{loops} local.get 0"), 60)),
        bomb("blocks in blocks", STOPPED, &wide(&format!("{blocks} local.get 0"), 12)),
        bomb("indirect calls of every type", STOPPED, &calls),
        bomb(
            "vectors",
            STOPPED,
            &wide(&format!("(local v128) {} local.get 1 i64x2.extract_lane 0", simd.repeat(800)), 1_000),
        ),
    ]
}

/// What compiles, and does not fit; and what the compiler finds no sense in.
fn for_the_engine() -> Vec<Bomb> {
    let doubling = {
        let level = |number: usize| format!("(type $t{} (tuple $t{number} $t{number})) ", number + 1);
        let types: String = (0..40).map(level).collect();
        wat::parse_str(format!("(component (type $t0 (tuple u8 u8)) {types})")).unwrap()
    };
    let whole = agents::text("echo");
    vec![
        bomb("a memory of four gigabytes from the start", REFUSED, "(memory 65536)"),
        bomb("a memory with 64-bit addresses", REFUSED, "(memory i64 1)"),
        bomb("a table of ten million from the start", REFUSED, "(table 10000000 funcref)"),
        Bomb {
            name: "types that double with each level",
            component: [&whole, [4].as_slice(), &leb(doubling.len()), &doubling].concat(),
            codes: REFUSED,
        },
    ]
}

/// What is large in its bytes and costs a compiler little: taken, and answering.
fn harmless() -> Vec<Bomb> {
    let names = {
        let text: Vec<u8> = (0..8_u32 << 20).map(|number| b'a' + u8::try_from(number % 26).unwrap()).collect();
        let section = [&leb(4), b"name".as_slice(), &text].concat();
        [agents::text("echo").as_slice(), &[0], &leb(section.len()), &section].concat()
    };
    vec![
        Bomb { name: "a section of names of eight megabytes", component: names, codes: &[] },
        bomb("twelve megabytes of data", &[], &format!("(data \"{}\")", "0123456789abcdef".repeat(12 << 16))),
    ]
}

/// A number as WebAssembly writes lengths.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 127).unwrap();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 128 });
        if number == 0 {
            return bytes;
        }
    }
}

/// A host in a process of its own, so that its memory is its own.
struct Target {
    host: Served,
    bomber: Tenant,
    neighbour: Tenant,
    bystander: Bystander,
    data: std::path::PathBuf,
    _desk: Desk,
}

impl Target {
    fn start() -> Self {
        let desk = Desk::new();
        let (data, settings) = (desk.path("data"), desk.path("host.toml"));
        fs::write(&settings, SETTINGS).unwrap();
        let (folder, file) = (data.to_str().unwrap(), settings.to_str().unwrap());
        let arguments = [&["serve", "--data", folder, "--config", file], ON_FREE_PORTS.as_slice()].concat();
        let host = Served::from(desk.start(&arguments));
        let operator = host.operator.clone().unwrap();
        let [bomber, neighbour, other] = ["bomber", "neighbour", "bystander"].map(|name| host.tenant(&operator, name));
        // Fuel ends what spins, well before the processor time that it takes on any machine.
        let limits = json!({ "limits": { "fuel": 200_000_000 } });
        let patched = host.operate(&operator, "PATCH", &format!("/v1/tenants/{}", bomber.id), Some(&limits));
        assert_eq!(patched.status, 200, "{}", patched.text());
        for tenant in [&bomber, &neighbour] {
            tenant.deploy("echo", &agents::text("echo"));
            assert_eq!(tenant.invoke("echo", "hello").text(), "hello");
        }
        Self { bystander: Bystander::settle(other), host, bomber, neighbour, data, _desk: desk }
    }

    /// A figure of the host's memory, in bytes.
    fn memory(&self, figure: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.host.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    /// Files of the bomber's that are not those of its one good agent.
    fn left(&self) -> Vec<String> {
        let home = self.data.join("tenants").join(&self.bomber.id);
        let mut names = Vec::new();
        for (section, own) in [("components", 1), ("artefacts", 2), ("staging", 0)] {
            let found: Vec<_> = match fs::read_dir(home.join(section)) {
                Ok(entries) => entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect(),
                Err(_) => Vec::new(),
            };
            if found.len() > own {
                names.extend(found);
            }
        }
        names
    }

    /// Drops one bomb.
    fn withstand(&self, bomb: &Bomb) {
        let name = bomb.name;
        // From here on, the peak is that of what follows. Where the kernel does not offer that, it is that of all before.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.host.process.id()), "5");
        let before = self.memory("VmRSS");
        let reply = while_called(&self.neighbour, || self.bomber.upload("bomb", &bomb.component));
        let peak = self.memory("VmHWM").max(self.memory("VmRSS"));
        let growth = peak.saturating_sub(before);
        assert!(growth <= GROWTH, "{name}: the host grew by {} MiB", growth >> 20);
        if bomb.codes.is_empty() {
            assert_eq!(reply.status, 201, "{name}: {}", reply.text());
            assert_eq!(self.bomber.invoke("bomb", "hello").text(), "hello", "{name}");
            assert_eq!(self.bomber.send("DELETE", "/v1/agents/bomb", &[], None).status, 204, "{name}");
        } else {
            assert_eq!(reply.status, 422, "{name}: {}", reply.text());
            assert!(bomb.codes.contains(&&*reply.code()), "{name}: {}", reply.text());
            assert_refused(&reply, 422, &reply.code());
            // The same answer again, and at once: nothing runs for it.
            let again = self.bomber.upload("other", &bomb.component);
            assert_eq!((again.status, again.json()["detail"].clone()), (422, reply.json()["detail"].clone()), "{name}");
        }
        assert_eq!(self.left(), Vec::<String>::new(), "{name}");
        assert_eq!(self.bomber.invoke("echo", "hello").text(), "hello", "{name}");
    }

    fn withstands(&self, bombs: &[Bomb]) {
        for (number, bomb) in bombs.iter().enumerate() {
            self.withstand(bomb);
            let good = agents::edited(&format!("(global $after i32 (i32.const {number}))"), "");
            let report = self.bomber.deploy("good", &good)["report"].clone();
            assert_eq!(report["compiled"], true, "{report}");
            assert_eq!(self.bomber.invoke("good", "hello").text(), "hello");
            assert_eq!(self.bomber.send("DELETE", "/v1/agents/good", &[], None).status, 204);
        }
        self.bystander.assert_untouched();
    }
}

#[test]
fn what_would_take_a_compiler_all_day_is_refused_before_it_is_compiled() {
    Target::start().withstands(&for_the_scan());
}

#[test]
fn what_a_compiler_is_lost_in_is_stopped_in_time() {
    Target::start().withstands(&for_the_compiler());
}

#[test]
fn what_does_not_fit_or_makes_no_sense_is_refused_and_what_is_only_large_is_not() {
    let target = Target::start();
    target.withstands(&for_the_engine());
    target.withstands(&harmless());
    // What compiles, and spins or traps when it is started: the call ends by its own limits, and its tenant's next works.
    let spins = agents::edited("(func $spin (loop (br 0))) (start $spin)", "");
    target.bomber.deploy("spins", &spins);
    let reply = while_called(&target.neighbour, || target.bomber.invoke("spins", "hello"));
    assert_eq!((reply.status, reply.code().as_str()), (508, "fuel-exhausted"), "{}", reply.text());
    let traps = agents::edited("(func $trap unreachable) (start $trap)", "");
    target.bomber.deploy("traps", &traps);
    let reply = target.bomber.invoke("traps", "hello");
    assert_eq!((reply.status, reply.code().as_str()), (500, "agent-trap"), "{}", reply.text());
    assert_eq!(target.bomber.invoke("echo", "hello").text(), "hello");
    target.bystander.assert_untouched();
}
