//! What every store does, run on each.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::super::Memory;
use super::{Embedded, Row, Store, StoreError, Table, Write, put, remove, rows};

/// Runs a test on an empty store of each kind.
fn each(test: impl Fn(&dyn Store)) {
    test(&Memory::new());
    let folder = tempfile::tempdir().unwrap();
    test(&Embedded::open(folder.path()).unwrap());
}

/// The keys of rows.
fn keys(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|(key, _)| str::from_utf8(key).unwrap()).collect()
}

#[test]
fn an_empty_store_has_no_rows() {
    each(|store| {
        for table in Table::ALL {
            assert_eq!(rows(store, table).unwrap(), []);
            assert_eq!(store.get(table, b"a").unwrap(), None);
            assert_eq!(store.scan(table, b"", true, 10).unwrap(), []);
        }
        store.commit(&[]).unwrap();
        store.commit(&[remove(Table::Services, "none")]).unwrap();
        assert_eq!(rows(store, Table::Services).unwrap(), []);
    });
}

#[test]
fn rows_come_in_the_order_of_their_octets() {
    each(|store| {
        let sorted: [&[u8]; 7] = [b"\0", b"\0\0", b"a", b"a\0", b"aa", b"b", b"\xff"];
        let writes: Vec<Write> = sorted.iter().rev().map(|key| put(Table::Instances, key, key)).collect();
        store.commit(&writes).unwrap();
        let found = rows(store, Table::Instances).unwrap();
        assert!(found.iter().all(|(key, value)| key == value));
        assert_eq!(found.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), sorted);
    });
}

#[test]
fn scans_go_both_ways_from_a_key_and_stop_at_the_limit() {
    each(|store| {
        let writes: Vec<Write> = ["a", "b", "c", "d", "e"].map(|key| put(Table::Operations, key, "")).into();
        store.commit(&writes).unwrap();
        let scan = |after: &str, backwards, limit| {
            let rows = store.scan(Table::Operations, after.as_bytes(), backwards, limit).unwrap();
            keys(&rows).concat()
        };
        assert_eq!(scan("", false, 10), "abcde");
        assert_eq!(scan("", true, 10), "edcba");
        assert_eq!(scan("", false, 2), "ab");
        assert_eq!(scan("", true, 2), "ed");
        assert_eq!(scan("b", false, 2), "cd");
        assert_eq!(scan("d", true, 2), "cb");
        // A key that is not there is a place like any other.
        assert_eq!(scan("bb", false, 10), "cde");
        assert_eq!(scan("bb", true, 10), "ba");
        assert_eq!(scan("e", false, 10), "");
        assert_eq!(scan("a", true, 10), "");
        assert_eq!(scan("", false, 0), "");
    });
}

#[test]
fn a_part_is_what_lies_between_its_bounds() {
    each(|store| {
        let of = |table| ["", "a", "b", "bb", "c"].map(|key| put(table, key, ""));
        store.commit(&[of(Table::Services), of(Table::Instances), of(Table::Operations)].concat()).unwrap();
        let part = |from: Bound<&str>, to: Bound<&str>| {
            let mut found = Vec::new();
            let bounds = (from.map(str::as_bytes), to.map(str::as_bytes));
            let each = &mut |key: &[u8], _: &[u8]| {
                found.push(str::from_utf8(key).unwrap().to_owned());
                Ok(())
            };
            store.load_part(Table::Instances, bounds, each).unwrap();
            found.join(",")
        };
        assert_eq!(part(Bound::Unbounded, Bound::Unbounded), ",a,b,bb,c");
        assert_eq!(part(Bound::Unbounded, Bound::Excluded("b")), ",a");
        assert_eq!(part(Bound::Included("b"), Bound::Unbounded), "b,bb,c");
        assert_eq!(part(Bound::Excluded("b"), Bound::Included("bb")), "bb");
        assert_eq!(part(Bound::Included("bc"), Bound::Excluded("c")), "");
        assert_eq!(part(Bound::Included(""), Bound::Included("")), "");
        assert_eq!(part(Bound::Excluded("c"), Bound::Unbounded), "");
    });
}

#[test]
fn rows_are_put_replaced_and_removed() {
    each(|store| {
        let get = |key: &str| store.get(Table::Services, key.as_bytes()).unwrap();
        store.commit(&[put(Table::Services, "a", "1"), put(Table::Services, "b", "")]).unwrap();
        assert_eq!((get("a").as_deref(), get("b").as_deref()), (Some(&b"1"[..]), Some(&b""[..])));
        store.commit(&[put(Table::Services, "a", "2"), remove(Table::Services, "b")]).unwrap();
        assert_eq!((get("a").as_deref(), get("b")), (Some(&b"2"[..]), None));
        assert_eq!(keys(&rows(store, Table::Services).unwrap()), ["a"]);
    });
}

#[test]
fn the_last_write_of_a_key_in_a_batch_counts() {
    each(|store| {
        let [a, b, c] = ["a", "b", "c"];
        let batch = [
            put(Table::Instances, a, "1"),
            put(Table::Instances, c, "1"),
            remove(Table::Instances, b),
            put(Table::Services, a, "other"),
            put(Table::Instances, b, "1"),
            put(Table::Instances, a, "2"),
            remove(Table::Instances, c),
        ];
        store.commit(&batch).unwrap();
        let expected: [Row; 2] =
            [("a", "2"), ("b", "1")].map(|(key, value)| (key.as_bytes().into(), value.as_bytes().into()));
        assert_eq!(rows(store, Table::Instances).unwrap(), expected);
    });
}

#[test]
fn tables_are_apart() {
    each(|store| {
        store.commit(&Table::ALL.map(|table| put(table, "key", format!("{table:?}")))).unwrap();
        for table in Table::ALL {
            let value = store.get(table, b"key").unwrap().unwrap();
            assert_eq!(&*value, format!("{table:?}").as_bytes());
        }
        store.commit(&[remove(Table::Services, "key")]).unwrap();
        let left = Table::ALL.map(|table| rows(store, table).unwrap().len());
        assert_eq!(left, [1, 0, 1, 1, 1]);
    });
}

#[test]
fn a_load_ends_at_the_first_fault_and_leaves_the_store_usable() {
    each(|store| {
        store.commit(&["a", "b", "c"].map(|key| put(Table::Namespaces, key, ""))).unwrap();
        let mut seen = 0;
        let fault = store.load(Table::Namespaces, &mut |_, _| {
            seen += 1;
            if seen == 2 { Err(StoreError::Corrupt("told".into())) } else { Ok(()) }
        });
        assert!(matches!(fault, Err(StoreError::Corrupt(text)) if text == "told"));
        assert_eq!(seen, 2);
        store.commit(&[put(Table::Namespaces, "d", "")]).unwrap();
        assert_eq!(rows(store, Table::Namespaces).unwrap().len(), 4);
    });
}

#[test]
fn any_sequence_of_batches_has_the_outcome_of_a_map() {
    each(|store| {
        let mut random = fastrand::Rng::with_seed(4);
        let mut model = BTreeMap::new();
        for _ in 0..60 {
            let write = |_| {
                let key: Box<[u8]> = (0..random.usize(1..4)).map(|_| random.u8(b'a'..=b'f')).collect();
                let value = random.bool().then(|| vec![random.u8(..); random.usize(..5000)].into());
                Write { table: Table::Instances, key, value }
            };
            let writes: Vec<Write> = (0..20).map(write).collect();
            store.commit(&writes).unwrap();
            for Write { key, value, .. } in writes {
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            assert!(rows(store, Table::Instances).unwrap().into_iter().eq(model.clone()));
        }
    });
}
