//! Agents and versions: numbering, activation, rollback, pruning, and names that do not meet.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::Digest;

const AGENT: &str = "agent";

fn agent_name(text: &str) -> AgentName {
    text.parse().unwrap()
}

fn digest(number: u8) -> Digest {
    Digest::from_bytes([number; 32])
}

async fn add(world: &World, scope: &TenantScope, name: &str, number: u8, activate: bool, keep: u64) -> AddedVersion {
    let new = NewVersion { digest: digest(number), component_bytes: 10, report_json: "{}".to_owned() };
    world.catalog.add_version(scope, &agent_name(name), new, activate, keep, 10).await.unwrap()
}

async fn active(world: &World, scope: &TenantScope) -> Option<u64> {
    world.catalog.agent(scope, &agent_name(AGENT)).await.unwrap().active.map(|version| version.number)
}

#[tokio::test]
async fn equal_names_of_two_tenants_do_not_meet() {
    let world = World::start().await;
    let (catalog, name) = (&world.catalog, agent_name(AGENT));
    let of_a = add(&world, &world.a, AGENT, 1, true, 20).await;
    assert!(matches!(catalog.agent(&world.b, &name).await, Err(CatalogError::NotFound)));
    let of_b = add(&world, &world.b, AGENT, 1, true, 20).await;
    assert_ne!(of_a.agent.id, of_b.agent.id);
    let config = BTreeMap::from([("name".to_owned(), "of a".to_owned())]);
    catalog.set_configuration(&world.a, &name, &config).await.unwrap();
    assert!(catalog.configuration(&world.b, &name).await.unwrap().is_empty());
    let foreign = catalog.activate(&world.b, &name, of_a.version.id).await;
    assert!(matches!(foreign, Err(CatalogError::NotFound)), "a version is found with its own agent");
    assert_eq!(catalog.delete_agent(&world.a, &name).await.unwrap(), [digest(1)]);
    let listed = catalog.agents(&world.b).await.unwrap();
    assert_eq!(listed.iter().map(|agent| agent.id).collect::<Vec<_>>(), [of_b.agent.id]);
    assert!(catalog.agents(&world.a).await.unwrap().is_empty());
    assert!(catalog.agents(&world.bystander).await.unwrap().is_empty());
}

