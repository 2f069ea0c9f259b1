;; The smallest agent there is: gives the body and its content type back. By hand, so that nothing but the host is
;; measured, and so that the runtime's documentation has an agent without a toolchain.
(component
  (import "insula:agent/types@0.1.0" (instance $types
    (type $error-record (record
      (field "code" string) (field "message" string) (field "retry-after-ms" (option u64))))
    (export "error" (type (eq $error-record)))))
  (alias export $types "error" (type $error))

  (core module $main
    (memory (export "memory") 1)
    ;; Next free byte: a call's memory is thrown away with the call.
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $fits
          (i32.ne (i32.const -1)
            (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
        unreachable)
      (local.get $at))
    ;; The request's fields, flat: body, content type, metadata, idempotency key. The answer is at 16: `ok`, and at 24
    ;; the response: body, content type, no metadata.
    (func (export "invoke")
      (param $body i32) (param $body-length i32) (param $type i32) (param $type-length i32)
      (param i32 i32) (param i32 i32 i32) (result i32)
      (i32.store (i32.const 24) (local.get $body))
      (i32.store (i32.const 28) (local.get $body-length))
      (i32.store (i32.const 32) (local.get $type))
      (i32.store (i32.const 36) (local.get $type-length))
      (i32.const 16)))
  (core instance $main (instantiate $main))

  (type $metadata (list (tuple string string)))
  (type $request (record
    (field "body" (list u8)) (field "content-type" string) (field "metadata" $metadata)
    (field "idempotency-key" (option string))))
  (type $response (record (field "body" (list u8)) (field "content-type" string) (field "metadata" $metadata)))
  (func $invoke (param "request" $request) (result (result $response (error $error)))
    (canon lift (core func $main "invoke") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))

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
