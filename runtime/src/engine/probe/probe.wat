;; The agent that runs into one limit at a time: which one, the first byte of the body says. It comes through the same
;; door as every agent. Where nothing stops it, it answers, and the answer shows that the limit did not bite.
(component
  (import "insula:agent/types@0.1.0" (instance $types
    (type $error-record (record
      (field "code" string) (field "message" string) (field "retry-after-ms" (option u64))))
    (export "error" (type (eq $error-record)))))
  (alias export $types "error" (type $error))
  (import "insula:agent/log@0.1.0" (instance $log
    (type $levels (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $levels)))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer-pollable))
    (export "pollable" (type $pollable (eq $outer-pollable)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $io-error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $io-error (type $outer-error))
    (export "error" (type $error (eq $outer-error)))
    (export "output-stream" (type $output (sub resource)))
    (type $failures (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $failure (eq $failures)))
    (export "[method]output-stream.write"
      (func (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $failure)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $outer-output))
    (export "output-stream" (type $output (eq $outer-output)))
    (export "get-stdout" (func (result (own $output))))))

  ;; Memory and its allocator, which the host's functions are lowered with.
  (core module $base
    (memory (export "memory") 2)
    ;; 99 letters and a line's end, from 1,024 on.
    (data (i32.const 1024) "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
    (data (i32.const 1074) "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0a")
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $next) (i32.const 131072)) (then unreachable))
      (local.get $at)))
  (core instance $base (instantiate $base))
  (alias core export $base "memory" (core memory $memory))

  (core func $log (canon lower (func $log "write") (memory $memory)))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory $memory)))
  ;; A resource of the component's own: handles that no function of the host makes.
  (type $own (resource (rep i32)))
  (core func $new (canon resource.new $own))

  (core module $main
    (import "base" "memory" (memory $first 2))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "stdout" (func $stdout (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "new" (func $new (param i32) (result i32)))
    (memory $second 1)
    (table $table 1 funcref)
    (func $deeper (call $deeper))
    (func $log-lines (param $lines i32) (param $bytes i32)
      (loop $again
        (call $log (i32.const 2) (i32.const 1024) (local.get $bytes))
        (br_if $again (local.tee $lines (i32.sub (local.get $lines) (i32.const 1))))))
    (func $print-lines (param $lines i32)
      (local $stream i32)
      (local.set $stream (call $stdout))
      (loop $again
        (call $write (local.get $stream) (i32.const 1024) (i32.const 100) (i32.const 64))
        (br_if $again (local.tee $lines (i32.sub (local.get $lines) (i32.const 1))))))
    (func $act (param $what i32)
      ;; s: spins
      (if (i32.eq (local.get $what) (i32.const 115)) (then (loop $again (br $again))))
      ;; d: recurses
      (if (i32.eq (local.get $what) (i32.const 100)) (then (call $deeper)))
      ;; m: grows two memories by a page each, of which only one has room: each alone is far below the limit
      (if (i32.eq (local.get $what) (i32.const 109)) (then
        (if (i32.ne (memory.grow $second (i32.const 1)) (i32.const -1)) (then
          (if (i32.eq (memory.grow $first (i32.const 1)) (i32.const -1)) (then unreachable))))))
      ;; t: grows a table
      (if (i32.eq (local.get $what) (i32.const 116)) (then
        (if (i32.eq (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)) (then unreachable))))
      ;; h: makes handles of its own
      (if (i32.eq (local.get $what) (i32.const 104)) (then
        (loop $again (drop (call $new (i32.const 1))) (br $again))))
      ;; r: takes timers of an hour, and gives none back
      (if (i32.eq (local.get $what) (i32.const 114)) (then
        (loop $again (drop (call $subscribe (i64.const 3600000000000))) (br $again))))
      ;; l: gives 128 KiB at once
      (if (i32.eq (local.get $what) (i32.const 108)) (then
        (call $log (i32.const 2) (i32.const 0) (i32.const 131072))))
      ;; c: calls the host
      (if (i32.eq (local.get $what) (i32.const 99)) (then (call $log-lines (i32.const 100) (i32.const 1))))
      ;; b: gives the host bytes
      (if (i32.eq (local.get $what) (i32.const 98)) (then (call $log-lines (i32.const 20) (i32.const 1000))))
      ;; o: writes to the log, and to standard output
      (if (i32.eq (local.get $what) (i32.const 111)) (then
        (call $log-lines (i32.const 20) (i32.const 99))
        (call $print-lines (i32.const 20))))
      ;; w: waits for a second
      (if (i32.eq (local.get $what) (i32.const 119)) (then
        (call $block (call $subscribe (i64.const 1000000000))))))
    ;; The answer is at 16: `ok`, and at 24 the response: 1,000 bytes, no content type, no metadata.
    (func (export "invoke")
      (param $body i32) (param i32) (param i32 i32) (param i32 i32) (param i32 i32 i32) (result i32)
      ;; One letter, by which the host knows that the guest has begun.
      (call $log-lines (i32.const 1) (i32.const 1))
      (call $act (i32.load8_u (local.get $body)))
      (i32.store (i32.const 24) (i32.const 1024))
      (i32.store (i32.const 28) (i32.const 1000))
      (i32.const 16)))
  (core instance $main (instantiate $main
    (with "base" (instance $base))
    (with "host" (instance
      (export "log" (func $log)) (export "subscribe" (func $subscribe)) (export "block" (func $block))
      (export "stdout" (func $stdout)) (export "write" (func $write)) (export "new" (func $new))))))

  (type $metadata (list (tuple string string)))
  (type $request (record
    (field "body" (list u8)) (field "content-type" string) (field "metadata" $metadata)
    (field "idempotency-key" (option string))))
  (type $response (record (field "body" (list u8)) (field "content-type" string) (field "metadata" $metadata)))
  (func $invoke (param "request" $request) (result (result $response (error $error)))
    (canon lift (core func $main "invoke") (memory $memory) (realloc (core func $base "realloc"))))

  ;; An interface exports its types beside its functions.
  (component $interface
    (type $error-record (record
      (field "code" string) (field "message" string) (field "retry-after-ms" (option u64))))
    (import "import-type-error" (type $error (eq $error-record)))
    (type $metadata-list (list (tuple string string)))
    (import "import-type-metadata" (type $metadata (eq $metadata-list)))
    (type $request-record (record
      (field "body" (list u8)) (field "content-type" string) (field "metadata" $metadata)
      (field "idempotency-key" (option string))))
    (import "import-type-request" (type $request (eq $request-record)))
    (type $response-record (record
      (field "body" (list u8)) (field "content-type" string) (field "metadata" $metadata)))
    (import "import-type-response" (type $response (eq $response-record)))
    (import "import-func-invoke" (func $invoke
      (param "request" $request) (result (result $response (error $error)))))
    (export $exported-error "error" (type $error))
    (export $exported-metadata "metadata" (type $metadata))
    (export $exported-request "request" (type $request))
    (export $exported-response "response" (type $response))
    (export "invoke" (func $invoke)
      (func (param "request" $exported-request) (result (result $exported-response (error $exported-error))))))
  (instance $handler (instantiate $interface
    (with "import-type-error" (type $error))
    (with "import-type-metadata" (type $metadata))
    (with "import-type-request" (type $request))
    (with "import-type-response" (type $response))
    (with "import-func-invoke" (func $invoke))))
  (export "insula:agent/handler@0.1.0" (instance $handler)))
