//! The catalog on a real database, with two tenants and a bystander.

mod agents;
mod keys;
mod tiers;

use insula_host_api::HostCall;
use insula_tenancy::{ActDenied, Authenticator, Denied, OperatorAct, Permission, Permissions, VersionId};

use super::*;
use crate::testing::{World, log_in};
use crate::{Limits, LimitsPatch};

fn tenant_name(text: &str) -> TenantName {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_tenant_is_made_changed_suspended_and_deleted() {
    let world = World::start().await;
    let (catalog, by) = (&world.catalog, &world.operator);
    let (made, _) =
        catalog.create_tenant(by, &tenant_name("new"), &TierName::standard(), &LimitsPatch::default()).await.unwrap();
    assert_eq!((made.state, made.limits), (TenantState::Active, Limits::standard()));
    assert_eq!(catalog.tenant(by, made.id).await.unwrap(), made);

    let patch = LimitsPatch { fuel: Some(5), ..LimitsPatch::default() };
    let changed = catalog.update_tenant(by, made.id, Some(&tenant_name("newer")), &patch).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.limits.fuel.get()), ("newer", 5));
    let again = catalog.update_tenant(by, made.id, Some(&tenant_name("newer")), &LimitsPatch::default()).await;
    assert_eq!(again.unwrap(), changed, "keeping one's own name is no conflict");

    let suspended = catalog.set_tenant_state(by, made.id, TenantState::Suspended).await.unwrap();
    assert_eq!(suspended.state, TenantState::Suspended);
    catalog.delete_tenant(by, made.id).await.unwrap();
    for gone in [catalog.tenant(by, made.id).await, catalog.set_tenant_state(by, made.id, TenantState::Active).await] {
        assert!(matches!(gone, Err(CatalogError::NotFound)));
    }
    assert!(matches!(catalog.delete_tenant(by, made.id).await, Err(CatalogError::NotFound)));
    assert_eq!(catalog.own_tenant(&world.bystander).await.unwrap().name.as_str(), "bystander");
}

#[tokio::test]
async fn names_are_unique_and_limits_are_within_their_ranges() {
    let world = World::start().await;
    let (catalog, by) = (&world.catalog, &world.operator);
    let taken = catalog.create_tenant(by, &tenant_name("a"), &TierName::standard(), &LimitsPatch::default()).await;
    assert!(matches!(taken, Err(CatalogError::Conflict { .. })));
    let empty = LimitsPatch::default();
    let renamed = catalog.update_tenant(by, world.b.tenant(), Some(&tenant_name("a")), &empty).await;
    assert!(matches!(renamed, Err(CatalogError::Conflict { .. })));
    let over = LimitsPatch { agents: Some(10_001), ..empty };
    let refused = catalog.create_tenant(by, &tenant_name("over"), &TierName::standard(), &over).await;
    assert!(matches!(refused, Err(CatalogError::Invalid { .. })));
    let patch = LimitsPatch { memory_bytes: Some(1), ..empty };
    let refused = catalog.update_tenant(by, world.a.tenant(), Some(&tenant_name("c")), &patch).await;
    assert!(matches!(refused, Err(CatalogError::Invalid { .. })));
    assert_eq!(catalog.own_tenant(&world.a).await.unwrap().name.as_str(), "a", "half of a change is none");
}

#[tokio::test]
async fn tenants_are_listed_a_page_at_a_time() {
    let world = World::start().await;
    for number in 0..5 {
        world.another(&format!("tenant-{number}")).await;
    }
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = world.catalog.tenants(&world.operator, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        names.extend(page.into_iter().map(|tenant| tenant.name.to_string()));
    }
    names.sort();
    assert_eq!(names, ["a", "b", "bystander", "tenant-0", "tenant-1", "tenant-2", "tenant-3", "tenant-4"]);
}