#[tokio::test]
async fn versions_are_numbered_and_an_agent_of_an_old_name_is_a_new_agent() {
    let world = World::start().await;
    let name = agent_name(AGENT);
    let first = add(&world, &world.a, AGENT, 1, false, 20).await;
    assert_eq!((first.version.number, first.version.active, first.agent.active), (1, false, None));
    let second = add(&world, &world.a, AGENT, 2, true, 20).await;
    assert_eq!((second.version.number, second.agent.active.as_ref()), (2, Some(&second.version)));
    let versions = world.catalog.versions(&world.a, &name).await.unwrap();
    assert_eq!(
        versions.iter().map(|version| (version.number, version.active)).collect::<Vec<_>>(),
        [(2, true), (1, false)]
    );
    world.catalog.delete_agent(&world.a, &name).await.unwrap();
    let again = add(&world, &world.a, AGENT, 1, true, 20).await;
    assert_ne!(again.agent.id, first.agent.id);
    assert_eq!(again.version.number, 1);
    assert!(world.catalog.configuration(&world.a, &name).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_rollback_goes_back_along_what_was_active() {
    let world = World::start().await;
    let name = agent_name(AGENT);
    let rollback = async || world.catalog.rollback(&world.a, &name).await;
    assert!(matches!(rollback().await, Err(CatalogError::NotFound)));
    let first = add(&world, &world.a, AGENT, 1, false, 20).await;
    assert!(matches!(rollback().await, Err(CatalogError::Conflict { .. })), "nothing is active");
    world.catalog.activate(&world.a, &name, first.version.id).await.unwrap();
    assert!(matches!(rollback().await, Err(CatalogError::Conflict { .. })), "nothing was active before");
    add(&world, &world.a, AGENT, 2, true, 20).await;
    add(&world, &world.a, AGENT, 3, false, 20).await;
    add(&world, &world.a, AGENT, 4, true, 20).await;
    world.catalog.activate(&world.a, &name, first.version.id).await.unwrap();
    world.catalog.activate(&world.a, &name, first.version.id).await.unwrap();
    for expected in [4, 2, 1] {
        assert_eq!(rollback().await.unwrap().active.unwrap().number, expected);
        assert_eq!(active(&world, &world.a).await, Some(expected));
    }
    assert!(matches!(rollback().await, Err(CatalogError::Conflict { .. })));
    let unknown = world.catalog.activate(&world.a, &name, VersionId::generate()).await;
    assert!(matches!(unknown, Err(CatalogError::NotFound)));
}

#[tokio::test]
async fn old_versions_are_pruned_but_never_the_active_one_or_the_new_one() {
    let world = World::start().await;
    let numbers = async || -> Vec<u64> {
        let versions = world.catalog.versions(&world.a, &agent_name(AGENT)).await.unwrap();
        versions.iter().map(|version| version.number).collect()
    };
    add(&world, &world.a, AGENT, 1, true, 3).await;
    for number in 2..=3 {
        assert!(add(&world, &world.a, AGENT, number, false, 3).await.pruned.is_empty());
    }
    assert_eq!(add(&world, &world.a, AGENT, 4, false, 3).await.pruned, [digest(2)]);
    assert_eq!(numbers().await, [4, 3, 1]);
    assert_eq!(add(&world, &world.a, AGENT, 5, false, 1).await.pruned, [digest(3), digest(4)]);
    assert_eq!(numbers().await, [5, 1]);
    assert_eq!(add(&world, &world.a, AGENT, 6, true, 2).await.pruned, [digest(1)]);
    assert_eq!(numbers().await, [6, 5]);
    let rollback = world.catalog.rollback(&world.a, &agent_name(AGENT)).await;
    assert!(matches!(rollback, Err(CatalogError::Conflict { .. })), "what was active before is not kept any more");
}

#[tokio::test]
async fn a_digest_is_unused_only_when_no_version_of_the_tenant_has_it() {
    let world = World::start().await;
    add(&world, &world.a, "one", 1, true, 20).await;
    add(&world, &world.a, "one", 2, true, 20).await;
    add(&world, &world.a, "two", 1, true, 20).await;
    add(&world, &world.b, "one", 2, true, 20).await;
    assert_eq!(world.catalog.delete_agent(&world.a, &agent_name("one")).await.unwrap(), [digest(2)]);
    assert_eq!(add(&world, &world.a, "two", 1, true, 1).await.pruned, [], "the new version has the digest of the old");
    assert_eq!(world.catalog.delete_agent(&world.a, &agent_name("two")).await.unwrap(), [digest(1)]);
}

#[tokio::test]
async fn the_digests_of_a_tenant_are_those_that_its_versions_name() {
    let world = World::start().await;
    add(&world, &world.a, "one", 1, true, 20).await;
    add(&world, &world.a, "one", 2, false, 20).await;
    add(&world, &world.a, "two", 1, true, 20).await;
    add(&world, &world.b, "one", 3, true, 20).await;
    let digests = async |scope| world.catalog.digests(scope).await.unwrap();
    assert_eq!(digests(&world.a).await, HashSet::from([digest(1), digest(2)]));
    assert_eq!(digests(&world.b).await, HashSet::from([digest(3)]));
    assert!(digests(&world.bystander).await.is_empty());
    world.catalog.delete_agent(&world.a, &agent_name("one")).await.unwrap();
    assert_eq!(digests(&world.a).await, HashSet::from([digest(1)]));
    add(&world, &world.b, "one", 4, true, 1).await;
    assert_eq!(digests(&world.b).await, HashSet::from([digest(4)]), "a pruned version names nothing");
    let foreign = World::start().await;
    assert!(matches!(world.catalog.digests(&foreign.a).await, Err(CatalogError::WrongRealm)));
}

#[tokio::test]
async fn a_listing_of_agents_leaves_reports_out() {
    let world = World::start().await;
    let added = add(&world, &world.a, AGENT, 1, true, 20).await;
    let listed = world.catalog.agents(&world.a).await.unwrap();
    let without = VersionRecord { report_json: String::new(), ..added.version.clone() };
    assert_eq!(listed, [AgentRecord { active: Some(without), ..added.agent.clone() }]);
    assert_eq!(world.catalog.agent(&world.a, &agent_name(AGENT)).await.unwrap(), added.agent);
    assert_eq!(world.catalog.versions(&world.a, &agent_name(AGENT)).await.unwrap(), [added.version]);
}

/// Begins an act, goes away in the middle of it, and waits until the one connection that writes is free again.
async fn abandon<T>(world: &World, act: impl Future<Output = Result<T, CatalogError>>) {
    {
        let mut act = std::pin::pin!(act);
        let once = std::future::poll_fn(|context| std::task::Poll::Ready(act.as_mut().poll(context).is_pending()));
        assert!(once.await, "the act has begun and is not at its end");
    }
    world.catalog.update_tenant(&world.operator, world.b.tenant(), None, &LimitsPatch::default()).await.unwrap();
}

#[tokio::test]
async fn an_act_of_a_tenant_whose_caller_goes_away_still_ends() {
    let world = World::start().await;
    let (catalog, name) = (&world.catalog, agent_name(AGENT));
    let first = add(&world, &world.a, AGENT, 1, true, 20).await.version.id;
    let new = NewVersion { digest: digest(2), component_bytes: 10, report_json: "{}".to_owned() };
    abandon(&world, catalog.add_version(&world.a, &name, new, true, 20, 10)).await;
    assert_eq!(active(&world, &world.a).await, Some(2));
    abandon(&world, catalog.activate(&world.a, &name, first)).await;
    assert_eq!(active(&world, &world.a).await, Some(1));
    abandon(&world, catalog.rollback(&world.a, &name)).await;
    assert_eq!(active(&world, &world.a).await, Some(2));
    let config = BTreeMap::from([("name".to_owned(), "value".to_owned())]);
    abandon(&world, catalog.set_configuration(&world.a, &name, &config)).await;
    assert_eq!(catalog.configuration(&world.a, &name).await.unwrap(), config);
    abandon(&world, catalog.delete_agent(&world.a, &name)).await;
    assert!(matches!(catalog.agent(&world.a, &name).await, Err(CatalogError::NotFound)));
}

#[tokio::test]
async fn agents_are_limited_and_a_tenant_with_agents_stays() {
    let world = World::start().await;
    let new = || NewVersion { digest: digest(1), component_bytes: 10, report_json: "{}".to_owned() };
    for name in ["one", "two"] {
        world.catalog.add_version(&world.a, &agent_name(name), new(), true, 20, 2).await.unwrap();
    }
    let third = world.catalog.add_version(&world.a, &agent_name("three"), new(), true, 20, 2).await;
    assert!(matches!(third, Err(CatalogError::LimitReached { what: "agents", limit: 2 })));
    world.catalog.add_version(&world.a, &agent_name("one"), new(), true, 20, 2).await.unwrap();
    add(&world, &world.b, "three", 1, true, 20).await;
    let agents = world.catalog.agents(&world.a).await.unwrap();
    assert_eq!(agents.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    let kept = world.catalog.delete_tenant(&world.operator, world.a.tenant()).await;
    assert!(matches!(kept, Err(CatalogError::Conflict { .. })));
    assert_eq!(world.catalog.agents(&world.a).await.unwrap(), agents);
}

#[tokio::test]
async fn a_configuration_is_replaced_as_a_whole_or_not_at_all() {
    let world = World::start().await;
    let (catalog, name) = (&world.catalog, agent_name(AGENT));
    let of = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let absent = catalog.set_configuration(&world.a, &name, &of(&[])).await;
    assert!(matches!(absent, Err(CatalogError::NotFound)));
    add(&world, &world.a, AGENT, 1, true, 20).await;
    catalog.set_configuration(&world.a, &name, &of(&[("one", "1"), ("two", "2")])).await.unwrap();
    catalog.set_configuration(&world.a, &name, &of(&[("two", "zwei"), ("three", "é\0")])).await.unwrap();
    let invalid = catalog.set_configuration(&world.a, &name, &of(&[("four", "4"), ("NO", "")])).await;
    assert!(matches!(invalid, Err(CatalogError::Invalid { .. })));
    assert_eq!(catalog.configuration(&world.a, &name).await.unwrap(), of(&[("two", "zwei"), ("three", "é\0")]));
}

/// What a tenant names is looked for among its own: a search that begins elsewhere finds a foreign thing before it turns it
/// down, and the time of that tells (T6).
#[tokio::test]
async fn what_a_tenant_names_is_searched_for_from_its_own_id_on() {
    let world = World::start().await;
    for (statement, search) in [
        (sql::SELECT_AGENT, "(tenant_id=? AND name=?)"),
        (sql::SELECT_VERSION, "(tenant_id=? AND agent_id=? AND id=?)"),
    ] {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                .fetch_all(&world.catalog.inner.readers)
                .await
                .unwrap();
        let steps: Vec<_> = plan.iter().map(|(_, _, _, step)| step.as_str()).collect();
        assert!(matches!(steps[..], [step] if step.ends_with(search)), "{statement}: {steps:?}");
    }
}
