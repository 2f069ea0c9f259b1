//! What makes room for what, and when something is idle.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

struct Stage {
    cache: Cache<u64>,
}

impl Stage {
    fn new(bytes: u64, count: u64) -> Self {
        Self { cache: Cache::new(Bounds { bytes, count }) }
    }

    /// Uses a component, and loads it where it is not. Answers how many had to make room.
    fn call(&mut self, tenant: TenantId, component: u8, bytes: u64) -> usize {
        let key = (tenant, digest(component));
        let cell = self.cache.cell(key);
        if cell.get().is_some() {
            return 0;
        }
        cell.set(Arc::new(bytes)).unwrap();
        self.cache.loaded(&key, &cell, bytes).len()
    }

    fn has(&self, tenant: TenantId, components: &[u8]) -> Vec<bool> {
        components.iter().map(|component| self.cache.slots.contains(&(tenant, digest(*component)))).collect()
    }
}

fn digest(component: u8) -> Digest {
    Digest::of(&[component])
}

fn tenants() -> [TenantId; 3] {
    [(); 3].map(|()| TenantId::generate())
}

#[test]
fn the_least_recently_called_makes_room_by_number_and_by_bytes() {
    let [ours, theirs, bystander] = tenants();
    for (bytes, count) in [(1_000, 5), (50, 1_000)] {
        let mut stage = Stage::new(bytes, count);
        stage.call(bystander, 1, 10);
        for tenant in [ours, theirs] {
            assert_eq!((stage.call(tenant, 1, 10), stage.call(tenant, 2, 10)), (0, 0));
        }
        stage.call(bystander, 1, 10);
        let last = TenantId::generate();
        assert_eq!(stage.call(last, 1, 10), 1);
        assert_eq!(stage.has(ours, &[1, 2]), [false, true]);
        assert_eq!((stage.has(theirs, &[1, 2]), stage.has(bystander, &[1])), (vec![true, true], vec![true]));
        assert_eq!(stage.cache.total(), Weight { count: 5, bytes: 50 });
    }
}

#[test]
fn a_tenant_with_more_than_its_share_makes_room_for_itself_and_its_neighbours_keep_theirs() {
    let [greedy, neighbour, bystander] = tenants();
    for (bytes, count) in [(1_000_000, 8), (80, 1_000)] {
        let mut stage = Stage::new(bytes, count);
        stage.call(neighbour, 1, 10);
        stage.call(bystander, 1, 10);
        for component in 0..40 {
            stage.call(greedy, component, 10);
        }
        assert_eq!((stage.has(neighbour, &[1]), stage.has(bystander, &[1])), (vec![true], vec![true]));
        assert_eq!(stage.has(greedy, &[33, 34, 39]), [false, true, true]);
        assert_eq!(stage.cache.total(), Weight { count: 8, bytes: 80 });
    }
}

#[test]
fn the_bound_holds_also_where_everyone_has_more_than_a_share() {
    let [ours, theirs, bystander] = tenants();
    for (bytes, count) in [(1_000, 2), (25, 1_000)] {
        let mut stage = Stage::new(bytes, count);
        let room = [ours, theirs, bystander].map(|tenant| stage.call(tenant, 1, 10));
        assert_eq!((room, stage.cache.total().count), ([0, 0, 1], 2));
        assert_eq!((stage.has(ours, &[1]), stage.has(bystander, &[1])), (vec![false], vec![true]));
    }
}