#[tokio::test]
async fn the_scope_of_another_realm_is_refused_everywhere() {
    let (ours, theirs) = (World::start().await, World::start().await);
    let name: AgentName = "agent".parse().unwrap();
    assert!(matches!(ours.catalog.own_tenant(&theirs.a).await, Err(CatalogError::WrongRealm)));
    assert!(matches!(ours.catalog.agents(&theirs.a).await, Err(CatalogError::WrongRealm)));
    assert!(matches!(ours.catalog.delete_agent(&theirs.a, &name).await, Err(CatalogError::WrongRealm)));
    assert!(matches!(ours.catalog.configuration(&theirs.a, &name).await, Err(CatalogError::WrongRealm)));
    assert!(matches!(ours.catalog.usage(&theirs.a).await, Err(CatalogError::WrongRealm)));
    assert!(matches!(ours.catalog.tenants(&theirs.operator, None, 1).await, Err(CatalogError::WrongRealm)));
    assert!(matches!(ours.catalog.audit(&theirs.operator, None, 1).await, Err(CatalogError::WrongRealm)));
    let foreign = theirs.stores.maintenance();
    assert!(matches!(ours.catalog.add_usage(&foreign, &[]).await, Err(CatalogError::WrongRealm)));

    // The same keys, but a second authenticator: its scopes open nothing either, bound later or not.
    let second = Authenticator::new(ours.catalog.clone());
    let (_, key) = ours.catalog.create_key(&ours.operator, ours.a.tenant(), "second", Permissions::ALL).await.unwrap();
    let scope = log_in(&second, key).await;
    ours.catalog.bind(second.realm());
    assert!(matches!(ours.catalog.own_tenant(&scope).await, Err(CatalogError::WrongRealm)));
    assert!(ours.catalog.own_tenant(&ours.a).await.is_ok());
}

#[tokio::test]
async fn a_catalog_that_is_bound_to_no_realm_accepts_no_scope() {
    let world = World::start().await;
    let temporary = tempfile::tempdir().unwrap();
    let unbound = Catalog::open(&DataDir::open(temporary.path()).unwrap()).await.unwrap();
    assert!(matches!(unbound.own_tenant(&world.a).await, Err(CatalogError::WrongRealm)));
}

#[tokio::test]
async fn every_act_of_an_operator_leaves_a_record_and_no_secret() {
    let world = World::start().await;
    let (catalog, by) = (&world.catalog, &world.operator);
    let before = catalog.audit(by, None, 1_000).await.unwrap().last().unwrap().seq;
    let (tenant, first) =
        catalog.create_tenant(by, &tenant_name("new"), &TierName::standard(), &LimitsPatch::default()).await.unwrap();
    catalog.update_tenant(by, tenant.id, None, &LimitsPatch::default()).await.unwrap();
    catalog.set_tenant_state(by, tenant.id, TenantState::Suspended).await.unwrap();
    catalog.set_tenant_state(by, tenant.id, TenantState::Active).await.unwrap();
    let (info, second) = catalog.create_key(by, tenant.id, "label", Permissions::ALL).await.unwrap();
    catalog.revoke_key(by, tenant.id, info.id).await.unwrap();
    catalog.delete_tenant(by, tenant.id).await.unwrap();
    assert!(catalog.delete_tenant(by, tenant.id).await.is_err(), "what was not done leaves no record");

    let acts = catalog.audit(by, Some(before), 1_000).await.unwrap();
    let names: Vec<_> = acts.iter().map(|act| act.act.as_str()).collect();
    let expected = [
        "tenant.create",
        "tenant.update",
        "tenant.suspend",
        "tenant.resume",
        "key.create",
        "key.revoke",
        "tenant.delete",
    ];
    assert_eq!(names, expected);
    assert!(acts.iter().all(|act| act.tenant == Some(tenant.id) && act.key == by.key()));
    let text = serde_json::to_string(&acts).unwrap();
    assert!(!text.contains(&first.reveal()) && !text.contains(&second.reveal()));
    assert_eq!(catalog.audit(by, Some(before), 2).await.unwrap().len(), 2);
    let of = async |tenant| catalog.audit_of(by, Some(tenant), None, 1_000).await.unwrap();
    assert_eq!(of(tenant.id).await, acts, "also of a tenant that is gone");
    let neighbours = of(world.b.tenant()).await;
    assert!(!neighbours.is_empty() && neighbours.iter().all(|act| act.tenant == Some(world.b.tenant())));
}

