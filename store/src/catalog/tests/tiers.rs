//! Tiers in the catalog: made, changed, used, removed, and the limits that come of them.

use super::*;

fn tier(text: &str) -> TierName {
    text.parse().unwrap()
}

fn fuel(of: u64) -> LimitsPatch {
    LimitsPatch { fuel: Some(of), ..LimitsPatch::default() }
}

#[tokio::test]
async fn a_tenant_has_its_tiers_limits_but_for_what_was_set_for_it_alone() {
    let world = World::start().await;
    let (catalog, by) = (&world.catalog, &world.operator);
    let sets = LimitsPatch { fuel: Some(5), host_calls: Some(6), ..LimitsPatch::default() };
    assert_eq!(catalog.set_tier(by, &tier("small"), &sets).await.unwrap().tenants, 0);
    let (made, _) = catalog.create_tenant(by, &tenant_name("new"), &tier("small"), &fuel(7)).await.unwrap();
    assert_eq!((made.limits.fuel.get(), made.limits.host_calls.get()), (7, 6));
    assert_eq!(made.limits.cpu_us, Limits::standard().cpu_us);
    assert_eq!((&made.tier, made.tier_limits, made.overrides), (&tier("small"), sets, fuel(7)));

    // A change of the tier is one of its tenants, but not of what is their own.
    let changed = LimitsPatch { fuel: Some(1), host_calls: Some(2), ..LimitsPatch::default() };
    assert_eq!(catalog.set_tier(by, &tier("small"), &changed).await.unwrap().tenants, 1);
    let after = catalog.tenant(by, made.id).await.unwrap();
    assert_eq!((after.limits.fuel.get(), after.limits.host_calls.get()), (7, 2));

    let back = LimitsChange { unset: vec!["fuel"], ..LimitsChange::default() };
    assert_eq!(catalog.update_tenant(by, made.id, None, back).await.unwrap().limits.fuel.get(), 1);
    let moved = LimitsChange { tier: Some(TierName::standard()), set: fuel(9), unset: Vec::new() };
    let moved = catalog.update_tenant(by, made.id, None, moved).await.unwrap();
    assert_eq!((moved.tier, moved.limits), (TierName::standard(), Limits::standard().overlaid(&fuel(9))));
    let bystander = catalog.own_tenant(&world.bystander).await.unwrap();
    assert_eq!((bystander.tier, bystander.limits), (TierName::standard(), Limits::standard()));
}

#[tokio::test]
async fn a_tier_that_is_used_or_the_standard_one_is_not_removed() {
    let world = World::start().await;
    let (catalog, by) = (&world.catalog, &world.operator);
    let names = async || -> Vec<String> {
        catalog.tiers(by).await.unwrap().into_iter().map(|tier| tier.name.to_string()).collect()
    };
    assert_eq!(names().await, ["dedicated", "free", "standard"]);
    for built_in in catalog.tiers(by).await.unwrap() {
        let checked = Limits::standard().patched(&built_in.sets);
        assert_eq!(checked, Ok(built_in.limits), "{} is out of range", built_in.name);
    }
    let (made, _) =
        catalog.create_tenant(by, &tenant_name("new"), &tier("free"), &LimitsPatch::default()).await.unwrap();
    for kept in ["free", "standard"] {
        let refused = catalog.delete_tier(by, &tier(kept)).await;
        assert!(matches!(refused, Err(CatalogError::Conflict { .. })), "{kept}: {refused:?}");
    }
    assert!(matches!(catalog.delete_tier(by, &tier("none")).await, Err(CatalogError::NotFound)));
    catalog.delete_tenant(by, made.id).await.unwrap();
    catalog.delete_tier(by, &tier("free")).await.unwrap();
    assert_eq!(names().await, ["dedicated", "standard"]);
    let unknown = catalog.create_tenant(by, &tenant_name("new"), &tier("free"), &LimitsPatch::default()).await;
    assert!(matches!(unknown, Err(CatalogError::Invalid { .. })));
    let acts: Vec<_> = catalog.audit(by, None, 1_000).await.unwrap().into_iter().map(|act| act.act).collect();
    assert_eq!(acts.iter().filter(|act| *act == "tier.delete").count(), 1, "what was not done leaves no record");
}

#[tokio::test]
async fn limits_of_a_tier_are_within_their_ranges_and_tiers_are_bounded() {
    let world = World::start().await;
    let (catalog, by) = (&world.catalog, &world.operator);
    let zero = catalog.set_tier(by, &tier("zero"), &fuel(0)).await;
    assert!(matches!(zero, Err(CatalogError::Invalid { .. })));
    for number in 3..100 {
        catalog.set_tier(by, &tier(&format!("tier-{number}")), &fuel(number)).await.unwrap();
    }
    let more = catalog.set_tier(by, &tier("one-too-many"), &fuel(1)).await;
    assert!(matches!(more, Err(CatalogError::LimitReached { what: "tiers", limit: 100 })));
    assert!(catalog.set_tier(by, &tier("tier-3"), &fuel(1)).await.is_ok(), "one that is there can be changed");
    let other = World::start().await;
    assert!(matches!(catalog.tiers(&other.operator).await, Err(CatalogError::WrongRealm)));
}

#[tokio::test]
async fn an_imported_tenant_keeps_its_limits_whatever_the_standard_tier_is_here() {
    let world = World::start().await;
    let (catalog, by) = (&world.catalog, &world.operator);
    catalog.set_tier(by, &TierName::standard(), &fuel(5)).await.unwrap();
    let limits = Limits::standard().patched(&LimitsPatch { host_calls: Some(9), ..LimitsPatch::default() }).unwrap();
    let (made, _) = catalog.begin_import(by, &tenant_name("moved"), &limits, world.a.tenant()).await.unwrap();
    assert_eq!((made.limits, made.tier), (limits, TierName::standard()));
    let own = LimitsPatch { fuel: Some(limits.fuel.get()), host_calls: Some(9), ..LimitsPatch::default() };
    assert_eq!(made.overrides, own);
}
