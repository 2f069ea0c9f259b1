//! Limits: the table, the ranges, and how they are stored.

use super::*;

#[test]
fn the_table_and_the_struct_say_the_same() {
    let entries: Vec<_> = Limits::standard().entries().collect();
    let table: Vec<_> = Limits::CEILINGS.iter().map(|spec| (spec.name, spec.standard)).collect();
    assert_eq!(entries, table);
    let json = serde_json::to_value(Limits::standard()).unwrap();
    let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected: Vec<_> = Limits::CEILINGS.iter().map(|spec| spec.name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for spec in Limits::CEILINGS {
        assert!(0 < spec.minimum && spec.minimum <= spec.standard && spec.standard <= spec.maximum, "{}", spec.name);
    }
}

#[test]
fn a_patch_is_held_against_the_range_of_each_limit() {
    for (index, spec) in Limits::CEILINGS.iter().enumerate() {
        let patch =
            |value: u64| -> LimitsPatch { serde_json::from_value(serde_json::json!({ (spec.name): value })).unwrap() };
        for good in [spec.minimum, spec.maximum] {
            let patched = Limits::standard().patched(&patch(good)).unwrap();
            assert_eq!(patched.entries().nth(index), Some((spec.name, good)));
            assert_eq!(patched.checked(), Ok(patched));
        }
        for bad in [spec.minimum - 1, spec.maximum + 1] {
            let refused = Limits::standard().patched(&patch(bad)).unwrap_err();
            assert_eq!((refused.name, refused.value, refused.maximum), (spec.name, bad, spec.maximum));
        }
    }
}

#[test]
fn an_empty_patch_changes_nothing() {
    let limits = Limits::standard().patched(&LimitsPatch { agents: Some(7), ..LimitsPatch::default() }).unwrap();
    assert_eq!(limits.patched(&LimitsPatch::default()), Ok(limits));
}

#[test]
fn limits_that_do_not_exist_are_refused_in_patches() {
    assert!(serde_json::from_str::<LimitsPatch>(r#"{"fuel": 1, "feul": 1}"#).is_err());
    assert!(serde_json::from_str::<LimitsPatch>(r#"{"cpu_us": 1}"#).is_err());
}

#[test]
fn stored_limits_of_an_older_release_take_the_standard_for_what_they_lack() {
    let stored = Limits::from_stored(r#"{"agents": 3, "limit-of-a-newer-release": 9}"#).unwrap();
    assert_eq!(stored, Limits { agents: nonzero(3), ..Limits::standard() });
    assert!(Limits::from_stored(r#"{"agents": 0}"#).is_err());
    let whole = serde_json::to_string(&stored).unwrap();
    assert_eq!(Limits::from_stored(&whole).unwrap(), stored);
}