#[tokio::test]
async fn usage_adds_up_by_day_and_outlives_its_tenant() {
    let world = World::start().await;
    let (catalog, chores) = (&world.catalog, world.stores.maintenance());
    let row = |tenant: &TenantScope, day, calls, peak_memory| UsageRow {
        tenant: tenant.tenant(),
        agent: "agt_01jd3kf0x2c9b8m7n6p5q4r3s2".parse().unwrap(),
        version: "ver_01jd3kf0x2c9b8m7n6p5q4r3s2".parse().unwrap(),
        day,
        amounts: amounts(|name| if name == "calls" { calls } else { 10 }, peak_memory),
    };
    let (a, b) = (&world.a, &world.b);
    catalog
        .add_usage(&chores, &[row(a, 20_261_123, 1, 100), row(a, 20_261_124, 5, 1), row(b, 20_261_123, 9, 9)])
        .await
        .unwrap();
    catalog.add_usage(&chores, &[row(a, 20_261_123, 2, 50), row(a, 20_261_123, 3, 70)]).await.unwrap();
    let usage = catalog.usage(a).await.unwrap();
    assert_eq!(usage.rows.len(), 2);
    let latest = usage.rows[0];
    assert_eq!((latest.day, latest.amounts.calls), (20_261_124, 5), "the latest day comes first");
    let mut sum = row(a, 20_261_123, 1, 100);
    sum.amounts.add(&row(a, 20_261_123, 2, 50).amounts);
    sum.amounts.add(&row(a, 20_261_123, 3, 70).amounts);
    assert_eq!(usage.rows[1], sum);
    assert_eq!((sum.amounts.calls, sum.amounts.fuel, sum.amounts.peak_memory), (6, 30, 100));
    assert_eq!(sum.amounts.host_calls_by_kind.of(HostCall::StorageGet), 30);
    sum.amounts.add(&latest.amounts);
    assert_eq!(usage.total, sum.amounts, "one number for each resource of the tenant");
    let theirs = catalog.usage(b).await.unwrap();
    assert_eq!(theirs.rows, [row(b, 20_261_123, 9, 9)]);
    assert_eq!(theirs.total, theirs.rows[0].amounts);
    let nothing = catalog.usage(&world.bystander).await.unwrap();
    assert_eq!(nothing, Usage { rows: Vec::new(), total: UsageAmounts::default() });

    catalog.delete_tenant(&world.operator, a.tenant()).await.unwrap();
    assert_eq!(catalog.usage_of(&world.operator, a.tenant()).await.unwrap(), usage);
    let unknown = catalog.usage_of(&world.operator, TenantId::generate()).await;
    assert!(matches!(unknown, Err(CatalogError::NotFound)));
}

#[tokio::test]
async fn usage_stops_at_the_greatest_number_and_keeps_no_other_row_out() {
    let world = World::start().await;
    let (catalog, chores, most) = (&world.catalog, world.stores.maintenance(), i64::MAX.unsigned_abs());
    let row = |tenant: &TenantScope, number| UsageRow {
        tenant: tenant.tenant(),
        agent: "agt_01jd3kf0x2c9b8m7n6p5q4r3s2".parse().unwrap(),
        version: "ver_01jd3kf0x2c9b8m7n6p5q4r3s2".parse().unwrap(),
        day: 20_261_123,
        amounts: amounts(|_| number, number),
    };
    let (a, b, bystander) = (&world.a, &world.b, &world.bystander);
    let batch = [row(a, most), row(a, most), row(bystander, 7), row(b, u64::MAX), row(b, 1)];
    catalog.add_usage(&chores, &batch).await.unwrap();
    catalog.add_usage(&chores, &[row(a, 1), row(b, u64::MAX)]).await.unwrap();
    for (tenant, number) in [(a, most), (b, most), (bystander, 7)] {
        let usage = catalog.usage(tenant).await.unwrap();
        let kept = UsageRow { amounts: amounts(|_| number, number), ..row(tenant, number) };
        assert_eq!(usage.rows, [kept]);
        assert_eq!(usage.total, kept.amounts);
    }
    let tomorrow = |number| UsageRow { day: 20_261_124, ..row(a, number) };
    catalog.add_usage(&chores, &[tomorrow(most), UsageRow { day: 20_261_125, ..row(a, most) }]).await.unwrap();
    let total = catalog.usage(a).await.unwrap().total;
    assert_eq!((total.fuel, total.peak_memory), (u64::MAX, most), "a sum over days stops at the greatest number too");
}

