//! Two guests of the same shape, as text: one fills everything that it can reach with a canary and then ends as it is told,
//! the other looks for whatever is left of it. Both stand on the frame of the agent that probes.

use std::fmt::Write as _;

/// The frame: a component with the imports and the export of an agent.
const FRAME: &str = include_str!("../probe/probe.wat");
/// Memories of each guest: as many as the pool has for one component, so that a pool of one gives the second guest the
/// very memories of the first. Likewise tables.
const MEMORIES: usize = 4;
const TABLES: usize = 16;
/// Pages by which each memory grows from its 2: all of it stays resident between calls as the pool is set, and it is far
/// beyond [`LITTLE`].
const GROWTH: u32 = 30;
/// Bytes that stay resident where the kernel has to put most of a filled memory back.
pub(super) const LITTLE: usize = 256 << 10;
/// Words of eight bytes that a filled guest holds.
pub(super) const WORDS: u64 = MEMORIES as u64 * (2 + GROWTH as u64) * (64 << 10) / 8;
/// Elements of its tables together.
pub(super) const ELEMENTS: u64 = TABLES as u64 * 1_000;

const HOST: &str = r#"
    (import "base" "memory" (memory $m0 2))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "new" (func $new (param i32) (result i32)))
    (func $f) (elem declare func $f)
    (global $words (mut i64) (i64.const 0))
    (global $canaries (mut i64) (i64.const 0))
    (global $elements (mut i64) (i64.const 0))
    ;; The seed is in the request, and what is looked for is nowhere on the host: only the guest knows it.
    (func $canary (param $seed i64) (result i64)
      (i64.xor (i64.rotl (local.get $seed) (i64.const 13)) (i64.const 0x5bd1e995a54ff53a)))
    (func $answer (param $at i32) (param $bytes i32) (result i32)
      (i64.store (i32.const 16) (i64.const 0))
      (i32.store (i32.const 24) (local.get $at))
      (i32.store (i32.const 28) (local.get $bytes))
      (i64.store (i32.const 32) (i64.const 0))
      (i64.store (i32.const 40) (i64.const 0))
      (i32.const 16))
"#;

/// How the first guest may end, by the first byte of its request.
const ENDS: &str = r#"
    (func $deeper (call $deeper))
    (func $end (param $how i32)
      ;; l: gives a list that is too large
      (if (i32.eq (local.get $how) (i32.const 108)) (then
        (memory.fill (i32.const 0) (i32.const 32) (i32.const 2000000))
        (call $log (i32.const 2) (i32.const 0) (i32.const 2000000))))
      ;; The first letter of a line is how it ends: the host's end of the log may act on it.
      (i32.store8 (i32.const 4096) (local.get $how))
      (call $log (i32.const 2) (i32.const 4096) (i32.const 1))
      ;; u: traps
      (if (i32.eq (local.get $how) (i32.const 117)) (then unreachable))
      ;; s: spins
      (if (i32.eq (local.get $how) (i32.const 115)) (then (loop $again (br $again))))
      ;; o: overflows the stack
      (if (i32.eq (local.get $how) (i32.const 111)) (then (call $deeper)))
      ;; g: grows until refused, and gives up
      (if (i32.eq (local.get $how) (i32.const 103)) (then
        (loop $again (br_if $again (i32.ne (memory.grow $m1 (i32.const 1)) (i32.const -1))))
        unreachable))
      ;; h: makes handles
      (if (i32.eq (local.get $how) (i32.const 104)) (then
        (loop $again (drop (call $new (i32.const 1))) (br $again))))
      ;; c: calls the host
      (if (i32.eq (local.get $how) (i32.const 99)) (then
        (loop $again (call $log (i32.const 2) (i32.const 4096) (i32.const 1)) (br $again))))
      ;; b: bulk, over all of a memory and for ever
      (if (i32.eq (local.get $how) (i32.const 98)) (then
        (loop $again
          (memory.fill $m1 (i32.const 0) (i32.const 170) (i32.mul (memory.size $m1) (i32.const 65536)))
          (memory.copy $m2 $m1 (i32.const 0) (i32.const 0) (i32.const 1048576))
          (table.fill $t1 (i32.const 0) (ref.func $f) (table.size $t1))
          (br $again))))
      ;; w: waits for an hour
      (if (i32.eq (local.get $how) (i32.const 119)) (then
        (call $block (call $subscribe (i64.const 3600000000000))))))
    ;; Values that are alive over the call, in every frame down to the bottom, where it ends.
    (func $deep (param $left i32) (param $how i32) (param $c i64) (result i64)
      (local $x i64) (local $y i64)
      (local.set $x (i64.xor (local.get $c) (i64.extend_i32_u (local.get $left))))
      (local.set $y (i64.add (local.get $c) (i64.extend_i32_u (local.get $left))))
      (if (i32.eqz (local.get $left))
        (then (call $end (local.get $how)))
        (else (local.set $x (i64.add (local.get $x)
          (call $deep (i32.sub (local.get $left) (i32.const 1)) (local.get $how) (local.get $c))))))
      (i64.mul (i64.xor (local.get $x) (local.get $c)) (local.get $y)))
