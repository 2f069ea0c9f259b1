//! `insula tenant export` and `import`: a tenant to a file, and another tenant of it.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::harness::Bystander;

#[test]
fn a_tenant_goes_to_a_file_and_comes_back_under_another_name() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("archived"), Bystander::settle(host.tenant("bystander")));
    tenant.deploy("echo", &agents::text("echo"));
    let operator = Person::operator();
    let file = operator.desk.path("tenant.archive");
    let file_name = file.to_str().unwrap();
    let written = operator.json(&["tenant", "export", &tenant.id, "--output", file_name]);
    assert_eq!(written["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "the tenant's data is in the clear");
    assert!(!operator.desk.path("tenant.archive.unfinished").exists());

    let made = operator.json(&["tenant", "import", file_name, "--name", "archived-again"]);
    let second = Tenant::new(host.address, made["tenant"].as_str().unwrap(), made["key"].as_str().unwrap());
    let headers = [("content-type", "application/json")];
    let echoed = second.send("POST", "/v1/agents/echo/invoke", &headers, Some(b"\"hello\""));
    assert_eq!(echoed.status, 200, "{}", echoed.text());

    // What is there is not written over, and what is no archive is refused with its place.
    let again = operator.run(&["tenant", "export", &tenant.id, "--output", file_name]);
    assert_failed(&again, 2, &["is there already", "another FILE"]);
    fs::write(&file, b"insula archive 1\nand no more").unwrap();
    let refused = operator.run(&["tenant", "import", file_name, "--name", "never"]);
    assert_failed(&refused, 1, &["the tenant was not imported", "frame 1"]);
    bystander.assert_untouched();
}