/// Amounts by the names of their columns, with as many host calls of one kind as fuel.
fn amounts(of: impl Fn(&'static str) -> u64, peak_memory: u64) -> UsageAmounts {
    let read =
        UsageAmounts::read(|name| Ok::<_, CatalogError>(if name == "peak_memory" { peak_memory } else { of(name) }));
    let mut amounts = read.unwrap();
    amounts.host_calls_by_kind.add(HostCall::StorageGet, amounts.fuel);
    amounts
}

/// The catalog of an earlier release, by the last migration that it had.
async fn earlier_catalog(data: &DataDir, last: i64) -> SqlitePool {
    let directory = data.directory().unwrap();
    directory.open_with(FILE, files::read_write().create(true)).unwrap();
    let options = SqliteConnectOptions::new().filename(descriptor_path(&directory).join(FILE));
    let pool = pool(1).connect_with(options).await.unwrap();
    let earlier = MIGRATIONS.iter().filter(|migration| migration.version <= last).cloned().collect::<Vec<_>>();
    Migrator { migrations: earlier.into(), ..Migrator::DEFAULT }.run(&pool).await.unwrap();
    pool
}

/// What was added after the first releases.
const SINCE: [&str; 8] = [
    "storage-read-bytes",
    "storage-write-bytes",
    "cache-traffic-bytes",
    "queue",
    "queue-us",
    "rate",
    "burst",
    "weight",
];

#[tokio::test]
async fn a_catalog_of_an_earlier_release_keeps_its_rows_and_takes_new_ones() {
    let world = World::start().await;
    let data = DataDir::open(&world.directory.path().join("earlier")).unwrap();
    let earlier = earlier_catalog(&data, 2).await;
    let (a, b) = (world.a.tenant().to_string(), world.b.tenant().to_string());
    for (tenant, calls) in [(&a, 3), (&b, 4)] {
        let insert = "INSERT INTO tenants (id, name, state, limits, created_us) VALUES (?1, ?3, 'active', ?2, 7)";
        let mut limits = serde_json::to_value(Limits::standard()).unwrap();
        // Limits that release did not know.
        limits.as_object_mut().unwrap().retain(|name, _| !SINCE.contains(&name.as_str()));
        limits["agents"] = 7.into();
        let limits = limits.to_string();
        sqlx::query(insert).bind(tenant).bind(limits).bind(format!("earlier-{calls}")).execute(&earlier).await.unwrap();
        let insert = "INSERT INTO usage VALUES (?1, 'agt_01jd3kf0x2c9b8m7n6p5q4r3s2', 'ver_01jd3kf0x2c9b8m7n6p5q4r3s2', \
                      20261123, ?2, 0, 10, 20, 30, 40, 50, 60)";
        sqlx::query(insert).bind(tenant).bind(calls).execute(&earlier).await.unwrap();
    }
    earlier.close().await;

    let catalog = Catalog::open(&data).await.unwrap();
    catalog.bind(world.authenticator.realm());
    let usage = catalog.usage(&world.a).await.unwrap();
    let kept = UsageAmounts {
        calls: 3,
        fuel: 10,
        cpu_us: 20,
        wall_us: 30,
        host_calls: 40,
        host_bytes: 50,
        peak_memory: 60,
        ..UsageAmounts::default()
    };
    assert_eq!((usage.rows.len(), usage.rows[0].amounts, usage.total), (1, kept, kept));
    let more = UsageRow { amounts: amounts(|_| 1, 1), ..usage.rows[0] };
    catalog.add_usage(&world.stores.maintenance(), &[more]).await.unwrap();
    let mut sum = kept;
    sum.add(&more.amounts);
    assert_eq!(catalog.usage(&world.a).await.unwrap().total, sum);
    assert_eq!(catalog.usage(&world.b).await.unwrap().total.calls, 4);
    let tenant = catalog.own_tenant(&world.a).await.unwrap();
    assert_eq!(tenant.limits, Limits { agents: 7.try_into().unwrap(), ..Limits::standard() });
    let own = LimitsPatch { agents: Some(7), ..LimitsPatch::default() };
    assert_eq!((tenant.tier, tenant.overrides), (TierName::standard(), own), "what was the standard's is its tier's");
}

#[tokio::test]
async fn the_catalog_is_there_after_the_host_starts_again_and_a_newer_one_is_refused() {
    let world = World::start().await;
    let before = world.catalog.own_tenant(&world.a).await.unwrap();
    world.catalog.close().await;
    let again = Catalog::open(&world.data).await.unwrap();
    again.bind(world.authenticator.realm());
    assert_eq!(again.own_tenant(&world.a).await.unwrap(), before);
    assert!(again.ensure_operator_key().await.unwrap().is_none(), "there is an operator's key already");

    let applied = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'of a newer release', 1, X'00', 0)";
    sqlx::query(applied).execute(&again.inner.writer).await.unwrap();
    again.close().await;
    assert!(matches!(Catalog::open(&world.data).await, Err(CatalogError::NewerSchema)));
}