"#;

fn memories() -> impl Iterator<Item = usize> {
    0..MEMORIES
}

fn tables() -> impl Iterator<Item = usize> {
    0..TABLES
}

fn declarations(data: &str) -> String {
    let mut text = String::from(HOST);
    for memory in memories().skip(1) {
        let _ = writeln!(text, "(memory $m{memory} 2)");
    }
    for table in tables() {
        let _ = writeln!(text, "(table $t{table} 100 funcref) (global $g{table} (mut i64) (i64.const 0))");
    }
    text + data
}

/// Every memory, table and global, to the limit.
fn fill() -> String {
    let mut text = String::from("(func $fill (param $c i64) (local $i i32)\n");
    for m in memories() {
        let _ = writeln!(
            text,
            "(drop (memory.grow $m{m} (i32.const {GROWTH}))) (local.set $i (i32.const 0))
             (loop $next
               (i64.store $m{m} (local.get $i) (local.get $c))
               (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8)))
                                      (i32.mul (memory.size $m{m}) (i32.const 65536)))))"
        );
    }
    for t in tables() {
        let _ = writeln!(
            text,
            "(drop (table.grow $t{t} (ref.func $f) (i32.const 900)))
             (table.fill $t{t} (i32.const 0) (ref.func $f) (table.size $t{t}))
             (global.set $g{t} (local.get $c))"
        );
    }
    text + ")\n"
}

/// Counts what is not as it is in a new instance. Of the first memory the lowest part, where the request lies, is only
/// looked over for canaries.
fn scan() -> String {
    let mut text = String::from("(func $scan (param $c i64) (local $i i32) (local $w i64)\n");
    for m in memories() {
        let from = if m == 0 { 8_192 } else { 0 };
        let _ = writeln!(
            text,
            "(local.set $i (i32.const 0))
             (loop $next
               (local.set $w (i64.load $m{m} (local.get $i)))
               (if (i32.and (i64.ne (local.get $w) (i64.const 0)) (i32.ge_u (local.get $i) (i32.const {from})))
                 (then (global.set $words (i64.add (global.get $words) (i64.const 1)))))
               (if (i64.eq (local.get $w) (local.get $c))
                 (then (global.set $canaries (i64.add (global.get $canaries) (i64.const 1)))))
               (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8)))
                                      (i32.mul (memory.size $m{m}) (i32.const 65536)))))"
        );
    }
    for t in tables() {
        let _ = writeln!(
            text,
            "(local.set $i (i32.const 0))
             (loop $next
               (if (i32.eqz (ref.is_null (table.get $t{t} (local.get $i))))
                 (then (global.set $elements (i64.add (global.get $elements) (i64.const 1)))))
               (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (table.size $t{t}))))
             (if (i64.ne (global.get $g{t}) (i64.const 0))
               (then (global.set $elements (i64.add (global.get $elements) (i64.const 1)))))"
        );
    }
    text + ")\n"
}

const TELL: &str = r#"
    (func $tell (result i32)
      (i64.store (i32.const 64) (global.get $words))
      (i64.store (i32.const 72) (global.get $canaries))
      (i64.store (i32.const 80) (global.get $elements))
      (call $answer (i32.const 64) (i32.const 24)))
"#;

const INVOKE: &str = r#"(func (export "invoke")
      (param $body i32) (param i32) (param i32 i32) (param i32 i32) (param i32 i32 i32) (result i32)
      (local $how i32) (local $depth i32) (local $c i64)
      (local.set $how (i32.load8_u (local.get $body)))
      (local.set $depth (i32.load (i32.add (local.get $body) (i32.const 4))))
      (local.set $c (call $canary (i64.load (i32.add (local.get $body) (i32.const 8)))))
"#;

/// An agent of this core module.
fn component(main: &str) -> String {
    let (head, rest) = FRAME.split_once("(core module $main").unwrap();
    let (_, tail) = rest.split_once("(core instance $main").unwrap();
    format!("{head}(core module $main {main})\n(core instance $main{tail}")
}

/// Fills everything, goes down to the depth that it is told, and ends there. `k`: looks at itself and tells. `v`: fills
/// nothing but its stack. `a`: answers with more than may be.
pub(super) fn filler() -> String {
    let body = r#"
      (if (i32.eq (local.get $how) (i32.const 118))
        (then (local.set $how (i32.const 119)))
        (else (call $fill (local.get $c))))
      (drop (call $deep (local.get $depth) (local.get $how) (local.get $c)))
      (if (i32.eq (local.get $how) (i32.const 107)) (then (call $scan (local.get $c)) (return (call $tell))))
      (if (i32.eq (local.get $how) (i32.const 97)) (then (return (call $answer (i32.const 0) (i32.const 20000)))))
      (call $answer (i32.const 64) (i32.const 8)))"#;
    component(&[declarations("").as_str(), ENDS, &fill(), &scan(), TELL, INVOKE, body].concat())
}

