//! The sample `analyst`, in Python: what one tenant posted no other knows, also where it posts the same.

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Reply, Tenant, agents};

fn data(name: &str) -> String {
    std::fs::read_to_string(agents::folder("sample-agents/analyst/data").join(name)).unwrap()
}

fn post(tenant: &Tenant, csv: &str) -> Reply {
    tenant.send("POST", "/v1/agents/analyst/invoke", &[("content-type", "text/csv")], Some(csv.as_bytes()))
}

fn known(tenant: &Tenant) -> Value {
    tenant.invoke("analyst", r#"{"list": {}}"#).json()["data-sets"].clone()
}

#[test]
fn analyst_remembers_what_it_computed_for_each_tenant_apart() {
    let Some(component) = agents::analyst() else { return };
    let host = Host::shared();
    let (one, other) = (host.tenant("acme"), host.tenant("globex"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    for tenant in [&one, &other] {
        tenant.deploy("analyst", component);
    }
    let first = post(&one, &data("sales.csv"));
    assert_eq!((first.status, first.header("insula-meta-report")), (200, "computed"), "{}", first.text());
    let report = first.json();
    assert_eq!((&report["rows"], &report["columns"][3]["median"]), (&json!(10), &json!(8)), "{report}");
    assert_eq!(report["summary"][0], "10 rows of 6 columns.");
    assert!(first.bill("storage-write-bytes") > 0 && first.bill("fuel") > 0);
    let again = post(&one, &data("sales.csv"));
    assert_eq!((again.header("insula-meta-report"), &again.json()["asked"]), ("remembered", &json!(2)));
    assert!(again.bill("fuel") < first.bill("fuel"), "what is remembered costs less");
    let theirs = post(&other, &data("sales.csv"));
    assert_eq!((theirs.header("insula-meta-report"), &theirs.json()["asked"]), ("computed", &json!(1)));

    post(&other, &data("sensors.csv"));
    assert_eq!((known(&one).as_array().unwrap().len(), known(&other).as_array().unwrap().len()), (1, 2));
    let digest = report["data-set"].as_str().unwrap();
    let forget = json!({ "forget": { "data-set": digest } }).to_string();
    assert_eq!(one.invoke("analyst", &forget).status, 200);
    assert_eq!(known(&one), json!([]));
    assert_eq!(known(&other).as_array().unwrap().len(), 2, "one tenant forgot for another");

    for (csv, word) in [
        (data("broken-quote.csv"), "line 3: a quote is opened here and never closed"),
        (data("broken-row.csv"), "line 4: 3 fields, where the first line has 2"),
        ("a,a\n1,2\n".to_owned(), "line 1: two columns have the name"),
    ] {
        let reply = post(&one, &csv);
        assert_eq!((reply.status, reply.json()["agent-code"].as_str()), (400, Some("bad-request")));
        assert!(reply.text().contains(word), "{}", reply.text());
    }
    assert_eq!(one.invoke("analyst", r#"{"report": {"data-set": "x"}}"#).status, 404);
    bystander.assert_untouched();
}