#[tokio::test]
async fn the_database_is_the_hosts_alone_and_syncs_every_commit() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start().await;
    for file in ["catalog.sqlite", "catalog.sqlite-wal"] {
        let path = world.directory.path().join("data").join(file);
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    let pragma = async |pool: &SqlitePool, name: &'static str| -> String {
        sqlx::query_scalar::<_, String>(name).fetch_one(pool).await.unwrap()
    };
    let inner = &world.catalog.inner;
    assert_eq!(pragma(&inner.writer, "SELECT journal_mode FROM pragma_journal_mode").await, "wal");
    assert_eq!(pragma(&inner.writer, "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "2");
    assert_eq!(pragma(&inner.writer, "SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys").await, "1");
    assert!(sqlx::query("DELETE FROM tenants").execute(&inner.readers).await.is_err(), "readers cannot write");
}

#[tokio::test]
async fn an_export_and_an_import_are_in_the_audit_log_before_anything_is_done() {
    let world = World::start().await;
    let (catalog, by, origin) = (&world.catalog, &world.operator, world.a.tenant());
    let scope = world.authenticator.act_as(by, origin, OperatorAct::Export).await.unwrap();
    assert_eq!(scope.tenant(), origin);
    let (made, key) = catalog.begin_import(by, &tenant_name("new"), &Limits::standard(), origin).await.unwrap();
    assert_eq!(made.state, TenantState::Importing);
    let acts = catalog.audit(by, None, 1_000).await.unwrap();
    let last: Vec<_> = acts.iter().rev().take(2).map(|record| (record.act.as_str(), record.tenant)).collect();
    assert_eq!(last, [("tenant.import", Some(made.id)), ("tenant.export", Some(origin))]);
    assert_eq!(acts.last().unwrap().detail["from"], serde_json::json!(origin));

    // While it is on its way it logs in like anyone else, and nobody acts on it but who erases it.
    let theirs = log_in(&world.authenticator, key).await;
    assert_eq!(catalog.own_tenant(&theirs).await.unwrap().id, made.id);
    let denied = world.authenticator.act_as(by, made.id, OperatorAct::Export).await.unwrap_err();
    assert_eq!(denied, ActDenied::NoSuchTenant);
    for refused in [
        catalog.delete_tenant(by, made.id).await,
        catalog.set_tenant_state(by, made.id, TenantState::Suspended).await.map(drop),
    ] {
        assert!(matches!(refused, Err(CatalogError::Conflict { .. })), "{refused:?}");
    }
    assert_eq!(catalog.finish_import(by, made.id).await.unwrap().state, TenantState::Active);
    assert!(catalog.finish_import(by, made.id).await.is_err(), "it ends once");

    // Of a tenant that is not there is nothing to record, and no scope.
    let acts = catalog.audit(by, None, 1_000).await.unwrap().len();
    let denied = world.authenticator.act_as(by, TenantId::generate(), OperatorAct::Export).await.unwrap_err();
    assert_eq!(denied, ActDenied::NoSuchTenant);
    assert_eq!(catalog.audit(by, None, 1_000).await.unwrap().len(), acts);
    world.bystander_is_untouched().await;
}