/// Fills everything while it is instantiated, and traps before it is an instance.
pub(super) fn stillborn() -> String {
    let start = r#"(func $start
        (call $fill (call $canary (i64.const 77)))
        (drop (call $deep (i32.const 100) (i32.const 117) (call $canary (i64.const 77)))))
      (start $start)"#;
    let body = "(call $answer (i32.const 64) (i32.const 8)))";
    component(&[declarations("").as_str(), ENDS, &fill(), start, INVOKE, body].concat())
}

/// Looks at all that it is given at its start, grows everything, and looks again. With an image of its own or without:
/// slots are cleaned in another way where an image lies under them.
pub(super) fn scanner(image: bool) -> String {
    let data = if image { "(data (memory $m2) (i32.const 100000) \"an image\")" } else { "" };
    let mut grow = String::from("(func $grow\n");
    for m in memories() {
        let _ =
            writeln!(grow, "(if (i32.eq (memory.grow $m{m} (i32.const {GROWTH})) (i32.const -1)) (then unreachable))");
    }
    for t in tables() {
        let _ = writeln!(grow, "(drop (table.grow $t{t} (ref.null func) (i32.const 900)))");
    }
    grow.push(')');
    let body = "(call $scan (local.get $c)) (call $grow) (call $scan (local.get $c)) (call $tell))";
    component(&[declarations(data).as_str(), &scan(), &grow, TELL, INVOKE, body].concat())
}

/// Writes a value, takes the lease of a cache key, and then says `p`: at what its end loses, there is something to lose.
pub(super) fn holder() -> String {
    let imports = r#"
  (import "insula:agent/storage@0.1.0" (instance $storage
    (alias outer 1 $error (type $outer-error))
    (export "error" (type $error (eq $outer-error)))
    (export "put" (func (param "bucket" string) (param "key" string) (param "value" (list u8))
      (param "ttl-ms" (option u64)) (result (result u64 (error $error)))))))
  (import "insula:agent/cache@0.1.0" (instance $cache
    (alias outer 1 $error (type $outer-error))
    (export "error" (type $error (eq $outer-error)))
    (export "lease" (type $lease (sub resource)))
    (type $stale-record (record (field "value" (list u8)) (field "lease" (option (own $lease)))))
    (export "stale-value" (type $stale (eq $stale-record)))
    (type $lookup-variant (variant (case "hit" (list u8)) (case "stale" $stale) (case "fill" (own $lease))))
    (export "lookup" (type $lookup (eq $lookup-variant)))
    (export "get-or-fill" (func (param "namespace" string) (param "key" string) (param "wait-ms" u64)
      (result (result $lookup (error $error)))))))
  (core module $base"#;
    let lowered = r#"
  (core func $put (canon lower (func $storage "put") (memory $memory) (realloc (core func $base "realloc"))))
  (core func $take (canon lower (func $cache "get-or-fill") (memory $memory) (realloc (core func $base "realloc"))))
  (core module $main"#;
    let main = r#"
    (import "host" "put" (func $put (param i32 i32 i32 i32 i32 i32 i32 i64 i32)))
    (import "host" "take" (func $take (param i32 i32 i32 i32 i64 i32)))
    (data (memory $m0) (i32.const 512) "placekeyvaluep")
"#;
    let body = r#"
      (call $put (i32.const 512) (i32.const 5) (i32.const 517) (i32.const 3) (i32.const 520) (i32.const 5)
        (i32.const 0) (i64.const 0) (i32.const 600))
      (call $take (i32.const 512) (i32.const 5) (i32.const 517) (i32.const 3) (i64.const 0) (i32.const 640))
      (if (i32.or (i32.load8_u (i32.const 600)) (i32.load8_u (i32.const 640))) (then unreachable))
      (call $log (i32.const 2) (i32.const 525) (i32.const 1))
      (call $answer (i32.const 512) (i32.const 5)))"#;
    // Imports come before everything else of a module.
    let (imported, declared) = main.split_once("(data").unwrap();
    let main = [imported, &declarations(""), "(data", declared, INVOKE, body].concat();
    let text =
        component(&main).replacen("\n  (core module $base", imports, 1).replacen("(core module $main", lowered, 1);
    text.replacen(
        r#"(export "log" (func $log))"#,
        r#"(export "log" (func $log)) (export "put" (func $put)) (export "take" (func $take))"#,
        1,
    )
}