#[test]
fn what_nobody_called_for_a_while_goes_and_what_is_called_stays() {
    let [idle, busy, bystander] = tenants();
    let (mut stage, start) = (Stage::new(1_000, 100), Instant::now());
    stage.call(idle, 1, 10);
    stage.call(busy, 1, 10);
    for minute in 0..10 {
        assert!(stage.cache.idle(start + MINUTE * minute, MINUTE * 10).is_empty(), "minute {minute}");
        stage.call(busy, 1, 10);
    }
    stage.call(bystander, 1, 10);
    assert_eq!(stage.cache.idle(start + MINUTE * 10, MINUTE * 10).len(), 1);
    assert_eq!([idle, busy, bystander].map(|tenant| stage.cache.count_of(tenant)), [0, 1, 1]);
    assert_eq!(stage.cache.idle(start + MINUTE * 30, MINUTE * 10).len(), 2);
    assert_eq!((stage.cache.total(), stage.cache.held.len()), (Weight::default(), 0));
    assert!(stage.cache.moments.len() <= PARTS as usize + 1);
}

#[test]
fn what_is_forgotten_while_it_loads_is_not_counted_and_what_failed_is_not_kept() {
    let [ours, theirs, bystander] = tenants();
    let mut stage = Stage::new(1_000, 100);
    stage.call(bystander, 1, 10);
    let (our_key, their_key) = ((ours, digest(1)), (theirs, digest(1)));
    let (loading, failing) = (stage.cache.cell(our_key), stage.cache.cell(their_key));
    assert_eq!(stage.cache.remove_tenant(ours).len(), 1);
    loading.set(Arc::new(10)).unwrap();
    stage.cache.loaded(&our_key, &loading, 10);
    stage.cache.failed(&their_key, &failing);
    assert_eq!([ours, theirs, bystander].map(|tenant| stage.cache.count_of(tenant)), [0, 0, 1]);
    assert_eq!(stage.cache.total(), Weight { count: 1, bytes: 10 });
}

#[test]
fn what_is_on_its_way_is_neither_idle_nor_makes_room() {
    let [ours, theirs, bystander] = tenants();
    let (mut stage, start) = (Stage::new(1_000, 2), Instant::now());
    let key = (ours, digest(1));
    let loading = stage.cache.cell(key);
    stage.cache.idle(start, MINUTE);
    assert!(stage.cache.idle(start + MINUTE, MINUTE).is_empty());
    assert_eq!(stage.cache.count_of(ours), 1);
    for tenant in [theirs, bystander] {
        stage.call(tenant, 1, 10);
    }
    loading.set(Arc::new(10)).unwrap();
    assert_eq!(stage.cache.loaded(&key, &loading, 10).len(), 1);
    assert_eq!([ours, theirs, bystander].map(|tenant| stage.cache.count_of(tenant)), [1, 0, 1]);
}

#[test]
fn what_nobody_loads_any_more_is_forgotten() {
    let [ours, _, bystander] = tenants();
    let (mut stage, start) = (Stage::new(1_000, 100), Instant::now());
    drop(stage.cache.cell((ours, digest(1))));
    stage.cache.idle(start, MINUTE);
    stage.call(bystander, 1, 10);
    assert_eq!(stage.cache.idle(start + MINUTE, MINUTE).len(), 1);
    assert_eq!([ours, bystander].map(|tenant| stage.cache.count_of(tenant)), [0, 1]);
}

#[test]
fn the_tenant_whose_calls_left_most_behind_makes_up_for_it_and_its_neighbours_keep_theirs() {
    let [greedy, neighbour, bystander] = tenants();
    let mut stage = Stage::new(1_000, 100);
    for component in 0..10 {
        stage.call(greedy, component, 20);
    }
    stage.call(neighbour, 1, 50);
    stage.call(bystander, 1, 0);
    // Each of the greedy tenant's is less than its neighbour's one: together they are more.
    let gone = stage.cache.heaviest(90, |bytes| *bytes);
    assert_eq!(gone.iter().map(|cell| **cell.get().unwrap()).collect::<Vec<_>>(), [20; 5]);
    assert_eq!((stage.has(neighbour, &[1]), stage.has(bystander, &[1])), (vec![true], vec![true]));
    assert_eq!(stage.cache.heaviest(1_000, |bytes| *bytes).len(), 6);
    assert_eq!((stage.has(neighbour, &[1]), stage.has(bystander, &[1])), (vec![false], vec![true]), "it left nothing");
}
